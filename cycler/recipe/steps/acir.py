"""`acir`: relay open, and the cell's resistance by the meter of its position."""

from collections.abc import Iterator
from dataclasses import replace

from cycler.model.cell_type import DcirDefaults
from cycler.recipe.fields import Fields
from cycler.recipe.model import AcirStep
from cycler.recipe.plan import MEASURED_WITHIN_S, MeterRule, PlanPhase, PlanStep
from cycler.recipe.steps.form import Amounts, Common, StepForm, above_zero
from cycler.recipe.steps.kind import StepKind
from cycler.recipe.steps.ocv import refuse_until
from cycler.recipe.units import Quantity
from cycler.recipe.words import in_words

FREQUENCY = Quantity(1000.0, "Hz")
"""What the field means by ACIR, where a recipe does not say it."""


def _build(fields: Fields, common: Common, _: Amounts, __: DcirDefaults) -> AcirStep:
    refuse_until(fields, "acir")
    return AcirStep(frequency=above_zero(fields, "frequency", "Hz") or FREQUENCY, **common)


def _complete(step: AcirStep, lowered: PlanStep) -> PlanStep:
    return replace(lowered, meter=MeterRule(kind="acir", frequency_hz=step.frequency.number))


def _lines(step: PlanStep) -> Iterator[str]:
    if step.meter is not None:
        yield f"measures the resistance at {in_words(step.meter.frequency_hz, 'Hz')} by the meter of the position"


ACIR = StepKind(
    form=StepForm(singles={"frequency": ("Hz",)}, build=_build),
    phases=lambda _, __: (PlanPhase(direction="rest", held=True),),
    complete=_complete,
    timeout_s=lambda _: MEASURED_WITHIN_S,
    lines=_lines,
)
