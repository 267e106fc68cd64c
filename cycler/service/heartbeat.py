"""The watchdog's ping: given from the control loop itself, and only as long as all that keeps cells safe is alive."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

import structlog

from cycler.service.running_rack import RunningRack

PERIOD_S: Final = 0.5
LATE_S_MAX: Final = 1.0
UNWATCHED_S_MAX: Final = 3.0
NOT_DURABLE_S_MAX: Final = 3.0

log = structlog.get_logger()


class Heartbeat:
    """Of one rack under control."""

    def __init__(self, running: RunningRack, ping: Callable[[], None]) -> None:
        self._running = running
        self._ping = ping

    async def run(self) -> None:
        """Until cancelled."""
        clock = asyncio.get_running_loop().time
        is_ailing = False
        while True:
            due_s = clock() + PERIOD_S
            await asyncio.sleep(PERIOD_S)
            ails = list(self.ails(clock(), late_s=clock() - due_s))
            if not ails:
                self._ping()
            if bool(ails) != is_ailing:  # once, and not every half second
                log.warning("heartbeat.withheld" if ails else "heartbeat.resumed", reason="; ".join(ails))
            is_ailing = bool(ails)

    def ails(self, now_s: float, *, late_s: float) -> Iterator[str]:
        """What keeps the ping from being given.

        A journal in trouble does not: it has its alarm, and either it mends or what runs is stopped in order.
        """
        running = self._running
        if late_s > LATE_S_MAX:
            yield f"the control loop is {late_s:.1f} s late"
        if now_s - running.controller.watched_s > UNWATCHED_S_MAX:
            yield "nobody watches for silent devices"
        for device in running.controller.unwatched:
            yield f"cells run on {device}, and no reading comes"
        if running.recorder.trouble is None and now_s - running.recorder.durable_s > NOT_DURABLE_S_MAX:
            yield f"nothing was committed for {now_s - running.recorder.durable_s:.1f} s"
