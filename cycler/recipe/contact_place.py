"""Whether a contact check meets cells at rest: after a current they still relax, and that looks like an answer."""

from collections.abc import Sequence

from cycler.recipe.bounds import ABOVE
from cycler.recipe.plan import LoopEnd, LoopStart, PlanStep, StepVariant
from cycler.recipe.problems import Problems
from cycler.recipe.reach import aims

RELAXED_S = 600.0
"""By then a cell moves by less in a minute than the check's micro-charge moves it."""


def check_contact_places(program: Sequence[PlanStep | LoopStart | LoopEnd], problems: Problems) -> None:
    """Add every contact check to which a current may lead without a long rest in between."""
    for index, is_at_rest in _at_rest(program).items():
        step = program[index]
        if isinstance(step, PlanStep) and step.contact is not None and not is_at_rest:
            problems.step = step.step_id
            problems.add(
                step.line,
                "contact-place",
                f"step {step.step_id} would check contacts while cells still relax from a current",
                f"check before any current, or rest for {RELAXED_S / 60:g} min right before it",
            )
    problems.step = None


def _at_rest(program: Sequence[PlanStep | LoopStart | LoopEnd]) -> dict[int, bool]:
    """Of every instruction that is ever reached: whether all ways there leave the cell at rest. None has begun yet."""
    found = dict.fromkeys(range(min(len(program), 1)), True)
    waiting = list(found)
    while waiting:
        index = waiting.pop()
        for following, is_at_rest in _ways_on(program, index, is_at_rest=found[index]):
            known = found.get(following)
            if following < len(program) and known is not False and known != is_at_rest:
                found[following] = is_at_rest
                waiting.append(following)
    return found


def _ways_on(
    program: Sequence[PlanStep | LoopStart | LoopEnd], index: int, *, is_at_rest: bool
) -> list[tuple[int, bool]]:
    """Where it goes on, and whether the cell is at rest then."""
    step = program[index]
    if isinstance(step, LoopEnd):
        return [(step.start, is_at_rest), (index + 1, is_at_rest)]
    if isinstance(step, LoopStart):
        return [(index + 1, is_at_rest)]
    if step.stop is not None:
        return []
    if step.contact is None and any(phase.direction != "rest" for v in step.variants for phase in v.phases):
        is_at_rest = False
    rests_s = min(_rest_s(variant) for variant in step.variants)
    if step.soak is not None:
        rests_s = step.soak.hold_s
    return [(index + 1, is_at_rest or rests_s >= RELAXED_S), *((target, is_at_rest) for target in aims(step))]


def _rest_s(variant: StepVariant) -> float:
    """How long the relay is open at least, 0 where it is closed at all."""
    if any(phase.direction != "rest" for phase in variant.phases):
        return 0.0
    ends_s = [
        max((test.value for test in condition.tests if test.quantity == "time" and test.relation in ABOVE), default=0.0)
        for condition in variant.until
    ]
    durations_s = [phase.duration_s for phase in variant.phases if phase.duration_s is not None]
    if len(durations_s) == len(variant.phases):
        ends_s.append(sum(durations_s))
    return min(ends_s, default=0.0)
