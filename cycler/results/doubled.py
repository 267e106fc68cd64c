"""Two cells at one position: side by side they have half the resistance, and take twice the charge."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from cycler.model.rack import PositionId
from cycler.model.results import StepResult
from cycler.results.cell_record import CellRecord
from cycler.results.signs import Sign, scatter, voltage_v_at

HALF: Final = (0.35, 0.65)
LESS: Final = 0.8
"""Of the resistance that the lot has: at one edge at least, and at all of them. Cells of one type differ by far less,
but near empty a part of it is the slope of the OCV, and the two have not been emptied like one.
"""
EDGES_MIN: Final = 2
EDGE_S: Final = 10.0  # from when a current begins
REAL_C_RATE: Final = 0.1
_AT_REST: Final = frozenset({"rest", "ocv", "acir", "soak", "chamber", "contact"})


def doubled_signs(lot: Sequence[CellRecord]) -> Mapping[PositionId, Sign]:
    """By every current that began after a rest."""
    own = {record.position: _resistances_ohm(record) for record in lot}
    typical = {
        step_count: scatter(np.array([ohm.get(step_count, np.nan) for ohm in own.values()]), least=0.0)[0]
        for step_count in sorted({step_count for ohm in own.values() for step_count in ohm})
    }
    found = {}
    for position, ohm in own.items():
        ratios = {step: value / typical[step] for step, value in ohm.items() if not np.isnan(typical[step])}
        if len(ratios) < EDGES_MIN or max(ratios.values()) > LESS:
            continue
        least = min(ratios, key=lambda step: ratios[step])
        if HALF[0] <= ratios[least] <= HALF[1]:
            found[position] = Sign(
                code="STATE_CONTRADICTED",
                expected=f"{EDGE_S:g} s into step {least} the lot has {1e3 * typical[least]:.1f} mΩ.",
                came=f"It has {1e3 * ohm[least]:.1f} mΩ, and little wherever a current begins: two cells in parallel.",
                step_counts=tuple(sorted(ratios)),
            )
    return found


def _resistances_ohm(record: CellRecord) -> dict[int, float]:
    """By the steps in which a real current began at rest; a voltage that leads the wrong way tells nothing."""
    found = {}
    for before, step in zip(record.steps, record.steps[1:], strict=False):
        if before.step_type in _AT_REST and not before.pulse and step.step_type in {"charge", "discharge"}:
            ohm = _resistance_ohm(record, before, step)
            if ohm > 0:
                found[step.step_count] = ohm
    return found


def _resistance_ohm(record: CellRecord, before: StepResult, step: StepResult) -> float:
    """NaN where too little flowed."""
    if record.samples is None:
        return np.nan
    rows = record.rows(step.step_count)
    times_s, currents_a = record.samples.step_time_s[rows], record.samples.current_a[rows]
    if not len(times_s):
        return np.nan
    current_a = float(np.interp(EDGE_S, times_s, currents_a, right=np.nan))
    if not abs(current_a) >= REAL_C_RATE * record.cell_type.rated_capacity_ah:
        return np.nan
    return (voltage_v_at(record, step.step_count, EDGE_S) - before.end_voltage_v) / current_a
