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
from sims.faults import Faults
from sims.terminal import Column

CHANNELS = 16
RESOLUTION_K = 0.1
ACCURACY_K = {"pt100": 0.3, "thermocouple": 1.0}  # of the sensor in its module


class ThermometerHardware:
    """Sensors with an offset each, shown to a tenth of a kelvin; without errors, the truth."""

    def __init__(
        self,
        device: str,
        channels: tuple[ChannelId, ...],
        sensors: Callable[[], Column],
        offset_k: Column | None,
        faults: Faults,
    ) -> None:
        self.faults = faults
        self.cable = Cable(device, faults)
        self._sensors = sensors
        self._offset_k = offset_k
        self._felt: Column | None = None  # what `_shown` was made of
        self._shown: list[float] = []
        faults.wire(channels)

    def measure(self) -> list[float]:
        """degC; NaN where a sensor is broken. Nobody changes the list."""
        felt = self._sensors()
        if felt is self._felt and not self.faults.active:
            return self._shown
        self._felt = None if self.faults.active else felt
        degc = felt.copy()
        if self._offset_k is not None:
            degc += self._offset_k
        if self.faults.active:
            self.faults.distort(degc[np.newaxis], now_s=asyncio.get_running_loop().time())
        if self._offset_k is not None:
            degc = np.rint(degc / RESOLUTION_K) * RESOLUTION_K
        self._shown = degc.tolist()
        return self._shown


class SimTemperature:
    """One host's connection to the module."""

    def __init__(
        self,
        device: str,
        hardware: ThermometerHardware,
        capabilities: InputRange,
        utcnow: Callable[[], datetime],
    ) -> None:
        self._device = device
        self._hardware = hardware
        self._capabilities = capabilities
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
    """Options: `channels`, `sensor: pt100 | thermocouple`, `errors: typical | none`. Raises `ValueError`.

    Without options: 16 channels of Pt100, typical errors except in an ideal world.
    """
    world = world_of(settings, surroundings)
    capabilities, perfect = _parsed(settings, ideal_world=world.declaration.ideal)
    channels = capabilities.channels

    def build() -> ThermometerHardware:
        offset_k = None
        if not perfect:
            spread_k = capabilities.accuracy_k - RESOLUTION_K / 2.0
            offset_k = world.rng(f"{settings.device} offsets").uniform(-spread_k, spread_k, len(channels))
        return ThermometerHardware(
            settings.device,
            channels,
            world.thermometers(settings.device, channels),
            offset_k,
            world.faults(settings.device),
        )

    hardware = installed(world, settings.device, ThermometerHardware, build)
    return SimTemperature(settings.device, hardware, capabilities, surroundings.utcnow)


def _offline(settings: DeviceSettings) -> OfflineFacts:
    return OfflineFacts(channels=_parsed(settings, ideal_world=False)[0].channels)


def _parsed(settings: DeviceSettings, *, ideal_world: bool) -> tuple[InputRange, bool]:
    """What it declares, and whether its channels show the truth."""
    options = Options(settings.device, settings.options)
    channels = tuple(ChannelId(name) for name in options.channels(CHANNELS))
    sensor = options.choice("sensor", tuple(ACCURACY_K), "pt100")
    perfect = options.is_perfect(ideal_world=ideal_world)
    options.finish()
    return InputRange(channels=channels, accuracy_k=ACCURACY_K[sensor], sweep_time_s=0.0), perfect


DRIVER = Driver(
    kind="temperature",
    summary="a simulated thermometer module inside this process",
    schemes=("sim",),
    opens=open_temperature,
    offline=_offline,
)
