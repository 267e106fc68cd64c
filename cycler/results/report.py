"""`report.html`: the lot at a glance, its curves, and for each cell that did not pass the evidence.

One file that needs nothing else: no scripts, no fonts, no pictures from elsewhere.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from cycler.model.alarm_record import AlarmRecord
from cycler.model.cell_type import Band, CellType
from cycler.model.rack import PositionId
from cycler.model.results import NAS_PER_AH, CellResult, StepResult, Verdict
from cycler.model.run import Run
from cycler.results import words
from cycler.results.alarm_cases import alarm_cases
from cycler.results.cell_record import CellRecord
from cycler.results.charts import Line, LineChart, Strip, line_chart, strip
from cycler.results.curves import AXES, View, band, curve, telling_steps, view_of
from cycler.results.drawing import thinned
from cycler.results.reasons import reason
from cycler.results.signs import lots
from cycler.results.tray_map import bay_maps
from cycler.results.verdict import JudgedCell

_VERDICTS: Final[Mapping[Verdict, str]] = {
    "pass": "passed",
    "fail": "failed",
    "quarantine": "to quarantine",
    "retest": "to re-test",
    "not-run": "not run",
}
_SPREADS: Final = ("capacity_ah", "first_cycle_efficiency", "dcir_ohm", "ocv_v", "k_v_per_h")
_STYLES: Final = 4
_LINES_MAX: Final = 40  # more cells than that that passed are drawn as a band
_POINTS: Final = 60
_STEP_ROWS_MAX: Final = 14


def render_report(
    cells: Sequence[JudgedCell], *, version: str, config_hash: str, alarms: Sequence[AlarmRecord] = ()
) -> str:
    """The whole file, with the cells in the order in which they come. Equal inputs give equal text."""
    results = [cell.result for cell in cells]
    counts = Counter(result.verdict for result in results)
    rejected = [cell for cell in cells if cell.result.verdict != "pass"]
    styles = {cell.result.position: count % _STYLES for count, cell in enumerate(rejected)}
    types = {cell.record.cell_type.name: cell.record.cell_type for cell in cells}
    runs = {cell.record.run.run_id: cell.record.run for cell in cells}
    groups = _groups(cells)
    return _TEMPLATE.render(
        runs=[(run, *_span(run, cells)) for run in runs.values()],
        version=version,
        config_hash=config_hash,
        types=types.values(),
        verdicts=[(verdict, counts[verdict], word) for verdict, word in _VERDICTS.items() if counts[verdict]],
        legend=_VERDICTS,
        maps=bay_maps(cells),
        alarms=alarm_cases(alarms, {cell.record.position: cell.result.cell for cell in cells}),
        rows=[_row(cell) for cell in cells],
        show_grade=any(result.grade for result in results),
        show_acir=any(result.acir_ohm is not None for result in results),
        show_first=any(result.first_cycle_efficiency is not None for result in results),
        charts=[chart for group in groups for chart in _step_charts(group, styles, several=len(groups) > 1)],
        strips=[
            chart
            for cell_type in types.values()
            for name in _SPREADS
            if (chart := _strip(name, results, cell_type, several=len(types) > 1))
        ],
        limits=[
            (cell_type.name, words.METRICS[name].name, words.band_text(words.METRICS[name], limit))
            for cell_type in types.values()
            for name, limit in cell_type.limits.items()
        ],
        rejected=[_rejected(cell, _peers(cell, cells), results) for cell in rejected],
    )


def _groups(cells: Sequence[JudgedCell]) -> list[list[JudgedCell]]:
    """The cells that can be compared."""
    by_place = {cell.record.position: cell for cell in cells}
    return [[by_place[record.position] for record in lot] for lot in lots([cell.record for cell in cells])]


def _peers(cell: JudgedCell, cells: Sequence[JudgedCell]) -> list[CellRecord]:
    """Those of its lot that passed."""
    (group,) = (group for group in _groups(cells) if cell in group)
    return [other.record for other in group if other.result.verdict == "pass"]


def _span(run: Run, cells: Sequence[JudgedCell]) -> tuple[datetime, float]:
    """The end, and the hours till then."""
    steps = [step for cell in cells if cell.record.run.run_id == run.run_id for step in cell.record.steps]
    duration_s = max((step.started_s + step.duration_s for step in steps), default=0.0)
    return run.started_utc + timedelta(seconds=duration_s), duration_s / 3600


def _row(cell: JudgedCell) -> dict[str, str | None]:
    result = cell.result
    return {
        "position": result.position,
        "cell": result.cell,
        "verdict": result.verdict,
        "grade": result.grade,
        "capacity": _number(result.capacity_ah, 3),
        "first": _number(result.first_cycle_efficiency, 2, 100),
        "efficiency": _number(result.cycle_efficiency_ratio, 2, 100),
        "dcir": _number(result.dcir_ohm, 2, 1000),
        "acir": _number(result.acir_ohm, 3, 1000),
        "ocv": _number(result.ocv_v, 4),
        "energy_in": _number(result.energy_in_wh, 2),
        "energy_out": _number(result.energy_out_wh, 2),
        "reason": ", ".join(reason(code).words for code in result.reason_codes),
    }


def _step_charts(group: Sequence[JudgedCell], styles: Mapping[PositionId, int], *, several: bool) -> list[LineChart]:
    """The steps that tell most, each with all cells of a lot."""
    passed = [cell.record for cell in group if cell.result.verdict == "pass"]
    others = [cell.record for cell in group if cell.result.verdict != "pass"]
    charts = []
    for step in telling_steps([cell.record for cell in group]):
        view = view_of(step)
        crowd = len(passed) > _LINES_MAX
        lines = [_line(record, step.step_count, view, None) for record in (() if crowd else passed)]
        lines += [_line(record, step.step_count, view, styles[record.position]) for record in others]
        title = f"{_step_name(step)}{f', {group[0].record.cell_type.name}' if several else ''}"
        behind = band(passed, step.step_count, view) if crowd else None
        if chart := line_chart(title, *AXES[view], lines, band=behind):
            charts.append(chart)
    return charts


def _rejected(cell: JudgedCell, peers: Sequence[CellRecord], results: Sequence[CellResult]) -> dict[str, object]:
    findings = words.findings(cell, results)
    shown = {count for finding in findings for count in finding.step_counts}
    steps = cell.record.steps
    kept = [step for step in steps if step.step_count in shown or step.step_count > len(steps) - _STEP_ROWS_MAX]
    kept = kept[-_STEP_ROWS_MAX:]
    return {
        "result": cell.result,
        "findings": [(finding, _evidence(finding, cell, peers)) for finding in findings],
        "left_out": len(steps) - len(kept),
        "steps": [
            {
                "step": step,
                "evidence": step.step_count in shown,
                "duration": str(timedelta(seconds=round(step.duration_s))),
                "charge": _number(step.moved.charged_nas / NAS_PER_AH, 3),
                "discharge": _number(step.moved.discharged_nas / NAS_PER_AH, 3),
                "end_voltage": _number(step.end_voltage_v, 3),
                "temperature": _number(step.temperature_degc_max, 1),
                "pulse": [f"{p.resistance_ohm * 1e3:.2f} at {p.nominal_s:g} s" for p in step.pulse],
            }
            for step in kept
        ],
    }


def _evidence(finding: words.Finding, cell: JudgedCell, peers: Sequence[CellRecord]) -> LineChart | None:
    """The step that shows it, over what the cells that passed did in the same step."""
    record = cell.record
    step = next((step for step in record.steps if step.step_count in finding.step_counts[-1:]), None)
    if step is None:
        return None
    view: View = view_of(step)
    title = _step_name(step)
    if finding.code == "TEMPERATURE":
        view, title = "temperature", "Temperature over the run"
    elif finding.code == "SELF_DISCHARGE" and step.step_type in {"rest", "ocv"}:
        view, title = "fall", f"{_step_name(step)}: fall in its later half"
    same = [
        peer for peer in peers if any(s.step_count == step.step_count and s.step_id == step.step_id for s in peer.steps)
    ]
    own = _line(record, step.step_count, view, 0)
    return line_chart(title, *AXES[view], [own], band=band(same, step.step_count, view))


def _line(record: CellRecord, step_count: int, view: View, style: int | None) -> Line:
    x, y = thinned(*curve(record, step_count, view), buckets=_POINTS)
    return Line(x=x, y=y, label=record.position, style=style)


def _step_name(step: StepResult) -> str:
    return f"Step {step.step_count}: {step.step_type} {step.step_id}{f' ({step.tag})' if step.tag else ''}"


def _strip(name: str, results: Sequence[CellResult], cell_type: CellType, *, several: bool) -> Strip | None:
    metric = words.METRICS[name]
    of_type = [result for result in results if result.cell_type == cell_type.name]
    values = [(getattr(result, name), result.verdict, result.position) for result in of_type]
    limit = cell_type.limits.get(name, Band())
    return strip(
        f"{metric.name}{f', {cell_type.name}' if several else ''}",
        f"{metric.name} in {metric.unit}",
        [(value * metric.per_si, verdict, label) for value, verdict, label in values if value is not None],
        low=None if limit.low is None else limit.low * metric.per_si,
        high=None if limit.high is None else limit.high * metric.per_si,
        digits=metric.digits,
    )


def _number(value: float | None, digits: int, per_si: float = 1.0) -> str | None:
    return None if value is None or value != value else f"{value * per_si:.{digits}f}"  # noqa: PLR0124


_TEMPLATE: Final = Environment(
    loader=PackageLoader("cycler.results"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
).get_template("report.html.j2")
