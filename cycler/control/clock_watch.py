"""Notices that somebody has set the PC's clock. It goes on record, and that is all: nothing runs by that clock."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from cycler.control.rack_log import RackLog
from cycler.control.resumption import Outage
from cycler.model.alarm import AlarmCode
from cycler.record.memory import Memory
from cycler.record.recorder import Recorder

STEP_S_MIN = 0.5
"""More than a clock that is being slewed moves from one look to the next."""

KEPT_EVERY_S = 10.0
SURE_S = 5.0
"""So far two clocks may disagree about how long control was away."""


class _Kept(NamedTuple):
    loop_s: float
    utc: datetime


class ClockWatch:
    """Compares the wall clock with the loop's; asked every few seconds. The last comparison outlives the process."""

    def __init__(self, utcnow: Callable[[], datetime], rack_log: RackLog, recorder: Recorder) -> None:
        self._utcnow = utcnow
        self._log = rack_log
        self._memory: Memory[_Kept] = Memory(recorder, "clock", _Kept)
        self._zero_utc: datetime | None = None  # the wall clock's word for the loop's 0 s, at the last look
        now_s, now_utc = asyncio.get_running_loop().time(), utcnow()
        last = self._memory.get("last", _Kept(now_s, now_utc))
        by_wall_s, by_loop_s = (now_utc - last.utc).total_seconds(), now_s - last.loop_s
        passed_s = max(by_wall_s, by_loop_s, 0.0)
        # The loop's clock is the machine's: it goes on over a restart of the process, and begins anew with the machine.
        self.is_sure = by_wall_s >= 0.0 and (by_loop_s < 0.0 or abs(by_wall_s - by_loop_s) <= SURE_S)
        """How long control was away is known."""
        self._lost_s, self._began_s, self._passed_s = last.loop_s, now_s, passed_s

    @property
    def outage(self) -> Outage:
        """From the last look of the process before this one to now."""
        now_s = asyncio.get_running_loop().time()
        return Outage(lost_s=self._lost_s, passed_s=self._passed_s + now_s - self._began_s, now_s=now_s)

    def look(self, now_s: float) -> None:
        """By the loop's clock."""
        now_utc = self._utcnow()
        kept = self._memory.get("last")
        if kept is None or not 0.0 <= now_s - kept.loop_s < KEPT_EVERY_S:
            self._memory.keep("last", _Kept(now_s, now_utc))
        zero_utc, before_utc = now_utc - timedelta(seconds=now_s), self._zero_utc
        self._zero_utc = zero_utc
        step_s = 0.0 if before_utc is None else (zero_utc - before_utc).total_seconds()
        if abs(step_s) >= STEP_S_MIN:
            way = "forward" if step_s > 0 else "back"
            text = f"the PC's clock was set {way} by {abs(step_s):.1f} s; nothing that runs goes by it"
            self._log.record("clock.stepped", code=AlarmCode.CLOCK_JUMP, text=text)
