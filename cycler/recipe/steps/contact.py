"""`contact`: the staged check of presence, polarity, sense and charge, before any real current."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from cycler.model.cell_type import DcirDefaults
from cycler.recipe.contact_phases import CONTACT_TIMEOUT_S, contact_phases
from cycler.recipe.fields import Fields
from cycler.recipe.model import ContactStep
from cycler.recipe.plan import ContactRule, PlanPhase, PlanStep, StepVariant
from cycler.recipe.steps.form import Amounts, Common, StepForm, above_zero
from cycler.recipe.steps.judge import StepJudge
from cycler.recipe.steps.kind import StepKind
from cycler.recipe.steps.scope import Scope
from cycler.recipe.words import in_words


def _build(fields: Fields, common: Common, _: Amounts, __: DcirDefaults) -> ContactStep | None:
    if "until" in fields:
        fields.refuse("until", "mode", "contact ends by its own verdict", "leave `until` out")
        return None
    ocv, continuity = fields.pair("ocv", "V"), above_zero(fields, "continuity", "V")
    return ContactStep(ocv=ocv, continuity=continuity, **common)


def _phases(_: ContactStep, scope: Scope) -> tuple[PlanPhase, ...]:
    return contact_phases(scope.cell_type, scope.envelope, scope.lowering.group)


def _complete(step: ContactStep, lowered: PlanStep) -> PlanStep:
    return replace(
        lowered,
        contact=ContactRule(
            ocv_v=None if step.ocv is None else (step.ocv[0].number, step.ocv[1].number),
            continuity_v=None if step.continuity is None else step.continuity.number,
        ),
    )


def _check(judge: StepJudge, _: StepVariant, __: Sequence[PlanPhase]) -> None:
    contact, envelope = judge.step.contact, judge.step.envelope
    if contact is None or contact.ocv_v is None:
        return
    low_v, high_v = contact.ocv_v
    if not envelope.voltage_v_min <= low_v <= high_v <= envelope.voltage_v_max:
        judge.refuse(
            "envelope", f"expects {low_v:g} to {high_v:g} V, outside of {judge.window} of {judge.cell_type.name}"
        )


def _lines(step: PlanStep) -> Iterator[str]:
    yield "each stage ends with a verdict on every cell; the other half of the bay is charged first, or after this"
    contact = step.contact
    if contact is not None and contact.ocv_v is not None:
        yield f"expects {contact.ocv_v[0]:g} to {contact.ocv_v[1]:g} V"
    if contact is not None and contact.continuity_v is not None:
        yield f"expects the last known voltage within {in_words(contact.continuity_v, 'V')}"


CONTACT = StepKind(
    form=StepForm(pairs={"ocv": ("V",)}, singles={"continuity": ("V",)}, build=_build),
    phases=_phases,
    complete=_complete,
    check=_check,
    timeout_s=lambda _: CONTACT_TIMEOUT_S,
    lines=_lines,
)
