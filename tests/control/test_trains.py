"""Steps of many stretches, some of which charge and others not: their timetable, their numbers, what they count."""

import tracemalloc
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machine_bench import CHANNEL, Bench, charge, compare, discharge, machine_for, plan, rest, started, step, until

from cycler.control.machine_events import OrderDue
from cycler.control.order_builder import order_for
from cycler.control.pulse_turns import WAIT_S_MAX, with_turns
from cycler.model.results import StepResult
from cycler.recipe.plan import Condition, Plan, PlanPhase, PlanStep, RecordRule, Repeated, StepVariant, TrainRule

HPPC = ((-5.0, 30.0), (0.0, 40.0), (3.75, 10.0))
"""A, positive charges; s."""


def train(
    *stretches: tuple[float, float], times: int = 1, kind: str = "pulse", fails: tuple[Condition, ...] = ()
) -> PlanStep:
    once = tuple(
        PlanPhase(
            direction="charge" if current_a > 0 else "discharge" if current_a < 0 else "rest",
            current_a=abs(current_a),
            voltage_v=4.225 if current_a > 0 else 2.475,
            duration_s=time_s,
        )
        for current_a, time_s in stretches
    )
    variant = StepVariant(phases=Repeated(once, times), until=(), fail=fails)
    return replace(step(kind), variants=(variant,), train=TrainRule(measures=kind == "pulse"))


def run(*steps: PlanStep, phases_max: int = 8, dt_s: float = 0.1, capacity_ah: float = 1e6, **more: object) -> Bench:
    return started(plan(rest(5.0), *steps), phases_max=phases_max, dt_s=dt_s, capacity_ah=capacity_ah, **more).run()


def moved_ah(result: StepResult) -> tuple[float, float]:
    return result.moved.charged_nas / 3.6e12, result.moved.discharged_nas / 3.6e12


@pytest.mark.parametrize("phases_max", [1, 2, 8])
def test_a_train_moves_what_its_currents_move_in_their_times(phases_max: int) -> None:
    bench = run(train(*HPPC, times=3), phases_max=phases_max)
    assert bench.over.end == "completed"
    charged_ah, discharged_ah = moved_ah(bench.results[1])
    assert charged_ah == pytest.approx(3 * 3.75 * 10 / 3600, rel=0.03)
    assert discharged_ah == pytest.approx(3 * 5 * 30 / 3600, rel=0.01)
    assert bench.results[1].stop_reason == "completed"
    assert bench.results[1].duration_s == pytest.approx(240, abs=0.5)


@pytest.mark.parametrize("phases_max", [1, 2, 9])
def test_the_kept_samples_of_a_train_show_its_edges_where_they_are(phases_max: int) -> None:
    sparse = RecordRule(every_s=25.0, current_a=0.02)
    bench = run(replace(train(*HPPC, times=3), record=sparse), phases_max=phases_max)
    samples = [sample for sample in bench.samples if sample.step_count == 2]
    shown_ah = sum((a.current_a + b.current_a) / 7200 * (b.elapsed_s - a.elapsed_s) for a, b in pairwise(samples))
    charged_ah, discharged_ah = moved_ah(bench.results[1])
    assert shown_ah == pytest.approx(charged_ah - discharged_ah, rel=0.01)
    assert all(a.elapsed_s < b.elapsed_s for a, b in pairwise(samples))
    assert all(a.counters.discharged_nas <= b.counters.discharged_nas for a, b in pairwise(samples))
    assert len(samples) < 60


@pytest.mark.parametrize(("phases_max", "quality"), [(1, "HOST_TIMED"), (8, "HOST_TIMED"), (9, "OK")])
def test_a_train_says_whether_the_device_timed_all_of_it(phases_max: int, quality: str) -> None:
    assert run(train(*HPPC, times=3), phases_max=phases_max).results[1].quality == (quality,)


@pytest.mark.parametrize("phases_max", [1, 8])
def test_each_pulse_of_a_train_has_its_resistance_at_its_end(phases_max: int) -> None:
    points = run(train(*HPPC, times=2), phases_max=phases_max).results[1].train
    assert [(point.stretch, point.nominal_s) for point in points] == [(1, 30.0), (3, 10.0), (4, 30.0), (6, 10.0)]
    assert [point.resistance_ohm for point in points] == pytest.approx([0.05] * 4, rel=1e-3)
    first = points[0]
    assert first.reference.current_a == 0.0 and first.reference.time_s < 0.0
    assert first.before == first.after and first.before.time_s == pytest.approx(30.0, abs=0.5)
    assert 0.0 < first.uncertainty_ohm < 0.001


def test_a_pulse_that_fails_on_its_way_gives_no_resistance() -> None:
    low = until(compare("voltage", "<=", 3.5), outcome="fail", samples=2)
    bench = run(train(*HPPC, fails=(low,)), capacity_ah=0.5, soc=0.7)
    assert bench.over.code == "HIGH_DCIR"
    assert bench.results[1].train == ()


def test_the_lateness_of_orders_does_not_add_up() -> None:
    """Each order takes 0.3 s to be in force; fifty stretches of 2 s take 100 s nevertheless."""
    bench = run(train((-1.0, 2.0), (1.0, 2.0), times=25, kind="profile"), phases_max=1, order_takes=3)
    assert sum(isinstance(event, OrderDue) for event in bench.events) == 51
    assert bench.results[1].duration_s == pytest.approx(100.0, abs=1.0)
    assert moved_ah(bench.results[1]) == pytest.approx((50 / 3600, 50 / 3600), rel=0.05)


def test_the_end_of_a_stretch_is_looked_for_in_fast_readings() -> None:
    """Where the host has to say when it comes; in between the usual beat is enough."""
    bench = started(plan(rest(5.0), train(*HPPC)), phases_max=1)
    bench.run(20.0)
    assert not bench.machine.wants_fast
    bench.run(15.0)
    assert bench.machine.wants_fast


def test_what_is_later_than_half_a_stretch_moves_the_rest_of_the_train() -> None:
    bench = run(train((-1.0, 2.0), (1.0, 2.0), times=5, kind="profile"), phases_max=1, order_takes=15)
    assert moved_ah(bench.results[1]) == pytest.approx((17 / 3600, 17 / 3600), rel=0.1)


def test_charge_and_discharge_count_together_against_a_bound_in_charge() -> None:
    bound = until(compare("capacity", ">", 0.1), outcome="fail")
    bench = run(train((-5.0, 30.0), (5.0, 30.0), times=10, fails=(bound,)))
    assert bench.over.end == "failed"
    assert sum(moved_ah(bench.results[1])) == pytest.approx(0.1, rel=0.02)


@pytest.mark.parametrize(
    ("kind", "first_a", "cycle"), [("profile", 5.0, 2), ("ramp", 5.0, 2), ("profile", -5.0, 1), ("pulse", 5.0, 1)]
)
def test_profiles_and_ramps_count_in_cycles_by_where_they_go_and_pulses_do_not(
    kind: str, first_a: float, cycle: int
) -> None:
    """By the sum of it: a profile that discharges begins no cycle, though it charges now and then."""
    bench = run(
        discharge(5.0, until(compare("time", ">=", 20.0))),
        train((-first_a / 10, 5.0), (first_a, 10.0), (-first_a / 10, 5.0), kind=kind),
    )
    assert bench.results[-1].cycle == cycle


def test_a_charge_after_a_profile_that_discharged_begins_a_cycle() -> None:
    bench = run(train((-5.0, 20.0), kind="profile"), charge(1.0, until(compare("time", ">=", 5.0))))
    assert [result.cycle for result in bench.results] == [1, 1, 2]


def test_equal_pulses_of_one_order_each_end_by_the_devices_clock() -> None:
    """They are one object in the plan; only the last one of an order is left to the host."""
    repeated = train((-1.0, 2.0), times=8)
    due = OrderDue(step=repeated, variant=repeated.variants[0], first_phase=0, rest_v=3.6, lower_armed=True)
    phases = order_for(due, 1, CHANNEL, phases_max=4).phases
    assert [[end.value for end in phase.ends] for phase in phases] == [[2.0], [2.0], [2.0], []]


def test_a_current_against_the_stretch_in_force_trips() -> None:
    """Of a device that does one thing at a time: what another stretch of the train may do does not excuse it."""

    def other_way(bench: Bench, voltage_v: float, current_a: float) -> tuple[float, float]:
        return voltage_v, 3.0 if bench.time_s > 20.0 and current_a < 0 else current_a

    bench = run(train(*HPPC), phases_max=1, disturb=other_way)
    assert bench.over.code == "TRIP_37"


def test_a_train_of_both_directions_is_held_to_the_temperatures_of_both() -> None:
    """50 degC is too warm to be charged, and not to be discharged."""
    assert run(train(*HPPC), temperature_degc=50.0).over.code == "TRIP_9"
    assert run(train((-5.0, 30.0), (0.0, 40.0)), temperature_degc=50.0).over.end == "completed"


def test_a_train_of_65535_stretches_costs_no_memory_for_its_turns() -> None:
    tracemalloc.start()
    long = train((-1.0, 1.0), times=65_535)
    spent = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert spent < 20_000
    assert len(long.variants[0].phases) == 65_535
    assert long.variants[0].phases[65_534] is long.variants[0].phases[0]
    assert long.variants[0].duration_s == 65_535.0


def test_waits_around_a_train_of_65535_stretches_cost_no_memory_either() -> None:
    alone = plan(train((-1.0, 1.0), times=65_535))
    tracemalloc.start()
    waiting = with_turns(alone, 8)
    spent = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert spent < 20_000
    (turned,) = waiting.program
    assert isinstance(turned, PlanStep)
    phases = turned.variants[0].phases
    assert [phases[place].held for place in (0, 1, 65_535, 65_536, -1)] == [True, False, False, True, True]
    assert (len(phases), len(turned.variants[0].different)) == (65_537, 3)


def test_a_cell_whose_turn_never_comes_is_held_and_not_failed() -> None:
    short = replace(train(*HPPC), time_s_max=100.0)
    bench = started(with_turns(plan(rest(5.0), short), 8), phases_max=8, dt_s=10.0).run()
    assert (bench.over.end, bench.over.code) == ("held", None)
    assert "for the turns to pulse" in bench.over.text
    assert bench.results[1].duration_s == pytest.approx(WAIT_S_MAX + 800.0, abs=20.0)


def mixed() -> Plan:
    return plan(
        rest(5.0),
        train(*HPPC, times=2),
        train((-2.0, 3.0), (1.0, 4.0), (0.0, 3.0), (-1.0, 8.0), times=3, kind="profile"),
        charge(1.0, until(compare("time", ">=", 10.0))),
    )


@settings(max_examples=25)
@given(st.floats(0.0, 250.0), st.sampled_from([1, 2, 8]))
def test_saved_and_restored_at_any_reading_of_a_train_the_outcome_is_identical(cut_s: float, phases_max: int) -> None:
    whole = started(mixed(), phases_max=phases_max, dt_s=0.5).run()
    broken = started(mixed(), phases_max=phases_max, dt_s=0.5)
    broken.run(cut_s)
    saved = broken.machine.save()
    broken.machine = machine_for(mixed(), phases_max=phases_max)
    broken.machine.restore(saved)
    broken.run()
    assert broken.results == whole.results
    assert broken.samples == whole.samples
