"""How fast voltage and current change: least squares over the last readings."""

from math import nan


class SlopeWindow:
    """Readings of the last `window_s` seconds of a step. A slope is NaN until the window is full."""

    def __init__(self, window_s: float, readings: list[tuple[float, float, float]]) -> None:
        """`readings` (time_s, voltage_v, current_a) is shared with whoever saves it."""
        self._window_s = window_s
        self._readings = readings

    def take(self, time_s: float, voltage_v: float, current_a: float) -> None:
        """One reading, oldest first. One reading from before the window stays, so that the window is always covered."""
        readings = self._readings
        readings.append((time_s, voltage_v, current_a))
        while len(readings) > 2 and readings[1][0] <= time_s - self._window_s:
            del readings[0]

    def slopes(self) -> tuple[float, float]:
        """dV/dt in V/s and dI/dt in A/s."""
        readings = self._readings
        if not readings or readings[-1][0] - readings[0][0] < self._window_s:
            return nan, nan
        count = len(readings)
        mean_t = sum(r[0] for r in readings) / count
        mean_v = sum(r[1] for r in readings) / count
        mean_i = sum(r[2] for r in readings) / count
        spread = sum((r[0] - mean_t) ** 2 for r in readings)
        dv = sum((r[0] - mean_t) * (r[1] - mean_v) for r in readings) / spread
        di = sum((r[0] - mean_t) * (r[2] - mean_i) for r in readings) / spread
        return dv, di
