"""Whether a change to a recipe lets a cell take more, or watches it less. What cannot be told counts as if it did."""

from collections.abc import Sequence
from dataclasses import dataclass

from cycler.recipe.condition import RecipeCondition, RecipeTest
from cycler.recipe.model import Step, step_word
from cycler.recipe.units import Quantity

UPPER_BOUNDS = frozenset(
    {"voltage", "power", "time", "total_time", "capacity", "energy", "temperature", "temperature_rise", "dv"}
)
"""What a step must not have too much of: an end by more of one of these lets the cell take more."""

CALM = frozenset({"rest", "soak", "chamber", "ocv", "acir", "hold", "set", "stop", "loop"})
"""Steps in which no current flows that the recipe asks for."""

_FLOWS = frozenset({"current", "base", "power"})
_HARMLESS = frozenset(
    {
        "id",
        "tag",
        "record",
        "window",
        "message",
        "group",
        "timeout",
        "hold",
        "wait",
        "cells_within",
        "frequency",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """Turns quantities into SI numbers: the rated capacities of both versions' cell types, in Ah."""

    before: float
    after: float

    def old(self, value: Quantity) -> float:
        """Of the version before."""
        return _si(value, self.before)

    def new(self, value: Quantity) -> float:
        """Of the version after."""
        return _si(value, self.after)

    def limit_is_wider(self, key: str, one: object, other: object) -> bool:
        """Of a key in `limits`: it lets more through than it did, or is gone."""
        if one is None:
            return False
        if isinstance(one, Quantity) and isinstance(other, Quantity):
            return self.new(other) > self.old(one)
        if isinstance(one, tuple) and isinstance(other, tuple):
            return self.new(other[0]) < self.old(one[0]) or self.new(other[1]) > self.old(one[1])
        return True


def _si(value: Quantity, rated_ah: float) -> float:
    return value.number * (rated_ah if value.unit == "C" else rated_ah / 100 if value.unit == "%" else 1.0)


def value_is_riskier(step: Step, key: str, one: object, other: object, amounts: Amounts) -> bool:
    """Of a key whose value has changed, in a step of the new version."""
    word = step_word(step)
    if (
        key in _HARMLESS
        or (word, key) in {("loop", "times"), ("dcir", "values")}
        or (word in CALM and key == "time" and getattr(step, "outputs", None) is None)
    ):
        return False
    lists = _quantities(one), _quantities(other)
    if lists[0] is None or lists[1] is None:
        return True
    old, new = [amounts.old(value) for value in lists[0]], [amounts.new(value) for value in lists[1]]
    if not old and not new:
        return False
    lowers = key == "resistance" or (key == "voltage" and _direction(step) == "discharge")
    known = key in _FLOWS or key in {"voltage", "resistance"} or key.endswith("time")
    if not old or not new:
        return True
    if not known:
        return True
    if lowers:
        return any(after < before for before, after in _side_by_side(old, new))
    return any(after > before for before, after in _side_by_side(old, new))


def condition_is_riskier(
    key: str, old: RecipeCondition, new: Sequence[RecipeCondition], amounts: Amounts, *, calm: bool
) -> bool:
    """Whether what one condition of `until` or `fail` caught may now go on. `calm`: nothing flows in the step."""
    if key != "fail" and (calm or not any(_bounds(test) for test in old.tests)):
        return False
    return not any(_catches_as_much(each, old, amounts) for each in new)


def _bounds(test: RecipeTest) -> bool:
    return test.quantity == "voltage" or (test.quantity in UPPER_BOUNDS and test.relation[0] == ">")


def _catches_as_much(new: RecipeCondition, old: RecipeCondition, amounts: Amounts) -> bool:
    """Whatever made the old one true makes the new one true, at that time or before, with as safe an outcome."""
    if not all(any(_is_tighter(test, other, amounts) for other in old.tests) for test in new.tests):
        return False
    if (new.for_.number if new.for_ else 0.0) > (old.for_.number if old.for_ else 0.0):
        return False
    return _window_holds(new, old) and _outcome_is_as_safe(new, old)


def _is_tighter(new: RecipeTest, old: RecipeTest, amounts: Amounts) -> bool:
    if (new.quantity, _base(new), new.relation[0]) != (old.quantity, _base(old), old.relation[0]):
        return False
    after, before = amounts.new(new.value), amounts.old(old.value)
    return after <= before if new.relation[0] == ">" else after >= before


def _base(test: RecipeTest) -> str | None:
    """What its value is relative to; a share of the rated capacity is as good as a number, of energy it is not."""
    return None if test.of == "rated" and test.quantity == "capacity" else test.of


def _window_holds(new: RecipeCondition, old: RecipeCondition) -> bool:
    """Whether the new one is judged whenever the old one was."""
    if new.window is None:
        return True
    if new.window != old.window or new.window_time is None or old.window_time is None:
        return False
    after, before = new.window_time.number, old.window_time.number
    return {"before": after >= before, "after": after <= before, "at": after == before}[new.window]


def _outcome_is_as_safe(new: RecipeCondition, old: RecipeCondition) -> bool:
    stops = {"fail", "hold"}
    kinds = [None if each.outcome is None else each.outcome.kind for each in (new, old)]
    return kinds[0] == kinds[1] or kinds[0] in stops


def _quantities(value: object) -> list[Quantity] | None:
    """None where it is no quantity, nor some."""
    if value is None:
        return []
    if isinstance(value, Quantity):
        return [value]
    if isinstance(value, tuple) and all(isinstance(each, Quantity) for each in value):
        return list(value)
    return None


def _side_by_side(old: Sequence[float], new: Sequence[float]) -> list[tuple[float, float]]:
    """Turn by turn; where the turns are others, the highest of each and the lowest of each."""
    if len(old) == len(new):
        return list(zip(old, new, strict=True))
    if len(old) == 1:
        return [(old[0], each) for each in new]
    return [(max(old), max(new)), (min(old), min(new))]


def _direction(step: Step) -> str:
    return getattr(step, "direction", None) or step_word(step)
