"""One protection of the running step, debounced: a bad or missing value counts for the trip, never against it."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isnan, nan

from cycler.control.condition_watch import Quiet
from cycler.control.guard_seen import Seen, holds_current
from cycler.model.results import NAS_PER_AH, Counters
from cycler.safety.catalogue import CATALOGUE
from cycler.safety.protections import Guard, GuardedQuantity


@dataclass(slots=True)
class GuardState:
    """Consecutive violations, and when the first of them was taken."""

    count: int = 0
    since_s: float = 0.0
    believed: bool = False  # at least one of them was a reading that a cell may have
    mark: float = nan  # what the next readings are compared with, …
    mark_s: float = -inf  # … since when, …
    stretch: tuple[int, int] = (0, 0)  # … and in which order and phase


_UNITS: Mapping[GuardedQuantity, str] = {
    "voltage": "V", "current": "A", "temperature": "degC", "capacity": "Ah", "time": "s", "sense": "V", "loop": "V",
    "power": "W", "energy": "Wh", "cumulated": "Ah", "set current": "A", "set voltage": "V",
}  # fmt: skip


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

    def narrow(self, seen: Seen, quiet: Quiet, *, entry: Counters, discharging: bool) -> None:
        """Tighten the bounds to where this guard is content; beyond them every reading is judged.

        `entry`: the counters when the step began; along its direction and against it, neither may move too much.
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
            case "sense" | "loop":
                quiet.apart_v = min(quiet.apart_v, guard.high)
            case "time":
                quiet.time_due_s = min(quiet.time_due_s, guard.high)
            case "capacity":
                _bound_charge(quiet, entry, guard.high, guard.high, discharging=discharging)
            case "cumulated":
                in_ah, out_ah = guard.high - seen.in_ah, guard.high - seen.out_ah
                _bound_charge(quiet, entry + seen.moved, in_ah, out_ah, discharging=discharging)
            case "energy":
                most_nws = guard.high * NAS_PER_AH
                in_nws, out_nws = entry.charged_nws + most_nws, entry.discharged_nws + most_nws
                along_nws, against_nws = (out_nws, in_nws) if discharging else (in_nws, out_nws)
                quiet.moved_due_nws = min(quiet.moved_due_nws, along_nws)
                quiet.against_due_nws = min(quiet.against_due_nws, against_nws)
            case "power":
                most_a = guard.high / quiet.v_hi if quiet.v_hi > 0 else inf
                quiet.i_lo, quiet.i_hi = max(quiet.i_lo, -most_a), min(quiet.i_hi, most_a)
            case "set current":
                if holds_current(seen) and seen.phase is not None:
                    least_a = seen.phase.current_a + guard.low
                    if discharging:
                        quiet.i_hi = min(quiet.i_hi, -least_a)
                    else:
                        quiet.i_lo = max(quiet.i_lo, least_a)
            case "set voltage":
                if seen.regulation == "cv" and seen.phase is not None:
                    quiet.v_lo = max(quiet.v_lo, seen.phase.voltage_v + guard.low)
                    quiet.v_hi = min(quiet.v_hi, seen.phase.voltage_v + guard.high)

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
        if guard.quantity in ("set current", "set voltage"):
            return f"{name}: by {value:.4g} {unit}"
        bound = guard.high if value > guard.high else guard.low
        return f"{name}: {value:.4g} {unit}, limit {bound:.4g} {unit}"


def _bound_charge(quiet: Quiet, counters: Counters, in_ah: float, out_ah: float, *, discharging: bool) -> None:
    """From these counters on so much more may go in, and so much out."""
    in_nas, out_nas = counters.charged_nas + in_ah * NAS_PER_AH, counters.discharged_nas + out_ah * NAS_PER_AH
    along_nas, against_nas = (out_nas, in_nas) if discharging else (in_nas, out_nas)
    quiet.moved_due_nas = min(quiet.moved_due_nas, along_nas)
    quiet.against_due_nas = min(quiet.against_due_nas, against_nas)
