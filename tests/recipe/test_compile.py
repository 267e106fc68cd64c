"""From a loaded recipe to a plan: numbers of the cell type, clamps between end and trip, loops without memory."""

from dataclasses import replace
from math import isnan

import pytest
from recipe_texts import BOUNDS, CHANNEL, CHARGE, DISCHARGE, HEAD, NOWHERE, load, problems

from cycler.contract.capabilities import ChannelRange
from cycler.recipe.bounds import end_voltage_v
from cycler.recipe.cell_type_file import read_cell_type
from cycler.recipe.compile import check, compile_plan, load_recipe_text
from cycler.recipe.lookup import LIBRARY
from cycler.recipe.plan import LoopEnd, LoopStart, Plan, PlanStep
from cycler.recipe.problems import InvalidFile
from cycler.recipe.read import STEPS_MAX
from cycler.recipe.yaml_nodes import load_bytes


def plan(*steps: str, channel: ChannelRange = CHANNEL) -> Plan:
    loaded = load(*steps)
    return compile_plan(loaded.recipe, loaded.cell_type, channel)


def only_step(*steps: str) -> PlanStep:
    (step,) = plan(*steps).program
    assert isinstance(step, PlanStep)
    return step


def test_a_cc_cv_holds_its_target() -> None:
    step = only_step(CHARGE)
    (phase,) = step.variants[0].phases
    assert (phase.direction, phase.current_a, phase.voltage_v, phase.holds_voltage) == ("charge", 2.5, 4.2, True)
    assert phase.duration_s is None
    assert step.time_s_max == 3 * 3600


def test_a_cc_is_clamped_halfway_between_its_end_and_the_trip() -> None:
    (variant,) = only_step(DISCHARGE).variants
    assert end_voltage_v(variant, "discharge") == 2.8
    assert variant.phases[0].voltage_v == pytest.approx((2.8 + 2.45) / 2)
    assert not variant.phases[0].holds_voltage


def test_the_clamp_belongs_to_the_first_bound_on_the_way() -> None:
    (variant,) = only_step(
        "charge: {current: C/2, until: [capacity >= 25 %, voltage > 4.1 V], fail: [voltage > 4.15 V, time > 1 h]}"
    ).variants
    assert variant.phases[0].voltage_v == pytest.approx((4.1 + 4.25) / 2)


def test_cv_cp_and_cr_are_limited_by_the_envelope() -> None:
    cv = f"charge: {{voltage: 4.2 V, until: [current <= C/20], fail: [{BOUNDS}]}}"
    cp = f"discharge: {{power: 10 W, until: [voltage <= 2.8 V], fail: [{BOUNDS}]}}"
    cr = f"discharge: {{resistance: 1 Ohm, until: [voltage <= 2.8 V], fail: [{BOUNDS}]}}"
    steps = [step for step in plan(cv, cp, cr).program if isinstance(step, PlanStep)]
    phases = [step.variants[0].phases[0] for step in steps]
    assert [phase.current_a for phase in phases] == [5.0, 10.0, 10.0]
    assert [phase.power_w for phase in phases] == [None, 10.0, None]
    assert [phase.resistance_ohm for phase in phases] == [None, None, 1.0]


def test_conditions_become_numbers_of_the_cell_type() -> None:
    step = only_step(
        "discharge: {current: C/2, window: 2 min,"
        " until: [voltage <= 2.8 V, current > 1 A and power < 0.09 W for 3 s -> end],"
        " fail: [capacity > 115 %, energy > 50 %, time > 3 h, dv_dt < -60 mV/min -> hold, voltage < 3 V at 20 min]}"
    )
    until, fail = step.variants[0].until, step.variants[0].fail
    assert [test.value for condition in (*until, *fail) for test in condition.tests] == pytest.approx(
        [2.8, 1.0, 0.09, 5.75, 9.1, 10800.0, -0.001, 3.0]
    )


def test_electrical_conditions_take_two_samples_unless_for_says_otherwise() -> None:
    step = only_step(
        f"discharge: {{current: C/2, until: [voltage <= 2.8 V, voltage <= 2.7 V for 2 s], fail: [{BOUNDS}]}}"
    )
    (variant,) = step.variants
    assert [(each.samples, each.for_s) for each in (*variant.until, *variant.fail)] == [(2, 0), (1, 2), (1, 0), (1, 0)]


def test_outcomes_default_by_their_list_and_goto_is_an_index() -> None:
    program = plan(
        "rest: {time: 1 min, until: [voltage < 3 V, voltage < 2.9 V -> goto b], fail: [voltage < 2.6 V]}",
        "loop: {id: b, times: 2, steps: [loop: {times: 2, steps: [rest: {time: 1 s}]}]}",
    ).program
    (first, *_) = program
    assert isinstance(first, PlanStep)
    (variant,) = first.variants
    assert [(each.outcome.kind, each.outcome.goto) for each in (*variant.until, *variant.fail)] == [
        ("next", None), ("goto", 3), ("fail", None)
    ]  # fmt: skip
    assert isinstance(program[3], PlanStep)


def test_a_tag_stays_a_share_until_it_has_been_measured() -> None:
    program = plan(
        DISCHARGE.replace("{", "{tag: cap, "),
        f"charge: {{current: C/2, until: [capacity >= 50 % of cap, voltage > 4.1 V], fail: [{BOUNDS}]}}",
    ).program
    step = program[1]
    assert isinstance(step, PlanStep)
    (test,) = step.variants[0].until[0].tests
    assert (test.value, test.of_tag) == (0.5, "cap")


def test_a_pulse_is_rest_base_and_pulse_without_a_gap() -> None:
    step = only_step("dcir: {rest: 30 min, base: C/5, base_time: 10 s, current: 1C, time: 1 s}")
    assert [(phase.direction, phase.current_a, phase.duration_s) for phase in step.variants[0].phases] == [
        ("rest", 0.0, 1800.0), ("discharge", 1.0, 10.0), ("discharge", 5.0, 1.0)
    ]  # fmt: skip
    assert step.pulse is not None and step.pulse.values_s == (0.1, 1.0)
    assert step.time_s_max == 1811.0
    assert [each.text for each in step.variants[0].fail] == ["voltage <= 2.5 V -> fail"]


def test_a_bare_pulse_takes_its_values_from_the_cell_type() -> None:
    step = only_step("dcir: {}")
    (phase,) = step.variants[0].phases
    assert (phase.direction, phase.current_a, phase.duration_s) == ("discharge", 5.0, 10.0)
    assert step.pulse is not None and step.pulse.values_s == (0.1, 1.0, 10.0)


def test_a_rest_ends_by_its_time_or_by_a_condition() -> None:
    timed = only_step("rest: {time: 30 min}")
    assert timed.variants[0].phases[0].duration_s == timed.time_s_max == 1800.0
    assert isnan(timed.variants[0].phases[0].voltage_v)
    ended = only_step("rest: {until: [temperature < 30 degC, time > 1 h]}")
    assert ended.variants[0].phases[0].duration_s is None
    assert ended.time_s_max == 3600.0


def test_lists_become_a_variant_for_each_turn_of_the_innermost_loop() -> None:
    program = plan(f"loop: {{times: 2, steps: [{CHARGE.replace('C/2,', '[C/2, C/5],')}, rest: {{time: 1 s}}]}}").program
    charge, rest = program[1], program[2]
    assert isinstance(charge, PlanStep) and isinstance(rest, PlanStep)
    assert [variant.phases[0].current_a for variant in charge.variants] == [2.5, 1.0]
    assert len(rest.variants) == 1


def test_a_loop_costs_no_memory_for_its_turns() -> None:
    inner = "loop: {times: 65535, steps: [rest: {time: 1 s}]}"
    program = plan(f"loop: {{times: 65535, steps: [{inner}]}}").program
    assert program[0] == LoopStart(times=65535, end=4, step_id="1")
    assert program[1] == LoopStart(times=65535, end=3, step_id="1.1")
    assert program[3:] == (LoopEnd(start=1), LoopEnd(start=0))


def test_limits_of_a_step_narrow_its_envelope_and_its_clamp() -> None:
    step = only_step(
        DISCHARGE.replace("{", "{limits: {voltage: [2.7 V, 4 V], capacity: 120 %, discharge_current: 0.5C}, ")
    )
    assert (step.envelope.voltage_v_min, step.envelope.voltage_v_max) == (2.7, 4.0)
    assert (step.envelope.capacity_ah, step.envelope.discharge_current_a) == (6.0, 2.5)
    assert step.variants[0].phases[0].voltage_v == pytest.approx((2.8 + 2.65) / 2)


def test_record_follows_the_rated_capacity_and_a_step_replaces_it() -> None:
    program = plan("rest: {time: 1 s}", "rest: {time: 1 s, record: {every: 1 s}}").program
    rules = [step.record for step in program if isinstance(step, PlanStep)]
    assert (rules[0].every_s, rules[0].voltage_v, rules[0].current_a, rules[0].temperature_k) == (10, 0.005, 0.02, 0.5)
    assert (rules[1].every_s, rules[1].voltage_v) == (1, None)


def test_a_plan_knows_what_it_was_made_from() -> None:
    made = plan("rest: {id: wait, time: 1 s}")
    assert (made.recipe, made.version, made.from_states) == ("test", "1.0.0", ("formed", "aged", "graded"))
    assert len(made.recipe_hash) == 64
    (step,) = made.program
    assert isinstance(step, PlanStep)
    assert (step.step_id, step.path, step.line) == ("wait", "1", 5)


def test_what_does_not_fit_the_channel_does_not_compile() -> None:
    loaded = load("charge: {current: 50 mA, voltage: 4.2 V, until: [capacity >= 1 %], fail: [time > 3 h]}")
    with pytest.raises(InvalidFile, match="step 1 asks for 50 mA"):
        compile_plan(loaded.recipe, loaded.cell_type, CHANNEL)


def test_another_cell_type_is_refused() -> None:
    loaded = load("rest: {time: 1 s}")
    text = (
        (LIBRARY / "cell-types" / "nmc811-21700.yaml")
        .read_text()
        .replace("cell_type: nmc811-21700", "cell_type: other")
    )
    other = read_cell_type(load_bytes(text.encode(), "other.yaml"), "other.yaml")
    with pytest.raises(InvalidFile, match="the recipe is for nmc811-21700, not for other"):
        load_recipe_text(HEAD + "steps: [rest: {time: 1 s}]\n", file="f", beside=NOWHERE, cell_type=other)
    (problem,) = check(loaded.recipe, other, CHANNEL)
    assert problem.code == "cell-type"


def test_a_channel_that_holds_no_resistance_refuses_cr() -> None:
    cr = f"discharge: {{resistance: 1 Ohm, until: [voltage <= 2.8 V], fail: [{BOUNDS}]}}"
    with pytest.raises(InvalidFile, match="which the channel cannot hold"):
        plan(cr, channel=replace(CHANNEL, resistance_ohm_min=0.0, resistance_ohm_max=0.0))


def test_a_recipe_may_have_ten_thousand_steps_and_no_more() -> None:
    cycle = [
        CHARGE,
        "rest: {time: 10 min}",
        DISCHARGE.replace("{", "{tag: cap, "),
        "set: {kept: cap / 5 Ah, fail: [kept < 20 % -> goto out]}",
    ]
    steps = [cycle[number % 4] for number in range(STEPS_MAX - 1)]
    assert len(load(*steps, "rest: {id: out, time: 1 s}").recipe.steps) == STEPS_MAX
    (problem,) = problems(*(STEPS_MAX + 5) * ["rest: {time: 1 s}"])
    assert (problem.step, problem.line, problem.code) == ("10001", 4 + 10001, "too-many-steps")
