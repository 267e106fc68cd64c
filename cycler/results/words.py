"""Verdicts in plain words: what was expected, what came, what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from statistics import median
from typing import Final

from cycler.model.cell_type import Band
from cycler.model.results import CellResult, StepResult
from cycler.results import metrics
from cycler.results.cell_record import CellRecord
from cycler.results.reasons import reason
from cycler.results.signs import Sign
from cycler.results.verdict import JudgedCell, limit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """How a metric is shown: in its customary unit, with as many digits as mean something."""

    name: str
    unit: str
    per_si: float
    digits: int

    def text(self, value: float) -> str:
        """`4.412 Ah`."""
        return f"{value * self.per_si:.{self.digits}f} {self.unit}"


METRICS: Final = {
    "capacity_ah": Metric(name="Capacity", unit="Ah", per_si=1, digits=3),
    "first_cycle_efficiency": Metric(name="First-cycle efficiency", unit="%", per_si=100, digits=2),
    "dcir_ohm": Metric(name="DCIR", unit="mΩ", per_si=1e3, digits=2),
    "ocv_v": Metric(name="OCV", unit="V", per_si=1, digits=4),
    "k_v_per_h": Metric(name="K-value", unit="mV/h", per_si=1e3, digits=3),
    "contact_ohm": Metric(name="Contact resistance", unit="mΩ", per_si=1e3, digits=1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One reason against a cell, and the executed steps that show it."""

    code: str
    title: str
    expected: str  # empty where it goes without saying
    came: str
    to_do: str
    step_counts: tuple[int, ...] = ()


def findings(cell: JudgedCell, lot: Sequence[CellResult]) -> tuple[Finding, ...]:
    """Why the cell did not pass, the deciding reason first; a cell that failed without a code has one all the same."""
    if cell.result.verdict == "pass":
        return ()
    found = tuple(_finding(code, cell, lot) for code in cell.result.reason_codes)
    return found or (_of_end("", cell.record),)


def band_text(metric: Metric, band: Band) -> str:
    """`at least 4.750 Ah`."""
    if band.low is not None and band.high is not None:
        return f"{metric.text(band.low)} to {metric.text(band.high)}"
    if band.low is not None:
        return f"at least {metric.text(band.low)}"
    return "any" if band.high is None else f"at most {metric.text(band.high)}"


def lot_median(metric: str, lot: Sequence[CellResult], cell_type: str) -> float | None:
    """Of the cells of this type that passed."""
    values = [getattr(cell, metric) for cell in lot if cell.verdict == "pass" and cell.cell_type == cell_type]
    return median(known) if (known := [value for value in values if value is not None]) else None


def _finding(code: str, cell: JudgedCell, lot: Sequence[CellResult]) -> Finding:
    for sign in cell.signs:
        if sign.code == code:
            return _of_sign(sign)
    if cell.record.outcome.ended != "completed":
        return _of_end(code, cell.record)
    return _of_metric(code, cell, lot)


def _of_sign(sign: Sign) -> Finding:
    meant = reason(sign.code)
    return Finding(
        code=sign.code,
        title=meant.words,
        expected=sign.expected,
        came=sign.came,
        to_do=meant.to_do,
        step_counts=sign.step_counts,
    )


def _of_end(code: str, record: CellRecord) -> Finding:
    meant, not_started = reason(code), record.outcome.ended == "not-started"
    no_code = "not started" if not_started else "the recipe's own limit"
    return Finding(
        code=code,
        title=meant.words if code else no_code,
        expected="",  # that the recipe runs to its end says nothing
        came=" ".join(part for part in (_sentence(record.outcome.detail), _last_step(record.steps)) if part),
        to_do="Mend what is named and start it again." if not_started and not code else meant.to_do,
        step_counts=tuple(step.step_count for step in record.steps[-1:]),
    )


def _of_metric(code: str, cell: JudgedCell, lot: Sequence[CellResult]) -> Finding:
    result, steps, meant = cell.result, cell.record.steps, reason(code)
    shown = tuple(step.step_count for step in _evidence(code, steps))
    for key, band in cell.record.cell_type.limits.items():
        value: float | None = getattr(result, key, None)
        if value is None or value in band or limit_code(key, value, band) not in {code, *_instead(code)}:
            continue
        metric = METRICS[key]
        typical = lot_median(key, lot, result.cell_type)
        beside = "" if typical is None else f" The cells like it that passed have a median of {metric.text(typical)}."
        bound = band.low if band.low is not None and value < band.low else band.high
        from_limit = _distance(metric, value, bound, "the limit")
        from_median = _distance(metric, value, typical, "the median")
        return Finding(
            code=code,
            title=meant.words,
            expected=f"{metric.name} {band_text(metric, band)}.{beside}",
            came=f"{metric.text(value)}{from_limit}{from_median}.",
            to_do=meant.to_do,
            step_counts=shown,
        )
    return Finding(
        code=code,
        title=meant.words,
        expected="A graded step without a long pause, with its charge known.",
        came="The step that gives this metric did not run through.",
        to_do=meant.to_do,
        step_counts=shown,
    )


def _instead(code: str) -> set[str]:
    """What a limit would have said, had the temperature been right."""
    return {"LOW_CAPACITY", "HIGH_DCIR", "STATE_CONTRADICTED"} if code == "TEMPERATURE" else set()


def _evidence(code: str, steps: Sequence[StepResult]) -> Sequence[StepResult]:
    match reason(code).evidence:
        case "capacity":
            return metrics.capacity_steps(steps)[-1:]
        case "pulse":
            return metrics.pulse_steps(steps)[-1:]
        case "cycles":
            return [step for step in steps if step.cycle == 1 and step.step_type in {"charge", "discharge"}]
        case "end":
            return metrics.capacity_steps(steps)[-1:] or steps[-1:]


def _distance(metric: Metric, value: float, reference: float | None, name: str) -> str:
    if not reference:
        return ""
    side = "below" if value < reference else "above"
    away = abs(value - reference)
    return f", {metric.text(away)} ({away / abs(reference):.1%}) {side} {name}"


def _last_step(steps: Sequence[StepResult]) -> str:
    if not steps:
        return "No step was executed."
    step = steps[-1]
    why = step.stop_text or step.stop_reason
    warmest = "" if isnan(step.temperature_degc_max) else f", at most {step.temperature_degc_max:.1f} °C"
    return (
        f"Step {step.step_count} ({step.step_type} {step.step_id}) ended after {step.duration_s / 60:.1f} min by "
        f"{step.stop_reason}: {why}. It stood at {step.end_voltage_v:.3f} V and {step.end_current_a:.3f} A{warmest}."
    )


def _sentence(text: str) -> str:
    return text and f"{text[0].upper()}{text[1:].removesuffix('.')}."
