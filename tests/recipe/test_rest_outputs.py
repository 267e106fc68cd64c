"""`outputs` of a rest, as they are written, refused, told, compared and exchanged."""

from pathlib import Path

import pytest
from recipe_texts import NOWHERE, load, problems

from cycler.recipe.canonical import canonical_text
from cycler.recipe.compile import load_recipe_text
from cycler.recipe.describe import describe, worst_case_s
from cycler.recipe.difference import difference
from cycler.recipe.exchange.formats import export_recipe
from cycler.recipe.model import RestStep
from cycler.recipe.problems import InvalidFile

SHORT = "rest: {time: 10 min, outputs: {short-switch: on, vent: off}}"


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("rest: {outputs: {vent: on}, until: [time > 1 h]}", "no-time"),
        ("rest: {time: 1 h, outputs: {}}", "empty"),
        ("rest: {time: 1 h, outputs: vent}", "type"),
        ("rest: {time: 1 h, outputs: {vent: open}}", "word"),
        ("rest: {time: 1 h, outputs: {Vent: on}}", "name"),
        ("charge: {current: C/2, time: 1 h, outputs: {vent: on}}", "unknown-key"),
    ],
)
def test_outputs_that_mean_nothing_are_refused(step: str, code: str) -> None:
    assert code in [problem.code for problem in problems(step)]


def test_outputs_survive_the_canonical_form_in_whatever_order_they_stand() -> None:
    loaded, other = load(SHORT), load("rest: {outputs: {vent: off, short-switch: on}, time: 600 s}")
    (step,) = loaded.recipe.steps
    assert isinstance(step, RestStep)
    assert step.outputs == (("short-switch", True), ("vent", False))
    assert canonical_text(loaded.recipe) == canonical_text(other.recipe)
    again = load_recipe_text(canonical_text(loaded.recipe), file="again.yaml", beside=NOWHERE)
    assert again.recipe == loaded.recipe


def test_show_tells_what_is_switched() -> None:
    loaded = load(SHORT)
    text = "\n".join(describe(loaded.recipe, loaded.cell_type))
    assert "outputs short-switch on, vent off, once all cells have come, in 1 h; safe again at its end" in text
    assert worst_case_s(loaded.recipe, loaded.cell_type) == 4200.0


def test_a_change_of_what_is_switched_or_for_how_long_is_named_first() -> None:
    for changed in (SHORT.replace("vent: off", "vent: on"), SHORT.replace("10 min", "20 min"), "rest: {time: 10 min}"):
        found = difference(load(SHORT), load(changed))
        assert any("what lets a cell take more" in line for line in found.lines())


def test_the_pages_steps_load_as_they_stand_there() -> None:
    section = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text().split("## Waiting, and switching")[1]
    hold, message, flush = section.split("`hold: ")[1], section.split("`hold: ")[2], section.split("- rest: ")[1]
    load(f"hold: {hold.split('`')[0]}", f"hold: {message.split('`')[0]}", f"rest: {flush.splitlines()[0]}")


@pytest.mark.parametrize("target", ["unicycler", "pybamm"])
def test_other_formats_know_no_outputs(target: str) -> None:
    with pytest.raises(InvalidFile, match="sets outputs of its bay"):
        export_recipe(load(SHORT), target)
