"""`soak`: relay open until every cell of the bay has the chamber's temperature."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from cycler.model.cell_type import DcirDefaults
from cycler.recipe.fields import Fields
from cycler.recipe.model import SoakStep
from cycler.recipe.plan import ChamberRule, PlanPhase, PlanStep, SoakRule
from cycler.recipe.steps.form import Amounts, Common, StepForm, above_zero
from cycler.recipe.steps.kind import StepKind
from cycler.recipe.units import Quantity
from cycler.recipe.words import in_words

SOAK_DEFAULTS: Mapping[str, Quantity] = {
    "cells_within": Quantity(2.0, "degC"),
    "hold": Quantity(1200.0, "s"),
    "timeout": Quantity(10800.0, "s"),
}
"""A chamber is uniform to 1 or 2 K, a thermocouple good to 1 K, and a cell lags by 13 to 19 min."""


def _build(fields: Fields, common: Common, _: Amounts, __: DcirDefaults) -> SoakStep | None:
    chamber = fields.quantity("chamber", "degC", required=True)
    within = above_zero(fields, "cells_within", "degC") or SOAK_DEFAULTS["cells_within"]
    hold = above_zero(fields, "hold", "s") or SOAK_DEFAULTS["hold"]
    timeout = above_zero(fields, "timeout", "s") or SOAK_DEFAULTS["timeout"]
    if timeout.number <= hold.number:
        fields.refuse("timeout", "timeout", f"soak: it would time out after {timeout}, while it holds for {hold}")
    if chamber is None:
        return None
    return SoakStep(chamber=chamber, cells_within=within, hold=hold, timeout=timeout, **common)


def _complete(step: SoakStep, lowered: PlanStep) -> PlanStep:
    return replace(
        lowered,
        chamber=ChamberRule(target_degc=step.chamber.number),
        soak=SoakRule(within_k=step.cells_within.number, hold_s=step.hold.number, timeout_s=step.timeout.number),
    )


def _lines(step: PlanStep) -> Iterator[str]:
    if step.chamber is not None and step.soak is not None:
        yield f"chamber to {step.chamber.target_degc:g} degC"
        yield (
            f"goes on when all cells have been within {step.soak.within_k:g} K of it and of their middle"
            f" for {in_words(step.soak.hold_s, 's')}; holds when that takes {in_words(step.soak.timeout_s, 's')}"
        )


SOAK = StepKind(
    form=StepForm(
        singles={"chamber": ("degC",), "cells_within": ("degC",), "hold": ("s",), "timeout": ("s",)}, build=_build
    ),
    phases=lambda _, __: (PlanPhase(direction="rest", held=True),),
    complete=_complete,
    timeout_s=lambda step: step.timeout.number,
    lines=_lines,
)
