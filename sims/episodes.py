"""When something that is declared to go wrong does so, and for how long."""

from collections.abc import Callable, Iterator
from math import inf

import numpy as np

from sims.loop import VirtualLoop

EPISODE_S = 60.0  # how long what recurs stays each time, where nothing else is declared


def episodes(
    *, from_s: float, for_s: float | None, rate_per_s: float, random: np.random.Generator
) -> Iterator[tuple[float, float]]:
    """Beginning and end of each. Without a rate there is one; with a rate they recur for ever, at random."""
    if rate_per_s == 0:
        yield from_s, inf if for_s is None else from_s + for_s
        return
    end_s = from_s
    while True:
        begin_s = end_s + random.exponential(1 / rate_per_s)
        end_s = begin_s + (EPISODE_S if for_s is None else for_s)
        yield begin_s, end_s


def follow(loop: VirtualLoop, course: Iterator[tuple[float, float]], change: Callable[[bool], None]) -> None:
    """`change(True)` at each beginning, `change(False)` at each end; at once for a beginning that has passed."""
    begin_s, end_s = next(course, (inf, inf))

    def begin() -> None:
        change(True)
        if end_s < inf:
            loop.call_at(end_s, end)

    def end() -> None:
        change(False)
        follow(loop, course, change)

    if begin_s <= loop.time():
        begin()
    elif begin_s < inf:
        loop.call_at(begin_s, begin)
