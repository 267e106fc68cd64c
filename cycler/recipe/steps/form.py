"""What can be written in one kind of step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from keyword import iskeyword
from typing import Any

from cycler.model.cell_type import DcirDefaults
from cycler.recipe.fields import Fields
from cycler.recipe.model import PerTurn
from cycler.recipe.units import Quantity
from cycler.recipe.yaml_nodes import Node

CURRENT = ("A", "C")

COMMON_KEYS = ("id", "tag", "until", "fail", "record", "limits", "window")

Common = Mapping[str, Any]
"""What was read of the keys that every step has; goes into its dataclass as it is."""

Amounts = Mapping[str, PerTurn]


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherKey:
    """A key with a form of its own: how it is read, written in the canonical form, and described by the JSON Schema.

    `read` raises `MistakeError` for what it cannot use. `text` gets what stands in the step's dataclass; None: what was
    read there stands under another key.
    """

    read: Callable[[Node], Any]
    text: Callable[[Any], str] | None
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepForm:
    """The keys beside the common ones, with base units: lists of values, one value, `[low, high]`, words, others.

    Each is a field of the step's dataclass, with the same name (see `attribute`). `build` gets what was read, says in
    `Fields` what does not fit together, and then returns None.

    `free`: every other key is a name of the author's own, with a value of this JSON Schema.
    """

    amounts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # one, or one for each turn
    singles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pairs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    others: Mapping[str, OtherKey] = field(default_factory=dict)
    free: Mapping[str, Any] | None = None
    build: Callable[[Fields, Common, Amounts, DcirDefaults], Any]

    @property
    def built_keys(self) -> tuple[str, ...]:
        """Those that `build` reads for itself."""
        return (*self.words, *self.pairs, *self.singles, *self.lists, *self.others)


def attribute(key: str) -> str:
    """The name of a key's field: `from` is a word of Python's."""
    return f"{key}_" if iskeyword(key) else key


def above_zero(fields: Fields, key: str, unit: str, *, required: bool = False) -> Quantity | None:
    """A quantity that makes no sense at or below 0."""
    value = fields.quantity(key, unit, required=required)
    if value is not None and value.number <= 0:
        fields.refuse(key, "not-positive", f"{key}: {value} is not above 0")
    return value
