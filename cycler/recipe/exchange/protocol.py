"""What unicycler's JSON and PyBaMM's strings have in common: stages, one after the other, and cycles of them.

Both formats are read into this form and written from it, so that a recipe is built, and taken apart, in one place.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from cycler.recipe.condition import RecipeCondition
from cycler.recipe.model import RecordKeys
from cycler.recipe.units import Quantity

Control = Literal["rest", "current", "voltage", "power", "resistance"]
Direction = Literal["charge", "discharge"]

STAGES_MAX = 10_000
"""Stages in a file. Beyond it nobody has written or will read them."""
CYCLES_DEEP_MAX = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One thing that a cell is put through. Magnitudes are positive; each end that is given is enough by itself.

    `place` and `line` say where it stands: in the foreign file on the way in, in the recipe on the way out.
    """

    place: str = field(compare=False)
    line: int = field(default=0, compare=False)
    control: Control
    direction: Direction | None = None  # None for a rest, and for a held voltage whose source does not say
    value: Quantity | None = None  # what is held; None for a rest
    time: Quantity | None = None
    voltage: Quantity | None = None
    current: Quantity | None = None
    every: Quantity | None = None  # between samples
    id: str | None = None
    tag: str | None = None
    guards: tuple[RecipeCondition, ...] = ()  # of a recipe's `fail`; a stage that was read has none


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """Its stages, so many times."""

    place: str = field(compare=False)
    times: int
    id: str | None = None
    stages: "tuple[Stage | Cycle, ...]"


Stages = tuple[Stage | Cycle, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetyLimits:
    """What ends the whole test when it has been exceeded for `delay`. Currents and the capacity are magnitudes."""

    voltage_max: Quantity | None = None
    voltage_min: Quantity | None = None
    charge_current_max: Quantity | None = None
    discharge_current_max: Quantity | None = None
    capacity_max: Quantity | None = None
    delay: Quantity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """A whole file. `sample` may be the name of a cell type, `capacity` is what its C-rates are of."""

    sample: str | None = None
    capacity: Quantity | None = None
    record: RecordKeys | None = None
    safety: SafetyLimits = SafetyLimits()
    stages: Stages


def flat(stages: Stages) -> Iterator[Stage]:
    """Every stage once, in the order of the file."""
    for stage in stages:
        if isinstance(stage, Cycle):
            yield from flat(stage.stages)
        else:
            yield stage


def guards_by_place(stages: Stages) -> dict[str, list[RecipeCondition]]:
    """Of each step that has any, each once, however many stages the step became."""
    found: dict[str, list[RecipeCondition]] = {}
    for stage in flat(stages):
        for guard in stage.guards:
            guards = found.setdefault(stage.place, [])
            if guard not in guards:
                guards.append(guard)
    return found


def executed(stages: Stages) -> Iterator[Stage]:
    """Every stage as often as it is executed."""
    for stage in stages:
        if isinstance(stage, Cycle):
            for _ in range(stage.times):
                yield from executed(stage.stages)
        else:
            yield stage


def executed_count(stages: Stages) -> int:
    """How many `executed` would yield."""
    return sum(stage.times * executed_count(stage.stages) if isinstance(stage, Cycle) else 1 for stage in stages)
