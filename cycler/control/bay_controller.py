"""One run on one bay: lets its cells go on where each of them has to wait for the others."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from cycler.contract.sweep import ChannelId, Sweep
from cycler.control.channel_controller import ChannelController
from cycler.control.contact_round import ContactRound, Verdicts
from cycler.control.device_loop import DeviceLoop
from cycler.control.holds import Holds
from cycler.control.machine_events import OrderDue
from cycler.control.outbox import Command
from cycler.control.outputs import BayOutputs
from cycler.control.presses import Presses
from cycler.control.rack_log import RackLog
from cycler.control.zero_current import current_possible
from cycler.model.rack import Bay, PositionId
from cycler.recipe.plan import ContactRule
from cycler.safety.contact_check import judge_empty
from cycler.safety.contact_measures import Passive
from cycler.safety.contact_subject import ContactSubject
from cycler.safety.contact_verdict import ContactVerdict

PRESS_TRIES = 2


class BayController:
    """All calls are ordinary ones, made when a cell of the run has got to a held phase, or has come to its end.

    A contact check has three barriers, at each of which all cells that go on have a held phase in force: before any
    current, between the charges of the two groups, and after them.
    """

    def __init__(
        self,
        bay: Bay,
        cells: Collection[PositionId],
        *,
        loops: Mapping[str, DeviceLoop],
        presses: Presses,
        holds: Holds,
        outputs: BayOutputs | None,
        rack_log: RackLog,
        on_change: Callable[[], None],
    ) -> None:
        """`cells`: the positions where the tray has a cell; `loops`: the rack's, by their devices.

        `on_change` hears of every cell that has got to a held phase or to its end: others may wait for that, too.
        """
        self._bay = bay
        self._loops = loops
        self._presses = presses
        self._holds = holds
        self._outputs = outputs
        self._setting: str | None = None  # the step whose outputs are set, or about to be
        self._log = rack_log
        self._on_change = on_change
        self._controllers: dict[PositionId, ChannelController] = {}
        self._empty = [name for name, position in bay.positions.items() if position.empty or name not in cells]
        self._due = self._busy = False  # a barrier is being left: what that causes is looked at afterwards
        self._begin_round()

    def add(self, controller: ChannelController) -> None:
        """A cell that is about to start."""
        self._controllers[controller.position] = controller

    def remove(self, controller: ChannelController) -> None:
        """A cell that was not started after all."""
        del self._controllers[controller.position]

    def answer(self, positions: Collection[PositionId], text: str) -> list[PositionId]:
        """A person lets these cells go on from a `hold`; which of them have waited for that."""
        running = [each for each in self._controllers.values() if each.machine.over is None]
        asked = [each for each in running if each.position in positions and self._holds.answer(each, text)]
        if asked:
            self._go_on()
        return [each.position for each in asked]

    def take(self, controller: ChannelController, sweep: Sweep) -> None:
        """A reading of a cell in a contact check."""
        phase = controller.machine.phase
        if phase is None or phase.stage is None:
            return
        step_count = controller.machine.step_count
        self._round.take(controller.position, sweep[controller.channel], stage=phase.stage, step_count=step_count)
        if phase.stage == "passive":
            self._sweeps.setdefault(self._device(controller.position), {})[sweep.taken_s] = sweep

    def on_held(self) -> None:
        """The phase in force of one of the cells waits for the bay."""
        self._go_on()
        self._on_change()

    def on_order(self, due: OrderDue) -> None:
        """A step that has set outputs is over for all cells as soon as it is for one of them."""
        if self._setting is not None and (due.step.path != self._setting or due.first_phase == 0):
            self._give_back()

    def allows(self) -> bool:
        """Not while outputs may be set that a current must not meet."""
        return self._outputs is None or self._outputs.are_safe

    def on_over(self) -> None:
        """The run of one of the cells is over: nobody has to wait for it any more."""
        if self._setting is not None:
            self._give_back()
        self._go_on()
        self._on_change()

    # The barriers.

    def _begin_round(self) -> None:
        self._round = ContactRound()
        self._sweeps: dict[str, dict[float, Sweep]] = {}  # of the passive stage, by device and time
        self._passed: set[PositionId] = set()  # whose check is over, while others are pressed again
        self._tries = 0
        self._reported: set[PositionId] = set()  # cells that stand where none should
        self._pressing = False

    def _go_on(self) -> None:
        """Whoever comes last to a barrier opens it for all."""
        self._due = True
        if self._busy:
            return
        self._busy = True
        try:
            while self._due:
                self._due = False
                self._leave_barrier()
                self._leave_holds()
                self._set_outputs()
        finally:
            self._busy = False

    def _leave_holds(self) -> None:
        running = [each for each in self._controllers.values() if each.machine.over is None]
        for each, text in list(self._holds.released(running)):
            each.record("hold.released", text=text)
            self._post(each, each.release("completed", text))

    def _set_outputs(self) -> None:
        """Once all cells that run have come to a step that sets some."""
        running = [each for each in self._controllers.values() if each.machine.over is None]
        steps = [each.machine.step if each.machine.held else None for each in running]
        step = steps[0] if steps else None
        if self._outputs is None or self._setting is not None or step is None or step.outputs is None:
            return
        if any(other is None or other.path != step.path for other in steps):
            return
        self._setting = step.path
        states = step.outputs.states
        text = ", ".join(f"{name} {'on' if state else 'off'}" for name, state in states.items())

        def done() -> None:
            for each in running:
                if each.machine.held:
                    each.record("outputs.set", text=text)
                self._post(each, each.release("completed", f"outputs set: {text}"))

        self._outputs.ask(states, done)

    def _give_back(self) -> None:
        self._setting = None
        if self._outputs is not None:
            self._outputs.give_back()

    def _leave_barrier(self) -> None:
        # The last of a device's channels is the last to get there: asked first, it spares asking all for each of them.
        last_first = (each for each in reversed(self._controllers.values()) if each.machine.over is None)
        if self._pressing or not all(_waits_in_contact(each) for each in last_first):
            return
        running = [controller for controller in self._controllers.values() if controller.machine.over is None]
        if not running:
            return
        checked = [controller for controller in running if controller.position not in self._passed]
        if all(each.machine.in_last_phase for each in checked):
            self._after_the_charges(checked, running)
        elif all(_is_passive(each) for each in checked):
            self._before_any_current(checked)
        else:
            self._release(checked)

    def _before_any_current(self, checked: Sequence[ChannelController]) -> None:
        subjects = {each.position: _subject(each) for each in checked}
        verdicts = self._round.judge_passive(subjects, self._judge_empty())
        if not self._press_again(checked, verdicts):
            self._refuse(checked, verdicts)
            self._release([each for each in checked if verdicts[each.position].current_allowed])

    def _after_the_charges(self, checked: Sequence[ChannelController], running: Sequence[ChannelController]) -> None:
        verdicts = self._round.judge_answers([each.position for each in checked])
        for each in checked:
            if verdicts[each.position].current_allowed:
                self._passed.add(each.position)
                each.record("contact.proven", text=verdicts[each.position].text)
        if not self._press_again(checked, verdicts):
            self._refuse(checked, verdicts)
            self._release([each for each in running if each.position in self._passed])
            self._begin_round()

    def _release(self, controllers: Iterable[ChannelController]) -> None:
        for each in controllers:
            self._post(each, each.release("completed", "the contact check is done"))
            if each.order is not None and each.order.energises:
                self._round.charges(each.position, each.order.phases[0])

    def _refuse(self, checked: Iterable[ChannelController], verdicts: Verdicts) -> None:
        for each in checked:
            verdict = verdicts[each.position]
            if not verdict.current_allowed:
                self._post(each, each.stop("fail", verdict.text, end="failed", code=verdict.code))

    def _judge_empty(self) -> dict[PositionId, ContactVerdict]:
        """The positions without a cell, by the sweeps of their devices in the passive stage."""
        verdicts = {}
        for position in self._empty:
            device, channel = self._device(position), self._channel(position)
            last = self._loops[device].last
            sweeps = list(self._sweeps.get(device, {}).values()) or ([] if last is None else [last])
            if not sweeps or channel not in sweeps[0].channels:
                continue
            passive = Passive.of([sweep[channel] for sweep in sweeps])
            verdict = judge_empty(self._loops[device].capabilities.range, passive)
            verdicts[position] = verdict
            if verdict.code is not None and position not in self._reported:
                self._reported.add(position)
                self._log.record(
                    "cell.unexpected", code=verdict.code, text=verdict.text, bay=self._bay, position=position
                )
        return verdicts

    # Pressing again.

    def _press_again(self, checked: Iterable[ChannelController], verdicts: Verdicts) -> bool:
        """Whether that is tried, for those that it may help; the others wait."""
        again = [each for each in checked if verdicts[each.position].actions[0] == "re-press"]
        if (
            not again
            or self._bay.press is None
            or self._tries == PRESS_TRIES
            or current_possible(self._bay, self._loops)
        ):
            return False
        self._tries += 1
        self._pressing = True
        for each in again:
            verdict = verdicts[each.position]
            each.record("contact.pressed", code=verdict.code, text=verdict.text, data={"try": self._tries})

        def done(failure: str) -> None:
            self._pressing = False
            for each in again:
                self._post(each, each.repeat("lost-contact", verdicts[each.position].text))
            if failure:
                for controller in self._controllers.values():
                    self._post(controller, controller.stop("interlock", failure))
            self._go_on()  # those that were to be checked again may all be over

        self._presses.press_again(self._bay, done)
        return True

    def _device(self, position: PositionId) -> str:
        return self._bay.positions[position].channels[0].device

    def _channel(self, position: PositionId) -> ChannelId:
        return ChannelId(self._bay.positions[position].channels[0].channel)

    def _post(self, controller: ChannelController, commands: Sequence[Command]) -> None:
        self._loops[self._device(controller.position)].post(commands)


def _waits_in_contact(controller: ChannelController) -> bool:
    step = controller.machine.step
    return step is not None and step.contact is not None and controller.machine.held


def _is_passive(controller: ChannelController) -> bool:
    phase = controller.machine.phase
    return phase is not None and phase.stage == "passive"


def _subject(controller: ChannelController) -> ContactSubject:
    machine, capabilities = controller.machine, controller.capabilities
    rule = ContactRule() if machine.step is None else machine.step.contact or ContactRule()
    return ContactSubject(
        cell_type=machine.plan.cell_type,
        state=controller.ledger,
        channel=capabilities.range,
        rule=rule,
        bipolar_sense=capabilities.bipolar_sense,
        last_ocv_v=controller.cell.last_ocv_v,
        polarity_proven=controller.cell.polarity is not None,
    )
