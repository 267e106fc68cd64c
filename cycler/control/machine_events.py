"""What the step machine asks for or reports. It does nothing itself."""

from dataclasses import dataclass
from typing import Literal

from cycler.model.alarm import AlarmCode
from cycler.model.results import StepResult
from cycler.recipe.plan import PlanStep, StepVariant


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDue:
    """Order this step's phases, from `first_phase` on. Give the machine the order's id with `ordered`."""

    step: PlanStep
    variant: StepVariant
    first_phase: int


@dataclass(frozen=True, slots=True)
class SampleDue:
    """Keep the present reading; the machine's own attributes are the sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEntered:
    """The order in force has been seen in a reading: the step has begun."""

    step: PlanStep
    step_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEnded:
    """The step's numbers, final."""

    result: StepResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Tripped:
    """A protection acted: open the relay now."""

    code: AlarmCode
    text: str


RunEnd = Literal["completed", "failed", "tripped", "held", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOver:
    """Nothing follows: open the relay. The last step's `StepEnded` comes when the relay is seen open."""

    end: RunEnd
    code: str | None
    text: str


MachineEvent = OrderDue | SampleDue | StepEntered | StepEnded | Tripped | RunOver

KEEP = SampleDue()
