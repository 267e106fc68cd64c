"""One temperature input device: its readings go to the controllers of the positions that its channels sit at."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from math import nan

from cycler.contract.devices import TemperatureInput, Temperatures
from cycler.contract.errors import LinkError, ProtocolError
from cycler.contract.sweep import ChannelId
from cycler.control.beat import Beat
from cycler.control.channel_controller import ChannelController
from cycler.control.patience import Patience
from cycler.control.pre_trip import TEMPERATURES_KEPT
from cycler.control.still_sensors import StillSensors

CREDIBLE_DEGC = (-200.0, 1400.0)
"""What a thermocouple or an RTD can show at all."""


class TemperatureLoop:
    """Reads on its beat. What it has not read for three beats is NaN, which counts for the trip of a temperature.

    What no sensor can show is none: a broken one may be reported as any number.
    """

    def __init__(
        self,
        device: str,
        driver: TemperatureInput,
        *,
        sweep_s: float,
        offset_s: float,
        on_frozen: Callable[[ChannelController, str], None],
    ) -> None:
        """`on_frozen` hears of cells whose sensor is not read any more, and what says so."""
        self.device = device
        self._driver = driver
        self._patience = Patience(device, sweep_s=sweep_s)
        self._beat = Beat(period_s=sweep_s, fast_s=sweep_s, offset_s=offset_s)
        self._watchers: list[tuple[int, ChannelController]] = []  # each with the row of its channel
        self._on_frozen = on_frozen
        self._still: StillSensors  # from `prepare` on
        self._recent: deque[Temperatures] = deque(maxlen=TEMPERATURES_KEPT)

    async def prepare(self) -> None:
        """Connect and configure."""
        await self._driver.connect()
        await self._driver.commission()
        self._still = StillSensors(self._driver.capabilities.accuracy_k)

    async def watch(self, controllers: Mapping[str, Sequence[ChannelController]]) -> None:
        """From now on give these channels' temperatures to these controllers; the first reading is there on return."""
        rows = {channel: row for row, channel in enumerate(self._driver.capabilities.channels)}
        anew = {controller.position for watchers in controllers.values() for controller in watchers}
        self._watchers = [(row, old) for row, old in self._watchers if not (old.closed or old.position in anew)]
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
            except (LinkError, ProtocolError) as error:
                self._patience.bear(error)

    def recent(self, channel: str) -> list[tuple[float, float]]:
        """When this channel was read last, by the loop's clock, and what it showed in degC, the oldest first."""
        row = list(self._driver.capabilities.channels).index(ChannelId(channel))
        return [(reading.taken_s, reading.temperature_degc[row]) for reading in self._recent]

    def forget(self) -> None:
        """The device is lost: what it last measured is not known any more."""
        for _, controller in self._watchers:
            controller.temperature_degc = nan

    async def _read(self) -> None:
        reading = await self._driver.read()
        self._recent.append(reading)
        temperature_degc = reading.temperature_degc
        low_degc, high_degc = CREDIBLE_DEGC
        for row, controller in self._watchers:
            shown_degc = temperature_degc[row]
            controller.temperature_degc = shown_degc if low_degc <= shown_degc <= high_degc else nan
        if reading.taken_s >= self._still.due_s:
            for controller, text in self._still.look(reading.taken_s, [each for _, each in self._watchers]):
                self._on_frozen(controller, text)
