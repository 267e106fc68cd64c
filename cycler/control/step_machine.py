"""A channel's whole progress through its recipe. Pure: no I/O, no clock, no await; saved and restored at any reading.

A reading goes one of three ways. Inside the *quiet* bounds nothing can become true: it is counted, and that is all.
Outside the bounds of the record rule only, it is kept. Otherwise every protection and condition is judged.

A step begins when a reading shows the order in force, and ends in two moves: its end is *seen*, and the next order is
due; it is *closed*, with its numbers, when a reading shows that the next order (or an open relay) is in force. Readings
between the two belong to the old step, and their charge counts there.
"""

from collections.abc import Sequence
from math import inf, isnan, nan
from typing import Any, Final

import msgspec

from cycler.contract.capabilities import ChannelRange
from cycler.contract.sweep import Sweep
from cycler.control.condition_watch import ConditionWatch, Now, Quiet, WatchState
from cycler.control.decision import decide
from cycler.control.guard_watch import GuardState, GuardWatch
from cycler.control.machine_events import (
    KEEP,
    MachineEvent,
    OrderDue,
    RunEnd,
    RunOver,
    StepEnded,
    StepEntered,
    Tripped,
)
from cycler.control.program_cursor import Cursor, first, following, jump, step_at, variant_at
from cycler.control.progress import Awaited, Ended, RunProgress, StepProgress
from cycler.control.pulse_meter import PulseMeter
from cycler.control.slope_window import SlopeWindow
from cycler.control.step_results import step_result
from cycler.model.alarm import AlarmCode
from cycler.model.results import NAS_PER_AH, Counters, StepResult, StopReason
from cycler.recipe.expectation import expected_after_s, expected_step_s, expected_time_s
from cycler.recipe.plan import Comparison, Outcome, Plan, PlanStep, StepVariant
from cycler.safety.protections import Guard, guards_for, widest

NOTHING: Final[tuple[MachineEvent, ...]] = ()
KEPT: Final[tuple[MachineEvent, ...]] = (KEEP,)

HALF_NANO = 0.5e9  # (A + A) · s · HALF_NANO = nanoampere-seconds of a trapezoid
SLACK_S, SLACK_NAS = 1e-6, 1  # bounds in time and charge are sums of floats: better judged a little too early
IN_BAND_V_MIN = 0.005  # or two accuracies and three times the noise, where that is more

_PRESENT = (
    "_taken_s", "_power_w", "_order_id", "_regulation", "_host_nas", "_counter_nas",
    "_counted_in_ah", "_counted_out_ah", "_counted_in_due_ah", "_counted_out_due_ah",
    "_phase_offset_s", "_kept_at_s", "_kept_v", "_kept_a", "_kept_degc",
    "_v_lo", "_v_hi", "_i_lo", "_i_hi", "_t_lo", "_t_hi", "_time_due_s", "_record_due_s",
    "_judge_v_lo", "_judge_v_hi", "_judge_i_lo", "_judge_i_hi", "_judge_t_lo", "_judge_t_hi",
    "_charged_due", "_discharged_due", "_charged_energy_due", "_discharged_energy_due",
    "voltage_v", "current_a", "temperature_degc", "temperature_degc_max", "step_time_s", "elapsed_s",
    "charged_nas", "discharged_nas", "charged_nws", "discharged_nws", "wants_fast",
)  # fmt: skip
"""The present reading, the counters, and the bounds that are compared at every reading; saved as they stand."""


class StepMachine:
    """Advances one channel, reading by reading.

    The public attributes are the present sample; they are whole whenever `advance` has returned a `SampleDue`.
    `wants_fast`: the next reading is wanted soon, because a pulse runs, an order is due or something is debounced.
    """

    __slots__ = (
        *_PRESENT, "_blind", "_channel", "_gap_s_max", "_order_s_max", "_half_ns_max", "_at_window_s", "_band_v",
        "_phases_max", "_plan", "_run", "_guards", "_record_s", "_record_v", "_record_a", "_record_k",
        "_watches", "_slopes", "_now", "_step", "_variant",
    )  # fmt: skip

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
        self._plan = plan
        self._channel = channel
        self._blind = not temperature_measured
        self._phases_max = phases_max
        self._at_window_s = 2 * sweep_s
        self._gap_s_max = gap_s_max
        self._order_s_max = order_s_max
        self._half_ns_max = gap_s_max * HALF_NANO
        self._band_v = max(IN_BAND_V_MIN, 2 * channel.voltage_accuracy_v + 3 * channel.voltage_noise_v)
        self._now = Now()
        self._run = RunProgress(started_s=nan)
        self._guards: list[GuardWatch] = []
        self._watches: list[tuple[ConditionWatch, bool]] = []  # with: is it a `fail`
        self._slopes: SlopeWindow | None = None
        self._step: PlanStep | None = None
        self._variant: StepVariant | None = None
        self._taken_s = self._power_w = 0.0
        self._order_id = self._host_nas = 0
        self._counter_nas: tuple[int, int] | None = None  # the device's counters when they were last settled
        self._counted_in_ah = self._counted_out_ah = nan
        self._regulation = "unknown"
        self._kept_at_s = -inf
        self._kept_v = self._kept_a = self._kept_degc = nan
        self._record_s = self._record_v = self._record_a = self._record_k = inf
        self._phase_offset_s = 0.0  # step time before the order in force
        self.voltage_v = self.temperature_degc = nan
        self.temperature_degc_max = -inf
        self.current_a = self.step_time_s = self.elapsed_s = 0.0
        self.charged_nas = self.discharged_nas = self.charged_nws = self.discharged_nws = 0
        self.wants_fast = False
        self._judge_always()

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
    def step(self) -> PlanStep | None:
        """The step in force."""
        return self._step

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

    @property
    def counters(self) -> Counters:
        """What the cell has taken and given since the run began."""
        self._settle_counters()
        return Counters(
            charged_nas=self.charged_nas,
            discharged_nas=self.discharged_nas,
            charged_nws=self.charged_nws,
            discharged_nws=self.discharged_nws,
        )

    # What moves it.

    def start(self, taken_s: float, *, voltage_v: float = nan) -> Sequence[MachineEvent]:
        """Begin the run at this time of the loop's clock. `voltage_v`: the last reading, with the relay open."""
        self.voltage_v = voltage_v
        self._run = RunProgress(started_s=taken_s)
        self._taken_s = taken_s
        return self._await(first(self._plan.program), 0)

    def ordered(self, order_id: int) -> None:
        """The order last asked for has this id: when a reading shows it, its step is in force."""
        awaited = self._run.awaited
        if awaited is not None:
            self._run.awaited = Awaited(awaited.cursor, awaited.first_phase, awaited.since_s, order_id)

    def advance(self, sweep: Sweep, row: int, temperature_degc: float) -> Sequence[MachineEvent]:
        """Take one reading, in order of time. `temperature_degc` is NaN where nothing measures it, or it is stale."""
        voltage_v = sweep.voltage_v[row]
        current_a = sweep.current_a[row]
        time_s = sweep.step_time_s[row]
        taken_s = sweep.taken_s
        half_ns = (taken_s - self._taken_s) * HALF_NANO
        if not (
            self._v_lo <= voltage_v <= self._v_hi
            and self._i_lo <= current_a <= self._i_hi
            and (self._t_lo <= temperature_degc <= self._t_hi or self._blind)
            and time_s < self._time_due_s
            and sweep.order_id[row] == self._order_id
            and sweep.regulation[row] == self._regulation
            and half_ns <= self._half_ns_max
        ):
            return self._attend(sweep, row, temperature_degc)
        power_w = voltage_v * current_a
        charge_nas = int((current_a + self.current_a) * half_ns)
        energy_nws = int((power_w + self._power_w) * half_ns)
        self.voltage_v = voltage_v
        self.current_a = current_a
        self._power_w = power_w
        self._taken_s = taken_s
        if temperature_degc > self.temperature_degc_max:  # noqa: PLR1730 (max costs three times as much here)
            self.temperature_degc_max = temperature_degc
        if sweep.charged_ah is not None:
            # In a quiet reading the device's counters are only looked at: have they reached what is waited for?
            self._host_nas += charge_nas
            if energy_nws >= 0:
                self.charged_nws += energy_nws
            else:
                self.discharged_nws -= energy_nws
            self._counted_in_ah = sweep.charged_ah[row]
            self._counted_out_ah = sweep.discharged_ah[row]  # type: ignore[index] # a device has both or none
            reached = not (
                self._counted_in_ah < self._counted_in_due_ah
                and self._counted_out_ah < self._counted_out_due_ah
                and self.charged_nws < self._charged_energy_due
                and self.discharged_nws < self._discharged_energy_due
            )
        elif charge_nas >= 0:
            self.charged_nas += charge_nas
            self.charged_nws += energy_nws
            reached = self.charged_nas >= self._charged_due or self.charged_nws >= self._charged_energy_due
        else:
            self.discharged_nas -= charge_nas
            self.discharged_nws -= energy_nws
            reached = self.discharged_nas >= self._discharged_due or self.discharged_nws >= self._discharged_energy_due
        if reached:
            self._settle_counters()
            return self._judge(sweep, row, temperature_degc, valid=True, before=(voltage_v, current_a))
        if time_s < self._record_due_s:
            return NOTHING
        self.elapsed_s = taken_s - self._run.started_s
        self.step_time_s = self._phase_offset_s + time_s
        self.temperature_degc = temperature_degc
        self._settle_counters()
        self._keep_next()
        return KEPT

    def stop(
        self, reason: StopReason, text: str, *, end: RunEnd = "stopped", code: str | None = None
    ) -> Sequence[MachineEvent]:
        """End the run from outside. Nothing happens where it is over already."""
        if self._run.over is not None:
            return NOTHING
        elapsed_s = self._taken_s - self._run.started_s  # quiet readings since the last kept one count, too
        self.step_time_s += elapsed_s - self.elapsed_s
        self.elapsed_s = elapsed_s
        self._settle_counters()
        events: list[MachineEvent] = [KEEP] if self._step is not None else []
        self._finish(reason, text, end, code, events)
        return events

    def close(self) -> Sequence[MachineEvent]:
        """Give the last step its numbers without having seen the relay open: the device does not answer any more."""
        return self._close_run() if self._run.over is not None and not self._run.closed else NOTHING

    def save(self) -> bytes:
        """Everything that `restore` needs beside the plan."""
        self._settle_counters()
        return msgspec.msgpack.encode((self._run, self._now, {name: getattr(self, name) for name in _PRESENT}))

    def restore(self, saved: bytes) -> None:
        """Go on exactly where `save` was called, on a machine built for the same plan and channel."""
        run, now, present = msgspec.msgpack.decode(saved, type=tuple[RunProgress, Now, dict[str, Any]])
        self._run, self._now = run, now
        for name, value in present.items():
            setattr(self, name, value)
        if run.step is not None:
            self._settle_in(run.step)
        self._arm_guards()

    # Counting.

    def _take(self, sweep: Sweep, row: int, half_ns: float) -> None:
        """Count a valid reading that was not quiet."""
        voltage_v, current_a = sweep.voltage_v[row], sweep.current_a[row]
        power_w = voltage_v * current_a
        charge_nas = energy_nws = 0
        if half_ns <= self._half_ns_max:
            charge_nas = int((current_a + self.current_a) * half_ns)
            energy_nws = int((power_w + self._power_w) * half_ns)
        elif self._run.step is not None:
            self._run.step.gap_s += half_ns / HALF_NANO
        self.voltage_v, self.current_a, self._power_w, self._taken_s = voltage_v, current_a, power_w, sweep.taken_s
        if sweep.charged_ah is not None:
            self._count_by_device(sweep, row, charge_nas)
            self._count_energy(energy_nws)
            return
        self.charged_nas += max(charge_nas, 0)
        self.discharged_nas += max(-charge_nas, 0)
        self._count_energy(energy_nws)

    def _count_by_device(self, sweep: Sweep, row: int, host_nas: int) -> None:
        """The device's own counters are finer than the sweep: they are the truth, the host's integral their witness."""
        assert sweep.charged_ah is not None and sweep.discharged_ah is not None  # noqa: S101 (the caller looked)
        self._host_nas += host_nas
        self._counted_in_ah, self._counted_out_ah = sweep.charged_ah[row], sweep.discharged_ah[row]
        self._settle_counters()

    def _settle_counters(self) -> None:
        """Add what the device has counted since it was last asked. Quiet readings only look at its counters.

        Where a counter gave no value, its next one makes up for it.
        """
        if isnan(self._counted_in_ah) or isnan(self._counted_out_ah):
            return
        counter_nas = (round(self._counted_in_ah * NAS_PER_AH), round(self._counted_out_ah * NAS_PER_AH))
        if self._counter_nas is not None:
            self.charged_nas += counter_nas[0] - self._counter_nas[0]
            self.discharged_nas += counter_nas[1] - self._counter_nas[1]
        self._counter_nas = counter_nas

    def _count_energy(self, energy_nws: int) -> None:
        self.charged_nws += max(energy_nws, 0)
        self.discharged_nws += max(-energy_nws, 0)

    def _moved_enough(self) -> bool:
        """Whether a counter has reached what somebody waits for."""
        return (
            self.charged_nas >= self._charged_due
            or self.discharged_nas >= self._discharged_due
            or self.charged_nws >= self._charged_energy_due
            or self.discharged_nws >= self._discharged_energy_due
        )

    # Judging.

    def _attend(self, sweep: Sweep, row: int, temperature_degc: float) -> Sequence[MachineEvent]:
        """A reading that is not quiet: bad, to be kept, or to be judged."""
        voltage_v, current_a = sweep.voltage_v[row], sweep.current_a[row]
        before = (self.voltage_v, self.current_a)
        if isnan(voltage_v) or isnan(current_a):
            if self._run.step is not None:
                self._run.step.bad_readings += 1
            return self._judge(sweep, row, temperature_degc, valid=False, before=before)
        self.temperature_degc_max = max(self.temperature_degc_max, temperature_degc)
        self._take(sweep, row, (sweep.taken_s - self._taken_s) * HALF_NANO)
        if (
            self._judge_v_lo <= voltage_v <= self._judge_v_hi
            and self._judge_i_lo <= current_a <= self._judge_i_hi
            and (self._judge_t_lo <= temperature_degc <= self._judge_t_hi or self._blind)
            and sweep.step_time_s[row] < self._time_due_s
            and sweep.order_id[row] == self._order_id
            and sweep.regulation[row] == self._regulation
            and not self._moved_enough()
        ):
            self._place(sweep, row, temperature_degc)
            self._keep_next()
            return KEPT
        return self._judge(sweep, row, temperature_degc, valid=True, before=before)

    def _judge(
        self, sweep: Sweep, row: int, temperature_degc: float, *, valid: bool, before: tuple[float, float]
    ) -> Sequence[MachineEvent]:
        """Everything that may follow from one reading. `before`: voltage and current of the reading before it."""
        run = self._run
        self._place(sweep, row, temperature_degc)
        self._regulation = sweep.regulation[row]
        events: list[MachineEvent] = []
        trip = self._trip(sweep, row, temperature_degc)
        if trip is not None and run.over is None:
            code, text = trip
            if run.step is not None:
                events.append(KEEP)
            events.append(Tripped(code=code, text=text))
            self._finish("trip", text, "tripped", f"TRIP_{code.value}", events)
        elif run.over is not None:
            if self._regulation == "off" and not run.closed:
                events.extend(self._close_run())
        elif valid:
            self._follow_order(sweep, row, before, events)
        self._narrow()
        return events

    def _place(self, sweep: Sweep, row: int, temperature_degc: float) -> None:
        """Where this reading lies in the run and in its step."""
        run = self._run
        elapsed_s = sweep.taken_s - run.started_s
        time_s = sweep.step_time_s[row]
        if run.step is not None and sweep.order_id[row] == self._order_id and not isnan(time_s):
            self.step_time_s = self._phase_offset_s + time_s
        else:
            self.step_time_s += elapsed_s - self.elapsed_s
        self.elapsed_s = elapsed_s
        self.temperature_degc = temperature_degc

    def _trip(self, sweep: Sweep, row: int, temperature_degc: float) -> tuple[AlarmCode, str] | None:
        step = self._run.step
        values = {
            "voltage": sweep.voltage_v[row],
            "current": sweep.current_a[row],
            "temperature": temperature_degc,
            "time": self.step_time_s if step is not None else 0.0,
            "capacity": 0.0,
        }
        if step is not None:
            moved = self.counters - step.entry
            values["capacity"] = max(moved.charged_nas, moved.discharged_nas) / NAS_PER_AH
        tripped = [g for g in self._guards if g.trips(values[g.guard.quantity], sweep.taken_s)]
        if not tripped:
            return None
        return tripped[0].guard.code, "; ".join(g.explain(values[g.guard.quantity]) for g in tripped)

    def _follow_order(self, sweep: Sweep, row: int, before: tuple[float, float], events: list[MachineEvent]) -> None:
        """A valid reading of a healthy cell: which order is in force, and what of its step has come true."""
        run = self._run
        order_id, regulation = sweep.order_id[row], sweep.regulation[row]
        awaited = run.awaited
        pulsing = run.step is not None and run.step.pulse is not None  # what its numbers come from is all kept
        keep = run.step is not None and (pulsing or self._beyond_record(sweep.step_time_s[row]))
        if awaited is not None:
            if order_id != awaited.order_id or regulation == "starting":
                if keep:
                    events.append(KEEP)
                    self._keep_next()
                self._wait_for_order(awaited, sweep, row, events)
                return
            self._enter(awaited, sweep, row, before, events)
            keep = True
        elif order_id != self._order_id or (regulation == "off" and self._energised()):
            events.append(KEEP)
            text = f"the device opened its output by itself (order {order_id}, {regulation})"
            self._finish("device-fault", text, "stopped", None, events)
            return
        step = run.step
        assert step is not None and self._variant is not None  # noqa: S101 (an order in force has a step)
        phase = step.order_phase + sweep.phase[row]
        if phase > step.phase:
            durations = [each.duration_s or 0.0 for each in self._variant.phases[step.order_phase : phase]]
            self._enter_phase(step, phase, before, started_s=self._phase_offset_s + sum(durations))
        if step.pulse is not None:
            step.pulse.take(self.step_time_s - step.phase_started_s, self.voltage_v, self.current_a)
        self._describe_now(step)
        seen_at = len(events)
        self._judge_conditions(step, events)
        if step.ended is None and run.awaited is None:
            self._judge_phase(step, events)
        if keep or step.ended is not None or run.awaited is not None:
            events.insert(seen_at, KEEP)
            self._keep_next()

    def _wait_for_order(self, awaited: Awaited, sweep: Sweep, row: int, events: list[MachineEvent]) -> None:
        """The reading belongs to the step whose end has been seen. The next order does not take for ever."""
        if self._run.over is not None or sweep.taken_s - awaited.since_s <= self._order_s_max:
            return
        if sweep.regulation[row] == "starting":
            text = f"no current within {self._order_s_max:g} s: the contact is open"
            self._finish("lost-contact", text, "failed", "LOST_CONTACT", events)
        else:
            text = f"the device did not take up its order within {self._order_s_max:g} s"
            self._finish("device-fault", text, "stopped", None, events)

    def _energised(self) -> bool:
        step = self._run.step
        return step is not None and self._variant is not None and self._variant.phases[step.phase].direction != "rest"

    def _describe_now(self, step: StepProgress) -> None:
        """The reading in the words of conditions."""
        assert self._variant is not None  # noqa: S101 (a step in force)
        now, phase = self._now, self._variant.phases[step.phase]
        sign = -1.0 if phase.direction == "discharge" else 1.0
        now.direction = phase.direction
        now.time = self.step_time_s
        now.total_time = self.elapsed_s
        now.voltage = self.voltage_v
        now.current = abs(self.current_a) if phase.direction == "rest" else sign * self.current_a
        now.power = abs(self._power_w)
        if phase.direction == "discharge":
            now.entry_moved_nas, now.entry_moved_nws = step.entry.discharged_nas, step.entry.discharged_nws
            now.capacity = (self.discharged_nas - now.entry_moved_nas) / NAS_PER_AH
            now.energy = (self.discharged_nws - now.entry_moved_nws) / NAS_PER_AH
        else:
            now.entry_moved_nas, now.entry_moved_nws = step.entry.charged_nas, step.entry.charged_nws
            now.capacity = (self.charged_nas - now.entry_moved_nas) / NAS_PER_AH
            now.energy = (self.charged_nws - now.entry_moved_nws) / NAS_PER_AH
        now.temperature = self.temperature_degc
        now.entry_temperature = step.entry_temperature_degc
        now.temperature_rise = self.temperature_degc - step.entry_temperature_degc
        step.highest_v = max(step.highest_v, self.voltage_v)
        now.dv = step.highest_v - self.voltage_v
        held_v = phase.voltage_v if phase.holds_voltage else nan
        # Beyond its target in the step's direction a cell is at its target, too.
        charging = phase.direction == "charge"
        now.band_v_lo = held_v - self._band_v if charging else -inf
        now.band_v_hi = inf if charging else held_v + self._band_v
        now.in_band = now.band_v_lo <= self.voltage_v <= now.band_v_hi
        now.reports_cv = self._regulation == "cv"
        if now.reports_cv or now.in_band:
            step.cv_since_s = self.step_time_s if step.cv_since_s is None else step.cv_since_s
            now.cv_s = self.step_time_s - step.cv_since_s
        else:
            step.cv_since_s = None
            now.cv_s = 0.0
        if self._slopes is not None:
            self._slopes.take(self.step_time_s, self.voltage_v, self.current_a)
            now.dv_dt, now.di_dt = self._slopes.slopes()

    def _judge_conditions(self, step: StepProgress, events: list[MachineEvent]) -> None:
        decision = decide(self._watches, self._now)
        if decision is None:
            return
        if decision.kind == "fail":
            self._finish(decision.reason, decision.text, "failed", decision.code, events)
        elif decision.kind == "hold":
            self._finish("hold", decision.text, "held", None, events)
        else:
            self._see_end(decision.reason, decision.text)
            events.extend(self._after(self._destination(step, decision.condition.outcome)))

    def _destination(self, step: StepProgress, outcome: Outcome) -> Cursor | None:
        if outcome.kind == "end":
            return None
        if outcome.kind == "goto" and outcome.goto is not None:
            return jump(self._plan.program, step.cursor, outcome.goto)
        return following(self._plan.program, step.cursor)

    def _judge_phase(self, step: StepProgress, events: list[MachineEvent]) -> None:
        """A phase that lasts a stated time: the next one is the device's business where it holds it, else ours."""
        assert self._variant is not None  # noqa: S101 (a step in force)
        phase = self._variant.phases[step.phase]
        if phase.duration_s is None or self.step_time_s - step.phase_started_s < phase.duration_s:
            return
        if step.phase + 1 == len(self._variant.phases):
            self._see_end("completed", "the step's time has passed")
            events.extend(self._after(following(self._plan.program, step.cursor)))
        elif step.phase + 1 >= step.order_phase + self._phases_max:
            events.extend(self._await(step.cursor, step.phase + 1))

    # Moving on.

    def _after(self, cursor: Cursor | None) -> Sequence[MachineEvent]:
        if cursor is not None:
            return self._withheld(cursor) or self._await(cursor, 0)
        self._run.over = "completed"
        return (RunOver(end="completed", code=None, text="the recipe is done"),)

    def _withheld(self, cursor: Cursor) -> Sequence[MachineEvent]:
        """A cell outside the next step's window of temperature is not energised to find that out."""
        degc = self.temperature_degc
        for guard in self._guards_of(step_at(self._plan.program, cursor), variant_at(self._plan.program, cursor)):
            if guard.quantity == "temperature" and (degc < guard.low or degc > guard.high):
                text = f"before the next step: {GuardWatch(guard).explain(degc)}"
                events: list[MachineEvent] = [Tripped(code=guard.code, text=text)]
                self._finish("trip", text, "tripped", f"TRIP_{guard.code.value}", events)
                return events
        return NOTHING

    def _await(self, cursor: Cursor, first_phase: int) -> Sequence[MachineEvent]:
        """Ask for the order of what comes next; guards allow both steps until it is in force."""
        self._run.awaited = Awaited(cursor, first_phase, self._taken_s)
        self._arm_guards()
        self._narrow()
        program = self._plan.program
        due = OrderDue(step=step_at(program, cursor), variant=variant_at(program, cursor), first_phase=first_phase)
        return (due,)

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

    def _close_run(self) -> Sequence[MachineEvent]:
        self._run.closed = True
        self.wants_fast = False
        return (StepEnded(result=self._result()),) if self._run.step is not None else NOTHING

    def _enter(
        self, awaited: Awaited, sweep: Sweep, row: int, before: tuple[float, float], events: list[MachineEvent]
    ) -> None:
        """The awaited order is in force: a new step has begun, or the next phase of this one."""
        run = self._run
        run.awaited = None
        self._order_id = awaited.order_id
        time_s = sweep.step_time_s[row]
        if awaited.first_phase and run.step is not None:
            self._phase_offset_s = self.step_time_s - time_s
            run.step.order_phase = awaited.first_phase
            self._enter_phase(run.step, awaited.first_phase, before, started_s=self.step_time_s)
            self._arm_guards()
            return
        if run.step is not None:
            result = self._result()
            events.append(StepEnded(result=result))
            self._remember_tag(result)
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
        )
        self.step_time_s = time_s
        self._phase_offset_s = 0.0
        self.temperature_degc_max = -inf if isnan(self.temperature_degc) else self.temperature_degc
        self._settle_in(run.step)
        self._arm_guards()
        assert self._step is not None  # noqa: S101 (just settled in)
        self._count_cycle(self._step.step_type)
        events.append(StepEntered(step=self._step, step_count=run.step_count))
        self._enter_phase(run.step, 0, before, started_s=0.0)
        if any(isnan(value) for watch, _ in self._watches for value in watch.values):
            text = "a condition refers to a tagged step that has no valid result"
            self._finish("hold", text, "held", None, events)

    def _enter_phase(self, step: StepProgress, phase: int, before: tuple[float, float], *, started_s: float) -> None:
        """`started_s`: in the step's time, by the device's clock where the device has timed it."""
        assert self._step is not None and self._variant is not None  # noqa: S101 (a step in force)
        step.phase = phase
        step.phase_started_s = started_s
        if self._step.pulse is not None and phase == len(self._variant.phases) - 1:
            step.pulse = PulseMeter(*before)

    def _settle_in(self, step: StepProgress) -> None:
        """What is derived from the step's place in the plan; the watches take their memory from `step`."""
        program = self._plan.program
        self._step = step_at(program, step.cursor)
        self._variant = variant_at(program, step.cursor)
        conditions = [(c, True) for c in self._variant.fail] + [(c, False) for c in self._variant.until]
        if not step.watches:
            step.watches = [WatchState() for _ in conditions]
        rule = self._step.record
        self._record_s, self._record_v = _or_never(rule.every_s), _or_never(rule.voltage_v)
        self._record_a, self._record_k = _or_never(rule.current_a), _or_never(rule.temperature_k)
        tapers = any(phase.holds_voltage for phase in self._variant.phases)
        self._watches = [
            (
                ConditionWatch(
                    condition,
                    [self._bound(test) for test in condition.tests],
                    tapers=tapers,
                    at_window_s=self._at_window_s,
                    state=state,
                ),
                is_fail,
            )
            for (condition, is_fail), state in zip(conditions, step.watches, strict=True)
        ]
        windows = [test.window_s for c, _ in conditions for test in c.tests if test.quantity in {"dv_dt", "di_dt"}]
        self._slopes = SlopeWindow(max(windows), step.slope_readings) if windows else None

    def _bound(self, test: Comparison) -> float:
        """A test's bound, NaN where it refers to a tag without a valid result."""
        if test.of_tag is None:
            return test.value
        tagged = self._run.tags.get(test.of_tag)
        if tagged is None:
            return nan
        return test.value * (tagged[1] if test.quantity == "energy" else tagged[0])

    def _arm_guards(self) -> None:
        run, program = self._run, self._plan.program
        guards: tuple[Guard, ...] = ()
        if self._step is not None and self._variant is not None:
            guards = self._guards_of(self._step, self._variant)
        if run.awaited is not None:
            cursor = run.awaited.cursor
            guards = widest(guards, self._guards_of(step_at(program, cursor), variant_at(program, cursor)))
        run.guards = {guard.code.value: run.guards.get(guard.code.value, GuardState()) for guard in guards}
        self._guards = [GuardWatch(guard, run.guards[guard.code.value]) for guard in guards]

    def _guards_of(self, step: PlanStep, variant: StepVariant) -> tuple[Guard, ...]:
        return guards_for(step, variant, self._channel, temperature_measured=not self._blind)

    def _count_cycle(self, step_type: str) -> None:
        run = self._run
        if step_type == "charge":
            run.cycle += run.discharged_since_charge
            run.discharged_since_charge = False
        elif step_type == "discharge":
            run.discharged_since_charge = True

    # Numbers.

    def _result(self) -> StepResult:
        run, step = self._run, self._run.step
        assert step is not None and self._step is not None and self._variant is not None  # noqa: S101 (closing one)
        self._settle_counters()
        return step_result(
            run,
            step,
            self._step,
            counters=self.counters,
            host_nas=self._host_nas,
            counter_missing=isnan(self._counted_in_ah) or isnan(self._counted_out_ah),
            temperature_degc_max=self.temperature_degc_max,
            host_timed=len(self._variant.phases) == 1 or len(self._variant.phases) > self._phases_max,
        )

    def _remember_tag(self, result: StepResult) -> None:
        if result.tag is None or not result.is_valid:
            return
        moved = result.moved
        if result.step_type == "discharge":
            self._run.tags[result.tag] = moved.discharged_nas / NAS_PER_AH, moved.discharged_nws / NAS_PER_AH
        else:
            self._run.tags[result.tag] = moved.charged_nas / NAS_PER_AH, moved.charged_nws / NAS_PER_AH

    # Bounds.

    def _judge_always(self) -> None:
        self._adopt_bounds(Quiet(v_lo=inf, v_hi=-inf))

    def _narrow(self) -> None:
        """Work out within which bounds nothing can become true, from the present reading on."""
        run, step, quiet = self._run, self._run.step, Quiet()
        entry = step.entry if step is not None else Counters()
        discharging = self._now.direction == "discharge"
        for guard in self._guards:
            guard.narrow(
                quiet,
                entry_moved_nas=entry.discharged_nas if discharging else entry.charged_nas,
                entry_against_nas=entry.charged_nas if discharging else entry.discharged_nas,
            )
        if run.over is not None or run.awaited is not None:
            quiet.never()
        elif step is not None and self._variant is not None:
            for watch, _ in self._watches:
                watch.narrow(self._now, quiet)
            duration_s = self._variant.phases[step.phase].duration_s
            if duration_s is not None:
                quiet.time_due_s = min(quiet.time_due_s, step.phase_started_s + duration_s)
            # The edges of phases that the device times by itself are seen in the readings alone.
            if step.pulse is not None or self._slopes is not None or len(self._variant.phases) > 1:
                quiet.never()
        self._adopt_bounds(quiet)

        self.wants_fast = not run.closed and (
            run.awaited is not None
            or run.over is not None
            or (step is not None and (step.pulse is not None or self._pulse_is_near(step)))
            or any(watch.pending for watch, _ in self._watches)
            or any(guard.state.count for guard in self._guards)
        )

    def _pulse_is_near(self, step: StepProgress) -> bool:
        """The device is about to begin a pulse by its own clock: its edge is wanted in fast readings, too."""
        if self._step is None or self._step.pulse is None or self._variant is None:
            return False
        duration_s = self._variant.phases[step.phase].duration_s
        return duration_s is not None and step.phase_started_s + duration_s - self.step_time_s <= self._at_window_s

    def _adopt_bounds(self, quiet: Quiet) -> None:
        self._judge_v_lo, self._judge_v_hi = quiet.v_lo, quiet.v_hi
        self._judge_i_lo, self._judge_i_hi = quiet.i_lo, quiet.i_hi
        self._judge_t_lo, self._judge_t_hi = quiet.t_lo, quiet.t_hi
        self._time_due_s = quiet.time_due_s - self._phase_offset_s - SLACK_S
        discharging = self._now.direction == "discharge"
        along_nas, against_nas = quiet.moved_due_nas - SLACK_NAS, quiet.against_due_nas - SLACK_NAS
        self._charged_due, self._discharged_due = (against_nas, along_nas) if discharging else (along_nas, against_nas)
        along_nws = quiet.moved_due_nws - SLACK_NAS
        self._charged_energy_due, self._discharged_energy_due = (inf, along_nws) if discharging else (along_nws, inf)
        self._counted_in_due_ah = self._counted_in_ah + (self._charged_due - self.charged_nas) / NAS_PER_AH
        self._counted_out_due_ah = self._counted_out_ah + (self._discharged_due - self.discharged_nas) / NAS_PER_AH
        self._bound_record()

    def _keep_next(self) -> None:
        """This reading is kept: the next one is due when something has moved away from it."""
        self._kept_v, self._kept_a, self._kept_degc = self.voltage_v, self.current_a, self.temperature_degc
        self._kept_at_s = self.step_time_s
        self._bound_record()

    def _bound_record(self) -> None:
        """The bounds of every reading, of judging and of keeping; NaN, where nothing was kept yet, bounds nothing."""
        low, high = self._kept_v - self._record_v, self._kept_v + self._record_v
        self._v_lo = low if low > self._judge_v_lo else self._judge_v_lo  # max and min cost three times as much here
        self._v_hi = high if high < self._judge_v_hi else self._judge_v_hi
        low, high = self._kept_a - self._record_a, self._kept_a + self._record_a
        self._i_lo = low if low > self._judge_i_lo else self._judge_i_lo
        self._i_hi = high if high < self._judge_i_hi else self._judge_i_hi
        low, high = self._kept_degc - self._record_k, self._kept_degc + self._record_k
        self._t_lo = low if low > self._judge_t_lo else self._judge_t_lo
        self._t_hi = high if high < self._judge_t_hi else self._judge_t_hi
        self._record_due_s = self._kept_at_s + self._record_s - self._phase_offset_s

    def _beyond_record(self, time_s: float) -> bool:
        """Whether the present reading has moved away from the last kept one by as much as the record rule says."""
        return (
            time_s >= self._record_due_s
            or abs(self.voltage_v - self._kept_v) > self._record_v
            or abs(self.current_a - self._kept_a) > self._record_a
            or abs(self.temperature_degc - self._kept_degc) > self._record_k
        )


def _or_never(change: float | None) -> float:
    return inf if change is None else change
