"""A test bench for one instrument: small straight cells that are quickly full, and no errors but the instrument's own.

It fulfils what in-process devices want from a world, and gives wire simulators their terminals, so that the contract
suite can look behind any of them.
"""

import asyncio
import math
from collections.abc import Callable, MutableMapping, Sequence

import numpy as np

from cycler.model.world import WorldDeclaration
from sims.chamber import Chamber
from sims.faults import Faults
from sims.terminal import REGULATIONS, BankReading, Column, Supply, TerminalReading, TrueRegulation

SLOPE_V_PER_C = 0.01  # 1 A moves a cell by 10 mV in a second
RESISTANCE_OHM = 0.02
AMBIENT_DEGC = 25.0
CHAMBER_ERROR_K = 0.2


class BenchCell:
    """A `Terminal`: open-circuit voltage straight over charge, one resistor. Steps are exact solutions."""

    def __init__(self, voltage_v: float = 3.5) -> None:
        self.supply = Supply()
        self._ocv_v = voltage_v
        self._charged_c = 0.0
        self._discharged_c = 0.0
        self._now_s: float | None = None

    def drive(self, supply: Supply) -> None:
        """Set the supply; it takes effect now."""
        self._advance()
        self.supply = supply

    def measure(self) -> TerminalReading:
        """What a perfect instrument would see now."""
        self._advance()
        current_a = self._current_a()
        voltage_v = self._ocv_v + current_a * RESISTANCE_OHM
        return TerminalReading(
            voltage_v=voltage_v,
            output_v=voltage_v,
            current_a=current_a,
            regulation=self._regulation(current_a),
            charged_ah=self._charged_c / 3600.0,
            discharged_ah=self._discharged_c / 3600.0,
        )

    def place(self, voltage_v: float) -> None:
        """Swap the cell for one with this open-circuit voltage."""
        self._advance()
        self._ocv_v = voltage_v

    def would_flow_a(self, cell_v: float) -> float:
        """The current into a stiff cell of this voltage, as the supply stands now."""
        return self.limit_a(self.supply, cell_v)

    @staticmethod
    def limit_a(supply: Supply, cell_v: float, inner_ohm: float = 0.0) -> float:
        """What the supply gives to a cell of this open-circuit voltage as long as its own voltage is not reached."""
        if not supply.on or supply.voltage_v == cell_v:
            return 0.0
        if supply.voltage_v > cell_v:
            return min(supply.source_current_a, supply.source_power_w / max(cell_v, 1e-9))
        through_a = cell_v / (supply.sink_resistance_ohm + inner_ohm) if supply.sink_resistance_ohm else math.inf
        return -min(supply.sink_current_a, supply.sink_power_w / max(cell_v, 1e-9), through_a)

    def _regulation(self, current_a: float) -> TrueRegulation:
        limit_a = self.limit_a(self.supply, self._ocv_v, RESISTANCE_OHM)
        if not self.supply.on:
            return "off"
        if limit_a == 0.0 or current_a != limit_a:
            return "cv"
        return "cr" if self.supply.sink_resistance_ohm and -self.supply.sink_current_a < limit_a < 0.0 else "cc"

    def _current_a(self) -> float:
        limit_a = self.limit_a(self.supply, self._ocv_v, RESISTANCE_OHM)
        to_voltage_a = (self.supply.voltage_v - self._ocv_v) / RESISTANCE_OHM
        return limit_a if abs(limit_a) <= abs(to_voltage_a) else to_voltage_a

    def _advance(self) -> None:
        now_s = asyncio.get_running_loop().time()
        left_s = now_s - (now_s if self._now_s is None else self._now_s)
        self._now_s = now_s
        limit_a = self.limit_a(self.supply, self._ocv_v, RESISTANCE_OHM)
        if limit_a == 0.0 or left_s == 0.0:
            return
        # Constant current until the resistor's drop reaches the set voltage …
        until_v = self.supply.voltage_v - limit_a * RESISTANCE_OHM
        constant_s = min(left_s, max(0.0, (until_v - self._ocv_v) / (limit_a * SLOPE_V_PER_C)))
        self._move(limit_a * constant_s)
        # … then the rest of the way decays.
        gap_v = self.supply.voltage_v - self._ocv_v
        decay = -math.expm1(-(left_s - constant_s) * SLOPE_V_PER_C / RESISTANCE_OHM)
        self._move(gap_v * decay / SLOPE_V_PER_C)

    def _move(self, charge_c: float) -> None:
        self._ocv_v += charge_c * SLOPE_V_PER_C
        if charge_c > 0.0:
            self._charged_c += charge_c
        else:
            self._discharged_c -= charge_c


class BenchBank:
    """A `Bank` of bench cells."""

    def __init__(self, cells: Sequence[BenchCell]) -> None:
        self._cells = cells

    def drive(self, row: int, supply: Supply) -> None:
        """Set the supply of one terminal; it takes effect now."""
        self._cells[row].drive(supply)

    def measure(self) -> BankReading:
        """What a perfect instrument would see now on all of them."""
        readings = [cell.measure() for cell in self._cells]
        return BankReading(
            voltage_v=np.array([reading.voltage_v for reading in readings]),
            output_v=np.array([reading.output_v for reading in readings]),
            current_a=np.array([reading.current_a for reading in readings]),
            regulation=np.array([REGULATIONS.index(reading.regulation) for reading in readings]),
            charged_ah=np.array([reading.charged_ah for reading in readings]),
            discharged_ah=np.array([reading.discharged_ah for reading in readings]),
        )


class BenchWorld:
    """A `DeviceWorld` with a cell on every channel that is asked for, and a sensor on every input."""

    def __init__(self) -> None:
        self.declaration = WorldDeclaration(cells={})
        self.instruments: MutableMapping[str, object] = {}
        self.cells: dict[tuple[str, str], BenchCell] = {}
        self.temperature_degc: dict[tuple[str, str], float] = {}
        self.tips_on: dict[tuple[str, str], tuple[float, float]] = {}
        self.contactors: dict[tuple[str, str], bool] = {}
        self._chamber = Chamber(ambient_degc=AMBIENT_DEGC, sensor_error_k=CHAMBER_ERROR_K)
        self._faults: dict[str, Faults] = {}

    def cell(self, device: str, channel: str) -> BenchCell:
        """The cell on this channel."""
        return self.cells.setdefault((device, channel), BenchCell())

    def bank(self, device: str, channels: Sequence[str]) -> BenchBank:
        """The clamps of a cycler's channels, in this order."""
        return BenchBank([self.cell(device, channel) for channel in channels])

    def thermometers(self, device: str, channels: Sequence[str]) -> Callable[[], Column]:
        """What the sensors are exposed to, in degC."""
        places = [(device, channel) for channel in channels]
        return lambda: np.array([self.temperature_degc.get(place, AMBIENT_DEGC) for place in places])

    def tips(self, device: str, channel: str) -> Callable[[], tuple[float, float]]:
        """What a meter's tips are on: V and Ω; NaN where nobody has said."""
        return lambda: self.tips_on.get((device, channel), (math.nan, math.nan))

    def set_contactor(self, device: str, line: str, closed: bool) -> None:
        """A contactor output moved."""
        self.contactors[device, line] = closed

    def chamber(self, device: str) -> Chamber:
        """The one there is."""
        return self._chamber

    def faults(self, device: str) -> Faults:
        """What is wrong with this device."""
        return self._faults.setdefault(device, Faults())

    def rng(self, name: str) -> np.random.Generator:
        """A generator of its own for each name."""
        return np.random.default_rng([self.declaration.seed, *name.encode()])
