"""A channel's course through its recipe: which step is in force, which order is awaited, and how the run ended.

Where a course goes on is decided by `StepMachine`, from readings.
"""

from collections.abc import Sequence
from math import inf, isnan, nan, nextafter
from typing import Any

import msgspec

from cycler.contract.capabilities import ChannelRange
from cycler.contract.sweep import Sweep
from cycler.control.condition_watch import Now, Quiet
from cycler.control.guard_rail import GuardRail, ToGuard
from cycler.control.machine_events import (
    KEEP,
    EdgeDue,
    LatchPassed,
    MachineEvent,
    OrderDue,
    RunEnd,
    RunOver,
    StepEnded,
    StepEntered,
    Tripped,
)
from cycler.control.present import Present
from cycler.control.program_cursor import Cursor, step_at, variant_at
from cycler.control.progress import Awaited, Climate, Ended, RunProgress, StepProgress
from cycler.control.step_in_force import StepInForce
from cycler.control.step_results import step_result
from cycler.model.alarm import AlarmCode
from cycler.model.results import Counters, Sample, StopReason
from cycler.recipe.expectation import expected_after_s, expected_step_s, expected_time_s
from cycler.recipe.plan import Plan, PlanPhase, PlanStep
from cycler.safety.contact_check import FIRST_CURRENT_C_RATE

CREDIBLE_RATIO = 20.0
"""Of the channel's range: what shows more than this has not measured anything, and counts like no value."""

IN_BAND_V_MIN = 0.005  # or two accuracies and three times the noise, where that is more
CONTACT_LOOKS = 5  # readings of a step's current that are asked for the contacts; slower devices take some to regulate


class Course(Present):
    """Asks for orders, enters the steps whose orders are in force, and closes them with their numbers."""

    __slots__ = (
        "_at_window_s",
        "_band_v",
        "_credible_a",
        "_credible_v",
        "_order_s_max",
        "_phases_max",
        "_plan",
        "_rail",
        "_run",
        "_step",
    )

    def __init__(
        self,
        plan: Plan,
        channel: ChannelRange,
        *,
        temperature_measured: bool,
        phases_max: int = 1,
        sweep_s: float = 1.0,
        gap_s_max: float = 3.0,
        order_s_max: float = 30.0,
    ) -> None:
        """`gap_s_max`: over a longer silence the host's integral does not count, only a device's own counter.

        `order_s_max`: an order that is not in force by then never will be.
        """
        super().__init__(temperature_measured=temperature_measured, gap_s_max=gap_s_max)
        self._plan = plan
        self._phases_max = phases_max
        self._at_window_s = 2 * sweep_s
        self._order_s_max = order_s_max
        self._credible_v = CREDIBLE_RATIO * channel.voltage_v_max
        self._credible_a = CREDIBLE_RATIO * max(channel.charge_current_a_max, channel.discharge_current_a_max)
        self._band_v = max(IN_BAND_V_MIN, 2 * channel.voltage_accuracy_v + 3 * channel.voltage_noise_v)
        self._rail = GuardRail(channel, temperature_measured=temperature_measured)
        self._run = self._begun(nan)
        self._step: StepInForce | None = None

    # The run as others see it.

    @property
    def over(self) -> RunEnd | None:
        """How the run ended, once its end has been seen."""
        return self._run.over

    @property
    def closed(self) -> bool:
        """The run is over and its last step has its numbers."""
        return self._run.closed

    @property
    def plan(self) -> Plan:
        """What is executed."""
        return self._plan

    @property
    def step(self) -> PlanStep | None:
        """The step in force."""
        return None if self._step is None else self._step.plan_step

    @property
    def phase(self) -> PlanPhase | None:
        """The phase in force."""
        return None if self._step is None else self._step.phase

    @property
    def in_last_phase(self) -> bool:
        """No other phase of the step in force follows."""
        return self._step is not None and self._step.in_last_phase

    @property
    def held(self) -> bool:
        """The phase in force has lasted long enough, and goes on when the bay lets it go."""
        run = self._run
        return run.over is None and run.awaited is None and run.step is not None and run.step.held

    @property
    def awaits_order(self) -> bool:
        """An order was asked for, and no reading has shown it in force yet."""
        return self._run.awaited is not None

    @property
    def remaining_s(self) -> float:
        """How long the run should still take: an expectation, for people."""
        step = self._run.step
        if step is None:
            return expected_time_s(self._plan)
        turns = [(turn.start, turn.turn) for turn in step.cursor.turns]
        this_s = expected_step_s(self._plan, step.cursor.index, turns[-1][1] if turns else 0)
        in_step_s = self.elapsed_s - step.entry_elapsed_s
        return max(this_s - in_step_s, 0.0) + expected_after_s(self._plan, step.cursor.index, turns)

    @property
    def step_count(self) -> int:
        """Executed steps, from 1; 0 before the first has begun."""
        return self._run.step_count

    @property
    def cycle(self) -> int:
        """From 1; rises when a charge begins after a discharge."""
        return self._run.cycle

    # What is kept of it.

    def save(self) -> bytes:
        """Everything that `restore` needs beside the plan."""
        now = Now() if self._step is None else self._step.now
        return msgspec.msgpack.encode((self._run, now, self.saved()))

    def restore(self, saved: bytes) -> None:
        """Go on exactly where `save` was called, on a machine built for the same plan and channel."""
        self._run, now, present = msgspec.msgpack.decode(saved, type=tuple[RunProgress, Now, dict[str, Any]])
        self.load(present)
        if self._run.step is not None:
            self._settle_in(self._run.step, now)
        self._arm_guards()

    def surround(self, climate: Climate) -> None:
        """What the cell's chamber is to keep from now on, and whether it does."""
        self._run.climate = climate
        if self._run.step is not None and climate.air_is_off:
            self._run.step.air_was_off = True

    # Moving on.

    def _begun(self, started_s: float) -> RunProgress:
        return RunProgress(started_s=started_s, lower_armed=self._plan.latch is None)

    def _go_on(self, cursor: Cursor | None, events: list[MachineEvent], *, first_phase: int = 0) -> None:
        """To the step there, or to a phase of the present one, or to the end of the recipe."""
        if cursor is None:
            self._run.over = "completed"
            events.append(RunOver(end="completed", code=None, text="the recipe is done"))
            return
        # A cell outside the next step's window of temperature is not energised to find that out.
        trip = self._rail.too_hot_or_cold_for(self._to_guard(cursor, first_phase), self.temperature_degc)
        if trip is None:
            events.extend(self._await(cursor, first_phase))
        else:
            self._finish_by_trip(*trip, events)

    def _await(self, cursor: Cursor, first_phase: int) -> Sequence[MachineEvent]:
        """Ask for the order of what comes next; guards allow both steps until it is in force."""
        self._run.awaited = Awaited(cursor, first_phase, self._taken_s, (self.voltage_v, self.current_a))
        self._arm_guards()
        self._narrow()
        program = self._plan.program
        due = OrderDue(
            step=step_at(program, cursor),
            variant=variant_at(program, cursor),
            first_phase=first_phase,
            rest_v=self.voltage_v,
            lower_armed=self._run.lower_armed,
        )
        return (due,)

    def _enter(
        self, awaited: Awaited, sweep: Sweep, row: int, before: tuple[float, float], events: list[MachineEvent]
    ) -> StepInForce:
        """The awaited order is in force: a new step has begun, or the next phase of this one. The reading is kept."""
        run = self._run
        run.awaited = None
        self._order_id = awaited.order_id
        time_s = sweep.step_time_s[row]
        if awaited.first_phase and self._step is not None:
            self._phase_offset_s = self.step_time_s - time_s
            self._step.progress.order_phase = awaited.first_phase
            self._step.enter_phase(awaited.first_phase, self._edge_from(awaited, before), started_s=self.step_time_s)
            self._arm_guards()
            self._keep(events)
            return self._step
        if self._step is not None:
            self._close_step(self._step, before, events)
        run.step_count += 1
        run.step = StepProgress(
            cursor=awaited.cursor,
            entry=self.counters if run.step_count > 1 else Counters(),
            entry_elapsed_s=self.elapsed_s,
            entry_temperature_degc=self.temperature_degc,
            entry_host_nas=self._host_nas,
            watches=[],
            highest_v=self.voltage_v,
            device_counted=sweep.charged_ah is not None,
            contact_looks=0 if sweep.output_v is None else CONTACT_LOOKS,
            air_was_off=run.climate is not None and run.climate.air_is_off,
        )
        self.step_time_s = time_s
        self._phase_offset_s = 0.0
        self.temperature_degc_max = -inf if isnan(self.temperature_degc) else self.temperature_degc
        step = self._settle_in(run.step, Now())
        self._arm_guards()
        run.count_cycle(step.plan_step.step_type)
        events.append(StepEntered(step=step.plan_step, step_count=run.step_count))
        events.append(self._edge(run.step.entry, self.voltage_v, self.current_a))
        self._keep_next()
        step.enter_phase(0, self._edge_from(awaited, before), started_s=0.0)
        if step.plan_step.ledger_phase == "formed":
            self._pass_latch(events)
        if step.lacks_a_tag:
            text = "a condition refers to a tagged step that has no valid result"
            self._finish("hold", text, "held", None, events)
        return step

    def _edge_from(self, awaited: Awaited, before: tuple[float, float]) -> tuple[float, float]:
        """Voltage and current on the near side of the edge that this reading is behind.

        The reading before it may be behind it, too: a set-point device works before it says that it has its order.
        """
        is_behind = abs(self.current_a - before[1]) < abs(before[1] - awaited.before[1])
        return awaited.before if is_behind else before

    def _settle_in(self, progress: StepProgress, now: Now) -> StepInForce:
        """What is derived from the step's place in the plan."""
        self._step = StepInForce(
            self._plan.program,
            progress,
            tags=self._run.tags,
            band_v=self._band_v,
            at_window_s=self._at_window_s,
            now=now,
        )
        self._record_by(self._step.plan_step.record)
        return self._step

    def _judge_latch(self, step: StepInForce, events: list[MachineEvent]) -> None:
        """By a valid reading. What sense wires show before a contact check may be no cell's voltage."""
        latch, run = self._plan.latch, self._run
        if latch is None or run.lower_armed or not step.plan_step.contact_proven:
            return
        if self.voltage_v >= latch.formed_v:
            self._pass_latch(events)
        if self.voltage_v >= latch.arms_v:
            run.lower_armed = True
            self._arm_guards()

    def _pass_latch(self, events: list[MachineEvent]) -> None:
        if self._plan.latch is not None and not self._run.precharged:
            self._run.precharged = True
            events.append(LatchPassed())

    def _see_end(self, reason: StopReason, text: str) -> None:
        step = self._run.step
        if step is not None and step.ended is None:
            step.ended = Ended(reason, text, self.step_time_s, self.voltage_v, self.current_a)

    def _finish(self, reason: StopReason, text: str, end: RunEnd, code: str | None, events: list[MachineEvent]) -> None:
        self._see_end(reason, text)
        self._run.over = end
        self._run.awaited = None
        events.append(RunOver(end=end, code=code, text=text))
        self._narrow()

    def _finish_by_trip(self, code: AlarmCode, text: str, events: list[MachineEvent]) -> None:
        events.append(Tripped(code=code, text=text))
        self._finish("trip", text, "tripped", f"TRIP_{code.value}", events)

    def _close_run(self, before: tuple[float, float]) -> Sequence[MachineEvent]:
        self._run.closed = True
        self.wants_fast = False
        events: list[MachineEvent] = []
        if self._step is not None:
            self._close_step(self._step, before, events)
        return events

    def _close_step(self, step: StepInForce, before: tuple[float, float], events: list[MachineEvent]) -> None:
        """Its numbers, once and for all, behind a sample that agrees with them.

        That shows the cell as the step's last reading saw it, and all that has flowed until now.
        """
        if not self._is_kept:
            events.append(self._edge(self.counters, *before))
        result = step_result(
            self._run,
            step.progress,
            step.plan_step,
            counters=self.counters,
            host_nas=self._host_nas,
            counter_missing=self._counter_is_missing,
            temperature_degc_max=self.temperature_degc_max,
            host_timed=len(step.variant.phases) == 1 or len(step.variant.phases) > self._phases_max,
        )
        events.append(StepEnded(result=result))
        self._run.remember(result)

    def _edge(self, counters: Counters, voltage_v: float, current_a: float) -> EdgeDue:
        return EdgeDue(
            sample=Sample(
                elapsed_s=self.elapsed_s,
                step_count=self._run.step_count,
                step_time_s=self.step_time_s,
                cycle=self._run.cycle,
                voltage_v=voltage_v,
                current_a=current_a,
                temperature_degc=self.temperature_degc,
                counters=counters,
            )
        )

    def _keep(self, events: list[MachineEvent]) -> None:
        events.append(KEEP)
        self._keep_next()

    # What is worth a look from here on.

    def _arm_guards(self) -> None:
        run, step, coming = self._run, self._step, self._run.awaited
        run.guards = self._rail.arm(
            None if step is None else self._to_guard(step.progress.cursor, step.progress.order_phase),
            None if coming is None else self._to_guard(coming.cursor, coming.first_phase),
            run.guards,
            lower_armed=run.lower_armed,
        )

    def _to_guard(self, cursor: Cursor, first_phase: int) -> ToGuard:
        program = self._plan.program
        return ToGuard(step_at(program, cursor), variant_at(program, cursor), first_phase)

    def _narrow(self) -> None:
        """Work out within which bounds nothing can become true, from the present reading on."""
        run, step = self._run, self._step
        quiet = Quiet(v_lo=-self._credible_v, v_hi=self._credible_v, i_lo=-self._credible_a, i_hi=self._credible_a)
        direction = "rest" if step is None else step.now.direction
        self._rail.narrow(quiet, entry=Counters() if step is None else step.progress.entry, direction=direction)
        if run.over is not None or run.awaited is not None:
            quiet.never()
        elif step is not None:
            step.narrow(quiet)
            self._narrow_to_latch(quiet, step)
            if self._asks_for_contacts(step):
                quiet.never()
        self._adopt_bounds(quiet, direction)
        self.wants_fast = not run.closed and (
            run.awaited is not None
            or run.over is not None
            or (step is not None and step.wants_fast(self.step_time_s))
            or self._rail.pending
        )

    def _asks_for_contacts(self, step: StepInForce) -> bool:
        """A real current flows, and what it says of the contacts is not known yet."""
        least_a = FIRST_CURRENT_C_RATE * self._plan.cell_type.rated_capacity_ah
        return step.progress.contact_looks > 0 and step.energises and step.phase.current_a >= least_a

    def _narrow_to_latch(self, quiet: Quiet, step: StepInForce) -> None:
        latch, run = self._plan.latch, self._run
        if latch is not None and not run.lower_armed and step.plan_step.contact_proven:
            next_v = latch.arms_v if run.precharged else latch.formed_v
            quiet.v_hi = min(quiet.v_hi, nextafter(next_v, -inf))
