"""One run on one bay: who may go on from a `hold`, and who is asked."""

from collections.abc import Iterator, Sequence

from cycler.control.channel_controller import ChannelController
from cycler.recipe.plan import HoldRule, PlanStep


class Holds:
    """A cell waits for its group, for a person, or for both, one after the other: first the group, then the person.

    Where nobody is there to be asked, as in simulation, `answered_by` says who answers at once; it is on record. Else
    `answer` does.
    """

    def __init__(self, *, answered_by: str | None) -> None:
        self._answered_by = answered_by
        self._asked: set[tuple[ChannelController, int]] = set()  # with the step that they are in
        self._answers: dict[tuple[ChannelController, int], str] = {}  # what was answered, and by whom

    def released(self, running: Sequence[ChannelController]) -> Iterator[tuple[ChannelController, str]]:
        """Those of the running cells that may go on now, and why. Ask again when one more is held, or is over."""
        for controller in running:
            step = _held_at(controller)
            if step is None or step.hold is None:
                continue
            rule = step.hold
            if any(_comes_to(other, rule) and not _is_at(other, rule) for other in running):
                continue
            if rule.message is None:
                yield controller, f"all cells of the group {rule.group} have come"
                continue
            self._ask(controller, rule.message)
            if self._answered_by is not None:
                yield controller, f"answered by {self._answered_by}"
            elif (answer := self._answers.get((controller, controller.machine.step_count))) is not None:
                yield controller, answer

    def answer(self, controller: ChannelController, text: str) -> bool:
        """A person says that this cell may go on. Whether one had been asked."""
        asked = (controller, controller.machine.step_count)
        if asked not in self._asked or _held_at(controller) is None:
            return False
        self._answers[asked] = text
        return True

    def _ask(self, controller: ChannelController, message: str) -> None:
        asked = (controller, controller.machine.step_count)
        if asked not in self._asked:
            self._asked.add(asked)
            controller.record("hold.asked", text=message)


def _held_at(controller: ChannelController) -> PlanStep | None:
    return controller.machine.step if controller.machine.held else None


def _is_at(controller: ChannelController, rule: HoldRule) -> bool:
    own = _held_at(controller)
    return own is not None and own.hold is not None and own.hold.group == rule.group


def _comes_to(controller: ChannelController, rule: HoldRule) -> bool:
    """Its recipe has the group before it, or there."""
    return rule.group is not None and any(
        step.hold is not None and step.hold.group == rule.group for step in controller.machine.ahead
    )
