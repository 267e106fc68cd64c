"""The geometry of a predicted run: voltage, current and temperature over one time, with every step marked.

A template draws it. Everything is in pixels of the chart's own box.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from math import ceil, floor, log10
from typing import Final, Literal

from cycler.results.drawing import Axis, Tick, apart, points, thinned
from cycler.results.prediction import PredictedStep, Prediction

WIDTH: Final = 1120
_LEFT, _RIGHT = 66, 1096
_TITLE, _LABELS, _TURN, _STRIP, _GAP, _BOTTOM = 58, 112, 16, 12, 26, 46
_MARK_MIN: Final = 2.0  # so wide is the shortest step
_SPACE: Final = 0.8  # between two marks
_LABEL_GAP: Final = 13.0
_TURN_TEXT_MIN: Final = 26.0
_BUCKETS: Final = 700

Kind = Literal["charge", "discharge", "rest", "other"]
"""How a step is coloured: by the way in which charge goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A step in the strip above the curves, and behind them."""

    x: float
    width: float
    kind: Kind
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A step's name, written upwards, and the line that leads from it to its mark."""

    x: float
    text: str
    lead: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One turn of a loop: a bracket in the row of its depth."""

    x: float
    width: float
    y: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One quantity. `zero` is the height of its zero, where that lies within."""

    name: str
    top: float
    bottom: float
    ticks: Sequence[Tick]
    zero: float | None
    lines: Sequence[tuple[str, str]]  # (class, points)


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionChart:
    """All of it. `labels_left_out`: so many executed steps have a mark, but no label."""

    title: str
    sub: str
    x_name: str
    x_ticks: Sequence[Tick]
    marks: Sequence[Mark]
    labels: Sequence[Label]
    labels_left_out: int
    label_y: float
    turns: Sequence[Turn]
    panels: Sequence[Panel]
    strip_y: float
    strip_height: float
    top: float
    bottom: float
    left: float
    right: float
    width: int
    height: float


def prediction_chart(prediction: Prediction) -> PredictionChart:
    """Of a prediction with at least one step."""
    depth = max(len(step.turns) for step in prediction.steps)
    label_y = _TITLE + _LABELS
    turns_y = label_y + 22
    strip_y = turns_y + depth * _TURN
    top = strip_y + _STRIP + 6
    seconds, unit, step_s = _time_scale(prediction.duration_s)
    x = Axis(0.0, prediction.duration_s or 1.0, _LEFT, _RIGHT, ())
    panels = list(_panels(prediction, x, top))
    bottom = panels[-1].bottom
    labelled = _labelled(prediction.steps)
    return PredictionChart(
        title=f"{prediction.recipe} {prediction.version}",
        sub=_sub(prediction),
        x_name=f"time in {unit}",
        x_ticks=[Tick(at=x(at_s), text=f"{at_s / seconds:g}") for at_s in _multiples(step_s, prediction.duration_s)],
        marks=[_mark(step, x) for step in prediction.steps],
        labels=_labels(labelled, x, label_y, turns_y),
        labels_left_out=len(prediction.steps) - len(labelled),
        label_y=label_y,
        turns=list(_turns(prediction.steps, x, turns_y)),
        panels=panels,
        strip_y=strip_y,
        strip_height=_STRIP,
        top=top,
        bottom=bottom,
        left=_LEFT,
        right=_RIGHT,
        width=WIDTH,
        height=bottom + _BOTTOM,
    )


def clock(seconds: float) -> str:
    """`10 s`, `3 min 20 s`, `47 h 55 min`: in the two units that say most."""
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    whole, names = divmod(round(seconds), 60), ("min", "s")
    if whole[0] >= 60:
        whole, names = divmod(round(seconds / 60), 60), ("h", "min")
    return " ".join(f"{number} {name}" for number, name in zip(whole, names, strict=True) if number)


def _sub(prediction: Prediction) -> str:
    totals = prediction.totals
    return (
        f"predicted for {prediction.cell_type} ({prediction.rated_capacity_ah:g} Ah) from {prediction.start}:"
        f" {clock(prediction.duration_s)},"
        f" in {totals['charged_ah']:.3g} Ah and {totals['charged_wh']:.3g} Wh,"
        f" out {totals['discharged_ah']:.3g} Ah and {totals['discharged_wh']:.3g} Wh"
    )


def _kind(step: PredictedStep) -> Kind:
    moved = step.result.moved
    if step.result.step_type in {"rest", "ocv"}:
        return "rest"
    if step.result.step_type == "contact" or moved.charged_nas == moved.discharged_nas:
        return "other"
    return "charge" if moved.charged_nas > moved.discharged_nas else "discharge"


def _mark(step: PredictedStep, x: Axis) -> Mark:
    end = x(step.result.started_s + step.result.duration_s)
    start = min(x(step.result.started_s), _RIGHT - _MARK_MIN)
    turn = f", turn {step.turn}" if step.turns else ""
    return Mark(
        x=start,
        width=max(end - start - _SPACE, _MARK_MIN),
        kind=_kind(step),
        title=f"{step.name}{turn}: {clock(step.result.duration_s)}, {step.ended_by}",
    )


def _labelled(steps: Sequence[PredictedStep]) -> Sequence[PredictedStep]:
    """All, where there is room; else each step of the recipe the first time, and of those as many as there is room."""
    room = int((_RIGHT - _LEFT) / _LABEL_GAP)
    if len(steps) <= room // 2:
        return steps
    first = list({step.path: step for step in reversed(steps)}.values())[::-1]
    return first[:: ceil(len(first) / room)]


def _labels(steps: Sequence[PredictedStep], x: Axis, label_y: float, mark_y: float) -> list[Label]:
    at = [x(step.result.started_s) + _MARK_MIN / 2 for step in steps]
    placed = apart([each + 4 for each in at], _RIGHT, _LABEL_GAP)
    return [
        Label(
            x=there,
            text=step.name,
            lead=f"{there - 4:.1f},{label_y + 4:.1f} {there - 4:.1f},{label_y + 8:.1f} {here:.1f},{mark_y - 4:.1f}"
            f" {here:.1f},{mark_y:.1f}",
        )
        for step, here, there in zip(steps, at, placed, strict=True)
    ]


def _turns(steps: Sequence[PredictedStep], x: Axis, y: float) -> Iterator[Turn]:
    for depth in range(1, max(len(step.turns) for step in steps) + 1):
        for (turns, _), group in groupby(steps, key=partial(_loop_turn, depth=depth)):
            if len(turns) < depth:
                continue
            of_turn = list(group)
            start = x(of_turn[0].result.started_s)
            end = x(of_turn[-1].result.started_s + of_turn[-1].result.duration_s)
            turn, times = turns[-1]
            width = max(end - start - 1, 1.0)
            text = f"turn {turn} of {times}" if width > 3 * _TURN_TEXT_MIN else str(turn)
            yield Turn(x=start, width=width, y=y + (depth - 1) * _TURN, text=text if width >= _TURN_TEXT_MIN else "")


def _loop_turn(step: PredictedStep, *, depth: int) -> tuple[tuple[tuple[int, int], ...], list[str]]:
    """Which turn of which loops it is in, so deep."""
    return step.turns[:depth], step.path.split(".")[:depth]


def _panels(prediction: Prediction, x: Axis, top: float) -> Iterator[Panel]:
    samples = prediction.samples
    rated_a = f"current in A, 1C is {prediction.rated_capacity_ah:g} A; positive charges"
    air = [] if prediction.air_degc is None else [("air", prediction.air_degc)]
    for name, height, traces in (
        ("voltage in V", 220, [("voltage", samples.voltage_v)]),
        (rated_a, 150, [("current", samples.current_a)]),
        ("temperature in °C" + (" (dashed: the air)" if air else ""), 100, [*air, ("cell", samples.temperature_degc)]),
    ):
        drawn = [
            (kind, *thinned(samples.elapsed_s, values, buckets=_BUCKETS, equal_width=True)) for kind, values in traces
        ]
        drawn = [trace for trace in drawn if trace[1]]
        if not drawn:
            continue
        upper, lower = round(top + 18), round(top + 18 + height)
        values = [value for _, _, ys in drawn for value in ys]
        if name.startswith("temperature"):  # a still air is no cliff
            values += [min(values) - 0.5, max(values) + 0.5]
        y = Axis.over(values, lower, upper)
        yield Panel(
            name=name,
            top=upper,
            bottom=lower,
            ticks=y.ticks,
            zero=y(0.0) if y.low < 0 < y.high else None,
            lines=[(kind, points(x, y, xs, ys)) for kind, xs, ys in drawn],
        )
        top = lower + _GAP - 18


_SECONDS: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""Steps that a clock has; days go on in 1, 2 and 5."""


def _time_scale(duration_s: float) -> tuple[int, str, float]:
    """The seconds of a unit, its name, and the seconds between marks: some ten of them."""
    at_least = duration_s / 14
    step_s = next((float(step) for step in _SECONDS if step >= at_least), 0.0)
    if not step_s:
        decade = 86400 * 10 ** floor(log10(at_least / 86400))
        step_s = next(factor * decade for factor in (1, 2, 5, 10) if factor * decade >= at_least)
    for seconds, unit, most in ((1, "s", 300), (60, "min", 3 * 3600), (3600, "h", 7 * 86400)):
        if duration_s <= most:
            return seconds, unit, step_s
    return 86400, "d", step_s


def _multiples(step_s: float, last_s: float) -> Iterator[float]:
    for count in range(floor(last_s / step_s + 1e-9) + 1):
        yield count * step_s
