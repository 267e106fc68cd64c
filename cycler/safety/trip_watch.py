"""Off is not safe: whether a cell calms down after a trip, reading after reading. Pure.

The numbers are judgement: a cell without a current gets no warmer and, once it has relaxed, keeps its voltage; what
does neither warms itself.
"""

from collections import deque
from math import isnan, nan
from typing import Final

WARMER_K: Final = 2.0  # above the lowest temperature …
WARMING_S: Final = 1800.0  # … of so long
LAG_K: Final = 15.0  # instead, as long as what was made inside before the trip still comes to the surface
RELAXED_S: Final = 600.0  # from then on the voltage is to stay …
FALL_V: Final = 0.05  # … within this
CONFIRMED_BY: Final = 3  # readings in a row


class CellWatch:
    """One cell after its relay has opened."""

    def __init__(self, began_s: float, *, cold_degc: float, has_sensor: bool) -> None:
        """By the loop's clock. `cold_degc`: at most so warm it may be at the end."""
        self._began_s = began_s
        self._cold_degc = cold_degc
        self._has_sensor = has_sensor
        self._lowest: deque[tuple[float, float]] = deque()  # when, and degC: each lower than all that came after it
        self._relaxed_v = nan
        self._temperature_degc = self._voltage_v = nan
        self._warmer = self._lower = 0  # readings in a row

    @property
    def warms(self) -> str | None:
        """That it warms itself; None where it does not."""
        if self._warmer < CONFIRMED_BY:
            return None
        risen_k = self._temperature_degc - self._lowest[0][1]
        return f"{self._temperature_degc:.4g} degC, {risen_k:.2g} K more than within the last {WARMING_S / 60:g} min"

    @property
    def falls(self) -> str | None:
        """That its voltage falls without a current; None where it does not."""
        if self._lower < CONFIRMED_BY:
            return None
        return f"{self._voltage_v:.4g} V, {1e3 * (self._relaxed_v - self._voltage_v):.0f} mV below its relaxed voltage"

    @property
    def doubt(self) -> str | None:
        """Why it cannot be called cold now; None where it is."""
        if isnan(self._voltage_v):
            return "its voltage is not measured"
        if not self._has_sensor:
            return self.falls
        if isnan(self._temperature_degc):
            return "its temperature is not measured"
        if self._temperature_degc > self._cold_degc:
            return f"it still has {self._temperature_degc:.4g} degC, and should have {self._cold_degc:g} degC at most"
        return self.warms or self.falls

    def take(self, now_s: float, *, voltage_v: float, temperature_degc: float) -> None:
        """A reading; NaN where there is none."""
        self._voltage_v, self._temperature_degc = voltage_v, temperature_degc
        if not isnan(temperature_degc):
            while self._lowest and self._lowest[-1][1] >= temperature_degc:
                self._lowest.pop()
            self._lowest.append((now_s, temperature_degc))
        relaxed_s = self._began_s + RELAXED_S
        oldest_s = max(now_s - WARMING_S, relaxed_s if now_s >= relaxed_s else self._began_s)
        while self._lowest and self._lowest[0][0] < oldest_s:
            self._lowest.popleft()
        may_rise_k = WARMER_K if now_s >= relaxed_s else LAG_K
        is_warmer = bool(self._lowest) and temperature_degc - self._lowest[0][1] > may_rise_k
        self._warmer = self._warmer + 1 if is_warmer else 0
        if isnan(self._relaxed_v) and now_s - self._began_s >= RELAXED_S:
            self._relaxed_v = voltage_v
        self._lower = self._lower + 1 if self._relaxed_v - voltage_v > FALL_V else 0
