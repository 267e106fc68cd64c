"""The sequences that the instrument holds, by number; each a step by number, from 1 on."""

from collections.abc import Callable, Collection
from dataclasses import replace

from sims.wire.keysight_bt2200.cells import CONFLICT, OUT_OF_RANGE, Refused
from sims.wire.keysight_bt2200.programs import Step, Test

SEQUENCES_MAX = 255


class Sequences:
    """`runs` says whether a sequence does: then it cannot be changed. All calls raise `Refused`."""

    def __init__(self, runs: Callable[[int], bool]) -> None:
        self.steps: dict[int, dict[int, Step]] = {}
        self._runs = runs

    def define_step(self, sequence: int, number: int, step: Step) -> None:
        """A step defined anew has no tests."""
        if not 1 <= sequence <= SEQUENCES_MAX or number < 1:
            raise Refused(OUT_OF_RANGE)
        self._refuse_running(sequence)
        self.steps.setdefault(sequence, {})[number] = step

    def define_test(self, sequence: int, number: int, test: Test) -> None:
        """The step must be there."""
        step = self.step(sequence, number)
        self._refuse_running(sequence)
        self.steps[sequence][number] = replace(step, tests={**step.tests, test.number: test})

    def step(self, sequence: int, number: int) -> Step:
        """As defined."""
        if number not in self.steps.get(sequence, {}):
            raise Refused(CONFLICT)
        return self.steps[sequence][number]

    def whole(self, sequence: int) -> tuple[Step, ...]:
        """All its steps. None may be missing in between."""
        steps = self.steps.get(sequence, {})
        if not steps or sorted(steps) != list(range(1, len(steps) + 1)):
            raise Refused(CONFLICT)
        return tuple(steps[number] for number in sorted(steps))

    def clear(self, numbers: Collection[int]) -> None:
        """Those that are there."""
        for number in numbers:
            if number not in self.steps:
                raise Refused(CONFLICT)
            self._refuse_running(number)
        for number in numbers:
            del self.steps[number]

    def _refuse_running(self, sequence: int) -> None:
        if self._runs(sequence):
            raise Refused(CONFLICT)
