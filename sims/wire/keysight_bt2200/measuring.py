"""What the instrument measures of the rows that it is wired to, with its own errors and faults."""

import asyncio

import numpy as np

from sims.devices.metrology import Metrology
from sims.faults import Faults
from sims.terminal import Bank, Column, Supply

SENSE, CURRENT, LOCAL = range(3)
CYCLE_S = 0.02  # how long a measurement takes: a period of the mains


class Measuring:
    """`shown` is what the last look has shown: V at the sense wires, A, V at the instrument, a row each.

    Charge and energy, Ah and Wh, are summed up from 0, what comes out of a cell is negative.
    """

    def __init__(self, bank: Bank, rows: int, *, metrology: Metrology, faults: Faults) -> None:
        self.shown = np.zeros((3, rows))
        self.moved_ah, self.moved_wh = np.zeros((2, rows))
        self._quantities = np.zeros((5, rows))
        self._bank = bank
        self._metrology = metrology
        self._faults = faults
        self._looked_s = float("-inf")

    def look(self) -> bool:
        """Bring everything up to the present cycle; whether that was new."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._looked_s < CYCLE_S:
            return False
        self._looked_s = now_s
        true, shown = self._bank.measure(), self.shown
        shown[SENSE], shown[CURRENT] = true.voltage_v, true.current_a
        self._metrology.show(shown[:LOCAL])
        if self._faults.active:
            self._faults.distort(shown[:LOCAL], now_s=now_s)
        shown[LOCAL] = shown[SENSE] + (true.output_v - true.voltage_v)
        moved_ah = true.charged_ah - true.discharged_ah
        self.moved_wh += (moved_ah - self.moved_ah) * true.voltage_v
        self.moved_ah = moved_ah
        return True

    def drive(self, row: int, supply: Supply) -> None:
        """It regulates to what it shows."""
        if supply.on:
            supply = self._as_shown(row, supply)
        self._bank.drive(row, supply)
        self._looked_s = float("-inf")

    def _as_shown(self, row: int, supply: Supply) -> Supply:
        true_voltage_v, true_current_a = self._metrology.true_voltage_v, self._metrology.true_current_a
        drifted_v = 0.0
        if self._faults.active:
            drifted_v = self._faults.drifted(row, now_s=asyncio.get_running_loop().time())
        source_a, sink_a = supply.source_current_a, supply.sink_current_a
        return Supply(
            on=True,
            voltage_v=true_voltage_v(row, supply.voltage_v - drifted_v),
            source_current_a=max(0.0, true_current_a(row, source_a)) if source_a else 0.0,
            sink_current_a=max(0.0, -true_current_a(row, -sink_a)) if sink_a else 0.0,
        )

    def quantities(self) -> Column:
        """In the order of `programs.QUANTITIES`; good until the next time."""
        found = self._quantities
        found[:2] = self.shown[:LOCAL]
        np.multiply(found[0], found[1], out=found[2])
        found[3], found[4] = self.moved_ah, self.moved_wh
        return found
