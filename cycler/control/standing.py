"""Where a channel's run stands: for others to see, to be kept, and what can come true from there on.

Apart from its `Course`, which moves it on.
"""

from collections.abc import Iterator
from math import inf, isnan, nan, nextafter
from typing import Any

import msgspec

from cycler.contract.capabilities import ChannelRange
from cycler.contract.order import Direction
from cycler.contract.sweep import Sweep
from cycler.control.condition_watch import Now, Quiet
from cycler.control.current_watch import NOTHING_ACCURACIES
from cycler.control.guard_rail import GuardRail, ToGuard
from cycler.control.guard_seen import Seen
from cycler.control.machine_events import RunEnd
from cycler.control.patience import stale_after_s
from cycler.control.present import Present
from cycler.control.program_cursor import Cursor, ahead, first, step_at, variant_at
from cycler.control.progress import Climate, RunProgress, StepProgress
from cycler.control.pulse_meter import Accuracy
from cycler.control.step_in_force import StepInForce
from cycler.model.results import NAS_PER_AH, Counters
from cycler.recipe.expectation import expected_after_s, expected_step_s, expected_time_s
from cycler.recipe.plan import Plan, PlanPhase, PlanStep
from cycler.safety.contact_check import FIRST_CURRENT_C_RATE

CREDIBLE_RATIO = 20.0
"""Of the channel's range: what shows more than this has not measured anything, and counts like no value."""

CALM_AFTER_S, CALM_SWEEP_S = 60.0, 5.0
"""A minute after its relay has opened a cell moves slowly, and is looked at as rarely as this."""

IN_BAND_V_MIN = 0.005  # or two accuracies and three times the noise, where that is more


class Standing(Present):
    """A run's place in its plan, the step in force, and the guards and bounds that follow from them."""

    __slots__ = (
        "_accuracy",
        "_at_window_s",
        "_band_v",
        "_credible_a",
        "_credible_v",
        "_current_accuracy_a",
        "_live_gap_s_max",
        "_phases_max",
        "_plan",
        "_rail",
        "_run",
        "_step",
        "_sub_channels",
        "_voltage_accuracy_v",
    )

    def __init__(
        self,
        plan: Plan,
        channel: ChannelRange,
        *,
        temperature_measured: bool,
        phases_max: int,
        sweep_s: float,
        gap_s_max: float,
    ) -> None:
        """`gap_s_max`: over a longer silence the host's integral does not count, only a device's own counter."""
        super().__init__(temperature_measured=temperature_measured, gap_s_max=gap_s_max)
        self._live_gap_s_max = gap_s_max
        self._plan = plan
        self._at_window_s = 2 * sweep_s
        self._credible_v = CREDIBLE_RATIO * channel.voltage_v_max
        self._credible_a = CREDIBLE_RATIO * max(channel.charge_current_a_max, channel.discharge_current_a_max)
        self._band_v = max(IN_BAND_V_MIN, 2 * channel.voltage_accuracy_v + 3 * channel.voltage_noise_v)
        self._current_accuracy_a = channel.current_accuracy_a
        self._voltage_accuracy_v = channel.voltage_accuracy_v
        self._sub_channels = channel.sub_channels
        self._accuracy = Accuracy(voltage_v=channel.voltage_accuracy_v, current_a=channel.current_accuracy_a)
        self._phases_max = phases_max
        self._rail = GuardRail(
            plan.cell_type, channel, temperature_measured=temperature_measured, phases_max=phases_max
        )
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
    def is_proven_open(self) -> bool:
        """The last reading shows the relay open, and no order is on its way that closes it."""
        return self._relay_open and not self.awaits_order

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
    def ahead(self) -> Iterator[PlanStep]:
        """The step in force, and all that may still be executed after it."""
        run, program = self._run, self._plan.program
        at = run.step.cursor if run.step is not None else first(program)
        return ahead(program, at if run.awaited is None else run.awaited.cursor)

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

    def _begun(self, started_s: float) -> RunProgress:
        return RunProgress(started_s=started_s, lower_armed=self._plan.latch is None)

    def _settle_in(self, progress: StepProgress, now: Now) -> StepInForce:
        """What is derived from the step's place in the plan."""
        self._step = StepInForce(
            self._plan.program,
            progress,
            tags=self._run.tags,
            variables=self._run.variables,
            accuracy=self._accuracy,
            band_v=self._band_v,
            at_window_s=self._at_window_s,
            phases_max=self._phases_max,
            now=now,
        )
        self._record_by(self._step.plan_step.record)
        return self._step

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
        entry = Counters() if step is None else step.progress.entry
        self._rail.narrow(self._as_seen(), quiet, entry=entry, direction=direction)
        if run.over is not None or run.awaited is not None:
            quiet.never()
        elif step is not None:
            step.narrow(quiet)
            self._narrow_to_latch(quiet, step)
            if self._asks_for_contacts(step):
                quiet.never()
        if not self._is_witnessed:
            quiet.apart_v = inf
        if not self._relay_open:  # where a voltage changes its sign, energy is not summed up in passing
            if self.voltage_v < 0.0:
                quiet.never()
            quiet.v_lo = max(quiet.v_lo, 0.0)
        if self._is_at_rest and self.step_time_s < CALM_AFTER_S:
            quiet.time_due_s = min(quiet.time_due_s, CALM_AFTER_S)
        self._adopt_bounds(quiet, direction)
        self._calm_down(quiet)
        self.wants_fast = not run.closed and (
            run.awaited is not None
            or run.over is not None
            or (step is not None and step.wants_fast(self.step_time_s))
            or self._rail.pending
        )

    @property
    def _is_at_rest(self) -> bool:
        """Relay open, as it was ordered, in a step that asks for nothing else."""
        run, step = self._run, self._step
        ordered = run.over is None and run.awaited is None
        return ordered and self._relay_open and step is not None and step.plan_step.contact is None

    def _calm_down(self, quiet: Quiet) -> None:
        """`calm_until_s`: no reading is wanted before then, but for every `CALM_SWEEP_S`."""
        is_calm = (
            self._is_at_rest
            and self.step_time_s >= CALM_AFTER_S
            and self._record_s >= CALM_SWEEP_S
            and quiet.v_lo <= quiet.v_hi
        )
        self.calm_until_s = self._taken_s + quiet.time_due_s - self.step_time_s if is_calm else -inf
        self._gap_s_max = max(self._live_gap_s_max, stale_after_s(CALM_SWEEP_S)) if is_calm else self._live_gap_s_max

    def _asks_for_contacts(self, step: StepInForce) -> bool:
        """A real current flows, and what it says of the contacts is not known yet."""
        least_a = FIRST_CURRENT_C_RATE * self._plan.cell_type.rated_capacity_ah
        return step.progress.contact_looks > 0 and step.energises and step.phase.current_a >= least_a

    def _narrow_to_latch(self, quiet: Quiet, step: StepInForce) -> None:
        latch, run = self._plan.latch, self._run
        if latch is not None and not run.lower_armed and step.plan_step.contact_proven:
            next_v = latch.arms_v if run.precharged else latch.formed_v
            quiet.v_hi = min(quiet.v_hi, nextafter(next_v, -inf))

    # What the guards see.

    def _as_seen(self) -> Seen:
        """The present reading."""
        run, step, counters = self._run, self._step, self.counters
        net_nas = counters.charged_nas - counters.discharged_nas
        in_phase = step is not None and run.awaited is None and run.over is None
        return Seen(
            taken_s=self._taken_s,
            voltage_v=self.voltage_v,
            current_a=self.current_a,
            temperature_degc=self.temperature_degc,
            apart_v=0.0,
            step_time_s=0.0 if step is None else self.step_time_s,
            moved=Counters() if step is None else counters - step.progress.entry,
            in_ah=(net_nas - run.lowest_nas) / NAS_PER_AH,
            out_ah=(run.highest_nas - net_nas) / NAS_PER_AH,
            regulation=self._regulation,
            regulated_before=self._regulation,
            voltage_before_v=self.voltage_v,
            current_before_a=self.current_a,
            since_s=0.0,
            phase=step.phase if step is not None and in_phase else None,
            phase_time_s=0.0 if step is None else self.step_time_s - step.progress.phase_started_s,
            stretch=(self._order_id, 0 if step is None else step.progress.phase),
        )

    # What the output says of the sense wires.

    def _apart_from_output_v(self, sweep: Sweep, row: int) -> float:
        """By how much the output shows more than the sense; 0 where that says nothing about the sense wires.

        The output is not measured, or it may be connected to no cell: nothing flows. But what holds the output up in a
        discharge is a cell.
        """
        self._has_output = sweep.output_v is not None
        self._measures_output = self._measures_output or self._has_output
        if sweep.output_v is None or not self._is_witnessed:
            return 0.0
        apart_v = sweep.output_v[row] - sweep.voltage_v[row]
        flows = abs(sweep.current_a[row]) >= NOTHING_ACCURACIES * self._current_accuracy_a
        held_up = apart_v > 0.0 and self._direction_of(sweep, row) == "discharge"
        return apart_v if (flows or held_up) and not isnan(apart_v) else 0.0

    def _direction_of(self, sweep: Sweep, row: int) -> Direction:
        """Of the phase in which the reading was taken."""
        step, awaited = self._step, self._run.awaited
        if awaited is not None and awaited.order_id == sweep.order_id[row] != 0:
            phases = variant_at(self._plan.program, awaited.cursor).phases
            return phases[min(awaited.first_phase + sweep.phase[row], len(phases) - 1)].direction
        return "rest" if step is None else step.phase.direction

    @property
    def _is_witnessed(self) -> bool:
        """The device measures its output, too, and that is connected to the cell."""
        return self._has_output and self._regulation not in {"off", "starting"}
