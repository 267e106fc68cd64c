"""The first charge of a filled cell, until its film has formed: where its charge goes, and what it shows.

A filled cell stands below 0 % soc, at the emptiest graphite. Of the current a falling part goes into the film and never
into the soc:

    film part f = f0 exp(-charge / q0)          ocv = ocv of a formed cell at this soc + excess(charge)

where `charge` is what went in since filling, in capacities. Surfaces are charged first, and that comes out again: up
to `REVERSIBLE_CHARGE` a filled cell is a small capacitor. A cell with more film than its table's forms it over as much
more charge, so that its voltage keeps to the table. Below the table's beginning the current only dissolves copper.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import log

import numpy as np
from numpy.typing import NDArray

from sims.cells.chemistry import Chemistry
from sims.cells.tables import Column, OcvTable, read_columns

REVERSIBLE_CHARGE = 0.004  # beyond this, film forms


@dataclass(frozen=True, slots=True, eq=False)
class FirstCharge:
    """A table of `data/first_charge_*.csv` above the open-circuit voltage of the formed cell."""

    charge: Column  # since filling, in capacities
    voltage_v: Column
    excess_v: Column
    slope_v: Column  # of the excess, per unit of charge, in each stretch between two knots
    first_fraction: float  # f0
    film_scale_charge: float  # q0
    beginning_soc: float

    @property
    def film_charge(self) -> float:
        """All that the film of the table's cell takes."""
        return self.first_fraction * self.film_scale_charge

    def unformed(self, charge: Column) -> Column:
        """What part of the film is still to come."""
        return np.exp(-charge / self.film_scale_charge)

    def soc_at(self, charge: Column, film_scale: float) -> Column:
        """Where a cell stands that was only ever charged. `film_scale`: its film's charge over the table's."""
        film = self.film_charge * (1 - self.unformed(charge))
        soc: Column = self.beginning_soc + film_scale * (charge - film)
        return soc

    def charge_at_soc(self, soc: float, film_scale: float) -> float:
        """The inverse, in units of the table's film."""
        return float(np.interp(soc, self.soc_at(self.charge, film_scale), self.charge))

    def charge_at_voltage(self, voltage_v: float) -> float:
        """Likewise, for a cell that shows this at rest."""
        return float(np.interp(voltage_v, self.voltage_v, self.charge))


@cache
def first_charge(name: str, ocv: OcvTable) -> FirstCharge:
    """By file name without its ending: `first_charge_lfp_graphite`; `ocv` is the formed cell's.

    Raises `ValueError` for a name that is no such file.
    """
    columns = read_columns(name, "first_charge_")
    charge, soc, fraction = columns["charge"], columns["soc"], columns["film_fraction"]
    excess_v = columns["voltage_v"] - ocv.voltage_v(soc)
    excess_v[-1] = 0.0
    film_scale_charge = float(charge[-1] - charge[0]) / log(fraction[0] / fraction[-1])
    return FirstCharge(
        charge=charge,
        voltage_v=columns["voltage_v"],
        excess_v=excess_v,
        slope_v=np.diff(excess_v) / np.diff(charge),
        first_fraction=float(np.interp(0.0, charge, fraction)),
        film_scale_charge=film_scale_charge,
        beginning_soc=float(np.interp(0.0, charge, soc)),
    )


class Forming:
    """The charge since filling of every row, and the first charges of those that are still forming.

    What `look_up` and `feel` find holds until they are called again.
    """

    def __init__(
        self,
        tables: Sequence[FirstCharge | None],
        kinds: Sequence[Chemistry],
        *,
        charge: Sequence[float],
        film_scale: Sequence[float],
    ) -> None:
        n = len(tables)
        self._groups = [
            (table, np.array([row for row, other in enumerate(tables) if other is table], np.intp))
            for table in dict.fromkeys(tables)
            if table is not None
        ]
        self._film_scale = np.array(film_scale)
        self._film_per_k = np.array([kind.film_per_k for kind in kinds])
        self._film_per_c_rate = np.array([kind.film_per_c_rate for kind in kinds])
        self._unformed_resistance = np.array([kind.unformed_resistance for kind in kinds])
        self._settling_loss_ratio = np.array([kind.settling_loss_ratio for kind in kinds])
        self._settling_charge = np.array([kind.settling_charge for kind in kinds])
        self._charge = np.array(charge)  # in capacities, and in units of the table's film
        self._film_factor = np.ones(n)  # over the film that forms slowly at 25 °C
        self._film_fraction = np.zeros(n)
        self._is_reversible, self._is_dissolving = np.zeros((2, n), bool)
        self.unformed = np.zeros(n)  # what part of the film is still to come
        self.slope_v = np.zeros(n)  # of the voltage in excess, per unit of soc
        self.settling_loss_ratio = np.zeros(n)  # of the charging current
        self.resistance_factor = np.ones(n)
        self.charge_per_s = np.zeros(n)
        self.into_soc = np.ones(n)  # what part of the current lifts the soc

    @property
    def is_active(self) -> bool:
        """Whether any row is still forming."""
        return bool(self._groups)

    def look_up(self, above_25_k: Column, lag: Column) -> None:
        """At the present charge, temperature and lag of each. Rows whose film has formed leave for good."""
        self.settling_loss_ratio = self._settling_loss_ratio * np.exp(-self._charge / self._settling_charge)
        if not self._groups:
            return
        self._film_factor = 1 + self._film_per_k * above_25_k
        groups: list[tuple[FirstCharge, NDArray[np.intp]]] = []
        for table, rows in self._groups:
            charge = self._charge[rows]
            self.unformed[rows] = table.unformed(charge)
            self._film_fraction[rows] = table.first_fraction * self.unformed[rows]
            charge_per_soc = 1 / (1 - self._film_fraction[rows])
            surface = charge + np.maximum(lag[rows], 0) * charge_per_soc
            stretch = np.searchsorted(table.charge, surface, side="right") - 1
            self.slope_v[rows] = table.slope_v.take(stretch, mode="clip") * charge_per_soc
            self._is_reversible[rows] = charge < REVERSIBLE_CHARGE
            self._is_dissolving[rows] = charge <= table.charge[0]
            has_formed = charge >= table.charge[-1]
            for column in (self.unformed, self._film_fraction, self.slope_v):
                column[rows[has_formed]] = 0.0
            self.into_soc[rows[has_formed]] = 1.0
            if not has_formed.all():
                groups.append((table, rows[~has_formed]))
        self._groups = groups
        self.resistance_factor = 1 + self._unformed_resistance * self.unformed

    def feel(self, inner_a: Column, capacity_as: Column) -> None:
        """From now on these currents flow through the cells."""
        if not self._groups:
            self.charge_per_s = np.maximum(inner_a, 0) / capacity_as
            return
        per_s = inner_a / capacity_as
        is_discharging = per_s < 0
        moves = ~is_discharging | self._is_reversible
        stays = is_discharging & self._is_dissolving
        factor = self._film_factor * (1 + self._film_per_c_rate * np.maximum(per_s * 3600, 0))
        self.charge_per_s = np.where(moves & ~stays, per_s, 0.0) / (self._film_scale * factor)
        self.into_soc = np.where(moves, 1 - self._film_fraction, 1.0) * ~stays

    def pass_time(self, elapsed_s: float) -> None:
        """Under the currents of `feel`."""
        self._charge += self.charge_per_s * elapsed_s

    def lift(self, ocv_v: Column, lag: Column, later_s: float) -> None:
        """Add what the forming rows will show in excess then to the open-circuit voltages of formed cells.

        A surface that is ahead of its mean by `lag`, in soc, has had the charge that takes a cell there.
        """
        for table, rows in self._groups:
            charge = self._charge[rows] + self.charge_per_s[rows] * later_s
            charge += np.maximum(lag[rows], 0) / (1 - self._film_fraction[rows])
            ocv_v[rows] += np.interp(charge, table.charge, table.excess_v)
