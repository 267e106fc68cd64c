"""The rack's cyclers with somebody who listens: every call goes through, and is told to the observer."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from cycler.contract.capabilities import Capabilities
from cycler.contract.devices import ApplyResult, CyclerDriver, TemperatureInput, Temperatures
from cycler.contract.order import Order
from cycler.contract.sweep import ChannelId, Sweep
from cycler.control.devices import Devices
from cycler.control.rack_controller import SWEEP_S


class Listener(Protocol):
    """Hears what passes between control and its devices."""

    def expect(self, device: str, sweep_s: float) -> None: ...
    def heard(self, device: str, sweeps: Sequence[Sweep]) -> None: ...
    def felt(self, device: str, reading: Temperatures) -> None: ...
    def ordered(self, device: str, orders: Mapping[ChannelId, Order]) -> None: ...
    def off_begun(self, device: str, channels: Collection[ChannelId]) -> None: ...
    def off_confirmed(self, device: str, channels: Collection[ChannelId]) -> None: ...


class WatchedCycler:
    """A `CyclerDriver`."""

    def __init__(self, device: str, driver: CyclerDriver, listener: Listener) -> None:
        self._device = device
        self._driver = driver
        self._listener = listener

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)

    @property
    def capabilities(self) -> Capabilities:
        return self._driver.capabilities

    async def read(self) -> Sequence[Sweep]:
        sweeps = await self._driver.read()
        capabilities = self._driver.capabilities
        self._listener.expect(self._device, min(max(SWEEP_S, capabilities.sweep_time_s), capabilities.idle_s_max))
        self._listener.heard(self._device, sweeps)
        return sweeps

    async def apply(self, orders: Mapping[ChannelId, Order]) -> Mapping[ChannelId, ApplyResult]:
        self._listener.ordered(self._device, orders)
        return await self._driver.apply(orders)

    async def make_safe(self, channels: Collection[ChannelId]) -> None:
        self._listener.off_begun(self._device, channels)
        await self._driver.make_safe(channels)
        self._listener.off_confirmed(self._device, channels)


class WatchedThermometer:
    """A `TemperatureInput`."""

    def __init__(self, device: str, driver: TemperatureInput, listener: Listener) -> None:
        self._device = device
        self._driver = driver
        self._listener = listener

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)

    async def read(self) -> Temperatures:
        reading = await self._driver.read()
        self._listener.felt(self._device, reading)
        return reading


def watched(devices: Devices, listener: Listener) -> Devices:
    """The same, with somebody who listens."""
    return replace(
        devices,
        cyclers={name: WatchedCycler(name, driver, listener) for name, driver in devices.cyclers.items()},
        temperatures={
            name: WatchedThermometer(name, driver, listener) for name, driver in devices.temperatures.items()
        },
    )
