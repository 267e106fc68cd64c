"""A channel's course through its recipe: which step is in force, which order is awaited, and how the run ended.

Where a course goes on is decided by `StepMachine`, from readings.
"""

from collections.abc import Sequence
from math import inf, isnan

from cycler.contract.capabilities import ChannelRange
from cycler.contract.sweep import Sweep
from cycler.control.arithmetic import NoValueError, value_of
from cycler.control.condition_watch import Now
from cycler.control.loop_exits import LoopExits
from cycler.control.machine_events import (
    KEEP,
    EdgeDue,
    LatchPassed,
    LoopLeft,
    MachineEvent,
    OrderDue,
    RunEnd,
    RunOver,
    StepEnded,
    StepEntered,
    Tripped,
    VariablesSet,
)
from cycler.control.program_cursor import Cursor, destination, following, step_at, variant_at
from cycler.control.progress import Awaited, Ended, LastSeen, StepProgress
from cycler.control.standing import Standing
from cycler.control.step_in_force import StepInForce, net_direction
from cycler.control.step_results import step_result
from cycler.model.alarm import AlarmCode
from cycler.model.results import NAS_PER_AH, Counters, PulseReading, Sample, StopReason, Verdict
from cycler.recipe.plan import Outcome, Plan, PlanStep, StopRule
from cycler.recipe.words import in_words
from cycler.safety.protections import has_outlived, timeout_s

OF_CONTACTS = {AlarmCode.SENSE_OPEN: "SENSE_OPEN", AlarmCode.LOOP_VOLTAGE_DIFFERENCE: "BAD_CONTACT"}
"""Trips whose reason is how the cell is contacted."""

CONTACT_LOOKS = 5  # readings of a step's current that are asked for the contacts; slower devices take some to regulate


class Course(Standing):
    """Asks for orders, enters the steps whose orders are in force, and closes them with their numbers."""

    __slots__ = ("_order_s_max",)

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
        """`order_s_max`: an order that is not in force by then never will be."""
        super().__init__(
            plan,
            channel,
            temperature_measured=temperature_measured,
            phases_max=phases_max,
            sweep_s=sweep_s,
            gap_s_max=gap_s_max,
        )
        self._order_s_max = order_s_max

    def _go_on(self, cursor: Cursor | None, events: list[MachineEvent], *, first_phase: int = 0) -> None:
        """To the step there, or to a phase of the present one, or to the end of the recipe."""
        if cursor is None:
            self._run.over = "completed"
            events.append(RunOver(end="completed", code=None, text="the recipe is done"))
            return
        # A cell outside the next step's window of temperature is not energised to find that out.
        trip = self._rail.too_hot_or_cold_for(self._to_guard(cursor, first_phase), self.temperature_degc)
        if trip is None:
            trip = has_outlived(self._run.timed_s, self._run.step_count - 1, self._plan)
        if trip is None:
            events.extend(self._await(cursor, first_phase))
        else:
            self._finish_by_trip(*trip, events)

    def _await(self, cursor: Cursor, first_phase: int, *, goes_on: bool = False) -> Sequence[MachineEvent]:
        """Ask for the order of what comes next; guards allow both steps until it is in force."""
        self._run.awaited = Awaited(cursor, first_phase, self._taken_s, self._seen, goes_on=goes_on)
        self._arm_guards()
        self._narrow()
        program = self._plan.program
        due = OrderDue(
            step=step_at(program, cursor),
            variant=variant_at(program, cursor),
            first_phase=first_phase,
            rest_v=self.voltage_v,
            lower_armed=self._run.lower_armed,
            passed_s=self.step_time_s if goes_on else 0.0,
            moved_ah=self._moved_ah if goes_on else 0.0,
        )
        return (due,)

    @property
    def _moved_ah(self) -> float:
        """By the step in force, both ways together."""
        if self._run.step is None:
            return 0.0
        moved = self.counters - self._run.step.entry
        return (moved.charged_nas + moved.discharged_nas) / NAS_PER_AH

    def _enter(
        self, awaited: Awaited, sweep: Sweep, row: int, before: LastSeen, events: list[MachineEvent]
    ) -> StepInForce:
        """The awaited order is in force: a new step has begun, or the next phase of this one. The reading is kept."""
        run = self._run
        run.awaited = None
        self._order_id = awaited.order_id
        edge = self._edge_from(awaited, before)
        time_s = sweep.step_time_s[row]
        if awaited.goes_on and self._step is not None:
            self._phase_offset_s = self.step_time_s - time_s
            self._arm_guards()
            self._keep(events)
            return self._step
        if awaited.first_phase and self._step is not None:
            self._phase_offset_s = self.step_time_s - time_s
            self._step.progress.order_phase = awaited.first_phase
            self._step.enter_phase(awaited.first_phase, self._in_step(edge), started_s=self.step_time_s)
            self._arm_guards()
            self._keep(events)
            return self._step
        if self._step is not None:
            self._close_step(self._step, before, events, pulse_end=edge)
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
            contact_looks=CONTACT_LOOKS if self._measures_output else 0,
            air_was_off=run.climate is not None and run.climate.air_is_off,
        )
        self.step_time_s = time_s
        self._phase_offset_s = 0.0
        self.temperature_degc_max = -inf if isnan(self.temperature_degc) else self.temperature_degc
        missing = self._assign(step_at(self._plan.program, awaited.cursor))
        step = self._settle_in(run.step, Now())
        self._arm_guards()
        run.count_cycle(step.counts_as)
        events.append(StepEntered(step=step.plan_step, step_count=run.step_count))
        events.append(self._edge(run.step.entry, self.voltage_v, self.current_a))
        self._keep_next()
        step.enter_phase(0, self._in_step(edge), started_s=0.0)
        if step.plan_step.ledger_phase == "formed":
            self._pass_latch(events)
        if step.plan_step.assignments and missing is None:
            events.append(self._variables_set(step.plan_step))
        if missing is None and step.lacks_a_value:
            missing = "a condition refers to a tagged step that has no valid result, or to a variable that was not set"
        if missing is not None:
            self._finish("hold", missing, "held", None, events)
        return step

    def _assign(self, plan_step: PlanStep) -> str | None:
        """Work out what the step sets, from numbers that are final by now. Returns why that cannot be done."""
        run = self._run
        for assignment in plan_step.assignments:
            try:
                run.variables[assignment.variable] = value_of(assignment, run.variables, run.tags)
            except NoValueError as error:
                return f"{assignment.text}: {error}"
        return None

    def _variables_set(self, plan_step: PlanStep) -> VariablesSet:
        """As people know them."""
        known = [(each, self._run.variables[each.variable] / each.unit_si) for each in plan_step.assignments]
        return VariablesSet(
            values={each.variable: value for each, value in known},
            text=", ".join(f"{each.variable} = {in_words(value, each.unit)}" for each, value in known),
        )

    def _lead_on(self, step: StepInForce, outcome: Outcome | None, events: list[MachineEvent]) -> None:
        """To where this end of the step leads; None: to what follows it. Loops whose turn ends with it are asked."""
        exits = LoopExits(step=step.plan_step, elapsed_s=self.elapsed_s, variables=self._run.variables)
        program, cursor = self._plan.program, step.progress.cursor
        if outcome is None:
            to = following(program, cursor, exits.ask, self.elapsed_s)
        else:
            to = destination(program, cursor, outcome, exits.ask, self.elapsed_s)
        events.extend(LoopLeft(loop=each.loop, turns=each.turns, text=each.text) for each in exits.found)
        last = exits.found[-1] if exits.found else None
        if last is not None and last.kind == "fail":
            self._finish("fail", last.text, "failed", last.code, events)
        elif last is not None and last.kind == "hold":
            self._finish("hold", last.text, "held", None, events)
        else:
            self._go_on(to, events)

    def _stop_by_recipe(self, stop: StopRule, events: list[MachineEvent]) -> None:
        """The verdict is the recipe's."""
        if stop.code is None:
            self._go_on(None, events)
        else:
            text = f"the recipe stops with {stop.verdict} for {stop.code}"
            self._finish("completed", text, "failed", stop.code, events, verdict=stop.verdict)

    @property
    def _seen(self) -> LastSeen:
        """The reading taken last."""
        return LastSeen(self.voltage_v, self.current_a, self._taken_s, self.counters)

    def _in_step(self, seen: LastSeen) -> PulseReading:
        """In the time of the step; negative for what was seen before it."""
        time_s = self.step_time_s - (self._taken_s - seen.taken_s)
        return PulseReading(time_s=time_s, voltage_v=seen.voltage_v, current_a=seen.current_a)

    def _edge_from(self, awaited: Awaited, before: LastSeen) -> LastSeen:
        """What was seen on the near side of the edge that this reading is behind.

        The reading before it may be behind it, too: a set-point device works before it says that it has its order.
        """
        is_behind = abs(self.current_a - before.current_a) < abs(before.current_a - awaited.before.current_a)
        return awaited.before if is_behind else before

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

    def _finish(
        self,
        reason: StopReason,
        text: str,
        end: RunEnd,
        code: str | None,
        events: list[MachineEvent],
        *,
        verdict: Verdict | None = None,
    ) -> None:
        self._see_end(reason, text)
        self._run.over = end
        self._run.awaited = None
        events.append(RunOver(end=end, code=code, text=text, verdict=verdict))
        self._narrow()

    def _finish_by_trip(self, code: AlarmCode, text: str, events: list[MachineEvent]) -> None:
        events.append(Tripped(code=code, text=text))
        reason_code = OF_CONTACTS.get(code, f"TRIP_{code.value}")
        self._finish("trip", text, "tripped", reason_code, events)

    def _close_run(self, before: LastSeen) -> Sequence[MachineEvent]:
        self._run.closed = True
        self.wants_fast = False
        events: list[MachineEvent] = []
        if self._step is not None:
            self._close_step(self._step, before, events, pulse_end=before)
        return events

    def _close_step(
        self, step: StepInForce, before: LastSeen, events: list[MachineEvent], *, pulse_end: LastSeen
    ) -> None:
        """Its numbers, once and for all, behind a sample that agrees with them.

        That shows the cell as the step's last reading saw it, and all that has flowed until now.
        """
        if not self._is_kept:
            events.append(self._edge(self.counters, before.voltage_v, before.current_a))
        step.end_pulse(self._in_step(pulse_end))
        result = step_result(
            self._run,
            step.progress,
            step.plan_step,
            counters=self.counters,
            host_nas=self._host_nas,
            counter_missing=self._counter_is_missing,
            temperature_degc_max=self.temperature_degc_max,
            accuracy=self._accuracy,
            host_timed=step.host_timed,
        )
        events.append(StepEnded(result=result))
        self._run.remember(result)
        if timeout_s(step.plan_step) < inf:
            self._run.timed_s += result.duration_s
        envelope, ended_v, direction = step.plan_step.envelope, result.end_voltage_v, net_direction(step.variant)
        self._run.turn(
            self.charged_nas - self.discharged_nas,
            is_full=direction == "charge" and ended_v >= envelope.voltage_v_max - self._band_v,
            is_empty=direction == "discharge" and ended_v <= envelope.voltage_v_min + self._band_v,
        )

    def _edge(self, counters: Counters, voltage_v: float, current_a: float, *, ago_s: float = 0.0) -> EdgeDue:
        return EdgeDue(
            sample=Sample(
                elapsed_s=self.elapsed_s - ago_s,
                step_count=self._run.step_count,
                step_time_s=self.step_time_s - ago_s,
                cycle=self._run.cycle,
                voltage_v=voltage_v,
                current_a=current_a,
                temperature_degc=self.temperature_degc,
                counters=counters,
            )
        )

    def _keep_near_side(self, before: LastSeen, events: list[MachineEvent]) -> None:
        """The last reading before an edge, which the record rule may have passed over: without it the curve slopes."""
        since_s = self._taken_s - before.taken_s
        if since_s > 0 and self.elapsed_s - since_s > self._kept_elapsed_s:
            events.append(self._edge(before.counters, before.voltage_v, before.current_a, ago_s=since_s))

    def _keep(self, events: list[MachineEvent]) -> None:
        events.append(KEEP)
        self._keep_next()
