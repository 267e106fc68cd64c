"""`sim_temperature`: a thermometer module inside this process."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import numpy as np

from cycler.contract.capabilities import Identity, InputRange
from cycler.contract.devices import Temperatures
from cycler.contract.errors import LinkError
from cycler.contract.plugin import DeviceSettings, Driver, OfflineFacts, Surroundings
from cycler.contract.sweep import ChannelId
from sims.devices.cable import Cable
from sims.devices.options import Options
from sims.devices.surroundings import installed, world_of
from sims.terminal import Column

CHANNELS = 16
ACCURACY_K = 0.3  # a Pt100 in a good module
RESOLUTION_K = 0.1


class ThermometerHardware:
    """Sensors with an offset each, shown to a tenth of a kelvin; without errors, the truth."""

    def __init__(self, device: str, sensors: Callable[[], Column], offset_k: Column | None) -> None:
        self.cable = Cable(device)
        self.broken: set[int] = set()  # a fault: the wires of these sensors, by row, are open
        self._sensors = sensors
        self._offset_k = offset_k

    def measure(self) -> list[float]:
        """degC; NaN where a sensor is broken."""
        degc = self._sensors()
        if self._offset_k is not None:
            degc = np.rint((degc + self._offset_k) / RESOLUTION_K) * RESOLUTION_K
        shown: list[float] = degc.tolist()
        for row in self.broken:
            shown[row] = np.nan
        return shown


class SimTemperature:
    """One host's connection to the module."""

    def __init__(
        self,
        device: str,
        hardware: ThermometerHardware,
        channels: tuple[ChannelId, ...],
        utcnow: Callable[[], datetime],
    ) -> None:
        self._device = device
        self._hardware = hardware
        self._capabilities = InputRange(channels=channels, accuracy_k=ACCURACY_K, sweep_time_s=0.0)
        self._utcnow = utcnow
        self._connected = False

    @property
    def capabilities(self) -> InputRange:
        return self._capabilities

    async def connect(self) -> Identity:
        self._connected = True
        await self.read()
        return Identity(maker="formation-cycler", model="sim_temperature", serial=self._device, firmware="")

    async def commission(self) -> None:
        await self.read()

    async def read(self) -> Temperatures:
        if not self._connected:
            raise LinkError(self._device, "not connected")
        temperature_degc = await self._hardware.cable.exchange(self._hardware.measure)
        return Temperatures(
            taken_s=asyncio.get_running_loop().time(),
            taken_utc=self._utcnow(),
            channels=self._capabilities.channels,
            temperature_degc=temperature_degc,
        )

    async def aclose(self) -> None:
        self._connected = False


def open_temperature(settings: DeviceSettings, surroundings: Surroundings) -> SimTemperature:
    """Options: `channels`, `errors: typical | none` (typical, but none in an ideal world). Raises `ValueError`."""
    world = world_of(settings, surroundings)
    channels, perfect = _parsed(settings, ideal_world=world.declaration.ideal)

    def build() -> ThermometerHardware:
        offset_k = None
        if not perfect:
            spread_k = ACCURACY_K - RESOLUTION_K / 2.0
            offset_k = world.rng(f"{settings.device} offsets").uniform(-spread_k, spread_k, len(channels))
        return ThermometerHardware(settings.device, world.thermometers(settings.device, channels), offset_k)

    hardware = installed(world, settings.device, ThermometerHardware, build)
    return SimTemperature(settings.device, hardware, channels, surroundings.utcnow)


def _offline(settings: DeviceSettings) -> OfflineFacts:
    return OfflineFacts(channels=_parsed(settings, ideal_world=False)[0])


def _parsed(settings: DeviceSettings, *, ideal_world: bool) -> tuple[tuple[ChannelId, ...], bool]:
    """The channels, and whether they show the truth."""
    options = Options(settings.device, settings.options)
    channels = tuple(ChannelId(name) for name in options.channels(CHANNELS))
    perfect = options.is_perfect(ideal_world=ideal_world)
    options.finish()
    return channels, perfect


DRIVER = Driver(
    kind="temperature",
    summary="a simulated thermometer module inside this process",
    schemes=("sim",),
    opens=open_temperature,
    offline=_offline,
)
