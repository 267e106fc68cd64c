"""Resistance of a pulse from the readings around its edge and its nominal times."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isnan

from cycler.model.results import PulsePoint


@dataclass(slots=True)
class PulseMeter:
    """Collects the readings of one pulse. Times count from the first reading with the pulse's current.

    R(t) = (V0 - V(t)) / (I0 - I(t)), with V0 and I0 the last reading before the edge; interpolated linearly in time
    between the two readings around a nominal time.
    """

    reference_v: float
    reference_a: float
    readings: list[tuple[float, float, float]] = field(default_factory=list)  # time_s, voltage_v, current_a

    def take(self, time_s: float, voltage_v: float, current_a: float) -> None:
        """One reading of the pulse, oldest first."""
        self.readings.append((time_s, voltage_v, current_a))

    def points(self, values_s: Sequence[float]) -> tuple[PulsePoint, ...]:
        """One point for each nominal time that lies within the pulse's readings; no point is extrapolated."""
        if isnan(self.reference_v):
            return ()  # there was no reading before the pulse
        resistances = [
            (time_s, (self.reference_v - voltage_v) / (self.reference_a - current_a))
            for time_s, voltage_v, current_a in self.readings
            if current_a != self.reference_a
        ]
        points = []
        for nominal_s in values_s:
            before = [r for r in resistances if r[0] <= nominal_s]
            after = [r for r in resistances if r[0] >= nominal_s]
            if before and after:
                points.append(_between(before[-1], after[0], nominal_s))
        return tuple(points)


def _between(before: tuple[float, float], after: tuple[float, float], nominal_s: float) -> PulsePoint:
    (t0_s, r0_ohm), (t1_s, r1_ohm) = before, after
    share = 0.0 if t1_s == t0_s else (nominal_s - t0_s) / (t1_s - t0_s)
    return PulsePoint(nominal_s=nominal_s, resistance_ohm=r0_ohm + share * (r1_ohm - r0_ohm), taken_s=(t0_s, t1_s))
