"""The geometry of the report's charts; the template draws it. Everything is in pixels of the chart's own box."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from cycler.results.drawing import Axis, Tick, apart, points

WIDTH: Final = 520
HEIGHT: Final = 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 62, 12, 42
_DOT = 6
_LABEL = 50
_STACK_MAX = 110
_LABELS_MAX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """What the cells that passed span, in data units, with their median."""

    x: Sequence[float]
    low: Sequence[float]
    median: Sequence[float]
    high: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One cell's curve in data units. `style` is None for a cell that passed, else counts the highlighted ones."""

    x: Sequence[float]
    y: Sequence[float]
    label: str
    style: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A line ready to draw, with its name at its end."""

    points: str
    label: str
    label_x: float
    label_y: float
    style: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LineChart:
    """Curves over each other; those that are highlighted come last, on top. `area` and `middle` are of a `Band`."""

    title: str
    area: str = ""
    middle: str = ""
    x_name: str
    y_name: str
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    traces: Sequence[Trace]
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A cell in a strip."""

    x: float
    y: float
    verdict: str
    label: str
    label_y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """A metric of the whole lot: a dot a cell, stacked where they crowd, between its limits."""

    title: str
    x_name: str
    ticks: Sequence[Tick]
    dots: Sequence[Dot]
    low: Tick | None
    high: Tick | None
    left: int
    right: int
    top: int
    bottom: int
    width: int
    height: int


def line_chart(
    title: str, x_name: str, y_name: str, lines: Sequence[Line], *, band: Band | None = None
) -> LineChart | None:
    """None where there is nothing to draw. Only so many of the highlighted lines carry their label."""
    lines = [line for line in lines if line.x]
    if not lines and band is None:
        return None
    spans = [] if band is None else [(band.x, band.low), (band.x, band.high)]
    spans += [(line.x, line.y) for line in lines]
    x = Axis.over([value for xs, _ in spans for value in xs], _LEFT, WIDTH - _RIGHT)
    y = Axis.over([value for _, ys in spans for value in ys], HEIGHT - _BOTTOM, _TOP)
    ordered = sorted(lines, key=lambda line: (line.style is not None, line.style or 0))
    named = [line for line in ordered if line.style is not None and line.label][:_LABELS_MAX]
    heights = dict(zip(map(id, named), apart([y(line.y[-1]) for line in named], HEIGHT - _BOTTOM), strict=True))
    return LineChart(
        title=title,
        x_name=x_name,
        y_name=y_name,
        x_ticks=x.ticks,
        y_ticks=y.ticks,
        area="" if band is None else points(x, y, [*band.x, *reversed(band.x)], [*band.low, *reversed(band.high)]),
        middle="" if band is None else points(x, y, band.x, band.median),
        traces=[
            Trace(
                points=points(x, y, line.x, line.y),
                label=line.label if line.style is None or id(line) in heights else "",
                label_x=x(line.x[-1]) + 6,
                label_y=heights.get(id(line), y(line.y[-1])),
                style=line.style,
            )
            for line in ordered
        ],
    )


def strip(
    title: str,
    x_name: str,
    cells: Sequence[tuple[float, str, str]],
    *,
    low: float | None,
    high: float | None,
    digits: int,
) -> Strip | None:
    """Of (value, verdict, label); those that did not pass carry their label. None without a value."""
    if not cells:
        return None
    limits = [limit for limit in (low, high) if limit is not None]
    axis = Axis.over([value for value, _, _ in cells] + limits, _LEFT, WIDTH - _RIGHT)
    pitch = 2 * _DOT + 2
    stacks: dict[int, int] = {}
    placed = []
    for value, verdict, label in sorted(cells, key=lambda cell: (cell[1] != "pass", cell[0])):
        column = round(axis(value) / pitch)
        stacks[column] = stacks.get(column, 0) + 1
        placed.append((axis(value), stacks[column], verdict, "" if verdict == "pass" else label))
    tallest = max(*stacks.values(), 4)
    rise = min(pitch, _STACK_MAX / tallest)  # in a large lot the marks overlap
    top, bottom = 52, round(52 + tallest * rise)
    wanted = [label for _, _, _, label in placed if label]
    if len(wanted) > _LABELS_MAX:  # then only those that this metric speaks against
        bounds = (-inf if low is None else low, inf if high is None else high)
        wanted = [label for value, _, label in cells if not bounds[0] <= value <= bounds[1]][:_LABELS_MAX]
    dots: list[Dot] = []
    for x, level, verdict, label in placed:
        label_y = bottom - _DOT - 12 - rise * (stacks[round(x / pitch)] - 1)
        name = label if label in wanted else ""
        near = sorted((dot.label_y for dot in dots if dot.label and abs(x - dot.x) < _LABEL), reverse=True)
        for taken_y in near if name else ():
            label_y = taken_y - 13 if abs(taken_y - label_y) < 13 else label_y
        dots.append(Dot(x=x, y=bottom - _DOT - 1 - rise * (level - 1), verdict=verdict, label=name, label_y=label_y))
    return Strip(
        title=title,
        x_name=x_name,
        ticks=axis.ticks,
        dots=dots,
        low=None if low is None else Tick(at=axis(low), text=f"at least {low:.{digits}f}"),
        high=None if high is None else Tick(at=axis(high), text=f"at most {high:.{digits}f}"),
        left=_LEFT,
        right=WIDTH - _RIGHT,
        top=top,
        bottom=bottom,
        width=WIDTH,
        height=bottom + _BOTTOM,
    )
