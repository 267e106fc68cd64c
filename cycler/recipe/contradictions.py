"""Conditions of a step that cannot do what they say: never true, true at once, or behind one that always comes first.

`check` judges each value by itself; here they are held against one another. Errors are certain. Warnings are about what
probably never comes: whether a charge reaches its end depends on how full the cell was.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from cycler.model.cell_type import CellType
from cycler.recipe.bounds import ABOVE, BELOW, bounds, is_bound
from cycler.recipe.plan import Comparison, Condition, PlanPhase, PlanStep, StepVariant
from cycler.recipe.problems import Problem
from cycler.recipe.units import Quantity
from cycler.recipe.words import in_words
from cycler.recipe.worst_case import Program, repetitions

FROM_ZERO = frozenset({"time", "capacity", "energy", "temperature_rise", "dv"})
"""Quantities that are 0 when a step begins. All but the temperature's rise never fall below it."""

DIFFERS_RATIO = 0.05
"""A set current is known to this: what is tested further away from it never changes its answer."""

_ENDS = frozenset({"next", "end", "goto"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """One finding. `certain`: it holds for every cell."""

    certain: bool
    problem: Problem


def contradictions(program: Program, cell_type: CellType, *, file: str) -> list[Contradiction]:
    """Of every step, each finding once, whatever turns of a loop it concerns."""
    found: list[Contradiction] = []
    for step in program:
        if isinstance(step, PlanStep):
            told: set[str] = set()
            for variant in step.variants:
                for certain, code, says, hint in _of_variant(step, variant, cell_type):
                    if says not in told:
                        told.add(says)
                        problem = Problem(
                            file=file,
                            line=step.line,
                            step=step.step_id,
                            code=code,
                            message=f"step {step.step_id} {says}",
                            hint=hint,
                        )
                        found.append(Contradiction(certain=certain, problem=problem))
    return found


_Finding = tuple[bool, str, str, str]
"""Certain; the code; the predicate that goes on from the step's name; how to mend it."""


def _of_variant(step: PlanStep, variant: StepVariant, cell_type: CellType) -> Iterator[_Finding]:
    lasts_s = _lasts_s(step, variant)
    for condition in (*variant.until, *variant.fail):
        yield from _by_itself(condition, step, variant, lasts_s)
    yield from _overtaken(variant)
    yield from _too_short(step, variant)
    if step.step_type in {"charge", "discharge"} and variant.phases:
        yield from _held_voltage(variant, variant.phases[0])
        yield from _reachable(step, variant, variant.phases[0], cell_type.rated_capacity_ah)


def _lasts_s(step: PlanStep, variant: StepVariant) -> float:
    """When this turn of the step is over, whatever else happens."""
    whole_s = _whole_s(variant) if _ends_by_itself(variant) else inf
    times_s = [c.tests[0].value + c.for_s for c in bounds(variant, "time", ABOVE)]
    return min(whole_s, step.time_s_max, *times_s, inf)


def _by_itself(condition: Condition, step: PlanStep, variant: StepVariant, lasts_s: float) -> Iterator[_Finding]:
    text = condition.text
    why = _never(condition, step, variant)
    if why:
        yield True, "never", f"tests `{text}`, which is never true: {why}", "mend it, or take it out"
        return
    starts_s = condition.window_s if condition.window in {"after", "at"} else 0.0
    if (starts_s > 0 and starts_s >= lasts_s) or starts_s + condition.for_s > lasts_s:
        over = _time(lasts_s)
        yield (
            True,
            "never",
            f"tests `{text}`, but is over after {over} at most",
            "judge it earlier or for less long, or make the step longer",
        )
    elif starts_s == 0 and condition.for_s == 0 and all(_true_at_entry(test) for test in condition.tests):
        yield (
            True, "at-once", f"tests `{text}`, which is true as soon as the step begins",
            "turn it round, or judge it `after` a while",
        )  # fmt: skip


def _never(condition: Condition, step: PlanStep, variant: StepVariant) -> str:
    """Why no reading can make it true; empty where one can."""
    tests = condition.tests
    for first in tests:
        for second in tests:
            if _same(first, second) and first.relation in ABOVE and second.relation in BELOW:
                strict = first.relation == ">" or second.relation == "<"
                if first.value > second.value or (first.value == second.value and strict):
                    return f"nothing is both {_bare(first)} and {_bare(second)}"
    if condition.window == "before":
        if condition.window_s <= 0:
            return "its window is closed when the step begins"
        for test in tests:
            if test.quantity == "time" and test.relation in ABOVE and test.value >= condition.window_s:
                return "by then its window is closed"
    if condition.window == "after":
        for test in tests:
            if test.quantity == "time" and test.relation in BELOW and test.value <= condition.window_s:
                return "its window opens later"
    for test in tests:
        if test.quantity in FROM_ZERO - {"temperature_rise"} and test.relation in BELOW and _below_zero(test):
            return f"{test.quantity} never falls below 0"
        if _is_still(variant) and test.relation in ABOVE and test.value > 0 and test.quantity in _MOVING:
            return "nothing flows in it"
        if (
            condition in variant.until  # in `fail` it guards against a channel that does not do as it is told
            and step.step_type in {"charge", "discharge"}
            and (current_a := _constant_a(variant)) is not None
            and test.quantity == "current"
            and test.relation in ABOVE
            and test.value > current_a * (1 + DIFFERS_RATIO)
        ):
            return f"its current is {in_words(current_a, 'A')}"
    return ""


_MOVING = frozenset({"capacity", "energy", "current", "power"})


def _true_at_entry(test: Comparison) -> bool:
    if test.quantity not in FROM_ZERO or test.of_tag is not None:
        return False
    return test.value > 0 if test.relation == "<" else test.value >= 0 if test.relation == "<=" else _above(test)


def _above(test: Comparison) -> bool:
    return test.value < 0 or (test.value == 0 and test.relation == ">=")


def _below_zero(test: Comparison) -> bool:
    return test.value < 0 or (test.value == 0 and test.relation == "<")


def _is_still(variant: StepVariant) -> bool:
    return bool(variant.phases) and all(phase.direction == "rest" for phase in variant.different)


def _constant_a(variant: StepVariant) -> float | None:
    """Of a step that does nothing but hold one current."""
    if len(variant.phases) != 1:
        return None
    (phase,) = variant.phases
    if phase.holds_voltage or phase.power_w is not None or phase.resistance_ohm is not None:
        return None
    return phase.current_a


def _overtaken(variant: StepVariant) -> Iterator[_Finding]:
    """Ends in `until` that a `fail` always comes before: for the same value `fail` is judged first."""
    ends = [condition for condition in variant.until if condition.outcome.kind in _ENDS]
    behind: list[tuple[Condition, Condition]] = []
    for end in ends:
        fail = next((fail for fail in variant.fail if _comes_first(fail, end)), None)
        if fail is not None:
            behind.append((end, fail))
    only = len(behind) == len(ends) and not any(c.outcome.kind in _ENDS for c in variant.fail)
    for end, fail in behind:
        goes_on = ": it could only fail" if only and not _ends_by_itself(variant) else ""
        yield (
            True, "overtaken", f"ends by `{end.text}`, but `{fail.text}` always comes first{goes_on}",
            "let the fail lie beyond the end",
        )  # fmt: skip


def _ends_by_itself(variant: StepVariant) -> bool:
    """A rest or pulse that is over after its time."""
    return bool(variant.phases) and all(phase.duration_s is not None and not phase.held for phase in variant.different)


def _whole_s(variant: StepVariant) -> float:
    """All its phases together."""
    return repetitions(variant) * sum(phase.duration_s or 0.0 for phase in variant.different)


def _comes_first(fail: Condition, end: Condition) -> bool:
    """Whether the bound is met, for as long as it asks for, whenever the end is."""
    if not is_bound(fail) or fail.outcome.kind in {"next", "goto"} or end.window == "before":
        return False
    bound = fail.tests[0]
    if (fail.for_s, fail.samples) > (end.for_s, end.samples):
        return False
    return any(_implies(test, bound) for test in end.tests)


def _implies(test: Comparison, bound: Comparison) -> bool:
    """Whatever makes the test true makes the bound true."""
    if not _same(test, bound):
        return False
    if test.relation in ABOVE and bound.relation in ABOVE:
        return test.value > bound.value or (
            test.value == bound.value and not (test.relation == ">=" and bound.relation == ">")
        )
    if test.relation in BELOW and bound.relation in BELOW:
        return test.value < bound.value or (
            test.value == bound.value and not (test.relation == "<=" and bound.relation == "<")
        )
    return False


def _same(one: Comparison, other: Comparison) -> bool:
    return (one.quantity, one.of_tag, one.variable) == (other.quantity, other.of_tag, other.variable)


def _too_short(step: PlanStep, variant: StepVariant) -> Iterator[_Finding]:
    """A rest or pulse whose own time goes beyond one of its fails."""
    if not _ends_by_itself(variant):
        return
    whole_s = _whole_s(variant)
    for fail in variant.fail:
        test = fail.tests[0]
        is_time = is_bound(fail) and test.quantity == "time" and test.relation in ABOVE
        if is_time and test.value + fail.for_s < whole_s:
            yield (
                True, "overtaken", f"lasts {_time(whole_s)}, but `{fail.text}` always comes first",
                "let the fail lie beyond its time",
            )  # fmt: skip


def _held_voltage(variant: StepVariant, phase: PlanPhase) -> Iterator[_Finding]:
    """A voltage that is to be held, and bounds on the way to it."""
    if not phase.holds_voltage:
        return
    at = Quantity(phase.voltage_v, "V")
    ways = ABOVE if phase.direction == "charge" else BELOW
    charging = phase.direction == "charge"
    for condition in (*variant.until, *variant.fail):
        for test in condition.tests:
            if test.quantity != "voltage" or test.relation not in ways:
                continue
            short = test.value < phase.voltage_v if charging else test.value > phase.voltage_v
            if short and is_bound(condition):
                yield (
                    True, "overtaken", f"is to hold {at}, but `{condition.text}` always comes first",
                    "leave `voltage` out to end a CC there, or let the bound lie beyond it",
                )  # fmt: skip
            elif not short and test.value != phase.voltage_v and condition in variant.until:
                yield (
                    True, "never", f"ends by `{condition.text}`, which it never gets to: it holds {at}",
                    "end it by its current, or leave `voltage` out",
                )  # fmt: skip


def _reachable(step: PlanStep, variant: StepVariant, phase: PlanPhase, rated_ah: float) -> Iterator[_Finding]:
    """Ends that the step's own current cannot reach within its bound in time: certain where no other leads on."""
    lasts_s = _lasts_s(step, variant)
    if phase.power_w is not None or phase.resistance_ohm is not None or not phase.current_a or lasts_s == inf:
        return
    moved_ah = phase.current_a * lasts_s / 3600
    ends = [condition for condition in variant.until if condition.outcome.kind in _ENDS]
    beyond = [(end, test) for end in ends for test in end.tests if _is_beyond(test, moved_ah)]
    only = {end for end, _ in beyond} == set(ends) and not any(c.outcome.kind in _ENDS for c in variant.fail)
    for end, test in beyond:
        needs = _time(test.value / phase.current_a * 3600)
        yield (
            only, "unreachable",
            f"ends by `{end.text}`, for which its current needs {needs}, but is over after {_time(lasts_s)}",
            "give it more time, or a higher current",
        )  # fmt: skip
    electrical = [end for end in ends if all(test.quantity in {"voltage", "current"} for test in end.tests)]
    if electrical and len(electrical) == len(ends) and moved_ah < rated_ah:
        yield (
            False, "unreachable",
            f"may never get to `{electrical[0].text}`: within {_time(lasts_s)} its current moves"
            f" {moved_ah / rated_ah:.0%} of the rated capacity",
            "give it more time, unless its cells never come empty" if phase.direction == "charge"
            else "give it more time, unless its cells never come full",
        )  # fmt: skip


def _is_beyond(test: Comparison, moved_ah: float) -> bool:
    """More charge than the step can move."""
    return test.quantity == "capacity" and test.relation in ABOVE and test.of_tag is None and test.value > moved_ah


def _bare(test: Comparison) -> str:
    return f"{test.relation} {test.value:g}"


def _time(time_s: float) -> str:
    return in_words(time_s, "s")
