"""The entries under `interlocks:` of a rack file."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Literal, cast, get_args

from cycler.model.alarm import AlarmCode
from cycler.model.interlock import KINDS, alarm_of, concerned
from cycler.model.rack import Bay, BayId, Interlock, InterlockAction, InterlockScope, PositionId
from cycler.recipe.fields import Fields, as_date, as_list, as_text, as_title
from cycler.recipe.problems import nearest, shown
from cycler.safety.catalogue import CATALOGUE
from cycler.service.rack_reading import RackReading

EXAMPLES: Mapping[InterlockScope, str] = {
    "channel": "B01/A1",
    "bay": "B01",
    "zone": "Z1",
    "chamber": "ch-01",
    "device": "psb-01",
}
"""What `at` is in each scope."""

DEBOUNCE_S_MAX = 5.0  # what bounces for longer is broken


def read_interlocks(fields: Fields, reading: RackReading, bays: Mapping[BayId, Bay]) -> Iterator[Interlock]:
    """Those that can be used; what is wrong with others is put on record."""
    names: set[str] = set()
    for node in fields.take("interlocks", as_list) or []:
        entry = reading.entry(node, owner="an interlock")
        if entry is None:
            continue
        name = entry.take("id", as_title, required=True)
        reference = entry.take("input", lambda node: reading.digital_input(as_text(node)), required=True)
        active = entry.word("active", ("low", "high"), required=True)
        scope = entry.word("scope", get_args(InterlockScope), required=True)
        at = entry.text("at")
        action = entry.word("action", get_args(InterlockAction), required=True)
        kind = entry.word("kind", KINDS)
        proof_tested = _proof_tested(entry)
        debounce_s = _debounce_s(entry)
        entry.close()
        alarm = KINDS[kind] if kind else alarm_of(name or "")
        _refuse_going_on(entry, alarm, action)
        positions = () if scope is None else _positions(entry, bays, cast(InterlockScope, scope), at)
        if name in names:
            entry.refuse("id", "twice", f"the interlock {name} is there twice")
        if name and reference and active and action:
            names.add(name)
            yield Interlock(
                interlock=name,
                input=reference,
                active=cast(Literal["low", "high"], active),
                positions=positions,
                action=cast(InterlockAction, action),
                alarm=alarm,
                debounce_s=debounce_s,
                proof_tested=proof_tested,
            )


def _proof_tested(entry: Fields) -> date | None:
    """The day of the test; who made it, and how, is for people."""
    inner = entry.mapping("proof_test", owner="`proof_test`")
    if inner is None:
        return None
    inner.text("by", required=True)
    inner.text("evidence", required=True)
    day = inner.take("date", as_date, required=True)
    inner.close()
    return day


def _debounce_s(entry: Fields) -> float | None:
    asked = entry.quantity("debounce", "s")
    if asked is None:
        return None
    if not 0 <= asked.number <= DEBOUNCE_S_MAX:
        entry.refuse("debounce", "range", f"debounce: {asked} is not 0 s to {DEBOUNCE_S_MAX:g} s")
    return asked.number


def _refuse_going_on(entry: Fields, alarm: AlarmCode | None, action: str | None) -> None:
    latches = alarm is not None and CATALOGUE[alarm].action == "off-latched"
    if latches and action in ("off", "hold"):
        message = f"after this alarm ({alarm}) nothing may go on because its input is healthy again"
        entry.refuse("action", "not-latched", message, "write off-latched")


def _positions(
    entry: Fields, bays: Mapping[BayId, Bay], scope: InterlockScope, at: str | None
) -> tuple[PositionId, ...]:
    if scope == "rack" and at is not None:
        entry.refuse("at", "scope", "the whole rack has no `at`", "leave it out")
        return ()
    if scope != "rack" and at is None:
        if "at" not in entry:
            entry.refuse("scope", "missing-key", f"a scope of one {scope} needs `at`", f"write at: {EXAMPLES[scope]}")
        return ()
    found = concerned(bays, scope, at)
    if at is not None and not found:
        known = dict.fromkeys(place for bay in bays.values() for place in _places(bay, scope))
        hint = nearest(at, known) if known else f"no bay has a {scope}"
        entry.refuse("at", "scope", f"no position belongs to the {scope} {shown(at)}", hint)
    return found


def _places(bay: Bay, scope: InterlockScope) -> list[str]:
    """What `at` may name in this bay."""
    match scope:
        case "bay":
            return [bay.bay]
        case "zone":
            return [bay.zone] if bay.zone else []
        case "chamber":
            return [bay.chamber] if bay.chamber else []
        case "channel":
            return list(bay.positions)
        case _:
            return [channel.device for position in bay.positions.values() for channel in position.channels]
