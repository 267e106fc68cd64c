"""Self-discharge as a run shows it that measures no K-value.

A leak i makes the voltage fall faster at rest, by i · dOCV/dQ, and makes a cycle give back less, by i times its
duration. At rest it shows best after a discharge, where the OCV is steep, and in the later half, when most of the
relaxation is over; what is left of that scales with the cell's own first half. Neither needs an OCV table, both need
a lot. A cell that leaks much takes more charge than its lot without getting full; one whose leak takes all that the
charger gives never reaches its cut-off, and that shows without a lot.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from cycler.model.alarm import AlarmCode
from cycler.model.rack import PositionId
from cycler.model.results import NAS_PER_AH, StepResult
from cycler.results.cell_record import CellRecord, Floats
from cycler.results.metrics import rests, whole_cycles
from cycler.results.signs import Sign, scatter

REST_S_MIN: Final = 1200.0
FALL_SCATTER_V_MIN: Final = 0.05e-3  # over the time in which a fall is measured
DRIFT_V_PER_H: Final = 1e-3 / 24  # what a channel may drift by, and no lot shows: however long a rest, no less
LOSS_SCATTER_RATIO_MIN: Final = 1e-3  # what charge and discharge ranges may differ by
ALONE_SIGMAS: Final = 8.0
TOGETHER_SIGMAS: Final = 4.0
"""One sign alone has to stand out that far; both together, each this far."""

SWALLOWED_RATIO: Final = 1.1  # of what the lot took in the same step

_UNENDED: Final = {
    None,
    "TIMEOUT",
    *(
        f"TRIP_{alarm.value}"
        for alarm in (
            AlarmCode.STEP_OVER_CAPACITY,
            AlarmCode.CUMULATED_OVER_CAPACITY,
            AlarmCode.OVER_ENERGY,
            AlarmCode.VOLTAGE_DOES_NOT_FOLLOW,
            AlarmCode.STEP_TIMEOUT,
            AlarmCode.TOTAL_TIMEOUT,
        )
    ),
}
"""How a charge is broken off that cannot end; None: the recipe's bound has no code of its own."""

_ROWS_MIN: Final = 4
_RELAXATION_V_MIN: Final = 5e-3  # below that the first half says nothing about the second
_HELD_S_MIN: Final = 1800.0
_STEADY_RATIO: Final = 0.1  # by how much the current may have changed over the last third of a charge that leaks


def leak_signs(lot: Sequence[CellRecord]) -> Mapping[PositionId, Sign]:
    """Cells that stand out of their lot, and cells whose charge could never end."""
    found = {record.position: sign for record in lot if (sign := _never_full(record)) is not None}
    found |= {at: sign for record in lot if (sign := _swallows(record, lot)) is not None and (at := record.position)}
    falls, losses = _Outliers(lot), _Outliers(lot)
    for step_count in sorted({step.step_count for record in lot for step in _long_rests(record)}):
        falls.compare(_falls_v_per_h(lot, step_count), least=_least_v_per_h(lot, step_count), place=step_count)
    cycles = [
        {whole.cycle: 1 - whole.efficiency_ratio for whole in whole_cycles(r.steps, r.cell.state, r.earlier)}
        for r in lot
    ]
    for cycle in sorted({number for of_cell in cycles for number in of_cell}):
        loss_ratio = np.array([of_cell.get(cycle, np.nan) for of_cell in cycles])
        losses.compare(loss_ratio, least=LOSS_SCATTER_RATIO_MIN, place=cycle)
    for index, record in enumerate(lot):
        fall, loss = falls.sigmas[index], losses.sigmas[index]
        if max(fall, loss) < ALONE_SIGMAS and min(fall, loss) < TOGETHER_SIGMAS:
            continue
        found.setdefault(record.position, _sign(record, falls, losses, index))
    return found


class _Outliers:
    """By how much each cell exceeds its lot, at the place where it does so most."""

    def __init__(self, lot: Sequence[CellRecord]) -> None:
        self.sigmas = np.full(len(lot), -np.inf)
        self.values, self.medians = np.full(len(lot), np.nan), np.full(len(lot), np.nan)
        self.places = np.zeros(len(lot), int)

    def compare(self, values: Floats, *, least: float, place: int) -> None:
        median, sigma = scatter(values, least=least)
        sigmas = (values - median) / sigma
        worse = np.nan_to_num(sigmas, nan=-np.inf) > self.sigmas
        self.sigmas[worse], self.values[worse] = sigmas[worse], values[worse]
        self.medians[worse], self.places[worse] = median, place


def _sign(record: CellRecord, falls: _Outliers, losses: _Outliers, index: int) -> Sign:
    came, expected, steps = [], [], []
    if falls.sigmas[index] >= TOGETHER_SIGMAS:
        step = int(falls.places[index])
        steps.append(step)
        expected.append(
            f"Towards the end of the rest in step {step} the voltage of its lot {_going(falls.medians[index])}."
        )
        came.append(f"It {_going(falls.values[index])}, {falls.sigmas[index]:.0f} times the lot's scatter away.")
    if losses.sigmas[index] >= TOGETHER_SIGMAS:
        cycle = int(losses.places[index])
        expected.append(f"Cycle {cycle} of its lot keeps back {losses.medians[index]:.2%} of the charge.")
        came.append(f"It keeps back {losses.values[index]:.2%}, {losses.sigmas[index]:.0f} times the scatter away.")
        if not steps:
            steps.extend(
                step.step_count for step in record.steps if step.cycle == cycle and step.step_type == "discharge"
            )
    return Sign(code="SELF_DISCHARGE", expected=" ".join(expected), came=" ".join(came), step_counts=tuple(steps))


def _going(fall_v_per_h: float) -> str:
    return f"{'falls' if fall_v_per_h > 0 else 'rises'} by {abs(fall_v_per_h) * 1e3:.2f} mV/h"


def _long_rests(record: CellRecord) -> list[StepResult]:
    return [step for step in rests(record.steps) if step.duration_s >= REST_S_MIN and step.is_valid]


def _falls_v_per_h(lot: Sequence[CellRecord], step_count: int) -> Floats:
    """The fall in the later half of one rest, less what is left of the relaxation where that is unusually large."""
    pairs = np.array([_relaxation(record, step_count) for record in lot])
    first_v, fall_v_per_h = pairs[:, 0], pairs[:, 1]
    if not np.isfinite(first_v).any():
        return fall_v_per_h
    typical_v, typical_v_per_h = np.nanmedian(first_v), np.nanmedian(fall_v_per_h)
    if abs(typical_v) < _RELAXATION_V_MIN:
        return fall_v_per_h
    relaxation = np.clip(first_v / typical_v, 0.5, 2.0)
    corrected: Floats = fall_v_per_h - typical_v_per_h * (relaxation - 1)
    return corrected


def _least_v_per_h(lot: Sequence[CellRecord], step_count: int) -> float:
    """The scatter that no lot falls below, at this rest."""
    longest_s = max(step.duration_s for record in lot for step in _long_rests(record) if step.step_count == step_count)
    return max(FALL_SCATTER_V_MIN / (longest_s / 7200), DRIFT_V_PER_H)


def _relaxation(record: CellRecord, step_count: int) -> tuple[float, float]:
    """How far the voltage went in the first half of a rest, and how fast it falls in the second (V, V/h)."""
    step = next((step for step in _long_rests(record) if step.step_count == step_count), None)
    if step is None or record.samples is None:
        return np.nan, np.nan
    rows = record.rows(step_count)
    hours, volts = record.samples.step_time_s[rows] / 3600, record.samples.voltage_v[rows]
    # Behind the end of the rest there may be samples of what comes next, until its order is seen in force.
    known = np.isfinite(volts) & (hours <= step.duration_s / 3600)
    hours, volts = hours[known], volts[known]
    later = hours >= step.duration_s / 7200
    if later.sum() < _ROWS_MIN or later.all():
        return np.nan, np.nan
    around_h = hours[later] - hours[later].mean()
    slope_v_per_h = float(around_h @ volts[later] / (around_h @ around_h))
    return float(volts[later][0] - volts[0]), -slope_v_per_h


def _broken_off_charge(record: CellRecord) -> StepResult | None:
    """The last step, if it was a charge that took too long or too much."""
    step = record.steps[-1] if record.steps else None
    if step is None or step.step_type != "charge" or record.outcome.code not in _UNENDED:
        return None
    return step if record.outcome.ended in {"failed", "tripped"} else None


def _swallows(record: CellRecord, lot: Sequence[CellRecord]) -> Sign | None:
    """A charge that was broken off after more than its lot needed to become full."""
    step = _broken_off_charge(record)
    if step is None:
        return None
    others = [s for other in lot for s in other.steps if s.step_count == step.step_count and s.is_valid]
    typical_ah, _ = scatter(np.array([s.moved.charged_nas / NAS_PER_AH for s in others]), least=0.0)
    taken_ah = step.moved.charged_nas / NAS_PER_AH
    if not taken_ah > SWALLOWED_RATIO * typical_ah:
        return None
    return Sign(
        code="SELF_DISCHARGE",
        expected=f"Its lot was done with step {step.step_count} after {typical_ah:.3f} Ah.",
        came=f"It took {taken_ah:.3f} Ah and stood at {step.end_voltage_v:.3f} V: the rest leaks away inside.",
        step_counts=(step.step_count,),
    )


def _never_full(record: CellRecord) -> Sign | None:
    """A charge that was broken off with its voltage reached and a current that no longer fell."""
    step = _broken_off_charge(record)
    if step is None or record.samples is None:
        return None
    rows = record.rows(step.step_count)
    time_s, volts = record.samples.step_time_s[rows], record.samples.voltage_v[rows]
    current_a = record.samples.current_a[rows]
    held = time_s >= max(step.duration_s * 2 / 3, step.duration_s - 2 * _HELD_S_MIN)
    if held.sum() < 2 * _ROWS_MIN or np.ptp(time_s[held]) < _HELD_S_MIN:
        return None
    flat = float(np.nanmax(volts[held]) - np.nanmin(volts[held])) < _RELAXATION_V_MIN
    early_a, late_a = (float(np.nanmean(part)) for part in np.array_split(current_a[held], [held.sum() // 2]))
    started_a = float(np.nanmax(current_a))
    if not flat or late_a <= 0 or late_a > started_a / 2 or late_a < early_a * (1 - _STEADY_RATIO):
        return None
    return Sign(
        code="SELF_DISCHARGE",
        expected="At its set voltage the current falls to the cut-off.",
        came=f"It stood at {late_a:.3f} A and fell no further: so much leaks away inside.",
        step_counts=(step.step_count,),
    )
