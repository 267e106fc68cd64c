"""What holds a step within bounds: a *bound* is one test without window or `and` whose outcome is next, fail or end."""

from math import nan
from typing import Literal

from cycler.model.cell_type import Envelope
from cycler.recipe.plan import Condition, PlanPhase, Quantity, Relation, StepVariant

ABOVE: tuple[Relation, ...] = (">", ">=")
BELOW: tuple[Relation, ...] = ("<", "<=")

BOUND_FOR_S_MAX = 60.0
"""What must hold for longer than this is no bound: too much can happen meanwhile."""

DriveDirection = Literal["charge", "discharge"]


def drive_direction(phase: PlanPhase) -> DriveDirection:
    """Of a phase that energises."""
    assert phase.direction != "rest"  # noqa: S101 (asked only of drives)
    return phase.direction


def is_bound(condition: Condition) -> bool:
    """Whether the condition alone ends the step, at any time of it."""
    return (
        len(condition.tests) == 1
        and condition.window == "always"
        and condition.outcome.kind in {"next", "fail", "end"}
        and condition.for_s <= BOUND_FOR_S_MAX
    )


def bounds(variant: StepVariant, quantity: Quantity, relations: tuple[Relation, ...]) -> list[Condition]:
    """A step's bounds on one quantity from one side, of `until` and `fail` alike."""
    return [
        condition
        for condition in (*variant.until, *variant.fail)
        if condition.tests[0].quantity == quantity and condition.tests[0].relation in relations and is_bound(condition)
    ]


def end_voltage_v(variant: StepVariant, direction: DriveDirection) -> float:
    """The first voltage bound that the step meets in its direction; NaN without one."""
    if direction == "charge":
        return min((c.tests[0].value for c in bounds(variant, "voltage", ABOVE)), default=nan)
    return max((c.tests[0].value for c in bounds(variant, "voltage", BELOW)), default=nan)


def trip_v(envelope: Envelope, direction: DriveDirection) -> float:
    """Where the voltage protection trips in this direction."""
    if direction == "charge":
        return envelope.voltage_v_max + envelope.trip_margin_v
    return envelope.voltage_v_min - envelope.trip_margin_v
