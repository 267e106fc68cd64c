"""Verdicts in plain words: what was expected, what came, what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from cycler.model.alarm import AlarmCode
from cycler.model.cell_type import Band, CellType
from cycler.model.results import CellOutcome, CellResult, StepResult
from cycler.results.verdict import QUARANTINE_CODES, limit_code


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
    "dcir_ohm": Metric(name="DCIR", unit="mΩ", per_si=1e3, digits=2),
    "contact_ohm": Metric(name="Contact resistance", unit="mΩ", per_si=1e3, digits=1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One reason against a cell."""

    code: str
    metric: str | None = None  # the one outside its limit
    title: str
    expected: str
    came: str
    to_do: str


def reason(code: str) -> str:
    """A reason code in words: `capacity too low`."""
    if code.startswith("TRIP_"):
        return f"tripped: {_trip_name(code)}"
    return _WORDS[code][0] if code in _WORDS else code.lower().replace("_", " ")


def findings(
    result: CellResult,
    outcome: CellOutcome,
    cell_type: CellType,
    steps: Sequence[StepResult],
    lot: Sequence[CellResult],
) -> tuple[Finding, ...]:
    """Why the cell did not pass, the deciding reason first; a cell that failed without a code has one all the same."""
    if outcome.ended != "completed":
        code = result.reason_codes[0] if result.reason_codes else ""
        title = reason(code) if code else "the recipe's own limit"
        return (
            Finding(
                code=code,
                title=title,
                expected="The recipe runs to its end.",
                came=" ".join(part for part in (_sentence(outcome.detail), _last_step(steps)) if part),
                to_do=_to_do(code),
            ),
        )
    return tuple(_of_metric(code, result, cell_type, lot) for code in result.reason_codes)


def band_text(metric: Metric, band: Band) -> str:
    """`at least 4.750 Ah`."""
    if band.low is not None and band.high is not None:
        return f"{metric.text(band.low)} to {metric.text(band.high)}"
    if band.low is not None:
        return f"at least {metric.text(band.low)}"
    return "any" if band.high is None else f"at most {metric.text(band.high)}"


def lot_median(metric: str, lot: Sequence[CellResult]) -> float | None:
    """Of the cells that passed."""
    values = [getattr(cell, metric) for cell in lot if cell.verdict == "pass"]
    return median(known) if (known := [value for value in values if value is not None]) else None


def _of_metric(code: str, result: CellResult, cell_type: CellType, lot: Sequence[CellResult]) -> Finding:
    for key, band in cell_type.limits.items():
        value: float | None = getattr(result, key, None)
        if value is None or key not in METRICS or limit_code(key, value, band) != code:
            continue
        metric = METRICS[key]
        typical = lot_median(key, lot)
        beside = (
            "" if typical is None else f" The cells of this tray that passed have a median of {metric.text(typical)}."
        )
        bound = band.low if band.low is not None and value < band.low else band.high
        from_limit = _distance(metric, value, bound, "the limit")
        from_median = _distance(metric, value, typical, "the median")
        return Finding(
            code=code,
            metric=key,
            title=reason(code),
            expected=f"{metric.name} {band_text(metric, band)}.{beside}",
            came=f"{metric.text(value)}{from_limit}{from_median}.",
            to_do=_to_do(code),
        )
    return Finding(
        code=code,
        title=reason(code),
        expected="A graded step without a long pause, with its charge known.",
        came="The step that gives this metric did not run through.",
        to_do=_to_do(code),
    )


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
    return (
        f"Step {step.step_count} ({step.step_type} {step.step_id}) ended after {step.duration_s / 60:.1f} min by "
        f"{step.stop_reason}: {why}. It stood at {step.end_voltage_v:.3f} V and {step.end_current_a:.3f} A, "
        f"at most {step.temperature_degc_max:.1f} °C."
    )


def _sentence(text: str) -> str:
    return text and f"{text[0].upper()}{text[1:].removesuffix('.')}."


def _trip_name(code: str) -> str:
    number = int(code.removeprefix("TRIP_"))
    return AlarmCode(number).name.lower().replace("_", " ")


def _to_do(code: str) -> str:
    if code in QUARANTINE_CODES:
        return _QUARANTINE
    if code.startswith("TRIP_"):
        return (
            "Read the events before the trip. Check channel, contact and sensor before cell or position is used again."
        )
    return _WORDS[code][1] if code in _WORDS else "Ask the engineer who wrote the recipe what to do with such a cell."


_QUARANTINE: Final = (
    "Do not energise this cell again. Put it into the fire-safe box, keep the watch time, and release it only by the "
    "quarantine procedure."
)
_REPRESS: Final = "Clean the probes, press again, and re-test. If it stays with the position, lock the channel."
_SORT_OUT: Final = "Sort out. Discharge to storage or recycle by the disposition rules."

_WORDS: Final = {
    "ABSENT": ("no cell found", "Look into the tray: is the place empty, or does a probe not touch?"),
    "REVERSED": ("reversed polarity", _QUARANTINE),
    "POLARITY_UNPROVEN": ("polarity unproven", "Prove the polarity by eye or with a meter before it is charged."),
    "SHORT": ("short circuit inside", _QUARANTINE),
    "SENSE_OPEN": ("sense line open", _REPRESS),
    "CROSSED_SENSE": ("sense lines crossed", "Check the wiring of the position and of its neighbour. Then re-test."),
    "BAD_CONTACT": ("bad contact", _REPRESS),
    "UNEXPECTED_CELL": ("unexpected cell", "Identify the cell and correct the load list."),
    "STATE_CONTRADICTED": (
        "what was found contradicts what is known of the cell",
        "Check the cell's identity, type and history, whether a cell is there at all, and the channel's calibration.",
    ),
    "WRONG_CHEMISTRY": ("wrong chemistry", "Identify the cell. Stop the lot until it is known how it came here."),
    "WRONG_TRAY": ("wrong tray", "Stop the tray, compare its barcode with the order."),
    "PRE_LOW": ("precharge voltage too low", f"Suspect a soft short or missing electrolyte. {_SORT_OUT}"),
    "PRE_HIGH": ("precharge voltage too high", f"Suspect dry electrodes or a bad contact. {_SORT_OUT}"),
    "FORM_LOW": ("formation voltage too low", f"Suspect a soft short. {_SORT_OUT}"),
    "FORM_HIGH": ("formation voltage too high", f"Suspect missing electrolyte or a high resistance. {_SORT_OUT}"),
    "LOW_CAPACITY": (
        "capacity too low",
        f"Compare with neighbours on the tray: alone, it is the cell (coating, wetting, filling). {_SORT_OUT} Several "
        "side by side: check chamber temperature and channel calibration first.",
    ),
    "HIGH_DCIR": (
        "DC resistance too high",
        "Measure again on another position to rule out the contact. If it stays with the cell, suspect tab weld or "
        f"wetting. {_SORT_OUT}",
    ),
    "LOW_EFFICIENCY": ("efficiency too low", f"Suspect moisture or side reactions. {_SORT_OUT}"),
    "SELF_DISCHARGE": ("self-discharge", f"Suspect a micro-short; age again and re-test once. {_SORT_OUT}"),
    "HIGH_K": ("self-discharge rate too high", f"Suspect a micro-short; age again and re-test once. {_SORT_OUT}"),
    "TEMPERATURE": ("temperature out of its window", "Check chamber and sensor. Then re-test."),
    "TIMEOUT": ("took too long", "Look at the curve: did the current flow, and was the set value reached?"),
    "LOST_CONTACT": ("contact lost under way", _REPRESS),
    "INTERRUPTED": ("interrupted", "The measurement is not valid. Run the graded step again."),
}  # fmt: skip
