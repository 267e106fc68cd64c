"""Resistances of pulses, from the readings around their edges and their nominal times."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import hypot, isnan, sqrt

from cycler.model.results import PulsePoint, PulseReading

STEP_ACCURACIES = 3
"""A change of current by less than so many accuracies of its channel says nothing."""

TRAIN_POINTS_MAX = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Of a channel, absolute."""

    voltage_v: float
    current_a: float

    def of_resistance_ohm(self, resistance_ohm: float, step_a: float) -> float:
        """Two voltages and two currents, each by itself as wrong as the channel may be."""
        return sqrt(2.0) * hypot(self.voltage_v, resistance_ohm * self.current_a) / abs(step_a)


@dataclass(slots=True)
class PulseMeter:
    """Collects the readings of one pulse. Times count from the first reading with the pulse's current.

    R(t) = (V0 - V(t)) / (I0 - I(t)), with V0 and I0 the last reading before the edge; interpolated linearly in time
    between the two readings around a nominal time.
    """

    reference: PulseReading
    readings: list[PulseReading] = field(default_factory=list)
    skew_s: float = 0.0

    def take(self, reading: PulseReading, *, skew_s: float) -> None:
        """One reading of the pulse, oldest first."""
        self.readings.append(reading)
        self.skew_s = max(self.skew_s, skew_s)

    def points(self, values_s: Sequence[float], accuracy: Accuracy) -> tuple[PulsePoint, ...]:
        """One point for each nominal time that lies within the pulse's readings; no point is extrapolated."""
        if isnan(self.reference.voltage_v):
            return ()  # there was no reading before the pulse
        useful = [reading for reading in self.readings if reading.current_a != self.reference.current_a]
        points = []
        for nominal_s in values_s:
            before = [reading for reading in useful if reading.time_s <= nominal_s]
            after = [reading for reading in useful if reading.time_s >= nominal_s]
            if before and after:
                points.append(_point(self.reference, before[-1], after[0], nominal_s, accuracy, skew_s=self.skew_s))
        return tuple(points)


@dataclass(slots=True)
class TrainMeter:
    """The resistance of each pulse of a train, at its end. Times are the step's; those of a point, its pulse's."""

    reference: PulseReading | None = None  # before the pulse that runs; None: none runs, or nobody saw its edge
    began_s: float = 0.0
    points: list[PulsePoint] = field(default_factory=list)
    skew_s: float = 0.0

    def begin(self, reference: PulseReading, began_s: float) -> None:
        """A pulse begins: `reference` is the last reading before it."""
        self.reference = None if isnan(reference.voltage_v) else _since(reference, began_s)
        self.began_s = began_s

    def end(self, last: PulseReading, *, nominal_s: float, late_s_max: float, stretch: int, accuracy: Accuracy) -> None:
        """It is over: `last` is its last reading. One that came to its end too early gives none."""
        reference, self.reference = self.reference, None
        reading = _since(last, self.began_s)
        if reference is None or len(self.points) >= TRAIN_POINTS_MAX or reading.time_s < nominal_s - late_s_max:
            return
        if abs(reading.current_a - reference.current_a) > STEP_ACCURACIES * accuracy.current_a:
            self.points.append(
                _point(reference, reading, reading, nominal_s, accuracy, skew_s=self.skew_s, stretch=stretch)
            )


def _since(reading: PulseReading, began_s: float) -> PulseReading:
    return PulseReading(time_s=reading.time_s - began_s, voltage_v=reading.voltage_v, current_a=reading.current_a)


def _point(
    reference: PulseReading,
    before: PulseReading,
    after: PulseReading,
    nominal_s: float,
    accuracy: Accuracy,
    *,
    skew_s: float,
    stretch: int = 1,
) -> PulsePoint:
    first_ohm, last_ohm = _resistance_ohm(reference, before), _resistance_ohm(reference, after)
    apart_s = after.time_s - before.time_s
    share = (nominal_s - before.time_s) / apart_s if apart_s else 0.0
    resistance_ohm = first_ohm + share * (last_ohm - first_ohm)
    return PulsePoint(
        nominal_s=nominal_s,
        resistance_ohm=resistance_ohm,
        uncertainty_ohm=accuracy.of_resistance_ohm(resistance_ohm, before.current_a - reference.current_a),
        skew_s=skew_s,
        stretch=stretch,
        reference=reference,
        before=before,
        after=after,
    )


def _resistance_ohm(reference: PulseReading, reading: PulseReading) -> float:
    return (reference.voltage_v - reading.voltage_v) / (reference.current_a - reading.current_a)
