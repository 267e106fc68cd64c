"""Protections that judge how a cell moves: jumps from one reading to the next, a fall while it is charged, fast warmth.

What they compare with is fixed by readings that every machine judges, however few it judges in between: a reading
within the bounds of `narrow` changes nothing.
"""

from math import floor, inf, isnan, nextafter
from typing import Protocol

from cycler.control.condition_watch import Quiet
from cycler.control.guard_seen import SETTLED_AFTER_S, Seen
from cycler.control.guard_watch import GuardState
from cycler.model.alarm import AlarmCode
from cycler.model.cell_type import GuardLimits
from cycler.safety.catalogue import CATALOGUE
from cycler.safety.contact_check import FLOWS_RATIO
from cycler.safety.protections import TEMPERATURE_JUMP_K

CHANGES = (
    AlarmCode.FAST_VOLTAGE_RISE,
    AlarmCode.FAST_CURRENT_RISE,
    AlarmCode.VOLTAGE_DOES_NOT_FOLLOW,
    AlarmCode.TEMPERATURE_RISE_RATE,
)
"""Under which codes their states are kept; a voltage that drops has that of one that rises."""

FALL_GRID_V = 0.01  # the highest voltage of a charge is known to this
RISE_WINDOW_S = 60.0


class ChangeWatch(Protocol):
    """One protection of a movement."""

    code: AlarmCode
    state: GuardState

    def trips(self, seen: Seen) -> bool:
        """Whether this reading is the one that trips. Call with every reading that is judged."""

    def narrow(self, seen: Seen, quiet: Quiet) -> None:
        """Tighten the bounds to where nothing of it changes, from this reading on."""

    def explain(self, seen: Seen) -> str:
        """What tripped, for people."""


class JumpWatch:
    """A voltage that jumps at a steady current, down (27) or up (28); or a current that rises in CV (31).

    It trips when the value has stayed there: a single reading may be wrong, and the way back from it is no jump.
    """

    def __init__(self, code: AlarmCode, limit: float, *, current_band_a: float, state: GuardState) -> None:
        """`code` is that of a rise; `limit`: of the jump; `current_band_a`: within it a current is steady."""
        self.code = code
        self.state = state
        self._of_current = code is AlarmCode.FAST_CURRENT_RISE
        self._rise = code
        self._limit = limit
        self._band_a = current_band_a

    def trips(self, seen: Seen) -> bool:
        """As `ChangeWatch.trips`."""
        state, value = self.state, seen.along_a if self._of_current else seen.voltage_v
        if state.count and state.stretch == seen.stretch:
            if not (isnan(value) or abs(value - state.mark) > self._limit):
                state.count = 0
                return False
            state.count += 1
        else:
            before = abs(seen.current_before_a) if self._of_current else seen.voltage_before_v
            state.count = 0
            if not self._is_judged(seen) or not abs(value - before) > self._limit:
                return False
            state.count, state.since_s, state.believed = 1, seen.taken_s, True
            state.mark, state.stretch = before, seen.stretch
        if not _is_confirmed(self._rise, state, seen.taken_s):
            return False
        fallen = value < state.mark
        self.code = self._rise if self._of_current or not fallen else AlarmCode.FAST_VOLTAGE_DROP
        if self._of_current and fallen:
            state.count = 0  # less is not dangerous
            return False
        return True

    def narrow(self, seen: Seen, quiet: Quiet) -> None:
        """Two readings within half of the limit to either side are less than the limit apart."""
        if self.state.count:
            quiet.never()
        elif not self._of_current:
            quiet.v_lo = max(quiet.v_lo, seen.voltage_v - self._limit / 2)
            quiet.v_hi = min(quiet.v_hi, seen.voltage_v + self._limit / 2)
        elif seen.regulation == "cv":
            quiet.i_lo = max(quiet.i_lo, seen.current_a - self._limit / 2)
            quiet.i_hi = min(quiet.i_hi, seen.current_a + self._limit / 2)

    def explain(self, seen: Seen) -> str:
        """As `ChangeWatch.explain`."""
        value, unit = (seen.along_a, "A") if self._of_current else (seen.voltage_v, "V")
        return f"{CATALOGUE[self.code].name}: from {self.state.mark:.4g} {unit} to {value:.4g} {unit} at once"

    def _is_judged(self, seen: Seen) -> bool:
        if not seen.is_steady:
            return False
        if self._of_current:
            return seen.regulation == seen.regulated_before == "cv"
        return abs(seen.current_a - seen.current_before_a) <= self._band_a


class FallWatch:
    """A voltage that falls while the cell is charged with a constant current (29)."""

    code = AlarmCode.VOLTAGE_DOES_NOT_FOLLOW

    def __init__(self, fall_v: float, *, state: GuardState) -> None:
        self.state = state
        self._fall_v = fall_v

    def trips(self, seen: Seen) -> bool:
        """As `ChangeWatch.trips`."""
        state = self.state
        if not self._is_judged(seen):
            state.count, state.mark = 0, -inf
            return False
        if state.stretch != seen.stretch:
            state.count, state.mark, state.stretch = 0, -inf, seen.stretch
        if seen.voltage_v >= state.mark - self._fall_v:
            state.count = 0
            reached_v = min(seen.voltage_v, seen.voltage_before_v)  # twice: a single reading may be wrong
            state.mark = max(state.mark, floor(reached_v / FALL_GRID_V) * FALL_GRID_V)
            return False
        if isnan(seen.voltage_v) and not state.count:
            return False
        if not state.count:
            state.since_s = seen.taken_s
        state.count += 1
        state.believed = True
        return _is_confirmed(self.code, state, seen.taken_s)

    def narrow(self, seen: Seen, quiet: Quiet) -> None:
        """Up to the next mark, down to the trip; and from when on it is judged."""
        if self.state.count:
            quiet.never()
        elif seen.phase is not None and seen.phase.direction == "charge":
            if seen.phase_time_s < SETTLED_AFTER_S:
                quiet.time_due_s = min(quiet.time_due_s, seen.step_time_s + SETTLED_AFTER_S - seen.phase_time_s)
            elif self._is_judged(seen):
                quiet.v_lo = max(quiet.v_lo, self.state.mark - self._fall_v)
                quiet.v_hi = min(quiet.v_hi, nextafter(self.state.mark + FALL_GRID_V, -inf))

    def explain(self, seen: Seen) -> str:
        """As `ChangeWatch.explain`."""
        return f"{CATALOGUE[self.code].name}: {seen.voltage_v:.4g} V, after {self.state.mark:.4g} V in the same charge"

    def _is_judged(self, seen: Seen) -> bool:
        phase = seen.phase
        sets_current = phase is not None and phase.power_w is None and phase.resistance_ohm is None
        charging = phase is not None and phase.direction == "charge" and sets_current
        flows = phase is not None and seen.along_a >= FLOWS_RATIO * phase.current_a
        return charging and flows and seen.phase_time_s >= SETTLED_AFTER_S and seen.regulation == "cc"


class WarmthWatch:
    """A temperature that rises faster than a cell can (11): by one step of its ladder within a minute."""

    code = AlarmCode.TEMPERATURE_RISE_RATE

    def __init__(self, rise_k_per_min: float, *, state: GuardState) -> None:
        self.state = state
        self._rung_k = rise_k_per_min * RISE_WINDOW_S / 60

    def trips(self, seen: Seen) -> bool:
        """As `ChangeWatch.trips`. `mark`: the rung reached last; `mark_s`: when the reading came there."""
        state, degc = self.state, seen.temperature_degc
        if isnan(degc):
            if not state.count:
                return False
        elif isnan(state.mark) or degc < state.mark - self._rung_k:
            state.count, state.mark, state.mark_s = 0, degc, -inf
            return False
        elif degc >= state.mark + self._rung_k:
            is_fast = seen.taken_s - state.mark_s < RISE_WINDOW_S or degc >= state.mark + 2 * self._rung_k
            believed = degc < state.mark + TEMPERATURE_JUMP_K
            state.mark += floor((degc - state.mark) / self._rung_k) * self._rung_k
            state.mark_s = seen.taken_s
            if not state.count:
                if not is_fast:
                    return False
                state.since_s, state.believed = seen.taken_s, believed
        elif not state.count:
            return False
        elif degc < state.mark:
            state.count = 0
            return False
        state.count += 1
        return _is_confirmed(self.code, state, seen.taken_s)

    def narrow(self, seen: Seen, quiet: Quiet) -> None:
        """From one rung to the next."""
        del seen
        if self.state.count:
            quiet.never()
        elif not isnan(self.state.mark):
            quiet.t_lo = max(quiet.t_lo, self.state.mark - self._rung_k)
            quiet.t_hi = min(quiet.t_hi, nextafter(self.state.mark + self._rung_k, -inf))

    def explain(self, seen: Seen) -> str:
        """As `ChangeWatch.explain`."""
        return f"{CATALOGUE[self.code].name}: {seen.temperature_degc:.4g} degC, {self._rung_k:g} K within a minute"


def change_watches(
    limits: GuardLimits,
    states: dict[int, GuardState],
    *,
    set_a: float,
    current_band_a: float,
    temperature_measured: bool,
) -> list[ChangeWatch]:
    """Those of a step with this highest current; states are taken from there, and put there."""

    def state(code: AlarmCode) -> GuardState:
        return states.setdefault(code.value, GuardState())

    code = AlarmCode.FAST_VOLTAGE_RISE
    found: list[ChangeWatch] = [
        JumpWatch(code, limits.voltage_jump_v, current_band_a=current_band_a, state=state(code))
    ]
    if set_a:
        rise_a = max(limits.current_rise_ratio * set_a, 2 * current_band_a)
        code = AlarmCode.FAST_CURRENT_RISE
        found.append(JumpWatch(code, rise_a, current_band_a=current_band_a, state=state(code)))
        found.append(FallWatch(limits.charge_fall_v, state=state(FallWatch.code)))
    if temperature_measured:
        found.append(WarmthWatch(limits.temperature_rise_k_per_min, state=state(WarmthWatch.code)))
    return found


def _is_confirmed(code: AlarmCode, state: GuardState, taken_s: float) -> bool:
    debounce = CATALOGUE[code].debounce
    return state.count >= debounce.samples and taken_s - state.since_s >= debounce.for_s
