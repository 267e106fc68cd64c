"""`rest`: relay open for so long, or until a condition says so."""

from collections.abc import Sequence
from math import inf
from typing import Any

from cycler.model.cell_type import DcirDefaults
from cycler.recipe.fields import Fields
from cycler.recipe.model import RestStep
from cycler.recipe.plan import PlanPhase, StepVariant
from cycler.recipe.steps.form import Amounts, Common, StepForm
from cycler.recipe.steps.judge import StepJudge
from cycler.recipe.steps.kind import StepKind
from cycler.recipe.steps.scope import Scope


def _build(_: Fields, common: Common, amounts: Amounts, __: DcirDefaults) -> RestStep:
    values: dict[str, Any] = {**common, **amounts}
    return RestStep(**values)


def _phases(step: RestStep, scope: Scope) -> tuple[PlanPhase, ...]:
    time = scope.at(step.time)
    return (PlanPhase(direction="rest", duration_s=None if time is None else time.number),)


def _check(judge: StepJudge, _: StepVariant, __: Sequence[PlanPhase]) -> None:
    if judge.step.time_s_max == inf:
        judge.refuse("no-time", "has no time limit: it would rest for ever", "give `time`")


REST = StepKind(form=StepForm(amounts={"time": ("s",)}, build=_build), phases=_phases, check=_check)
