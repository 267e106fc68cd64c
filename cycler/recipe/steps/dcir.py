"""`dcir`: a pulse that measures resistance; rest, base current and pulse without a gap between them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal, cast

from cycler.model.cell_type import DcirDefaults
from cycler.recipe.fields import Fields
from cycler.recipe.lower_condition import SAMPLES_ELECTRICAL
from cycler.recipe.model import DcirStep
from cycler.recipe.plan import Comparison, Condition, Outcome, PlanPhase, PlanStep, PulseRule, Relation, StepVariant
from cycler.recipe.steps.form import CURRENT, Amounts, Common, StepForm
from cycler.recipe.steps.judge import RATED_MOVED_MAX, StepJudge
from cycler.recipe.steps.kind import StepKind
from cycler.recipe.steps.scope import Scope
from cycler.recipe.units import Quantity
from cycler.recipe.words import in_words


def _build(fields: Fields, common: Common, amounts: Amounts, defaults: DcirDefaults) -> DcirStep | None:
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


def _phases(step: DcirStep, scope: Scope) -> tuple[PlanPhase, ...]:
    rest = scope.at(step.rest)
    clamp_v = scope.clamp_v(_end_v(step, scope), step.direction)
    phases = [] if rest is None else [PlanPhase(direction="rest", duration_s=rest.number)]
    for current, time in ((step.base, step.base_time), (step.current, step.time)):
        phase_current, phase_time = scope.at(current), scope.at(time)
        if phase_current is not None and phase_time is not None:
            phases.append(
                PlanPhase(
                    direction=step.direction,
                    current_a=scope.ampere(phase_current),
                    voltage_v=clamp_v,
                    duration_s=phase_time.number,
                )
            )
    return tuple(phases)


def _end_v(step: DcirStep, scope: Scope) -> float:
    voltage, envelope = scope.at(step.voltage), scope.envelope
    if voltage is not None:
        return voltage.number
    return envelope.voltage_v_max if step.direction == "charge" else envelope.voltage_v_min


def _fails(step: DcirStep, scope: Scope) -> tuple[Condition, ...]:
    """The pulse fails beyond its voltage."""
    relation: Relation = ">=" if step.direction == "charge" else "<="
    end_v = _end_v(step, scope)
    return (
        Condition(
            tests=(Comparison(quantity="voltage", relation=relation, value=end_v),),
            outcome=Outcome(kind="fail"),
            samples=SAMPLES_ELECTRICAL,
            text=f"voltage {relation} {Quantity(end_v, 'V')} -> fail",
        ),
    )


def _complete(step: DcirStep, lowered: PlanStep) -> PlanStep:
    return replace(lowered, pulse=PulseRule(values_s=tuple(value.number for value in step.values)))


def _check(judge: StepJudge, _: StepVariant, drives: Sequence[PlanPhase]) -> None:
    moved_ah = sum(phase.current_a * (phase.duration_s or 0.0) / 3600 for phase in drives)
    share = moved_ah / judge.cell_type.rated_capacity_ah
    if share > RATED_MOVED_MAX:
        judge.refuse("no-charge", f"could move {share:.0%} of the rated capacity in its pulse", "make it shorter")
    elif moved_ah > judge.step.envelope.capacity_ah:
        judge.refuse("capacity", f"could move {moved_ah:.3g} Ah in its pulse, more than the envelope allows")
    currents_a = [phase.current_a for phase in drives]
    if len(currents_a) > 1 and (currents_a[0] == currents_a[1] or abs(currents_a[0] - currents_a[1]) < judge.least_a):
        judge.refuse("pulse", "has a base current that cannot be told from its pulse current")


def _lines(step: PlanStep) -> Iterator[str]:
    if step.pulse is not None:
        yield f"resistance after {', '.join(in_words(value_s, 's') for value_s in step.pulse.values_s)}"


DCIR = StepKind(
    form=StepForm(
        words={"direction": ("charge", "discharge")},
        amounts={
            "current": CURRENT, "time": ("s",), "voltage": ("V",), "base": CURRENT, "base_time": ("s",), "rest": ("s",)
        },
        lists={"values": ("s",)},
        build=_build,
    ),
    phases=_phases,
    fails=_fails,
    complete=_complete,
    check=_check,
    lines=_lines,
)  # fmt: skip
