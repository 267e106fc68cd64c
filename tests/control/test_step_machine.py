"""The step machine: ends, protections, counting, and going on from any reading."""

import operator
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import reduce
from itertools import pairwise
from math import inf, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machine_bench import (
    ENVELOPE,
    Bench,
    charge,
    compare,
    discharge,
    machine_for,
    plan,
    pulse,
    rest,
    started,
    until,
)

from cycler.control.machine_events import OrderDue, RunOver, SampleDue, StepEnded, StepEntered, Tripped
from cycler.model.results import Counters
from cycler.recipe.plan import LoopEnd, LoopStart, Plan, RecordRule

TO_TAPER = until(compare("current", "<=", 0.25))


def test_a_taper_ends_the_charge() -> None:
    bench = started(plan(charge(2.5, TO_TAPER, cv=True))).run()
    (result,) = bench.results
    assert result.stop_reason == "current"
    assert result.end_voltage_v == pytest.approx(4.2, abs=1e-3)
    assert result.end_current_a < 0.25
    assert bench.over.end == "completed"


def test_a_voltage_end_waits_for_its_second_reading() -> None:
    end = until(compare("voltage", "<=", 3.2), samples=2)
    below = []

    def count(bench: Bench, voltage_v: float, current_a: float) -> tuple[float, float]:
        if voltage_v <= 3.2 and bench.order_id:
            below.append(bench.time_s)
        return voltage_v, current_a

    bench = started(plan(discharge(2.5, end)), disturb=count).run()
    assert bench.results[0].duration_s == pytest.approx(below[1] - 1.0)  # the first reading is time 0


def test_one_low_reading_does_not_end_a_discharge() -> None:
    glitch = started(
        plan(discharge(2.5, until(compare("voltage", "<=", 3.2), samples=2))),
        disturb=lambda bench, v, i: (3.1, i) if bench.time_s == 100 else (v, i),
    ).run()
    assert glitch.results[0].duration_s > 1000


def test_the_charge_of_readings_before_the_next_order_is_in_force_counts_for_the_old_step() -> None:
    bench = started(
        plan(charge(3.6, until(compare("capacity", ">=", 0.1))), rest(60)), order_takes=5, counter=True
    ).run()
    assert bench.results[0].moved.charged_nas == pytest.approx((0.1 + 5 * 3.6 / 3600) * 3.6e12, rel=1e-2)
    assert bench.results[1].moved.charged_nas == 0


def test_nothing_but_protections_is_judged_before_the_order_is_seen() -> None:
    always = until(compare("voltage", ">", 0.0))
    bench = started(plan(charge(2.5, always)), order_takes=10)
    bench.run(9)
    assert not any(isinstance(event, StepEntered | StepEnded) for event in bench.events)


def test_a_loop_runs_its_turns_and_cycles_are_counted() -> None:
    program = (
        LoopStart(times=3, end=3),
        charge(2.5, until(compare("capacity", ">=", 0.05))),
        discharge(2.5, until(compare("capacity", ">=", 0.05))),
        LoopEnd(start=0),
    )
    bench = started(plan(*program)).run()
    assert [result.cycle for result in bench.results] == [1, 1, 2, 2, 3, 3]
    assert [result.step_count for result in bench.results] == [1, 2, 3, 4, 5, 6]


def test_a_loop_of_65535_turns_costs_no_memory() -> None:
    bench = started(plan(LoopStart(times=65535, end=2), rest(1.0), LoopEnd(start=0)))
    bench.run(250)
    before = len(bench.machine.save())
    bench.run(250)
    assert len(bench.machine.save()) <= before + 8


def test_fail_beats_until_in_one_reading_and_both_are_recorded() -> None:
    both = plan(
        charge(
            2.5,
            until(compare("capacity", ">=", 0.1)),
            fails=[until(compare("capacity", ">=", 0.1), outcome="fail", code="FORM_HIGH")],
        )
    )
    bench = started(both).run()
    assert (bench.over.end, bench.over.code) == ("failed", "FORM_HIGH")
    assert bench.results[0].stop_reason == "fail"
    assert bench.results[0].stop_text.count("capacity >= 0.1") == 2


def test_goto_leads_to_its_step() -> None:
    bench = started(
        plan(
            rest(5, step_id="a"),
            charge(2.5, until(compare("time", ">=", 5), outcome="goto", goto=3)),
            rest(5, step_id="b"),
            rest(5, step_id="c"),
        )
    ).run()
    assert [result.step_id for result in bench.results] == ["a", "charge", "c"]


def test_a_share_of_a_tagged_step_is_resolved_when_its_step_begins() -> None:
    bench = started(
        plan(
            discharge(2.5, until(compare("capacity", ">=", 0.4)), tag="cap"),
            charge(2.5, until(compare("capacity", ">=", 0.5, of_tag="cap"))),
        ),
        counter=True,
    ).run()
    assert bench.results[1].moved.charged_nas == pytest.approx(0.5 * bench.results[0].moved.discharged_nas, rel=0.01)


def test_a_share_of_a_tag_that_never_ran_holds_and_is_never_zero() -> None:
    bench = started(plan(charge(2.5, until(compare("capacity", ">=", 0.5, of_tag="cap"))))).run()
    assert bench.over.end == "held"


# Contact.


def test_a_current_that_collapses_away_from_the_set_voltage_is_lost_contact() -> None:
    bench = started(
        plan(charge(2.5, TO_TAPER, cv=True)), disturb=lambda b, v, i: (v, 0.0) if b.time_s > 100 else (v, i)
    ).run()
    assert bench.results[0].stop_reason == "lost-contact"
    assert (bench.over.end, bench.over.code) == ("failed", "LOST_CONTACT")
    assert bench.results[0].duration_s < 110


def test_a_full_cell_is_already_at_its_target() -> None:
    bench = started(plan(charge(2.5, TO_TAPER, cv=True), rest(5)), soc=0.999).run()
    assert bench.results[0].stop_reason == "already-at-target"
    assert bench.over.end == "completed"


# Protections.


def test_over_voltage_trips_after_its_debounce_and_at_once_beyond_the_hard_margin() -> None:
    def above(step_v: float) -> Bench:
        return started(
            plan(charge(2.5, TO_TAPER, cv=True)), disturb=lambda b, v, i: (step_v, i) if b.time_s >= 100 else (v, i)
        ).run()

    for voltage_v, tripped_at in ((4.26, 101), (4.31, 100)):
        bench = above(voltage_v)
        assert bench.over.code == "TRIP_1"
        assert bench.machine.elapsed_s == pytest.approx(tripped_at + 1)  # the relay is seen open one reading later
        assert bench.results[0].stop_reason == "trip"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (lambda v, i: (2.42, i), "TRIP_2"),
        (lambda v, i: (v, 3.0), "TRIP_3"),
        (lambda v, i: (v, -3.0), "TRIP_37"),
        (lambda v, i: (nan, i), "TRIP_78"),
        (lambda v, i: (v, nan), "TRIP_78"),
        (lambda v, i: (9.9e37, i), "TRIP_78"),
        (lambda v, i: (v, -inf), "TRIP_78"),
        (lambda v, i: (10 * v, i), "TRIP_78"),
        (lambda v, i: (-10 * v, i), "TRIP_78"),
    ],
    ids=[
        "under-voltage",
        "charge current",
        "discharge current",
        "no voltage",
        "no current",
        "an absurd voltage",
        "an infinite current",
        "ten times the voltage",
        "a voltage that no cell has",
    ],
)
def test_each_protection_trips_with_its_code(fault, code: str) -> None:  # type: ignore[no-untyped-def]
    bench = started(
        plan(charge(2.0, TO_TAPER, cv=True)), disturb=lambda b, v, i: fault(v, i) if 100 <= b.time_s < 105 else (v, i)
    ).run()
    assert bench.over.code == code


def test_an_absurd_reading_is_a_bad_one_and_moves_no_counter() -> None:
    good = started(plan(charge(2.0, TO_TAPER, cv=True)))
    bad = started(
        plan(charge(2.0, TO_TAPER, cv=True)), disturb=lambda b, v, i: (9.9e37, -9.9e37) if b.time_s == 100 else (v, i)
    )
    for bench in (good, bad):
        bench.run(103)
    assert bad.machine.counters.charged_nas == pytest.approx(good.machine.counters.charged_nas, rel=1e-3)
    assert bad.machine.counters.discharged_nas == 0
    assert bad.machine.counters.charged_nws == pytest.approx(good.machine.counters.charged_nws, rel=1e-3)


@pytest.mark.parametrize("counter", [False, True], ids=["host", "device"])
def test_what_a_meter_shows_behind_an_open_relay_is_counted_nowhere(counter: bool) -> None:
    """Nor is energy where the device's own counter says that no charge has flowed."""
    noise = iter([0.0009, -0.0009, 0.0005, -0.0002] * 1000)
    bench = started(plan(rest(3000)), disturb=lambda b, v, i: (v, next(noise)), counter=counter).run()
    assert bench.machine.counters == Counters()
    assert bench.over.end == "completed"


def test_energy_never_falls_where_a_voltage_is_below_nothing() -> None:
    """A filled cell may show some millivolts the wrong way."""
    seen = [Counters()]
    filled = replace(ENVELOPE, voltage_v_min=-0.1)
    bench = started(
        plan(charge(0.1, until(compare("time", ">=", 60.0)), envelope=filled)),
        disturb=lambda b, v, i: ((b.time_s % 7 - 3) * 0.01, i),
    )
    while not bench.machine.closed:
        bench.tick()
        seen.append(bench.machine.counters)
    assert all(now.charged_nws >= before.charged_nws >= 0 for before, now in pairwise(seen))
    assert seen[-1].charged_nas > 0


def test_an_absurd_reading_at_rest_is_not_quiet() -> None:
    bench = started(plan(rest(300)), disturb=lambda b, v, i: (9.9e37, 9.9e37) if b.time_s >= 100 else (v, i))
    bench.run(200)
    assert bench.machine.counters.charged_nws < 1e12


@pytest.mark.parametrize(
    ("temperatures_degc", "code"),
    [
        ([46.0, 46.0], "TRIP_9"),
        ([120.0], "TRIP_9"),
        ([46.0, nan], "TRIP_9"),
        ([nan, 46.0], "TRIP_9"),
        ([46.0, 200.0], "TRIP_9"),
        ([nan, nan], "TRIP_78"),
        ([250.0], "TRIP_78"),
        ([9.9e37], "TRIP_78"),
        ([-270.0], "TRIP_78"),
        ([-12.0], "TRIP_10"),
    ],
)
def test_a_temperature_that_trips_is_the_cells_unless_no_cell_can_have_it(
    temperatures_degc: list[float], code: str
) -> None:
    bench = started(plan(charge(2.0, TO_TAPER, cv=True)))
    bench.run(100)
    for temperature_degc in temperatures_degc:
        bench.temperature_degc = temperature_degc
        bench.tick()
    assert bench.over.code == code
    assert bench.run().results[0].stop_reason == "trip"


# The sense wires, where the device measures its output, too.


def with_sense(disturb: Callable[[float], float], *, current_a: float = 2.0, output: bool = True) -> Bench:
    """From 100 s on the sense wires show this of the cell's voltage."""
    bench = started(
        plan(charge(current_a, until(compare("time", ">=", 300.0)), step_id="up")),
        contact_ohm=0.001 if output else None,
        disturb=lambda b, v, i: (disturb(v), i) if b.time_s >= 100 else (v, i),
    )
    return bench.run(200)


@pytest.mark.parametrize(
    "shown", [lambda v: 0.0, lambda v: 4.29, lambda v: 4.9, lambda v: v - 0.4, lambda v: v + 0.4],
    ids=["nothing", "over-voltage", "far over-voltage", "less", "more"],
)  # fmt: skip
def test_sense_wires_that_do_not_show_the_cell_are_open(shown: Callable[[float], float]) -> None:
    bench = with_sense(shown)
    assert (bench.over.end, bench.over.code) == ("tripped", "SENSE_OPEN")
    assert "output and sense are" in bench.over.text
    assert bench.time_s < 106.0


def test_without_an_output_that_is_measured_the_cell_is_believed() -> None:
    assert with_sense(lambda _: 0.0, output=False).over.code == "TRIP_2"


def test_leads_and_contacts_are_no_open_sense_wire_and_poor_contacts_are_told_as_such() -> None:
    assert not with_sense(lambda v: v - 0.06).machine.over
    assert with_sense(lambda v: v - 0.2).over.code == "BAD_CONTACT"


def test_an_output_that_is_not_connected_says_nothing() -> None:
    bench = started(plan(rest(300)), contact_ohm=0.001, disturb=lambda b, v, i: (v - 1.0, i))
    assert bench.run().over.end == "completed"


def test_without_a_sensor_temperature_is_not_judged() -> None:
    bench = started(plan(charge(2.5, TO_TAPER, cv=True)), temperature_measured=False, temperature_degc=nan).run()
    assert bench.over.end == "completed"


def test_a_step_that_outlives_its_own_bound_times_out() -> None:
    endless = charge(0.5, until(compare("capacity", ">=", 4.0)), time_s_max=100.0)
    bench = started(plan(endless)).run()
    assert bench.over.code == "TRIP_32"


def test_a_step_that_moves_more_than_the_envelope_allows_trips() -> None:
    bench = started(plan(charge(5.0, until(compare("time", ">=", 9000)), voltage_v=99.0)), capacity_ah=50.0).run()
    assert bench.over.code == "TRIP_6"


def test_a_trip_asks_to_open_in_the_same_reading() -> None:
    bench = started(
        plan(charge(2.0, TO_TAPER, cv=True)), disturb=lambda b, v, i: (4.9, i) if b.time_s == 50 else (v, i)
    )
    bench.run(49)
    before = len(bench.events)
    bench.tick()
    assert [type(event) for event in bench.events[before:]] == [SampleDue, Tripped, RunOver]


def test_a_change_of_direction_trips_nothing_while_the_order_is_on_its_way() -> None:
    bench = started(
        plan(charge(2.5, until(compare("time", ">=", 20))), discharge(2.5, until(compare("time", ">=", 20)))),
        order_takes=5,
        disturb=lambda b, v, i: (v, -2.5) if 26 <= b.time_s < 30 else (v, i),
    ).run()
    assert bench.over.end == "completed"


def test_an_output_that_opened_by_itself_ends_the_run() -> None:
    bench = started(plan(charge(2.5, TO_TAPER, cv=True)))
    bench.run(50)
    bench.open_by_itself()
    bench.run()
    assert bench.results[0].stop_reason == "device-fault"


# Pulses.


def test_a_pulse_gives_the_resistance_at_its_nominal_times_and_says_who_timed_it() -> None:
    bench = started(plan(rest(10), pulse(5.0, 10.0, (0.5, 1.0, 10.0))), dt_s=0.1, capacity_ah=1e6).run()
    result = bench.results[-1]
    assert [point.nominal_s for point in result.pulse] == [0.5, 1.0, 10.0]
    assert [point.resistance_ohm for point in result.pulse] == pytest.approx([0.05] * 3, rel=1e-6)
    assert result.stop_reason == "completed"
    assert result.quality == ("HOST_TIMED",)


def test_a_pulse_that_is_seen_to_flow_before_its_order_is_seen_is_measured_from_before_both() -> None:
    def ahead(bench: Bench, voltage_v: float, current_a: float) -> tuple[float, float]:
        pulses_already = bench.machine.step_count == 1 and bench._coming and bench._coming[0][0] == 1
        return (voltage_v - 5.0 * bench.ohm, -5.0) if pulses_already else (voltage_v, current_a)

    the_plan = plan(rest(10), pulse(5.0, 10.0, (1.0,)))
    bench = started(the_plan, dt_s=0.1, capacity_ah=1e6, order_takes=3, disturb=ahead).run()
    assert [point.resistance_ohm for point in bench.results[-1].pulse] == pytest.approx([0.05], rel=1e-6)


# Counting.


def test_with_a_device_counter_the_charge_is_the_devices_to_a_nanoampere_second_per_hour() -> None:
    an_hour = until(compare("time", ">=", 3600))
    bench = started(plan(charge(2.5, TO_TAPER, cv=True), rest(60), discharge(1.0, an_hour)), counter=True).run()
    counters = bench.machine.counters
    assert counters.charged_nas / 3.6e12 == pytest.approx(bench._charged_ah, abs=1e-9)
    assert counters.discharged_nas / 3.6e12 == pytest.approx(bench._discharged_ah, abs=1e-9)
    assert all(result.charge_source == "device" for result in bench.results)


def test_the_steps_charges_add_up_to_the_runs() -> None:
    bench = started(
        plan(charge(2.5, TO_TAPER, cv=True), rest(60), discharge(1.0, until(compare("time", ">=", 3600)))),
        order_takes=3,
    ).run()
    assert sum(r.moved.charged_nas for r in bench.results) == bench.machine.charged_nas
    assert sum(r.moved.discharged_nas for r in bench.results) == bench.machine.discharged_nas
    assert sum(r.moved.charged_nws for r in bench.results) == bench.machine.charged_nws


def test_over_a_long_silence_the_hosts_integral_does_not_count() -> None:
    bench = started(plan(charge(3.6, until(compare("time", ">=", 200)))))
    bench.run(100)
    bench.dt_s = 50.0
    bench.tick()
    bench.dt_s = 1.0
    bench.run()
    assert bench.results[0].gap_s == pytest.approx(50.0)
    assert "GAP" in bench.results[0].quality
    assert bench.results[0].moved.charged_nas / 3.6e12 == pytest.approx((200 - 50) * 3.6 / 3600, rel=0.02)


# Going on from any reading.


def everything() -> Plan:
    """A plan that meets most of what the machine can do, with record rules and debouncing."""
    rule = RecordRule(every_s=7.0, voltage_v=0.01)
    return plan(
        rest(15),
        charge(2.5, until(compare("current", "<=", 0.6), samples=2), cv=True, record=rule),
        rest(30),
        LoopStart(times=2, end=6),
        discharge(2.5, until(compare("voltage", "<=", 3.9), samples=2), until(compare("dv_dt", ">", 1.0)), tag="cap"),
        charge(2.5, until(compare("capacity", ">=", 0.5, of_tag="cap"), outcome="next"), record=rule),
        LoopEnd(start=3),
        pulse(5.0, 10.0, (0.5, 10.0)),
        rest(10),
    )


@settings(max_examples=20)
@given(st.integers(0, 3300), st.booleans())
def test_saved_and_restored_at_any_reading_the_outcome_is_identical(cut: int, counter: bool) -> None:
    whole = started(everything(), soc=0.9, counter=counter).run()
    broken = started(everything(), soc=0.9, counter=counter)
    broken.run(cut)
    saved = broken.machine.save()
    broken.machine = machine_for(everything())
    broken.machine.restore(saved)
    assert broken.machine.save() == saved
    broken.run()
    assert broken.events == whole.events
    assert broken.machine.counters == whole.machine.counters


def test_the_plan_of_that_test_is_long_enough_for_its_cuts() -> None:
    bench = started(everything(), soc=0.9).run()
    assert bench.over.end == "completed"
    assert 2500 < bench.readings < 3300


@settings(max_examples=20)
@given(st.lists(st.floats(-6, 6), min_size=5, max_size=60), st.integers(1, 5))
def test_charge_is_recomputed_exactly_from_the_readings(currents: list[float], order_takes: int) -> None:
    """Whatever the readings: the counters are the whole nanoampere-seconds of the same sums over them."""
    feed = iter(currents)
    seen: list[tuple[float, float]] = [(0.0, 0.0)]

    def take(bench: Bench, voltage_v: float, current_a: float) -> tuple[float, float]:
        current_a = next(feed, 0.0)
        seen.append((bench.time_s, current_a if bench.order_id else 0.0))  # behind an open relay it is noise
        return voltage_v, current_a

    bench = started(plan(charge(5.0, until(compare("time", ">=", 1000)))), order_takes=order_takes, disturb=take)
    for _ in currents:
        bench.tick()
    swept = [(i1 + i0) * (t1 - t0) for (t0, i0), (t1, i1) in pairwise(seen)]
    counters = bench.machine.counters
    assert counters.charged_nas == int(_in_order(part for part in swept if part > 0) * 0.5e9)
    assert counters.discharged_nas == int(_in_order(-part for part in swept if part < 0) * 0.5e9)


def _in_order(parts: Iterable[float]) -> float:
    """`sum` adds floats more exactly in later Pythons."""
    return reduce(operator.add, parts, 0.0)


def test_an_order_is_asked_for_once() -> None:
    bench = started(plan(rest(5), rest(5))).run()
    assert sum(isinstance(event, OrderDue) for event in bench.events) == 2


def test_going_back_within_a_loop_uses_up_its_turns() -> None:
    back = until(compare("time", ">=", 3), outcome="goto", goto=1)
    loop = (LoopStart(times=3, end=3), rest(2, step_id="a"), charge(1.0, back, step_id="b"), LoopEnd(start=0))
    bench = started(plan(*loop, rest(2, step_id="c"))).run(1000)
    assert [result.step_id for result in bench.results] == ["a", "b", "a", "b", "a", "b", "c"]
    assert bench.over.end == "completed"


def test_a_run_that_is_stopped_ends_at_its_last_reading() -> None:
    bench = started(plan(charge(3.6, until(compare("time", ">=", 1000)))), counter=True)
    bench.run(105.5)
    bench.take(bench.machine.stop("all-off", "somebody asked"))
    bench.run()
    (result,) = bench.results
    assert result.duration_s == pytest.approx(105.0)  # the order was in force from the first reading on
    assert result.moved.charged_nas / 3.6e12 == pytest.approx(3.6 * 106 / 3600, rel=0.02)


@pytest.mark.parametrize(
    ("tests", "code"),
    [
        ((compare("time", ">", 5.0),), "TIMEOUT"),
        ((compare("voltage", ">", 3.0), compare("temperature", ">", 20.0)), "TEMPERATURE"),
        ((compare("voltage", ">", 3.0), compare("time", ">", 5.0)), "FORM_HIGH"),
        ((compare("voltage", ">", 3.0),), "FORM_HIGH"),
        ((compare("capacity", ">", 0.01),), "SELF_DISCHARGE"),
        ((compare("current", ">", 1.0),), None),
    ],
    ids=["time", "voltage and temperature", "voltage and time", "voltage", "capacity", "current"],
)
def test_a_fail_without_a_code_takes_that_of_its_condition(tests, code: str | None) -> None:  # type: ignore[no-untyped-def]
    bench = started(plan(charge(2.5, TO_TAPER, cv=True, fails=[until(*tests, outcome="fail")]))).run()
    assert (bench.over.end, bench.over.code) == ("failed", code)


def test_a_cell_too_hot_for_the_next_step_is_not_energised() -> None:
    bench = started(
        plan(discharge(1.0, until(compare("time", ">=", 50))), charge(1.0, until(compare("time", ">=", 50))))
    )
    bench.run(20)
    bench.temperature_degc = 46.0  # within the window of discharge, above that of charge
    bench.run()
    assert (bench.over.end, bench.over.code) == ("tripped", "TRIP_9")
    assert sum(isinstance(event, StepEntered) for event in bench.events) == 1


def test_a_pulse_without_a_reading_before_it_has_no_resistance() -> None:
    bench = started(plan(pulse(5.0, 3.0, (1.0,)))).run()
    assert bench.results[0].pulse == ()


def test_a_cell_above_the_target_of_a_charge_is_at_its_target() -> None:
    bench = started(plan(charge(1.0, TO_TAPER, cv=True, voltage_v=3.2)), soc=0.9).run()
    assert bench.results[0].stop_reason == "already-at-target"


def test_a_step_that_lacks_its_tag_asks_for_nothing_more() -> None:
    at_once = until(compare("voltage", ">", 0.0))
    lacking = charge(2.5, at_once, until(compare("capacity", ">=", 0.5, of_tag="cap")))
    bench = started(plan(lacking, charge(2.5, at_once))).run()
    assert bench.over.end == "held"
    assert sum(isinstance(event, OrderDue) for event in bench.events) == 1
