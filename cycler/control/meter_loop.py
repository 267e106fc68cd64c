"""One meter: measures what is asked for, one cell after the other."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from cycler.contract.capabilities import MeterKind, MeterRange
from cycler.contract.devices import Meter
from cycler.contract.errors import DeviceError, LinkError
from cycler.contract.sweep import ChannelId
from cycler.control.cancellation import raise_if_cancelled
from cycler.control.rack_log import RackLog
from cycler.model.alarm import AlarmCode

log = structlog.get_logger()

TRIES_MAX = 3  # at one measurement, the device configured anew before each but the first
AGAIN_S = 1.0
LOOKS_MAX = 3
"""A probe that bounced shows nothing once; one that shows nothing three times touches nothing."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Wanted:
    """A measurement that somebody waits for."""

    channel: ChannelId
    kind: MeterKind
    is_due: Callable[[], bool]  # he still does, and the cell may be measured now
    answer: Callable[[float | None, str], None]  # in V or Ω; None where there is no value, and why


class MeterLoop:
    """Never measures of its own accord. What was asked for outlasts a loss of the device."""

    def __init__(self, device: str, driver: Meter, rack_log: RackLog) -> None:
        self.device = device
        self._driver = driver
        self._log = rack_log
        self._waiting: deque[Wanted] = deque()
        self._asked = asyncio.Event()
        self._given_up: str | None = None  # why nothing is to be had from it any more
        self._is_known = self._is_lost = False

    @property
    def capabilities(self) -> MeterRange | None:
        """None as long as it has not answered."""
        return self._driver.capabilities if self._is_known else None

    def ask(self, wanted: Wanted) -> None:
        """Measure this after all that was asked for before. Never waits."""
        if self._given_up is not None:
            wanted.answer(None, self._given_up)
            return
        self._waiting.append(wanted)
        self._asked.set()

    def give_up(self, why: str) -> None:
        """Nobody tries this device any more, until it has been checked."""
        self._given_up = why
        while self._waiting:
            self._waiting.popleft().answer(None, why)

    async def prepare(self) -> None:
        """Connect and configure."""
        await self._driver.connect()
        await self._driver.commission()
        self._is_known, self._given_up = True, None
        if self._is_lost:
            self._is_lost = False
            self._log.record("meter.back", device=self.device, text=f"{self.device} answers again")

    def lose(self, error: DeviceError) -> None:
        """It fails. What is tried again and again is said once."""
        if not self._is_lost:
            self._is_lost = True
            self._log.record(
                "device.lost",
                device=self.device,
                code=AlarmCode.STALE_DATA,
                text=str(error),
                by_wire=isinstance(error, LinkError),
            )

    async def run(self) -> None:
        """Until cancelled, or until the device fails at a measurement again and again: that remains to be done."""
        while True:
            wanted = await self._next()
            value = await self._measured_at_last(wanted)
            self._waiting.popleft()
            shows = f"{self.device}/{wanted.channel} shows no {wanted.kind}"
            wanted.answer(value, "" if value is not None else f"{shows}: over its range, or its probes touch nothing")

    async def _next(self) -> Wanted:
        while True:
            while self._waiting:
                if self._waiting[0].is_due():
                    return self._waiting[0]
                wanted = self._waiting.popleft()
                why = "was not measured: its cell was not seen open when its turn came"
                wanted.answer(None, f"{self.device}/{wanted.channel} {why}")
            self._asked.clear()
            await self._asked.wait()

    async def _measured_at_last(self, wanted: Wanted) -> float | None:
        for _ in range(TRIES_MAX - 1):
            try:
                return await self._measured(wanted)
            except DeviceError as error:
                raise_if_cancelled()
                log.warning("meter.failed", device=self.device, reason=error.detail)
            await asyncio.sleep(AGAIN_S)
            with suppress(DeviceError):  # the measurement itself will tell
                await self.prepare()  # one that was restarted measures again once it is configured
            raise_if_cancelled()
        return await self._measured(wanted)

    async def _measured(self, wanted: Wanted) -> float | None:
        for _ in range(LOOKS_MAX):
            shown = await self._driver.measure(wanted.channel, {wanted.kind})
            value = shown.voltage_v if wanted.kind == "ocv" else shown.resistance_ohm
            if value is not None:
                return value
        return None
