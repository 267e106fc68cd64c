"""Several trips of one kind in one bay, close together, have one cause. Pure."""

from collections import defaultdict, deque

from cycler.model.alarm import AlarmCode
from cycler.model.rack import BayId, CommonCause


class TripCount:
    """Of one rack."""

    def __init__(self, rule: CommonCause) -> None:
        self._rule = rule
        self._tripped_s: defaultdict[tuple[BayId, AlarmCode], deque[float]] = defaultdict(
            lambda: deque(maxlen=rule.trips)
        )

    def take(self, now_s: float, bay: BayId, code: AlarmCode) -> bool:
        """Count a trip at this time of the loop's clock. True: with that one it is no coincidence any more."""
        tripped_s = self._tripped_s[bay, code]
        tripped_s.append(now_s)
        if len(tripped_s) < self._rule.trips or now_s - tripped_s[0] > self._rule.within_s:
            return False
        tripped_s.clear()
        return True
