"""Steps of several phases: timed by the device as far as it holds them, by the host beyond that."""

from math import nan

import pytest
from machine_bench import CHANNEL, Bench, charge, compare, plan, rest, started, step, until

from cycler.control.machine_events import OrderDue
from cycler.control.order_builder import order_for
from cycler.recipe.plan import PlanPhase, PlanStep, PulseRule

BASE_S, PULSE_S = 10.0, 5.0


def based_pulse(*, base_s: float = BASE_S) -> PlanStep:
    """0.2C, then 1C: the resistance of the step between them."""
    return step(
        "dcir",
        PlanPhase(direction="discharge", current_a=1.0, voltage_v=2.5, duration_s=base_s),
        PlanPhase(direction="discharge", current_a=5.0, voltage_v=2.5, duration_s=PULSE_S),
        pulse=PulseRule(values_s=(0.5, 1.0, 5.0)),
    )


def run(*, phases_max: int, dt_s: float = 0.1, **more: object) -> Bench:
    return started(plan(rest(5.0), based_pulse()), phases_max=phases_max, dt_s=dt_s, capacity_ah=1e6, **more).run()


@pytest.mark.parametrize(("phases_max", "orders"), [(1, 3), (2, 2), (5, 2)])
def test_the_device_is_given_as_many_phases_as_it_holds(phases_max: int, orders: int) -> None:
    bench = run(phases_max=phases_max)
    assert sum(isinstance(event, OrderDue) for event in bench.events) == orders
    assert bench.over.end == "completed"
    assert len(bench.results) == 2  # however many orders, it is one step


@pytest.mark.parametrize(("phases_max", "quality"), [(1, "HOST_TIMED"), (2, "OK")])
def test_a_pulse_says_who_timed_its_edge(phases_max: int, quality: str) -> None:
    assert run(phases_max=phases_max).results[-1].quality == (quality,)


@pytest.mark.parametrize("phases_max", [1, 2])
def test_the_resistance_is_of_the_change_from_the_base(phases_max: int) -> None:
    points = run(phases_max=phases_max).results[-1].pulse
    assert [point.nominal_s for point in points] == [0.5, 1.0, 5.0]
    assert [point.resistance_ohm for point in points] == pytest.approx([0.05] * 3, rel=1e-6)


def test_a_pulse_that_the_device_timed_counts_from_the_devices_own_edge() -> None:
    """Readings every 0.7 s see the edge at 10 s late, at 10.5 s; the pulse's time is the device's nevertheless."""
    bench = run(phases_max=2, dt_s=0.7)
    (at_half, *_) = bench.results[-1].pulse
    assert at_half.before.time_s == pytest.approx(0.5)
    assert bench.results[-1].duration_s == pytest.approx(BASE_S + PULSE_S, abs=0.7)


def due_for(of: PlanStep, *, rest_v: float = 3.6, lower_armed: bool = True) -> OrderDue:
    return OrderDue(step=of, variant=of.variants[0], first_phase=0, rest_v=rest_v, lower_armed=lower_armed)


def test_the_device_ends_every_phase_but_the_last_by_itself() -> None:
    due = due_for(based_pulse())
    order = order_for(due, 7, CHANNEL, phases_max=2)
    assert [[(end.quantity, end.value) for end in phase.ends] for phase in order.phases] == [[("time_s", BASE_S)], []]
    (only,) = order_for(due, 7, CHANNEL, phases_max=1).phases
    assert not only.ends


def test_an_orders_limits_lie_beyond_the_steps_own_bounds() -> None:
    bounded = charge(2.0, until(compare("time", ">=", 60.0)), time_s_max=60.0)
    limits = order_for(due_for(bounded), 7, CHANNEL, phases_max=1).limits
    assert limits.time_s_max is not None and limits.time_s_max > 60.0
    assert (limits.voltage_v_min, limits.voltage_v_max) == (2.45, 4.25)
    assert limits.charge_current_a_max is not None and limits.charge_current_a_max > 2.0


def test_charge_is_whole_over_all_phases() -> None:
    for phases_max in (1, 2):
        bench = run(phases_max=phases_max, counter=True, order_takes=3)
        moved_nas = sum(result.moved.discharged_nas for result in bench.results)
        assert moved_nas / 3.6e12 == pytest.approx(bench._discharged_ah, abs=1e-9)


def test_a_protection_acts_in_any_phase() -> None:
    bench = run(phases_max=2, disturb=lambda b, v, i: (2.3, i) if b.time_s >= 18.0 else (v, i))
    assert bench.over.code == "TRIP_2"


def test_readings_are_wanted_soon_around_a_pulse_and_not_in_its_base() -> None:
    bench = started(plan(based_pulse()), phases_max=2, capacity_ah=1e6)
    wanted = []
    while not bench.machine.closed:
        bench.tick()
        wanted.append((bench.time_s, bench.machine.wants_fast))
    assert not any(fast for time_s, fast in wanted if 2.0 <= time_s < 8.0)
    assert all(fast for time_s, fast in wanted if 9.0 <= time_s < 16.0)  # from shortly before the edge on


def test_saved_in_any_phase_it_goes_on_from_there() -> None:
    whole = run(phases_max=2)
    for cut_s in (3.0, 8.0, 17.0):
        broken = started(plan(rest(5.0), based_pulse()), phases_max=2, dt_s=0.1, capacity_ah=1e6)
        broken.run(cut_s)
        saved = broken.machine.save()
        fresh = started(plan(rest(5.0), based_pulse()), phases_max=2).machine
        fresh.restore(saved)
        broken.machine = fresh
        broken.run()
        assert broken.events == whole.events


def test_a_pulse_without_a_reading_at_its_time_has_no_value_there() -> None:
    bench = run(phases_max=2, disturb=lambda b, v, i: (nan, i) if b.time_s >= 20.0 else (v, i))
    assert all(point.nominal_s < 5.0 for result in bench.results for point in result.pulse)
