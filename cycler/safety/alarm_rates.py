"""How many alarms people get, counted as EEMUA 191 and ISA-18.2 count: a rate, floods, and alarms that chatter."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

PERIOD: Final = timedelta(minutes=10)
FLOOD_OVER: Final = 10
"""More in one period is a flood: nobody can deal with them one by one (EEMUA 191, ISA-18.2 16.5)."""

CHATTER_RAISES: Final = 3
CHATTER: Final = timedelta(minutes=1)
"""An alarm that comes so often in so short a time chatters (ISA-18.2 16.7)."""

STALE: Final = timedelta(hours=24)
"""An alarm that has been active for longer tells nobody anything (ISA-18.2 16.6)."""


class Raised(NamedTuple):
    """One annunciation."""

    utc: datetime
    code: int
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRates:
    """The figures of a time. A steady rate of one in ten minutes is what a person can bear (EEMUA 191)."""

    raised: int
    per_period: float  # mean over the whole time, a period counted as at least one
    busiest: int  # in any ten minutes
    floods: int  # how many there were
    flooded_ratio: float  # of the time, 0 to 1
    chattering: tuple[tuple[int, str], ...]  # by code and source
    most_frequent: tuple[tuple[int, str, int], ...]  # with how often, the first first


def rates(raised: Iterable[Raised], *, from_utc: datetime, until_utc: datetime) -> AlarmRates:
    """Of what was raised in that time, its ends included."""
    each = sorted(one for one in raised if from_utc <= one.utc <= until_utc)
    times = [one.utc for one in each]
    by_alarm: defaultdict[tuple[int, str], list[datetime]] = defaultdict(list)
    for one in each:
        by_alarm[one.code, one.source].append(one.utc)
    flooded = _floods(times)
    span = max(until_utc - from_utc, PERIOD)
    counts = Counter({alarm: len(of_alarm) for alarm, of_alarm in by_alarm.items()})
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return AlarmRates(
        raised=len(each),
        per_period=len(each) / (span / PERIOD),
        busiest=busiest(times, PERIOD),
        floods=len(flooded),
        flooded_ratio=sum((end - begin for begin, end in flooded), timedelta()) / span,
        chattering=tuple(sorted(alarm for alarm, of_alarm in by_alarm.items() if chatters(of_alarm))),
        most_frequent=tuple((code, source, count) for (code, source), count in ranked),
    )


def chatters(raised: Sequence[datetime]) -> bool:
    """Whether one alarm, raised at these times in order, does."""
    return busiest(raised, CHATTER) >= CHATTER_RAISES


def busiest(times: Sequence[datetime], window: timedelta) -> int:
    """The most of these times, given in order, that lie within one window: less than its length apart."""
    most = first = 0
    for last, time in enumerate(times):
        while time - times[first] >= window:
            first += 1
        most = max(most, last - first + 1)
    return most


def _floods(times: Sequence[datetime]) -> list[tuple[datetime, datetime]]:
    """From the first alarm of a period with too many to the last of such a period; periods that overlap are one."""
    found: list[tuple[datetime, datetime]] = []
    first = 0
    for last, time in enumerate(times):
        while time - times[first] >= PERIOD:
            first += 1
        if last - first + 1 > FLOOD_OVER:
            begin = times[first]
            if found and begin <= found[-1][1]:
                found[-1] = (found[-1][0], time)
            else:
                found.append((begin, time))
    return found
