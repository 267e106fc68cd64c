"""One run on one bay: brings its cells to the temperature that their recipe wants next, all of them together.

A cell gets to such a step by itself and is held there, with its relay open. Once all that still run have come, the bay
asks for its chamber; what it waits for that is no recipe time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import nan

from cycler.control.chamber_loop import ChamberLoop
from cycler.control.channel_controller import ChannelController
from cycler.control.outbox import Command
from cycler.control.progress import Climate
from cycler.control.rack_log import RackLog
from cycler.control.reservations import Segment, segment_of
from cycler.model.alarm import AlarmCode
from cycler.model.rack import Bay, PositionId
from cycler.recipe.plan import PlanStep, SoakRule
from cycler.safety.soak_watch import SoakJudgement, SoakWatch

UNSEEN_HOLD_S = 3 * 19 * 60.0  # three of the longest time constants of a cell, where nothing measures its temperature
SET_TIMEOUT_S = 3 * 3600.0  # of a chamber that does not take its set value, where the recipe says nothing


@dataclass(slots=True)
class _Turn:
    """One step that sets the chamber, for those cells that are in it."""

    step: PlanStep
    segment: Segment
    controllers: Sequence[ChannelController]
    since_s: float | None = None  # when the chamber was the bay's
    watch: SoakWatch | None = field(default=None)


class Soaking:
    """All calls are ordinary ones; `look` is due whenever something has changed, and often while a soak goes on."""

    def __init__(
        self,
        bay: Bay,
        controllers: Sequence[ChannelController],
        *,
        chamber: ChamberLoop | None,
        rack_log: RackLog,
        post: Callable[[ChannelController, Sequence[Command]], None],
    ) -> None:
        """`chamber` is None for cells in the room, whose temperature is as it is."""
        self._bay = bay
        self._controllers = controllers
        self._chamber = chamber
        self._log = rack_log
        self._post = post
        self._turn: _Turn | None = None
        self._kept: Segment | None = None  # what the chamber keeps for the bay
        self._air_is_off = False
        self._air_was_on = False  # since the segment began
        self._said_off = False

    def take_up(self) -> None:
        """After a restart the bay has what its cells have last set, unless another bay was there before it."""
        set_last = [step for each in self.running if (step := each.machine.set_chamber_last) is not None]
        segment = segment_of(max(set_last, key=_place)) if set_last else None
        if segment is None or self._chamber is None:
            return
        self._chamber.reservations.ask(self._bay.bay, segment)
        if self._chamber.reservations.held_by(self._bay.bay) is segment:
            self._chamber.want(segment.rule)
            self._keep(segment, self._chamber)

    @property
    def running(self) -> Sequence[ChannelController]:
        """The cells whose run is not over."""
        return [controller for controller in self._controllers if controller.machine.over is None]

    @property
    def is_over(self) -> bool:
        """Every cell's run is."""
        return all(controller.machine.over is not None for controller in self._controllers)

    @property
    def is_under_way(self) -> bool:
        """Cells are held for the sake of their temperature."""
        return self._turn is not None

    def look(self, now_s: float) -> None:
        """Go on as far as that is possible now, by the loop's clock."""
        running = self.running
        if not running:
            self._leave()
            return
        if self._turn is not None:
            self._turn.controllers = [each for each in self._turn.controllers if each.machine.over is None]
        if self._turn is None or not self._turn.controllers:
            self._turn = self._next_turn(running)
        if self._turn is not None and self._has_chamber(self._turn, now_s):
            self._judge(self._turn, now_s)

    def take_air(self) -> None:
        """The chamber has a new reading, or none any more: does it keep what it is to keep?"""
        kept, chamber = self._kept, self._chamber
        if kept is None or chamber is None:
            return
        was_off, self._air_is_off = self._air_is_off, not abs(chamber.air_degc - kept.target_degc) <= kept.tolerance_k
        if self._air_is_off == was_off:
            return
        self._surround()
        if self._air_was_on:  # else it is still on its way
            if self._air_is_off:
                chamber.set_again()
            name = "chamber.off_temperature" if self._air_is_off else "chamber.on_temperature"
            text = f"{chamber.device}: air at {chamber.air_degc:.4g} degC, set to {kept.target_degc:g} degC"
            self._log.record(name, device=chamber.device, code=AlarmCode.CHAMBER_DEVIATION, text=text, bay=self._bay)
            self._said_off = self._air_is_off
        self._air_was_on = True

    # From the cells' arrival to their leaving.

    def _next_turn(self, running: Sequence[ChannelController]) -> _Turn | None:
        """Nobody is held for the chamber as long as another cell still needs what it has now."""
        steps = [each.machine.step for each in running if each.machine.held]
        held = [step for step in steps if step is not None and step.chamber is not None]
        if len(held) < len(running):
            return None
        step = min(held, key=_place)  # a `goto` may have led some of them further
        segment = segment_of(step)
        assert segment is not None  # noqa: S101 (it sets the chamber)
        turn = _Turn(step, segment, [each for each in running if _is_in(each, step)])
        if self._chamber is not None:
            reservations = self._chamber.reservations
            reservations.ask(self._bay.bay, segment)
            if reservations.is_waiting(self._bay.bay):
                others = ", ".join(
                    f"{bay} has it at {theirs.target_degc:g} degC"
                    for bay, theirs in reservations.held.items()
                    if bay != self._bay.bay
                )
                text = f"waits for {self._chamber.device} at {segment.target_degc:g} degC: {others}"
                self._say("chamber.awaited", text)
        return turn

    def _has_chamber(self, turn: _Turn, now_s: float) -> bool:
        """It is the bay's, and has confirmed its set value; there is none to wait for in the room."""
        chamber = self._chamber
        if chamber is not None and chamber.reservations.held_by(self._bay.bay) is not turn.segment:
            return False
        if turn.since_s is None:
            turn.since_s = now_s
            if chamber is not None:
                chamber.want(turn.segment.rule)
                self._keep(turn.segment, chamber)
                self._say("chamber.reserved", f"{chamber.device} at {turn.segment.target_degc:g} degC")
        if chamber is None or chamber.has_taken(turn.segment.rule):
            return True
        timeout_s = SET_TIMEOUT_S if turn.step.soak is None else turn.step.soak.timeout_s
        if now_s - turn.since_s >= timeout_s:
            self._hold(turn, f"{chamber.device} has not confirmed a set value of {turn.segment.target_degc:g} degC")
        return False

    def _judge(self, turn: _Turn, now_s: float) -> None:
        rule = turn.step.soak
        if rule is None:
            self._release(turn, f"the chamber is set to {turn.segment.target_degc:g} degC")
            return
        if turn.watch is None:
            turn.watch = SoakWatch(self._rule_for(rule, turn), turn.segment.rule, started_s=now_s)
        temperatures_degc = {each.position: self._temperature_degc(each) for each in turn.controllers}
        judgement = turn.watch.take(now_s, temperatures_degc)
        if judgement.state == "soaked":
            self._say("soak.ended", judgement.text)
            self._release(turn, judgement.text)
        elif judgement.state == "timed-out" and judgement.outside:  # else all are within, and soon for long enough
            self._time_out(turn, judgement)

    def _time_out(self, turn: _Turn, judgement: SoakJudgement) -> None:
        """A few that are outside have something of their own; where most are, it is the chamber."""
        if 2 * len(judgement.outside) > len(turn.controllers):
            self._hold(turn, f"the soak timed out: {judgement.text}")
            return
        self._say("soak.timed_out", judgement.text, code=AlarmCode.CHAMBER_DEVIATION)
        outside = [each for each in turn.controllers if each.position in judgement.outside]
        turn.controllers = [each for each in turn.controllers if each.position not in judgement.outside]
        for each in outside:
            text = f"{each.temperature_degc:.4g} degC when the soak timed out, the other cells are where they should be"
            self._post(each, each.stop("fail", text, end="failed", code="TEMPERATURE"))
        self._release(turn, "the soak timed out for others")

    def _hold(self, turn: _Turn, text: str) -> None:
        self._turn = None
        self._say("soak.timed_out", text, code=AlarmCode.CHAMBER_DEVIATION)
        for each in turn.controllers:
            self._post(each, each.stop("hold", text, end="held"))

    def _release(self, turn: _Turn, text: str) -> None:
        self._turn = None
        for each in turn.controllers:
            self._post(each, each.release("completed", text))

    # The chamber.

    def _keep(self, segment: Segment, chamber: ChamberLoop) -> None:
        self._keep_no_more()
        self._kept = segment
        self._air_is_off = not abs(chamber.air_degc - segment.target_degc) <= segment.tolerance_k
        self._air_was_on = not self._air_is_off
        self._surround()

    def _surround(self) -> None:
        assert self._kept is not None  # noqa: S101 (the chamber keeps something)
        target_degc, tolerance_k = self._kept.target_degc, self._kept.tolerance_k
        climate = Climate(target_degc - tolerance_k, target_degc + tolerance_k, self._air_is_off)
        for controller in self.running:
            controller.machine.surround(climate)

    def _keep_no_more(self) -> None:
        """What the chamber is off does not matter here any more."""
        if self._said_off:
            self._said_off = False
            self._say("chamber.not_kept", f"bay {self._bay.bay} does not need that temperature any more")

    def _leave(self) -> None:
        self._keep_no_more()
        self._turn = self._kept = None
        if self._chamber is not None:
            self._chamber.reservations.leave(self._bay.bay)

    # The cells.

    def _temperature_degc(self, controller: ChannelController) -> float:
        """Of its sensor. Where it has none, the air's: then the hold is long enough for a cell to follow."""
        if self._is_measured(controller.position):
            return controller.temperature_degc
        return nan if self._chamber is None else self._chamber.air_degc

    def _rule_for(self, rule: SoakRule, turn: _Turn) -> SoakRule:
        if all(self._is_measured(each.position) for each in turn.controllers):
            return rule
        hold_s = max(rule.hold_s, UNSEEN_HOLD_S)
        return replace(rule, hold_s=hold_s, timeout_s=rule.timeout_s + hold_s - rule.hold_s)

    def _is_measured(self, position: PositionId) -> bool:
        return self._bay.positions[position].temperature is not None

    def _say(self, event: str, text: str, *, code: AlarmCode | None = None) -> None:
        device = None if self._chamber is None else self._chamber.device
        self._log.record(
            event, device=device, code=code, text=text, bay=self._bay, severity="info" if code is None else "warning"
        )


def _place(step: PlanStep) -> tuple[int, ...]:
    """In the order of the recipe's file."""
    return tuple(int(part) for part in step.path.split("."))


def _is_in(controller: ChannelController, step: PlanStep) -> bool:
    own = controller.machine.step
    return own is not None and own.path == step.path
