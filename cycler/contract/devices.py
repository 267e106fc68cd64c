"""The Protocols that a driver fulfils. A driver inherits nothing; shared wire code is something it has.

Every call ends within the driver's own time limit and raises only `LinkError`, `ProtocolError` or `DeviceFault`.
A channel or line that the device does not have is a `ProtocolError` too: `apply` answers it for that channel, other
calls raise it, `make_safe` once it has opened those that exist.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cycler.contract.capabilities import (
    Capabilities,
    ChamberRange,
    Identity,
    InputRange,
    IoRange,
    MeterKind,
    MeterRange,
)
from cycler.contract.errors import DeviceError
from cycler.contract.order import Applied, Order, Overtaken
from cycler.contract.sweep import ChannelId, Running, Sweep

ApplyResult = Applied | Overtaken | DeviceError


class Device(Protocol):
    """What every device has in common."""

    async def connect(self) -> Identity:
        """Open the wire and find out who answers. Reads only: changes nothing on the device."""

    async def commission(self) -> None:
        """Clear and configure: the only call that does. Outputs must be off; raises `DeviceFault` if not."""

    async def aclose(self) -> None:
        """Let go of the wire and leave the device as it is. Idempotent, raises nothing."""


class CyclerDriver(Device, Protocol):
    """One connection to one multi-channel cycler."""

    @property
    def capabilities(self) -> Capabilities:
        """Valid after `connect`."""

    async def adopt(self) -> Mapping[ChannelId, Running]:
        """What each channel is doing now. Reads only."""

    async def read(self) -> Sequence[Sweep]:
        """Measure all channels; oldest first where the device kept a log while we were away."""

    async def apply(self, orders: Mapping[ChannelId, Order]) -> Mapping[ChannelId, ApplyResult]:
        """Start a step on each channel, its limits armed first and read back.

        One answer per channel, errors included: a bad channel does not lose the others. An order that was begun
        before a `make_safe` of its channel answers `Overtaken` before its next write. After every single write the
        output is inside both the old and the new envelope.
        """

    async def make_safe(self, channels: Collection[ChannelId]) -> None:
        """Open the output relays, ahead of anything queued, and see that they are open.

        Idempotent, legal in every state, from any task, and without a `connect` before it: whoever opens what a dead
        host has left on may find a device that answers little else. Raises if the device did not confirm.
        """

    async def acknowledge(self, channels: Collection[ChannelId]) -> None:
        """Acknowledge the device's own alarms: only ever called because a person asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Temperatures:
    """One temperature input device at one instant. NaN where a sensor is broken, never a made-up ambient."""

    taken_s: float
    taken_utc: datetime
    channels: tuple[ChannelId, ...]
    temperature_degc: Sequence[float]


class TemperatureInput(Device, Protocol):
    """A thermocouple or RTD module."""

    @property
    def capabilities(self) -> InputRange:
        """Valid after `connect`."""

    async def read(self) -> Temperatures:
        """Measure all inputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChamberReading:
    """A chamber at one instant. `None` where the chamber does not measure it."""

    taken_s: float
    taken_utc: datetime
    air_degc: float
    target_degc: float
    door_open: bool | None


class ChamberDriver(Device, Protocol):
    """A thermal chamber."""

    @property
    def capabilities(self) -> ChamberRange:
        """Valid after `connect`."""

    async def read(self) -> ChamberReading:
        """Measure air and read the set value back."""

    async def set_target(self, *, temperature_degc: float, rate_k_per_min: float | None) -> None:
        """Set the air temperature and confirm it by reading back. `DeviceFault` where a `make_safe` came meanwhile."""

    async def set_limits(self, *, temperature_degc_min: float, temperature_degc_max: float) -> None:
        """Set the chamber's own limits and confirm them by reading back."""

    async def make_safe(self) -> None:
        """Heater off, ahead of anything queued. Legal in every state, from any task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IoReading:
    """The lines of a digital I/O device at one instant, outputs as read back."""

    taken_s: float
    taken_utc: datetime
    inputs: Mapping[str, bool]
    outputs: Mapping[str, bool]


class DigitalIo(Device, Protocol):
    """Interlock inputs and contactor outputs."""

    @property
    def capabilities(self) -> IoRange:
        """Valid after `connect`."""

    async def read(self) -> IoReading:
        """Read all lines."""

    async def write(self, outputs: Mapping[str, bool]) -> None:
        """Set the named outputs and confirm them by reading back. True closes a contactor. `DeviceFault` where a
        `make_safe` came meanwhile."""

    async def make_safe(self) -> None:
        """All outputs to their safe state, ahead of anything queued; without a `connect` before it, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What a meter measured on one channel."""

    taken_s: float
    taken_utc: datetime
    voltage_v: float | None
    resistance_ohm: float | None


class Meter(Device, Protocol):
    """A battery tester behind a multiplexer, or beside one cell."""

    @property
    def capabilities(self) -> MeterRange:
        """Valid after `connect`."""

    async def measure(self, channel: ChannelId, kinds: Collection[MeterKind]) -> Measurement:
        """Measure the kinds asked for, at rest."""
