"""Every limit that a step may have, by step and catalogue: its edges, its debounce, and that a trip is final."""

from dataclasses import dataclass, replace
from math import inf, isfinite, nan, nextafter

import pytest
from machine_bench import CHANNEL, ENVELOPE, charge, compare, discharge, plan, rest, started, until

from cycler.control.guard_watch import GuardWatch
from cycler.control.machine_events import OrderDue, Tripped
from cycler.recipe.plan import PlanStep
from cycler.safety.catalogue import CATALOGUE
from cycler.safety.protections import QUANTITIES, Guard, guards_for

HOURS = until(compare("time", ">=", 36_000.0))
STEPS = (charge(2.0, HOURS), charge(2.0, HOURS, cv=True), discharge(2.0, HOURS), rest(36_000.0))


@dataclass(frozen=True)
class Limit:
    """One side of a guard."""

    guard: Guard
    upwards: bool

    @property
    def at(self) -> float:
        return self.guard.high if self.upwards else self.guard.low

    @property
    def hard(self) -> float:
        return self.guard.hard_high if self.upwards else self.guard.hard_low

    def beyond(self, limit: float) -> float:
        return nextafter(limit, inf if self.upwards else -inf)

    @property
    def is_final(self) -> bool:
        """The first reading beyond it trips."""
        beyond = self.beyond(self.at)
        return beyond > self.hard if self.upwards else beyond < self.hard


def limits() -> dict[str, Limit]:
    """All that are finite, by a name."""
    found = {}
    for step in STEPS:
        guards = guards_for(step, step.variants[0], CHANNEL, temperature_measured=True, cumulated_ah=6.0)
        for guard in guards:
            for side, upwards, at in (("above", True, guard.high), ("below", False, guard.low)):
                if isfinite(at):
                    found[f"{guard.code.value} {side} in {step.step_type}"] = Limit(guard, upwards)
    return found


LIMITS = limits()


def tripping(limit: Limit, *values: float, beat_s: float = 1.0) -> int | None:
    """With which of these readings it trips, one each beat."""
    watch = GuardWatch(limit.guard)
    for number, value in enumerate(values, 1):
        if watch.trips(value, number * beat_s):
            return number
    return None


def test_every_guard_has_an_edge_here() -> None:
    assert {limit.guard.code for limit in LIMITS.values()} == set(QUANTITIES)


@pytest.mark.parametrize("name", LIMITS)
def test_inside_and_at_its_limit_a_protection_is_content_for_ever(name: str) -> None:
    limit = LIMITS[name]
    inside = nextafter(limit.at, -inf if limit.upwards else inf)
    assert tripping(limit, *[inside, limit.at] * 50) is None


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("beat_s", [0.01, 0.1, 1.0, 5.0])
def test_just_beyond_it_trips_as_soon_as_it_has_its_readings_and_its_time(name: str, beat_s: float) -> None:
    limit = LIMITS[name]
    debounce = CATALOGUE[limit.guard.code].debounce
    number = tripping(limit, *[limit.beyond(limit.at)] * 1000, beat_s=beat_s)
    assert number is not None
    if limit.is_final:
        assert number == 1
        return
    assert number >= debounce.samples
    assert (number - 1) * beat_s >= debounce.for_s - 1e-9
    assert number == debounce.samples or (number - 2) * beat_s < debounce.for_s + 1e-9


@pytest.mark.parametrize("name", LIMITS)
def test_a_good_reading_begins_it_anew_and_a_missing_one_counts_for_it(name: str) -> None:
    limit = LIMITS[name]
    beyond = limit.beyond(limit.at)
    number = tripping(limit, *[beyond] * 20)
    assert number is not None
    assert tripping(limit, *[*[beyond] * (number - 1), limit.at] * 5) is None
    assert tripping(limit, beyond, *[nan] * 20) == number


@pytest.mark.parametrize("name", [name for name, limit in LIMITS.items() if isfinite(limit.hard)])
def test_beyond_its_hard_margin_the_first_reading_trips(name: str) -> None:
    limit = LIMITS[name]
    assert tripping(limit, limit.beyond(limit.hard)) == 1


@pytest.mark.parametrize("voltage_v", [4.4, 2.2])
def test_what_has_tripped_is_never_energised_again_in_its_run(voltage_v: float) -> None:
    bench = started(plan(STEPS[0], STEPS[0]), disturb=lambda b, v, i: (voltage_v if 30 < b.time_s < 40 else v, i))
    bench.run(100.0)
    assert bench.machine.closed
    tripped = next(number for number, event in enumerate(bench.events) if isinstance(event, Tripped))
    assert not any(isinstance(event, OrderDue) for event in bench.events[tripped:])


def test_a_step_never_widens_what_the_envelope_allows() -> None:
    most_a = highest(charge(3.0, HOURS, envelope=replace(ENVELOPE, charge_current_a=3.0)))
    assert highest(charge(1.0, HOURS, envelope=replace(ENVELOPE, charge_current_a=3.0))) < most_a
    for amps in (3.0, 4.0, 9.0):
        within = highest(charge(amps, HOURS, envelope=replace(ENVELOPE, charge_current_a=3.0)))
        assert within - most_a <= (amps - 3.0) * 0.051, "no more than a greater current is measured worse"


def highest(step: PlanStep) -> float:
    """Current that a charge may have, in A."""
    guards = guards_for(step, step.variants[0], CHANNEL, temperature_measured=True)
    return next(guard.high for guard in guards if guard.code.value == 3)
