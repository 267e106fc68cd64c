"""Many cells, each with its supply: what current flows, and the passing of time.

Where a supply regulates its voltage, the current of a step is the one that brings the cell to just that voltage at the
step's end (Newton): a cell in CC that would pass its voltage within a step reaches it instead, and never overshoots.
"""

from collections.abc import Sequence

import numpy as np

from sims.cells.circuit import ZERO_DEGC_K, CellPhysics, Circuits
from sims.cells.tables import CIRCUIT_CAPACITY_AH, Column, circuit_table, ocv_table
from sims.terminal import REGULATIONS, BankReading, Supply, TerminalReading

REGULATED_STEP_S = 2.0  # the longest step with one current while a voltage or a power is regulated
CURRENT_TOLERANCE_A = 1e-3  # Newton converges quadratically: a last change below this leaves less than a microampere
NEWTON_ROUNDS_MAX = 50
VOLTAGE_TOLERANCE_V = 1e-6
CELL_V_MAX = 6.0  # no cell ever shows more: bounds what power a sinking supply can reach
OPEN_TERMINALS_V = 0.002  # what a channel shows that has no cell

_OFF, _CC, _CV, _CP = (REGULATIONS.index(word) for word in ("off", "cc", "cv", "cp"))


class CellBank:
    """A row per channel; `None` is a channel without a cell. Time is whatever `advance` is given, from 0.0."""

    def __init__(self, cells: Sequence[CellPhysics | None], *, ambient_degc: float) -> None:
        n = len(cells)
        absent = CellPhysics(
            ocv=ocv_table("ocv_nmc811_graphite"),
            circuit=circuit_table("ecm_2rc_nmc811_graphite"),
            capacity_ah=CIRCUIT_CAPACITY_AH,
            soc=0.5,
        )  # its numbers fill the row, but its current path never closes
        self._now_s = 0.0
        self._circuits = Circuits([cell or absent for cell in cells], ambient_degc=ambient_degc)
        self._absent = np.array([cell is None for cell in cells])
        self._path_closed = ~self._absent
        self._contact_ohm = np.array([0.0 if cell is None else cell.contact_ohm for cell in cells])

        # What the supplies are told. `high_a` and `low_a` bound the current; 0 and 0 is an open path.
        self._supplies = [Supply()] * n
        self._on = np.zeros(n, bool)
        self._set_v = np.zeros(n)
        self._high_a, self._low_a = np.zeros(n), np.zeros(n)
        self._source_w, self._sink_w = np.full(n, np.inf), np.full(n, np.inf)
        self._power_rows: set[int] = set()  # where a power limit can bind at all

        # What they then do.
        self._side = np.zeros(n)  # +1 at the upper current limit, -1 at the lower, 0 off or regulating
        self._regulation = np.zeros(n, np.intp)
        self._is_regulating = False
        self._is_unsettled = False  # a supply or a path has changed at this instant

    def __len__(self) -> int:
        """How many rows."""
        return len(self._supplies)

    # what an instrument does and sees

    def drive(self, row: int, supply: Supply) -> None:
        """Takes effect at the present instant. Raises `ValueError` for a supply that cannot be."""
        if supply == self._supplies[row]:
            return
        limits = (supply.source_current_a, supply.sink_current_a, supply.source_power_w, supply.sink_power_w)
        if not (all(limit >= 0 for limit in limits) and abs(supply.voltage_v) < np.inf):
            raise ValueError(f"no supply can do this: {supply}")
        self._supplies[row] = supply
        self._on[row] = supply.on
        self._set_v[row] = supply.voltage_v
        self._source_w[row], self._sink_w[row] = supply.source_power_w, supply.sink_power_w
        self._connect(row)

    def set_path(self, row: int, *, closed: bool) -> None:
        """Close or open the contactor between the supply and the cell; the sense wires stay connected."""
        self._path_closed[row] = closed and not self._absent[row]
        self._connect(row)

    def measure(self) -> BankReading:
        """All rows at the present instant."""
        self._settle()
        cells = self._circuits
        output_v = np.where(
            self._path_closed,
            cells.voltage_v + cells.current_a * self._contact_ohm,
            np.where(self._on, self._set_v, OPEN_TERMINALS_V),
        )
        return BankReading(
            voltage_v=np.where(self._absent, output_v, cells.voltage_v),
            output_v=output_v,
            current_a=cells.current_a.copy(),
            regulation=self._regulation.copy(),
            charged_ah=cells.moved_as[0] / 3600,
            discharged_ah=cells.moved_as[1] / 3600,
        )

    def measure_row(self, row: int) -> TerminalReading:
        """One row at the present instant."""
        self._settle()
        cells = self._circuits
        voltage_v, current_a = float(cells.voltage_v[row]), float(cells.current_a[row])
        if self._path_closed[row]:
            output_v = voltage_v + current_a * float(self._contact_ohm[row])
        else:
            output_v = self._supplies[row].voltage_v if self._on[row] else OPEN_TERMINALS_V
        return TerminalReading(
            voltage_v=output_v if self._absent[row] else voltage_v,
            output_v=output_v,
            current_a=current_a,
            regulation=REGULATIONS[self._regulation[row]],
            charged_ah=float(cells.moved_as[0, row]) / 3600,
            discharged_ah=float(cells.moved_as[1, row]) / 3600,
        )

    # what only the world knows

    @property
    def now_s(self) -> float:
        """The present instant."""
        return self._now_s

    def soc(self, row: int) -> float:
        """Charge above the lower voltage over capacity; beyond 0 and 1 when abused."""
        return float(self._circuits.soc[row])

    def temperatures_degc(self) -> Column:
        """Of all cells, each the same all through."""
        return self._circuits.temperature_k - ZERO_DEGC_K

    def is_energised(self, row: int) -> bool:
        """Whether a supply that is on reaches a cell."""
        return bool(self._on[row] and self._path_closed[row])

    def alter(
        self, row: int, *, capacity_factor: float = 1.0, resistance_factor: float = 1.0, short_ohm: float = np.inf
    ) -> None:
        """Something happens to a cell now: it fades (its soc stays), its resistance grows, a short appears in it."""
        self._circuits.alter(
            row, capacity_factor=capacity_factor, resistance_factor=resistance_factor, short_ohm=short_ohm
        )
        self._is_unsettled = True

    def advance(self, to_s: float) -> None:
        """Bring all cells to a later instant."""
        cells = self._circuits
        while (left_s := to_s - self._now_s) > 0:
            if cells.age > 0 and cells.age + left_s * cells.ageing_per_s > 1:
                cells.refresh()
            step_s = min(left_s, 1 / cells.ageing_per_s)
            if self._is_regulating or self._is_unsettled:
                step_s = min(step_s, REGULATED_STEP_S)
            step_s = self._step(step_s)
            self._now_s = to_s if step_s == left_s else self._now_s + step_s

    # the machinery

    def _connect(self, row: int) -> None:
        supply = self._supplies[row]
        is_connected = supply.on and self._path_closed[row]
        self._high_a[row] = supply.source_current_a if is_connected else 0.0
        self._low_a[row] = -supply.sink_current_a if is_connected else 0.0
        # A supply that sources regulates at its voltage at most, so a power above I * V can never bind.
        if is_connected and (
            supply.source_power_w < supply.source_current_a * supply.voltage_v
            or supply.sink_power_w < supply.sink_current_a * CELL_V_MAX
        ):
            self._power_rows.add(row)
        else:
            self._power_rows.discard(row)
        self._is_unsettled = True

    def _settle(self) -> None:
        if self._is_unsettled:
            self._step(0.0)

    def _step(self, step_s: float) -> float:
        """Take one step, or a shorter one where a cell reaches its voltage within it; returns the one taken."""
        cells = self._circuits
        solve = self._is_unsettled or self._is_regulating
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
        self._is_unsettled = False
        return step_s

    def _overshoots(self) -> bool:
        return bool(((self._circuits.next_voltage_v - self._set_v) * self._side).max() > VOLTAGE_TOLERANCE_V)

    def _solve(self) -> None:
        """The current that each supply lets flow during the step: to its voltage at the step's end, else its limit."""
        cells = self._circuits
        slope_ohm, offset_v = cells.line()
        high_a, low_a = self._high_a, self._low_a
        if not self._power_rows:
            current_a = self._newton(slope_ohm, offset_v, high_a, low_a)
        else:
            voltage_v = cells.voltage_v
            for _ in range(3):  # P / v hardly moves v: each round gains more than a decade
                safe_v = np.maximum(voltage_v, 0.1)
                high_a = np.minimum(self._high_a, self._source_w / safe_v)
                low_a = np.maximum(self._low_a, -self._sink_w / safe_v)
                current_a = self._newton(slope_ohm, offset_v, high_a, low_a)
                polarised_v = cells.thermal_v * np.arcsinh(current_a * cells.half_inverse_i0)
                voltage_v = offset_v + slope_ohm * current_a + polarised_v
        at_high, at_low = current_a >= high_a, current_a <= low_a
        self._side = at_high.astype(float) - at_low
        regulating = ~(at_high | at_low)
        limited_by_power = (at_high & (high_a < self._high_a)) | (at_low & (low_a > self._low_a))
        regulation = np.where(limited_by_power, _CP, _CC)
        regulation[regulating | (current_a == 0)] = _CV  # held by its voltage, if need be in vain
        regulation[~self._on] = _OFF
        self._regulation = regulation
        self._is_regulating = bool(self._power_rows or regulating.any())
        cells.set_currents(current_a)

    def _newton(self, slope_ohm: Column, offset_v: Column, high_a: Column, low_a: Column) -> Column:
        """The currents at which the cells end at their set voltages, each kept within its limits."""
        thermal_v, half_inverse_i0 = self._circuits.thermal_v, self._circuits.half_inverse_i0
        gap_v = offset_v - self._set_v
        gradient_ohm = thermal_v * half_inverse_i0
        current_a: Column = np.minimum(np.maximum(self._circuits.current_a, low_a), high_a)
        for _ in range(NEWTON_ROUNDS_MAX):
            ratio = current_a * half_inverse_i0
            excess_v = gap_v + slope_ohm * current_a + thermal_v * np.arcsinh(ratio)
            step_a = excess_v / (slope_ohm + gradient_ohm / np.sqrt(ratio * ratio + 1))
            better_a = np.minimum(np.maximum(current_a - step_a, low_a), high_a)
            change_a = float(np.abs(better_a - current_a).max())
            current_a = better_a
            if change_a < CURRENT_TOLERANCE_A:
                break
        return current_a
