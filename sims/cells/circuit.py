"""What cells do under given currents: an equivalent circuit and a lumped temperature for each, in numpy.

Per cell, charging current positive (the tables in `sims/cells/data` were identified for exactly this):

    v = ocv(soc + lag) + (T - 298.15 K) dU/dT + h + i r_ohm + (2 R T / F) asinh(i / 2 i0) + u1
    dlag/dt = (lag_s i / capacity - lag) / lag_tau       dsoc/dt = (i - lost - leak - v / short) / capacity
    du1/dt = (r1 i - u1) / tau1                          dh/dt = (±gap / 2 - h) |i| / moved
    C dT/dt = i (v - ocv(soc)) + i T dU/dT + v²/short + extra - hA (T - ambient)

with lag how far the particles' surface is ahead of their mean, and h the hysteresis. Within a step the currents are
constant, so the four decays are exact. What moves slowly (the circuit's values, the film of a first charge, wear) is
looked up anew each time that a cell has moved a little.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sims.cells.abuse import Plating, SelfHeating
from sims.cells.chemistry import Chemistry, body
from sims.cells.first_charge import FirstCharge, Forming
from sims.cells.tables import CircuitTable, Column, OcvTable, number

Table = TypeVar("Table", OcvTable, CircuitTable)

GAS_J_PER_MOL_K = 8.314462618
FARADAY_AS_PER_MOL = 96485.33212
ZERO_DEGC_K = 273.15
REFERENCE_K = 298.15
# Activation energies, fitted on the O'Regan 2022 set at 15 and 40 °C.
FAST_J_PER_MOL = 24.4e3  # r_ohm, r1, 1/i0
SLOW_J_PER_MOL = 19.5e3  # lag_s, lag_tau
DEFAULT_BODY = body("cylinder-21700")
PLAIN = Chemistry()

REFRESH_SOC = 0.001  # a cell's circuit is looked up again when it has moved this far …
REFRESH_K = 1.0  # … or heated itself so much,
REFRESH_S = 10.0  # … or warmed this long,
REST_REFRESH_S = 60.0  # or rested this long.
SHORT_LOOKS = 2  # looks within the time constant by which a short drains the cell: with fewer, the voltage would swing
HARD_SHORT_RATIO = 1e-3  # of the cell's resistance over the short's: from here on the short moves the voltage at once
UNFORMED_CIRCUIT_SOC = 0.5  # where a circuit is looked up before the first charge
FULL_LEAK_V = 3.0  # below, a cell leaks less: an empty one keeps its few tenths of a volt


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
    heat_capacity_j_per_k: float = DEFAULT_BODY.heat_capacity_j_per_k
    heat_loss_w_per_k: float = DEFAULT_BODY.heat_loss_w_per_k
    chemistry: Chemistry = PLAIN
    first_charge: FirstCharge | None = None  # None: its film has long formed
    charge_since_filling: float = inf  # in capacities, and in units of the table's film
    film_scale: float = 1.0  # its film's charge over the table's


class Circuits:
    """A row per cell. A step: `aim` at its end, set the currents if need be, `project`, and `take` it.

    Charge is added up in ampere-seconds, plainly: 48 h at 5 A round by less than 1e-8 Ah.
    """

    def __init__(self, cells: Sequence[CellPhysics], *, ambient_degc: float) -> None:
        n = len(cells)
        self._ocv_groups = _groups([cell.ocv for cell in cells])
        self._circuit_groups = _groups([cell.circuit for cell in cells])
        # As they began, but for what `alter` did; wear is apart.
        self._fresh_capacity_as = 3600 * np.array([cell.capacity_ah for cell in cells])
        self._circuit_capacity_as = 3600 * np.array([cell.circuit.capacity_ah for cell in cells])
        self._resistance_factor = np.array([cell.resistance_factor for cell in cells])
        self._full_leak_a = np.array([cell.leak_a for cell in cells])
        self._charge_loss_ratio = np.array([cell.charge_loss_ratio for cell in cells])
        self._constant_heat_w, self._short_s = np.zeros((2, n))  # the short as conductance across the cell, in siemens
        self._heat_capacity_j_per_k = np.array([cell.heat_capacity_j_per_k for cell in cells])
        self._inverse_loss_k_per_w = 1 / np.array([cell.heat_loss_w_per_k for cell in cells])
        self._ambient_k = np.full(n, ambient_degc + ZERO_DEGC_K)
        kinds = [cell.chemistry for cell in cells]
        self._half_gap_v = np.array([kind.hysteresis_v / 2 for kind in kinds])
        self._gap_per_charge = np.array([1 / kind.hysteresis_charge for kind in kinds])
        self._has_hysteresis = bool(self._half_gap_v.any())
        self._fade_per_cycle = np.array([kind.fade_per_cycle for kind in kinds])
        self._growth_per_cycle = np.array([kind.growth_per_cycle for kind in kinds])

        # State. `decaying` is the lag, u1, the hysteresis and the temperature in K; each falls towards its `target` at
        # its own `rate`.
        self.current_a = np.zeros(n)
        self.moved_as = np.zeros((2, n))  # charge in, charge out
        self.soc = np.array([cell.soc for cell in cells])
        self._decaying = np.zeros((4, n))
        self._decaying[3] = self._ambient_k
        self._forming = Forming(
            [cell.first_charge for cell in cells],
            kinds,
            charge=[cell.charge_since_filling for cell in cells],
            film_scale=[cell.film_scale for cell in cells],
        )
        self._plating = Plating(self._fresh_capacity_as)
        self._self_heating = SelfHeating(n)

        # Looked up by `refresh`, or following from the current. `lag_v`: what the lag adds to the open-circuit voltage.
        self.thermal_v, self.half_inverse_i0 = np.zeros((2, n))
        self._r_ohm, self._slope_v, self._lag_v, self._entropy_v_per_k, self._entropy_offset_v = np.zeros((5, n))
        self._per_a = np.zeros((2, n))  # what an ampere holds the lag and u1 at
        self._rate_per_s, self._target = np.zeros((2, 4, n))
        self._rate_per_s[3] = [-cell.heat_loss_w_per_k / cell.heat_capacity_j_per_k for cell in cells]
        self._capacity_as = self._fresh_capacity_as
        self._loss_ratio, self._leak_a = np.zeros((2, n))
        self._drop_v, self._extra_heat_w, self._soc_per_s, self._inner_a = np.zeros((4, n))
        self._hard_short: Column | None = None  # what part of its voltage a cell keeps beside its short
        self._short_ageing_per_s = 0.0  # how fast what flows through shorts grows old
        self._flow_a = np.zeros((2, n))
        self.ageing_per_s, self.age = 0.0, 0.0  # how fast the looked-up values grow old; 1: old
        self._elapsed_s = 0.0  # since the currents were set

        # Scratch, and what the step aimed at leads to.
        self._step_s = 0.0
        self._decay, self._decay_s = np.ones((4, n)), 0.0  # the step that it holds for, NaN for none
        self._scratch, self._scratch2 = np.zeros(n), np.zeros((2, n))
        self._next_soc, self._next_decaying = np.zeros(n), np.zeros((4, n))
        self._ocv_v = self._next_ocv_v = self._look_up_ocv(self.soc)
        self._forming.lift(self._ocv_v, self._decaying[0], 0.0)
        self.voltage_v, self.next_voltage_v = self._ocv_v.copy(), np.zeros(n)
        self.refresh()
        self.aim(0.0)
        self.project()
        self.take()

    @property
    def temperature_k(self) -> Column:
        """Of each cell, the same all through."""
        temperature_k: Column = self._decaying[3]
        return temperature_k

    @property
    def ohmic_ohm(self) -> Column:
        """What remains of each cell's resistance at 1 kHz, where neither charge transfer nor diffusion follow."""
        return self._r_ohm

    def set_ambient(self, ambient_k: Column) -> None:
        """The air around each cell from now on."""
        self._ambient_k[:] = ambient_k

    def alter(
        self,
        row: int,
        *,
        capacity_factor: float = 1.0,
        resistance_factor: float = 1.0,
        short_ohm: float = inf,
        heat_w: float = 0.0,
        plating_ratio: float = 0.0,
    ) -> None:
        """Something happens to a cell now: it fades (its soc stays), its resistance grows, a short appears in it.

        `heat_w` warms it from within, for good; `plating_ratio` is the part of a charging current that plates.
        """
        self._fresh_capacity_as[row] *= capacity_factor
        self._resistance_factor[row] *= resistance_factor
        self._short_s[row] += 1 / short_ohm
        self._constant_heat_w[row] += heat_w
        self._plating.begin(row, plating_ratio)
        self.refresh()

    def refresh(self) -> None:
        """Look up what depends on the slowly moving state of charge, temperature and wear."""
        self._pass_time()
        lag, _, _, temperature_k = self._decaying
        self._forming.look_up(temperature_k - REFERENCE_K, lag)
        cycles = np.add.reduce(self.moved_as, axis=0) / (2 * self._fresh_capacity_as)
        self._capacity_as = self._fresh_capacity_as * np.maximum(1 - self._fade_per_cycle * cycles, 0.1)
        per_energy = (1 / temperature_k - 1 / REFERENCE_K) / GAS_J_PER_MOL_K
        scale = self._resistance_factor * (self._circuit_capacity_as / self._capacity_as)
        scale *= (1 + self._growth_per_cycle * cycles) * self._forming.resistance_factor
        fast = np.exp(FAST_J_PER_MOL * per_energy) * scale
        slow = np.exp(SLOW_J_PER_MOL * per_energy)
        circuit_soc, lag_scale = self.soc, slow / self._capacity_as
        if self._forming.is_active:
            # The tables' low ends are of graphite that was emptied; one that was never filled does not resist like
            # that, and its surface, which is all that is charged at first, is not ahead of anything.
            circuit_soc = circuit_soc + self._forming.unformed * (UNFORMED_CIRCUIT_SOC - circuit_soc)
            lag_scale *= 1 - self._forming.unformed
        for table, rows in self._circuit_groups:
            r_ohm, i0_a, r1_ohm, tau1_s, lag_s, lag_tau_s = table.at(circuit_soc[rows])
            self._r_ohm[rows] = r_ohm * fast[rows]
            self.half_inverse_i0[rows] = fast[rows] / (2 * i0_a)
            self._per_a[0, rows] = lag_s * lag_scale[rows]
            self._per_a[1, rows] = r1_ohm * fast[rows]
            self._rate_per_s[0, rows] = -1 / (lag_tau_s * slow[rows])
            self._rate_per_s[1, rows] = -1 / tau1_s
        surface_soc = self.soc + lag
        for ocv, rows in self._ocv_groups:
            self._slope_v[rows] = ocv.slope_v_at(surface_soc[rows])
            self._entropy_v_per_k[rows] = ocv.entropy_v_per_k(self.soc[rows])
        rested_v = self._look_up_ocv(self.soc)
        if self._forming.is_active:
            self._slope_v += self._forming.slope_v
            self._forming.lift(rested_v, np.zeros_like(lag), 0.0)
        np.subtract(self._ocv_v, rested_v, out=self._lag_v)
        self.thermal_v = temperature_k * (2 * GAS_J_PER_MOL_K / FARADAY_AS_PER_MOL)
        self._entropy_offset_v = (temperature_k - REFERENCE_K) * self._entropy_v_per_k
        self._loss_ratio = self._charge_loss_ratio + self._forming.settling_loss_ratio + self._plating.ratio
        self._leak_a = self._full_leak_a * np.minimum(np.maximum(self._ocv_v / FULL_LEAK_V, 0), 1)
        self._look_up_shorts()
        failing = self._self_heating.look_up(temperature_k - ZERO_DEGC_K)
        if failing.any():
            self._short_s[failing] += 1 / number("abuse", "separator_short_ohm")
            self._look_up_shorts()
        self.age = 0.0
        self._decay_s = np.nan
        self.set_currents(self.current_a)

    def set_currents(self, current_a: Column) -> None:
        """For the step aimed at, and until they are set again."""
        self._pass_time()
        self.current_a = current_a
        self._drop_v = (
            self._entropy_offset_v
            + current_a * self._r_ohm
            + self.thermal_v * np.arcsinh(current_a * self.half_inverse_i0)
        )
        voltage_v = self.voltage_v
        if self._hard_short is not None:
            settled_v = self._ocv_v + np.add.reduce(self._decaying[1:3], axis=0) + self._drop_v
            voltage_v = np.where(self._hard_short < 1, settled_v * self._hard_short, voltage_v)
        short_a = voltage_v * self._short_s
        self._inner_a = inner_a = current_a - short_a
        np.maximum(current_a, 0, out=self._flow_a[0])
        np.subtract(self._flow_a[0], current_a, out=self._flow_a[1])
        np.multiply(self._per_a, inner_a, out=self._target[:2])
        charging_a = np.maximum(inner_a, 0)
        stored_a = inner_a - charging_a * self._loss_ratio
        if self._plating.is_in_play:
            self._plating.feel(inner_a)
            self._target[1] += self._plating.plateau_v
            stored_a += self._plating.returned_a
        if self._has_hysteresis:
            np.multiply(np.sign(current_a), self._half_gap_v, out=self._target[2])
            self._rate_per_s[2] = -np.abs(current_a) * self._gap_per_charge / self._capacity_as
            self._decay_s = np.nan
        self._forming.feel(inner_a, self._capacity_as)
        if self._forming.is_active:
            stored_a *= self._forming.into_soc
            self._target[0] *= self._forming.into_soc
        self._soc_per_s = (stored_a - self._leak_a) / self._capacity_as
        heating_v = self._lag_v + self._decaying[3] * self._entropy_v_per_k
        self._extra_heat_w = inner_a * heating_v + voltage_v * short_a + self._constant_heat_w
        if self._self_heating.is_warm:
            self._soc_per_s -= self._self_heating.burnt_soc_per_s
            self._extra_heat_w += self._self_heating.rate_k_per_s * self._heat_capacity_j_per_k
        self.ageing_per_s = max(
            float(np.abs(self._soc_per_s).max()) / REFRESH_SOC,
            float(np.abs(self._forming.charge_per_s).max()) / REFRESH_SOC,
            1 / (REFRESH_S if current_a.any() or self._plating.is_dissolving else REST_REFRESH_S),
            self._short_ageing_per_s,
        )
        if self._self_heating.is_warm:
            self.ageing_per_s = max(self.ageing_per_s, float(self._self_heating.rate_k_per_s.max()) / REFRESH_K)

    def aim(self, step_s: float) -> None:
        """The next step is to last this long; 0 is allowed and shows the present under other currents."""
        self._step_s = step_s
        if step_s != self._decay_s:
            np.multiply(self._rate_per_s, step_s, out=self._decay)
            np.exp(self._decay, out=self._decay)
            self._decay_s = step_s

    def line(self) -> tuple[Column, Column]:
        """Slope and offset: at the step's end v = offset + slope * i + thermal_v * asinh(i * half_inverse_i0)."""
        reached = 1 - self._decay[:3]
        soc_per_a = self._step_s / self._capacity_as
        slope_v = self._slope_v * self._forming.into_soc
        surface_per_a, r1_ohm = self._per_a * reached[:2]
        surface_per_a += soc_per_a
        slope_ohm = self._r_ohm + slope_v * surface_per_a + r1_ohm
        fallen = self._decaying[0] * reached[0] + (self._leak_a + self.voltage_v * self._short_s) * soc_per_a
        offset_v = self._ocv_v + self._entropy_offset_v - slope_v * fallen + self._decaying[1] * self._decay[1]
        if self._has_hysteresis:
            offset_v += self._decaying[2] * self._decay[2] + self._target[2] * reached[2]
        if self._hard_short is not None:
            slope_ohm *= self._hard_short
            offset_v *= self._hard_short
        return slope_ohm, offset_v

    def project(self) -> None:
        """Find `next_voltage_v` and all else at the step's end, under the present currents."""
        scratch = self._scratch
        np.subtract(self.voltage_v, self._ocv_v, out=scratch)
        np.multiply(scratch, self._inner_a, out=scratch)
        np.add(scratch, self._extra_heat_w, out=scratch)
        np.multiply(scratch, self._inverse_loss_k_per_w, out=scratch)
        np.add(scratch, self._ambient_k, out=self._target[3])
        following = self._next_decaying
        np.subtract(self._decaying, self._target, out=following)
        np.multiply(following, self._decay, out=following)
        np.add(following, self._target, out=following)
        np.multiply(self._soc_per_s, self._step_s, out=self._next_soc)
        np.add(self._next_soc, self.soc, out=self._next_soc)
        np.add(self._next_soc, following[0], out=scratch)
        ocv_v = self._next_ocv_v = self._look_up_ocv(scratch)
        if self._forming.is_active:
            self._forming.lift(ocv_v, following[0], self._elapsed_s + self._step_s)
        voltage_v = self.next_voltage_v
        np.add(ocv_v, self._drop_v, out=voltage_v)
        np.add(voltage_v, following[1], out=voltage_v)
        if self._has_hysteresis:
            np.add(voltage_v, following[2], out=voltage_v)
        if self._hard_short is not None:
            np.multiply(voltage_v, self._hard_short, out=voltage_v)

    def take(self) -> None:
        """Be where the projection led."""
        np.multiply(self._flow_a, self._step_s, out=self._scratch2)
        np.add(self.moved_as, self._scratch2, out=self.moved_as)
        self.soc, self._next_soc = self._next_soc, self.soc
        self._decaying, self._next_decaying = self._next_decaying, self._decaying
        self.voltage_v, self.next_voltage_v = self.next_voltage_v, self.voltage_v
        self._ocv_v = self._next_ocv_v
        self._elapsed_s += self._step_s
        self.age += self._step_s * self.ageing_per_s

    def _pass_time(self) -> None:
        """What only follows the currents, since they were set."""
        if self._elapsed_s == 0:
            return
        self._forming.pass_time(self._elapsed_s)
        self._plating.pass_time(self._elapsed_s)
        self._self_heating.pass_time(self._elapsed_s)
        self._elapsed_s = 0.0

    def _look_up_shorts(self) -> None:
        """Beside a short as strong as the cell itself, its charge transfer is taken for a resistor."""
        self._hard_short, self._short_ageing_per_s = None, 0.0
        if not self._short_s.any():
            return
        linear_ohm = self._r_ohm + self.thermal_v * self.half_inverse_i0
        hard = linear_ohm * self._short_s > HARD_SHORT_RATIO
        self._r_ohm[hard] = linear_ohm[hard]
        self.half_inverse_i0[hard] = 0.0
        kept: Column = np.where(hard, 1 / (1 + linear_ohm * self._short_s), 1.0)
        if hard.any():
            self._hard_short = kept
        lag_per_as, r1_ohm_per_s = -self._per_a * self._rate_per_s[:2]
        surface_v = np.abs(self._slope_v * self._forming.into_soc)
        falling_ohm_per_s = surface_v * (1 / self._capacity_as + lag_per_as) + r1_ohm_per_s
        self._short_ageing_per_s = SHORT_LOOKS * float((kept * self._short_s * falling_ohm_per_s).max())

    def _look_up_ocv(self, soc: Column) -> Column:
        groups = self._ocv_groups
        if len(groups) == 1:
            return groups[0][0].voltage_v(soc)
        ocv_v = np.empty_like(soc)
        for table, rows in groups:
            ocv_v[rows] = table.voltage_v(soc[rows])
        return ocv_v


def _groups(tables: Sequence[Table]) -> list[tuple[Table, NDArray[np.intp] | slice]]:
    """Which rows follow which table."""
    if all(table is tables[0] for table in tables):
        return [(tables[0], slice(None))]  # a slice is much faster than indices
    return [
        (table, np.array([row for row, other in enumerate(tables) if other is table], np.intp))
        for table in dict.fromkeys(tables)
    ]
