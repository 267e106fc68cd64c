"""The air around cells: that of their chamber or of the room, uneven over the places, and warmed by the neighbours."""

from collections.abc import Mapping, Sequence

import numpy as np

from cycler.model.rack import PositionId, Rack
from sims.cells.circuit import ZERO_DEGC_K
from sims.cells.tables import Column
from sims.chamber import Chamber

UNEVEN_K = 0.6  # of a chamber's places, either way: chambers are uniform to 1 or 2 K over the trays
NEIGHBOUR_SHARE = 0.1  # of what a cell is warmer than its air reaches the air of each of its two neighbours
CONTACT_SHARE = 0.5  # of the heat in its contacts reaches the cell


class Places:
    """Every position of the rack: who stands beside it, in which chamber, and how warm each one is."""

    def __init__(
        self,
        rack: Rack,
        chambers: Mapping[str, Chamber],
        *,
        ambient_degc: float,
        uneven_k: Mapping[PositionId, float],
    ) -> None:
        self.number = {name: index for index, name in enumerate(p for bay in rack.bays.values() for p in bay.positions)}
        nobody = len(self.number)
        self.beside = np.full((2, nobody), nobody)
        self.chamber: list[Chamber | None] = []
        self.uneven_k = np.array([uneven_k.get(name, 0.0) for name in self.number])
        self.excess_k = np.zeros(nobody + 1)  # of each cell over its air; the last is nobody's
        self.ambient_k = ambient_degc + ZERO_DEGC_K
        for bay in rack.bays.values():
            numbers = [self.number[name] for name in bay.positions]
            self.beside[0, numbers[1:]] = numbers[:-1]
            self.beside[1, numbers[:-1]] = numbers[1:]
            self.chamber += [None if bay.chamber is None else chambers[bay.chamber]] * len(numbers)


class Air:
    """Around the cells of one bank. Called by `CellBank`; a cell at rest in still air costs it nothing."""

    def __init__(self, places: Places, positions: Sequence[PositionId], heat_loss_w_per_k: Column) -> None:
        own = np.array([places.number[name] for name in positions])
        self._places = places
        self._own = own
        self._beside = places.beside[:, own]
        self._uneven_k = places.uneven_k[own]
        self._heat_loss_w_per_k = heat_loss_w_per_k
        self._chambers = {
            chamber: np.array([row for row, number in enumerate(own) if places.chamber[number] is chamber])
            for chamber in dict.fromkeys(places.chamber[number] for number in own)
        }

    def __call__(self, now_s: float, cells_k: Column, contact_w: Column) -> Column:
        """In K, and the chambers are told what heat comes from the cells."""
        around_k = np.full(len(cells_k), self._places.ambient_k)
        for chamber, rows in self._chambers.items():
            if chamber is not None:
                around_k[rows] = chamber.air_degc(now_s) + ZERO_DEGC_K
        around_k += self._uneven_k
        excess_k = self._places.excess_k
        excess_k[self._own] = own_k = cells_k - around_k
        for chamber, rows in self._chambers.items():
            if chamber is not None:
                chamber.warm(self, float(own_k[rows] @ self._heat_loss_w_per_k[rows]))
        around_k += NEIGHBOUR_SHARE * (excess_k[self._beside[0]] + excess_k[self._beside[1]])
        around_k += contact_w * (CONTACT_SHARE / self._heat_loss_w_per_k)
        return around_k
