"""What the step machine asks for or reports. It does nothing itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cycler.model.alarm import AlarmCode
from cycler.model.results import Sample, StepResult, Verdict
from cycler.recipe.plan import PlanStep, StepVariant


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDue:
    """Order this step's phases, from `first_phase` on. Give the machine the order's id with `ordered`.

    `rest_v` is the cell's present voltage, `lower_armed` whether the formed envelope's lower bound guards it yet. Of a
    step that goes on after an interruption, so much has passed and moved already.
    """

    step: PlanStep
    variant: StepVariant
    first_phase: int
    rest_v: float
    lower_armed: bool
    passed_s: float = 0.0
    moved_ah: float = 0.0


@dataclass(frozen=True, slots=True)
class SampleDue:
    """Keep the present reading; the machine's own attributes are the sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeDue:
    """Keep this sample: a step begins or ends with it, or one of its phases ends behind it.

    Those of a step carry the counters from which its numbers come.
    """

    sample: Sample


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
class VariablesSet:
    """What a `set` step has worked out, each value in the unit that `text` names."""

    values: Mapping[str, float]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopLeft:
    """A loop was over by its `until`, after so many turns. `loop` is its id, else its path."""

    loop: str
    turns: int
    text: str


@dataclass(frozen=True, slots=True)
class PhaseHeld:
    """The phase in force has lasted long enough; the step goes on when the bay lets it go."""


@dataclass(frozen=True, slots=True)
class LatchPassed:
    """A cell in its first charge is unformed no more, once and for its life."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tripped:
    """A protection acted: open the relay now."""

    code: AlarmCode
    text: str


RunEnd = Literal["completed", "failed", "tripped", "held", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOver:
    """Nothing follows: open the relay. The last step's `StepEnded` comes when the relay is seen open.

    `verdict`: what the recipe itself says of the cell.
    """

    end: RunEnd
    code: str | None
    text: str
    verdict: Verdict | None = None


MachineEvent = (
    OrderDue
    | SampleDue
    | EdgeDue
    | StepEntered
    | StepEnded
    | VariablesSet
    | LoopLeft
    | PhaseHeld
    | LatchPassed
    | Tripped
    | RunOver
)

KEEP = SampleDue()
