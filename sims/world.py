"""A whole simulated rack: its time, its wires, its cells and contactors, and the instruments on them."""

import os
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from importlib.metadata import entry_points
from typing import Any, Literal, Protocol, TypeVar

import numpy as np

from cycler.contract.world import SimulatedDevice
from cycler.model.rack import PositionId, Rack
from cycler.model.world import WorldDeclaration
from sims.cells.bank import CellBank
from sims.cells.tables import Column
from sims.clamps import Clamps, OneClamp
from sims.defects import CellDefect, drawn_defects
from sims.fixtures import Fixtures
from sims.loop import VirtualLoop, run_inline, run_on
from sims.network import MemoryNetwork
from sims.seeds import generator
from sims.terminal import Bank, Terminal

T = TypeVar("T")

BEGINNING_UTC = datetime(2026, 1, 1, tzinfo=UTC)
SIMULATORS = "cycler.simulators"
SENSOR_LAG_S = 1.0  # a thermometer on a cell follows no faster; until then, reading it costs no physics


class Simulator(Protocol):
    """An instrument behind its wire. The entry point named as its driver makes it: `(device, world) -> Simulator`."""

    async def start(self) -> None:
        """Listen at the address that the device's resource names."""

    async def aclose(self) -> None:
        """Stop listening. Idempotent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellTruth:
    """How a cell really is. `is_energised`: the supply is on and the current path closed."""

    soc: float
    voltage_v: float
    current_a: float
    charged_ah: float
    discharged_ah: float
    temperature_degc: float
    is_energised: bool


class SimulatedWorld:
    """A `cycler.contract.world.World`. Physics is lazy: whoever looks or acts first brings it up to the present."""

    def __init__(
        self,
        declaration: WorldDeclaration,
        rack: Rack,
        devices: Sequence[SimulatedDevice],
        *,
        wire: Literal["memory", "loopback"],
        speed: float | None = None,
    ) -> None:
        self.declaration = declaration
        self.rack = rack
        self.wire = wire
        self.instruments: dict[str, object] = {}  # in-process devices by id: they outlive the drivers that connect
        self._speed = speed
        self._devices = tuple(devices)
        self._makers = {device.device: _maker(device) for device in devices if not device.resource.in_process}
        self._running: list[Simulator] = []
        self._defects = drawn_defects(declaration.defects, rack, seed=declaration.seed)
        missing = {defect.position for defect in self._defects if defect.change is None}
        self._fixtures = Fixtures(declaration, rack, missing=missing)

    @cached_property
    def loop(self) -> VirtualLoop:
        """The world's own time; its `network` is the in-memory one, or `None` over loopback."""
        network = MemoryNetwork(seed=self.declaration.seed) if self.wire == "memory" else None
        return VirtualLoop(network, speed=self._speed)

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Once only. Raises `LeftBehind` for tasks left running and for errors that nobody handled."""
        return run_on(self.loop, main)

    async def run_blocking(self, work: Callable[[], T]) -> T:
        """Costs no simulated time."""
        return await run_inline(work)

    def utcnow(self) -> datetime:
        """Never jumps."""
        return BEGINNING_UTC + timedelta(seconds=self.loop.time())

    async def start(self) -> None:
        """Start the instruments behind wires, and let the declared defects take their course."""
        for defect in self._defects:
            if defect.from_s > self.loop.time():
                self.loop.call_at(defect.from_s, self._strike, defect)
            else:
                self._strike(defect)
        for device in self._devices:
            if device.device in self._makers:
                simulator = self._makers[device.device](device, self)
                self._running.append(simulator)
                try:
                    await simulator.start()
                except OSError as error:
                    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
                    raise OSError(f"{device.device}: cannot listen at {device.resource.text}: {reason}") from error

    async def aclose(self) -> None:
        """Stop them, last first. Idempotent."""
        while self._running:
            await self._running.pop().aclose()

    # what instruments are wired to

    def terminal(self, device: str, channel: str) -> Terminal:
        """The clamps of one channel. Where the rack has no cell, they are open."""
        (place,) = self._fixtures.on(device, [channel])
        return OneClamp(self.loop.time, *place)

    def bank(self, device: str, channels: Sequence[str]) -> Bank:
        """The clamps of many channels of one device, in this order."""
        return Clamps(self.loop.time, self._fixtures.on(device, channels))

    def thermometers(self, device: str, channels: Sequence[str]) -> Callable[[], Column]:
        """What these sensors see, in degC and in this order: a cell, air where it is missing, NaN if nothing."""
        seen = self._fixtures.seen_by(device, channels)
        groups: dict[CellBank, list[tuple[int, int]]] = {}
        for index, place in enumerate(seen):
            if place is not None:
                groups.setdefault(place.bank, []).append((index, place.row))
        gathered = [(bank, *np.array(pairs, np.intp).T) for bank, pairs in groups.items()]

        def look() -> Column:
            temperature_degc = np.full(len(seen), np.nan)
            for bank, indices, rows in gathered:
                self._advance_roughly(bank)
                temperature_degc[indices] = bank.temperatures_degc()[rows]
            return temperature_degc

        return look

    def set_contactor(self, device: str, line: str, closed: bool) -> None:
        """Contactors start open. A line that no bay names is a lamp or a horn: nothing happens."""
        for bank, row in self._fixtures.behind(device, line):
            bank.advance(self.loop.time())
            bank.set_path(row, closed=closed)

    @property
    def ambient_degc(self) -> float:
        """The air around all cells."""
        return self.declaration.ambient_degc

    def rng(self, name: str) -> np.random.Generator:
        """A fresh generator; equal streams for equal names and seeds."""
        return generator(self.declaration.seed, name)

    # what only tests may know

    def cell_temperature_degc(self, position: PositionId) -> float:
        """The truth at most `SENSOR_LAG_S` ago. Raises `KeyError` for a position that the rack does not have."""
        bank, row = self._fixtures.at(position)
        self._advance_roughly(bank)
        return float(bank.temperatures_degc()[row])

    def truth(self, position: PositionId) -> CellTruth:
        """The present. Raises `KeyError` for a position that the rack does not have."""
        bank, row = self._fixtures.at(position)
        bank.advance(self.loop.time())
        reading = bank.measure_row(row)
        return CellTruth(
            soc=bank.soc(row),
            voltage_v=reading.voltage_v,
            current_a=reading.current_a,
            charged_ah=reading.charged_ah,
            discharged_ah=reading.discharged_ah,
            temperature_degc=float(bank.temperatures_degc()[row]),
            is_energised=bank.is_energised(row),
        )

    # the machinery

    def _advance_roughly(self, bank: CellBank) -> None:
        now_s = self.loop.time()
        if now_s - bank.now_s > SENSOR_LAG_S:
            bank.advance(now_s)

    def _strike(self, defect: CellDefect) -> None:
        if defect.change is not None:
            bank, row = self._fixtures.at(defect.position)
            name, value = defect.change
            bank.advance(self.loop.time())
            bank.alter(row, **{name: value})


def _maker(device: SimulatedDevice) -> Callable[[SimulatedDevice, SimulatedWorld], Simulator]:
    found = tuple(entry_points(group=SIMULATORS, name=device.driver))
    if not found:
        raise ValueError(f"{device.device}: there is no simulator for the driver {device.driver!r}")
    maker: Callable[[SimulatedDevice, SimulatedWorld], Simulator] = found[0].load()
    return maker


def open_world(
    declaration: WorldDeclaration,
    rack: Rack,
    devices: Sequence[SimulatedDevice],
    *,
    wire: Literal["memory", "loopback"],
    speed: float | None = None,
) -> SimulatedWorld:
    """The entry point `simulated`. `speed` is virtual seconds per real second, `None` as fast as it goes.

    Raises `WorldError` for a declaration that does not fit the rack or asks for what is not simulated, and `ValueError`
    for a rack that cannot be simulated.
    """
    return SimulatedWorld(declaration, rack, devices, wire=wire, speed=speed)
