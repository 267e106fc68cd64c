"""One condition of the running step: whether it holds now, and up to where it cannot hold.

`judge` is the truth and runs when something moved. `narrow` says between which bounds the condition stays false, so
that the step machine needs no judgement while a reading stays inside them.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf, isnan, nan, nextafter
from operator import attrgetter
from typing import Literal

from cycler.contract.order import Direction
from cycler.contract.sweep import Regulation
from cycler.control.tagged import Tags
from cycler.model.results import NAS_PER_AH
from cycler.recipe.plan import Comparison, Condition

SLACK_K = 1e-6  # what sums of floats may lose: a bound that is a little too narrow costs one judgement, no truth
TAPER_ARM_S = 5.0  # CV must have lasted so long before a falling current means that the charge is done

Judgement = Literal["met", "already-at-target", "lost-contact", "missed"]

_RELATIONS: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(slots=True)
class Now:
    """A step's present reading in the words of conditions. Current, capacity and energy along the step's direction."""

    direction: Direction = "rest"
    both_ways: bool = False  # capacity and energy count charge and discharge together
    time: float = 0.0  # without the waiting for turns
    step_time: float = 0.0  # with it
    total_time: float = 0.0
    voltage: float = 0.0
    current: float = 0.0
    power: float = 0.0
    capacity: float = 0.0
    energy: float = 0.0
    temperature: float = 0.0
    temperature_rise: float = 0.0
    dv: float = 0.0
    dv_dt: float = 0.0
    di_dt: float = 0.0
    cv_s: float = 0.0  # how long CV has been held without a break
    in_band: bool = False  # the voltage lies at the target
    band_v_lo: float = inf  # where that is; nowhere where none is held
    band_v_hi: float = -inf
    regulation: Regulation = "unknown"
    entry_temperature: float = 0.0
    entry_moved_nas: int = 0
    entry_moved_nws: int = 0


@dataclass(slots=True)
class Quiet:
    """Bounds within which nothing can become true. Voltage V, current A (signed), temperature degC, step time s."""

    v_lo: float = -inf
    v_hi: float = inf
    i_lo: float = -inf
    i_hi: float = inf
    t_lo: float = -inf
    t_hi: float = inf
    apart_v: float = inf  # output from sense, where both are measured
    time_due_s: float = inf
    moved_due_nas: float = inf  # of the run's counter along the step's direction
    moved_due_nws: float = inf
    against_due_nas: float = inf  # of the other one
    against_due_nws: float = inf

    def never(self) -> None:
        """Judge every reading from here on."""
        self.v_lo, self.v_hi = inf, -inf


@dataclass(slots=True)
class WatchState:
    """What a watch remembers from one reading to the next; saved and restored with the machine."""

    count: int = 0
    since_s: float = 0.0
    judged: bool = False  # an `at` has had its one look
    above: bool = False  # the current has been above a taper's bound


class ConditionWatch:
    """Judges one condition over one execution of its step."""

    def __init__(
        self,
        condition: Condition,
        *,
        tapers: bool,
        at_window_s: float,
        tags: Tags | None = None,
        variables: Mapping[str, float] | None = None,
        state: WatchState | None = None,
    ) -> None:
        """`tapers`: the step holds a voltage. Tags and variables stay as they are for as long as it watches."""
        variables = variables or {}
        self.condition = condition
        self.state = state or WatchState()
        tests = [(test, _RELATIONS[test.relation], _bound(test, tags or {})) for test in condition.tests]
        settled = [
            relation(variables.get(test.variable, nan), value) for test, relation, value in tests if test.variable
        ]
        self.lacks_a_value = any(
            isnan(value) or (test.variable is not None and test.variable not in variables) for test, _, value in tests
        )
        self._may_hold = all(settled)
        self._tests = tuple(test for test in tests if test[0].variable is None)
        self._taper_value = next((value for test, _, value in self._tests if tapers and is_taper(test)), None)
        self._at_window_s = at_window_s
        self.judge: Callable[[Now], Judgement | None] = self._compiled()
        """None: not, or not yet. Call with fresh valid readings only, oldest first."""

    def _compiled(self) -> Callable[[Now], Judgement | None]:
        """Nearly always the first test is false, and nothing else needs to be asked."""
        judge, state = self._judge, self.state
        if self._taper_value is not None or self.condition.window == "at" or not (self._tests and self._may_hold):
            return judge
        test, relation, value = self._tests[0]
        value_of = attrgetter(test.quantity)

        def quickly(now: Now) -> Judgement | None:
            if relation(value_of(now), value):
                return judge(now)
            if state.count:
                state.count = 0
            return None

        return quickly

    def _judge(self, now: Now) -> Judgement | None:
        condition, state = self.condition, self.state
        if condition.window == "at":
            return self._judge_once(now)
        if (condition.window == "after" and now.time < condition.window_s) or (
            condition.window == "before" and now.time > condition.window_s
        ):
            state.count = 0
            return None
        if (self._taper_value is not None and not self._tapering(now)) or not self._holds(now):
            state.count = 0
            return None
        if state.count == 0:
            state.since_s = now.time
        state.count += 1
        if state.count < condition.samples or now.time - state.since_s < condition.for_s:
            return None
        if self._taper_value is not None and not now.in_band:
            return "lost-contact"
        if self._taper_value is not None and not state.above:
            return "already-at-target"
        return "met"

    def narrow(self, now: Now, quiet: Quiet) -> None:
        """Tighten the bounds to where this condition stays as false as it is now."""
        condition, state = self.condition, self.state
        if condition.window == "at":
            if not state.judged:
                quiet.time_due_s = min(quiet.time_due_s, condition.window_s)
            return
        if condition.window == "after" and now.time < condition.window_s:
            quiet.time_due_s = min(quiet.time_due_s, condition.window_s)
            return
        if condition.window == "before" and now.time > condition.window_s:
            return
        if state.count:
            quiet.never()
            return
        if not self._may_hold:
            return
        if self._taper_value is not None and now.regulation != "cv":
            _narrow_to_band(now, quiet)
        for test, relation, value in self._tests:
            if not relation(getattr(now, test.quantity), value):
                _narrow(test, value, now, quiet)
                return
        quiet.never()

    @property
    def pending(self) -> bool:
        """It holds, and is only being debounced: the next reading is wanted soon."""
        return self.state.count > 0

    def _holds(self, now: Now) -> bool:
        return self._may_hold and all(
            relation(getattr(now, test.quantity), value) for test, relation, value in self._tests
        )

    def _judge_once(self, now: Now) -> Judgement | None:
        if self.state.judged or now.time < self.condition.window_s:
            return None
        self.state.judged = True
        if now.time > self.condition.window_s + self._at_window_s:
            return "missed"
        return "met" if self._holds(now) else None

    def _tapering(self, now: Now) -> bool:
        """Whether a falling current may be judged at all: CV has been held for a while."""
        assert self._taper_value is not None  # noqa: S101 (asked only of tapers)
        if now.current > self._taper_value:
            self.state.above = True
        return now.cv_s >= TAPER_ARM_S


def _narrow_to_band(now: Now, quiet: Quiet) -> None:
    """CV counts from when the voltage comes to its target to when it leaves it."""
    if now.in_band:
        quiet.v_lo, quiet.v_hi = max(quiet.v_lo, now.band_v_lo), min(quiet.v_hi, now.band_v_hi)
    elif now.voltage < now.band_v_lo:
        quiet.v_hi = min(quiet.v_hi, nextafter(now.band_v_lo, -inf))
    else:
        quiet.v_lo = max(quiet.v_lo, nextafter(now.band_v_hi, inf))


def _bound(test: Comparison, tags: Tags) -> float:
    """NaN where it refers to a tag without a valid result."""
    if test.of_tag is None:
        return test.value
    return test.value * tags.get(test.of_tag, {}).get("energy" if test.quantity == "energy" else "capacity", nan)


def is_taper(test: Comparison) -> bool:
    """`current <=`: the end of a CV."""
    return test.quantity == "current" and test.relation in {"<", "<="}


def _narrow(test: Comparison, value: float, now: Now, quiet: Quiet) -> None:
    """A test that is false now stays so on its side of `value`; the bounds are closed, hence `nextafter`."""
    rising = test.relation in {">", ">="}
    match test.quantity:
        case "voltage":
            _narrow_range(test, value, quiet, "v")
        case "current" if now.direction == "charge":
            _narrow_range(test, value, quiet, "i")
        case "current" if now.direction == "discharge":
            mirrored = Comparison(quantity="current", relation=_MIRROR[test.relation], value=-value)
            _narrow_range(mirrored, -value, quiet, "i")
        case "temperature":
            _narrow_range(test, value, quiet, "t")
        case "temperature_rise":
            sooner_k = -SLACK_K if rising else SLACK_K
            _narrow_range(test, value + now.entry_temperature + sooner_k, quiet, "t")
        case "time":
            if rising:
                quiet.time_due_s = min(quiet.time_due_s, value)
        case "total_time":
            if rising:
                quiet.time_due_s = min(quiet.time_due_s, now.time + value - now.total_time)
        case "capacity" if now.direction != "rest" and not now.both_ways:
            if rising:
                quiet.moved_due_nas = min(quiet.moved_due_nas, now.entry_moved_nas + value * NAS_PER_AH)
        case "energy" if now.direction != "rest" and not now.both_ways:
            if rising:
                quiet.moved_due_nws = min(quiet.moved_due_nws, now.entry_moved_nws + value * NAS_PER_AH)
        case _:
            quiet.never()


_MIRROR: Mapping[str, Literal[">", ">=", "<", "<="]] = {">": "<", ">=": "<=", "<": ">", "<=": ">="}


def _narrow_range(test: Comparison, value: float, quiet: Quiet, axis: Literal["v", "i", "t"]) -> None:
    if test.relation in {">", ">="}:
        high = value if test.relation == ">" else nextafter(value, -inf)
        setattr(quiet, f"{axis}_hi", min(getattr(quiet, f"{axis}_hi"), high))
    else:
        low = value if test.relation == "<" else nextafter(value, inf)
        setattr(quiet, f"{axis}_lo", max(getattr(quiet, f"{axis}_lo"), low))
