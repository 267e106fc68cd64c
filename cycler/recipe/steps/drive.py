"""`charge` and `discharge`: CC, CC-CV, CV, CP or CR."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from cycler.model.cell_type import DcirDefaults
from cycler.recipe.bounds import ABOVE, BELOW, bounds, drive_direction, end_voltage_v
from cycler.recipe.fields import Fields
from cycler.recipe.model import DriveStep
from cycler.recipe.plan import Condition, PlanPhase, StepVariant
from cycler.recipe.steps.form import CURRENT, Amounts, Common, StepForm
from cycler.recipe.steps.judge import RATED_MOVED_MAX, StepJudge
from cycler.recipe.steps.kind import StepKind
from cycler.recipe.steps.scope import Scope
from cycler.recipe.units import Quantity


def _build(
    direction: Literal["charge", "discharge"],
) -> Callable[[Fields, Common, Amounts, DcirDefaults], DriveStep | None]:
    def build(fields: Fields, common: Common, amounts: Amounts, _: DcirDefaults) -> DriveStep | None:
        given = [key for key, values in amounts.items() if values]
        if not given:
            fields.refuse("", "mode", f"{direction} has nothing to regulate", f"give one of: {', '.join(amounts)}")
            return None
        for key in ("power", "resistance"):
            if key in given and len(given) > 1:
                others = " and ".join(f"`{other}`" for other in given if other != key)
                fields.refuse(key, "mode", f"`{key}` stands alone: it cannot be held together with {others}")
                return None
        values: dict[str, Any] = {**common, **amounts}
        return DriveStep(direction=direction, **values)

    return build


def _phases(step: DriveStep, scope: Scope) -> tuple[PlanPhase, ...]:
    current, voltage = scope.at(step.current), scope.at(step.voltage)
    power, resistance = scope.at(step.power), scope.at(step.resistance)
    if voltage is None:
        end_v = end_voltage_v(StepVariant(phases=(), until=scope.until, fail=scope.fail), step.direction)
        clamp_v = scope.clamp_v(end_v, step.direction)
    else:
        clamp_v = voltage.number
    return (
        PlanPhase(
            direction=step.direction,
            current_a=scope.limit_a(step.direction) if current is None else scope.ampere(current),
            voltage_v=clamp_v,
            power_w=None if power is None else power.number,
            resistance_ohm=None if resistance is None else resistance.number,
            holds_voltage=voltage is not None,
        ),
    )


def _check(judge: StepJudge, variant: StepVariant, drives: Sequence[PlanPhase]) -> None:
    phase, word = drives[0], judge.step.step_type
    direction = drive_direction(phase)
    if not any(c.outcome.kind in {"next", "end", "goto"} for c in (*variant.until, *variant.fail)):
        judge.refuse("no-end", "has no end in `until`: it could only fail", "say when it is done")
    if not bounds(variant, "time", ABOVE):
        judge.refuse(
            "no-time", f"has no time limit: a dead cell would {word} for ever", "add time > 8 h, or so, to `fail`"
        )
    if not bounds(variant, "capacity", ABOVE):
        judge.refuse(
            "no-charge", f"has no charge limit: a shorted cell would {word} for ever{_moved(judge, variant, phase)}",
            "add capacity > 115 %, or so, to `fail`",
        )  # fmt: skip
    ways = ABOVE if direction == "charge" else BELOW
    _ends_point_the_right_way(judge, variant, phase)
    if not phase.holds_voltage and not bounds(variant, "voltage", ways):
        envelope = judge.step.envelope
        at = Quantity(envelope.voltage_v_max if direction == "charge" else envelope.voltage_v_min, "V")
        judge.refuse(
            "no-voltage",
            f"has no voltage limit in its direction: nothing but the protection would end the {word}",
            f"add voltage {ways[1]} {at}, or so, to `until` or `fail`",
        )


def _moved(judge: StepJudge, variant: StepVariant, phase: PlanPhase) -> str:
    """How much the current could move within the step's time, where that is too much."""
    times_s = [c.tests[0].value + c.for_s for c in bounds(variant, "time", ABOVE)]
    share = phase.current_a * min(times_s, default=0.0) / 3600 / judge.cell_type.rated_capacity_ah
    return f"; its current could move {share:.0%} of the rated capacity" if share > RATED_MOVED_MAX else ""


def _ends_point_the_right_way(judge: StepJudge, variant: StepVariant, phase: PlanPhase) -> None:
    direction = drive_direction(phase)
    wrong: list[Condition] = []
    right: list[Condition] = []
    is_cc = not phase.holds_voltage and phase.power_w is None and phase.resistance_ohm is None
    for condition in variant.until:
        for test in condition.tests if condition.window == "always" else ():
            falls = test.relation in BELOW
            if test.quantity == "voltage":
                (wrong if falls == (direction == "charge") else right).append(condition)
            elif test.quantity == "current" and falls:
                (right if phase.holds_voltage else wrong).append(condition)
                if is_cc:
                    judge.refuse(
                        "wrong-way", f"ends by `{condition.text}`, but its current is constant",
                        "give `voltage` as well, to make it CC-CV",
                    )  # fmt: skip
    if wrong and not right:
        judge.refuse(
            "wrong-way",
            f"ends only by `{wrong[0].text}`, which its {direction} does not lead to",
            f"a {direction} ends by voltage {'>=' if direction == 'charge' else '<='}",
        )


CHARGE = StepKind(
    form=StepForm(amounts={"current": CURRENT, "voltage": ("V",), "power": ("W",)}, build=_build("charge")),
    phases=_phases,
    check=_check,
)
DISCHARGE = StepKind(
    form=StepForm(
        amounts={"current": CURRENT, "voltage": ("V",), "power": ("W",), "resistance": ("Ohm",)},
        build=_build("discharge"),
    ),
    phases=_phases,
    check=_check,
)
