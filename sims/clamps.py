"""Terminals over a bank of cells: each look and each act first brings the physics up to the present."""

from collections.abc import Callable, Sequence

import numpy as np

from sims.cells.bank import CellBank
from sims.terminal import BankReading, Supply, TerminalReading


class OneClamp:
    """A `sims.terminal.Terminal`."""

    def __init__(self, now: Callable[[], float], bank: CellBank, row: int) -> None:
        self._now = now
        self._bank = bank
        self._row = row

    def drive(self, supply: Supply) -> None:
        """Set the supply; it takes effect now."""
        self._bank.advance(self._now())
        self._bank.drive(self._row, supply)

    def measure(self) -> TerminalReading:
        """What a perfect instrument would see now."""
        self._bank.advance(self._now())
        return self._bank.measure_row(self._row)


class Clamps:
    """A `sims.terminal.Bank` over rows of one or more banks of cells."""

    def __init__(self, now: Callable[[], float], places: Sequence[tuple[CellBank, int]]) -> None:
        self._now = now
        self._places = tuple(places)
        self._banks = tuple(dict.fromkeys(bank for bank, _ in places))
        starts = dict(zip(self._banks, np.cumsum([0, *(len(bank) for bank in self._banks)]).tolist(), strict=False))
        order = [starts[bank] + row for bank, row in places]
        self._order = None if order == list(range(sum(map(len, self._banks)))) else np.array(order, np.intp)

    def drive(self, row: int, supply: Supply) -> None:
        """Set the supply of one terminal; it takes effect now."""
        bank, bank_row = self._places[row]
        bank.advance(self._now())
        bank.drive(bank_row, supply)

    def measure(self) -> BankReading:
        """What a perfect instrument would see now on all of them."""
        now_s = self._now()
        readings = []
        for bank in self._banks:
            bank.advance(now_s)
            readings.append(bank.measure())
        if len(readings) == 1 and self._order is None:
            return readings[0]
        order = slice(None) if self._order is None else self._order
        return BankReading(
            voltage_v=np.concatenate([reading.voltage_v for reading in readings])[order],
            output_v=np.concatenate([reading.output_v for reading in readings])[order],
            current_a=np.concatenate([reading.current_a for reading in readings])[order],
            regulation=np.concatenate([reading.regulation for reading in readings])[order],
            charged_ah=np.concatenate([reading.charged_ah for reading in readings])[order],
            discharged_ah=np.concatenate([reading.discharged_ah for reading in readings])[order],
        )
