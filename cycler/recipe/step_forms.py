"""The steps that this version knows, in one table: which keys each takes, and what is made of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from cycler.model.cell_type import DcirDefaults
from cycler.recipe.fields import Fields
from cycler.recipe.model import (
    ChamberStep,
    ContactStep,
    DcirStep,
    DriveStep,
    ExecutedStep,
    PerTurn,
    RestStep,
    SoakStep,
)
from cycler.recipe.units import Quantity

CURRENT = ("A", "C")
NOT_YET = ("ocv", "acir", "pulse", "ramp", "profile", "hold", "set", "stop", "recipe")
"""Words of the recipe language that this version refuses by name."""

COMMON_KEYS = ("id", "tag", "until", "fail", "record", "limits", "window")

Common = Mapping[str, Any]
Amounts = Mapping[str, PerTurn]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepForm:
    """What can be written in one kind of step beside the common keys, with base units: lists of values, one value,
    `[low, high]`, words.

    `build` gets what was read, says in `Fields` what does not fit together, and then returns None.
    """

    amounts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # one, or one for each turn
    singles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pairs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    build: Callable[[Fields, Common, Amounts, DcirDefaults], ExecutedStep | None]

    @property
    def built_keys(self) -> tuple[str, ...]:
        """Those that `build` reads for itself."""
        return (*self.singles, *self.pairs, *self.lists, *self.words)


def _drive(
    direction: Literal["charge", "discharge"],
) -> Callable[[Fields, Common, Amounts, DcirDefaults], DriveStep | None]:
    def build(fields: Fields, common: Common, amounts: Amounts, _: DcirDefaults) -> DriveStep | None:
        given = [key for key, values in amounts.items() if values]
        if not given:
            fields.refuse("", "mode", f"{direction} has nothing to regulate", f"give one of: {', '.join(amounts)}")
            return None
        for key in ("power", "resistance"):
            if key in given and len(given) > 1:
                fields.refuse(
                    key, "mode", f"`{key}` stands alone: it cannot be held together with {_others(given, key)}"
                )
                return None
        values: dict[str, Any] = {**common, **amounts}
        return DriveStep(direction=direction, **values)

    return build


def _rest(_: Fields, common: Common, amounts: Amounts, __: DcirDefaults) -> RestStep:
    values: dict[str, Any] = {**common, **amounts}
    return RestStep(**values)


def _dcir(fields: Fields, common: Common, amounts: Amounts, defaults: DcirDefaults) -> DcirStep | None:
    direction = fields.word("direction", ("charge", "discharge")) or defaults.direction
    time = amounts["time"] or (Quantity(defaults.time_s, "s"),)
    shortest_s = min(value.number for value in time)
    default_s = [value for value in defaults.values_s if value <= shortest_s] or [shortest_s]
    values = fields.quantities("values", "s") or tuple(Quantity(value, "s") for value in default_s)
    if not all(0 < value.number <= shortest_s for value in values):
        fields.refuse(
            "values", "values", f"every one of `values` must lie within the pulse of {Quantity(shortest_s, 's')}"
        )
        return None
    if bool(amounts["base"]) != bool(amounts["base_time"]):
        fields.refuse("base", "mode", "`base` and `base_time` belong together", "give both or neither")
        return None
    return DcirStep(
        direction=cast(Literal["charge", "discharge"], direction),
        values=tuple(sorted(set(values), key=lambda value: value.number)),
        **{
            **common,
            **amounts,
            "time": time,
            "current": amounts["current"] or (Quantity(defaults.c_rate, "C"),),
        },
    )


SOAK_DEFAULTS: Mapping[str, Quantity] = {
    "cells_within": Quantity(2.0, "degC"),
    "hold": Quantity(1200.0, "s"),
    "timeout": Quantity(10800.0, "s"),
}
"""A chamber is uniform to 1 or 2 K, a thermocouple good to 1 K, and a cell lags by 13 to 19 min."""


def _soak(fields: Fields, common: Common, _: Amounts, __: DcirDefaults) -> SoakStep | None:
    chamber = fields.quantity("chamber", "degC", required=True)
    within = _above_zero(fields, "cells_within", "degC") or SOAK_DEFAULTS["cells_within"]
    hold = _above_zero(fields, "hold", "s") or SOAK_DEFAULTS["hold"]
    timeout = _above_zero(fields, "timeout", "s") or SOAK_DEFAULTS["timeout"]
    if timeout.number <= hold.number:
        fields.refuse("timeout", "timeout", f"soak: it would time out after {timeout}, while it holds for {hold}")
    if chamber is None:
        return None
    return SoakStep(chamber=chamber, cells_within=within, hold=hold, timeout=timeout, **common)


def _chamber(fields: Fields, common: Common, _: Amounts, __: DcirDefaults) -> ChamberStep | None:
    target = fields.quantity("target", "degC", required=True)
    rate, wait = _above_zero(fields, "rate", "K/s"), _above_zero(fields, "wait", "s")
    return None if target is None else ChamberStep(target=target, rate=rate, wait=wait, **common)


def _contact(fields: Fields, common: Common, _: Amounts, __: DcirDefaults) -> ContactStep | None:
    if "until" in fields:
        fields.refuse("until", "mode", "contact ends by its own verdict", "leave `until` out")
        return None
    ocv, continuity = fields.pair("ocv", "V"), _above_zero(fields, "continuity", "V")
    return ContactStep(ocv=ocv, continuity=continuity, **common)


def _above_zero(fields: Fields, key: str, unit: str) -> Quantity | None:
    value = fields.quantity(key, unit)
    if value is not None and value.number <= 0:
        fields.refuse(key, "not-positive", f"{key}: {value} is not above 0")
    return value


def _others(given: list[str], key: str) -> str:
    return " and ".join(f"`{other}`" for other in given if other != key)


STEP_FORMS: Mapping[str, StepForm] = {
    "charge": StepForm(amounts={"current": CURRENT, "voltage": ("V",), "power": ("W",)}, build=_drive("charge")),
    "discharge": StepForm(
        amounts={"current": CURRENT, "voltage": ("V",), "power": ("W",), "resistance": ("Ohm",)},
        build=_drive("discharge"),
    ),
    "rest": StepForm(amounts={"time": ("s",)}, build=_rest),
    "dcir": StepForm(
        amounts={
            "current": CURRENT, "time": ("s",), "voltage": ("V",), "base": CURRENT, "base_time": ("s",), "rest": ("s",)
        },
        lists={"values": ("s",)},
        words={"direction": ("charge", "discharge")},
        build=_dcir,
    ),
    "soak": StepForm(
        singles={"chamber": ("degC",), "cells_within": ("degC",), "hold": ("s",), "timeout": ("s",)}, build=_soak
    ),
    "chamber": StepForm(singles={"target": ("degC",), "rate": ("K/s",), "wait": ("s",)}, build=_chamber),
    "contact": StepForm(pairs={"ocv": ("V",)}, singles={"continuity": ("V",)}, build=_contact),
}  # fmt: skip
"""A new kind of step is one entry here, its dataclass, and how it becomes phases (`lower`)."""

STEP_WORDS = (*STEP_FORMS, "loop")
LOOP_TURNS_MAX = 65_535
