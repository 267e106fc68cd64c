"""One temperature input device: its readings go to the controllers of the positions that its channels sit at."""

import asyncio
from collections.abc import Mapping, Sequence
from math import nan

import structlog

from cycler.contract.devices import TemperatureInput
from cycler.contract.errors import LinkError
from cycler.contract.sweep import ChannelId
from cycler.control.beat import Beat
from cycler.control.cancellation import raise_if_cancelled
from cycler.control.channel_controller import ChannelController

log = structlog.get_logger()

STALE_SWEEPS = 3


class TemperatureLoop:
    """Reads on its beat. What it has not read for three beats is NaN, which counts for the trip of a temperature."""

    def __init__(self, device: str, driver: TemperatureInput, *, sweep_s: float, offset_s: float) -> None:
        self.device = device
        self._driver = driver
        self._stale_s = STALE_SWEEPS * sweep_s
        self._beat = Beat(period_s=sweep_s, fast_s=sweep_s, offset_s=offset_s)
        self._watchers: dict[str, list[ChannelController]] = {}

    async def prepare(self) -> None:
        """Connect and configure."""
        await self._driver.connect()
        await self._driver.commission()

    async def watch(self, controllers: Mapping[str, Sequence[ChannelController]]) -> None:
        """From now on give these channels' temperatures to these controllers; the first reading is there on return."""
        for channel, watchers in controllers.items():
            known = self._watchers.setdefault(channel, [])
            known[:] = [controller for controller in known if not controller.closed]
            known.extend(watchers)
        await self._read()

    async def run(self) -> None:
        """Until cancelled, or until the device has failed for three beats."""
        clock = asyncio.get_running_loop().time
        heard_s = clock()
        while True:
            await self._beat.next()
            try:
                await self._read()
                heard_s = clock()
            except LinkError as error:
                raise_if_cancelled()
                if clock() - heard_s >= self._stale_s:
                    raise
                log.warning("device.silent", device=self.device, reason=error.detail)

    def forget(self) -> None:
        """The device is lost: what it last measured is not known any more."""
        for watchers in self._watchers.values():
            for controller in watchers:
                controller.temperature_degc = nan

    async def _read(self) -> None:
        reading = await self._driver.read()
        known = dict(zip(reading.channels, reading.temperature_degc, strict=True))
        for channel, watchers in self._watchers.items():
            temperature_degc = known.get(ChannelId(channel), nan)
            for controller in watchers:
                controller.temperature_degc = temperature_degc
