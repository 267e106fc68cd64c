"""Plated lithium: while it dissolves, in the rest after a charge, a cell stands higher than those that have none.

All of a lot were held at one voltage until their current had fallen, so that at rest little else sets them apart, and
nothing but this upwards: a leak or a resistance lets the voltage fall further.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from cycler.model.rack import PositionId
from cycler.model.results import StepResult
from cycler.results.cell_record import CellRecord
from cycler.results.signs import Sign, scatter, voltage_v_at

PLATEAU_V_MIN: Final = 0.01  # lithium dissolves some tens of millivolts above where graphite rests
PLATEAU_SIGMAS: Final = 8.0
REST_S_MIN: Final = 60.0
SCATTER_V_MIN: Final = 0.5e-3


def plating_signs(lot: Sequence[CellRecord]) -> Mapping[PositionId, Sign]:
    """By the end of each rest that followed a full charge, or as far as it went."""
    found = {}
    for record in lot:
        for rest in _rests_when_full(record):
            volts = np.array([voltage_v_at(other, rest.step_count, rest.duration_s) for other in lot])
            own_v = voltage_v_at(record, rest.step_count, rest.duration_s)
            typical_v, sigma_v = scatter(volts, least=SCATTER_V_MIN)
            if own_v - typical_v > max(PLATEAU_V_MIN, PLATEAU_SIGMAS * sigma_v):
                found[record.position] = Sign(
                    code="LOW_EFFICIENCY",
                    expected=f"After {rest.duration_s / 60:.0f} min of rest in step {rest.step_count} "
                    f"the lot stands at {typical_v:.3f} V.",
                    came=f"It stands {(own_v - typical_v) * 1e3:.0f} mV above: lithium was plated, and dissolves.",
                    step_counts=(rest.step_count,),
                )
    return found


def _rests_when_full(record: CellRecord) -> list[StepResult]:
    pairs = zip(record.steps, record.steps[1:], strict=False)
    return [
        rest
        for charge, rest in pairs
        if charge.step_type == "charge" and charge.stop_reason == "current"
        if rest.step_type == "rest" and rest.duration_s >= REST_S_MIN
    ]
