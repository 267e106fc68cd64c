"""The one way to write a recipe, every default explicit and every quantity in its plainest unit; its hash names it."""

from collections.abc import Iterator, Mapping
from hashlib import sha256

from cycler.recipe.model import (
    Alternatives,
    ExecutedStep,
    LimitKeys,
    LoopStep,
    PerTurn,
    Recipe,
    RecordKeys,
    SetStep,
    Step,
    step_word,
)
from cycler.recipe.steps.form import attribute
from cycler.recipe.steps.table import kind_of
from cycler.recipe.units import Quantity


def canonical_text(recipe: Recipe) -> str:
    """YAML that loads as an equal recipe, and whose own canonical text is the same."""
    lines = [
        f"recipe: {recipe.recipe}",
        f"version: {recipe.version}",
        f"cell_type: {recipe.cell_type}",
        f"from_state: [{', '.join(recipe.from_state)}]",
    ]
    if recipe.to_state is not None:
        lines.append(f"to_state: {recipe.to_state}")
    if recipe.purpose != "production":
        lines.append(f"purpose: {recipe.purpose}")
    lines.append(f"record: {_record(recipe.record)}")
    lines.append("steps:")
    lines.extend(_steps(recipe.steps, "  "))
    return "\n".join(lines) + "\n"


def content_hash(recipe: Recipe) -> str:
    """SHA-256 of the canonical text, in hexadecimal."""
    return sha256(canonical_text(recipe).encode()).hexdigest()


def _steps(steps: tuple[Step, ...], indent: str) -> Iterator[str]:
    for step in steps:
        if not isinstance(step, LoopStep):
            entries = ", ".join(f"{key}: {value}" for key, value in _entries(step))
            yield f"{indent}- {step_word(step)}: {{{entries}}}"
            continue
        yield f"{indent}- loop:"
        if step.id is not None:
            yield f"{indent}    id: {step.id}"
        yield f"{indent}    times: {step.times}"
        if step.until:
            yield f"{indent}    until: {_conditions((step.until,))}"
        yield f"{indent}    steps:"
        yield from _steps(step.steps, f"{indent}    {'  '}")


def _entries(step: ExecutedStep) -> Iterator[tuple[str, str]]:
    if step.id is not None:
        yield "id", step.id
    form = kind_of(step).form
    for key in (*form.words, *form.pairs, *form.singles):
        value: str | Quantity | tuple[Quantity, Quantity] | None = getattr(step, attribute(key))
        if value is not None:
            yield key, _one_or_pair(value)
    for key in form.amounts:
        values: PerTurn = getattr(step, key)
        if values:
            yield key, _per_turn(values)
    for key in form.lists:
        yield key, f"[{', '.join(str(value) for value in getattr(step, key))}]"
    for key, other in form.others.items():
        if other.text is not None and (given := getattr(step, attribute(key))) is not None:
            yield key, other.text(given)
    if isinstance(step, SetStep):
        yield from ((name, str(expression)) for name, expression in step.values)
    for key, turns in (("until", step.until), ("fail", step.fail)):
        if any(turns):
            yield key, _conditions(turns)
    if step.tag is not None:
        yield "tag", step.tag
    if step.record is not None:
        yield "record", _record(step.record)
    if step.limits is not None:
        yield "limits", _limits(step.limits)
    if step.window is not None:
        yield "window", str(step.window)


def _per_turn(values: PerTurn) -> str:
    return str(values[0]) if len(values) == 1 else f"[{', '.join(str(value) for value in values)}]"


def _conditions(turns: tuple[Alternatives, ...]) -> str:
    lists = [f"[{', '.join(str(condition) for condition in alternatives)}]" for alternatives in turns]
    return lists[0] if len(lists) == 1 else f"[{', '.join(lists)}]"


def _record(keys: RecordKeys) -> str:
    values = {"every": keys.every, "voltage": keys.voltage, "current": keys.current, "temperature": keys.temperature}
    return _mapping(values)


def _limits(keys: LimitKeys) -> str:
    return _mapping({name: getattr(keys, name) for name in LimitKeys.__slots__})


def _mapping(values: Mapping[str, Quantity | tuple[Quantity, Quantity] | None]) -> str:
    parts = [f"{key}: {_one_or_pair(value)}" for key, value in values.items() if value is not None]
    return f"{{{', '.join(parts)}}}"


def _one_or_pair(value: str | Quantity | tuple[Quantity, Quantity]) -> str:
    return f"[{value[0]}, {value[1]}]" if isinstance(value, tuple) else str(value)
