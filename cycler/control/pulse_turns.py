"""Cyclers on which the other channels rest while one pulses: their cells take turns.

A cell waits for its turn with its relay open, and after its pulse until no other can have one now. One that rests in
any other step gets its next order a little later instead. Nobody waits for a step that has not come to a pulse yet: who
wants all cells to pulse together lets them hold for each other before.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from cycler.control.channel_controller import ChannelController
from cycler.control.outbox import Command
from cycler.recipe.plan import Plan, PlanPhase, PlanStep, Repeated, StepVariant

WAIT_S_MAX = 4 * 3600.0
"""For others that do not pulse, and for as long as each channel's own pulses may take: longer, and the cell is held."""


def with_turns(plan: Plan, channels: int) -> Plan:
    """The plan for such a cycler with so many channels: the pulses of a step stand between two waits, held rests.

    A step's own bounds in time do not count them.
    """
    pulses_s = max(
        (step.time_s_max for step in plan.program if isinstance(step, PlanStep) and step.pulses), default=0.0
    )
    wait_s = WAIT_S_MAX + channels * pulses_s
    return replace(
        plan, program=tuple(_with_turns(step, wait_s) if isinstance(step, PlanStep) else step for step in plan.program)
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


def _with_turns(step: PlanStep, wait_s: float) -> PlanStep:
    if not step.pulses:
        rests = all(phase.direction == "rest" for variant in step.variants for phase in variant.different)
        return replace(step, time_s_max=step.time_s_max + wait_s) if rests else step
    return replace(
        step,
        variants=tuple(_between_waits(variant, wait_s) for variant in step.variants),
        time_s_max=step.time_s_max + 2 * wait_s,
    )


def _between_waits(variant: StepVariant, wait_s: float) -> StepVariant:
    """Cells rest together before a single pulse; a train, whose rests are stretches, always has a wait in front."""
    wait = PlanPhase(direction="rest", held=True, held_s_max=wait_s, own_order=True)
    phases = variant.phases
    if isinstance(phases, Repeated):
        return replace(variant, phases=replace(phases, before=(wait,), after=(wait,)))
    first, *others = phases
    if first.direction == "rest":
        return replace(variant, phases=(replace(first, held=True, held_s_max=wait_s), *others, wait))
    return replace(variant, phases=(wait, *phases, wait))
