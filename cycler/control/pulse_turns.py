"""Cyclers on which the other channels rest while one pulses: their cells take turns.

A cell waits for its turn with its relay open, and after its pulse until no other can have one now. One that rests in
any other step gets its next order a little later instead. Nobody waits for a step that has not come to a pulse yet: who
wants all cells to pulse together lets them hold for each other before.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from cycler.control.channel_controller import ChannelController
from cycler.control.outbox import Command
from cycler.recipe.bounds import ABOVE, bounds
from cycler.recipe.plan import Plan, PlanPhase, PlanStep, StepVariant

WAIT_S_MAX = 4 * 3600.0
"""For a turn, where the step has no bound in time of its own."""

_WAIT = PlanPhase(direction="rest", held=True, own_order=True)


def with_turns(plan: Plan) -> Plan:
    """The plan for such a cycler: each pulse stands between two held rests. The time of a step includes the waiting."""
    return replace(
        plan, program=tuple(_with_turns(step) if isinstance(step, PlanStep) else step for step in plan.program)
    )


class PulseTurns:
    """Of one device. All calls are ordinary ones."""

    def __init__(
        self,
        controllers: Callable[[], Sequence[ChannelController]],
        post: Callable[[Sequence[Command]], None],
    ) -> None:
        """`controllers`: of all runs on the device that are not closed; `post` tells the device."""
        self._controllers = controllers
        self._post = post
        self._waiting: list[ChannelController] = []  # for their turns, in the order in which they came
        self._done: list[ChannelController] = []  # with them
        self._pulsing: ChannelController | None = None
        self._step_count = 0  # of the step in which it does
        self._busy = False

    def on_held(self, controller: ChannelController) -> None:
        """The cell waits for its turn, or has had it."""
        if controller.machine.in_last_phase:
            self._done.append(controller)
            self._pulsing = None if self._pulsing is controller else self._pulsing
        else:
            self._waiting.append(controller)

    def allows(self, controller: ChannelController) -> bool:
        """Whether its output may be switched on now."""
        return self._pulsing is None or self._pulsing is controller

    def on_change(self) -> None:
        """Something has happened to a cell of the device."""
        if self._busy:
            return
        self._busy = True
        try:
            while self._goes_on():
                pass
        finally:
            self._busy = False

    def _goes_on(self) -> bool:
        """Whether somebody did."""
        pulsing = None if self._pulsing is None else self._pulsing.machine
        if pulsing is not None and pulsing.over is None and pulsing.step_count == self._step_count:
            return False
        self._pulsing = None
        self._waiting = [each for each in self._waiting if each.machine.held]
        if self._waiting and all(each.is_at_rest for each in self._controllers()):
            self._pulsing = self._waiting.pop(0)
            self._step_count = self._pulsing.machine.step_count
            self._post(self._pulsing.release("completed", "its turn to pulse has come"))
            return True
        done, self._done = self._done, []
        for controller in done:
            self._post(controller.release("completed", "the turns to pulse are over"))
        for controller in self._controllers():
            self._post(controller.order_withheld())
        return bool(done)


def _with_turns(step: PlanStep) -> PlanStep:
    if not step.pulses:
        rests = all(phase.direction == "rest" for variant in step.variants for phase in variant.different)
        return replace(step, time_s_max=step.time_s_max + WAIT_S_MAX) if rests else step
    return replace(
        step,
        variants=tuple(_between_rests(variant) for variant in step.variants),
        time_s_max=max(_time_s_max(variant) for variant in step.variants),
    )


def _between_rests(variant: StepVariant) -> StepVariant:
    first = variant.phases[0]
    if first.direction == "rest":
        return replace(variant, phases=(replace(first, held=True), *variant.phases[1:], _WAIT))
    return replace(variant, phases=(_WAIT, *variant.phases, _WAIT))


def _time_s_max(variant: StepVariant) -> float:
    own_s = [condition.tests[0].value + condition.for_s for condition in bounds(variant, "time", ABOVE)]
    return min(own_s, default=(variant.duration_s or 0.0) + WAIT_S_MAX)
