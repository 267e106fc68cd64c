"""Charge counted twice, by the device and by the host: where the two differ by more than both can be wrong, neither
is believed.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from cycler.model.alarm import AlarmCode
from cycler.model.rack import PositionId
from cycler.model.results import NAS_PER_AH, StepResult
from cycler.results.cell_record import CellRecord
from cycler.results.signs import Sign

RATIO_MAX: Final = 0.02
"""Of what the step has moved. Cyclers are good to 0.1 % of range; a wrong scale or a lost cable shows far more."""
RATED_RATIO_MAX: Final = 0.005
"""Of rated capacity: what the host misses between its readings at the edges of a step, and offsets over days."""


def count_signs(lot: Sequence[CellRecord]) -> Mapping[PositionId, Sign]:
    """Cells whose device and host have counted apart in some step without a gap."""
    found = {}
    for record in lot:
        allowed_ah = RATED_RATIO_MAX * record.cell_type.rated_capacity_ah
        wrong = [step for step in record.steps if _apart_ah(step) > allowed_ah + RATIO_MAX * _moved_ah(step)]
        if wrong:
            worst = max(wrong, key=_apart_ah)
            found[record.position] = Sign(
                code=f"TRIP_{AlarmCode.BACK_CHECK.value}",
                expected=f"Step {worst.step_count} moved {_moved_ah(worst):.4f} Ah by the device's counter.",
                came=f"The readings of its current add up to {_apart_ah(worst):.4f} Ah more or less than that.",
                step_counts=tuple(step.step_count for step in wrong),
            )
    return found


def _apart_ah(step: StepResult) -> float:
    return 0.0 if step.witness_nas is None or step.gap_s else abs(step.witness_nas) / NAS_PER_AH


def _moved_ah(step: StepResult) -> float:
    return (step.moved.charged_nas + step.moved.discharged_nas) / NAS_PER_AH
