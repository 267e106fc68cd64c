"""Which steps a recipe can come to at all."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from cycler.recipe.plan import LoopEnd, LoopStart, PlanStep
from cycler.recipe.problems import Problems


def aims(step: PlanStep) -> list[int]:
    """Where its own conditions lead by `goto`, as places in the program."""
    conditions = [c for variant in step.variants for c in (*variant.until, *variant.fail)]
    return [c.outcome.goto for c in conditions if c.outcome.goto is not None]


def check_reach(program: Sequence[PlanStep | LoopStart | LoopEnd], problems: Problems) -> None:
    """Add the first of the steps that stand behind a `stop` and that no `goto` leads to."""
    reached = _reached(program)
    steps = [(index, step) for index, step in enumerate(program) if isinstance(step, PlanStep)]
    for (_, before), (index, step) in pairwise(steps):
        if index not in reached and before.stop is not None:
            problems.step = step.step_id
            problems.add(
                step.line,
                "unreachable",
                f"step {step.step_id} is never reached: step {before.step_id} stops the recipe in front of it",
                "take it out, or let a `goto` lead to it",
            )
    problems.step = None


def _reached(program: Sequence[PlanStep | LoopStart | LoopEnd]) -> set[int]:
    found: set[int] = set()
    waiting = [0]
    while waiting:
        index = waiting.pop()
        if index < len(program) and index not in found:
            found.add(index)
            waiting.extend(_ways_on(program[index], index))
    return found


def _ways_on(step: PlanStep | LoopStart | LoopEnd, index: int) -> Iterator[int]:
    if isinstance(step, LoopEnd):
        yield step.start
    elif isinstance(step, PlanStep):
        yield from aims(step)
        if step.stop is not None:
            return
    yield index + 1
