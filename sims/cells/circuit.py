"""What cells do under given currents: an equivalent circuit and a lumped temperature for each, in numpy.

Per cell, charging current positive (the tables in `sims/cells/data` were identified for exactly this):

    v = ocv(soc) + (T - 298.15 K) dU/dT + i r_ohm + (2 R T / F) asinh(i / 2 i0) + u1 + u2
    du_k/dt = (r_k i - u_k) / tau_k          dsoc/dt = (i - lost - leak - v / short) / capacity
    C dT/dt = i (v - ocv) + i T dU/dT + v²/short - hA (T - ambient)

Within a step the currents are constant, so the three decays are exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sims.cells.tables import CIRCUIT_CAPACITY_AH, CircuitTable, Column, OcvTable

Table = TypeVar("Table", OcvTable, CircuitTable)

GAS_J_PER_MOL_K = 8.314462618
FARADAY_AS_PER_MOL = 96485.33212
ZERO_DEGC_K = 273.15
REFERENCE_K = 298.15
# Activation energies, fitted on the O'Regan 2022 set between 5 and 45 °C.
FAST_J_PER_MOL = 24e3  # r_ohm, r1, 1/i0
SLOW_J_PER_MOL = 11e3  # r2
# Of the cell that the circuit was identified on, a 21700 (Chen 2020), in still air.
HEAT_CAPACITY_J_PER_K = 43.0
HEAT_LOSS_W_PER_K = 0.053

REFRESH_SOC = 0.001  # a cell's circuit is looked up again when it has moved this far …
REFRESH_S = 10.0  # … or warmed this long,
REST_REFRESH_S = 60.0  # or rested this long.


@dataclass(frozen=True, slots=True, kw_only=True)
class CellPhysics:
    """One cell as it stands at the beginning."""

    ocv: OcvTable
    circuit: CircuitTable
    capacity_ah: float
    soc: float
    resistance_factor: float = 1.0
    leak_a: float = 0.0
    charge_loss_ratio: float = 0.0  # of the charging current, to side reactions
    contact_ohm: float = 0.0  # in the current path only: the sense wires do not see it
    heat_capacity_j_per_k: float = HEAT_CAPACITY_J_PER_K
    heat_loss_w_per_k: float = HEAT_LOSS_W_PER_K


class Circuits:
    """A row per cell. A step: `aim` at its end, set the currents if need be, `project`, and `take` it.

    Charge is added up in ampere-seconds, plainly: 48 h at 5 A round by less than 1e-8 Ah.
    """

    def __init__(self, cells: Sequence[CellPhysics], *, ambient_degc: float) -> None:
        n = len(cells)
        self._ocv_groups = _groups([cell.ocv for cell in cells])
        self._circuit_groups = _groups([cell.circuit for cell in cells])
        self._capacity_ah = np.array([cell.capacity_ah for cell in cells])
        self._resistance_factor = np.array([cell.resistance_factor for cell in cells])
        self._leak_a = np.array([cell.leak_a for cell in cells])
        self._charge_loss_ratio = np.array([cell.charge_loss_ratio for cell in cells])
        self._short_s = np.zeros(n)  # conductance across the cell, in siemens
        self._inverse_loss_k_per_w = 1 / np.array([cell.heat_loss_w_per_k for cell in cells])
        self._ambient_k = ambient_degc + ZERO_DEGC_K

        # State. `decaying` is u1, u2 and the temperature in K; each falls towards its `target` at its own `rate`.
        self.current_a = np.zeros(n)
        self.moved_as = np.zeros((2, n))  # charge in, charge out
        self.soc = np.array([cell.soc for cell in cells])
        self._decaying = np.zeros((3, n))
        self._decaying[2] = self._ambient_k

        # Looked up by `refresh`, or following from the current.
        self.thermal_v, self.half_inverse_i0 = np.zeros((2, n))
        self._r_ohm, self._slope_v, self._entropy_v_per_k, self._entropy_offset_v = np.zeros((4, n))
        self._r_k_ohm = np.zeros((2, n))
        self._rate_per_s = np.zeros((3, n))
        self._rate_per_s[2] = [-cell.heat_loss_w_per_k / cell.heat_capacity_j_per_k for cell in cells]
        self._drop_v, self._extra_heat_w, self._soc_per_s = np.zeros((3, n))
        self._target = np.zeros((3, n))
        self._flow_a = np.zeros((2, n))
        self.ageing_per_s = 0.0  # how fast the looked-up values grow old
        self.age = 0.0  # 1: old

        # Scratch, and what the step aimed at leads to.
        self._step_s = 0.0
        self._decay = np.ones((3, n))
        self._scratch, self._scratch2 = np.zeros(n), np.zeros((2, n))
        self._next_soc, self._next_decaying = np.zeros(n), np.zeros((3, n))
        self._ocv_v = self._next_ocv_v = self._look_up_ocv(self.soc)
        self.voltage_v, self.next_voltage_v = self._ocv_v.copy(), np.zeros(n)
        self.refresh()
        self.aim(0.0)
        self.project()
        self.take()

    @property
    def temperature_k(self) -> Column:
        """Of each cell, the same all through."""
        temperature_k: Column = self._decaying[2]
        return temperature_k

    def alter(self, row: int, *, capacity_factor: float, resistance_factor: float, short_ohm: float) -> None:
        """Something happens to a cell now: it fades (its soc stays), its resistance grows, a short appears in it."""
        self._capacity_ah[row] *= capacity_factor
        self._resistance_factor[row] *= resistance_factor
        self._short_s[row] += 1 / short_ohm
        self.refresh()

    def refresh(self) -> None:
        """Look up what depends on the slowly moving state of charge and temperature."""
        temperature_k = self._decaying[2]
        per_energy = (1 / temperature_k - 1 / REFERENCE_K) / GAS_J_PER_MOL_K
        scale = self._resistance_factor * CIRCUIT_CAPACITY_AH / self._capacity_ah
        fast = np.exp(FAST_J_PER_MOL * per_energy) * scale
        slow = np.exp(SLOW_J_PER_MOL * per_energy) * scale
        for table, rows in self._circuit_groups:
            r_ohm, i0_a, r1_ohm, tau1_s, r2_ohm, tau2_s = table.at(self.soc[rows])
            self._r_ohm[rows] = r_ohm * fast[rows]
            self.half_inverse_i0[rows] = 0.5 / i0_a * fast[rows]
            self._r_k_ohm[0, rows] = r1_ohm * fast[rows]
            self._r_k_ohm[1, rows] = r2_ohm * slow[rows]
            self._rate_per_s[0, rows] = -1 / tau1_s
            self._rate_per_s[1, rows] = -1 / tau2_s
        for ocv, rows in self._ocv_groups:
            self._slope_v[rows] = ocv.slope_v_at(self.soc[rows])
            self._entropy_v_per_k[rows] = ocv.entropy_v_per_k(self.soc[rows])
        self.thermal_v = temperature_k * (2 * GAS_J_PER_MOL_K / FARADAY_AS_PER_MOL)
        self._entropy_offset_v = (temperature_k - REFERENCE_K) * self._entropy_v_per_k
        self.age = 0.0
        self.set_currents(self.current_a)

    def set_currents(self, current_a: Column) -> None:
        """For the step aimed at, and until they are set again."""
        self.current_a = current_a
        self._drop_v = (
            self._entropy_offset_v
            + current_a * self._r_ohm
            + self.thermal_v * np.arcsinh(current_a * self.half_inverse_i0)
        )
        np.multiply(self._r_k_ohm, current_a, out=self._target[:2])
        short_a = self.voltage_v * self._short_s
        np.maximum(current_a, 0, out=self._flow_a[0])
        np.subtract(self._flow_a[0], current_a, out=self._flow_a[1])
        lost_a = self._flow_a[0] * self._charge_loss_ratio
        self._soc_per_s = (current_a - lost_a - self._leak_a - short_a) / (3600 * self._capacity_ah)
        self._extra_heat_w = current_a * self._decaying[2] * self._entropy_v_per_k + self.voltage_v * short_a
        fastest_per_s = float(np.abs(self._soc_per_s).max())
        slowest_per_s = 1 / (REFRESH_S if current_a.any() else REST_REFRESH_S)
        self.ageing_per_s = max(fastest_per_s / REFRESH_SOC, slowest_per_s)

    def aim(self, step_s: float) -> None:
        """The next step is to last this long; 0 is allowed and shows the present under other currents."""
        self._step_s = step_s
        np.multiply(self._rate_per_s, step_s, out=self._decay)
        np.exp(self._decay, out=self._decay)

    def line(self) -> tuple[Column, Column]:
        """Slope and offset: at the step's end v = offset + slope * i + thermal_v * asinh(i * half_inverse_i0)."""
        decay = self._decay[:2]
        slope_v_per_as = self._slope_v / (3600 * self._capacity_ah)
        slope_ohm = self._r_ohm + slope_v_per_as * self._step_s + np.add.reduce(self._r_k_ohm * (1 - decay), axis=0)
        lost_as = (self._leak_a + self.voltage_v * self._short_s) * self._step_s
        offset_v = (
            self._ocv_v
            + self._entropy_offset_v
            - slope_v_per_as * lost_as
            + np.add.reduce(self._decaying[:2] * decay, axis=0)
        )
        return slope_ohm, offset_v

    def project(self) -> None:
        """Find `next_voltage_v` and all else at the step's end, under the present currents."""
        scratch = self._scratch
        np.subtract(self.voltage_v, self._ocv_v, out=scratch)
        np.multiply(scratch, self.current_a, out=scratch)
        np.add(scratch, self._extra_heat_w, out=scratch)
        np.multiply(scratch, self._inverse_loss_k_per_w, out=scratch)
        np.add(scratch, self._ambient_k, out=self._target[2])
        np.subtract(self._decaying, self._target, out=self._next_decaying)
        np.multiply(self._next_decaying, self._decay, out=self._next_decaying)
        np.add(self._next_decaying, self._target, out=self._next_decaying)
        np.multiply(self._soc_per_s, self._step_s, out=self._next_soc)
        np.add(self._next_soc, self.soc, out=self._next_soc)
        self._next_ocv_v = self._look_up_ocv(self._next_soc)
        np.add(self._next_ocv_v, self._drop_v, out=self.next_voltage_v)
        np.add(self.next_voltage_v, self._next_decaying[0], out=self.next_voltage_v)
        np.add(self.next_voltage_v, self._next_decaying[1], out=self.next_voltage_v)

    def take(self) -> None:
        """Be where the projection led."""
        np.multiply(self._flow_a, self._step_s, out=self._scratch2)
        np.add(self.moved_as, self._scratch2, out=self.moved_as)
        self.soc, self._next_soc = self._next_soc, self.soc
        self._decaying, self._next_decaying = self._next_decaying, self._decaying
        self.voltage_v, self.next_voltage_v = self.next_voltage_v, self.voltage_v
        self._ocv_v = self._next_ocv_v
        self.age += self._step_s * self.ageing_per_s

    def _look_up_ocv(self, soc: Column) -> Column:
        groups = self._ocv_groups
        if len(groups) == 1:
            return groups[0][0].voltage_v(soc)
        ocv_v = np.empty_like(soc)
        for table, rows in groups:
            ocv_v[rows] = table.voltage_v(soc[rows])
        return ocv_v


def _groups(tables: Sequence[Table]) -> list[tuple[Table, NDArray[np.intp]]]:
    """Which rows follow which table."""
    return [
        (table, np.array([row for row, other in enumerate(tables) if other is table], np.intp))
        for table in dict.fromkeys(tables)
    ]
