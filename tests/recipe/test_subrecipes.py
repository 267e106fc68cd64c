"""Recipes that name others: what becomes of their steps, and what is refused in whose words."""

from pathlib import Path

import pytest
from recipe_texts import CHARGE, DISCHARGE

from cycler.model.cell_type import CellType
from cycler.recipe.canonical import canonical_text, content_hash
from cycler.recipe.compile import load_recipe, load_recipe_text
from cycler.recipe.describe import describe
from cycler.recipe.lookup import LIBRARY, load_cell_type
from cycler.recipe.model import DriveStep, LoopStep, Recipe, RestStep
from cycler.recipe.problems import InvalidFile, Problem
from cycler.recipe.read import LEVELS_MAX, STEPS_MAX

CAP = DISCHARGE.replace("{", "{id: down, tag: cap, ")
NAMED = "recipe: {id: ref, name: reference, version: 1.0.0}"


def written(folder: Path, name: str, *steps: str, head: str = "", version: str = "1.0.0") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    lines = [f"recipe: {name}", f"version: {version}", "cell_type: nmc811-21700", *head.splitlines(), "steps:"]
    path.write_text("\n".join([*lines, *(f"  - {step}" for step in steps)]) + "\n")
    return path


def loaded(path: Path) -> Recipe:
    return load_recipe(path).recipe


def refused(path: Path) -> tuple[Problem, ...]:
    with pytest.raises(InvalidFile) as invalid:
        load_recipe(path)
    return invalid.value.problems


def test_the_steps_of_the_named_recipe_take_its_place(tmp_path: Path) -> None:
    written(tmp_path / "recipes", "reference", CHARGE, "rest: {id: calm, time: 10 min}", CAP)
    outer = written(tmp_path, "outer", "rest: {time: 1 min}", NAMED, "set: {kept: cap / 5 Ah}")
    recipe = loaded(outer)
    place = recipe.steps[1]
    assert isinstance(place, LoopStep)
    assert (place.path, place.id, place.times) == ("2", "ref", 1)
    assert [(step.path, step.id) for step in place.steps] == [("2.1", None), ("2.2", "ref-calm"), ("2.3", "ref-down")]
    assert {step.line for step in place.steps} == {6}
    text = canonical_text(recipe)
    assert "recipe: {" not in text
    again = load_recipe_text(text, file="again.yaml", beside=tmp_path / "elsewhere").recipe
    assert again == recipe
    assert content_hash(again) == content_hash(recipe)


def test_the_hash_covers_what_is_named(tmp_path: Path) -> None:
    outer = written(tmp_path, "outer", NAMED)
    written(tmp_path / "recipes", "reference", "rest: {time: 1 min}")
    before = content_hash(loaded(outer))
    written(tmp_path / "recipes", "reference", "rest: {time: 2 min}")
    assert content_hash(loaded(outer)) != before


def test_a_recipe_is_looked_up_beside_the_file_that_names_it_and_then_in_the_library(tmp_path: Path) -> None:
    outer = written(
        tmp_path, "outer", "recipe: {name: nmc811-21700-grading, version: 1.0.0}", head="from_state: formed"
    )
    assert "grading" in describe_of(outer)
    written(tmp_path, "nmc811-21700-grading", "rest: {time: 7 min}")
    assert "relay open for 7 min" in describe_of(outer)
    written(tmp_path / "recipes", "nmc811-21700-grading", "rest: {time: 8 min}")
    assert "relay open for 8 min" in describe_of(outer)


def describe_of(path: Path) -> str:
    found = load_recipe(path)
    return "\n".join(describe(found.recipe, found.cell_type))


def test_show_names_the_recipe(tmp_path: Path) -> None:
    written(tmp_path, "reference", "rest: {time: 1 min}")
    assert "1  recipe ref: reference 1.0.0" in describe_of(written(tmp_path, "outer", NAMED))


def test_a_goto_inside_leads_where_it_led(tmp_path: Path) -> None:
    rest = "rest: {time: 1 min, until: [temperature > 30 degC -> goto done]}"
    written(tmp_path, "inner", rest, "rest: {time: 2 min}", "rest: {id: done, time: 3 min}")
    written(tmp_path, "reference", "recipe: {id: part, name: inner, version: 1.0.0}")
    outer = written(tmp_path, "outer", NAMED, NAMED.replace("ref,", "again,"))
    text = canonical_text(loaded(outer))
    assert "goto ref-part-done" in text and "id: ref-part-done" in text
    assert "goto again-part-done" in text and "id: again-part-done" in text


def test_a_named_recipe_can_stand_in_a_loop_and_be_gone_to(tmp_path: Path) -> None:
    written(tmp_path, "reference", CAP)
    loop = f"loop: {{times: 3, steps: [{NAMED}, rest: {{time: 5 min, until: [time > 1 min -> goto ref]}}]}}"
    assert loaded(written(tmp_path, "outer", loop))


def test_its_record_becomes_that_of_its_steps_where_it_is_another(tmp_path: Path) -> None:
    written(
        tmp_path,
        "reference",
        "rest: {time: 1 min}",
        "rest: {time: 1 min, record: {every: 3 s}}",
        head="record: {every: 1 s}",
    )
    written(tmp_path, "same", "rest: {time: 1 min}", head="record: {every: 9 s}")
    steps = (NAMED, "recipe: {name: same, version: 1.0.0}")
    (first, second) = loaded(written(tmp_path, "outer", *steps, head="record: {every: 9 s}")).steps
    assert isinstance(first, LoopStep) and isinstance(second, LoopStep)
    assert [str(each.record.every) for each in first.steps if isinstance(each, RestStep) and each.record] == [
        "1 s",
        "3 s",
    ]
    assert isinstance(second.steps[0], RestStep) and second.steps[0].record is None


def test_what_the_named_recipe_sets_is_known_behind_it(tmp_path: Path) -> None:
    written(tmp_path, "reference", CAP, "set: {kept: cap / 5 Ah}")
    assert loaded(written(tmp_path, "outer", NAMED, "rest: {time: 1 min, until: [kept > 80 %]}"))
    (problem,) = refused(written(tmp_path, "outer", "rest: {time: 1 min, until: [kept > 80 %]}", NAMED))
    assert problem.code == "quantity"


def test_problems_of_its_file_are_told_of_its_file(tmp_path: Path) -> None:
    there = written(tmp_path / "recipes", "reference", "rest: {time: 1 min}", "rest: {tme: 1 min}")
    first, again, inside = refused(
        written(tmp_path, "outer", "rest: {time: 1 min}", NAMED, NAMED.replace("ref,", "b,"))
    )
    assert [(each.line, each.step, each.code) for each in (first, again)] == [(6, "ref", "recipe"), (7, "b", "recipe")]
    assert "its file has problems" in first.message
    assert (inside.file, inside.line, inside.step) == (str(there), 6, "2")
    assert "did you mean time?" in inside.hint


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ("recipe: {name: referense, version: 1.0.0}", "no recipe is named referense"),
        ("recipe: {name: reference, version: 1.0.1}", "holds reference 1.0.0, not reference 1.0.1"),
        ("recipe: {name: reference}", "needs `version`"),
        ("recipe: {version: 1.0.0}", "needs `name`"),
        ("recipe: {name: ../reference, version: 1.0.0}", "is no name"),
        ("recipe: {name: reference, version: latest}", "is no version"),
        ("recipe: {name: reference, version: 1.0.0, times: 3}", "`times` is no key"),
        ("recipe: {name: alias, version: 1.0.0}", "holds other 1.0.0, not alias 1.0.0"),
    ],
)
def test_what_cannot_be_found_is_refused_by_name(tmp_path: Path, step: str, says: str) -> None:
    written(tmp_path, "reference", "rest: {time: 1 min}")
    written(tmp_path, "other", "rest: {time: 1 min}").rename(tmp_path / "alias.yaml")
    (problem,) = refused(written(tmp_path, "outer", "rest: {time: 1 min}", step))
    assert says in problem.message
    assert (problem.step, problem.line) == ("2", 6)


def test_another_cell_type_is_refused(tmp_path: Path) -> None:
    there = written(tmp_path, "reference", "rest: {time: 1 min}")
    there.write_text(there.read_text().replace("nmc811-21700", "lfp-26650"))
    found = refused(written(tmp_path, "outer", NAMED))
    assert [problem.code for problem in found] == ["recipe", "cell-type"]
    assert found[1].file == str(there)


def test_ids_that_come_twice_are_refused_with_the_way_out(tmp_path: Path) -> None:
    written(tmp_path, "reference", "rest: {id: calm, time: 1 min}")
    unnamed = "recipe: {name: reference, version: 1.0.0}"
    (problem,) = refused(written(tmp_path, "outer", unnamed, unnamed))
    assert (problem.code, problem.step, problem.line) == ("duplicate-id", "2.1", 6)
    assert problem.hint == "give the `recipe` step an id: it is put in front of those inside"
    assert loaded(written(tmp_path, "outer", unnamed, unnamed.replace("{", "{id: b, ")))
    (problem,) = refused(written(tmp_path, "outer", "rest: {id: ref-calm, time: 1 s}", NAMED))
    assert problem.code == "duplicate-id"


def test_a_recipe_that_holds_itself_is_refused_by_its_way(tmp_path: Path) -> None:
    written(tmp_path, "a", "recipe: {name: b, version: 1.0.0}")
    written(tmp_path, "b", "recipe: {name: a, version: 1.0.0}")
    found = refused(tmp_path / "a.yaml")
    (problem,) = [problem for problem in found if problem.code == "recursion"]
    assert problem.message == "a would hold itself: a -> b -> a"
    assert problem.file.endswith("b.yaml")


def test_recipes_are_named_six_deep_and_no_deeper(tmp_path: Path) -> None:
    written(tmp_path, "r0", CHARGE)
    for number in range(1, 8):
        written(tmp_path, f"r{number}", f"recipe: {{name: r{number - 1}, version: 1.0.0}}")
    deepest = loaded(tmp_path / "r6.yaml")
    assert content_hash(load_recipe_text(canonical_text(deepest), file="x", beside=tmp_path).recipe) == content_hash(
        deepest
    )
    assert any("r0 lies more than 6 recipes deep" in problem.message for problem in refused(tmp_path / "r7.yaml"))


def nest(levels: int, step: str) -> str:
    return step if not levels else f"loop: {{times: 2, steps: [{nest(levels - 1, step)}]}}"


def test_loops_and_recipes_together_are_nested_so_far_that_the_canonical_text_still_loads(tmp_path: Path) -> None:
    until = "until: [[voltage <= 2.8 V], [voltage <= 3 V]]"
    per_turn = f"discharge: {{current: C/2, {until}, fail: [capacity > 9 %, time > 1 h]}}"
    written(tmp_path, "reference", nest(4, per_turn))
    fits = loaded(written(tmp_path, "outer", nest(LEVELS_MAX - 5, NAMED)))
    assert load_recipe_text(canonical_text(fits), file="x", beside=tmp_path).recipe == fits
    (problem,) = refused(written(tmp_path, "outer", nest(LEVELS_MAX - 4, NAMED)))
    assert problem.code == "too-deep" and problem.step == "ref"
    (problem,) = refused(written(tmp_path, "outer", nest(LEVELS_MAX + 1, "rest: {time: 1 s}")))
    assert (
        problem.message == f"step {'.'.join('1' * (LEVELS_MAX + 1))} has more than {LEVELS_MAX} loops inside each other"
    )
    (problem,) = refused(written(tmp_path, "outer", nest(LEVELS_MAX + 2, "rest: {time: 1 s}")))
    assert problem.code == "too-deep" and "nested deeper than" in problem.message


def test_recipes_that_name_each_other_many_times_are_counted_not_built(tmp_path: Path) -> None:
    written(tmp_path, "r0", *50 * ["rest: {time: 1 s}"])
    for number in range(1, 6):
        written(tmp_path, f"r{number}", *50 * [f"recipe: {{name: r{number - 1}, version: 1.0.0}}"])
    found = refused(tmp_path / "r5.yaml")
    assert any(f"more than {STEPS_MAX} steps" in problem.message for problem in found)


@pytest.mark.parametrize(
    ("outer_head", "inner_head", "steps", "says"),
    [
        ("from_state: [formed, aged]", "from_state: formed", [NAMED], "here they may be aged"),
        ("from_state: precharged", "from_state: formed", [NAMED, CHARGE], "here they may be precharged"),
        ("from_state: precharged", "from_state: precharged", [CHARGE, NAMED], "here they may be formed"),
        ("from_state: precharged", "from_state: precharged", [f"loop: {{times: 2, steps: [{NAMED}]}}"], "be formed"),
        ("from_state: formed", "from_state: formed\nto_state: graded", [NAMED, NAMED.replace("ref,", "b,")],
         "here they may be graded"),
    ],
)  # fmt: skip
def test_a_recipe_is_named_only_where_cells_are_as_it_takes_them(
    tmp_path: Path, outer_head: str, inner_head: str, steps: list[str], says: str
) -> None:
    written(tmp_path, "reference", CHARGE, head=inner_head)
    (problem,) = refused(written(tmp_path, "outer", *steps, head=outer_head))
    assert problem.code == "from-state"
    assert says in problem.message


def test_a_recipe_fits_where_the_cells_have_come_to_its_state(tmp_path: Path) -> None:
    written(tmp_path, "reference", CAP, head="from_state: [formed, aged]\nto_state: graded")
    written(tmp_path, "after", "rest: {time: 1 s}", head="from_state: graded")
    steps = (CHARGE, NAMED, "recipe: {name: after, version: 1.0.0}")
    assert loaded(written(tmp_path, "outer", *steps, head="from_state: [precharged, formed]"))


def test_what_only_the_place_makes_wrong_is_told_of_the_place(tmp_path: Path) -> None:
    written(tmp_path, "reference", CHARGE)
    (problem,) = refused(written(tmp_path, "outer", "chamber: {target: 50 degC}", NAMED))
    assert (problem.code, problem.step, problem.line) == ("temperature", "2.1", 6)


def test_the_cell_type_that_is_given_is_that_of_all(tmp_path: Path) -> None:
    written(tmp_path, "reference", CHARGE)
    outer = written(tmp_path, "outer", NAMED)
    cell_type: CellType = load_cell_type(LIBRARY / "cell-types" / "nmc811-21700.yaml")
    (place,) = load_recipe(outer, cell_type=cell_type).recipe.steps
    assert isinstance(place, LoopStep) and isinstance(place.steps[0], DriveStep)


def test_without_its_cell_type_no_recipe_is_read(tmp_path: Path) -> None:
    outer = written(tmp_path, "outer", NAMED)
    outer.write_text(outer.read_text().replace("nmc811-21700", "nowhere-to-be-found"))
    assert [problem.code for problem in refused(outer)] == ["cell-type", "recipe"]


def test_the_example_of_the_documentation_loads(tmp_path: Path) -> None:
    section = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text().split("## Variables, loops")[1]
    example = section.split("```yaml\n")[1].split("```")[0]
    written(tmp_path / "recipes", "reference-cycle", CHARGE, CAP)
    outer = written(tmp_path, "outer")
    outer.write_text(outer.read_text() + "".join(f"  {line}\n" for line in example.splitlines()))
    assert loaded(outer).steps
