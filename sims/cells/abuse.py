"""What no cell should come to: plated lithium, and reactions that heat the cell by themselves."""

import numpy as np
from numpy.typing import NDArray

from sims.cells.tables import Column, number, read_columns


class Plating:
    """Lithium that a charge leaves on the graphite, and that dissolves in the rest after it.

    While it does the cell rests on a plateau; a part comes back into the electrode, the rest is lost.
    """

    def __init__(self, capacity_as: Column) -> None:
        n = len(capacity_as)
        self.ratio = np.zeros(n)  # of the charging current
        self.returned_a, self.plateau_v = np.zeros((2, n))
        self.is_in_play, self.is_dissolving = False, False
        self._plated_as, self._growth_a = np.zeros((2, n))
        self._strip_a = capacity_as * (number("abuse", "plating_strip_c_rate") / 3600)
        self._returns = number("abuse", "plating_returns")
        self._plateau_v = number("abuse", "plating_v")

    def begin(self, row: int, ratio: float) -> None:
        """From now on this much more of the charging current plates."""
        self.ratio[row] += ratio
        self.is_in_play = bool(self.ratio.any())

    def pass_time(self, elapsed_s: float) -> None:
        """Under the currents of `feel`."""
        if not self.is_in_play:
            return
        self._plated_as = np.maximum(self._plated_as + self._growth_a * elapsed_s, 0.0)

    def feel(self, current_a: Column) -> None:
        """From now on these currents flow."""
        dissolving = (current_a <= 0) & (self._plated_as > 0)
        self._growth_a = np.where(dissolving, -self._strip_a, np.maximum(current_a, 0) * self.ratio)
        self.returned_a = np.where(dissolving, self._returns * self._strip_a, 0.0)
        self.plateau_v = np.where(dissolving, self._plateau_v, 0.0)
        self.is_dissolving = bool(dissolving.any())


class SelfHeating:
    """Film decomposition, a failing separator, and runaway, by temperature alone. Each cell burns out once."""

    def __init__(self, n: int) -> None:
        columns = read_columns("self_heating")
        self._temperature_degc = columns["temperature_degc"]
        self._rate_k_per_s = columns["rate_k_per_s"]
        self._whole_k = number("abuse", "self_heating_k")
        self._left_k = np.full(n, self._whole_k)
        self._separator_degc = number("abuse", "separator_degc")
        self._has_separator = np.ones(n, bool)
        self.rate_k_per_s = np.zeros(n)
        self._none = np.zeros(n, bool)
        self.is_warm = False  # whether any row heats itself

    @property
    def burnt_soc_per_s(self) -> Column:
        """What burns is the charge: all of it in all."""
        burnt_soc_per_s: Column = self.rate_k_per_s / self._whole_k
        return burnt_soc_per_s

    def pass_time(self, elapsed_s: float) -> None:
        """At the rates of `look_up`."""
        if self.is_warm:
            self._left_k -= self.rate_k_per_s * elapsed_s

    def look_up(self, temperature_degc: Column) -> NDArray[np.bool_]:
        """The rows whose separator has just failed."""
        was_warm, self.is_warm = self.is_warm, bool(temperature_degc.max() > self._temperature_degc[0])
        if not (self.is_warm or was_warm):
            return self._none
        self.rate_k_per_s = np.interp(temperature_degc, self._temperature_degc, self._rate_k_per_s) * (self._left_k > 0)
        failing = self._has_separator & (temperature_degc > self._separator_degc)
        self._has_separator &= ~failing
        return failing
