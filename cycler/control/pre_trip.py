"""The seconds before a trip, each reading of them: what an investigation needs, and no record keeps at that rate."""

from collections.abc import Iterable, Sequence
from math import nan
from typing import Final

from cycler.contract.sweep import Sweep
from cycler.model.alarm_record import TripSamples
from cycler.model.rack import PositionId

READINGS_KEPT: Final = 100
BEFORE_S: Final = 30.0
TEMPERATURES_KEPT: Final = 20


def trip_samples(
    position: PositionId, sweeps: Sequence[Sweep], row: int, temperatures: Iterable[tuple[float, float]]
) -> TripSamples:
    """Of a channel whose last sweep tripped. `temperatures`: when each was taken by the loop's clock, and in degC, the
    oldest first; a sweep has the one before it."""
    end_s = sweeps[-1].taken_s if sweeps else 0.0
    kept = [sweep for sweep in sweeps if end_s - sweep.taken_s <= BEFORE_S]
    known = list(temperatures)
    return TripSamples(
        position=position,
        time_s=tuple(round(sweep.taken_s - end_s, 6) for sweep in kept),
        voltage_v=tuple(float(sweep.voltage_v[row]) for sweep in kept),
        current_a=tuple(float(sweep.current_a[row]) for sweep in kept),
        temperature_degc=tuple(
            next((degc for taken_s, degc in reversed(known) if taken_s <= sweep.taken_s), nan) for sweep in kept
        ),
    )
