"""`chamber`: a new set value for the chamber, and so long a rest after it."""

from collections.abc import Iterator
from dataclasses import replace

from cycler.model.cell_type import DcirDefaults
from cycler.recipe.fields import Fields
from cycler.recipe.model import ChamberStep
from cycler.recipe.plan import ChamberRule, PlanPhase, PlanStep
from cycler.recipe.steps.form import Amounts, Common, StepForm, above_zero
from cycler.recipe.steps.kind import StepKind
from cycler.recipe.steps.scope import Scope


def _build(fields: Fields, common: Common, _: Amounts, __: DcirDefaults) -> ChamberStep | None:
    target = fields.quantity("target", "degC", required=True)
    rate, wait = above_zero(fields, "rate", "K/s"), above_zero(fields, "wait", "s")
    return None if target is None else ChamberStep(target=target, rate=rate, wait=wait, **common)


def _phases(step: ChamberStep, _: Scope) -> tuple[PlanPhase, ...]:
    wait_s = _wait_s(step)
    waits = (PlanPhase(direction="rest", duration_s=wait_s),) if wait_s else ()
    return (PlanPhase(direction="rest", held=True), *waits)


def _wait_s(step: ChamberStep) -> float:
    return 0.0 if step.wait is None else step.wait.number


def _complete(step: ChamberStep, lowered: PlanStep) -> PlanStep:
    rate_k_per_min = None if step.rate is None else 60 * step.rate.number
    return replace(lowered, chamber=ChamberRule(target_degc=step.target.number, rate_k_per_min=rate_k_per_min))


def _lines(step: PlanStep) -> Iterator[str]:
    if step.chamber is not None:
        rate = "" if step.chamber.rate_k_per_min is None else f" with {step.chamber.rate_k_per_min:g} K/min"
        yield f"chamber to {step.chamber.target_degc:g} degC{rate}"


CHAMBER = StepKind(
    form=StepForm(singles={"target": ("degC",), "rate": ("K/s",), "wait": ("s",)}, build=_build),
    phases=_phases,
    complete=_complete,
    timeout_s=_wait_s,
    lines=_lines,
)
