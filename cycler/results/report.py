"""`report.html`: the lot at a glance, its curves, and for each cell that did not pass what to make of it.

One file that needs nothing else: no scripts, no fonts, no pictures from elsewhere.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from cycler.model.cell_type import Band, CellType
from cycler.model.rack import PositionId
from cycler.model.results import NAS_PER_AH, CellOutcome, CellResult, StepResult, Verdict
from cycler.model.run import Run
from cycler.results import metrics, words
from cycler.results.charts import Line, Strip, line_chart, strip, thinned

_VERDICTS: Final[Mapping[Verdict, str]] = {
    "pass": "passed",
    "fail": "failed",
    "quarantine": "to quarantine",
    "retest": "to re-test",
    "not-run": "not run",
}
_STYLES: Final = 4


class Samples(Protocol):
    """One cell's samples, as columns."""

    @property
    def elapsed_s(self) -> NDArray[np.float64]: ...
    @property
    def step_count(self) -> NDArray[np.int64]: ...
    @property
    def voltage_v(self) -> NDArray[np.float64]: ...
    @property
    def discharged_ah(self) -> NDArray[np.float64]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportCell:
    """What the report knows of one cell. `samples` is None for one that was never energised."""

    result: CellResult
    outcome: CellOutcome
    steps: Sequence[StepResult]
    samples: Samples | None = None


def render_report(
    run: Run, cell_types: Mapping[str, CellType], cells: Sequence[ReportCell], *, version: str, config_hash: str
) -> str:
    """The whole file, with the cells in the order in which they come. Equal inputs give equal text."""
    lot = [cell.result for cell in cells]
    counts = Counter(result.verdict for result in lot)
    rejected = [cell for cell in cells if cell.result.verdict != "pass"]
    styles = {cell.result.position: count % _STYLES for count, cell in enumerate(rejected)}
    types = {name: cell_types[name] for name in sorted({result.cell_type for result in lot})}
    return _TEMPLATE.render(
        run=run,
        version=version,
        config_hash=config_hash,
        types=types.values(),
        verdicts=[(verdict, counts[verdict], word) for verdict, word in _VERDICTS.items() if counts[verdict]],
        rows=[_row(cell) for cell in cells],
        show_grade=any(result.grade for result in lot),
        ended_utc=run.started_utc + timedelta(seconds=_duration_s(cells)),
        duration_h=_duration_s(cells) / 3600,
        charts=[
            chart
            for chart in (
                line_chart("Voltage over time", "time in h", "V", [_over_time(cell, styles) for cell in cells]),
                line_chart(
                    "Voltage over discharged capacity", "discharged in Ah", "V",
                    [_over_capacity(cell, styles) for cell in cells],
                ),
            )
            if chart
        ],
        strips=[chart for name in ("capacity_ah", "dcir_ohm") if (chart := _strip(name, lot, types))],
        limits=[
            (cell_type.name, words.METRICS[name].name, words.band_text(words.METRICS[name], band))
            for cell_type in types.values()
            for name, band in cell_type.limits.items()
            if name in words.METRICS
        ],
        rejected=[_rejected(cell, cell_types, lot) for cell in rejected],
    )  # fmt: skip


def _row(cell: ReportCell) -> dict[str, str | None]:
    result = cell.result
    efficiency = result.cycle_efficiency_ratio
    return {
        "position": result.position,
        "cell": result.cell,
        "verdict": result.verdict,
        "grade": result.grade,
        "capacity": _number(result.capacity_ah, 3),
        "efficiency": _number(None if efficiency is None else efficiency * 100, 2),
        "dcir": _number(None if result.dcir_ohm is None else result.dcir_ohm * 1000, 2),
        "end_voltage": _number(result.end_voltage_v, 3),
        "energy_in": _number(result.energy_in_wh, 2),
        "energy_out": _number(result.energy_out_wh, 2),
        "reason": ", ".join(words.reason(code) for code in result.reason_codes),
    }


def _rejected(cell: ReportCell, cell_types: Mapping[str, CellType], lot: Sequence[CellResult]) -> dict[str, object]:
    result = cell.result
    findings = words.findings(result, cell.outcome, cell_types[result.cell_type], cell.steps, lot)
    evidence = {step.step_count for finding in findings for step in _evidence(finding, cell.steps)}
    return {
        "result": result,
        "findings": findings,
        "steps": [
            {
                "step": step,
                "evidence": step.step_count in evidence,
                "duration": str(timedelta(seconds=round(step.duration_s))),
                "charge": _number(step.moved.charged_nas / NAS_PER_AH, 3),
                "discharge": _number(step.moved.discharged_nas / NAS_PER_AH, 3),
                "end_voltage": _number(step.end_voltage_v, 3),
                "temperature": _number(step.temperature_degc_max, 1),
                "pulse": [f"{p.resistance_ohm * 1e3:.2f} at {p.nominal_s:g} s" for p in step.pulse],
            }
            for step in cell.steps
        ],
    }


def _evidence(finding: words.Finding, steps: Sequence[StepResult]) -> Sequence[StepResult]:
    if finding.metric == "capacity_ah":
        return metrics.capacity_steps(steps)[-1:]
    if finding.metric == "dcir_ohm":
        return metrics.pulse_steps(steps)[-1:]
    return steps[-1:]


def _over_time(cell: ReportCell, styles: Mapping[PositionId, int]) -> Line:
    x, y = ([], []) if cell.samples is None else thinned(cell.samples.elapsed_s / 3600, cell.samples.voltage_v)
    return _line(cell, x, y, styles)


def _over_capacity(cell: ReportCell, styles: Mapping[PositionId, int]) -> Line:
    step = metrics.capacity_step(cell.steps)
    if cell.samples is None or step is None:
        return _line(cell, [], [], styles)
    rows = cell.samples.step_count == step.step_count
    discharged_ah = cell.samples.discharged_ah[rows]
    x, y = thinned(discharged_ah - discharged_ah[:1], cell.samples.voltage_v[rows])
    return _line(cell, x, y, styles)


def _line(cell: ReportCell, x: list[float], y: list[float], styles: Mapping[PositionId, int]) -> Line:
    position = cell.result.position
    return Line(x=x, y=y, label=position, style=styles.get(position))


def _strip(name: str, lot: Sequence[CellResult], types: Mapping[str, CellType]) -> Strip | None:
    metric = words.METRICS[name]
    values = [(getattr(result, name), result.verdict, result.position) for result in lot]
    bands = {cell_type.limits.get(name, Band()) for cell_type in types.values()}
    band = bands.pop() if len(bands) == 1 else Band()  # different types in one tray: no one limit to draw
    return strip(
        f"{metric.name} of the lot",
        f"{metric.name} in {metric.unit}",
        [(value * metric.per_si, verdict, label) for value, verdict, label in values if value is not None],
        low=None if band.low is None else band.low * metric.per_si,
        high=None if band.high is None else band.high * metric.per_si,
        digits=metric.digits,
    )


def _duration_s(cells: Sequence[ReportCell]) -> float:
    return max((step.started_s + step.duration_s for cell in cells for step in cell.steps), default=0.0)


def _number(value: float | None, digits: int) -> str | None:
    return None if value is None or value != value else f"{value:.{digits}f}"  # noqa: PLR0124


_TEMPLATE: Final = Environment(
    loader=PackageLoader("cycler.results"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
).get_template("report.html.j2")
