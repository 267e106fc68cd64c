"""The step that a reading has shown in force: all that follows from its place in the plan and from how far it is."""

from collections.abc import Mapping
from math import inf, isnan, nan

from cycler.contract.sweep import Regulation
from cycler.control.condition_watch import ConditionWatch, Now, Quiet, WatchState
from cycler.control.current_watch import CurrentWatch
from cycler.control.decision import Decision, decide
from cycler.control.present import Present
from cycler.control.program_cursor import Program, step_at, variant_at
from cycler.control.progress import StepProgress
from cycler.control.pulse_meter import PulseMeter
from cycler.control.slope_window import SlopeWindow
from cycler.model.results import NAS_PER_AH
from cycler.recipe.plan import Comparison, PlanPhase

Tags = Mapping[str, tuple[float, float]]
"""Ah and Wh of the last valid step with each tag."""


class StepInForce:
    """What it remembers lies in `progress` and `now`: built anew around them, it goes on as it was."""

    def __init__(
        self,
        program: Program,
        progress: StepProgress,
        *,
        tags: Tags,
        current_accuracy_a: float,
        band_v: float,
        at_window_s: float,
        now: Now,
    ) -> None:
        """`band_v`: so near to its target a voltage is held; `at_window_s`: so late an `at` may be judged."""
        self.plan_step = step_at(program, progress.cursor)
        self.variant = variant_at(program, progress.cursor)
        self.progress = progress
        self.now = now
        self._current_accuracy_a = current_accuracy_a
        self._band_v = band_v
        self._at_window_s = at_window_s
        conditions = [(c, True) for c in self.variant.fail] + [(c, False) for c in self.variant.until]
        if not progress.watches:
            progress.watches = [WatchState() for _ in conditions]
        tapers = any(phase.holds_voltage for phase in self.variant.phases)
        self._watches = [
            (
                ConditionWatch(
                    condition,
                    [_bound(test, tags) for test in condition.tests],
                    tapers=tapers,
                    at_window_s=at_window_s,
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
    def lacks_a_tag(self) -> bool:
        """A condition refers to a tagged step that has no valid result."""
        return any(isnan(value) for watch, _ in self._watches for value in watch.values)

    def enter_phase(self, phase: int, before: tuple[float, float], *, started_s: float) -> None:
        """`before`: the last voltage and current of the phase before; `started_s`: in the step's time."""
        self.progress.phase = phase
        self.progress.held = False
        self.progress.phase_started_s = started_s
        self.progress.current = WatchState()
        self._watch_current()
        if self.plan_step.pulse is not None and phase == len(self.variant.phases) - 1:
            self.progress.pulse = PulseMeter(*before)

    def follow_device(self, phase: int, before: tuple[float, float], *, order_began_s: float) -> None:
        """The device is in this phase: it has timed the ones before by its own clock, from the order's begin on."""
        if phase > self.progress.phase:
            durations = [each.duration_s or 0.0 for each in self.variant.phases[self.progress.order_phase : phase]]
            self.enter_phase(phase, before, started_s=order_began_s + sum(durations))

    def take(self, present: Present, *, power_w: float, regulation: Regulation) -> None:
        """Take the present reading: into the words of conditions, and into the meter of a pulse that runs."""
        now, progress, phase = self.now, self.progress, self.phase
        if progress.pulse is not None:
            progress.pulse.take(present.step_time_s - progress.phase_started_s, present.voltage_v, present.current_a)
        now.direction = phase.direction
        now.time = present.step_time_s
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
        now.temperature = present.temperature_degc
        now.entry_temperature = progress.entry_temperature_degc
        now.temperature_rise = present.temperature_degc - progress.entry_temperature_degc
        progress.highest_v = max(progress.highest_v, present.voltage_v)
        now.dv = progress.highest_v - present.voltage_v
        now.regulation = regulation
        self._describe_cv(phase)
        if self._slopes is not None:
            self._slopes.take(now.time, now.voltage, present.current_a)
            now.dv_dt, now.di_dt = self._slopes.slopes()

    def _describe_cv(self, phase: PlanPhase) -> None:
        now, progress = self.now, self.progress
        held_v = phase.voltage_v if phase.holds_voltage else nan
        # Beyond its target in the step's direction a cell is at its target, too.
        charging = phase.direction == "charge"
        now.band_v_lo = held_v - self._band_v if charging else -inf
        now.band_v_hi = inf if charging else held_v + self._band_v
        now.in_band = now.band_v_lo <= now.voltage <= now.band_v_hi
        if now.regulation == "cv" or now.in_band:
            progress.cv_since_s = now.time if progress.cv_since_s is None else progress.cv_since_s
            now.cv_s = now.time - progress.cv_since_s
        else:
            progress.cv_since_s = None
            now.cv_s = 0.0

    def decide(self) -> Decision | None:
        """What the conditions say to the reading that was taken last; ask once each time."""
        return decide(self._watches, self.now, self.plan_step)

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
    def in_last_phase(self) -> bool:
        """No other phase follows."""
        return self.progress.phase == len(self.variant.phases) - 1

    @property
    def _duration_has_passed(self) -> bool:
        return self.now.time - self.progress.phase_started_s >= (self.phase.duration_s or 0.0)

    def narrow(self, quiet: Quiet) -> None:
        """Tighten the bounds to where the step goes on as it does."""
        for watch, _ in self._watches:
            watch.narrow(self.now, quiet)
        if self._current is not None:
            self._current.narrow(self.now, quiet)
        if self.phase.duration_s is not None and not self.progress.held:
            quiet.time_due_s = min(quiet.time_due_s, self.progress.phase_started_s + self.phase.duration_s)
        # The edges of phases that the device times by itself are seen in the readings alone.
        if self.progress.pulse is not None or self._slopes is not None or len(self.variant.phases) > 1:
            quiet.never()

    def wants_fast(self, step_time_s: float) -> bool:
        """A pulse runs or is near, or a condition holds and is only being debounced."""
        return (
            self.progress.pulse is not None
            or self._pulse_is_near(step_time_s)
            or any(watch.pending for watch, _ in self._watches)
            or (self._current is not None and self._current.pending)
        )

    def _watch_current(self) -> None:
        """In a contact check it is an answer that none flows."""
        watched = self.energises and self.plan_step.contact is None
        self._current = (
            CurrentWatch(
                self.phase,
                current_accuracy_a=self._current_accuracy_a,
                band_v=self._band_v,
                state=self.progress.current,
            )
            if watched
            else None
        )

    def _pulse_is_near(self, step_time_s: float) -> bool:
        """The device is about to begin a pulse by its own clock: its edge is wanted in fast readings, too."""
        duration_s = self.phase.duration_s
        if self.plan_step.pulse is None or duration_s is None:
            return False
        return self.progress.phase_started_s + duration_s - step_time_s <= self._at_window_s


def _bound(test: Comparison, tags: Tags) -> float:
    """A test's bound, NaN where it refers to a tag without a valid result."""
    if test.of_tag is None:
        return test.value
    tagged = tags.get(test.of_tag)
    if tagged is None:
        return nan
    return test.value * (tagged[1] if test.quantity == "energy" else tagged[0])
