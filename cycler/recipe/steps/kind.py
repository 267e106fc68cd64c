"""All that the language knows of one step word.

A new kind of step is its dataclass in `model`, a module with one of these, and a line in `table`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Generic, TypeVar

from cycler.recipe.model import ExecutedStep
from cycler.recipe.plan import Assignment, Condition, PlanPhase, PlanStep, StepVariant
from cycler.recipe.steps.form import StepForm
from cycler.recipe.steps.judge import StepJudge
from cycler.recipe.steps.scope import Lowering, Scope

S = TypeVar("S", bound=ExecutedStep)


def _nothing(*_: object) -> Iterator[str]:
    yield from ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepKind(Generic[S]):
    """How a step is written, executed, judged and told.

    `phases` makes what a channel executes in one turn; a number that follows from nothing is NaN, and nothing is
    refused there. `fails` are conditions that the kind itself brings along. `complete` adds what the step asks of more
    than its own channel, `assigns` the variables that it sets. `check` refuses, for one variant and its energised
    phases, what this kind makes no sense with; what holds for all kinds is checked elsewhere. `timeout_s` bounds what
    the bay ends. `lines` tell `complete` and `assigns` to people.
    """

    form: StepForm
    phases: Callable[[S, Scope], Sequence[PlanPhase]]
    fails: Callable[[S, Scope], tuple[Condition, ...]] = lambda _, __: ()
    complete: Callable[[S, PlanStep], PlanStep] = lambda _, lowered: lowered
    assigns: Callable[[S, Lowering], tuple[Assignment, ...]] = lambda _, __: ()
    check: Callable[[StepJudge, StepVariant, Sequence[PlanPhase]], None] = lambda _, __, ___: None
    timeout_s: Callable[[S], float] = lambda _: inf
    lines: Callable[[PlanStep], Iterator[str]] = _nothing
