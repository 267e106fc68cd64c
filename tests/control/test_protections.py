"""Every protection at both of its edges: where it begins to act, and how long a violation has to last."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf, nan, nextafter

import pytest
from machine_bench import CHANNEL, ENVELOPE, Bench, charge, compare, discharge, plan, rest, started, until

from cycler.control.machine_events import StepEnded, Tripped
from cycler.model.alarm import AlarmCode
from cycler.model.cell_type import GuardLimits
from cycler.recipe.plan import Plan, PlanStep
from cycler.safety.catalogue import CATALOGUE
from cycler.safety.protections import CURRENT_TOLERANCE_RATIO, timeout_s

AT_S = 60.0
HOURS = until(compare("time", ">=", 36_000.0))
CHARGING, DISCHARGING, RESTING = charge(2.0, HOURS), discharge(2.0, HOURS), rest(36_000.0)
TEMPERATURE_HARD_K = 5.0
TOLERANCE_A = CURRENT_TOLERANCE_RATIO * 2.0


@dataclass(frozen=True)
class Edge:
    """A limit, the limit beyond which the first reading trips, and in which direction both are left."""

    code: int
    quantity: str
    step: PlanStep
    limit: float
    hard: float
    upwards: bool

    def beyond(self, limit: float, distance: float = 0.0) -> float:
        """Just beyond it, or so far."""
        if distance:
            return limit + distance if self.upwards else limit - distance
        return nextafter(limit, inf if self.upwards else -inf)


EDGES = [
    Edge(1, "voltage", CHARGING, 4.25, 4.30, True),
    Edge(20, "voltage", DISCHARGING, 4.25, 4.30, True),  # only a charge takes a cell there
    Edge(20, "voltage", RESTING, 4.25, 4.30, True),
    Edge(2, "voltage", CHARGING, 2.45, 2.40, False),
    Edge(2, "voltage", DISCHARGING, 2.45, 2.40, False),
    Edge(3, "current", CHARGING, 2.0 + TOLERANCE_A, 2.0 + 2 * TOLERANCE_A, True),
    Edge(25, "current", RESTING, 3 * CHANNEL.current_accuracy_a, 6 * CHANNEL.current_accuracy_a, True),
    Edge(4, "current", DISCHARGING, -2.0 - TOLERANCE_A, -2.0 - 2 * TOLERANCE_A, False),
    Edge(37, "current", CHARGING, -3 * CHANNEL.current_accuracy_a, -6 * CHANNEL.current_accuracy_a, False),
    Edge(9, "temperature", CHARGING, 45.0, 45.0 + TEMPERATURE_HARD_K, True),
    Edge(9, "temperature", DISCHARGING, 55.0, 55.0 + TEMPERATURE_HARD_K, True),
    Edge(10, "temperature", CHARGING, 0.0, -TEMPERATURE_HARD_K, False),
    Edge(10, "temperature", DISCHARGING, -10.0, -10.0 - TEMPERATURE_HARD_K, False),
]
NAMED = [f"{edge.code} in {edge.step.step_type}" for edge in EDGES]


BEARING = GuardLimits(temperature_rise_k_per_min=1e3, voltage_jump_v=10.0, charge_fall_v=10.0, current_rise_ratio=10.0)


def bearing(the_plan: Plan) -> Plan:
    """Of a cell that may move as it likes: for what is judged reading by reading alone."""
    return replace(the_plan, cell_type=replace(the_plan.cell_type, guards=BEARING))


def bench_with(edge: Edge, values: Callable[[float], float | None]) -> Bench:
    """The quantity takes these values from `AT_S` on, by the seconds since; None is the cell's own."""

    def disturb(bench: Bench, voltage_v: float, current_a: float) -> tuple[float, float]:
        value = values(bench.time_s - AT_S) if bench.time_s >= AT_S else None
        bench.temperature_degc = 25.0
        if value is None:
            return voltage_v, current_a
        if edge.quantity == "temperature":
            bench.temperature_degc = value
            return voltage_v, current_a
        return (value, current_a) if edge.quantity == "voltage" else (voltage_v, value)

    return started(bearing(plan(edge.step)), capacity_ah=500.0, disturb=disturb)


def tripped_at(bench: Bench, *, within_s: float = 120.0) -> tuple[int, float] | None:
    """The code and the time of the reading that tripped."""
    while bench.time_s < within_s:
        known = len(bench.events)
        bench.tick()
        trips = [event for event in bench.events[known:] if isinstance(event, Tripped)]
        if trips:
            return trips[0].code.value, bench.time_s
    return None


@pytest.mark.parametrize("edge", EDGES, ids=NAMED)
def test_at_its_limit_it_is_content(edge: Edge) -> None:
    assert tripped_at(bench_with(edge, lambda _: edge.limit)) is None


@pytest.mark.parametrize("edge", EDGES, ids=NAMED)
def test_beyond_its_limit_it_trips_with_the_second_reading(edge: Edge) -> None:
    assert tripped_at(bench_with(edge, lambda _: edge.beyond(edge.limit))) == (edge.code, AT_S + 1.0)


@pytest.mark.parametrize("edge", EDGES, ids=NAMED)
def test_beyond_its_hard_limit_it_trips_at_once(edge: Edge) -> None:
    assert tripped_at(bench_with(edge, lambda _: edge.beyond(edge.hard, 1e-6))) == (edge.code, AT_S)


@pytest.mark.parametrize("edge", EDGES, ids=NAMED)
def test_violations_with_good_readings_between_them_do_not_trip(edge: Edge) -> None:
    """However many, and also where a record rule makes the readings between them quiet."""
    bad = edge.beyond(edge.limit)
    assert tripped_at(bench_with(edge, lambda s: bad if s % 3 == 0 else None)) is None


@pytest.mark.parametrize("edge", EDGES, ids=NAMED)
def test_a_missing_reading_counts_for_the_trip(edge: Edge) -> None:
    bad = edge.beyond(edge.limit)
    tripped = tripped_at(bench_with(edge, lambda s: bad if s == 0 else nan if s == 1 else None))
    assert tripped is not None
    assert tripped[1] == AT_S + 1.0


@pytest.mark.parametrize("edge", EDGES, ids=NAMED)
def test_two_readings_closer_together_than_the_debounce_are_not_enough(edge: Edge) -> None:
    debounce_s = CATALOGUE[AlarmCode(edge.code)].debounce.for_s  # 20 trips for over-voltage here
    bench = bench_with(edge, lambda _: edge.beyond(edge.limit))
    bench.run(AT_S - 1.0)
    bench.dt_s = 0.1
    tripped = tripped_at(bench)
    assert tripped is not None
    first_s = AT_S - 1.0 + 10 * 0.1
    assert tripped[1] == pytest.approx(first_s + debounce_s, abs=0.1 + 1e-6)


# What a step may move, and how long it may last.


@pytest.mark.parametrize("drive", [charge, discharge])
def test_a_step_trips_as_soon_as_it_has_moved_more_than_the_envelope_allows(drive: Callable[..., PlanStep]) -> None:
    tight = replace(ENVELOPE, capacity_ah=0.1)
    bench = started(plan(drive(3.6, HOURS, envelope=tight)), counter=True, capacity_ah=500.0)
    tripped = tripped_at(bench, within_s=1000.0)
    assert tripped is not None
    assert tripped[0] == 6
    moved = bench.machine.counters
    assert (moved.charged_nas + moved.discharged_nas) / 3.6e12 == pytest.approx(0.1, abs=0.0011)


def test_what_flows_against_the_direction_of_a_step_counts_for_its_limit_too() -> None:
    tight = replace(ENVELOPE, capacity_ah=0.000002)
    leak_a = -2.0 * CHANNEL.current_accuracy_a
    bench = started(plan(charge(2.0, HOURS, envelope=tight)), disturb=lambda b, v, i: (v, leak_a), capacity_ah=500.0)
    tripped = tripped_at(bench, within_s=1000.0)
    assert tripped is not None
    assert tripped == (6, pytest.approx(0.000002 * 3600 / -leak_a, abs=2.0))


def test_a_step_times_out_only_after_its_own_bound_has_had_its_chance() -> None:
    bounded = charge(0.5, until(compare("capacity", ">=", 40.0)), time_s_max=200.0)
    bench = started(plan(bounded), capacity_ah=500.0)
    tripped = tripped_at(bench, within_s=1000.0)
    assert tripped == (32, pytest.approx(timeout_s(bounded), abs=2.0))
    assert timeout_s(bounded) > 200.0


def test_a_run_whose_steps_go_on_and_on_times_out_between_two_of_them() -> None:
    turns = replace(plan(*[charge(0.5, until(compare("time", ">=", 100.0)))] * 5), time_s_max=200.0)
    bench = started(turns, capacity_ah=500.0).run()
    assert (bench.over.code, len(bench.results)) == ("TRIP_33", 4)  # 10 s for each step, and 2 %
    assert "300 s in 3 steps, the recipe takes 200 s at most" in bench.over.text


# What concerns all of them.


def test_a_deep_cell_at_rest_is_the_recipes_business() -> None:
    edge = Edge(2, "voltage", RESTING, 2.45, 2.40, False)
    assert tripped_at(bench_with(edge, lambda _: 2.0)) is None


def test_a_cold_cell_at_rest_is_left_to_warm_up() -> None:
    edge = Edge(10, "temperature", RESTING, -10.0, -15.0, False)
    assert tripped_at(bench_with(edge, lambda _: -30.0)) is None


def test_all_that_tripped_in_one_reading_is_told_and_the_first_decides() -> None:
    bench = started(plan(CHARGING), disturb=lambda b, v, i: (4.9, 9.0) if b.time_s >= AT_S else (v, i)).run()
    (trip,) = [event for event in bench.events if isinstance(event, Tripped)]
    assert trip.code == 1
    assert "over-voltage" in trip.text and "over-current" in trip.text
    (result,) = [event.result for event in bench.events if isinstance(event, StepEnded)]
    assert result.stop_reason == "trip"


def test_a_hot_cell_is_not_energised_to_find_out_that_it_is_hot() -> None:
    bench = started(plan(discharge(2.0, until(compare("time", ">=", 20.0))), CHARGING), temperature_degc=50.0).run(200)
    assert bench.over.code == "TRIP_9"
    assert max(bench.results, key=lambda result: result.step_count).step_type == "discharge"
    assert bench.machine.counters.charged_nas == 0
