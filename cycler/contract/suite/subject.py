"""What a driver author supplies: a device under power, its wire, and the truth about it."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from cycler.contract.devices import ChamberDriver, CyclerDriver, DigitalIo, Meter, TemperatureInput
from cycler.contract.sweep import ChannelId

T = TypeVar("T")


class Subject(Protocol):
    """One device, freshly installed, and its wire. Each is used for one scenario."""

    @property
    def call_s_max(self) -> float:
        """No call of the driver takes longer than this, whatever the wire does."""

    def run(self, scenario: Coroutine[Any, Any, T]) -> T:
        """Power the device up, run the scenario in the subject's own time, power it down."""

    def watch(self, hook: Callable[[], None]) -> None:
        """Call the hook at every transaction: the device has carried the request out, its answer is on the way."""

    def unplug(self) -> None:
        """From now on nothing passes in either direction, and nobody is told. May be called from a hook."""

    def plug(self) -> None:
        """Whole again. Connections of before may be broken; what was on the way is lost."""

    async def restart(self) -> None:
        """The device loses power and gets it back."""

    def settings(self) -> object:
        """All that the device holds but what it measures, counts and times; equal if nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """The truth about one output. Positive current charges."""

    closed: bool
    voltage_v: float  # of the cell, whether the relay is closed or not
    current_a: float


class CyclerSubject(Subject, Protocol):
    """A cycler with a cell on each channel."""

    def open(self) -> CyclerDriver:
        """A driver that has not been connected yet; each further one is another host that comes after the first."""

    def output(self, channel: ChannelId) -> Output:
        """What is really there now."""

    def place(self, channel: ChannelId, voltage_v: float) -> None:
        """Put a cell with this open-circuit voltage on the channel. 1 A moves it by some 10 mV in a second."""

    def characteristic(self, channel: ChannelId, cells_v: Sequence[float]) -> list[float]:
        """The currents that would flow at this moment into stiff cells of these voltages. Nothing moves."""

    def raise_alarm(self, channel: ChannelId) -> None:
        """An alarm of the device's own appears, and its cause goes away again."""

    def has_alarm(self, channel: ChannelId) -> bool:
        """Whether an alarm waits to be acknowledged."""

    def ignore_offs(self) -> None:
        """From now on the device answers as ever, but its relays have welded."""

    def reenergising(self) -> Mapping[str, Callable[[], None]]:
        """Settings by which the device would switch on by itself, each with what turns it on at the front panel."""


class TemperatureSubject(Subject, Protocol):
    """A thermometer module."""

    def open(self) -> TemperatureInput:
        """A driver that has not been connected yet."""

    def set_temperature(self, channel: ChannelId, temperature_degc: float | None) -> None:
        """What the sensor is exposed to; `None` breaks it."""


class ChamberSubject(Subject, Protocol):
    """A chamber that runs at room temperature."""

    def open(self) -> ChamberDriver:
        """A driver that has not been connected yet; each further one is another host that comes after the first."""

    def air_degc(self) -> float:
        """The air as it really is."""

    def limits_degc(self) -> tuple[float, float]:
        """The chamber's own limits, as its front panel shows them."""

    def ignore_orders(self) -> None:
        """From now on the chamber answers as ever, but goes on as it is."""


class DigitalIoSubject(Subject, Protocol):
    """A digital I/O module."""

    def open(self) -> DigitalIo:
        """A driver that has not been connected yet."""

    def output(self, line: str) -> bool:
        """Whether the relay is really closed."""

    def set_input(self, line: str, high: bool) -> None:
        """Drive an input."""

    def ignore_offs(self) -> None:
        """From now on the device answers as ever, but its relays have welded."""


class MeterSubject(Subject, Protocol):
    """A battery tester with a cell on each channel."""

    def open(self) -> Meter:
        """A driver that has not been connected yet; each further one is another host that comes after the first."""

    def place(self, channel: ChannelId, *, voltage_v: float, resistance_ohm: float) -> None:
        """Put a cell with this voltage and 1 kHz resistance on the channel."""

    def lift(self, channel: ChannelId) -> None:
        """The probes touch nothing any more."""

    def measuring_current_flows(self) -> bool:
        """Whether the instrument loads a cell at this moment."""
