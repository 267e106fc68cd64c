"""What all charts are drawn with: axes with round marks, lines thinned for the eye, labels that keep apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor, log10

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A mark on an axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Axis:
    """From data units to pixels: `low` lies at `start`, `high` at `end`."""

    low: float
    high: float
    start: int
    end: int
    ticks: tuple[Tick, ...]

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    @classmethod
    def over(cls, values: Sequence[float], start: int, end: int) -> "Axis":
        """Round bounds around the values, with four to eight marks."""
        lowest, highest = min(values), max(values)
        span = (highest - lowest) or abs(highest) or 1.0
        step = _round_step(span / 5)
        low, high = floor(lowest / step + 1e-9) * step, ceil(highest / step - 1e-9) * step
        high = high if high > low else low + step
        digits = max(0, -floor(log10(step) + 1e-9))
        bare = cls(low, high, start, end, ())
        marks = (low + count * step for count in range(round((high - low) / step) + 1))
        return cls(low, high, start, end, tuple(Tick(at=bare(mark), text=f"{mark:.{digits}f}") for mark in marks))


def points(x: Axis, y: Axis, xs: Sequence[float], ys: Sequence[float]) -> str:
    """As an SVG polyline takes them."""
    return " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in zip(xs, ys, strict=True))


def thinned(
    x: ArrayLike, y: ArrayLike, *, buckets: int = 150, equal_width: bool = False
) -> tuple[list[float], list[float]]:
    """First, last, lowest and highest of each bucket, so that no edge and no spike is lost. NaN is left out.

    The buckets have equally many points, or, of an x that never falls, the same width.
    """
    xs, ys = np.asarray(x, float), np.asarray(y, float)
    known = ~(np.isnan(xs) | np.isnan(ys))
    xs, ys = xs[known], ys[known]
    keep: set[int] = set()
    rows = np.arange(len(xs))
    if equal_width and len(xs):
        groups = np.split(rows, np.searchsorted(xs, np.linspace(xs[0], xs[-1], buckets + 1)[1:-1]))
    else:
        groups = np.array_split(rows, min(buckets, len(xs)) or 1)
    for bucket in groups:
        if len(bucket):
            part = ys[bucket]
            keep |= {int(bucket[0]), int(bucket[-1]), int(bucket[part.argmin()]), int(bucket[part.argmax()])}
    kept = sorted(keep)
    return xs[kept].tolist(), ys[kept].tolist()


def apart(heights: Sequence[float], lowest: float, gap: float = 13.0) -> list[float]:
    """The same heights, moved so that labels lie neither on each other nor below `lowest`, in the same order."""
    order = sorted(range(len(heights)), key=heights.__getitem__)
    moved = list(heights)
    for above, below in pairwise(order):
        moved[below] = max(moved[below], moved[above] + gap)
    bound = lowest
    for index in reversed(order):
        moved[index] = min(moved[index], bound)
        bound = moved[index] - gap
    return moved


def _round_step(at_least: float) -> float:
    decade = 10.0 ** floor(log10(at_least))
    return next(factor * decade for factor in (1, 2, 5, 10) if factor * decade >= at_least * (1 - 1e-9))
