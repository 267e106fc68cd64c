"""`sim_meter`: a battery tester behind a multiplexer, inside this process."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from cycler.contract.capabilities import Identity, MeterKind, MeterRange
from cycler.contract.devices import Measurement
from cycler.contract.errors import LinkError, ProtocolError
from cycler.contract.plugin import DeviceSettings, Driver, OfflineFacts, Surroundings
from cycler.contract.sweep import ChannelId
from sims.devices.cable import Cable
from sims.devices.options import Options
from sims.devices.surroundings import installed, world_of
from sims.faults import Faults

CHANNELS = 16
FREQUENCY_HZ = 1000.0
SWITCHING_S = 0.2  # until the relays of the multiplexer rest and one measurement is made
VOLTAGE_V_MAX = 6.0
RESISTANCE_OHM_MAX = 3.1
VOLTAGE_ACCURACY_V = 0.0006  # of the class of a Hioki BT3562: 0.01 % of 6 V, 0.5 % of 3 Ω
RESISTANCE_ACCURACY_OHM = 0.015
VOLTAGE_NOISE_V = 10e-6
RESISTANCE_NOISE_OHM = 10e-6
KINDS: frozenset[MeterKind] = frozenset({"ocv", "acir"})

Tips = Callable[[], tuple[float, float]]
"""Voltage and 1 kHz resistance between the four tips; NaN where they touch nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterErrors:
    """Of the one instrument behind the multiplexer."""

    offset_v: float
    resistance_gain: float
    rng: np.random.Generator


class MeterHardware:
    """Four tips on each channel, and one instrument that they are switched to; without `errors` it shows the truth."""

    def __init__(self, device: str, tips: Mapping[ChannelId, Tips], errors: MeterErrors | None, faults: Faults) -> None:
        self.faults = faults
        self.cable = Cable(device, faults)
        self._tips = tips
        self._errors = errors
        faults.wire(tuple(tips))

    def measure(self, channel: ChannelId) -> tuple[float, float]:
        """V and Ω; NaN where the tips touch nothing."""
        row = list(self._tips).index(channel)
        if not self.faults.active:
            return self._shown(*self._tips[channel]())
        shown = np.array([self._shown(*look()) for look in self._tips.values()]).T
        self.faults.distort(shown, now_s=asyncio.get_running_loop().time())
        return float(shown[0, row]), float(shown[1, row])

    def _shown(self, voltage_v: float, resistance_ohm: float) -> tuple[float, float]:
        errors = self._errors
        if errors is None:
            return voltage_v, resistance_ohm
        noise_v, noise_ohm = errors.rng.normal(0.0, (VOLTAGE_NOISE_V, RESISTANCE_NOISE_OHM)).tolist()
        return voltage_v + errors.offset_v + noise_v, resistance_ohm * errors.resistance_gain + noise_ohm


class SimMeter:
    """One host's connection to the meter."""

    def __init__(
        self, device: str, hardware: MeterHardware, capabilities: MeterRange, utcnow: Callable[[], datetime]
    ) -> None:
        self._device = device
        self._hardware = hardware
        self._capabilities = capabilities
        self._utcnow = utcnow
        self._connected = False

    @property
    def capabilities(self) -> MeterRange:
        return self._capabilities

    async def connect(self) -> Identity:
        self._connected = True
        await self._hardware.cable.exchange(lambda: None)
        return Identity(maker="formation-cycler", model="sim_meter", serial=self._device, firmware="")

    async def commission(self) -> None:
        await self._hardware.cable.exchange(lambda: None)

    async def measure(self, channel: ChannelId, kinds: Collection[MeterKind]) -> Measurement:
        if channel not in self._capabilities.channels:
            raise ProtocolError(self._device, f"it has no channel {channel!r}")
        if not kinds or not KINDS.issuperset(kinds):
            raise ProtocolError(self._device, f"it measures {', '.join(sorted(KINDS))}, not {sorted(kinds)}")
        if not self._connected:
            raise LinkError(self._device, "not connected")
        await asyncio.sleep(SWITCHING_S)
        voltage_v, resistance_ohm = await self._hardware.cable.exchange(lambda: self._hardware.measure(channel))
        return Measurement(
            taken_s=asyncio.get_running_loop().time(),
            taken_utc=self._utcnow(),
            voltage_v=voltage_v if "ocv" in kinds and abs(voltage_v) <= VOLTAGE_V_MAX else None,
            resistance_ohm=resistance_ohm if "acir" in kinds and abs(resistance_ohm) <= RESISTANCE_OHM_MAX else None,
        )

    async def aclose(self) -> None:
        self._connected = False


def open_meter(settings: DeviceSettings, surroundings: Surroundings) -> SimMeter:
    """Options: `channels`, `errors: typical | none`. Raises `ValueError`.

    Without options: 16 channels, typical errors except in an ideal world.
    """
    world = world_of(settings, surroundings)
    capabilities, perfect = _parsed(settings, ideal_world=world.declaration.ideal)

    def build() -> MeterHardware:
        errors = None
        if not perfect:
            rng = world.rng(f"{settings.device} instrument")
            offset_v = float(rng.uniform(-0.5, 0.5)) * capabilities.voltage_accuracy_v
            gain = 1.0 + float(rng.uniform(-0.5, 0.5)) * RESISTANCE_ACCURACY_OHM / RESISTANCE_OHM_MAX
            errors = MeterErrors(offset_v=offset_v, resistance_gain=gain, rng=rng)
        tips = {channel: world.tips(settings.device, channel) for channel in capabilities.channels}
        return MeterHardware(settings.device, tips, errors, world.faults(settings.device))

    hardware = installed(world, settings.device, MeterHardware, build)
    return SimMeter(settings.device, hardware, capabilities, surroundings.utcnow)


def _offline(settings: DeviceSettings) -> OfflineFacts:
    capabilities, _ = _parsed(settings, ideal_world=False)
    return OfflineFacts(channels=capabilities.channels, meter=capabilities)


def _parsed(settings: DeviceSettings, *, ideal_world: bool) -> tuple[MeterRange, bool]:
    """What it declares, and whether it shows the truth."""
    options = Options(settings.device, settings.options)
    channels = tuple(ChannelId(name) for name in options.channels(CHANNELS))
    perfect = options.is_perfect(ideal_world=ideal_world)
    options.finish()
    declared_v = settings.voltage_accuracy_v
    capabilities = MeterRange(
        channels=channels,
        kinds=KINDS,
        frequency_hz=FREQUENCY_HZ,
        voltage_accuracy_v=VOLTAGE_ACCURACY_V if declared_v is None else declared_v,
        resistance_accuracy_ohm=RESISTANCE_ACCURACY_OHM,
    )
    return capabilities, perfect


DRIVER = Driver(
    kind="meter",
    summary="a simulated battery tester behind a multiplexer inside this process",
    schemes=("sim",),
    opens=open_meter,
    offline=_offline,
)
