"""Notices that somebody has set the PC's clock. It goes on record, and that is all: nothing runs by that clock."""

from collections.abc import Callable
from datetime import datetime, timedelta

from cycler.control.rack_log import RackLog
from cycler.model.alarm import AlarmCode

STEP_S_MIN = 0.5
"""More than a clock that is being slewed moves from one look to the next."""


class ClockWatch:
    """Compares the wall clock with the loop's; asked every few seconds."""

    def __init__(self, utcnow: Callable[[], datetime], rack_log: RackLog) -> None:
        self._utcnow = utcnow
        self._log = rack_log
        self._zero_utc: datetime | None = None  # the wall clock's word for the loop's 0 s, at the last look

    def look(self, now_s: float) -> None:
        """By the loop's clock."""
        zero_utc, before_utc = self._utcnow() - timedelta(seconds=now_s), self._zero_utc
        self._zero_utc = zero_utc
        step_s = 0.0 if before_utc is None else (zero_utc - before_utc).total_seconds()
        if abs(step_s) >= STEP_S_MIN:
            way = "forward" if step_s > 0 else "back"
            text = f"the PC's clock was set {way} by {abs(step_s):.1f} s; nothing that runs goes by it"
            self._log.record("clock.stepped", code=AlarmCode.CLOCK_JUMP, text=text)
