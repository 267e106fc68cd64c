"""`ramp`: a current or a voltage that goes from one value to another at a steady rate, as a staircase of short holds.

The first and the last stair last half as long as the others, so that both ends are reached and the charge of a current
ramp is exactly that of the straight line.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, cast

from cycler.model.cell_type import DcirDefaults
from cycler.recipe.bounds import ABOVE, DriveDirection, bounds
from cycler.recipe.fields import Fields
from cycler.recipe.model import RampStep
from cycler.recipe.plan import Condition, PlanPhase, PlanStep, StepVariant
from cycler.recipe.steps.form import Amounts, Common, StepForm, above_zero
from cycler.recipe.steps.judge import ACCURACIES_MIN, RATED_MOVED_MAX, StepJudge
from cycler.recipe.steps.kind import StepKind
from cycler.recipe.steps.scope import Scope
from cycler.recipe.steps.train import Stretches, as_train, point_the_right_way, train_lines, voltage_fails
from cycler.recipe.units import Quantity
from cycler.recipe.yaml_nodes import ScalarNode

STAIRS_MAX = 1000
STAIR_S_MIN = 2.0
"""Of a whole stair; a half one lasts a second."""

_UNITS = {"current": ("A", "C"), "voltage": ("V",)}
_RATES = {"current": "A/s", "voltage": "V/s"}


def _build(fields: Fields, common: Common, _: Amounts, __: DcirDefaults) -> RampStep | None:
    quantity = fields.word("quantity", tuple(_UNITS), required=True)
    if quantity is None:
        for key in ("from", "to", "rate"):
            fields.know(key)
        return None
    first = fields.quantity("from", *_UNITS[quantity], required=True)
    last = fields.quantity("to", *_UNITS[quantity], required=True)
    rate = above_zero(fields, "rate", _RATES[quantity], required=True)
    if first is None or last is None or rate is None:
        return None
    if first == last:
        written = [node.text for key in ("from", "to") if isinstance(node := fields.node.entries[key], ScalarNode)]
        way = " to ".join(f"`{text}`" for text in written)
        fields.refuse("to", "ramp", f"ramp: it goes from {way}: nowhere", "use `charge` or `discharge`")
        return None
    return RampStep(quantity=cast(Literal["current", "voltage"], quantity), from_=first, to=last, rate=rate, **common)


def _stairs(step: RampStep, scope: Scope) -> list[tuple[float, float]]:
    """Value and duration of each."""
    channel = scope.lowering.channel
    first, last = (
        scope.ampere(value) if step.quantity == "current" else value.number for value in (step.from_, step.to)
    )
    span = last - first
    lasts_s = abs(span) / step.rate.number
    most = min(STAIRS_MAX, int(lasts_s / STAIR_S_MIN))
    if channel is not None:
        finest = channel.current_resolution_a if step.quantity == "current" else channel.voltage_resolution_v
        most = min(most, round(abs(span) / finest))
    number = max(most, 1)
    stairs = [(first + span * place / number, lasts_s / number) for place in range(number + 1)]
    for end in (0, -1):
        stairs[end] = stairs[end][0], lasts_s / number / 2
    return stairs


def _phases(step: RampStep, scope: Scope) -> tuple[PlanPhase, ...]:
    if step.quantity == "current":
        stretches, least_a = Stretches(scope), _least_a(scope)
        return tuple(
            stretches.phase(Quantity(current_a if abs(current_a) >= least_a else 0.0, "A"), time_s)
            for current_a, time_s in _stairs(step, scope)
        )
    (direction,) = _directions(step)
    return tuple(
        PlanPhase(
            direction=direction,
            current_a=scope.limit_a(direction),
            voltage_v=voltage_v,
            holds_voltage=True,
            duration_s=time_s,
        )
        for voltage_v, time_s in _stairs(step, scope)
    )


def _least_a(scope: Scope) -> float:
    """What the channel cannot tell from nothing is nothing: the relay is open while the ramp passes zero."""
    channel = scope.lowering.channel
    return ACCURACIES_MIN * channel.current_accuracy_a if channel else 0.0


def _directions(step: RampStep) -> set[DriveDirection]:
    """A voltage that rises charges, one that falls discharges."""
    first, last = step.from_.number, step.to.number
    if step.quantity == "voltage":
        return {"charge" if last > first else "discharge"}
    directions: set[DriveDirection] = set()
    if max(first, last) > 0:
        directions.add("charge")
    if min(first, last) < 0:
        directions.add("discharge")
    return directions


def _fails(step: RampStep, scope: Scope) -> tuple[Condition, ...]:
    """Of a voltage ramp none: it never leaves what it asks for."""
    return voltage_fails(scope, _directions(step)) if step.quantity == "current" else ()


def _check(judge: StepJudge, variant: StepVariant, drives: Sequence[PlanPhase]) -> None:
    point_the_right_way(judge, variant, drives)
    lasts_s = sum(phase.duration_s or 0.0 for phase in variant.phases)
    if lasts_s < STAIR_S_MIN:
        judge.refuse(
            "ramp", f"lasts {lasts_s:.3g} s: too short for a ramp", f"lower its rate, to last {STAIR_S_MIN:g} s"
        )
    if not drives:
        judge.refuse("accuracy", "never leaves the currents that the channel cannot tell from nothing")
    if bounds(variant, "capacity", ABOVE):
        return
    if any(phase.holds_voltage for phase in drives):
        judge.refuse(
            "no-charge", "has no charge limit: a shorted cell would take any", "add capacity > 115 % to `fail`"
        )
        return
    moved_ah = sum(phase.current_a * (phase.duration_s or 0.0) / 3600 for phase in drives)
    share = moved_ah / judge.cell_type.rated_capacity_ah
    if share > RATED_MOVED_MAX:
        judge.refuse("no-charge", f"could move {share:.0%} of the rated capacity", "add capacity > 115 % to `fail`")


def _lines(step: PlanStep) -> Iterator[str]:
    yield from train_lines(step)


RAMP = StepKind(
    form=StepForm(
        words={"quantity": ("current", "voltage")},
        singles={"from": ("A", "C", "V"), "to": ("A", "C", "V"), "rate": ("A/s", "V/s")},
        build=_build,
    ),
    phases=_phases,
    fails=_fails,
    complete=lambda _, lowered: as_train(lowered),
    check=_check,
    lines=_lines,
)
