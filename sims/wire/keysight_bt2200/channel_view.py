"""What the 256 channels of the mainframe show, made of the rows that are measured."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter

import numpy as np

from sims.terminal import Column
from sims.wire.keysight_bt2200.cells import Cell, place
from sims.wire.keysight_bt2200.datalog import CHANNELS, Record
from sims.wire.keysight_bt2200.measuring import LOCAL, SENSE

OPEN_V = 0.002  # what a channel shows that nothing is wired to
NO_CELLS, NO_STATES = np.zeros(CHANNELS, np.uint16), np.zeros(CHANNELS, np.int16)


class ChannelView:
    """Channels in parallel show the row of the first, and share its current. `rows`: where single channels are wired.

    A row behind the last stands for all that is wired nowhere.
    """

    def __init__(self, rows: Mapping[int, int]) -> None:
        self._rows = rows
        self._states = np.zeros(CHANNELS, np.int16)
        self.wire(())

    def wire(self, cells: Iterable[Cell]) -> None:
        """These are the cells now."""
        rows, shares = np.full(CHANNELS, -1, np.intp), np.ones(CHANNELS)
        numbers = np.zeros(CHANNELS, np.uint16)
        for channel, row in self._rows.items():
            rows[place(channel)] = row
        for cell in cells:
            places = [place(channel) for channel in cell.channels]
            numbers[places] = cell.number
            if cell.row is not None:
                rows[places], shares[places] = cell.row, 1.0 / len(places)
        self._row_of, self._share_of, self._cell_of = rows, shares, numbers
        self._row_list, self._are_single = rows.tolist(), bool((shares == 1.0).all())
        # Of what the rows show that of the 256.
        self._of_each: Callable[[Sequence[str]], Sequence[str]] = itemgetter(*self._row_list)

    def runs(self, cell: Cell, *, running: bool) -> None:
        """Its channels' state in the log."""
        self._states[[place(channel) for channel in cell.channels]] = running

    def voltages(self, shown_v: Column, number: Callable[[float], str]) -> Sequence[str]:
        """Each as the instrument writes it."""
        return self._of_each([*map(number, shown_v.tolist()), number(OPEN_V)])

    def currents(self, shown_a: Column, number: Callable[[float], str]) -> Sequence[str]:
        """Each as the instrument writes it."""
        current_a = [*shown_a.tolist(), 0.0]
        if self._are_single:
            return self._of_each([*map(number, current_a)])
        shares = zip(self._row_list, self._share_of.tolist(), strict=True)
        return [number(current_a[row] * share) for row, share in shares]

    def record(self, shown: Column, current_a: Column, *, time_ms: int, names_cells: bool) -> Record:
        """Of the present second."""
        return Record(
            time_ms=time_ms,
            sense_v=np.append(shown[SENSE], OPEN_V),
            current_a=np.append(current_a, 0.0),
            local_v=np.append(shown[LOCAL], OPEN_V),
            rows=self._row_of,
            shares=self._share_of,
            cells=self._cell_of if names_cells else NO_CELLS,
            states=self._states.copy() if names_cells else NO_STATES,
        )
