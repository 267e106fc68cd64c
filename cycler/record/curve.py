"""One cell's samples in SI units, from the integers that the journal keeps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cycler.model.results import NAS_PER_AH, Counters, Sample
from cycler.record.frame import COLUMNS, NO_VALUE, Columns

AIR_OLD_S: Final = 120.0
"""An older reading of the air says nothing of a sample."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One cell's samples in the order in which they were taken. NaN where the device gave no value."""

    step_count: NDArray[np.int64]
    cycle: NDArray[np.int64]
    elapsed_s: Floats
    step_time_s: Floats
    voltage_v: Floats
    current_a: Floats
    temperature_degc: Floats
    charged_ah: Floats
    discharged_ah: Floats
    charged_wh: Floats
    discharged_wh: Floats
    air_degc: Floats | None = None  # around the cell, as it was read nearest in time; None where the run has no chamber


def curve_of(columns: Columns) -> Curve:
    """From the rows of COLUMNS but the first, in the order in which they were taken."""
    column = dict(zip(COLUMNS[1:], columns, strict=True))

    def si(name: str, per_unit: float) -> Floats:
        values = column[name]
        return np.where(values == NO_VALUE, np.nan, values / per_unit)

    return Curve(
        step_count=column["step_count"],
        cycle=column["cycle"],
        elapsed_s=si("elapsed_us", 1e6),
        step_time_s=si("step_time_us", 1e6),
        voltage_v=si("voltage_uv", 1e6),
        current_a=si("current_ua", 1e6),
        temperature_degc=si("temperature_mdegc", 1e3),
        charged_ah=si("charged_nas", NAS_PER_AH),
        discharged_ah=si("discharged_nas", NAS_PER_AH),
        charged_wh=si("charged_nws", NAS_PER_AH),
        discharged_wh=si("discharged_nws", NAS_PER_AH),
    )


def sample_of(row: Sequence[int]) -> Sample:
    """From a row of COLUMNS but the first; its counters are exact."""
    value = dict(zip(COLUMNS[1:], row, strict=True))

    def si(name: str, per_unit: float) -> float:
        return float("nan") if value[name] == NO_VALUE else value[name] / per_unit

    return Sample(
        elapsed_s=si("elapsed_us", 1e6),
        step_count=value["step_count"],
        step_time_s=si("step_time_us", 1e6),
        cycle=value["cycle"],
        voltage_v=si("voltage_uv", 1e6),
        current_a=si("current_ua", 1e6),
        temperature_degc=si("temperature_mdegc", 1e3),
        counters=Counters(
            charged_nas=value["charged_nas"],
            discharged_nas=value["discharged_nas"],
            charged_nws=value["charged_nws"],
            discharged_nws=value["discharged_nws"],
        ),
    )


def surrounded(curve: Curve, around: Curve | None) -> Curve:
    """With the air's temperature, where that was read at about the time of a sample."""
    if around is None:
        return curve
    read_s = around.elapsed_s
    after = np.searchsorted(read_s, curve.elapsed_s).clip(0, len(read_s) - 1)
    before = (after - 1).clip(0)
    nearest = np.where(curve.elapsed_s - read_s[before] < read_s[after] - curve.elapsed_s, before, after)
    is_near = np.abs(read_s[nearest] - curve.elapsed_s) <= AIR_OLD_S
    return replace(curve, air_degc=np.where(is_near, around.temperature_degc[nearest], np.nan))
