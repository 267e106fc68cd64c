"""What becomes of a cell: the verdict, its reasons, its grade."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cycler.model.cell import Cell
from cycler.model.cell_type import Band, CellType
from cycler.model.rack import PositionId
from cycler.model.results import CellOutcome, CellResult, StepResult, Verdict
from cycler.results import metrics
from cycler.results.cell_record import CellRecord
from cycler.results.chemistry import chemistry_signs
from cycler.results.doubled import doubled_signs
from cycler.results.plating import plating_signs
from cycler.results.reasons import HEAT_TRIPS, decides_before, reason
from cycler.results.second_count import count_signs
from cycler.results.self_discharge import leak_signs
from cycler.results.sensors import sensor_signs
from cycler.results.signs import Sign, lots

_WORSE: Final = {
    ("capacity_ah", "low"): "LOW_CAPACITY",
    ("dcir_ohm", "high"): "HIGH_DCIR",
    ("contact_ohm", "high"): "BAD_CONTACT",
    ("first_cycle_efficiency", "low"): "LOW_EFFICIENCY",
    ("k_v_per_h", "high"): "HIGH_K",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedCell:
    """A cell with its verdict and what, beside its own limits, speaks against it."""

    record: CellRecord
    result: CellResult
    signs: tuple[Sign, ...] = ()


def judged(records: Sequence[CellRecord]) -> tuple[JudgedCell, ...]:
    """Every cell, judged by itself and beside its lot, in the order of the positions (A2 before A10)."""
    signs: dict[PositionId, list[Sign]] = {}
    for lot in lots(records):
        for rule in (chemistry_signs, count_signs, doubled_signs, leak_signs, plating_signs, sensor_signs):
            for position, sign in rule(lot).items():
                signs.setdefault(position, []).append(sign)
    return tuple(
        judged_cell(record, signs.get(record.position, ()))
        for record in sorted(records, key=lambda record: place_order(record.position))
    )


def judged_cell(record: CellRecord, signs: Sequence[Sign] = ()) -> JudgedCell:
    """One cell, with the signs that its lot shows against it.

    A limit is judged only where the run measured its metric; what it measured but not validly asks for a re-test.
    """
    outcome, steps = record.outcome, record.steps
    signs = _believed(signs)
    found = {
        "capacity_ah": metrics.capacity_ah(steps),
        "first_cycle_efficiency": metrics.first_cycle_efficiency(steps, record.cell.state, record.earlier),
        "dcir_ohm": metrics.dcir_ohm(steps),
        "contact_ohm": metrics.contact_ohm(steps),
        "k_v_per_h": metrics.k_v_per_h(steps),
    }
    own = _codes_of_metrics(record.cell_type, found, steps) if outcome.ended == "completed" else _code_of_end(outcome)
    if any(sign.code == "STATE_CONTRADICTED" for sign in signs):  # what two cells take does not leak away
        own = [code for code in own if code != "SELF_DISCHARGE"]
    codes = _ordered([*own, *(sign.code for sign in signs)], outcome)
    verdict = _verdict(record, codes)
    result = CellResult(
        cell=record.cell.cell_id,
        position=record.position,
        cell_type=record.cell.cell_type,
        verdict=verdict,
        grade=_grade(record.cell_type, found) if verdict == "pass" else None,
        reason_codes=codes,
        cycle_efficiency_ratio=metrics.cycle_efficiency_ratio(steps, record.cell.state, record.earlier),
        acir_ohm=metrics.acir_ohm(steps),
        ocv_v=metrics.ocv_v(steps),
        end_voltage_v=metrics.end_voltage_v(steps),
        energy_in_wh=metrics.energy_in_wh(steps),
        energy_out_wh=metrics.energy_out_wh(steps),
        genealogy=record.cell.genealogy,
        **found,
    )
    return JudgedCell(record=record, result=result, signs=signs)


def never_ended(cell: Cell, position: PositionId) -> CellOutcome:
    """The outcome of a cell whose run was interrupted before it had one."""
    return CellOutcome(cell=cell.cell_id, position=position, ended="stopped", detail="The run never ended.")


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


def _believed(signs: Sequence[Sign]) -> tuple[Sign, ...]:
    """A leak warms a cell: that is all that its temperature says. What is no cell of the lot does all differently."""
    codes = {sign.code for sign in signs}
    void: set[str] = set()
    if "SELF_DISCHARGE" in codes:
        void |= {"TEMPERATURE", *HEAT_TRIPS}
    if not codes.isdisjoint({"WRONG_CHEMISTRY", "STATE_CONTRADICTED"}):
        void |= {"SELF_DISCHARGE", "LOW_EFFICIENCY", "TEMPERATURE"}
    return tuple(sign for sign in signs if sign.code not in void)


def _code_of_end(outcome: CellOutcome) -> list[str]:
    """The code that control gave; a run that was stopped from outside has none of its own."""
    if outcome.code is not None:
        return [outcome.code]
    return ["INTERRUPTED"] if outcome.ended == "stopped" else []


def _codes_of_metrics(cell_type: CellType, found: Mapping[str, float | None], steps: Sequence[StepResult]) -> list[str]:
    codes: list[str] = []
    sources = {"capacity_ah": metrics.capacity_step(steps), "dcir_ohm": metrics.pulse_step(steps)}
    for metric, band in cell_type.limits.items():
        if (value := found.get(metric)) is not None and (code := limit_code(metric, value, band)):
            source = sources.get(metric)
            # Capacity and resistance follow the temperature: where that was off, it fails no cell.
            codes.append("TEMPERATURE" if source is not None and "TEMPERATURE" in source.quality else code)
    for metric, meant in (("capacity_ah", metrics.capacity_steps(steps)), ("dcir_ohm", metrics.pulse_steps(steps))):
        if meant and found[metric] is None:
            codes.append("INTERRUPTED")
    return codes


def _ordered(codes: Sequence[str], outcome: CellOutcome) -> tuple[str, ...]:
    """The deciding one first. A trip by heat that only the sensor saw is the sensor's."""
    distinct = sorted(
        dict.fromkeys(codes), key=lambda code: decides_before(code, outcome.verdict if code == outcome.code else None)
    )
    if "TEMPERATURE" in distinct and distinct[0] in HEAT_TRIPS:
        distinct.sort(key=lambda code: code != "TEMPERATURE")
    return tuple(distinct)


def _verdict(record: CellRecord, codes: Sequence[str]) -> Verdict:
    outcome = record.outcome
    if outcome.state == "quarantine":  # whatever else is to be said of it
        return "quarantine"
    if outcome.verdict is not None and codes[:1] == (outcome.code,):  # nothing heavier speaks against the cell
        return outcome.verdict
    energised = outcome.ended != "not-started" and metrics.was_energised(
        record.steps, record.cell_type.rated_capacity_ah
    )
    if codes:
        deciding = reason(codes[0])
        return deciding.verdict if energised or outcome.ended == "completed" else deciding.unstarted
    if outcome.ended == "completed":
        return "pass"
    return "fail" if energised else "not-run"


def _grade(cell_type: CellType, found: Mapping[str, float | None]) -> str | None:
    for grade, bands in cell_type.grades.items():
        values = {metric: found.get(metric) for metric in bands}
        if all(value is not None and value in bands[metric] for metric, value in values.items()):
            return grade
    return None
