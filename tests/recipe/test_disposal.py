"""Recipes that leave their cells recycled: held to the disposal envelope, and never charged again."""

from dataclasses import replace

from recipe_texts import CHANNEL, CHARGE, HEAD, load, problems

from cycler.recipe.compile import check, compile_plan
from cycler.recipe.describe import describe
from cycler.recipe.difference import difference
from cycler.recipe.plan import PlanStep

RECYCLED = HEAD + "to_state: recycled\n"
EMPTY = "discharge: {id: empty, current: C/5, until: [voltage <= 0.3 V], fail: [capacity > 115 %, time > 8 h]}"


def test_only_a_recipe_that_leaves_its_cells_recycled_goes_below_their_voltages() -> None:
    assert problems(EMPTY, head=RECYCLED) == []
    assert {problem.code for problem in problems(EMPTY)} == {"envelope"}


def test_the_disposal_envelope_begins_with_the_first_current_so_that_contacts_can_be_checked() -> None:
    loaded = load("contact: {}", EMPTY, "rest: {time: 1 h}", head=RECYCLED)
    steps = [
        step for step in compile_plan(loaded.recipe, loaded.cell_type, CHANNEL).program if isinstance(step, PlanStep)
    ]
    assert [step.ledger_phase for step in steps] == ["formed", "disposal", "disposal"]
    assert steps[1].envelope == loaded.cell_type.envelopes["disposal"]
    assert "from its first current on 0.05 to 4.2 V, trips at 0 and 4.25 V" in "\n".join(
        describe(loaded.recipe, loaded.cell_type)
    )


def test_its_lower_bound_holds_also_for_cells_that_were_only_precharged() -> None:
    loaded = load(EMPTY, head=RECYCLED + "from_state: precharged\n")
    (step,) = compile_plan(loaded.recipe, loaded.cell_type, CHANNEL).program
    assert isinstance(step, PlanStep)
    assert step.lower_bound is None


def test_such_a_recipe_charges_nothing() -> None:
    (problem,) = problems(CHARGE, head=RECYCLED)
    assert "takes 0 A in charge" in problem.message
    (late,) = problems(EMPTY, "rest: {time: 10 min}", "contact: {id: late}", head=RECYCLED)
    assert late.step == "late"
    assert "takes 0 A in charge" in late.message


def test_a_filled_cell_is_not_discharged_for_its_disposal() -> None:
    assert any("takes 0 A in discharge" in p.message for p in problems(EMPTY, head=RECYCLED + "from_state: filled\n"))


def test_a_cell_type_without_such_an_envelope_is_refused() -> None:
    loaded = load(EMPTY, head=RECYCLED)
    envelopes = {phase: envelope for phase, envelope in loaded.cell_type.envelopes.items() if phase != "disposal"}
    (problem,) = check(loaded.recipe, replace(loaded.cell_type, envelopes=envelopes), None)
    assert problem.code == "to-state"
    assert problem.message == (
        "the recipe leaves its cells recycled, but nmc811-21700 has no envelope for their disposal"
    )


def test_a_difference_names_it_among_what_is_riskier() -> None:
    gentle = "discharge: {id: empty, current: C/5, until: [voltage <= 3 V], fail: [capacity > 115 %, time > 8 h]}"
    (change,) = difference(load(gentle), load(gentle, head=RECYCLED)).changes
    assert (change.key, change.safety) == ("to_state", True)
