"""What the contract's scenarios have in common: orders in short words, hooks that count, time that passes."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from cycler.contract.devices import CyclerDriver, Device
from cycler.contract.errors import DeviceError
from cycler.contract.order import Order, Phase
from cycler.contract.suite.subject import CyclerSubject, Output
from cycler.contract.sweep import ChannelId

D = TypeVar("D", bound=Device)

POLL_S = 0.25
LOOK_S = 0.05
CLOSE_LOOKS_S = 10.0
"""How long a silent host's device is looked at so often: whatever it does because of the silence begins by then."""
SLOW_LOOK_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofCell:
    """What is charged and discharged to prove a driver. It has to lie well within the device's ranges."""

    voltage_v_min: float = 2.8
    voltage_v_max: float = 4.2
    current_a: float = 1.0

    @property
    def voltage_v_mid(self) -> float:
        return (self.voltage_v_min + self.voltage_v_max) / 2.0

    @property
    def resistance_ohm(self) -> float:
        """Through which its current flows at half of its voltage."""
        return self.voltage_v_mid / self.current_a


class CyclerPromises:
    """What each family of promises builds on. The subclass of a driver's author says how a subject is made."""

    cell = ProofCell()

    def make_subject(self) -> CyclerSubject:
        """A fresh one with each call."""
        raise NotImplementedError

    def charge(self, order_id: int) -> Order:
        """All the proof cell takes."""
        return charge(order_id, current_a=self.cell.current_a, voltage_v=self.cell.voltage_v_max)

    def discharge(self, order_id: int) -> Order:
        """All the proof cell gives."""
        return discharge(order_id, current_a=self.cell.current_a, voltage_v=self.cell.voltage_v_min)


def charge(order_id: int, *, current_a: float, voltage_v: float) -> Order:
    """A whole order of one phase."""
    phase = Phase(direction="charge", current_a=current_a, voltage_v=voltage_v)
    return Order(order_id=order_id, phases=(phase,))


def discharge(order_id: int, *, current_a: float, voltage_v: float, resistance_ohm: float | None = None) -> Order:
    """A whole order of one phase."""
    phase = Phase(direction="discharge", current_a=current_a, voltage_v=voltage_v, resistance_ohm=resistance_ohm)
    return Order(order_id=order_id, phases=(phase,))


def rest(order_id: int) -> Order:
    """A whole order of one phase."""
    return Order(order_id=order_id, phases=(Phase(direction="rest"),))


class At:
    """A hook that acts once, at the n-th transaction, and goes on counting."""

    def __init__(self, number: int, act: Callable[[], None]) -> None:
        self.count = 0
        self._number = number
        self._act = act

    def __call__(self) -> None:
        self.count += 1
        if self.count == self._number:
            self._act()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a cell may be exposed to while the host goes from one order to another, and is lost on the way."""

    current_a_min: float
    current_a_max: float
    voltage_v_min: float
    voltage_v_max: float

    @classmethod
    def of(cls, *orders: Order | None) -> "Bounds":
        """The union of what the orders allow."""
        phases = [phase for order in orders if order is not None for phase in order.phases]
        charges = [phase for phase in phases if phase.direction == "charge"]
        discharges = [phase for phase in phases if phase.direction == "discharge"]
        return cls(
            current_a_min=min((-phase.current_a for phase in discharges), default=0.0),
            current_a_max=max((phase.current_a for phase in charges), default=0.0),
            voltage_v_min=min((phase.voltage_v for phase in discharges), default=float("-inf")),
            voltage_v_max=max((phase.voltage_v for phase in charges), default=float("inf")),
        )

    def check(self, output: Output, *, slack_a: float, slack_v: float) -> None:
        """Fails the test where the cell is outside."""
        assert self.current_a_min - slack_a <= output.current_a <= self.current_a_max + slack_a
        if output.current_a > slack_a:
            assert output.voltage_v <= self.voltage_v_max + slack_v
        if output.current_a < -slack_a:
            assert output.voltage_v >= self.voltage_v_min - slack_v


def slack_a(driver: CyclerDriver) -> float:
    """How far a current may be off without anybody being to blame."""
    limits = driver.capabilities.range
    return 2.0 * limits.current_accuracy_a + limits.current_resolution_a


def slack_v(driver: CyclerDriver) -> float:
    """How far a voltage may be off without anybody being to blame."""
    limits = driver.capabilities.range
    return 2.0 * limits.voltage_accuracy_v + limits.voltage_resolution_v + 6.0 * limits.voltage_noise_v


def holds_resistances(driver: CyclerDriver, cell: ProofCell) -> bool:
    """Whether it regulates such as the cell is discharged through."""
    able = driver.capabilities.range
    return able.resistance_ohm_min <= 0.5 * cell.resistance_ohm <= 4.0 * cell.resistance_ohm <= able.resistance_ohm_max


async def commissioned(subject: CyclerSubject, cell: ProofCell) -> CyclerDriver:
    """A driver ready for orders, a half charged cell on each channel."""
    driver = subject.open()
    await driver.connect()
    for channel in driver.capabilities.channels:
        subject.place(channel, cell.voltage_v_mid)
    await driver.commission()
    return driver


async def commissioned_device(driver: D) -> D:
    """A driver of any kind, ready for use."""
    await driver.connect()
    await driver.commission()
    return driver


async def live(driver: CyclerDriver, for_s: float, look: Callable[[], None] = lambda: None) -> None:
    """The host goes on sweeping for so long, and looks at the truth after each sweep."""
    end_s = asyncio.get_running_loop().time() + for_s
    while asyncio.get_running_loop().time() < end_s:
        await driver.read()
        look()
        await asyncio.sleep(min(POLL_S, driver.capabilities.idle_s_max / 2.0))


async def pass_silently(for_s: float, look: Callable[[], None]) -> None:
    """Time passes without a host, and the truth is looked at all the while."""
    loop = asyncio.get_running_loop()
    begin_s = loop.time()
    while (passed_s := loop.time() - begin_s) < for_s:
        await asyncio.sleep(LOOK_S if passed_s < CLOSE_LOOKS_S else SLOW_LOOK_S)
        look()


async def timed(call: Awaitable[object]) -> tuple[float, BaseException | None]:
    """How long the call took, and the `DeviceError` that it raised."""
    begin_s = asyncio.get_running_loop().time()
    try:
        await call
    except DeviceError as error:
        return asyncio.get_running_loop().time() - begin_s, error
    return asyncio.get_running_loop().time() - begin_s, None


def first(driver: CyclerDriver) -> ChannelId:
    """The channel on which things happen."""
    return driver.capabilities.channels[0]
