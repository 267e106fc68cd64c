"""How two versions of a recipe differ in what they mean, in words: not in how they are written.

What lets a cell take more, or watches it less, is marked as touching safety, and so is whatever nobody can prove does
not. Values are compared in SI numbers, each by its own cell type; they are told as the recipe writes them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import zip_longest

from cycler.recipe.canonical import content_hash
from cycler.recipe.compile import LoadedRecipe
from cycler.recipe.condition import Consequence, RecipeCondition
from cycler.recipe.model import LoopStep, Recipe, Step, step_word
from cycler.recipe.riskier import CALM, Amounts, condition_is_riskier, value_is_riskier
from cycler.recipe.step_matching import match_steps
from cycler.recipe.units import Quantity
from cycler.recipe.words import in_words

ENTRIES_TOLD_MAX = 24
"""Of one value; of more, how many they are."""

_OWN_OUTCOME = {"until": Consequence("next"), "fail": Consequence("fail")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference. `before` or `after` is None where there was, or is, nothing."""

    step: str | None  # `4.1 charge form`, in the new version where it is there; None: the recipe's head
    key: str | None  # None: the step as a whole
    before: str | None
    after: str | None
    safety: bool
    text: str  # goes on from the step's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What touches safety comes first, then the order of the new version."""

    before: LoadedRecipe
    after: LoadedRecipe
    changes: tuple[Change, ...]

    def lines(self) -> Iterator[str]:
        """For people."""
        before, after = (f"{each.recipe} {each.version} ({content_hash(each)[:12]})" for each in self._recipes)
        if not self.changes:
            yield f"both mean the same: {before}"
            return
        yield f"from {before}"
        yield f"to   {after}"
        safety = [change for change in self.changes if change.safety]
        if safety:
            yield ""
            yield "what lets a cell take more, or watches it less:"
            yield from _indented(safety)
        others = [change for change in self.changes if not change.safety]
        if others:
            yield ""
            yield "other changes:" if safety else "changes, none of which touches safety:"
            yield from _indented(others)

    def document(self) -> dict[str, object]:
        """For programs."""
        before, after = (
            {"recipe": each.recipe, "version": each.version, "hash": content_hash(each)} for each in self._recipes
        )
        changes = [{name: getattr(change, name) for name in Change.__slots__} for change in self.changes]
        return {"same": not self.changes, "before": before, "after": after, "changes": changes}

    @property
    def _recipes(self) -> tuple[Recipe, Recipe]:
        return self.before.recipe, self.after.recipe


def difference(before: LoadedRecipe, after: LoadedRecipe) -> Difference:
    """Everything in which the second differs from the first."""
    amounts = Amounts(before=before.cell_type.rated_capacity_ah, after=after.cell_type.rated_capacity_ah)
    changes = [*_head(before, after), *_steps(before, after, amounts)]
    return Difference(before=before, after=after, changes=tuple(sorted(changes, key=lambda each: not each.safety)))


def _head(before: LoadedRecipe, after: LoadedRecipe) -> Iterator[Change]:
    old, new = before.recipe, after.recipe
    for key in ("recipe", "version"):
        yield from _plain(None, key, getattr(old, key), getattr(new, key), safety=False)
    if before.cell_type != after.cell_type:
        named = old.cell_type, new.cell_type
        if named[0] != named[1]:
            yield from _plain(None, "cell_type", *named, safety=True)
        else:
            text = f"the cell type {named[0]} itself is another one"
            yield Change(step=None, key="cell_type", before=named[0], after=named[1], safety=True, text=text)
    widens = not set(new.from_state) <= set(old.from_state)
    if set(new.from_state) != set(old.from_state):
        states = [", ".join(states) for states in (old.from_state, new.from_state)]
        yield from _plain(None, "from_state", *states, safety=widens)
    yield from _plain(None, "purpose", old.purpose, new.purpose, safety=new.purpose == "abuse")
    yield from _plain(None, "to_state", old.to_state, new.to_state, safety=new.to_state == "recycled")
    yield from _parts(None, "record", old.record, new.record, None)


def _steps(before: LoadedRecipe, after: LoadedRecipe, amounts: Amounts) -> Iterator[Change]:
    matching = match_steps(before.recipe, after.recipe)
    for step in matching.removed:
        risky = step_word(step) == "contact"
        told = _told(step)
        name = f"{_word(step)}, was {step.path}"
        yield Change(step=name, key=None, before=told, after=None, safety=risky, text=_with("removed", told))
    old_of = {new: old for old, new in matching.pairs}
    for place, step in enumerate(matching.new):
        if place not in old_of:
            told, risky = _told(step), step_word(step) not in {*CALM, "contact"}
            text = _with("added", told)
            yield Change(step=_name(step), key=None, before=None, after=told, safety=risky, text=text)
            continue
        old = matching.old[old_of[place]]
        if place in matching.moved:
            text = f"moved, was {old.path}"
            yield Change(step=_name(step), key=None, before=old.path, after=step.path, safety=False, text=text)
        yield from _step(old, step, amounts)


def _step(old: Step, new: Step, amounts: Amounts) -> Iterator[Change]:
    """Of a step that both versions have; whatever kind it is, by the fields of its dataclass."""
    name = _name(new)
    for field in fields(new):
        if not field.compare or field.name == "steps":
            continue
        one, other = getattr(old, field.name), getattr(new, field.name)
        if one == other:
            continue
        if _has_conditions(one) or _has_conditions(other):
            yield from _conditions(new, field.name, one, other, amounts)
        elif is_dataclass(one if one is not None else other) and not isinstance(one or other, Quantity):
            yield from _parts(name, field.name, one, other, amounts)
        else:
            told = _value(one, amounts.before), _value(other, amounts.after)
            safety = value_is_riskier(new, field.name, one, other, amounts)
            yield from _plain(name, field.name.rstrip("_"), *told, safety=safety)


def _parts(step: str | None, key: str, one: object, other: object, amounts: Amounts | None) -> Iterator[Change]:
    """Of a record rule or limits: each of their keys. Without one the recipe's hold, or the envelope's."""
    given = one if one is not None else other
    assert is_dataclass(given)  # noqa: S101 (only such values come here)
    for field in fields(given):
        values = getattr(one, field.name, None), getattr(other, field.name, None)
        if values[0] != values[1]:
            told = [_value(value, None) for value in values]
            safety = amounts is not None and key == "limits" and amounts.limit_is_wider(field.name, *values)
            yield from _plain(step, f"{key}.{field.name}", *told, safety=safety)


def _plain(step: str | None, key: str, one: str | None, other: str | None, *, safety: bool) -> Iterator[Change]:
    if one == other:
        return
    text = f"{key} {one} -> {other}"
    if one is None:
        text = f"{key} added: {other}"
    elif other is None:
        text = f"{key} removed: {one}"
    yield Change(step=step, key=key, before=one, after=other, safety=safety, text=text)


# conditions, compared as sets


def _conditions(step: Step, key: str, one: object, other: object, amounts: Amounts) -> Iterator[Change]:
    old, new = _turns(one), _turns(other)
    several = len(old) > 1 or len(new) > 1
    turns = list(zip_longest(old, new)) if min(len(old), len(new)) > 1 else []
    if not turns:  # one list for all turns
        count = max(len(old), len(new))
        turns = list(zip(old * (count // len(old)), new * (count // len(new)), strict=True))
    for turn, (befores, afters) in enumerate(turns, 1):
        prefix = f"turn {turn}: " if several else ""
        for change in _alternatives(step, key, befores or (), afters or (), amounts):
            yield replace(change, text=f"{prefix}{change.text}")


def _alternatives(
    step: Step, key: str, old: Sequence[RecipeCondition], new: Sequence[RecipeCondition], amounts: Amounts
) -> Iterator[Change]:
    removed = [condition for condition in old if condition not in new]
    added = [condition for condition in new if condition not in old]
    name, calm = _name(step), step_word(step) in CALM
    for condition in removed:
        successor = next((each for each in added if _same_question(condition, each)), None)
        if successor is not None:
            added.remove(successor)
        others = [successor] if successor is not None else list(new)
        safety = condition_is_riskier(key, condition, others, amounts, calm=calm)
        told = _condition(condition, key), None if successor is None else _condition(successor, key)
        yield from _plain(name, key, *told, safety=safety)
    for condition in added:
        yield from _plain(name, key, None, _condition(condition, key), safety=False)


def _same_question(one: RecipeCondition, other: RecipeCondition) -> bool:
    """They ask for the same, with other numbers."""
    return [(test.quantity, test.relation[0]) for test in one.tests] == [
        (test.quantity, test.relation[0]) for test in other.tests
    ]


def _turns(value: object) -> tuple[tuple[RecipeCondition, ...], ...]:
    if not isinstance(value, tuple) or not value:
        return ((),)
    return (value,) if isinstance(value[0], RecipeCondition) else value


def _has_conditions(value: object) -> bool:
    return isinstance(value, RecipeCondition) or (isinstance(value, tuple) and any(map(_has_conditions, value)))


def _condition(condition: RecipeCondition, key: str) -> str:
    own = _OWN_OUTCOME.get(key)
    return str(replace(condition, outcome=None) if condition.outcome == own else condition)


# words


def _name(step: Step) -> str:
    """`4.1 charge form`."""
    return f"{step.path} {_word(step)}"


def _word(step: Step) -> str:
    if isinstance(step, LoopStep) and step.origin is not None:
        return f"recipe {step.origin.recipe}"
    return f"{step_word(step)} {step.id}" if step.id else step_word(step)


def _with(word: str, told: str) -> str:
    return f"{word}: {told}" if told else word


def _told(step: Step) -> str:
    """Its keys, as a recipe gives them."""
    parts = []
    for field in fields(step):
        value = getattr(step, field.name)
        if field.compare and field.name not in {"id", "steps"} and value is not None and value not in ((), ((),)):
            if _has_conditions(value):
                lists = [", ".join(_condition(each, field.name) for each in turn) for turn in _turns(value)]
                parts.append(f"{field.name} [{'; '.join(lists)}]")
            else:
                parts.append(f"{field.name.rstrip('_')} {_value(value, None)}")
    return ", ".join(part for part in parts if part != f"direction {step_word(step)}")


def _value(value: object, rated_ah: float | None) -> str | None:
    """With its ampere behind a C-rate, where its base is given."""
    if value is None or value == ():
        return None
    if isinstance(value, Quantity):
        if value.unit == "C" and rated_ah is not None:
            return f"{value} ({in_words(value.number * rated_ah, 'A')})"
        return str(value)
    if isinstance(value, tuple):
        if len(value) > ENTRIES_TOLD_MAX:
            return f"{len(value)} entries"
        texts = [str(_value(each, rated_ah)) for each in value]
        return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    if is_dataclass(value):
        parts = [(field.name, _value(getattr(value, field.name), rated_ah)) for field in fields(value)]
        return ", ".join(f"{key} {text}" for key, text in parts if text is not None)
    return str(value)


def _indented(changes: Sequence[Change]) -> Iterator[str]:
    for step in dict.fromkeys(change.step for change in changes):
        of_step = [change.text for change in changes if change.step == step]
        if len(of_step) == 1:
            yield f"  {step or 'head'}: {of_step[0]}"
        else:
            yield f"  {step or 'head'}"
            yield from (f"    {text}" for text in of_step)
