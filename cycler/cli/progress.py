"""A line a bay while a run goes on: a bar on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from cycler.service.progress import BayProgress

PLAIN_STEP_RATIO = 0.1
DAY_S = 86400.0  # what ends later needs its day


@contextmanager
def shown_progress(console: Console) -> Iterator[Callable[[Sequence[BayProgress]], None]]:
    """Gives the call that takes each state; messages go to stderr, so that stdout stays results only."""
    if console.is_terminal:
        with Progress(
            TextColumn("{task.fields[bay]}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:3.0f}%"),
            TextColumn("{task.fields[text]}"),
            console=console,
            expand=True,
            transient=True,
        ) as bars:
            yield _Bars(bars).show
    else:
        yield _Lines().show


class _Bars:
    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def show(self, bays: Sequence[BayProgress]) -> None:
        for bay in bays:
            if bay.bay not in self._tasks:
                self._tasks[bay.bay] = self._bars.add_task("", total=1.0, bay=bay.bay, text="")
            self._bars.update(self._tasks[bay.bay], completed=bay.ratio, text=_text(bay))


class _Lines:
    def __init__(self) -> None:
        self._shown: dict[str, float] = {}

    def show(self, bays: Sequence[BayProgress]) -> None:
        for bay in bays:
            if bay.ratio - self._shown.get(bay.bay, -1.0) >= PLAIN_STEP_RATIO:
                self._shown[bay.bay] = bay.ratio
                sys.stderr.write(f"{bay.bay}  {bay.ratio:4.0%}  {_text(bay)}\n")
                sys.stderr.flush()


def _text(bay: BayProgress) -> str:
    running = f"{bay.cells - bay.ended} of {bay.cells} run"
    eta = f"{bay.eta_utc:%H:%M}" if bay.remaining_s < DAY_S else f"{bay.eta_utc:%a %d %H:%M}"
    return f"{bay.step:<18.18}  {running:<15}  {_clock(bay.remaining_s)} left  ETA {eta}"


def _clock(seconds: float) -> str:
    """`3:05`, hours and minutes."""
    minutes = round(seconds / 60)
    return f"{minutes // 60}:{minutes % 60:02}"
