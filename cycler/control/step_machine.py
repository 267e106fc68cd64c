"""A channel's whole progress through its recipe. Pure: no I/O, no clock, no await; saved and restored at any reading.

A reading goes one of three ways. Inside the *quiet* bounds nothing can become true: it is counted, and that is all.
Outside the bounds of the record rule only, it is kept. Otherwise every protection and condition is judged.

A step begins when a reading shows the order in force, and ends in two moves: its end is *seen*, and the next order is
due; it is *closed*, with its numbers, when a reading shows that the next order (or an open relay) is in force. Readings
between the two belong to the old step, and their charge counts there.
"""

from collections.abc import Sequence
from math import isnan, nan
from typing import Final

from cycler.contract.sweep import Reading, Sweep
from cycler.control.machine_events import KEEP, MachineEvent, PhaseHeld, RunEnd
from cycler.control.program_cursor import first, step_at
from cycler.control.progress import Awaited, LastSeen
from cycler.control.resumption import Resumption
from cycler.control.step_in_force import StepInForce
from cycler.model.alarm import AlarmCode
from cycler.model.results import MeterValue, StopReason
from cycler.recipe.plan import one_order
from cycler.recipe.words import in_words
from cycler.safety.contact_check import contact_resistance_ohm, judge_first_current
from cycler.safety.protections import named_by

NOTHING: Final[tuple[MachineEvent, ...]] = ()
KEPT: Final[tuple[MachineEvent, ...]] = (KEEP,)

ONLY_A_CHARGE: Final = "only a charge takes a cell there, so the sense wires do not show it"


class StepMachine(Resumption):
    """Advances one channel, reading by reading.

    The public attributes are the present sample; they are whole whenever `advance` has returned a `SampleDue`.
    `wants_fast`: the next reading is wanted soon, because a pulse runs, an order is due or something is debounced.
    """

    __slots__ = ()

    def start(self, taken_s: float, *, voltage_v: float = nan) -> Sequence[MachineEvent]:
        """Begin the run at this time of the loop's clock. `voltage_v`: the last reading, with the relay open."""
        self.voltage_v = voltage_v
        self._run = self._begun(taken_s)
        self._taken_s = taken_s
        return self._await(first(self._plan.program), 0)

    def ordered(self, order_id: int) -> None:
        """The order last asked for is given, with this id: when a reading shows it, its step is in force."""
        awaited = self._run.awaited
        if awaited is not None:
            self._run.awaited = Awaited(
                awaited.cursor, awaited.first_phase, self._taken_s, self._seen, order_id, awaited.goes_on
            )

    def advance(self, sweep: Sweep, row: int, temperature_degc: float) -> Sequence[MachineEvent]:
        """Take one reading, in order of time. `temperature_degc` is NaN where nothing measures it, or it is stale."""
        voltage_v = sweep.voltage_v[row]
        current_a = sweep.current_a[row]
        time_s = sweep.step_time_s[row]
        taken_s = sweep.taken_s
        since_s = taken_s - self._taken_s
        if not (
            self._v_lo <= voltage_v <= self._v_hi
            and self._i_lo <= current_a <= self._i_hi
            and (self._t_lo <= temperature_degc <= self._t_hi or self._blind)
            and (
                self._unwitnessed
                or (sweep.output_v is not None and -self._apart_v <= sweep.output_v[row] - voltage_v <= self._apart_v)
            )
            and time_s < self._time_due_s
            and sweep.order_id[row] == self._order_id
            and sweep.regulation[row] == self._regulation
            and since_s <= self._gap_s_max
        ):
            return self._attend(sweep, row, temperature_degc)
        if self._relay_open:
            reached = False
        else:
            swept_2as = (current_a + self.current_a) * since_s
            swept_4ws = (voltage_v + self.voltage_v) * swept_2as
            if swept_2as >= 0.0:
                self._in_2as = in_2as = self._in_2as + swept_2as
                self._in_4ws = in_4ws = self._in_4ws + swept_4ws
                reached = in_2as >= self._in_due_2as or in_4ws >= self._in_due_4ws
            else:
                self._out_2as = out_2as = self._out_2as - swept_2as
                self._out_4ws = out_4ws = self._out_4ws - swept_4ws
                reached = out_2as >= self._out_due_2as or out_4ws >= self._out_due_4ws
        self.voltage_v = voltage_v
        self.current_a = current_a
        self._taken_s = taken_s
        if temperature_degc > self.temperature_degc_max:  # noqa: PLR1730 (max costs three times as much here)
            self.temperature_degc_max = temperature_degc
        if sweep.charged_ah is not None:
            self._counted_in_ah = counted_in_ah = sweep.charged_ah[row]
            self._counted_out_ah = counted_out_ah = sweep.discharged_ah[row]  # type: ignore[index] # both or none
            reached = reached or counted_in_ah >= self._counted_in_due_ah or counted_out_ah >= self._counted_out_due_ah
        if reached:
            self._settle_counters()
            return self._judge(sweep, row, temperature_degc, valid=True, before=self._seen)
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
        events = self._up_to_now()
        self._finish(reason, text, end, code, events)
        return events

    def trip(self, code: AlarmCode, text: str) -> Sequence[MachineEvent]:
        """End the run by a protection that is judged elsewhere. Nothing happens where it is over already."""
        if self._run.over is not None:
            return NOTHING
        events = self._up_to_now()
        self._finish_by_trip(code, text, events)
        return events

    def take_metered(self, metered: MeterValue) -> None:
        """What the step in force was to measure. Nothing happens where it is not held for that."""
        if self._run.step is not None and self.held:
            self._run.step.metered = metered

    def release(self, reason: StopReason, text: str) -> Sequence[MachineEvent]:
        """Let a held phase go: the next one is due, or the last one ends the step for this reason."""
        step = self._step
        if step is None or not self.held:
            return NOTHING
        events = self._up_to_now()
        cursor = step.progress.cursor
        if step.in_last_phase:
            self._see_end(reason, text)
            self._lead_on(step, None, events)
        else:
            self._go_on(cursor, events, first_phase=step.progress.phase + 1)
        self._narrow()
        return events

    def repeat(self, reason: StopReason, text: str) -> Sequence[MachineEvent]:
        """End a step with a held phase for this reason, and execute it once more."""
        step = self._step
        if step is None or not self.held:
            return NOTHING
        events = self._up_to_now()
        self._see_end(reason, text)
        self._go_on(step.progress.cursor, events)
        self._narrow()
        return events

    def close(self) -> Sequence[MachineEvent]:
        """Give the last step its numbers without having seen the relay open: the device does not answer any more."""
        if self._run.over is None or self._run.closed:
            return NOTHING
        return self._close_run(self._seen)

    def _up_to_now(self) -> list[MachineEvent]:
        """Quiet readings since the last kept one count too, where something happens between two of them."""
        self._let_pass(self._taken_s - self._run.started_s)
        self._settle_counters()
        events: list[MachineEvent] = []
        if self._step is not None and not self._is_kept:
            self._keep(events)
        return events

    # Judging.

    def _attend(self, sweep: Sweep, row: int, temperature_degc: float) -> Sequence[MachineEvent]:
        """A reading that is not quiet: bad, to be kept, or to be judged."""
        before = self._seen
        step = self._run.step
        if not self._is_credible(sweep, row):
            if step is not None:
                step.bad_readings += 1
            return self._judge(sweep, row, temperature_degc, valid=False, before=before)
        self.temperature_degc_max = max(self.temperature_degc_max, temperature_degc)
        gap_s = self._take(sweep, row)
        if step is not None:
            step.gap_s += gap_s
        if self._may_be_true(sweep, row, temperature_degc):
            return self._judge(sweep, row, temperature_degc, valid=True, before=before)
        self._place(sweep, row, temperature_degc)
        self._keep_next()
        return KEPT

    def _is_credible(self, sweep: Sweep, row: int) -> bool:
        """NaN is not."""
        return abs(sweep.voltage_v[row]) <= self._credible_v and abs(sweep.current_a[row]) <= self._credible_a

    def _judge(
        self, sweep: Sweep, row: int, temperature_degc: float, *, valid: bool, before: LastSeen
    ) -> Sequence[MachineEvent]:
        """Everything that may follow from one reading. `before`: voltage and current of the reading before it."""
        run = self._run
        self._place(sweep, row, temperature_degc)
        regulated_before, self._regulation = self._regulation, sweep.regulation[row]
        self._relay_open = self._regulation == "off"
        events: list[MachineEvent] = []
        seen = self._as_seen()
        in_phase = sweep.order_id[row] == self._order_id and (
            self._step is not None and self._step.progress.order_phase + sweep.phase[row] == self._step.progress.phase
        )
        trip = self._rail.trips(
            seen._replace(
                taken_s=sweep.taken_s,
                voltage_v=_within(sweep.voltage_v[row], self._credible_v),
                current_a=_within(sweep.current_a[row], self._credible_a),
                apart_v=self._apart_from_output_v(sweep, row),
                regulated_before=regulated_before,
                voltage_before_v=before.voltage_v,
                current_before_a=before.current_a,
                since_s=sweep.taken_s - before.taken_s,
                phase=seen.phase if in_phase else None,
            )
        )
        if trip is not None:
            code = named_by(trip[0], self._direction_of(sweep, row))
            misled = code is AlarmCode.SENSE_OPEN and trip[0] is AlarmCode.OVER_VOLTAGE
            trip = code, f"{trip[1]}; {ONLY_A_CHARGE}" if misled else trip[1]
        if trip is not None and run.over is None:
            if run.step is not None:
                self._keep(events)
            self._finish_by_trip(*trip, events)
        elif run.over is not None:
            if self._regulation == "off" and not run.closed:
                events.extend(self._close_run(before))
        elif valid:
            self._follow_order(sweep, row, before, events)
        self._narrow()
        return events

    def _place(self, sweep: Sweep, row: int, temperature_degc: float) -> None:
        """Where this reading lies in the run and in its step."""
        elapsed_s = sweep.taken_s - self._run.started_s
        time_s = sweep.step_time_s[row]
        if self._step is not None and sweep.order_id[row] == self._order_id and not isnan(time_s):
            self.step_time_s, self.elapsed_s = self._phase_offset_s + time_s, elapsed_s
        else:
            self._let_pass(elapsed_s)
        self.temperature_degc = temperature_degc

    def _let_pass(self, elapsed_s: float) -> None:
        """To this time of the run. What waits after an interruption stands still."""
        awaited, step = self._run.awaited, self._run.step
        broken_off = step is not None and step.ended is not None and step.ended.stop_reason == "host-loss"
        if awaited is None or not (awaited.goes_on or broken_off):
            self.step_time_s += elapsed_s - self.elapsed_s
        self.elapsed_s = elapsed_s

    def _follow_order(self, sweep: Sweep, row: int, before: LastSeen, events: list[MachineEvent]) -> None:
        """A valid reading of a healthy cell: which order is in force, and what of its step has come true."""
        run, step, awaited = self._run, self._step, self._run.awaited
        order_id, regulation = sweep.order_id[row], sweep.regulation[row]
        if awaited is not None and awaited.order_id == order_id != 0 and regulation != "starting":
            step = self._enter(awaited, sweep, row, before, events)
            self._follow_device(step, sweep, row, before)
            kept = True
            if run.over is not None:
                return
        else:
            pulsing = step is not None and step.progress.pulse is not None  # what its numbers come from is all kept
            turned = step is not None and order_id == self._order_id and self._follow_device(step, sweep, row, before)
            opened = awaited is None and (
                order_id != self._order_id or (regulation == "off" and step is not None and step.energises)
            )
            kept = step is not None and (opened or pulsing or self._beyond_record(sweep.step_time_s[row]))
            if kept:
                if turned:
                    self._keep_near_side(before, events)
                self._keep(events)
            if awaited is not None:
                self._wait_for_order(awaited, sweep, row, events)
                return
            if opened and step is not None:
                self._find_opened(step, sweep, row, events)
                return
        assert step is not None  # noqa: S101 (without an awaited order there is one in force)
        seen_at = len(events)
        self._judge_step(step, sweep, row, events)
        if not kept and (step.progress.ended is not None or run.awaited is not None):
            events.insert(seen_at, KEEP)
            self._keep_next()

    def _find_opened(self, step: StepInForce, sweep: Sweep, row: int, events: list[MachineEvent]) -> None:
        """The device has ended its order by a limit of its own, or for a reason that only it knows."""
        envelope, direction = step.plan_step.envelope, step.phase.direction
        text = (
            f"the device ended its {direction} by itself at {self.voltage_v:.3f} V"
            f" (order {sweep.order_id[row]}, {sweep.regulation[row]})"
        )
        why = None if sweep.opened is None else sweep.opened.get(sweep.channels[row])
        if why is not None:
            text = f"the device opened its output in a {direction}, at {self.voltage_v:.3f} V: {why}"
        if why is not None and step.plan_step.contact is not None:
            self._finish("lost-contact", text, "failed", "BAD_CONTACT", events)
            return
        if direction != "charge" and self.voltage_v > envelope.voltage_v_max + envelope.trip_margin_v:
            self._finish("device-fault", f"{text}; {ONLY_A_CHARGE}", "failed", "SENSE_OPEN", events)
        else:
            self._finish("device-fault", text, "stopped", None, events)

    def _follow_device(self, step: StepInForce, sweep: Sweep, row: int, before: LastSeen) -> bool:
        """It goes from phase to phase by itself, as far as its order reaches. Returns whether it is in another one."""
        was_in = step.progress.phase
        step.follow_device(step.progress.order_phase + sweep.phase[row], self._in_step(before))
        return step.progress.phase != was_in

    def _judge_step(self, step: StepInForce, sweep: Sweep, row: int, events: list[MachineEvent]) -> None:
        step.take(self, power_w=self.voltage_v * self.current_a, regulation=sweep.regulation[row], skew_s=sweep.skew_s)
        self._judge_latch(step, events)
        if self._asks_for_contacts(step):
            self._judge_contacts(step, sweep[sweep.channels[row]], events)
        if self._run.over is None and (lost := step.lost_contact()) is not None:
            self._finish("lost-contact", lost, "failed", "LOST_CONTACT", events)
        if self._run.over is None:
            self._judge_conditions(step, events)
        if step.progress.ended is None and self._run.awaited is None:
            self._judge_phase(step, events)

    def _wait_for_order(self, awaited: Awaited, sweep: Sweep, row: int, events: list[MachineEvent]) -> None:
        """The reading belongs to the step whose end has been seen. The next order does not take for ever."""
        if self._run.over is not None or not awaited.order_id:
            return
        if sweep.taken_s - awaited.since_s <= self._order_s_max:
            return
        if sweep.regulation[row] == "starting":
            if step_at(self._plan.program, awaited.cursor).contact is not None:  # that nothing flows is its answer
                events.extend(self._await(awaited.cursor, awaited.first_phase + 1))
                return
            text = f"no current within {self._order_s_max:g} s: the contact is open"
            self._finish("lost-contact", text, "failed", "LOST_CONTACT", events)
        else:
            text = f"the device did not take up its order within {self._order_s_max:g} s"
            self._finish("device-fault", text, "stopped", None, events)

    def _judge_contacts(self, step: StepInForce, reading: Reading, events: list[MachineEvent]) -> None:
        """A single reading says that they are good; that they are bad, a second one must confirm.

        Some devices measure their output in some readings only.
        """
        if reading.output_v is None:
            return
        progress, cell_type = step.progress, self._plan.cell_type
        progress.contact_looks -= 1
        verdict = judge_first_current(
            cell_type, reading, voltage_accuracy_v=self._voltage_accuracy_v, sub_channels=self._sub_channels
        )
        if verdict is None:
            return
        is_confirmed = progress.contact_ohm is not None
        progress.contact_ohm = contact_resistance_ohm(cell_type, reading, sub_channels=self._sub_channels)
        if verdict.code is None:
            progress.contact_looks = 0
        elif is_confirmed:
            self._finish("fail", verdict.text, "failed", verdict.code, events)

    def _judge_conditions(self, step: StepInForce, events: list[MachineEvent]) -> None:
        decision = step.decide()
        if decision is None:
            return
        if decision.kind == "fail":
            self._finish(decision.reason, decision.text, "failed", decision.code, events)
        elif decision.kind == "hold":
            self._finish("hold", decision.text, "held", None, events)
        else:
            self._see_end(decision.reason, decision.text)
            self._lead_on(step, decision.condition.outcome, events)

    def _judge_phase(self, step: StepInForce, events: list[MachineEvent]) -> None:
        """A phase that lasts a stated time: the next one is the device's business where it holds it, else ours."""
        progress = step.progress
        if step.waits_for_bay and not progress.held:
            progress.held = True
            events.append(PhaseHeld())
        if step.has_waited_too_long:
            text = f"it has waited {in_words(step.phase.held_s_max or 0.0, 's')} for the turns to pulse"
            self._finish("hold", text, "held", None, events)
        if not step.phase_is_over:
            return
        coming = progress.phase + 1
        if coming == len(step.variant.phases):
            self._see_end("completed", "the step's time has passed")
            if step.plan_step.stop is not None:
                self._stop_by_recipe(step.plan_step.stop, events)
            else:
                self._lead_on(step, None, events)
        elif coming >= progress.order_phase + len(
            one_order(step.variant.phases, progress.order_phase, self._phases_max)
        ):
            events.extend(self._await(progress.cursor, coming))


def _within(value: float, limit: float) -> float:
    return value if abs(value) <= limit else nan
