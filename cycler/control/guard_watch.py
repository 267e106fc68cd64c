"""One protection of the running step, debounced: a bad or missing value counts for the trip, never against it."""

from dataclasses import dataclass
from math import inf, isnan

from cycler.control.condition_watch import Quiet
from cycler.model.results import NAS_PER_AH
from cycler.safety.catalogue import CATALOGUE
from cycler.safety.protections import Guard


@dataclass(slots=True)
class GuardState:
    """Consecutive violations, and when the first of them was taken."""

    count: int = 0
    since_s: float = 0.0
    believed: bool = False  # at least one of them was a reading that a cell may have


_UNITS = {"voltage": "V", "current": "A", "temperature": "degC", "capacity": "Ah", "time": "s", "sense": "V"}


class GuardWatch:
    """Judges one guard, reading by reading."""

    def __init__(self, guard: Guard, state: GuardState | None = None) -> None:
        self.guard = guard
        self.state = state or GuardState()

    def trips(self, value: float, taken_s: float) -> bool:
        """Whether this reading is the one that trips. `taken_s` is the loop's clock."""
        guard, state = self.guard, self.state
        if guard.low <= value <= guard.high:
            state.count, state.believed = 0, False
            return False
        if state.count == 0:
            state.since_s = taken_s
        state.count += 1
        state.believed = state.believed or guard.sane_low <= value <= guard.sane_high  # NaN is not
        if value < guard.hard_low or value > guard.hard_high:
            return True
        return state.count >= guard.samples and taken_s - state.since_s >= guard.for_s

    def narrow(self, quiet: Quiet, *, entry_moved_nas: int, entry_against_nas: int) -> None:
        """Tighten the bounds to where this guard is content; beyond them every reading is judged.

        The counters at the step's entry, along its direction and against it: neither may move too much.
        """
        guard = self.guard
        if self.state.count:  # the next reading confirms the violation or wipes it out
            quiet.never()
            return
        match guard.quantity:
            case "voltage":
                quiet.v_lo, quiet.v_hi = max(quiet.v_lo, guard.low), min(quiet.v_hi, guard.high)
            case "current":
                quiet.i_lo, quiet.i_hi = max(quiet.i_lo, guard.low), min(quiet.i_hi, guard.high)
            case "temperature":
                quiet.t_lo, quiet.t_hi = max(quiet.t_lo, guard.low), min(quiet.t_hi, guard.high)
            case "sense":
                quiet.apart_v = min(quiet.apart_v, guard.high)
            case "time":
                quiet.time_due_s = min(quiet.time_due_s, guard.high)
            case "capacity":
                if guard.high < inf:
                    quiet.moved_due_nas = min(quiet.moved_due_nas, entry_moved_nas + guard.high * NAS_PER_AH)
                    quiet.against_due_nas = min(quiet.against_due_nas, entry_against_nas + guard.high * NAS_PER_AH)

    def explain(self, value: float) -> str:
        """What tripped, for people."""
        guard = self.guard
        name, unit = CATALOGUE[guard.code].name, _UNITS[guard.quantity]
        if isnan(value):
            return f"no valid {guard.quantity} for {guard.for_s:g} s"
        if not guard.sane_low <= value <= guard.sane_high:
            return f"{value:.4g} {unit} cannot be: no cell gets there from one reading to the next"
        if guard.quantity == "sense":
            return f"{name}, or a contact that has become poor: output and sense are {abs(value):.3f} V apart"
        bound = guard.high if value > guard.high else guard.low
        return f"{name}: {value:.4g} {unit}, limit {bound:.4g} {unit}"
