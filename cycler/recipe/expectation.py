"""How long a recipe will probably take: for a progress line, never for a decision."""

from collections.abc import Sequence

from cycler.recipe.plan import Condition, LoopEnd, LoopStart, Plan, PlanStep, StepVariant

FULL_RATIO = 1.1  # of rated: what a charge or discharge with an electrical end moves, its taper included
TURNS_COUNTED = 1000  # the expectation of longer loops is scaled from these


def expected_time_s(plan: Plan) -> float:
    """The sum over all steps and turns. A step with an end in time or charge takes that; others move a full cell."""
    return _expected(plan, 0, len(plan.program), turn=0)


def expected_after_s(plan: Plan, index: int, turns: Sequence[tuple[int, int]]) -> float:
    """What comes after the step at `index`; `turns` are (start, turn) of the loops around it, outermost first."""
    total_s, place = 0.0, index + 1
    for start, turn in reversed(turns):
        loop = plan.program[start]
        assert isinstance(loop, LoopStart)  # noqa: S101 (a turn is a loop's)
        body_s = _expected(plan, start + 1, loop.end, turn=turn)
        total_s += _expected(plan, place, loop.end, turn=turn) + body_s * (loop.times - 1 - turn)
        place = loop.end + 1
    return total_s + _expected(plan, place, len(plan.program), turn=0)


def expected_step_s(plan: Plan, index: int, turn: int) -> float:
    """One step by itself."""
    step = plan.program[index]
    return _step_s(step, plan.cell_type.rated_capacity_ah, turn) if isinstance(step, PlanStep) else 0.0


def _expected(plan: Plan, start: int, end: int, *, turn: int) -> float:
    total_s, index = 0.0, start
    while index < end:
        instruction = plan.program[index]
        if isinstance(instruction, LoopStart):
            counted = min(instruction.times, TURNS_COUNTED)
            body_s = sum(_expected(plan, index + 1, instruction.end, turn=number) for number in range(counted))
            total_s += body_s * instruction.times / counted
            index = instruction.end
        elif not isinstance(instruction, LoopEnd):
            total_s += _step_s(instruction, plan.cell_type.rated_capacity_ah, turn)
        index += 1
    return total_s


def _step_s(step: PlanStep, rated_ah: float, turn: int) -> float:
    if step.soak is not None:
        return step.soak.hold_s
    if step.hold is not None:
        return 0.0  # nobody knows
    variant = step.variants[turn % len(step.variants)]
    phases_s = variant.phases_s
    ends_s = [_end_s(condition, variant) for condition in variant.until]
    timed_s = [end_s for end_s in ends_s if end_s is not None]
    if timed_s:
        return min(timed_s)
    if phases_s or step.chamber is not None or step.meter is not None:
        return phases_s
    current_a = variant.phases[-1].current_a
    return min(step.time_s_max, rated_ah * FULL_RATIO / current_a * 3600 if current_a else step.time_s_max)


def _end_s(condition: Condition, variant: StepVariant) -> float | None:
    """When a bare end in time or charge comes; None for others."""
    test = condition.tests[0]
    if len(condition.tests) > 1 or test.of_tag is not None or test.relation not in {">", ">="}:
        return None
    if test.quantity == "time":
        return test.value
    current_a = variant.phases[-1].current_a
    return test.value / current_a * 3600 if test.quantity == "capacity" and current_a else None
