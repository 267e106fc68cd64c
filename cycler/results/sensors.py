"""Whether a temperature input can be believed: cells that stand side by side are equally warm where they do the same.

Heat from a current is gone some ten minutes after it. A reading that stays away from the neighbours' for longer comes
from the sensor, or from the cell; what warms a cell so much moves its voltage away from theirs, too. Only where that is
as it should be, the sensor is to blame.

The same current in the same step warms all of them alike. A reading that does not follow is that of a sensor which sits
elsewhere: on a cell that was stopped before, on an empty position, on nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cycler.model.alarm import AlarmCode
from cycler.model.rack import PositionId
from cycler.model.results import BROKEN_OFF
from cycler.results.cell_record import CellRecord, Floats
from cycler.results.signs import LOT_MIN, Sign, scatter, voltage_v_at

DEVIATION_K: Final = 4.0  # two sensors of ±1 K in a chamber that is uniform to ±1 K
QUIET_C_RATE: Final = 1 / 8
QUIET_S_MIN: Final = 1800.0
VOLTAGE_SCATTER_V_MIN: Final = 2e-3
ORDINARY_SIGMAS: Final = 6.0
STAYS_RATIO: Final = 0.7  # of heat that has no source, a third is left by then

WARMED_K_MIN: Final = 2.0
FOLLOWS_RATIO: Final = 1 / 3
"""Of what the same current warms the others: resistances differ by far less, and air carries less from cell to cell."""
AS_LONG_RATIO: Final = 0.8

_GRID_S: Final = 60.0
_WARMING: Final = frozenset({"charge", "discharge", "ramp", "profile"})
_TO_TRAY_MEAN: Final = f"TRIP_{AlarmCode.TEMPERATURE_TO_TRAY_MEAN.value}"


def sensor_signs(lot: Sequence[CellRecord]) -> Mapping[PositionId, Sign]:
    """Cells whose temperature input shows what cannot be theirs."""
    return {**_elsewhere(lot), **_apart_at_rest(lot)}


def _elsewhere(lot: Sequence[CellRecord]) -> dict[PositionId, Sign]:
    """Cells whose own current does not warm their sensor as it warms the others'."""
    counts = sorted({step.step_count for record in lot for step in record.steps if step.step_type in _WARMING})
    found: dict[PositionId, Sign] = {}
    for count in counts:
        steps = {
            r.position: s for r in lot for s in r.steps if s.step_count == count and s.stop_reason not in BROKEN_OFF
        }
        if len(steps) < LOT_MIN:
            continue
        least_s = AS_LONG_RATIO * float(np.median([step.duration_s for step in steps.values()]))
        edges = {
            record.position: edge
            for record in lot
            if record.position in steps
            and steps[record.position].duration_s >= least_s
            and (edge := _edge_degc(record, count)) is not None
        }
        if len(edges) < LOT_MIN:
            continue
        median_degc = float(np.median([end_degc for _, end_degc in edges.values()]))
        median_k = float(np.median([end_degc - begin_degc for begin_degc, end_degc in edges.values()]))
        if median_k < WARMED_K_MIN:
            continue
        for position, (begin_degc, end_degc) in edges.items():
            own_k = end_degc - begin_degc
            is_cooler = end_degc < median_degc - FOLLOWS_RATIO * median_k  # else others have warmed it before
            if own_k < FOLLOWS_RATIO * median_k and is_cooler:
                earlier = found[position].step_counts if position in found else ()
                found[position] = Sign(
                    code="TEMPERATURE",
                    expected=f"Warmed by {median_k:.1f} K in step {count}, as its neighbours by the same current.",
                    came=f"The sensor says {own_k:.1f} K: it sits on another cell, or on none.",
                    step_counts=(*earlier, count),
                )
    return found


def _edge_degc(record: CellRecord, step_count: int) -> tuple[float, float] | None:
    """At a step's begin and at its end."""
    if record.samples is None:
        return None
    degc = record.samples.temperature_degc[record.rows(step_count)]
    known = degc[np.isfinite(degc)]
    return (float(known[0]), float(known[-1])) if len(known) > 1 else None


def _apart_at_rest(lot: Sequence[CellRecord]) -> dict[PositionId, Sign]:
    """Cells whose temperature input stayed away from the median of the others without a current to explain it.

    The sensor's own fault, or what the protection against a tray's mean is there for.
    """
    seen = [record for record in lot if record.samples is not None and len(record.samples.elapsed_s) > 1]
    if len(seen) < LOT_MIN:
        return {}
    end_s = max(float(record.samples.elapsed_s[-1]) for record in seen if record.samples is not None)
    grid_s = np.arange(0.0, end_s + _GRID_S, _GRID_S)
    degc = np.array([_on_grid(record, grid_s) for record in seen])
    enough = np.isfinite(degc).sum(axis=0) >= LOT_MIN
    if not enough.any():
        return {}
    median_degc = np.full(len(grid_s), np.nan)
    median_degc[enough] = np.nanmedian(degc[:, enough], axis=0)
    found = {}
    for record, own_degc in zip(seen, degc, strict=True):
        away_k = own_degc - median_degc
        worst = _stays_away(away_k, _quiet(record, grid_s))
        if worst is None:
            continue
        is_ordinary = _is_ordinary(record, seen, float(grid_s[worst]))
        found[record.position] = Sign(
            code="TEMPERATURE" if is_ordinary else _TO_TRAY_MEAN,
            expected=f"Within {DEVIATION_K:g} K of its neighbours when there is no current to warm it: "
            f"{median_degc[worst]:.1f} °C.",
            came=f"The sensor says {own_degc[worst]:.1f} °C, {abs(away_k[worst]):.1f} K "
            f"{'above' if away_k[worst] > 0 else 'below'} them, and stays there; the cell's voltage is "
            f"{'like theirs' if is_ordinary else 'not like theirs, so that the sensor may well be right'}.",
            step_counts=_steps_away(record, grid_s, away_k),
        )
    return found


def _is_ordinary(record: CellRecord, lot: Sequence[CellRecord], at_s: float) -> bool:
    """Whether the cell's voltage at this time of the run was that of its lot, at the same time of the same step."""
    assert record.samples is not None  # noqa: S101 (the caller looked)
    row = max(int(np.searchsorted(record.samples.elapsed_s, at_s, side="right")) - 1, 0)
    step_count, step_time_s = int(record.samples.step_count[row]), float(record.samples.step_time_s[row])
    volts = np.array([voltage_v_at(other, step_count, step_time_s) for other in lot])
    median_v, sigma_v = scatter(volts, least=VOLTAGE_SCATTER_V_MIN)
    return bool(abs(voltage_v_at(record, step_count, step_time_s) - median_v) <= ORDINARY_SIGMAS * sigma_v)


def _on_grid(record: CellRecord, grid_s: Floats) -> Floats:
    assert record.samples is not None  # noqa: S101 (the caller looked)
    elapsed_s, degc = record.samples.elapsed_s, record.samples.temperature_degc
    known = np.isfinite(degc)
    if not known.any():
        return np.full(len(grid_s), np.nan)
    return np.interp(grid_s, elapsed_s[known], degc[known], left=np.nan, right=np.nan)


def _quiet(record: CellRecord, grid_s: Floats) -> NDArray[np.bool_]:
    assert record.samples is not None  # noqa: S101 (the caller looked)
    current_a = np.interp(grid_s, record.samples.elapsed_s, np.abs(np.nan_to_num(record.samples.current_a)))
    quiet: NDArray[np.bool_] = current_a <= QUIET_C_RATE * record.cell_type.rated_capacity_ah
    return quiet


def _stays_away(away_k: Floats, quiet: NDArray[np.bool_]) -> int | None:
    """Where on the grid a quiet stretch ended with the deviation still there; the largest one."""
    padded = np.concatenate(([False], quiet & np.isfinite(away_k), [False])).astype(np.int8)
    starts, ends = np.flatnonzero(np.diff(padded) == 1), np.flatnonzero(np.diff(padded) == -1) - 1
    points = int(QUIET_S_MIN / _GRID_S)
    worst: int | None = None
    for start, last in zip(starts.tolist(), ends.tolist(), strict=True):
        if last - start < points:
            continue
        then_k, now_k = np.abs(away_k[start : last + 1 - points]), np.abs(away_k[start + points : last + 1])
        stays = np.flatnonzero((now_k > DEVIATION_K) & (now_k >= STAYS_RATIO * then_k))
        if len(stays):
            largest = start + points + int(stays[np.argmax(now_k[stays])])
            worst = largest if worst is None or abs(away_k[largest]) > abs(away_k[worst]) else worst
    return worst


def _steps_away(record: CellRecord, grid_s: Floats, away_k: Floats) -> tuple[int, ...]:
    """The steps in which the deviation showed."""
    times_s = grid_s[np.abs(np.nan_to_num(away_k)) > DEVIATION_K]
    return tuple(
        step.step_count
        for step in record.steps
        if ((times_s >= step.started_s) & (times_s <= step.started_s + step.duration_s)).any()
    )
