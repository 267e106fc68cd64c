"""One temperature input device: its readings go to the controllers of the positions that its channels sit at."""

import asyncio
from collections.abc import Mapping, Sequence
from math import nan

from cycler.contract.devices import TemperatureInput
from cycler.contract.errors import LinkError
from cycler.contract.sweep import ChannelId
from cycler.control.beat import Beat
from cycler.control.channel_controller import ChannelController
from cycler.control.patience import Patience


class TemperatureLoop:
    """Reads on its beat. What it has not read for three beats is NaN, which counts for the trip of a temperature."""

    def __init__(self, device: str, driver: TemperatureInput, *, sweep_s: float, offset_s: float) -> None:
        self.device = device
        self._driver = driver
        self._patience = Patience(device, sweep_s=sweep_s)
        self._beat = Beat(period_s=sweep_s, fast_s=sweep_s, offset_s=offset_s)
        self._watchers: list[tuple[int, ChannelController]] = []  # each with the row of its channel

    async def prepare(self) -> None:
        """Connect and configure."""
        await self._driver.connect()
        await self._driver.commission()

    async def watch(self, controllers: Mapping[str, Sequence[ChannelController]]) -> None:
        """From now on give these channels' temperatures to these controllers; the first reading is there on return."""
        rows = {channel: row for row, channel in enumerate(self._driver.capabilities.channels)}
        self._watchers = [(row, controller) for row, controller in self._watchers if not controller.closed]
        for channel, watchers in controllers.items():
            row = rows.get(ChannelId(channel))
            if row is not None:  # what nothing measures stays NaN
                self._watchers.extend((row, controller) for controller in watchers)
        await self._read()

    async def run(self) -> None:
        """Until cancelled, or until the device has failed for three beats."""
        clock = asyncio.get_running_loop().time
        self._patience.heard_s = clock()
        while True:
            await self._beat.next()
            try:
                await self._read()
                self._patience.heard_s = clock()
            except LinkError as error:
                self._patience.bear(error)

    def forget(self) -> None:
        """The device is lost: what it last measured is not known any more."""
        for _, controller in self._watchers:
            controller.temperature_degc = nan

    async def _read(self) -> None:
        temperature_degc = (await self._driver.read()).temperature_degc
        for row, controller in self._watchers:
            controller.temperature_degc = temperature_degc[row]
