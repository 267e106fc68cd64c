"""The step that a reading has shown in force: all that follows from its place in the plan and from how far it is."""

from collections.abc import Mapping
from math import inf, nan

from cycler.contract.order import Direction
from cycler.contract.sweep import Regulation
from cycler.control.condition_watch import ConditionWatch, Now, Quiet, WatchState
from cycler.control.current_watch import CurrentWatch
from cycler.control.decision import Decision, decide
from cycler.control.present import Present
from cycler.control.program_cursor import Program, step_at, variant_at
from cycler.control.progress import StepProgress
from cycler.control.pulse_meter import Accuracy, PulseMeter
from cycler.control.slope_window import SlopeWindow
from cycler.control.tagged import Tags
from cycler.model.results import NAS_PER_AH, PulseReading
from cycler.recipe.plan import PlanPhase, StepVariant, one_order

CYCLE_STEPS = frozenset({"charge", "discharge", "ramp", "profile"})
"""A cycle begins where one of these charges after one of them has discharged; pulses do not count."""


class StepInForce:
    """What it remembers lies in `progress` and `now`: built anew around them, it goes on as it was."""

    def __init__(
        self,
        program: Program,
        progress: StepProgress,
        *,
        tags: Tags,
        variables: Mapping[str, float],
        accuracy: Accuracy,
        band_v: float,
        at_window_s: float,
        phases_max: int,
        now: Now,
    ) -> None:
        """`band_v`: so near to its target a voltage is held; `at_window_s`: so late an `at` may be judged.

        `phases_max`: how many phases an order may have.
        """
        self.plan_step = step_at(program, progress.cursor)
        self.variant = variant_at(program, progress.cursor)
        self.progress = progress
        self.now = now
        self._accuracy = accuracy
        self._band_v = band_v
        self._at_window_s = at_window_s
        self._phases_max = phases_max
        conditions = [(c, True) for c in self.variant.fail] + [(c, False) for c in self.variant.until]
        if not progress.watches:
            progress.watches = [WatchState() for _ in conditions]
        tapers = any(phase.holds_voltage for phase in self.variant.different)
        self._watches = [
            (
                ConditionWatch(
                    condition,
                    tapers=tapers,
                    at_window_s=at_window_s,
                    tags=tags,
                    variables=variables,
                    state=state,
                ),
                is_fail,
            )
            for (condition, is_fail), state in zip(conditions, progress.watches, strict=True)
        ]
        windows = [test.window_s for c, _ in conditions for test in c.tests if test.quantity in {"dv_dt", "di_dt"}]
        self._slopes = SlopeWindow(max(windows), progress.slope_readings) if windows else None
        self._watch_current()

    @property
    def phase(self) -> PlanPhase:
        """The one that the device is in."""
        return self.variant.phases[self.progress.phase]

    @property
    def energises(self) -> bool:
        """The output belongs on."""
        return self.phase.direction != "rest"

    @property
    def lacks_a_value(self) -> bool:
        """A condition refers to a tagged step without a valid result, or to a variable that has not been set."""
        return any(watch.lacks_a_value for watch, _ in self._watches)

    def enter_phase(self, phase: int, before: PulseReading, *, started_s: float) -> None:
        """`before`: the last reading of the phase before, in the step's time as `started_s` is."""
        progress, step = self.progress, self.plan_step
        self.end_pulse(before)
        progress.waited_s += self._waits_s(started_s)
        progress.timed_from_s = self._timed_from_s(phase, started_s)
        is_next = phase <= progress.phase + 1
        progress.phase = phase
        progress.held = False
        progress.phase_started_s = started_s
        progress.current = WatchState()
        self._watch_current()
        if step.pulse is not None and phase == self._pulse_phase:
            progress.pulse_began_order = progress.order_phase == phase
            progress.pulse = PulseMeter(
                PulseReading(time_s=before.time_s - started_s, voltage_v=before.voltage_v, current_a=before.current_a)
            )
        if step.train is not None and step.train.measures and self.energises and is_next:
            progress.train.begin(before, started_s)

    def end_pulse(self, last: PulseReading) -> None:
        """The phase is over: if it was a pulse of a train, this was its last reading."""
        self.progress.train.end(
            last,
            nominal_s=self.phase.duration_s or 0.0,
            late_s_max=self._at_window_s,
            stretch=self.progress.phase + 1 - self._waits_in_front,
            accuracy=self._accuracy,
        )

    @property
    def _pulse_phase(self) -> int:
        """The one that a `dcir` measures: the last that energises."""
        last = len(self.variant.phases) - 1
        return last - 1 if self.variant.phases[last].direction == "rest" else last

    @property
    def host_timed(self) -> bool:
        """The device did not time the edges of its pulses itself: an order came at one of them."""
        phases = self.variant.phases
        if self.plan_step.train is None:
            return self.progress.pulse_began_order
        first = self._waits_in_front
        stretches = len(phases) - 2 * first
        return stretches == 1 or len(one_order(phases, first, self._phases_max)) < stretches

    @property
    def _waits_in_front(self) -> int:
        """Of a train: how many of its phases are none of its stretches, before these."""
        return int(self.variant.phases[0].held)

    def _timed_from_s(self, phase: int, started_s: float) -> float:
        """A train makes up for lateness of up to half a phase; what is later than that moves all that follows."""
        progress, phases = self.progress, self.variant.phases
        if self.plan_step.train is None or self.phase.held:
            return started_s
        due_s = progress.timed_from_s + sum(each.duration_s or 0.0 for each in phases[progress.phase : phase])
        return due_s if abs(started_s - due_s) <= (phases[phase].duration_s or 0.0) / 2 else started_s

    def follow_device(self, phase: int, before: PulseReading) -> None:
        """The device is in this phase. It times them by its own clock, but it has not left one that it still showed."""
        progress = self.progress
        if phase > progress.phase:
            durations = [each.duration_s or 0.0 for each in self.variant.phases[progress.phase : phase]]
            self.enter_phase(phase, before, started_s=max(progress.phase_started_s + sum(durations), before.time_s))

    def take(self, present: Present, *, power_w: float, regulation: Regulation, skew_s: float) -> None:
        """Take the present reading: into the words of conditions, and into the meter of a pulse that runs."""
        now, progress, phase = self.now, self.progress, self.phase
        if self._checks_first(regulation):
            progress.phase_started_s = progress.timed_from_s = progress.train.began_s = present.step_time_s
        elif progress.pulse is not None and progress.phase == self._pulse_phase:
            reading = PulseReading(
                time_s=present.step_time_s - progress.phase_started_s,
                voltage_v=present.voltage_v,
                current_a=present.current_a,
            )
            progress.pulse.take(reading, skew_s=skew_s)
        progress.train.skew_s = max(progress.train.skew_s, skew_s)
        now.direction = phase.direction
        now.both_ways = self.plan_step.train is not None
        now.step_time = present.step_time_s
        now.time = now.step_time - progress.waited_s - self._waits_s(now.step_time)
        now.total_time = present.elapsed_s
        now.voltage = present.voltage_v
        sign = -1.0 if phase.direction == "discharge" else 1.0
        now.current = abs(present.current_a) if phase.direction == "rest" else sign * present.current_a
        now.power = abs(power_w)
        entry = progress.entry
        if phase.direction == "discharge":
            now.entry_moved_nas, now.entry_moved_nws = entry.discharged_nas, entry.discharged_nws
            now.capacity = (present.discharged_nas - now.entry_moved_nas) / NAS_PER_AH
            now.energy = (present.discharged_nws - now.entry_moved_nws) / NAS_PER_AH
        else:
            now.entry_moved_nas, now.entry_moved_nws = entry.charged_nas, entry.charged_nws
            now.capacity = (present.charged_nas - now.entry_moved_nas) / NAS_PER_AH
            now.energy = (present.charged_nws - now.entry_moved_nws) / NAS_PER_AH
        if now.both_ways:
            now.capacity = (present.charged_nas - entry.charged_nas) / NAS_PER_AH
            now.capacity += (present.discharged_nas - entry.discharged_nas) / NAS_PER_AH
            now.energy = (present.charged_nws - entry.charged_nws) / NAS_PER_AH
            now.energy += (present.discharged_nws - entry.discharged_nws) / NAS_PER_AH
        now.temperature = present.temperature_degc
        now.entry_temperature = progress.entry_temperature_degc
        now.temperature_rise = present.temperature_degc - progress.entry_temperature_degc
        progress.highest_v = max(progress.highest_v, present.voltage_v)
        now.dv = progress.highest_v - present.voltage_v
        now.regulation = regulation
        self._describe_cv(phase)
        if self._slopes is not None:
            self._slopes.take(now.step_time, now.voltage, present.current_a)
            now.dv_dt, now.di_dt = self._slopes.slopes()

    def _checks_first(self, regulation: Regulation) -> bool:
        """The device checks the cell before it lets the current of a pulse flow: the pulse begins behind that."""
        return regulation == "starting" and self._has_edges

    @property
    def _edge_is_wanted(self) -> bool:
        """In fast readings: it is one of a pulse that is measured, or the host has to say when it comes."""
        train = self.plan_step.train
        if train is None:
            return self.plan_step.pulse is not None
        return train.measures or self.progress.phase == self._last_of_order

    @property
    def _has_edges(self) -> bool:
        """Between phases, on which its numbers depend."""
        return self.plan_step.pulse is not None or self.plan_step.train is not None

    def _describe_cv(self, phase: PlanPhase) -> None:
        now, progress = self.now, self.progress
        held_v = phase.voltage_v if phase.holds_voltage else nan
        # Beyond its target in the step's direction a cell is at its target, too.
        charging = phase.direction == "charge"
        now.band_v_lo = held_v - self._band_v if charging else -inf
        now.band_v_hi = inf if charging else held_v + self._band_v
        now.in_band = now.band_v_lo <= now.voltage <= now.band_v_hi
        if now.regulation == "cv" or now.in_band:
            progress.cv_since_s = now.step_time if progress.cv_since_s is None else progress.cv_since_s
            now.cv_s = now.step_time - progress.cv_since_s
        else:
            progress.cv_since_s = None
            now.cv_s = 0.0

    def decide(self) -> Decision | None:
        """What the conditions say to the reading that was taken last; ask once each time. To a wait, nothing."""
        return None if self._waits_for_turn else decide(self._watches, self.now, self.plan_step)

    def lost_contact(self) -> str | None:
        """Why the contact must be open, by the reading that was taken last; ask once each time."""
        return None if self._current is None else self._current.judge(self.now)

    @property
    def phase_is_over(self) -> bool:
        """It lasts a stated time, and that has passed. A held one is over when the bay says so."""
        return not self.phase.held and self.phase.duration_s is not None and self._duration_has_passed

    @property
    def waits_for_bay(self) -> bool:
        """Its phase is a held one, and has lasted for as long as it must."""
        return self.phase.held and self._duration_has_passed

    @property
    def has_waited_too_long(self) -> bool:
        """The bay has not let it go within the phase's own bound."""
        held_s_max = self.phase.held_s_max
        return held_s_max is not None and self._waits_s(self.now.step_time) >= held_s_max

    @property
    def _waits_for_turn(self) -> bool:
        """For its own to pulse, or for the end of the others' turns."""
        return self.plan_step.pulses and self.waits_for_bay

    def _waits_s(self, step_time_s: float) -> float:
        """For how long it has waited for a turn in this phase, at that time."""
        if not (self.plan_step.pulses and self.phase.held):
            return 0.0
        return max(step_time_s - self.progress.timed_from_s - (self.phase.duration_s or 0.0), 0.0)

    @property
    def _last_of_order(self) -> int:
        """The device goes to this phase by itself; that it is over the host must say."""
        first = self.progress.order_phase
        if first == len(self.variant.phases) - 1:
            return first
        return first + len(one_order(self.variant.phases, first, self._phases_max)) - 1

    @property
    def counts_as(self) -> Direction:
        """In the count of cycles: where the step goes by what it plans to move; `rest` where it does not count."""
        if self.plan_step.step_type not in CYCLE_STEPS:
            return "rest"
        return net_direction(self.variant)

    @property
    def in_last_phase(self) -> bool:
        """No other phase follows."""
        return self.progress.phase == len(self.variant.phases) - 1

    @property
    def _duration_has_passed(self) -> bool:
        return self.now.step_time - self.progress.timed_from_s >= (self.phase.duration_s or 0.0)

    def narrow(self, quiet: Quiet) -> None:
        """Tighten the bounds to where the step goes on as it does."""
        if not self._waits_for_turn:
            waited_s = self.now.step_time - self.now.time
            quiet.time_due_s -= waited_s
            for watch, _ in self._watches:
                watch.narrow(self.now, quiet)
            quiet.time_due_s += waited_s
        elif self.phase.held_s_max is not None:
            begun_s = self.progress.timed_from_s + (self.phase.duration_s or 0.0)
            quiet.time_due_s = min(quiet.time_due_s, begun_s + self.phase.held_s_max)
        if self._current is not None:
            self._current.narrow(self.now, quiet)
        if self.phase.duration_s is not None and not self.progress.held:
            end_s = self.progress.timed_from_s + self.phase.duration_s
            near_s = end_s - self._at_window_s if self._edge_is_wanted else end_s
            quiet.time_due_s = min(quiet.time_due_s, near_s if self.now.step_time < near_s else end_s)
        measures = self.progress.pulse is not None or self._slopes is not None
        # The edges of phases that the device times by itself are seen in the readings alone.
        if measures or self._last_of_order > self.progress.phase or self._checks_first(self.now.regulation):
            quiet.never()

    def wants_fast(self, step_time_s: float) -> bool:
        """A pulse runs or is near, or a condition holds and is only being debounced."""
        return (
            self.progress.pulse is not None
            or self._pulse_is_near(step_time_s)
            or (not self._waits_for_turn and any(watch.pending for watch, _ in self._watches))
            or (self._current is not None and self._current.pending)
        )

    def _watch_current(self) -> None:
        """In a contact check it is an answer that none flows."""
        watched = self.energises and self.plan_step.contact is None
        self._current = (
            CurrentWatch(
                self.phase,
                current_accuracy_a=self._accuracy.current_a,
                band_v=self._band_v,
                state=self.progress.current,
            )
            if watched
            else None
        )

    def _pulse_is_near(self, step_time_s: float) -> bool:
        """The edge into it is wanted in fast readings, too."""
        duration_s = self.phase.duration_s
        if duration_s is None or not self._edge_is_wanted:
            return False
        return self.progress.timed_from_s + duration_s - step_time_s <= self._at_window_s


def net_direction(variant: StepVariant) -> Direction:
    """Whether the phases together are to charge or to discharge."""
    net = 0.0
    for phase in variant.different:
        flow = phase.current_a if phase.power_w is None else phase.power_w
        net += {"charge": flow, "discharge": -flow, "rest": 0.0}[phase.direction] * (phase.duration_s or 1.0)
    return "charge" if net > 0 else "discharge" if net < 0 else "rest"
