"""Between the supplies and the cells: polarity, contacts, contactors and sense wires, a row per channel.

A supply regulates on what its sense wires tell it. Bounds and set voltages are kept as the cells see them: a reversed
cell is driven the other way round.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sims.cells.circuit import CellPhysics
from sims.cells.tables import Column
from sims.terminal import Supply

CELL_V_MAX = 6.0  # no cell ever shows more: bounds what power a sinking supply can reach
OPEN_TERMINALS_V = 0.002  # what a channel shows that has no cell
LEAD_DROP_V_MAX = 0.5  # what a supply makes up for on the way to where it senses, before it is at its compliance
SENSE_V_MAX = 5.0  # full scale: an open sense input floats no further


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSense:
    """A sense wire is off: the input floats."""

    from_s: float
    voltage_v: float
    drift_v_per_s: float = 0.0

    def seen_v(self, now_s: float) -> float:
        """What the input shows."""
        return min(max(self.voltage_v + self.drift_v_per_s * (now_s - self.from_s), 0.0), SENSE_V_MAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossedSense:
    """The sense wires sit on another row's cell."""

    other: int


Sense = OpenSense | CrossedSense


class Wiring:
    """`set_v`, `high_a`, `low_a` are for whoever solves for the currents; 0 and 0 is an open path."""

    def __init__(self, cells: Sequence[CellPhysics | None]) -> None:
        n = len(cells)
        self.absent = np.array([cell is None for cell in cells])
        self.contact_ohm = np.array([0.0 if cell is None else cell.contact_ohm for cell in cells])
        self.path_closed = ~self.absent
        self.on = np.zeros(n, bool)
        self.set_v, self.high_a, self.low_a = np.zeros((3, n))
        self.high_w, self.low_w = np.full((2, n), np.inf)
        self.low_ohm = np.zeros(n)  # what a sinking supply is no less than; 0: it is no resistance
        self.power_rows: set[int] = set()  # where a power limit can bind at all
        self.resistance_rows: set[int] = set()
        self.misled: set[int] = set()  # where bounds follow from what the sense wires tell, or from a bad contact
        self.starved = np.zeros(n, bool)  # where a contact lets less current pass than the supply would give
        self._supplies = [Supply()] * n
        self._contactor_closed = np.ones(n, bool)
        self._breaks = np.zeros(n, int)  # how many other gaps are in the path
        self._senses: dict[int, Sense] = {}
        self._sign = np.ones(n)  # -1 where the cell is the wrong way round
        self._reversed: list[int] = []
        self._open_v = np.full(n, OPEN_TERMINALS_V)  # at the output where no cell is connected to it
        self._open_rows = int(np.count_nonzero(self.absent))

    def __len__(self) -> int:
        """How many rows."""
        return len(self._supplies)

    # what is done to it

    def drive(self, row: int, supply: Supply) -> bool:
        """Whether anything changed. Raises `ValueError` for a supply that cannot be."""
        if supply == self._supplies[row]:
            return False
        refuse_impossible(supply)
        self._supplies[row] = supply
        self._connect(row)
        return True

    def set_contactor(self, row: int, *, closed: bool) -> None:
        """The sense wires stay connected."""
        self._contactor_closed[row] = closed
        self._connect(row)

    def break_path(self, row: int, *, broken: bool) -> None:
        """One more gap in the current path, or one less."""
        self._breaks[row] += 1 if broken else -1
        self._connect(row)

    def add_contact(self, row: int, ohm: float) -> None:
        """More resistance in the current path, or less; the sense wires do not see it."""
        self.contact_ohm[row] += ohm
        self._connect(row)

    def reverse(self, row: int) -> None:
        """Turn the cell round."""
        self._sign[row] = -self._sign[row]
        self._reversed = np.flatnonzero(self._sign < 0).tolist()
        self._connect(row)

    def set_sense(self, row: int, sense: Sense | None) -> None:
        """`None`: on the own cell, as it should be."""
        if sense is None:
            self._senses.pop(row, None)
        else:
            self._senses[row] = sense
        self._connect(row)

    def sign(self, row: int) -> float:
        """-1 where the cell is the wrong way round."""
        return float(self._sign[row])

    # what comes of it

    def aim(self, now_s: float, cells_v: Column) -> None:
        """Bring the misled rows up to date: at these voltages of the cells, this is what their supplies do."""
        for row in self.misled:
            supply, sense = self._supplies[row], self._senses.get(row)
            set_v, high_a, low_a = supply.voltage_v, supply.source_current_a, supply.sink_current_a
            cell_v = float(self._sign[row] * cells_v[row])
            if sense is None:
                high_a = min(high_a, max(set_v + LEAD_DROP_V_MAX - cell_v, 0.0) / self.contact_ohm[row])
                low_a = min(low_a, max(cell_v, 0.0) / self.contact_ohm[row])
                self.starved[row] = high_a < supply.source_current_a or low_a < supply.sink_current_a
            elif self._seen_v(sense, now_s, cells_v) < set_v:  # it pushes in vain, as far as its output goes …
                set_v, low_a = set_v + LEAD_DROP_V_MAX, 0.0
            else:  # … or pulls in vain
                set_v, high_a = 0.0, 0.0
                if supply.sink_resistance_ohm:
                    low_a = min(low_a, self._seen_v(sense, now_s, cells_v) / supply.sink_resistance_ohm)
            self._bound(row, set_v, high_a, low_a)

    def poles(self, now_s: float, cells_v: Column, current_a: Column) -> tuple[Column, Column, Column]:
        """Voltage at the sense inputs and at the outputs, and the current, as the instrument would see them."""
        current_a = current_a * self._sign if self._reversed else current_a.copy()
        sense_v = cells_v * self._sign if self._reversed else cells_v.copy()
        output_v: Column = current_a * self.contact_ohm
        output_v += sense_v
        if self._open_rows:
            np.copyto(output_v, self._open_v, where=~self.path_closed)
            np.copyto(sense_v, self._open_v, where=self.absent)
        for row, sense in self._senses.items():
            sense_v[row] = self._seen_v(sense, now_s, cells_v)
        return sense_v, output_v, current_a

    def moved(self, charges: Column) -> Column:
        """Two rows, into and out of the cells, as the instruments would count them."""
        for row in self._reversed:  # hardly ever more than one
            charges[0, row], charges[1, row] = charges[1, row], charges[0, row]
        return charges

    def is_energised(self, row: int) -> bool:
        """Whether a supply that is on reaches a cell."""
        return bool(self.on[row] and self.path_closed[row])

    # the machinery

    def _connect(self, row: int) -> None:
        supply = self._supplies[row]
        self.on[row] = supply.on
        self.starved[row] = False
        closed = self._contactor_closed[row] and not self._breaks[row] and not self.absent[row]
        self.path_closed[row] = closed
        self._open_rows = len(self) - int(np.count_nonzero(self.path_closed))
        self._open_v[row] = supply.voltage_v if supply.on and supply.source_current_a > 0 else OPEN_TERMINALS_V
        is_connected = supply.on and closed
        if is_connected:
            self._bound(row, supply.voltage_v, supply.source_current_a, supply.sink_current_a)
        else:
            self._bound(row, supply.voltage_v, 0.0, 0.0)
        limits_w = (supply.source_power_w, supply.sink_power_w)
        self.high_w[row], self.low_w[row] = limits_w if self._sign[row] > 0 else limits_w[::-1]
        # A supply that sources regulates at its voltage at most, so a power above I * V can never bind.
        self._mark(
            self.power_rows,
            row,
            is_connected
            and (
                supply.source_power_w < supply.source_current_a * supply.voltage_v
                or supply.sink_power_w < supply.sink_current_a * CELL_V_MAX
            ),
        )
        # Its sense wires tell the supply what flows through it: only on the own cell is that the cell's voltage.
        resists = is_connected and supply.sink_resistance_ohm > 0 and self._sign[row] > 0 and row not in self._senses
        self.low_ohm[row] = supply.sink_resistance_ohm if resists else 0.0
        self._mark(self.resistance_rows, row, resists)
        drop_v = max(supply.source_current_a, supply.sink_current_a) * self.contact_ohm[row]
        self._mark(self.misled, row, is_connected and (row in self._senses or drop_v > LEAD_DROP_V_MAX))

    def _bound(self, row: int, set_v: float, source_a: float, sink_a: float) -> None:
        if self._sign[row] > 0:
            self.set_v[row], self.high_a[row], self.low_a[row] = set_v, source_a, -sink_a
        else:
            self.set_v[row], self.high_a[row], self.low_a[row] = -set_v, sink_a, -source_a

    def _seen_v(self, sense: Sense, now_s: float, cells_v: Column) -> float:
        if isinstance(sense, OpenSense):
            return sense.seen_v(now_s)
        other = sense.other
        return float(self._open_v[other] if self.absent[other] else self._sign[other] * cells_v[other])

    @staticmethod
    def _mark(rows: set[int], row: int, is_in: bool) -> None:
        if is_in:
            rows.add(row)
        else:
            rows.discard(row)


def refuse_impossible(supply: Supply) -> None:
    """Raises `ValueError` for one that cannot be."""
    limits = (
        supply.source_current_a, supply.sink_current_a, supply.source_power_w, supply.sink_power_w,
        supply.sink_resistance_ohm,
    )  # fmt: skip
    if not (all(limit >= 0 for limit in limits) and abs(supply.voltage_v) < np.inf):
        raise ValueError(f"no supply can do this: {supply}")
