"""`ocv`: relay open for so long, and then the cell's voltage."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from cycler.model.cell_type import DcirDefaults
from cycler.recipe.fields import Fields
from cycler.recipe.model import OcvStep
from cycler.recipe.plan import MEASURED_WITHIN_S, MeterRule, PlanPhase, PlanStep
from cycler.recipe.steps.form import Amounts, Common, StepForm
from cycler.recipe.steps.kind import StepKind
from cycler.recipe.steps.scope import Scope


def _build(fields: Fields, common: Common, amounts: Amounts, _: DcirDefaults) -> OcvStep | None:
    if "time" not in fields:
        fields.refuse("time", "no-time", "ocv does not say for how long the cell rests before it", "give `time`")
    refuse_until(fields, "ocv")
    values: dict[str, Any] = {**common, **amounts}
    return OcvStep(**values)


def refuse_until(fields: Fields, word: str) -> None:
    """What measures at its end has no other end."""
    if "until" in fields:
        hint = "leave `until` out; what has to come true before belongs to a `rest` in front of it"
        fields.refuse("until", "mode", f"{word} ends with its measurement", hint)


def _phases(step: OcvStep, scope: Scope) -> tuple[PlanPhase, ...]:
    time = scope.at(step.time)
    return (PlanPhase(direction="rest", duration_s=None if time is None else time.number, held=True),)


def _complete(_: OcvStep, lowered: PlanStep) -> PlanStep:
    return replace(lowered, meter=MeterRule(kind="ocv"))


def _lines(_: PlanStep) -> Iterator[str]:
    yield "measures the voltage at its end: by the meter of the position, or by its cycler where it has none"


OCV = StepKind(
    form=StepForm(amounts={"time": ("s",)}, build=_build),
    phases=_phases,
    complete=_complete,
    timeout_s=lambda step: max(time.number for time in step.time) + MEASURED_WITHIN_S,
    lines=_lines,
)
