"""What a cell shows beside the others of its lot. Medians, so that the bad cells do not move what is normal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from cycler.results.cell_record import CellRecord, Floats

LOT_MIN: Final = 8
"""Cells of one type and recipe below which there is no lot to speak of."""

_SIGMA_PER_MAD: Final = 1.4826  # of a normal distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """Something that speaks against a cell or its sensor: the reason code, in words, and the steps that show it."""

    code: str
    expected: str
    came: str
    step_counts: tuple[int, ...]


def lots(records: Sequence[CellRecord]) -> list[list[CellRecord]]:
    """Cells that can be compared: of one type, under one recipe."""
    found: dict[tuple[str, str], list[CellRecord]] = {}
    for record in records:
        found.setdefault((record.run.recipe_hash, record.cell_type.name), []).append(record)
    return list(found.values())


def voltage_v_at(record: CellRecord, step_count: int, step_time_s: float) -> float:
    """NaN where the step did not last so long."""
    if record.samples is None:
        return np.nan
    rows = record.rows(step_count)
    times_s = record.samples.step_time_s[rows]
    if not len(times_s):
        return np.nan
    return float(np.interp(step_time_s, times_s, record.samples.voltage_v[rows], right=np.nan))


def scatter(values: Floats, *, least: float) -> tuple[float, float]:
    """Median and sigma of what is known, the sigma from the median deviation and never below `least`.

    NaN for both where fewer than `LOT_MIN` are known.
    """
    known = values[~np.isnan(values)]
    if len(known) < LOT_MIN:
        return np.nan, np.nan
    median = float(np.median(known))
    return median, max(_SIGMA_PER_MAD * float(np.median(np.abs(known - median))), least)
