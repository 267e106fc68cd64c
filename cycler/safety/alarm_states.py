"""The states of an alarm and the ways between them, by ISA-18.2 and IEC 62682.

Acknowledging and shelving say what a person knows. They never start, reset or re-enable anything.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from cycler.model.alarm_record import Alarm, AlarmAct, AlarmState

SHELVED_MAX: Final = timedelta(hours=12)
"""A shift: whoever comes after must see it again."""

BY_PEOPLE: Final[frozenset[AlarmAct]] = frozenset({"acknowledge", "shelve", "unshelve", "remove", "restore"})

AGAIN: Final = "again"
"""Where to depends: unacknowledged while its cause is there, else normal."""

WAYS: Final[Mapping[tuple[AlarmState, AlarmAct], AlarmState | str]] = {
    ("normal", "raise"): "unacknowledged",
    ("normal", "spread"): "unacknowledged",
    ("normal", "clear"): "normal",
    ("unacknowledged", "raise"): "unacknowledged",
    ("unacknowledged", "spread"): "unacknowledged",
    ("unacknowledged", "clear"): "returned",
    ("unacknowledged", "acknowledge"): "acknowledged",
    ("unacknowledged", "shelve"): "shelved",
    ("unacknowledged", "remove"): "out-of-service",
    ("acknowledged", "raise"): "acknowledged",
    ("acknowledged", "spread"): "unacknowledged",  # nobody has seen it like this
    ("acknowledged", "clear"): "normal",
    ("acknowledged", "shelve"): "shelved",
    ("acknowledged", "remove"): "out-of-service",
    ("returned", "raise"): "unacknowledged",
    ("returned", "spread"): "unacknowledged",
    ("returned", "clear"): "returned",
    ("returned", "acknowledge"): "normal",
    ("returned", "shelve"): "shelved",
    ("returned", "remove"): "out-of-service",
    ("shelved", "raise"): "shelved",
    ("shelved", "spread"): "shelved",
    ("shelved", "clear"): "shelved",
    ("shelved", "unshelve"): AGAIN,
    ("shelved", "remove"): "out-of-service",
    ("out-of-service", "raise"): "out-of-service",
    ("out-of-service", "spread"): "out-of-service",
    ("out-of-service", "clear"): "out-of-service",
    ("out-of-service", "restore"): AGAIN,
}

REFUSALS: Final[Mapping[tuple[AlarmState, AlarmAct], str]] = {
    ("normal", "acknowledge"): "it is over",
    ("normal", "shelve"): "it is over",
    ("normal", "unshelve"): "it is over",
    ("normal", "remove"): "it is over",
    ("normal", "restore"): "it is over",
    ("unacknowledged", "unshelve"): "it is not shelved",
    ("unacknowledged", "restore"): "it is in service",
    ("acknowledged", "acknowledge"): "it is acknowledged already",
    ("acknowledged", "unshelve"): "it is not shelved",
    ("acknowledged", "restore"): "it is in service",
    ("returned", "unshelve"): "it is not shelved",
    ("returned", "restore"): "it is in service",
    ("shelved", "acknowledge"): "it is shelved; unshelve it first",
    ("shelved", "shelve"): "it is shelved already",
    ("shelved", "restore"): "it is shelved, not out of service",
    ("out-of-service", "acknowledge"): "it is out of service; put it back first",
    ("out-of-service", "shelve"): "it is out of service already",
    ("out-of-service", "unshelve"): "it is out of service, not shelved",
    ("out-of-service", "remove"): "it is out of service already",
}


class AlarmRefused(Exception):
    """An alarm does not take what somebody wants of it. The text says why."""


def changed(
    alarm: Alarm,
    act: AlarmAct,
    *,
    utc: datetime,
    by: str | None = None,
    reason: str = "",
    until_utc: datetime | None = None,
) -> Alarm:
    """The alarm after that. Raises `AlarmRefused`.

    `by`: who wants it, needed for all that people do; a `reason` is needed to hide an alarm, and `until_utc` to shelve
    it. Time alone may unshelve one.
    """
    _refuse(alarm, act, utc=utc, by=by, reason=reason, until_utc=until_utc)
    is_active = act in ("raise", "spread") or (alarm.is_active and act != "clear")
    way = WAYS[alarm.state, act]
    state: AlarmState = ("unacknowledged" if is_active else "normal") if way == AGAIN else way  # type: ignore[assignment] # the others are states
    after = replace(alarm, state=state, is_active=is_active, changed_utc=utc)
    match act:
        case "raise" | "spread":
            return replace(after, raises=alarm.raises + (not alarm.is_active), returned_utc=None)
        case "clear":
            return replace(after, returned_utc=utc if alarm.is_active else alarm.returned_utc)
        case "acknowledge":
            return replace(after, acknowledged_by=by, acknowledged_utc=utc)
        case "shelve" | "remove":
            return replace(after, hidden_by=by, hidden_reason=reason, shelved_until_utc=until_utc)
        case "unshelve" | "restore":
            return replace(after, hidden_by=None, hidden_reason=None, shelved_until_utc=None)


def _refuse(
    alarm: Alarm, act: AlarmAct, *, utc: datetime, by: str | None, reason: str, until_utc: datetime | None
) -> None:
    named = f"alarm {alarm.number} ({alarm.code} {alarm.name}, {alarm.source})"
    if (alarm.state, act) in REFUSALS:
        raise AlarmRefused(f"{named}: {REFUSALS[alarm.state, act]}")
    if act not in BY_PEOPLE:
        return
    is_over_by_time = act == "unshelve" and alarm.shelved_until_utc is not None and utc >= alarm.shelved_until_utc
    if not (by or "").strip() and not is_over_by_time:
        raise AlarmRefused(f"{named}: say who you are")
    if act not in ("shelve", "remove"):
        return
    if alarm.is_trip:
        raise AlarmRefused(f"{named}: it is a safety trip, and those cannot be hidden; acknowledge it")
    if not reason.strip():
        raise AlarmRefused(f"{named}: say why it may be hidden")
    if act == "shelve":
        if until_utc is None or until_utc <= utc:
            raise AlarmRefused(f"{named}: say for how long it may be hidden")
        if until_utc - utc > SHELVED_MAX:
            hours = SHELVED_MAX.total_seconds() / 3600
            raise AlarmRefused(f"{named}: nothing is shelved for more than {hours:g} h; take it out of service instead")
