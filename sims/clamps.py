"""Terminals over a bank of cells: each look and each act first brings the physics up to the present."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from sims.cells.bank import CellBank
from sims.terminal import REGULATIONS, BankReading, Supply, TerminalReading


class Clamp(NamedTuple):
    """A row of the physics; of several supplies on its cell one."""

    bank: CellBank
    row: int
    lead: int | None = None

    def drive(self, supply: Supply) -> None:
        """At the bank's present instant."""
        if self.lead is None:
            self.bank.drive(self.row, supply)
        else:
            self.bank.drive_lead(self.row, self.lead, supply)

    def measure(self) -> TerminalReading:
        """At the bank's present instant."""
        return self.bank.measure_row(self.row) if self.lead is None else self.bank.measure_lead(self.row, self.lead)


class OneClamp:
    """A `sims.terminal.Terminal`."""

    def __init__(self, now: Callable[[], float], clamp: Clamp) -> None:
        self._now = now
        self._clamp = clamp

    def drive(self, supply: Supply) -> None:
        """Set the supply; it takes effect now."""
        self._clamp.bank.advance(self._now())
        self._clamp.drive(supply)

    def measure(self) -> TerminalReading:
        """What a perfect instrument would see now."""
        self._clamp.bank.advance(self._now())
        return self._clamp.measure()


class Clamps:
    """A `sims.terminal.Bank` over rows of one or more banks of cells."""

    def __init__(self, now: Callable[[], float], clamps: Sequence[Clamp]) -> None:
        self._now = now
        self._clamps = tuple(clamps)
        self._leads = [(place, clamp) for place, clamp in enumerate(clamps) if clamp.lead is not None]
        self._banks = tuple(dict.fromkeys(clamp.bank for clamp in clamps))
        starts = dict(zip(self._banks, np.cumsum([0, *(len(bank) for bank in self._banks)]).tolist(), strict=False))
        order = [starts[clamp.bank] + clamp.row for clamp in clamps]
        self._order = None if order == list(range(sum(map(len, self._banks)))) else np.array(order, np.intp)

    def drive(self, row: int, supply: Supply) -> None:
        """Set the supply of one terminal; it takes effect now."""
        clamp = self._clamps[row]
        clamp.bank.advance(self._now())
        clamp.drive(supply)

    def measure(self) -> BankReading:
        """What a perfect instrument would see now on all of them."""
        now_s = self._now()
        readings = []
        for bank in self._banks:
            bank.advance(now_s)
            readings.append(bank.measure())
        if len(readings) == 1 and self._order is None and not self._leads:
            return readings[0]
        order = slice(None) if self._order is None else self._order
        shown = BankReading(
            voltage_v=np.concatenate([reading.voltage_v for reading in readings])[order],
            output_v=np.concatenate([reading.output_v for reading in readings])[order],
            current_a=np.concatenate([reading.current_a for reading in readings])[order],
            regulation=np.concatenate([reading.regulation for reading in readings])[order],
            charged_ah=np.concatenate([reading.charged_ah for reading in readings])[order],
            discharged_ah=np.concatenate([reading.discharged_ah for reading in readings])[order],
        )
        for place, clamp in self._leads:
            seen = clamp.measure()
            shown.voltage_v[place], shown.output_v[place], shown.current_a[place] = (
                seen.voltage_v,
                seen.output_v,
                seen.current_a,
            )
            shown.regulation[place] = REGULATIONS.index(seen.regulation)
            shown.charged_ah[place], shown.discharged_ah[place] = seen.charged_ah, seen.discharged_ah
        return shown
