"""What becomes of a cell: the verdict, its reasons, its grade."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from cycler.model.alarm import AlarmCode
from cycler.model.cell import Cell
from cycler.model.cell_type import Band, CellType
from cycler.model.rack import PositionId
from cycler.model.results import CellOutcome, CellResult, StepResult, Verdict
from cycler.model.run import Run
from cycler.results import metrics

QUARANTINE_CODES: Final = frozenset({"SHORT", "REVERSED"}) | {
    f"TRIP_{trip.value}"
    for trip in (
        AlarmCode.OVER_VOLTAGE,
        AlarmCode.UNDER_VOLTAGE,
        AlarmCode.OVER_TEMPERATURE,
        AlarmCode.TEMPERATURE_RISE_RATE,
        AlarmCode.REVERSE_POLARITY,
        AlarmCode.FAST_VOLTAGE_DROP,
        AlarmCode.ELECTROLYTE_LEAK,
    )
}
"""Inner short, heat, overcharge, deep discharge, reversal, leak: such a cell is not energised again."""

_CELL_TRIPS: Final = {
    f"TRIP_{trip.value}"
    for trip in (
        AlarmCode.STEP_OVER_CAPACITY,
        AlarmCode.CUMULATED_OVER_CAPACITY,
        AlarmCode.OVER_ENERGY,
        AlarmCode.TEMPERATURE_TO_TRAY_MEAN,
        AlarmCode.INITIAL_VOLTAGE_HIGH,
        AlarmCode.INITIAL_VOLTAGE_LOW,
        AlarmCode.VOLTAGE_DOES_NOT_FOLLOW,
        AlarmCode.VOLTAGE_RATE_WINDOW,
        AlarmCode.STEP_TIMEOUT,
        AlarmCode.TOTAL_TIMEOUT,
        AlarmCode.VOLTAGE_TIME_TEST,
        AlarmCode.CHARGE_RATIO_WINDOW,
    )
}
_NOT_THE_CELL: Final = frozenset(
    {"SENSE_OPEN", "CROSSED_SENSE", "BAD_CONTACT", "LOST_CONTACT", "WRONG_TRAY", "INTERRUPTED", "STATE_CONTRADICTED"}
)
"""Says nothing against the cell itself: it may try again."""

_WORSE: Final = {
    ("capacity_ah", "low"): "LOW_CAPACITY",
    ("dcir_ohm", "high"): "HIGH_DCIR",
    ("contact_ohm", "high"): "BAD_CONTACT",
}


def lot_results(
    run: Run,
    cell_types: Mapping[str, CellType],
    steps: Mapping[PositionId, Sequence[StepResult]],
    outcomes: Mapping[PositionId, CellOutcome],
) -> tuple[CellResult, ...]:
    """Every cell of the run, in the order of its positions (A2 before A10). Without an outcome it was interrupted."""
    return tuple(
        cell_result(
            run.cells[at],
            cell_types[run.cells[at].cell_type],
            outcomes.get(at) or never_ended(run.cells[at], at),
            steps.get(at, ()),
        )
        for at in sorted(run.cells, key=place_order)
    )


def never_ended(cell: Cell, position: PositionId) -> CellOutcome:
    """The outcome of a cell whose run was interrupted before it had one."""
    return CellOutcome(cell=cell.cell_id, position=position, ended="stopped", detail="The run never ended.")


def cell_result(cell: Cell, cell_type: CellType, outcome: CellOutcome, steps: Sequence[StepResult]) -> CellResult:
    """A limit is judged only where the run measured its metric; what it measured but not validly asks for a re-test."""
    found = {
        "capacity_ah": metrics.capacity_ah(steps),
        "dcir_ohm": metrics.dcir_ohm(steps),
        "contact_ohm": metrics.contact_ohm(steps),
    }
    codes = _codes_of_the_end(outcome) if outcome.ended != "completed" else _codes_of_metrics(cell_type, found, steps)
    verdict = _verdict(outcome, codes)
    return CellResult(
        cell=cell.cell_id,
        position=outcome.position,
        cell_type=cell.cell_type,
        verdict=verdict,
        grade=_grade(cell_type, found) if verdict == "pass" else None,
        reason_codes=codes,
        cycle_efficiency_ratio=metrics.cycle_efficiency_ratio(steps),
        ocv_v=metrics.ocv_v(steps),
        end_voltage_v=metrics.end_voltage_v(steps),
        energy_in_wh=metrics.energy_in_wh(steps),
        energy_out_wh=metrics.energy_out_wh(steps),
        genealogy=cell.genealogy,
        **found,
    )


def place_order(position: PositionId) -> tuple[tuple[str, int], ...]:
    """Sorts positions as people count them."""
    return tuple((word, int(number or 0)) for word, number in re.findall(r"(\D+|^)(\d*)", position))


def limit_code(metric: str, value: float, band: Band) -> str | None:
    """The reason code of a metric outside its band.

    A cell that is better than it can be was measured wrongly, or is not what its history says.
    """
    if value in band:
        return None
    side = "low" if band.low is not None and value < band.low else "high"
    return _WORSE.get((metric, side), "STATE_CONTRADICTED")


def _codes_of_the_end(outcome: CellOutcome) -> tuple[str, ...]:
    """The code that control gave; a run that was stopped from outside has none of its own."""
    if outcome.code is not None:
        return (outcome.code,)
    return ("INTERRUPTED",) if outcome.ended == "stopped" else ()


def _codes_of_metrics(
    cell_type: CellType, found: Mapping[str, float | None], steps: Sequence[StepResult]
) -> tuple[str, ...]:
    codes: list[str] = []
    for metric, band in cell_type.limits.items():
        if (value := found.get(metric)) is not None and (code := limit_code(metric, value, band)):
            codes.append(code)
    for metric, meant in (("capacity_ah", metrics.capacity_steps(steps)), ("dcir_ohm", metrics.pulse_steps(steps))):
        if meant and found[metric] is None:
            codes.append("INTERRUPTED")
    return tuple(sorted(dict.fromkeys(codes), key=_NOT_THE_CELL.__contains__))


def _verdict(outcome: CellOutcome, codes: tuple[str, ...]) -> Verdict:
    deciding = codes[0] if codes else None
    if deciding in QUARANTINE_CODES:
        return "quarantine"
    if outcome.ended == "not-started":
        return "not-run"
    if deciding is None:
        return "pass" if outcome.ended == "completed" else "fail"
    equipment_tripped = outcome.ended == "tripped" and deciding not in _CELL_TRIPS
    return "retest" if deciding in _NOT_THE_CELL or equipment_tripped else "fail"


def _grade(cell_type: CellType, found: Mapping[str, float | None]) -> str | None:
    for grade, bands in cell_type.grades.items():
        values = {metric: found.get(metric) for metric in bands}
        if all(value is not None and value in bands[metric] for metric, value in values.items()):
            return grade
    return None
