"""How far the trays of a rack are, in the words of a progress line."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cycler.control.channel_controller import ChannelController
from cycler.model.rack import PositionId
from cycler.model.run import Run
from cycler.recipe.plan import PlanStep


@dataclass(frozen=True, slots=True, kw_only=True)
class BayProgress:
    """One bay. `remaining_s` is an expectation."""

    bay: str
    cells: int
    ended: int
    step: str  # where most of the running cells are
    elapsed_s: float
    remaining_s: float
    eta_utc: datetime

    @property
    def ratio(self) -> float:
        """0 to 1."""
        whole_s = self.elapsed_s + self.remaining_s
        return 1.0 if self.ended == self.cells or not whole_s else self.elapsed_s / whole_s


def bay_progress(
    run: Run, controllers: Mapping[PositionId, ChannelController], *, elapsed_s: float, now_utc: datetime
) -> BayProgress:
    """The bay is done when the cell that is furthest behind is."""
    of_run = [controllers[position] for position in run.cells if position in controllers]
    running = [controller for controller in of_run if not controller.closed]
    steps = Counter(_words(controller.machine.step) for controller in running if controller.machine.step is not None)
    behind = min(running, key=lambda controller: controller.machine.step_count, default=None)
    remaining_s = behind.machine.remaining_s if behind is not None else 0.0
    return BayProgress(
        bay=run.placement.bay,
        cells=len(run.cells),
        ended=len(run.cells) - len(running),
        step=steps.most_common(1)[0][0] if steps else ("starting" if running else "done"),
        elapsed_s=elapsed_s,
        remaining_s=remaining_s,
        eta_utc=now_utc + timedelta(seconds=remaining_s),
    )


def _words(step: PlanStep) -> str:
    """What a cell is doing; held for its temperature it is also soaking while it waits for its chamber."""
    if step.soak is not None and step.chamber is not None:
        return f"soaking {step.chamber.target_degc:g} degC"
    return f"{step.step_type} {step.step_id}"
