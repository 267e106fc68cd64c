"""The curves that a report shows: a step of one cell, the same step of its lot, and which of its steps say most."""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import numpy as np

from cycler.model.results import NAS_PER_AH, StepResult
from cycler.results.cell_record import CellRecord, Floats
from cycler.results.charts import Band

View = Literal["charge", "time", "fall", "pulse", "temperature"]
"""Voltage over charge moved, over time, in the later half of a rest; of a pulse; temperature over the whole run."""

STEP_CHARTS_MAX: Final = 6
_MOVED_RATIO_MIN: Final = 0.05  # of rated: what moves less is no curve worth a chart
_REST_S_MIN: Final = 900.0
_BAND_POINTS: Final = 80


class Axes(NamedTuple):
    """What the two axes are called."""

    x: str
    y: str


AXES: Final[dict[View, Axes]] = {
    "charge": Axes("charge moved in Ah", "V"),
    "time": Axes("time in min", "V"),
    "fall": Axes("time in min", "mV"),
    "pulse": Axes("time in s", "mV"),
    "temperature": Axes("time in h", "°C"),
}


def view_of(step: StepResult) -> View:
    """How a step is best looked at."""
    if step.pulse or step.step_type == "dcir":
        return "pulse"
    return "charge" if step.step_type in {"charge", "discharge"} else "time"


def curve(record: CellRecord, step_count: int, view: View) -> tuple[Floats, Floats]:
    """Without the points where nothing was measured; empty where the step was not executed."""
    samples = record.samples
    if samples is None:
        return np.empty(0), np.empty(0)
    if view == "temperature":
        x, y = samples.elapsed_s / 3600, samples.temperature_degc
    else:
        rows = record.rows(step_count)
        x, y = samples.step_time_s[rows] / 60, samples.voltage_v[rows]
        if view == "charge":
            moved_ah = samples.charged_ah[rows] + samples.discharged_ah[rows]
            x = moved_ah - moved_ah[:1]
        elif view == "pulse":
            x, y = x * 60, (y - y[:1]) * 1e3
        elif view == "fall" and len(x):
            later = x >= x[-1] / 2
            x, y = x[later], y[later]
            y = (y - y[:1]) * 1e3
    known = np.isfinite(x) & np.isfinite(y)
    return x[known], y[known]


def band(records: Sequence[CellRecord], step_count: int, view: View) -> Band | None:
    """What these cells span; as far as at least half of them go. None where none of them has the step."""
    curves = [each for record in records if len((each := curve(record, step_count, view))[0]) > 1]
    if not curves:
        return None
    first, last = min(float(x[0]) for x, _ in curves), float(np.median([x[-1] for x, _ in curves]))
    if last <= first:
        return None
    grid = np.linspace(first, last, _BAND_POINTS)
    values = np.array([np.interp(grid, x, y, right=np.nan) for x, y in curves])
    return Band(
        x=grid.tolist(),
        low=np.nanmin(values, axis=0).tolist(),
        median=np.nanmedian(values, axis=0).tolist(),
        high=np.nanmax(values, axis=0).tolist(),
    )


def telling_steps(records: Sequence[CellRecord]) -> list[StepResult]:
    """The steps of a recipe in which cells show what they are, in order: of the cell that came farthest."""
    longest = max(records, key=lambda record: len(record.steps), default=None)
    if longest is None:
        return []
    least_nas = _MOVED_RATIO_MIN * longest.cell_type.rated_capacity_ah * NAS_PER_AH
    moving = [
        s for s in longest.steps if view_of(s) == "charge" and s.moved.charged_nas + s.moved.discharged_nas > least_nas
    ]
    resting = [s for s in longest.steps if s.step_type in {"rest", "ocv"} and s.duration_s >= _REST_S_MIN]
    pulses = [s for s in longest.steps if view_of(s) == "pulse"]
    # Of many cycles the first and the last few.
    kept = [*moving[:2], *moving[2:][-2:], *pulses[-1:]]
    kept += resting[-(STEP_CHARTS_MAX - len(kept)) :]
    return sorted(kept, key=lambda step: step.step_count)
