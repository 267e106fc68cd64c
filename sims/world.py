"""A whole simulated rack: its time, its wires, its cells and contactors, and the instruments on them."""

import math
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from importlib.metadata import entry_points
from typing import Any, Literal, Protocol, TypeVar

import numpy as np

from cycler.contract.world import SimulatedDevice
from cycler.model.rack import PositionId, Rack
from cycler.model.world import Defect, Fault, WorldDeclaration, WorldError
from sims.cells.bank import CellBank
from sims.cells.tables import Column
from sims.chamber import Chamber
from sims.clamps import Clamps, OneClamp
from sims.defects import DrawnDefect, drawn_defects, strike
from sims.episodes import episodes, follow
from sims.faults import CHAMBERS, ActiveFault, DrawnFault, Faults, bays_pressed_by, drawn_faults
from sims.fixtures import Fixtures
from sims.loop import VirtualLoop, run_inline, run_on
from sims.network import MemoryNetwork
from sims.press import LosingPress
from sims.seeds import generator
from sims.terminal import Bank, Terminal

T = TypeVar("T")

BEGINNING_UTC = datetime(2026, 1, 1, tzinfo=UTC)
SIMULATORS = "cycler.simulators"
SENSOR_LAG_S = 10.0  # of a thermometer on a cell
SENSOR_STEP_S = 5.0  # until then, reading one again costs no physics
CHAMBER_ERROR_K = 0.3  # how well a chamber controls


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
        self._faults: dict[str, Faults] = {}
        self._stepped_s = 0.0  # by how much the PC's clock is wrong
        self._chambers = _chambers(declaration, rack, devices)
        self._drawn_faults = drawn_faults(declaration.faults, devices, rack, seed=declaration.seed)
        self._defects = drawn_defects(declaration.defects, rack, seed=declaration.seed)
        self._fixtures = Fixtures(declaration, rack, defects=self._defects, chambers=self._chambers)
        self._refuse_crossings_between_devices()

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
        """The PC's clock. Jumps where that is declared."""
        return BEGINNING_UTC + timedelta(seconds=self.loop.time() + self._stepped_s)

    def true_utcnow(self) -> datetime:
        """The clocks of instruments. Never jumps."""
        return BEGINNING_UTC + timedelta(seconds=self.loop.time())

    async def start(self) -> None:
        """Start the instruments behind wires, and let the declared defects and faults take their course."""
        for defect in self._defects:
            if not defect.loaded_so:
                self._follow(defect.declared, defect.stream, partial(self._strike, defect))
        for fault in self._drawn_faults:
            self._follow(fault.declared, fault.stream, self._fault_change(fault))
        for device in self._devices:
            if device.device in self._makers:
                simulator = self._makers[device.device](device, self)
                self._running.append(simulator)
                try:
                    await simulator.start()
                except OSError as error:
                    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
                    raise OSError(f"{device.device}: cannot listen at {device.resource.text}: {reason}") from error

    def watch_outputs(self, told: Callable[[PositionId, bool, float], None]) -> None:
        """`told` hears of each position that is energised from now on or no longer, and when, in s of the world."""
        self._fixtures.watch(lambda position, on: told(position, on, self.loop.time()))

    async def aclose(self) -> None:
        """Stop them, last first. Idempotent."""
        while self._running:
            await self._running.pop().aclose()

    # what instruments are wired to

    def terminal(self, device: str, channel: str) -> Terminal:
        """The clamps of one channel. Where the rack has no cell, they are open."""
        (clamp,) = self._fixtures.on(device, [channel])
        return OneClamp(self.loop.time, clamp)

    def bank(self, device: str, channels: Sequence[str]) -> Bank:
        """The clamps of many channels of one device, in this order."""
        return Clamps(self.loop.time, self._fixtures.on(device, channels))

    def thermometers(self, device: str, channels: Sequence[str]) -> Callable[[], Column]:
        """What these sensors are warmed to, in degC and in this order: by a cell, by air where it is missing.

        NaN for a sensor that sits nowhere. It is the same column as long as nothing is new.
        """
        seen = self._fixtures.seen_by(device, channels)
        groups: dict[CellBank, list[tuple[int, int]]] = {}
        for index, place in enumerate(seen):
            if place is not None:
                groups.setdefault(place.bank, []).append((index, place.row))
        gathered = [(bank, *np.array(pairs, np.intp).T) for bank, pairs in groups.items()]
        felt_degc, felt_s = np.full(len(seen), np.nan), float("-inf")

        def look() -> Column:
            nonlocal felt_degc, felt_s
            passed_s = self.loop.time() - felt_s
            if passed_s >= SENSOR_STEP_S:
                true_degc = np.full(len(seen), np.nan)
                for bank, indices, rows in gathered:
                    self._advance_roughly(bank)
                    true_degc[indices] = bank.temperatures_degc()[rows]
                lag = math.exp(-passed_s / SENSOR_LAG_S)
                felt_degc = true_degc + (felt_degc - true_degc) * lag if lag else true_degc
                felt_s = self.loop.time()
            return felt_degc

        return look

    def tips(self, device: str, channel: str) -> Callable[[], tuple[float, float]]:
        """What is between the four tips of a meter's channel: voltage, and resistance at 1 kHz; NaN for no cell."""
        place = self._fixtures.probed_by(device, channel)

        def look() -> tuple[float, float]:
            if place is None:
                return math.nan, math.nan
            place.bank.advance(self.loop.time())
            return place.bank.probe(place.row)

        return look

    def chamber(self, device: str) -> Chamber:
        """The chamber that this device controls. Raises `KeyError` where the rack has none."""
        return self._chambers[device]

    def faults(self, device: str) -> Faults:
        """What is wrong with this device now."""
        if device not in self._faults:
            own = [each for each in self.rack.interlocks if each.input.device == device]
            low = [each.input.channel for each in own if each.active == "high"]
            self._faults[device] = Faults(f"{self.declaration.seed}:{device}", low_at_rest=low)
        return self._faults[device]

    def set_contactor(self, device: str, line: str, closed: bool) -> None:
        """Contactors start open. A line that no bay names is a lamp or a horn: nothing happens."""
        for bank, row in self._fixtures.behind(device, line):
            bank.advance(self.loop.time())
            bank.set_path(row, closed=closed)

    @property
    def ambient_degc(self) -> float:
        """The air around all cells that stand in no chamber."""
        return self.declaration.ambient_degc

    def rng(self, name: str) -> np.random.Generator:
        """A fresh generator; equal streams for equal names and seeds."""
        return generator(self.declaration.seed, name)

    # what only tests may know

    def cell_temperature_degc(self, position: PositionId) -> float:
        """The truth at most `SENSOR_STEP_S` ago. Raises `KeyError` for a position that the rack does not have."""
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
            voltage_v=bank.cell_v(row),
            current_a=reading.current_a,
            charged_ah=reading.charged_ah,
            discharged_ah=reading.discharged_ah,
            temperature_degc=float(bank.temperatures_degc()[row]),
            is_energised=bank.is_energised(row),
        )

    # the machinery

    def _advance_roughly(self, bank: CellBank) -> None:
        now_s = self.loop.time()
        if now_s - bank.now_s > SENSOR_STEP_S:
            bank.advance(now_s)

    def _follow(self, declared: Defect | Fault, stream: str, change: Callable[[bool], None]) -> None:
        course = episodes(
            from_s=declared.from_s,
            for_s=declared.for_s,
            rate_per_s=declared.rate_per_s,
            random=generator(self.declaration.seed, stream),
        )
        follow(self.loop, course, change)

    def _step_clock(self, step_s: float, begins: bool) -> None:
        self._stepped_s += step_s if begins else -step_s

    def _strike(self, defect: DrawnDefect, begins: bool) -> None:
        bank, row = self._fixtures.at(defect.position)
        other = None if defect.other is None else self._fixtures.at(defect.other).row
        bank.advance(self.loop.time())
        strike(defect, bank, row, other_row=other, begins=begins)

    def _refuse_crossings_between_devices(self) -> None:
        for defect in self._defects:
            if defect.declared.defect != "crossed-sense" or defect.other is None:
                continue
            if self._fixtures.at(defect.position).bank is not self._fixtures.at(defect.other).bank:
                message = f"{defect.position}: crossed-sense: {defect.other} is on another device"
                raise WorldError(message, line=defect.declared.line)

    def _fault_change(self, fault: DrawnFault) -> Callable[[bool], None]:
        """What begins and ends it."""
        declared = fault.declared
        active: list[ActiveFault] = []
        if declared.fault == "clock-step":
            return partial(self._step_clock, fault.numbers["step_s"])
        if declared.fault == "pressure-loss":
            pressed = [at for bay in bays_pressed_by(self.rack, declared) for at in bay.positions]
            places = [self._fixtures.at(position) for position in pressed]
            return LosingPress(self.loop, places, over_s=fault.numbers["over_s"]).change

        def change(begins: bool) -> None:
            if declared.device in self._chambers:
                chamber = self._chambers[declared.device]
                chamber.advance(self.loop.time())
                drift_k_per_s = fault.numbers.get("offset_per_s", 0.0)
                if chamber.set_fault(declared.fault, present=begins, drift_k_per_s=drift_k_per_s):
                    return
            faults = self.faults(declared.device)
            if begins:
                now_s = self.loop.time()
                active.append(faults.begin(declared.fault, declared.channel, now_s=now_s, numbers=fault.numbers))
            else:
                faults.end(active.pop())

        return change


def _chambers(declaration: WorldDeclaration, rack: Rack, devices: Sequence[SimulatedDevice]) -> Mapping[str, Chamber]:
    """Every device that a bay names as its chamber, and every other that simulates one."""
    names = [bay.chamber for bay in rack.bays.values() if bay.chamber is not None]
    names += [device.device for device in devices if device.sort in CHAMBERS]
    error_k = 0.0 if declaration.ideal else CHAMBER_ERROR_K
    return {
        name: Chamber(
            ambient_degc=declaration.ambient_degc,
            sensor_error_k=generator(declaration.seed, f"chamber:{name}").uniform(-error_k, error_k),
        )
        for name in dict.fromkeys(names)
    }


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
