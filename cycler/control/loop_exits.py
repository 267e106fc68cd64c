"""Whether a loop is over at the end of a turn: its `until` is asked between two steps, when no reading is at hand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cycler.control.condition_watch import ConditionWatch, Now
from cycler.control.decision import decide
from cycler.control.program_cursor import LoopAnswer, Turn
from cycler.recipe.plan import LoopStart, PlanStep


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopExit:
    """How a loop was left before its last turn had to end it."""

    loop: str  # its id, else its path
    turns: int  # that it has had
    kind: Literal["next", "end", "fail", "hold"]
    code: str | None
    text: str


@dataclass(slots=True, kw_only=True)
class LoopExits:
    """Asks the loops whose turns end with this step, and remembers those that are over."""

    step: PlanStep  # the last one of the turn
    elapsed_s: float  # since the run began
    variables: Mapping[str, float]
    found: list[LoopExit] = field(default_factory=list)

    def ask(self, loop: LoopStart, turn: Turn) -> LoopAnswer:
        """Of the innermost loop first."""
        left = self._exit(loop, turn) if loop.until else None
        if left is None:
            return "goes on"
        self.found.append(left)
        return "is over" if left.kind == "next" else "ends the recipe"

    def _exit(self, loop: LoopStart, turn: Turn) -> LoopExit | None:
        turns = turn.turn + 1
        names = [test.variable for condition in loop.until for test in condition.tests]
        missing = [name for name in names if name is not None and name not in self.variables]
        if missing:
            text = f"{missing[0]} has not been set"
            return LoopExit(loop=loop.step_id, turns=turns, kind="hold", code=None, text=text)
        now = Now(time=self.elapsed_s - turn.began_s, total_time=self.elapsed_s)
        watches = [
            (ConditionWatch(each, tapers=False, at_window_s=0.0, variables=self.variables), False)
            for each in loop.until
        ]
        decision = decide(watches, now, self.step)
        if decision is None:
            return None
        kind: Literal["next", "end"] = "end" if decision.condition.outcome.kind == "end" else "next"
        return LoopExit(
            loop=loop.step_id,
            turns=turns,
            kind=kind if decision.kind == "go-on" else decision.kind,
            code=decision.code,
            text=decision.text,
        )
