"""Many cells, each with its supply: what current flows, and the passing of time.

Where a supply regulates its voltage, the current of a step is the one that brings the cell to just that voltage at the
step's end (Newton): a cell in CC that would pass its voltage within a step reaches it instead, and never overshoots.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from sims.cells.circuit import ZERO_DEGC_K, CellPhysics, Circuits
from sims.cells.shared_wiring import SharedWiring
from sims.cells.tables import Column, circuit_table, ocv_table
from sims.cells.wiring import Sense, Wiring
from sims.terminal import REGULATIONS, BankReading, Supply, TerminalReading

REGULATED_STEP_S = 2.0  # the longest step with one current while a voltage or a power is regulated
BREATH_S = 5.0  # how often the air around the cells is looked at
CURRENT_TOLERANCE_A = 1e-3  # Newton converges quadratically: a last change below this leaves less than a microampere
NEWTON_ROUNDS_MAX = 50
VOLTAGE_TOLERANCE_V = 1e-6

Air = Callable[[float, Column, Column], Column]
"""From the time, the cells' temperatures in K and the watts in their contacts: the air around each of them, in K."""

_OFF, _CC, _CV, _CP, _CR = (REGULATIONS.index(word) for word in ("off", "cc", "cv", "cp", "cr"))


class CellBank:
    """A row per channel; `None` is a channel without a cell. Time is whatever `advance` is given, from 0.0."""

    def __init__(
        self,
        cells: Sequence[CellPhysics | None],
        *,
        ambient_degc: float,
        air: Air | None = None,
        supplies: Mapping[int, int] | None = None,
    ) -> None:
        """Without `air`, every cell is surrounded by the ambient. `supplies`: on the rows that have several."""
        n = len(cells)
        circuit = circuit_table("ecm_nmc811_graphite")
        absent = CellPhysics(
            ocv=ocv_table("ocv_nmc811_graphite"), circuit=circuit, capacity_ah=circuit.capacity_ah, soc=0.5
        )  # its numbers fill the row, but its current path never closes
        self._now_s = 0.0
        self._circuits = Circuits([cell or absent for cell in cells], ambient_degc=ambient_degc)
        self._shared = SharedWiring(cells, supplies) if supplies else None
        self._wiring = self._shared or Wiring(cells)
        self._air = air
        self._breath_s = np.inf if air is None else 0.0  # when to look at the air again
        self._breath_s_max = np.inf if air is None else BREATH_S

        # What the supplies do.
        self._side = np.zeros(n)  # +1 at the upper current limit, -1 at the lower, 0 off or regulating
        self._regulation = np.zeros(n, np.intp)
        self._is_regulating = False
        self._is_unsettled = False  # a supply or a path has changed at this instant
        self._moved: Callable[[int], None] | None = None

    def __len__(self) -> int:
        """How many rows."""
        return len(self._wiring)

    def watch(self, moved: Callable[[int], None]) -> None:
        """`moved` is told the row of each supply and path that was set, whether or not that changed anything."""
        self._moved = moved

    # what an instrument does and sees

    def drive(self, row: int, supply: Supply) -> None:
        """Takes effect at the present instant. Raises `ValueError` for a supply that cannot be."""
        if self._wiring.drive(row, supply):
            self._change(row)

    def drive_lead(self, row: int, lead: int, supply: Supply) -> None:
        """As `drive`, for one of several supplies on a cell."""
        assert self._shared is not None  # noqa: S101 (there are leads where a bank was made with some)
        if self._shared.drive_lead(row, lead, supply):
            self._change(row)

    def measure(self) -> BankReading:
        """All rows at the present instant."""
        self._settle()
        cells = self._circuits
        sense_v, output_v, current_a = self._wiring.poles(self._now_s, cells.voltage_v, cells.current_a)
        moved_ah = self._wiring.moved(cells.moved_as / 3600)
        return BankReading(
            voltage_v=sense_v,
            output_v=output_v,
            current_a=current_a,
            regulation=self._regulation,
            charged_ah=moved_ah[0],
            discharged_ah=moved_ah[1],
        )

    def measure_row(self, row: int) -> TerminalReading:
        """One row at the present instant."""
        shown = self.measure()
        return TerminalReading(
            voltage_v=float(shown.voltage_v[row]),
            output_v=float(shown.output_v[row]),
            current_a=float(shown.current_a[row]),
            regulation=REGULATIONS[shown.regulation[row]],
            charged_ah=float(shown.charged_ah[row]),
            discharged_ah=float(shown.discharged_ah[row]),
        )

    def measure_lead(self, row: int, lead: int) -> TerminalReading:
        """What one of several supplies on a cell sees at the present instant."""
        assert self._shared is not None  # noqa: S101
        self._settle()
        return self._shared.measure_lead(row, lead, self._now_s, self._circuits.voltage_v)

    # what happens on the way to a cell

    def set_path(self, row: int, *, closed: bool) -> None:
        """Close or open the contactor between the supply and the cell; the sense wires stay connected."""
        self._wiring.set_contactor(row, closed=closed)
        self._change(row)

    def break_path(self, row: int, *, broken: bool) -> None:
        """One more gap in the current path, whatever the contactor does, or one less."""
        self._wiring.break_path(row, broken=broken)
        self._change(row)

    def break_lead(self, row: int, *, broken: bool) -> None:
        """One more gap between the cell and the last of several supplies, or one less."""
        assert self._shared is not None  # noqa: S101
        self._shared.break_lead(row, broken=broken)
        self._change(row)

    def contact_ohm(self, row: int) -> float:
        """Of the current path, supply to cell and back."""
        return float(self._wiring.contact_ohm[row])

    def add_contact(self, row: int, ohm: float) -> None:
        """More resistance in the current path, or less."""
        self._wiring.add_contact(row, ohm)
        self._is_unsettled = True

    def reverse(self, row: int) -> None:
        """Turn the cell round: minus where plus should be."""
        self._wiring.reverse(row)
        self._is_unsettled = True

    def set_sense(self, row: int, sense: Sense | None) -> None:
        """What the supply regulates on and the instrument reads; `None` is the cell itself."""
        self._wiring.set_sense(row, sense)
        self._is_unsettled = True

    def alter(
        self,
        row: int,
        *,
        capacity_factor: float = 1.0,
        resistance_factor: float = 1.0,
        short_ohm: float = np.inf,
        heat_w: float = 0.0,
        plating_ratio: float = 0.0,
    ) -> None:
        """Something happens in a cell now; see `Circuits.alter`. What adds up is taken back by its negative."""
        self._circuits.alter(
            row,
            capacity_factor=capacity_factor,
            resistance_factor=resistance_factor,
            short_ohm=short_ohm,
            heat_w=heat_w,
            plating_ratio=plating_ratio,
        )
        self._is_unsettled = True

    # what only the world knows

    @property
    def now_s(self) -> float:
        """The present instant."""
        return self._now_s

    def soc(self, row: int) -> float:
        """Charge above the lower voltage over capacity; beyond 0 and 1 when abused."""
        return float(self._circuits.soc[row])

    def cell_v(self, row: int) -> float:
        """At the cell's own poles."""
        self._settle()
        return float(self._circuits.voltage_v[row])

    def probe(self, row: int) -> tuple[float, float]:
        """Voltage and 1 kHz resistance between the four tips of a meter at the cell's own poles; NaN without a cell."""
        if self._wiring.absent[row]:
            return np.nan, np.nan
        self._settle()
        cells = self._circuits
        return self._wiring.sign(row) * float(cells.voltage_v[row]), float(cells.ohmic_ohm[row])

    def temperatures_degc(self) -> Column:
        """Of all cells, each the same all through."""
        return self._circuits.temperature_k - ZERO_DEGC_K

    def is_energised(self, row: int) -> bool:
        """Whether a supply that is on reaches a cell."""
        return self._wiring.is_energised(row)

    def advance(self, to_s: float) -> None:
        """Bring all cells to a later instant."""
        cells = self._circuits
        while (left_s := to_s - self._now_s) > 0:
            if self._now_s >= self._breath_s:
                self._breathe()
            if cells.age > 0 and cells.age + left_s * cells.ageing_per_s > 1:
                cells.refresh()
            step_s = min(left_s, 1 / cells.ageing_per_s, self._breath_s_max)
            if self._is_regulating or self._is_unsettled:
                step_s = min(step_s, REGULATED_STEP_S)
            step_s = self._step(step_s)
            self._now_s = to_s if step_s == left_s else self._now_s + step_s

    # the machinery

    def _change(self, row: int) -> None:
        self._is_unsettled = True
        if self._moved is not None:
            self._moved(row)

    def _breathe(self) -> None:
        if self._air is not None:
            cells = self._circuits
            contact_w = cells.current_a * cells.current_a * self._wiring.contact_ohm
            cells.set_ambient(self._air(self._now_s, cells.temperature_k, contact_w))
        self._breath_s = self._now_s + BREATH_S

    def _settle(self) -> None:
        if self._is_unsettled:
            self._step(0.0)

    def _step(self, step_s: float) -> float:
        """Take one step, or a shorter one where a cell reaches its voltage within it; returns the one taken."""
        cells = self._circuits
        solve = self._is_unsettled or self._is_regulating
        if self._wiring.misled:
            self._wiring.aim(self._now_s, cells.voltage_v)
        while True:
            cells.aim(step_s)
            if solve:
                self._solve()
            cells.project()
            if solve or not self._overshoots():
                break
            solve = True
            step_s = min(step_s, REGULATED_STEP_S)
        cells.take()
        if self._shared is not None:
            self._shared.pass_time(step_s, cells.voltage_v, cells.current_a)
        self._is_unsettled = False
        return step_s

    def _overshoots(self) -> bool:
        beyond_v = (self._circuits.next_voltage_v - self._wiring.set_v) * self._side
        return bool(np.maximum.reduce(beyond_v) > VOLTAGE_TOLERANCE_V)  # `max` costs twice as much on few rows

    def _solve(self) -> None:
        """The current that each supply lets flow during the step: to its voltage at the step's end, else its limit."""
        cells, wiring = self._circuits, self._wiring
        slope_ohm, offset_v = cells.line()
        high_a, low_a, resisted_a = wiring.high_a, wiring.low_a, None
        if wiring.resistance_rows:
            resisted_a = self._through_resistances(slope_ohm, offset_v)
            low_a = np.maximum(low_a, resisted_a)
        if not wiring.power_rows:
            current_a = self._newton(slope_ohm, offset_v, high_a, low_a, wiring.set_v)
        else:
            voltage_v, lowest_a = cells.voltage_v, low_a
            for _ in range(3):  # P / v hardly moves v: each round gains more than a decade
                safe_v = np.maximum(voltage_v, 0.1)
                high_a = np.minimum(wiring.high_a, wiring.high_w / safe_v)
                low_a = np.maximum(lowest_a, -wiring.low_w / safe_v)
                current_a = self._newton(slope_ohm, offset_v, high_a, low_a, wiring.set_v)
                polarised_v = cells.thermal_v * np.arcsinh(current_a * cells.half_inverse_i0)
                voltage_v = offset_v + slope_ohm * current_a + polarised_v
        at_high, at_low = current_a >= high_a, current_a <= low_a
        self._side = at_high.astype(float) - at_low
        regulating = ~(at_high | at_low)
        limited_by_power = (at_high & (high_a < wiring.high_a)) | (at_low & (low_a > wiring.low_a))
        regulation = np.where(limited_by_power, _CP, _CC)
        if resisted_a is not None:
            regulation[at_low & (low_a == resisted_a)] = _CR
        regulation[regulating | (current_a == 0)] = _CV  # held by its voltage, if need be in vain
        if wiring.misled:
            regulation[wiring.starved & ~regulating] = _CV
        regulation[~wiring.on] = _OFF
        self._regulation = regulation
        self._is_regulating = bool(wiring.power_rows or wiring.resistance_rows or wiring.misled or regulating.any())
        cells.set_currents(current_a)

    def _through_resistances(self, slope_ohm: Column, offset_v: Column) -> Column:
        """The currents that flow out of the cells through the supplies that are one; minus infinity elsewhere."""
        ohm = self._wiring.low_ohm
        nothing_a = np.zeros_like(ohm)
        # The cell and the resistance in a ring: what is left over for the set voltage is 0.
        current_a = self._newton(slope_ohm + ohm, offset_v, nothing_a, np.full_like(ohm, -np.inf), nothing_a)
        return np.where(ohm > 0, current_a, -np.inf)

    def _newton(self, slope_ohm: Column, offset_v: Column, high_a: Column, low_a: Column, set_v: Column) -> Column:
        """The currents at which the cells end at their set voltages, each kept within its limits."""
        thermal_v, half_inverse_i0 = self._circuits.thermal_v, self._circuits.half_inverse_i0
        gap_v = offset_v - set_v
        gradient_ohm = thermal_v * half_inverse_i0
        current_a: Column = np.minimum(np.maximum(self._circuits.current_a, low_a), high_a)
        for _ in range(NEWTON_ROUNDS_MAX):
            ratio = current_a * half_inverse_i0
            excess_v = gap_v + slope_ohm * current_a + thermal_v * np.arcsinh(ratio)
            step_a = excess_v / (slope_ohm + gradient_ohm / np.sqrt(ratio * ratio + 1))
            better_a = np.minimum(np.maximum(current_a - step_a, low_a), high_a)
            change_a = float(np.maximum.reduce(np.abs(better_a - current_a)))
            current_a = better_a
            if change_a < CURRENT_TOLERANCE_A:
                break
        return current_a
