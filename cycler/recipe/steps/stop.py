"""`stop`: the recipe ends here, with a verdict."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, cast

from cycler.model.cell_type import DcirDefaults
from cycler.model.results import REASON_CODES
from cycler.recipe.fields import Fields
from cycler.recipe.model import StopStep
from cycler.recipe.plan import PlanPhase, PlanStep, StopRule
from cycler.recipe.steps.form import Amounts, Common, StepForm
from cycler.recipe.steps.kind import StepKind

VERDICTS = ("pass", "fail", "retest", "quarantine")


def _build(fields: Fields, common: Common, _: Amounts, __: DcirDefaults) -> StopStep | None:
    verdict = fields.word("verdict", VERDICTS) or "pass"
    code = fields.word("code", sorted(REASON_CODES))
    for key in ("until", "fail"):
        if key in fields:
            fields.refuse(key, "mode", f"stop: nothing follows that `{key}` could lead to", "leave it out")
    if verdict == "pass" and "code" in fields:
        fields.refuse("code", "mode", "stop: a pass has no reason code", "give a `verdict`, or leave `code` out")
    elif verdict != "pass" and "code" not in fields:
        fields.refuse("verdict", "mode", f"stop: a {verdict} has a reason", "give `code`, like LOW_CAPACITY")
    return StopStep(verdict=cast(Literal["pass", "fail", "retest", "quarantine"], verdict), code=code, **common)


def _complete(step: StopStep, lowered: PlanStep) -> PlanStep:
    return replace(lowered, stop=StopRule(verdict=step.verdict, code=step.code))


def _lines(step: PlanStep) -> Iterator[str]:
    if step.stop is not None:
        reason = "" if step.stop.code is None else f" for {step.stop.code}"
        yield f"ends the recipe: {step.stop.verdict}{reason}"


STOP = StepKind(
    form=StepForm(words={"verdict": VERDICTS, "code": tuple(sorted(REASON_CODES))}, build=_build),
    phases=lambda _, __: (PlanPhase(direction="rest", duration_s=0.0),),
    complete=_complete,
    lines=_lines,
)
