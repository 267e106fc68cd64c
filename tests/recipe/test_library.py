"""What ships is what the demonstration runs: checked against its instrument, shown in words, known to the schema."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import library_table
import pytest
from recipe_texts import CHANNEL, CHARGE, load, problems

from cycler.recipe.compile import check, compile_plan, load_recipe
from cycler.recipe.contradictions import contradictions
from cycler.recipe.describe import describe, worst_case_s
from cycler.recipe.lookup import LIBRARY
from cycler.recipe.lower import lowering_of, program
from cycler.recipe.plan import PlanStep
from cycler.recipe.schema import recipe_schema
from cycler.recipe.steps.form import COMMON_KEYS
from cycler.recipe.steps.table import STEP_KINDS

RECIPES = sorted(LIBRARY.glob("*.yaml"))
CHANNEL_ACCURACY = 0.001  # of full scale


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_that_ships_runs_on_a_channel_of_its_size(path: Path) -> None:
    loaded = load_recipe(path)
    assert loaded.recipe.recipe == path.stem
    most_a = 3 * loaded.cell_type.rated_capacity_ah
    channel = replace(
        CHANNEL,
        charge_current_a_max=most_a,
        discharge_current_a_max=most_a,
        current_accuracy_a=CHANNEL_ACCURACY * most_a,
    )
    assert check(loaded.recipe, loaded.cell_type, channel) == []


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_that_ships_says_what_it_is_for_whence_its_numbers_are_and_what_may_be_changed(path: Path) -> None:
    assert all(library_table.head(path))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_check_finds_nothing_doubtful_in_a_recipe_that_ships(path: Path) -> None:
    loaded = load_recipe(path)
    steps = program(loaded.recipe.steps, lowering_of(loaded.recipe, loaded.cell_type, None))
    assert contradictions(steps, loaded.cell_type, file=path.name) == []


@pytest.mark.parametrize(
    "path", [path for path in RECIPES if path.stem.startswith("nmc811-21700")], ids=lambda p: p.stem
)
def test_a_simple_supply_is_good_enough_for_a_cell_of_5_ah(path: Path) -> None:
    loaded = load_recipe(path)
    assert check(loaded.recipe, loaded.cell_type, CHANNEL) == []


@pytest.mark.parametrize("path", [path for path in RECIPES if "formation" in path.stem], ids=lambda p: p.stem)
def test_a_formation_takes_filled_cells_and_lets_nothing_flow_before_their_contact_is_proven(path: Path) -> None:
    loaded = load_recipe(path)
    plan = compile_plan(loaded.recipe, loaded.cell_type, replace(CHANNEL, current_accuracy_a=0.001))
    steps = [step for step in plan.program if isinstance(step, PlanStep)]
    assert (plan.from_states, plan.to_state) == (("filled",), "formed")
    assert [step.step_type for step in steps[:3]] == ["soak", "contact", "charge"]
    assert [step.contact_proven for step in steps[:3]] == [False, False, True]
    assert any(step.tag == "cap" for step in steps)
    assert steps[-1].pulse is not None


def test_the_top_level_folder_shows_the_library() -> None:
    assert (Path(__file__).parents[2] / "recipes").resolve() == LIBRARY.resolve()


def test_grading_measures_capacity_and_resistance() -> None:
    loaded = load_recipe(LIBRARY / "nmc811-21700-grading.yaml")
    steps = [
        step for step in compile_plan(loaded.recipe, loaded.cell_type, CHANNEL).program if isinstance(step, PlanStep)
    ]
    assert [step.step_type for step in steps if step.tag == "cap"] == ["discharge"]
    assert steps[-1].pulse is not None
    assert 3 * 3600 < worst_case_s(loaded.recipe, loaded.cell_type) < 13 * 3600


def test_showing_a_recipe_says_every_number() -> None:
    ends = "until: [voltage <= 2.8 V], fail: [capacity > 99 %, time > 4 h]"
    loaded = load(
        CHARGE,
        f"loop: {{id: cycles, times: 3, steps: [discharge: {{current: [C/3, C/2, 1C], {ends}, tag: cap}}]}}",
        f"discharge: {{power: 9 W, {ends}, limits: {{discharge_current: 1C}}}}",
        "dcir: {rest: 30 min, record: {every: 1 s}}",
    )
    text = "\n".join(describe(loaded.recipe, loaded.cell_type))
    for expected in (
        "1C is 5 A",
        "charge with 2.5 A (C/2 of 5 Ah), then hold 4.2 V; trip 4.25 V",
        "ends when current <= C/20 -> next [250 mA, 2 samples]",
        "fails when capacity > 115 % of rated -> fail [5.75 Ah]",
        "loop cycles: 3 times",
        "turn 1: discharge with 1.66667 A (C/3 of 5 Ah); end 2.8 V, clamp 2.625 V, trip 2.45 V",
        "turn 3: discharge with 5 A (1C of 5 Ah)",
        "discharge with 9 W, at most 5 A",
        "narrower limits: 2.5 to 4.2 V, 5 A in charge, 5 A in discharge",
        "relay open for 30 min",
        "resistance after 0.1 s, 1 s, 10 s",
        "keeps a sample every 1 s",
        "takes 19 h 30 min 10 s at most",
    ):
        assert expected in text


def test_the_worst_case_counts_every_turn() -> None:
    loaded = load("loop: {times: 65535, steps: [rest: {time: 1 s}]}", "rest: {time: 5 s}")
    assert worst_case_s(loaded.recipe, loaded.cell_type) == 65_540


def test_the_schema_is_json_and_names_the_steps_that_there_are() -> None:
    schema = json.loads(json.dumps(recipe_schema()))
    assert set(_steps(schema)) == {*STEP_KINDS, "loop", "recipe"}


@pytest.mark.parametrize("word", [word for word, kind in STEP_KINDS.items() if kind.form.free is None])
def test_the_schema_and_the_reader_know_the_same_keys(word: str) -> None:
    keys = set(_steps(recipe_schema())[word]["properties"])
    assert keys >= set(COMMON_KEYS)
    (unknown,) = [problem for problem in problems(f"{word}: {{zzz: 1}}") if problem.code == "unknown-key"]
    assert unknown.hint == f"there are: {', '.join(sorted(keys))}"


@pytest.mark.parametrize("text", ["4.2", "4,2 V", "4.2 A", "nan V", "V"])
def test_the_schema_refuses_what_is_no_quantity(text: str) -> None:
    forms = _steps(recipe_schema())["charge"]["properties"]["voltage"]["anyOf"]
    assert re.search(forms[0]["pattern"], "4.2 V")
    assert not re.search(forms[0]["pattern"], text)


def _steps(schema: dict[str, Any]) -> dict[str, Any]:
    return {word: value for each in schema["$defs"]["step"]["oneOf"] for word, value in each["properties"].items()}
