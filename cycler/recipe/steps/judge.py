"""What a kind of step judges itself with: the lowered step, whose it is, and where refusals go."""

from dataclasses import dataclass, field

from cycler.contract.capabilities import ChannelRange
from cycler.model.cell_type import CellType
from cycler.recipe.plan import PlanStep
from cycler.recipe.problems import Problems
from cycler.recipe.units import Quantity

ACCURACIES_MIN = 3
"""A current below so many accuracies of its channel cannot be told from nothing."""
RATED_MOVED_MAX = 1.2
"""Of the rated capacity, that a current may move within its time without a bound in charge."""


@dataclass(slots=True, kw_only=True)
class StepJudge:
    """Each kind of refusal is reported once, for the first turn that it concerns."""

    step: PlanStep
    cell_type: CellType
    channel: ChannelRange | None
    problems: Problems
    _refused: set[str] = field(default_factory=set)

    def refuse(self, code: str, predicate: str, hint: str = "") -> None:
        """The predicate goes on from the name of the step."""
        if code not in self._refused:
            self._refused.add(code)
            self.problems.add(self.step.line, code, f"step {self.step.step_id} {predicate}", hint)

    @property
    def least_a(self) -> float:
        """What the channel can tell from nothing; 0 where it is not known."""
        return ACCURACIES_MIN * self.channel.current_accuracy_a if self.channel else 0.0

    @property
    def window(self) -> str:
        """The voltages that the step may ask for."""
        return f"{self.step.envelope.voltage_v_min:.4g} to {self.step.envelope.voltage_v_max:.4g} V"


def amp(current_a: float) -> str:
    """To four digits, in the unit that reads best."""
    return str(Quantity(float(f"{current_a:.4g}"), "A"))
