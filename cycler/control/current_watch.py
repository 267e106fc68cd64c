"""Whether the ordered current flows: where it is gone, and the voltage is not why, a contact has opened."""

from cycler.control.condition_watch import Now, Quiet, WatchState
from cycler.recipe.plan import PlanPhase
from cycler.safety.contact_check import FLOWS_RATIO

GONE_S, GONE_SAMPLES = 5.0, 3
NOTHING_ACCURACIES = 3  # of the channel: less cannot be told from nothing


class CurrentWatch:
    """Judges one energised phase. At its voltage limit a current falls as it should, and says nothing."""

    def __init__(self, phase: PlanPhase, *, current_accuracy_a: float, band_v: float, state: WatchState) -> None:
        """`band_v`: so near to its limit the voltage is held."""
        self._phase = phase
        self._half_a = FLOWS_RATIO * phase.current_a
        self._nothing_a = min(NOTHING_ACCURACIES * current_accuracy_a, self._half_a)
        self._sets_current = phase.power_w is None and phase.resistance_ohm is None
        self._charging = phase.direction == "charge"
        self._limit_v = phase.voltage_v - band_v if self._charging else phase.voltage_v + band_v
        self._state = state

    def judge(self, now: Now) -> str | None:
        """Why the contact must be open, once that is certain. Call with fresh valid readings only, oldest first."""
        state = self._state
        if now.current >= self._least_a(now) or self._at_limit(now) or now.regulation == "starting":
            state.count = 0
            return None
        if state.count == 0:
            state.since_s = now.time
        state.count += 1
        if state.count < GONE_SAMPLES or now.time - state.since_s < GONE_S:
            return None
        ordered = f"of {self._phase.current_a:.4g} A " if self._sets_current else ""
        return f"{now.current:.3g} A {ordered}at {now.voltage:.3f} V for {GONE_S:g} s: the contact is open"

    def narrow(self, now: Now, quiet: Quiet) -> None:
        """Tighten the bounds to where the current flows, or the voltage stays at its limit."""
        if self._state.count:
            quiet.never()
        elif self._at_limit(now):
            if self._charging:
                quiet.v_lo = max(quiet.v_lo, self._limit_v)
            else:
                quiet.v_hi = min(quiet.v_hi, self._limit_v)
        elif self._charging:
            quiet.i_lo = max(quiet.i_lo, self._least_a(now))
        else:
            quiet.i_hi = min(quiet.i_hi, -self._least_a(now))

    @property
    def pending(self) -> bool:
        """It is gone, and that is only being debounced."""
        return self._state.count > 0

    def _least_a(self, now: Now) -> float:
        """A device that says it regulates the current gives more than half of it; of any other, only nothing tells."""
        return self._half_a if now.regulation == "cc" and self._sets_current else self._nothing_a

    def _at_limit(self, now: Now) -> bool:
        return now.voltage >= self._limit_v if self._charging else now.voltage <= self._limit_v
