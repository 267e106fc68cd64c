"""Soak, contact and chamber, and recipes that take a cell through its first charge."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recipe_texts import BOUNDS, CHANNEL, CHARGE, DISCHARGE, HEAD, NOWHERE, load, problems

from cycler.recipe.canonical import canonical_text
from cycler.recipe.cell_type_file import read_cell_type
from cycler.recipe.compile import check, compile_plan, load_recipe_text
from cycler.recipe.contact_phases import MICRO_CHARGE_RATIO_MAX
from cycler.recipe.describe import describe, worst_case_s
from cycler.recipe.expectation import expected_time_s
from cycler.recipe.lookup import LIBRARY
from cycler.recipe.plan import ContactGroup, Plan, PlanPhase, PlanStep, one_order
from cycler.recipe.yaml_nodes import load_bytes

FILLED = HEAD + "from_state: filled\n"
SOAK = "soak: {chamber: 25 degC, cells_within: 2 degC, hold: 10 min, timeout: 3 h}"
PRECHARGE = (
    "charge: {id: precharge, current: C/50, until: [capacity >= 2 %],"
    " fail: [voltage < 2.4 V at 20 min -> fail SHORT, voltage > 3.6 V, time > 2 h]}"
)


def plan(*steps: str, head: str = FILLED, group: ContactGroup = 0) -> Plan:
    loaded = load(*steps, head=head)
    return compile_plan(loaded.recipe, loaded.cell_type, CHANNEL, group)


def steps_of(made: Plan) -> list[PlanStep]:
    return [step for step in made.program if isinstance(step, PlanStep)]


def phases_of(step: PlanStep) -> tuple[PlanPhase, ...]:
    return step.variants[0].phases


# Soak and chamber.


def test_a_soak_is_an_open_relay_that_the_bay_ends() -> None:
    (step,) = steps_of(plan(SOAK, head=HEAD))
    assert step.chamber is not None and step.chamber.target_degc == 25
    assert step.soak is not None
    assert (step.soak.within_k, step.soak.hold_s, step.soak.timeout_s) == (2, 600, 10_800)
    (phase,) = phases_of(step)
    assert (phase.direction, phase.duration_s, phase.held) == ("rest", None, True)
    assert step.time_s_max == 10_800


def test_a_soak_has_defaults_that_are_written_out() -> None:
    assert "soak: {chamber: 25 degC, cells_within: 2 degC, hold: 20 min, timeout: 3 h}" in canonical_text(
        load("soak: {chamber: 25 degC}").recipe
    )


def test_a_chamber_step_rests_for_its_wait_from_when_the_bay_has_its_chamber() -> None:
    waiting, passing = steps_of(
        plan("chamber: {target: 40 degC, rate: 2 K/min, wait: 20 min}", "chamber: {target: 25 degC}", head=HEAD)
    )
    assert waiting.chamber is not None and waiting.chamber.rate_k_per_min == pytest.approx(2)
    assert [(phase.held, phase.duration_s) for phase in phases_of(waiting)] == [(True, None), (False, 1200)]
    assert waiting.time_s_max == 1200
    assert passing.chamber is not None and passing.chamber.rate_k_per_min is None
    assert [(phase.held, phase.duration_s) for phase in phases_of(passing)] == [(True, None)]
    assert passing.time_s_max == 0


@pytest.mark.parametrize(
    ("step", "code", "says"),
    [
        ("soak: {}", "missing-key", "`soak` needs `chamber`"),
        ("soak: {chamber: 25}", "no-unit", "25 has no unit"),
        ("soak: {chamber: 25 C}", "unit", "write 25 degC"),
        ("soak: {chamber: [25 degC, 45 degC]}", "type", "a list stands where one value is due"),
        ("soak: {chamber: 25 degC, cells_within: 0 degC}", "not-positive", "cells_within: 0 degC is not above 0"),
        ("soak: {chamber: 25 degC, hold: 3 h}", "timeout", "it would time out after 3 h, while it holds for 3 h"),
        ("soak: {chamber: 25 degC, within: 2 degC}", "unknown-key", "`within` is no key of `soak`"),
        ("soak: {chamber: 60 degC, cells_within: 0.1 degC}", "envelope", "sets the chamber to 60 degC and lets cells"),
        ("chamber: {target: 60.1 degC}", "envelope", "outside of -10 to 60 degC of nmc811-21700"),
        ("chamber: {target: 25 degC, rate: 0 K/min}", "not-positive", "rate: 0 K/s is not above 0"),
        ("chamber: {target: 25 degC, wait: 40 d}", "time", "may take 40 days: that is no limit"),
        ("soak: {chamber: 25 degC, timeout: 40 d}", "time", "may take 40 days: that is no limit"),
        ("contact: {ocv: [3.7 V, 3.0 V]}", "pair", "3.7 V is not below 3 V"),
        ("contact: {ocv: 3.0 V}", "pair", "two values are due"),
        ("contact: {ocv: [2.4 V, 3.0 V]}", "envelope", "expects 2.4 to 3 V, outside of 2.5 to 4.2 V"),
        ("contact: {continuity: 0 mV}", "not-positive", "0 V is not above 0"),
        ("contact: {until: [time > 1 min]}", "mode", "contact ends by its own verdict"),
        ("contact: {continuty: 30 mV}", "unknown-key", "did you mean continuity?"),
    ],
)
def test_what_cannot_be_is_refused(step: str, code: str, says: str) -> None:
    (problem,) = problems(step)
    assert problem.code == code
    assert says in f"{problem.message} ({problem.hint})"


@pytest.mark.parametrize("target_degc", [-10, 60])
def test_a_chamber_goes_to_the_edge_of_where_a_cell_may_rest(target_degc: float) -> None:
    assert problems(f"chamber: {{target: {target_degc} degC}}") == []


def test_a_cell_is_not_charged_where_the_chamber_is_too_warm_for_it() -> None:
    assert problems("chamber: {target: 45 degC}", CHARGE) == []
    (problem,) = problems("chamber: {target: 46 degC}", CHARGE)
    assert problem.code == "temperature"
    assert "step 2 would charge at the 46 degC that the chamber has been set to" in problem.message
    assert problems("chamber: {target: 46 degC}", DISCHARGE, "soak: {chamber: 25 degC}", CHARGE) == []


# Contact.


def test_the_groups_of_a_contact_check_take_turns() -> None:
    stages = {}
    for group in (0, 1):
        (step,) = steps_of(plan("contact: {}", group=group))  # type: ignore[arg-type]  # both are groups
        stages[group] = [phase.stage for phase in phases_of(step)]
        assert [phase.direction for phase in phases_of(step) if phase.stage != "charge"] == ["rest"] * 3
    assert stages == {0: ["passive", "charge", "decay", "idle"], 1: ["passive", "idle", "charge", "decay"]}


def test_each_stage_of_a_contact_check_is_held_until_the_bay_goes_on() -> None:
    (step,) = steps_of(plan("contact: {}"))
    phases = phases_of(step)
    assert [phase.held for phase in phases] == [True, False, True, True]
    orders = [one_order(phases, first, 8) for first in (0, 1, 3)]
    assert [[phase.stage for phase in order] for order in orders] == [["passive"], ["charge", "decay"], ["idle"]]
    assert one_order(phases, 1, 1) == phases[1:2]


def test_a_micro_charge_is_small_whatever_the_cell() -> None:
    (step,) = steps_of(plan("contact: {}"))
    (charge,) = [phase for phase in phases_of(step) if phase.direction == "charge"]
    assert charge.current_a == pytest.approx(5.0 / 50)
    assert charge.duration_s is not None
    assert charge.current_a * charge.duration_s / 3600 <= MICRO_CHARGE_RATIO_MAX * 5.0
    assert step.envelope.capacity_ah == pytest.approx(2 * 0.0002 * 5.0)
    assert step.envelope.discharge_current_a == 0


@given(rest_v=st.floats(-0.05, 4.3))
def test_a_micro_charge_is_clamped_half_a_volt_above_rest_and_within_the_envelope(rest_v: float) -> None:
    charge = PlanPhase(direction="charge", voltage_v=4.2, above_rest_v=0.5)
    assert charge.clamp_v(rest_v) == min(rest_v + 0.5, 4.2)
    assert replace(charge, above_rest_v=None).clamp_v(rest_v) == 4.2


def test_a_channel_too_coarse_for_the_micro_charge_is_refused() -> None:
    loaded = load("contact: {}")
    assert check(loaded.recipe, loaded.cell_type, replace(CHANNEL, current_accuracy_a=0.0333)) == []
    (problem,) = check(loaded.recipe, loaded.cell_type, replace(CHANNEL, current_accuracy_a=0.0334))
    assert (problem.code, problem.step) == ("accuracy", "1")
    assert "asks for 100 mA: less than 3 times the channel's accuracy" in problem.message


def test_a_contact_check_keeps_what_the_recipe_expects() -> None:
    (step,) = steps_of(plan("contact: {ocv: [3.0 V, 3.7 V], continuity: 30 mV}", head=HEAD + "from_state: aged\n"))
    assert step.contact is not None
    assert (step.contact.ocv_v, step.contact.continuity_v) == ((3.0, 3.7), 0.03)


def test_nothing_leads_past_a_contact_check() -> None:
    jump = "rest: {time: 1 min, until: [voltage > 3 V -> goto go]}"
    (problem,) = problems(jump, "contact: {}", "rest: {id: go, time: 1 s}")
    assert problem.code == "goto"
    assert "leads past a contact check" in problem.message
    assert problems(jump.replace("go]", "look]"), "contact: {id: look}", "rest: {time: 1 s}") == []


def test_nothing_leads_past_the_first_charge_of_filled_cells() -> None:
    jump = "rest: {time: 1 min, until: [voltage > 3 V -> goto go]}"
    (problem,) = problems(jump, PRECHARGE, "rest: {id: go, time: 1 s}", head=FILLED)
    assert problem.code == "goto"
    assert "leads past the first charge of filled cells" in problem.message
    assert problems(jump, CHARGE, "rest: {id: go, time: 1 s}", head=HEAD) == []


# The first charge.


def test_a_cell_is_filled_through_its_first_charge_and_formed_after_it() -> None:
    made = plan(SOAK, "contact: {}", PRECHARGE, "rest: {time: 1 min}", CHARGE, DISCHARGE)
    steps = steps_of(made)
    assert [step.ledger_phase for step in steps] == ["filled"] * 3 + ["formed"] * 3
    assert [step.contact_proven for step in steps] == [False, False, True, True, True, True]
    assert [step.envelope.voltage_v_min for step in steps] == [-0.05] * 3 + [2.5] * 3
    bounds = [step.lower_bound for step in steps]
    assert all(bound is not None and (bound.before_v, bound.armed_v) == (-0.05, 2.5) for bound in bounds)


def test_the_lower_bound_arms_by_its_guard_but_not_before_the_cell_is_formed() -> None:
    latch = plan(PRECHARGE).latch
    assert latch is not None and (latch.formed_v, latch.arms_v) == (2.5, pytest.approx(2.55))
    text = (LIBRARY / "cell-types" / "nmc811-21700.yaml").read_text()
    low = read_cell_type(load_bytes(text.replace("[2.5 V, 4.2 V]", "[2.0 V, 4.2 V]").encode(), "low"), "low")
    loaded = load_recipe_text(FILLED + f"steps: [{PRECHARGE}]\n", file="f", beside=NOWHERE, cell_type=low)
    low_latch = compile_plan(loaded.recipe, low, CHANNEL).latch
    assert low_latch is not None and low_latch.arms_v == 2.5


def test_limits_of_a_step_narrow_both_bounds_of_its_own_phase() -> None:
    first = PRECHARGE.replace("{id", "{limits: {voltage: [50 mV, 4 V]}, id")
    steps = steps_of(plan(first, DISCHARGE.replace("{", "{limits: {voltage: [2.7 V, 4 V]}, ")))
    bounds = [(step.lower_bound.before_v, step.lower_bound.armed_v) for step in steps if step.lower_bound is not None]
    assert bounds == [(0.05, 2.5), (-0.05, 2.7)]


def test_formed_cells_have_no_latch() -> None:
    made = plan("contact: {}", DISCHARGE, head=HEAD)
    assert made.latch is None
    assert [step.lower_bound for step in steps_of(made)] == [None, None]
    assert [step.contact_proven for step in steps_of(made)] == [False, True]


def test_a_contact_check_after_a_current_comes_too_late_to_prove_the_start() -> None:
    made = plan(DISCHARGE, "rest: {time: 10 min}", "contact: {}", head=HEAD)
    assert [step.contact_proven for step in steps_of(made)] == [True, True, True]


TEN_MINUTES = "rest: {time: 10 min}"
JUMPING = CHARGE.replace("C/20]", "C/20 -> goto look]")


@pytest.mark.parametrize(
    "steps",
    [
        ("contact: {}", CHARGE),
        ("rest: {time: 1 s}", "contact: {}", "contact: {}", CHARGE),
        (CHARGE, TEN_MINUTES, "contact: {}", CHARGE),
        (CHARGE, "soak: {chamber: 25 degC, hold: 20 min, timeout: 3 h}", "contact: {}"),
        (CHARGE, "rest: {until: [time >= 10 min]}", "contact: {}"),
        (f"loop: {{times: 2, steps: [{TEN_MINUTES}, contact: {{}}, {CHARGE}]}}",),
        (JUMPING, "rest: {id: look, time: 10 min}", "contact: {}"),
    ],
)
def test_a_contact_check_may_come_first_and_after_a_long_rest(steps: tuple[str, ...]) -> None:
    assert problems(*steps, head=HEAD) == []


@pytest.mark.parametrize(
    "steps",
    [
        (CHARGE, "contact: {id: look}"),
        (CHARGE, "rest: {time: 9 min}", "contact: {id: look}"),
        (CHARGE, "rest: {time: 20 min, until: [temperature < 30 degC]}", "contact: {id: look}"),
        (CHARGE, "chamber: {target: 25 degC}", "contact: {id: look}"),
        (f"loop: {{times: 2, steps: [contact: {{id: look}}, {CHARGE}]}}",),
        (f"loop: {{times: 2, steps: [{TEN_MINUTES}, {CHARGE}, contact: {{id: look}}]}}",),
        (JUMPING, TEN_MINUTES, "contact: {id: look}"),
    ],
)
def test_a_contact_check_that_would_meet_relaxing_cells_is_refused(steps: tuple[str, ...]) -> None:
    (problem,) = problems(*steps, head=HEAD)
    assert problem.code == "contact-place"
    assert problem.step == "look"
    assert "step look would check contacts while cells still relax" in problem.message


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (DISCHARGE, "takes 0 A in discharge"),
        (CHARGE, "asks for 2.5 A, but nmc811-21700 takes 1 A in charge"),
        ("dcir: {}", "takes 0 A in discharge"),
        ("soak: {chamber: 12 degC}", "outside of 15 to 45 degC"),
    ],
)
def test_a_filled_cell_is_only_charged_and_gently(step: str, says: str) -> None:
    assert any(says in problem.message for problem in problems(step, head=FILLED))
    assert problems(PRECHARGE, step, head=FILLED) == []


def test_a_cell_type_without_a_filled_envelope_has_no_recipe_for_filled_cells() -> None:
    loaded = load(PRECHARGE, head=FILLED)
    formed = {phase: each for phase, each in loaded.cell_type.envelopes.items() if phase != "filled"}
    (problem,) = check(loaded.recipe, replace(loaded.cell_type, envelopes=formed), CHANNEL)
    assert problem.code == "from-state"
    assert "nmc811-21700 has no envelope for them" in problem.message


def test_every_turn_of_a_loop_with_the_first_charge_is_held_to_the_filled_envelope() -> None:
    charge = f"charge: {{current: C/5, voltage: 4.2 V, until: [current <= C/20], fail: [{BOUNDS}]}}"
    steps = steps_of(plan(f"loop: {{times: 2, steps: [{charge}, {DISCHARGE}]}}"))
    assert [step.ledger_phase for step in steps] == ["filled", "formed"]


# In words and numbers.


def test_showing_it_says_what_will_happen() -> None:
    warmer = "chamber: {target: 40 degC, rate: 1 K/min}"
    loaded = load(SOAK, "contact: {ocv: [0 V, 1 V], continuity: 30 mV}", PRECHARGE, warmer, head=FILLED)
    text = "\n".join(describe(loaded.recipe, loaded.cell_type))
    for expected in (
        "envelope -0.05 to 4.2 V, trips at -0.1 and 4.25 V, at most 1 A in charge, 0 A in discharge, through the first",
        "then 2.5 to 4.2 V, trips at 2.45 and 4.25 V",
        "whose lower bound guards charges once the cell has had 2.55 V, and discharges always",
        "chamber to 25 degC\n",
        "within 2 K of it and of their middle for 10 min; holds when that takes 3 h",
        "relay open for 2 s at least",
        "charge with 100 mA (C/50 of 5 Ah) for 30 s; clamp 500 mV above rest, 4.2 V at most; trip 4.25 V",
        "expects 0 to 1 V",
        "expects the last known voltage within 30 mV",
        "fails when voltage < 2.4 V at 20 min -> fail SHORT",
        "chamber to 40 degC with 1 K/min",
    ):
        assert expected in text


def test_worst_case_and_expectation_know_the_steps_of_the_bay() -> None:
    loaded = load(SOAK, "contact: {}", "chamber: {target: 25 degC, wait: 5 min}")
    assert worst_case_s(loaded.recipe, loaded.cell_type) == 10_800 + 1800 + 300
    assert expected_time_s(compile_plan(loaded.recipe, loaded.cell_type, CHANNEL)) == 600 + 82 + 300


def test_the_groups_of_a_bay_run_the_same_recipe() -> None:
    first, second = plan("contact: {}", group=0), plan("contact: {}", group=1)
    assert first.recipe_hash == second.recipe_hash
    assert steps_of(first)[0].time_s_max == steps_of(second)[0].time_s_max


FORM_B = """recipe: nmc811-pouch-form-B
version: 1.0.0
cell_type: nmc811-pouch-5ah
from_state: precharged
to_state: formed
steps:
  - soak:    {chamber: 25 degC, cells_within: 2 degC, hold: 20 min, timeout: 3 h}
  - contact: {ocv: [3.0 V, 3.7 V], continuity: 30 mV}                            # the cell that left form A
  - charge:  {current: C/10, voltage: 4.2 V, until: [current <= C/20 for 10 s], fail: [capacity > 90 %, time > 14 h]}
"""


def test_the_second_half_of_a_first_charge_is_formed_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "b.yaml"
    path.write_text(FORM_B)
    loaded = load_recipe_text(FORM_B, file=str(path), beside=tmp_path)
    made = compile_plan(loaded.recipe, loaded.cell_type, CHANNEL)
    assert (made.from_states, made.to_state) == (("precharged",), "formed")
    assert made.latch is not None and made.latch.arms_v == pytest.approx(2.55)
    assert {step.ledger_phase for step in steps_of(made)} == {"formed"}
