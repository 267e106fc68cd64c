"""A prediction for people: as rows of a table, as one SVG, as one HTML file that needs nothing else."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from cycler.results.charts import Line, LineChart, line_chart
from cycler.results.drawing import thinned
from cycler.results.prediction import ASSUMPTIONS, PredictedStep, Prediction
from cycler.results.prediction_chart import clock, prediction_chart

ROWS_MAX: Final = 200
_DETAILS_MAX: Final = 6
_SHORT_RATIO: Final = 0.01  # of the run: a step that is shorter is no more than a spike in its curve


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One executed step, every number as it is shown; empty where there is none."""

    name: str
    turn: str = ""
    begins: str = ""
    takes: str
    charged_ah: str
    discharged_ah: str
    charged_wh: str
    discharged_wh: str
    end_v: str = ""
    warmest: str = ""
    ended_by: str = ""


def rows(prediction: Prediction, *, most: int = ROWS_MAX) -> tuple[Sequence[Row], int]:
    """The first ones and the last, and how many were left out between them."""
    steps = prediction.steps
    if len(steps) <= most:
        return [_row(step) for step in steps], 0
    head = most // 2
    return [_row(step) for step in (*steps[:head], *steps[head - most :])], len(steps) - most


def total(prediction: Prediction) -> Row:
    """All steps together."""
    return Row(
        name="all",
        takes=clock(prediction.duration_s),
        **{name: _amount(value) for name, value in prediction.totals.items()},
    )


def svg(prediction: Prediction) -> str:
    """One drawing that stands alone. Equal predictions give equal text."""
    return _ENVIRONMENT.get_template("prediction.svg.j2").render(chart=prediction_chart(prediction), alone=True)


def page(prediction: Prediction, *, version: str) -> str:
    """The drawing, short steps enlarged, and the table. Equal predictions give equal text."""
    shown, left_out = rows(prediction)
    return _ENVIRONMENT.get_template("prediction.html.j2").render(
        chart=prediction_chart(prediction),
        alone=False,
        prediction=prediction,
        assumptions=ASSUMPTIONS,
        details=list(_details(prediction)),
        rows=shown,
        left_out=left_out,
        total=total(prediction),
        has_turns=any(step.turns for step in prediction.steps),
        version=version,
    )


def _row(step: PredictedStep) -> Row:
    result = step.result
    return Row(
        name=f"{step.name} ({result.tag})" if result.tag else step.name,
        turn=step.turn,
        begins=clock(result.started_s),
        takes=clock(result.duration_s),
        charged_ah=_amount(step.charged_ah),
        discharged_ah=_amount(step.discharged_ah),
        charged_wh=_amount(step.charged_wh),
        discharged_wh=_amount(step.discharged_wh),
        end_v=_number(result.end_voltage_v, 3),
        warmest=_number(result.temperature_degc_max, 1),
        ended_by=step.ended_by,
    )


def _amount(value: float) -> str:
    return f"{value:.3f}" if value >= 5e-4 else ""


def _number(value: float, digits: int) -> str:
    return "" if value != value else f"{value:.{digits}f}"  # noqa: PLR0124 (NaN)


def _details(prediction: Prediction) -> Iterator[LineChart]:
    """Of the steps that are lost in the whole run, each of the recipe's the first time."""
    short = [
        step
        for step in {step.path: step for step in reversed(prediction.steps)}.values()
        if step.result.duration_s < _SHORT_RATIO * prediction.duration_s and step.charged_ah + step.discharged_ah > 0
    ]
    samples = prediction.samples
    for step in short[::-1][:_DETAILS_MAX]:
        first, after = np.searchsorted(samples.step_count, [step.result.step_count, step.result.step_count + 1])
        seconds, unit = (1, "s") if step.result.duration_s <= 300 else (60, "min")
        voltage_v = samples.voltage_v[max(first - 1, 0) : after]  # from what it had before
        time = np.append(np.zeros(len(voltage_v) - (after - first)), samples.step_time_s[first:after] / seconds)
        turn = f", turn {step.turn}" if step.turns else ""
        xs, ys = thinned(time, voltage_v)
        chart = line_chart(f"{step.name}{turn}", f"time in {unit}", "V", [Line(x=xs, y=ys, label=step.name)])
        if chart is not None:
            yield chart


_ENVIRONMENT: Final = Environment(
    loader=PackageLoader("cycler.results"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
