"""What `pulse`, `ramp` and `profile` have in common: many regulated stretches, of which some may charge and others not.

Each direction has its own end in voltage: the step's bound where it has one, else the envelope's, beyond which the step
fails by itself. The clamps lie halfway between that and the trip. At 0 the relay is open.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import inf, isnan

from cycler.recipe.bounds import ABOVE, BELOW, DriveDirection, bounds, end_voltage_v
from cycler.recipe.lower_condition import SAMPLES_ELECTRICAL
from cycler.recipe.plan import (
    Comparison,
    Condition,
    Outcome,
    PlanPhase,
    PlanStep,
    Relation,
    StepVariant,
    TrainRule,
)
from cycler.recipe.steps.judge import StepJudge
from cycler.recipe.steps.scope import Scope
from cycler.recipe.units import Quantity
from cycler.recipe.words import in_words


def direction_of(flow: Quantity) -> DriveDirection | None:
    """Of a current or power that is positive where it charges; None at 0."""
    return None if flow.number == 0 else "charge" if flow.number > 0 else "discharge"


class Stretches:
    """Makes the phases of one turn of a step."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._clamps_v = {way: scope.clamp_v(end_v(scope, way), way) for way in ("charge", "discharge")}

    def phase(self, flow: Quantity, duration_s: float) -> PlanPhase:
        """A current, C-rate or power for so long, positive where it charges."""
        direction = direction_of(flow)
        if direction is None:
            return PlanPhase(direction="rest", duration_s=duration_s)
        magnitude = Quantity(abs(flow.number), flow.unit)
        is_power = flow.unit == "W"
        return PlanPhase(
            direction=direction,
            current_a=self._scope.limit_a(direction) if is_power else self._scope.ampere(magnitude),
            voltage_v=self._clamps_v[direction],
            power_w=magnitude.number if is_power else None,
            duration_s=duration_s,
        )


def end_v(scope: Scope, direction: DriveDirection) -> float:
    """Where a stretch in this direction is over at the latest."""
    own_v = _own_end_v(scope, direction)
    if not isnan(own_v):
        return own_v
    return scope.envelope.voltage_v_max if direction == "charge" else scope.envelope.voltage_v_min


def _own_end_v(scope: Scope, direction: DriveDirection) -> float:
    return end_voltage_v(StepVariant(phases=(), until=scope.until, fail=scope.fail), direction)


def voltage_fails(scope: Scope, directions: Iterable[DriveDirection | None]) -> tuple[Condition, ...]:
    """At the envelope's bounds, in the directions for which the step itself gives none."""
    found = []
    for direction in ("charge", "discharge"):
        if direction in directions and isnan(_own_end_v(scope, direction)):
            relation: Relation = ">=" if direction == "charge" else "<="
            at_v = end_v(scope, direction)
            found.append(
                Condition(
                    tests=(Comparison(quantity="voltage", relation=relation, value=at_v),),
                    outcome=Outcome(kind="fail"),
                    samples=SAMPLES_ELECTRICAL,
                    text=f"voltage {relation} {Quantity(at_v, 'V')} -> fail",
                )
            )
    return tuple(found)


def as_train(lowered: PlanStep, *, measures: bool = False) -> PlanStep:
    """With its timetable. Its bound in time is the recipe's own: where the device does not hold all of its stretches,
    it takes longer than their sum.
    """
    times_s = [_bound_s(variant) for variant in lowered.variants]
    time_s_max = lowered.time_s_max if inf in times_s else max(times_s)
    return replace(lowered, train=TrainRule(measures=measures), time_s_max=time_s_max)


def _bound_s(variant: StepVariant) -> float:
    return min((c.tests[0].value + c.for_s for c in bounds(variant, "time", ABOVE)), default=inf)


def check_bounds(judge: StepJudge, variant: StepVariant, drives: Sequence[PlanPhase], what: str) -> None:
    """It moves something, and has a bound in time and one in charge."""
    if not drives:
        judge.refuse("pulse", f"lets nothing flow: every stretch of its {what} is at rest", "use `rest` to wait")
    if not bounds(variant, "time", ABOVE):
        judge.refuse("no-time", f"has no time limit for its {what}", "add time > 10 min, or so, to `fail`")
    if not bounds(variant, "capacity", ABOVE):
        judge.refuse(
            "no-charge", f"has no charge limit for its {what}: charge and discharge count together",
            "add capacity > 5 %, or so, to `fail`",
        )  # fmt: skip


def point_the_right_way(judge: StepJudge, variant: StepVariant, drives: Sequence[PlanPhase]) -> None:
    """A step that goes one way only does not end by a voltage that it leads away from."""
    directions = {phase.direction for phase in drives}
    if len(directions) != 1:
        return
    relations = BELOW if "charge" in directions else ABOVE
    ends = [c for c in variant.until if c.window == "always" and c.outcome.kind in {"next", "end", "goto"}]
    wrong = [c for c in ends if any(t.quantity == "voltage" and t.relation in relations for t in c.tests)]
    if wrong:
        judge.refuse(
            "wrong-way", f"ends by `{wrong[0].text}`, which its {next(iter(directions))} does not lead to"
        )  # fmt: skip


def train_lines(step: PlanStep) -> Iterator[str]:
    """What holds for all its stretches."""
    variant = step.variants[0]
    yield (
        f"{len(variant.phases)} stretches in {in_words(variant.duration_s or 0.0, 's')},"
        " each over at its time since the first began"
    )
