"""Where abuse tests may run: on a rack declared for them as a whole, watched as they need it, one cell at a time."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Final

from cycler.model.alarm import AlarmCode
from cycler.model.rack import Bay, BayId, Interlock, Rack
from cycler.recipe.model import Recipe
from cycler.service.refusal import Refused

NEEDED: Final[Mapping[str, frozenset[AlarmCode]]] = {
    "door": frozenset({AlarmCode.DOOR}),
    "gas": frozenset({AlarmCode.GAS}),
    "smoke": frozenset({AlarmCode.SMOKE, AlarmCode.ASPIRATING_DETECTOR}),
    "heat (or limiter)": frozenset({AlarmCode.HEAT_SENSOR, AlarmCode.CHAMBER_LIMITER}),
}
"""Interlocks that every bay of such a rack has, by the kinds of rack files; the last is an over-temperature that does
not depend on the cycler's own thermometers."""

PROOF_TEST_MAX: Final = timedelta(days=366)
"""How old the proof test of an interlock may be: once a year, as the process industry tests what is rarely needed."""


def missing_interlocks(bays: Mapping[BayId, Bay], interlocks: Iterable[Interlock]) -> Iterator[str]:
    """What keeps a rack from being one for abuse tests, one line for each bay and kind of interlock."""
    interlocks = list(interlocks)
    for bay in bays.values():
        for kind, alarms in NEEDED.items():
            found = [each for each in _covering(bay, interlocks) if each.alarm in alarms]
            if not found:
                yield f"bay {bay.bay} has no {kind} interlock that switches off"
            elif all(each.proof_tested is None for each in found):
                yield f"the {kind} interlock of bay {bay.bay}, {found[0].interlock}, has no `proof_test`"


def refuse_abuse(rack: Rack, recipe: Recipe) -> None:
    """Raises `Refused` for an abuse test on any other rack: a bay beside production cells is no place for one."""
    if recipe.purpose == "abuse" and rack.purpose != "abuse":
        raise Refused(
            "abuse-rack",
            f"{_named(recipe)} is an abuse test, and rack {rack.rack} is declared for production",
            "it loads only on a rack that is declared `purpose: abuse` as a whole",
        )


def refuse_company(recipe: Recipe, cells: int) -> None:
    """Raises `Refused` where other cells would be energised beside the one under an abuse test."""
    if recipe.purpose == "abuse" and cells > 1:
        message = f"{_named(recipe)} is an abuse test, and {cells} cells are to be energised"
        raise Refused("abuse-company", message, "it takes one cell, and nothing else on the rack meanwhile")


def refuse_unproven(rack: Rack, bay: Bay, recipe: Recipe, today: date) -> None:
    """Raises `Refused` where what watches an abuse test has not been tested for too long."""
    if recipe.purpose != "abuse":
        return
    for kind, alarms in NEEDED.items():
        found = [each for each in _covering(bay, rack.interlocks) if each.alarm in alarms]
        tested = max((each.proof_tested for each in found if each.proof_tested is not None), default=None)
        if tested is None or not today - PROOF_TEST_MAX <= tested <= today:
            message = f"the {kind} interlock of bay {bay.bay} was last proof-tested {tested or 'never'}"
            hint = f"test it, and write its `proof_test`: one counts for {PROOF_TEST_MAX.days} d"
            raise Refused("abuse-proof-test", message, hint)


def _covering(bay: Bay, interlocks: Iterable[Interlock]) -> list[Interlock]:
    """Those that switch all of the bay off."""
    return [
        each
        for each in interlocks
        if each.action in ("off", "off-latched") and bay.positions.keys() <= set(each.positions)
    ]


def _named(recipe: Recipe) -> str:
    return f"{recipe.recipe} {recipe.version}"
