"""`set`, `stop` and the `until` of loops: what a recipe works out for itself, and where that leads."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machine_bench import Bench, machine_for, started
from recipe_bench import CHARGE, DISCHARGE, bench_of, plan_of

from cycler.control.machine_events import LoopLeft, VariablesSet

SOME = "discharge: {current: C/2, until: [capacity >= 0.01 Ah], fail: [voltage < 2.6 V, time > 1 h], tag: cap}"


def values(bench: Bench) -> list[dict[str, float]]:
    return [dict(event.values) for event in bench.events if isinstance(event, VariablesSet)]


def exits(bench: Bench) -> list[tuple[str, int, str]]:
    return [(event.loop, event.turns, event.text) for event in bench.events if isinstance(event, LoopLeft)]


def step_ids(bench: Bench) -> list[str]:
    return [result.step_id for result in bench.results]


def test_a_set_works_with_the_final_numbers_of_the_step_before_it() -> None:
    bench = bench_of(DISCHARGE, "set: {moved: cap, kept: cap / 100 mAh, mean: cap.energy / cap}", order_takes=7).run()
    discharge = bench.results[0]
    (found,) = values(bench)
    assert found["moved"] == pytest.approx(discharge.moved.discharged_nas / 3.6e12)
    assert found["kept"] == pytest.approx(found["moved"] / 0.1)
    assert found["mean"] == pytest.approx(discharge.moved.discharged_nws / discharge.moved.discharged_nas)
    assert bench.over.end == "completed"
    assert [result.step_type for result in bench.results] == ["discharge", "set"]
    assert bench.results[1].duration_s == 0.0


def test_what_was_set_is_told_with_its_units() -> None:
    bench = bench_of("set: {limit: 2 * (1.5 Ah + 0.5 Ah), odd: 2 V * 3 V, n: -3, rise: 1 V / 20 s, part: 25 %}").run()
    (event,) = [event for event in bench.events if isinstance(event, VariablesSet)]
    assert event.values == {"limit": 4.0, "odd": 6.0, "n": -3.0, "rise": 0.05, "part": 0.25}
    assert event.text == "limit = 4 Ah, odd = 6 V^2, n = -3, rise = 3 V/min, part = 0.25"


def test_every_field_of_a_tagged_step_can_be_used() -> None:
    bench = bench_of(
        CHARGE.replace("{", "{tag: up, "),
        "rest: {time: 2 min, tag: calm}",
        "dcir: {current: 1C, time: 10 s, tag: pulse}",
        "set: {q: up.capacity, e: up.energy, v: up.end_voltage, i: up.end_current, t: up.duration,"
        " hot: up.temperature_max, o: calm.ocv, r: pulse.dcir}",
        soc=0.2,
    ).run()
    up, calm, pulse = bench.results[:3]
    assert values(bench) == [
        {
            "q": pytest.approx(up.moved.charged_nas / 3.6e12),
            "e": pytest.approx(up.moved.charged_nws / 3.6e12),
            "v": up.end_voltage_v,
            "i": up.end_current_a,
            "t": up.duration_s,
            "hot": 25.0,
            "o": calm.end_voltage_v,
            "r": pytest.approx(pulse.pulse[-1].resistance_ohm),
        }
    ]


def test_conditions_take_variables_and_the_set_itself_may_lead_on() -> None:
    steps = (
        DISCHARGE,
        "set: {id: judge, kept: cap / 100 mAh, until: [kept >= 40 % -> goto fine], fail: [kept < 10 % -> fail SHORT]}",
        "stop: {id: poor, verdict: retest, code: LOW_CAPACITY}",
        "rest: {id: fine, time: 1 min, until: [kept >= 0.4 and time >= 5 s]}",
    )
    assert step_ids(bench_of(*steps, soc=0.9).run()) == ["1", "judge", "fine"]
    short = bench_of(*steps, soc=0.25).run()
    assert (short.over.end, short.over.code, short.over.verdict) == ("failed", "SHORT", None)
    poor = bench_of(*steps, soc=0.5).run()
    assert step_ids(poor) == ["1", "judge", "poor"]
    assert (poor.over.end, poor.over.code, poor.over.verdict) == ("failed", "LOW_CAPACITY", "retest")
    assert {result.stop_reason for result in poor.results} == {"voltage", "completed"}


def test_a_stop_without_a_verdict_ends_the_recipe_normally() -> None:
    bench = bench_of(
        "rest: {time: 5 s, until: [voltage > 4.15 V -> goto full]}", "stop: {}", "rest: {id: full, time: 1 h}"
    ).run()
    assert (bench.over.end, bench.over.code, bench.over.verdict) == ("completed", None, None)
    assert len(bench.results) == 2


@pytest.mark.parametrize(
    ("steps", "soc", "says"),
    [
        ([SOME, "set: {z: cap - cap, x: 1 / z}"], 0.5, "x = 1 / z: it divides by 0"),
        ([SOME, "set: {x: cap * 1e300 * 1e300}"], 0.5, "x = cap * 1E+300 * 1E+300: it is too large"),
        (
            ["rest: {time: 5 s, until: [time > 2 s -> goto over]}", SOME, "set: {id: over, x: cap}"],
            0.5,
            "x = cap: cap has no valid capacity",
        ),
        (
            ["rest: {time: 5 s, until: [time > 2 s -> goto over]}", "set: {y: 1}", "set: {id: over, x: y}"],
            0.5,
            "x = y: y has not been set",
        ),
        (
            [
                "rest: {time: 5 s, until: [time > 2 s -> goto over]}",
                "set: {y: 1}",
                "rest: {id: over, time: 1 h, until: [y > 0]}",
            ],
            0.5,
            "a condition refers to a tagged step that has no valid result, or to a variable that was not set",
        ),
    ],
)
def test_what_has_no_value_holds_the_cell_and_never_counts_as_0(steps: list[str], soc: float, says: str) -> None:
    bench = bench_of(*steps, soc=soc).run()
    assert (bench.over.end, bench.over.text) == ("held", says)
    assert bench.results[-1].stop_reason == "hold"


def test_a_loop_is_left_when_its_measured_condition_says_so() -> None:
    bench = bench_of(
        "set: {n: 0}",
        f"loop: {{id: cycles, times: 50, until: [n >= 3], steps: [{CHARGE}, {DISCHARGE}, set: {{n: n + 1}}]}}",
        "rest: {time: 5 s}",
    ).run()
    assert bench.over.end == "completed"
    assert [result.step_type for result in bench.results] == ["set", *3 * ["charge", "discharge", "set"], "rest"]
    assert exits(bench) == [("cycles", 3, "n >= 3 -> next")]


def test_a_loop_ends_by_its_turns_where_its_condition_never_comes() -> None:
    bench = bench_of("set: {n: 0}", "loop: {times: 4, until: [n > 99], steps: [set: {n: n + 1}]}").run()
    assert values(bench)[-1] == {"n": 4.0}
    assert exits(bench) == []


@pytest.mark.parametrize(
    ("until", "end", "code", "steps"),
    [
        ("n >= 2 -> fail LOW_CAPACITY", "failed", "LOW_CAPACITY", 5),
        ("n >= 2 -> fail", "failed", None, 5),
        ("n >= 2 -> hold", "held", None, 5),
        ("n >= 2 -> end", "completed", None, 5),
        ("n >= 2", "completed", None, 6),
        ("n >= 2 -> hold, n >= 2 -> fail SHORT, n >= 2", "failed", "SHORT", 5),
        ("total_time >= 15 s", "completed", None, 6),
        ("time >= 25 s -> fail TIMEOUT", "failed", "TIMEOUT", 7),
    ],
)
def test_a_loops_condition_has_outcomes(until: str, end: str, code: str | None, steps: int) -> None:
    loop = f"loop: {{times: 9, until: [{until}], steps: [rest: {{time: 10 s}}, set: {{n: n + 1}}]}}"
    bench = bench_of("set: {n: 0}", loop, "rest: {time: 1 s}").run()
    assert (bench.over.end, bench.over.code) == (end, code)
    assert len(bench.results) == steps
    assert len(exits(bench)) == 1


def test_the_time_of_a_loop_begins_with_its_first_turn() -> None:
    bench = bench_of(
        "rest: {time: 100 s}", "loop: {id: a, times: 9, until: [time >= 25 s], steps: [rest: {time: 10 s}]}"
    ).run()
    assert exits(bench) == [("a", 3, "time >= 25 s -> next")]


def test_an_inner_loop_is_left_alone_and_begins_anew_with_the_next_turn() -> None:
    inner = "loop: {id: inner, times: 9, until: [n >= 2], steps: [set: {n: n + 1}]}"
    bench = bench_of("set: {n: 0}", f"loop: {{times: 3, steps: [set: {{n: 0}}, {inner}]}}").run()
    assert exits(bench) == 3 * [("inner", 2, "n >= 2 -> next")]
    assert bench.over.end == "completed"


def test_both_loops_whose_turn_ends_are_asked_the_inner_one_first() -> None:
    inner = "loop: {id: inner, times: 2, until: [n >= 2], steps: [set: {n: n + 1}]}"
    bench = bench_of("set: {n: 0}", f"loop: {{id: outer, times: 9, until: [n >= 2], steps: [{inner}]}}").run()
    assert exits(bench) == [("inner", 2, "n >= 2 -> next"), ("outer", 1, "n >= 2 -> next")]


def test_a_goto_back_begins_the_next_turn_without_asking_the_loop() -> None:
    again = "rest: {time: 5 s, until: [time > 2 s -> goto top]}"
    loop = f"loop: {{id: a, times: 3, until: [n >= 1], steps: [set: {{id: top, n: n + 1}}, {again}]}}"
    bench = bench_of("set: {n: 0}", loop).run()
    assert values(bench)[-1] == {"n": 3.0}
    assert exits(bench) == []


def test_a_loop_of_65535_turns_with_a_condition_costs_no_memory() -> None:
    bench = bench_of("set: {n: 0}", "loop: {times: 65535, until: [n < 0], steps: [set: {n: n + 1}]}")
    bench.run(250)
    before = len(bench.machine.save())
    bench.run(250)
    assert len(bench.machine.save()) <= before + 16


EVERYTHING = (
    "set: {n: 0, goal: 80 mAh}",
    "loop: {id: cycles, times: 9, until: [n >= 3, last < 5 mAh -> fail LOW_CAPACITY], steps:"
    f" [{CHARGE}, rest: {{time: 20 s}}, {DISCHARGE}, set: {{n: n + 1, last: cap}}, rest: {{time: 12 s}}]}}",
    "set: {missing: goal - last, until: [missing > 0 Ah -> goto fine]}",
    "rest: {time: 1 h}",
    "stop: {id: fine, verdict: quarantine, code: HIGH_K}",
)


@settings(max_examples=20)
@given(cut=st.integers(0, 420), order_takes=st.integers(1, 3))
def test_saved_and_restored_at_any_reading_variables_and_loops_go_on_as_they_were(cut: int, order_takes: int) -> None:
    plan = plan_of(*EVERYTHING)
    whole = started(plan, capacity_ah=0.1, order_takes=order_takes).run()
    broken = started(plan, capacity_ah=0.1, order_takes=order_takes)
    broken.run(cut)
    saved = broken.machine.save()
    broken.machine = machine_for(plan)
    broken.machine.restore(saved)
    assert broken.machine.save() == saved
    broken.run()
    assert broken.events == whole.events
    assert whole.over.verdict == "quarantine"
    assert exits(whole) == [("cycles", 3, "n >= 3 -> next")]


def test_the_plan_of_that_test_is_long_enough_for_its_cuts() -> None:
    assert started(plan_of(*EVERYTHING), capacity_ah=0.1).run().readings > 380


def test_a_step_tagged_like_another_leaves_only_what_it_has_itself() -> None:
    rest = "rest: {time: 5 s, tag: cap}"
    bench = bench_of(DISCHARGE, rest, "set: {v: cap.end_voltage, x: cap}").run()
    assert bench.over.text == "x = cap: cap has no valid capacity"
