"""What the instrument is told to do with a cell: sequences of steps, and the tests that watch over each step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sims.terminal import Column

Mode = Literal["REST", "PRECHARGE", "PRECHARGE2", "CHARGE", "DISCHARGE"]
When = Literal["BEFORE", "AFTER", "AT", "BEFORE_START"]
Action = Literal["NEXT", "FAIL"]

QUANTITIES = ("VOLT", "CURR", "POWER", "AMPH", "WATTH")
"""What a test may look at, in the order of the rows that `Judge.judge` is given: V, A, W, Ah, Wh."""

NOT_JUDGED = ("POS_DVDT", "NEG_DVDT", "POS_DIDT", "NEG_DIDT", "DVMAX", "DVMIN", "DIMAX", "DIMIN")
"""Taken and kept, but without effect: no document at hand says what they compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """`kind` is as on the wire, `VOLT_GE`."""

    __test__ = False  # pytest would take it for a class of tests

    number: int
    kind: str
    value: float
    when: When
    time_s: float
    action: Action

    def window_s(self, look_every_s: float) -> tuple[float, float]:
        """From when to when in the step it is judged."""
        match self.when:
            case "BEFORE":
                return -np.inf, self.time_s
            case "AFTER":
                return self.time_s, np.inf
            case "AT":  # at the first look from then on
                return self.time_s, self.time_s + look_every_s
            case "BEFORE_START":  # at the first look at all
                return -np.inf, look_every_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One mode for a time; the sequence goes on to the next step when it is over."""

    mode: Mode
    duration_s: float
    current_a: float = 0.0
    voltage_v: float = 0.0
    tests: Mapping[int, Test] = field(default_factory=dict)

    @property
    def energises(self) -> bool:
        """Whether current is meant to flow."""
        return self.mode != "REST"


@dataclass(frozen=True, slots=True)
class Watched:
    """A step that runs on a row since then."""

    row: int
    step: Step
    since_s: float


@dataclass(frozen=True, slots=True)
class Fired:
    """A test came true, at this measured value."""

    row: int
    test: Test
    measured: float


class Judge:
    """The tests of all running steps side by side, so that judging hundreds of cells costs a few comparisons."""

    def __init__(self, watched: Sequence[Watched], *, look_every_s: float) -> None:
        tests = [
            (which, test)
            for which in watched
            for _, test in sorted(which.step.tests.items())
            if test.kind.rpartition("_")[0] in QUANTITIES
        ]
        self._tests = tests
        self._rows = np.array([which.row for which, _ in tests], np.intp)
        self._quantities = np.array([QUANTITIES.index(t.kind.rpartition("_")[0]) for _, t in tests], np.intp)
        self._signs = np.array([1.0 if test.kind.endswith("_GE") else -1.0 for _, test in tests])
        self._bounds = self._signs * np.array([test.value for _, test in tests])
        windows = [test.window_s(look_every_s) for _, test in tests]
        self._from_s = np.array([which.since_s + low for (which, _), (low, _) in zip(tests, windows, strict=True)])
        self._until_s = np.array([which.since_s + high for (which, _), (_, high) in zip(tests, windows, strict=True)])

    def judge(self, quantities: Column, now_s: float) -> list[Fired]:
        """Of each row the first test that is true: FAIL before NEXT, then by its number."""
        if not self._tests:
            return []
        measured = quantities[self._quantities, self._rows]
        true: NDArray[np.bool_] = self._signs * measured >= self._bounds
        true &= (self._from_s <= now_s) & (now_s < self._until_s)
        if not np.count_nonzero(true):
            return []
        found: dict[int, Fired] = {}
        for at in true.nonzero()[0].tolist():
            which, test = self._tests[at]
            first = found.get(which.row)
            if first is None or (first.test.action == "NEXT" and test.action == "FAIL"):
                found[which.row] = Fired(which.row, test, float(measured[at]))
        return list(found.values())
