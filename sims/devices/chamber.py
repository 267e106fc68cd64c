"""`sim_chamber`: a thermal chamber inside this process."""

import asyncio
import math
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import numpy as np

from cycler.contract.capabilities import ChamberRange, Identity
from cycler.contract.devices import ChamberReading
from cycler.contract.errors import DeviceFault, LinkError
from cycler.contract.overtaking import OffGenerations
from cycler.contract.plugin import DeviceSettings, Driver, OfflineFacts, Surroundings
from cycler.contract.sweep import ChannelId
from sims.chamber import Chamber
from sims.devices.cable import Cable
from sims.devices.options import Options
from sims.devices.surroundings import installed, world_of
from sims.faults import Faults

T = TypeVar("T")

CHAMBER = ChannelId("chamber")
RESOLUTION_K = 0.1
CAPABILITIES = ChamberRange(temperature_degc_min=-20.0, temperature_degc_max=80.0, rate_k_per_min_max=2.0)


class ChamberHardware:
    """The chamber's controller: it takes set values within its range and its limits, and shows a tenth of a kelvin."""

    def __init__(self, device: str, chamber: Chamber, faults: Faults) -> None:
        self.faults = faults
        self.cable = Cable(device, faults)
        self.chamber = chamber
        faults.wire((), self.restart)

    def measure(self) -> tuple[float, float, bool]:
        """Air, set value, and whether the door is open."""
        now_s = asyncio.get_running_loop().time()
        shown = np.array([[self.chamber.shown_degc(now_s)]])
        self.faults.distort(shown, now_s=now_s)
        air_degc = round(float(shown[0, 0]) / RESOLUTION_K) * RESOLUTION_K if np.isfinite(shown[0, 0]) else math.nan
        return air_degc, self.chamber.target_degc, self.chamber.door_open

    def hold(self, target_degc: float, rate_k_per_min: float | None) -> float:
        """Take a set value; the answer is the one that it has now. Raises `ValueError`."""
        low_degc = max(CAPABILITIES.temperature_degc_min, self.chamber.limits_degc[0])
        high_degc = min(CAPABILITIES.temperature_degc_max, self.chamber.limits_degc[1])
        if not low_degc <= target_degc <= high_degc:
            raise ValueError(f"a target of {target_degc:g} degC is outside {low_degc:g} to {high_degc:g} degC")
        if rate_k_per_min is not None and not 0 < rate_k_per_min <= CAPABILITIES.rate_k_per_min_max:
            most = CAPABILITIES.rate_k_per_min_max
            raise ValueError(f"a rate of {rate_k_per_min:g} K/min is not above 0 and at most {most:g} K/min")
        if not self.faults.ignores("not-applied"):
            self._advance()
            self.chamber.hold(target_degc, rate_k_per_min)
        return self.chamber.target_degc

    def limit(self, low_degc: float, high_degc: float) -> tuple[float, float]:
        """Take limits; the answer is those that it has now. Raises `ValueError`."""
        if not low_degc < high_degc:
            raise ValueError(f"limits of {low_degc:g} and {high_degc:g} degC leave nothing between them")
        if not self.faults.ignores("not-applied"):
            self._advance()
            self.chamber.limits_degc = (low_degc, high_degc)
        return self.chamber.limits_degc

    def stop(self) -> bool:
        """Heater and cooling off; the answer is whether it runs nevertheless."""
        self._advance()
        if not self.faults.ignores("off-ignored"):
            self.chamber.running = False
        return self.chamber.running

    def restart(self) -> None:
        """Power went and came back: it stays off until somebody gives it a set value."""
        self._advance()
        self.chamber.running = False

    def _advance(self) -> None:
        self.chamber.advance(asyncio.get_running_loop().time())


class SimChamber:
    """One host's connection to the chamber."""

    def __init__(self, device: str, hardware: ChamberHardware, utcnow: Callable[[], datetime]) -> None:
        self._device = device
        self._hardware = hardware
        self._utcnow = utcnow
        self._connected = False
        self._offs = OffGenerations((CHAMBER,))

    @property
    def capabilities(self) -> ChamberRange:
        return CAPABILITIES

    async def connect(self) -> Identity:
        self._connected = True
        await self.read()
        return Identity(maker="formation-cycler", model="sim_chamber", serial=self._device, firmware="")

    async def commission(self) -> None:
        await self.read()

    async def read(self) -> ChamberReading:
        air_degc, target_degc, door_open = await self._exchange(self._hardware.measure)
        return ChamberReading(
            taken_s=asyncio.get_running_loop().time(),
            taken_utc=self._utcnow(),
            air_degc=air_degc,
            target_degc=target_degc,
            door_open=door_open,
        )

    async def set_target(self, *, temperature_degc: float, rate_k_per_min: float | None) -> None:
        with self._offs.unless_overtaken(self._device, CHAMBER):
            achieved_degc = await self._exchange(lambda: self._hardware.hold(temperature_degc, rate_k_per_min))
            if achieved_degc != temperature_degc:
                message = f"its set value is {achieved_degc:g} degC, {temperature_degc:g} degC was ordered"
                raise DeviceFault(self._device, message)

    async def set_limits(self, *, temperature_degc_min: float, temperature_degc_max: float) -> None:
        ordered_degc = (temperature_degc_min, temperature_degc_max)
        achieved_degc = await self._exchange(lambda: self._hardware.limit(*ordered_degc))
        if achieved_degc != ordered_degc:
            low_degc, high_degc = achieved_degc
            raise DeviceFault(self._device, f"its limits are {low_degc:g} and {high_degc:g} degC, not what was ordered")

    async def make_safe(self) -> None:
        self._offs.raise_for((CHAMBER,))
        if await self._exchange(self._hardware.stop):
            raise DeviceFault(self._device, "it still runs after it was switched off")

    async def aclose(self) -> None:
        self._connected = False

    async def _exchange(self, call: Callable[[], T]) -> T:
        if not self._connected:
            raise LinkError(self._device, "not connected")
        try:
            return await self._hardware.cable.exchange(call)
        except ValueError as error:
            raise DeviceFault(self._device, str(error)) from None


def open_chamber(settings: DeviceSettings, surroundings: Surroundings) -> SimChamber:
    """Takes no options. Raises `ValueError`."""
    world = world_of(settings, surroundings)
    Options(settings.device, settings.options).finish()

    def build() -> ChamberHardware:
        return ChamberHardware(settings.device, world.chamber(settings.device), world.faults(settings.device))

    return SimChamber(settings.device, installed(world, settings.device, ChamberHardware, build), surroundings.utcnow)


def _offline(settings: DeviceSettings) -> OfflineFacts:
    Options(settings.device, settings.options).finish()
    return OfflineFacts(chamber=CAPABILITIES)


DRIVER = Driver(
    kind="chamber",
    summary="a simulated thermal chamber inside this process",
    schemes=("sim",),
    opens=open_chamber,
    offline=_offline,
)
