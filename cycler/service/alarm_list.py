"""What a store tells of its rack's alarms: those that stand, and how many people have had to bear."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cycler.model.alarm_record import SEVERITIES, Alarm, AlarmChange, AlarmRecord
from cycler.record.reader import Reader
from cycler.safety.alarm_rates import AlarmRates, Raised, chatters, rates

RATED: Final = timedelta(days=1)
"""How far back the figures count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedAlarm:
    """An alarm as people see it in a list. `chatters`: it has ever come too often in too short a time."""

    alarm: Alarm
    chatters: bool
    trail: tuple[AlarmChange, ...]

    def document(self) -> dict[str, Any]:
        """For programs."""
        trail = [_plain(asdict(change)) for change in self.trail]
        return {**_plain(asdict(self.alarm)), "chatters": self.chatters, "trail": trail}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmList:
    """`rates` are those of the day that ends with `until_utc`; None where nothing was ever raised."""

    alarms: tuple[ListedAlarm, ...]
    rates: AlarmRates | None
    until_utc: datetime | None

    def document(self) -> dict[str, Any]:
        """For programs: times as ISO 8601."""
        return {
            "alarms": [each.document() for each in self.alarms],
            "rates": None if self.rates is None else asdict(self.rates),
            **_plain({"until_utc": self.until_utc}),
        }


def alarm_list(store: Path, *, now_utc: datetime | None, everything: bool) -> AlarmList:
    """The worst first, of equal ones the latest; those that are over only if `everything` is wanted.

    Without `now_utc` the figures end with the last alarm, as in a world whose time is not ours. Raises
    `JournalUnusable`.
    """
    with Reader(store) as reader:
        records = reader.alarms()
    raised = [each for record in records for each in _raised(record)]
    times: defaultdict[tuple[int, str], list[datetime]] = defaultdict(list)
    for each in raised:
        times[each.code, each.source].append(each.utc)
    until_utc = now_utc or max((each.utc for each in raised), default=None)
    shown = [record for record in records if everything or not record.alarm.is_over]
    return AlarmList(
        alarms=tuple(
            ListedAlarm(
                alarm=record.alarm,
                chatters=chatters(times[record.alarm.code, record.alarm.source]),
                trail=record.changes,
            )
            for record in sorted(shown, key=_weight)
        ),
        rates=None if until_utc is None else rates(raised, from_utc=until_utc - RATED, until_utc=until_utc),
        until_utc=until_utc,
    )


def _weight(record: AlarmRecord) -> tuple[bool, bool, int, int]:
    """What is over, and what is hidden, comes last."""
    alarm = record.alarm
    return alarm.is_over, alarm.hidden_by is not None, SEVERITIES.index(alarm.severity), -alarm.number


def _raised(record: AlarmRecord) -> Iterator[Raised]:
    """Each time that it came and was shown."""
    is_active = False
    for change in record.changes:
        comes = change.act in ("raise", "spread")
        if comes and not is_active and change.state not in ("shelved", "out-of-service"):
            yield Raised(change.utc, record.alarm.code, record.alarm.source)
        is_active = comes or (is_active and change.act != "clear")


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in facts.items()}
