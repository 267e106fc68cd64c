"""Points of a pulse for tests that only look at resistances."""

from cycler.model.results import PulsePoint, PulseReading


def point(nominal_s: float, resistance_ohm: float) -> PulsePoint:
    """As 1 A out of a cell that rested at 3.7 V would give it, read exactly then."""
    reading = PulseReading(time_s=nominal_s, voltage_v=3.7 - resistance_ohm, current_a=-1.0)
    return PulsePoint(
        nominal_s=nominal_s,
        resistance_ohm=resistance_ohm,
        uncertainty_ohm=0.001,
        reference=PulseReading(time_s=-0.1, voltage_v=3.7, current_a=0.0),
        before=reading,
        after=reading,
    )
