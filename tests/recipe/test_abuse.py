"""Abuse tests: where they load, what they are held to, and what becomes of the cell, each of the library's run once."""

from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from abuse_rack import INTERLOCKS
from command_line import Answer, cycler
from recipe_texts import load

from cycler.recipe.canonical import canonical_text
from cycler.recipe.compile import LoadedRecipe, load_recipe, load_recipe_text
from cycler.recipe.describe import describe
from cycler.recipe.exchange.formats import export_recipe
from cycler.recipe.lookup import LIBRARY, find_recipe
from cycler.recipe.problems import InvalidFile

ABUSE = LIBRARY / "abuse"
RACK = """\
rack: {id: R1, purpose: production}
devices:
  - {id: c-01, driver: sim_cycler, resource: "sim:c-01"}
  - {id: ch-01, driver: sim_chamber, resource: "sim:ch-01"}
  - {id: io-01, driver: sim_io, resource: "sim:io-01"}
  - {id: t-01, driver: sim_temperature, resource: "sim:t-01"}
bays:
  - id: B01
    chamber: ch-01
    contactor: io-01/DO0
    outputs: {short-switch: {output: io-01/DO3, needs_open: true}}
    positions:
      A1: {channel: c-01/1, temperature: t-01/1}
store: {path: store}
"""
HEAD = """\
recipe: mine
version: 1.0.0
cell_type: nmc811-21700-abuse
purpose: abuse
to_state: quarantine
steps: [rest: {time: 1 min}]
"""


def named(name: str) -> Path:
    return ABUSE / f"nmc811-21700-{name}.yaml"


def refusals(text: str) -> list[str]:
    with pytest.raises(InvalidFile) as refused:
        load_recipe_text(text, file="mine.yaml", beside=ABUSE)
    return [problem.code for problem in refused.value.problems]


def simulated(name: str, folder: Path, *arguments: str) -> dict[str, dict[str, Any]]:
    """The steps of one ideal cell, by their ids."""
    answer = cycler("simulate", named(name), "--ideal", "--start", "formed@50%", "--out", folder, *arguments)
    assert answer.exit_code == 0, answer.err
    return {step["step_id"]: step for step in pyarrow.parquet.read_table(folder / "steps.parquet").to_pylist()}


def events(folder: Path) -> list[str]:
    return list(pyarrow.parquet.read_table(folder / "events.parquet")["event"].to_pylist())


def verdict(folder: Path) -> str:
    (cell,) = pyarrow.parquet.read_table(folder / "cells.parquet").to_pylist()
    return str(cell["verdict"])


# where they load


def check(recipe: Path, purpose: str, tmp_path: Path) -> Answer:
    rack = tmp_path / "rack.yaml"
    rack.write_text(RACK.replace("production", purpose) + INTERLOCKS)
    return cycler("recipe", "check", recipe, "--config", rack)


@pytest.mark.parametrize("name", ["overcharge", "overdischarge", "external-short"])
def test_a_rack_for_production_refuses_them_and_one_for_abuse_does_not(name: str, tmp_path: Path) -> None:
    answer = check(named(name), "production", tmp_path)
    assert answer.exit_code == 4
    assert "is an abuse test, and rack R1 is declared for production" in answer.err
    assert check(named(name), "abuse", tmp_path).exit_code == 0


def test_nobody_approves_one_for_a_rack_for_production(tmp_path: Path) -> None:
    rack = tmp_path / "rack.yaml"
    rack.write_text(RACK)
    people = ("--by", "Bob", "--author", "Ada", "--reason", "why not")
    answer = cycler("recipe", "approve", named("overcharge"), "--config", rack, *people)
    assert answer.exit_code == 4
    assert not (tmp_path / "store").exists()


def test_no_other_cell_is_energised_beside_one(tmp_path: Path) -> None:
    answer = cycler("simulate", named("overcharge"), "--cells", "2", "--out", tmp_path / "out")
    assert answer.exit_code == 4
    assert "2 cells are to be energised" in answer.err


def test_the_production_library_has_none(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match="nor the name of a recipe"):
        find_recipe("nmc811-21700-overcharge", beside=tmp_path)


def test_no_recipe_for_production_holds_one(tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "mine.yaml").write_text(HEAD)
    outer = HEAD.replace("recipe: mine", "recipe: outer").replace(
        "rest: {time: 1 min}", "recipe: {name: mine, version: 1.0.0}"
    )
    (tmp_path / "cell-types").symlink_to(ABUSE / "cell-types")
    load_recipe_text(outer, file="outer.yaml", beside=tmp_path)
    with pytest.raises(InvalidFile, match="mine is an abuse test, outer is not"):
        load_recipe_text(outer.replace("purpose: abuse\n", ""), file="outer.yaml", beside=tmp_path)


@pytest.mark.parametrize("target", ["unicycler", "pybamm"])
def test_none_leaves_in_a_format_that_would_not_say_what_it_is(target: str) -> None:
    with pytest.raises(InvalidFile, match="is an abuse test"):
        export_recipe(load_recipe(named("overcharge")), target)


# what they are held to


def abused() -> LoadedRecipe:
    return load_recipe_text(HEAD, file="mine.yaml", beside=ABUSE)


def test_the_purpose_is_part_of_what_a_recipe_is() -> None:
    text = canonical_text(abused().recipe)
    assert "purpose: abuse\n" in text
    assert load_recipe_text(text, file="again.yaml", beside=ABUSE).recipe == abused().recipe
    assert "purpose" not in canonical_text(load("rest: {time: 1 min}").recipe)


def test_show_says_first_what_it_is() -> None:
    loaded = load_recipe(named("overcharge"))
    (line,) = [line for line in describe(loaded.recipe, loaded.cell_type) if line.startswith("an ABUSE TEST")]
    assert "0.05 to 4.65 V, trips at 0 and 4.7 V" in line


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (HEAD.replace("to_state: quarantine\n", ""), "state"),
        (HEAD.replace("to_state: quarantine", "to_state: graded"), "state"),
        (HEAD + "from_state: [filled]\n", "state"),
        (HEAD + "from_state: [precharged]\n", "state"),
        (HEAD.replace("purpose: abuse", "purpose: abused"), "word"),
        (HEAD.replace("nmc811-21700-abuse", "lfp-26650"), "purpose"),
    ],
)
def test_what_no_abuse_test_can_be_is_refused(text: str, code: str) -> None:
    assert code in refusals(text)


def test_the_same_steps_are_refused_without_the_purpose() -> None:
    text = named("overcharge").read_text().replace("purpose: abuse\n", "")
    assert "envelope" in refusals(text)


# what becomes of the cell


def test_an_overcharge_goes_to_115_percent_and_is_watched_for_an_hour(tmp_path: Path) -> None:
    steps = simulated("overcharge", tmp_path)
    over = steps["over"]
    assert over["stop_reason"] in {"voltage", "capacity"}
    assert over["charge_ah"] == pytest.approx(0.75, abs=0.01)
    assert over["end_voltage_v"] > 4.45
    assert steps["watch"]["duration_s"] >= 3600.0
    assert verdict(tmp_path) == "quarantine"


def test_an_overdischarge_goes_far_below_the_end_voltage_and_never_below_0_v(tmp_path: Path) -> None:
    steps = simulated("overdischarge", tmp_path)
    assert steps["standard"]["end_voltage_v"] == pytest.approx(2.5, abs=0.01)
    assert steps["over"]["stop_reason"] == "voltage"
    assert 0.0 < steps["over"]["end_voltage_v"] <= 0.1
    assert steps["watch"]["duration_s"] >= 3600.0
    assert verdict(tmp_path) == "quarantine"


def test_an_external_short_is_switched_on_for_10_minutes_with_nothing_flowing_from_the_cycler(tmp_path: Path) -> None:
    steps = simulated("external-short", tmp_path)
    assert steps["short"]["duration_s"] == pytest.approx(600.0, abs=10.0)
    assert steps["short"]["charge_ah"] == steps["short"]["discharge_ah"] == 0.0
    told = [event for event in events(tmp_path) if event.startswith("outputs.")]
    assert told == ["outputs.set", "outputs.safe"]
    assert verdict(tmp_path) == "quarantine"


def test_a_test_that_was_cut_short_has_used_up_its_cell_too(tmp_path: Path) -> None:
    world = tmp_path / "world.yaml"
    world.write_text("seed: 1\nfaults: [{device: thermometers/1, fault: sensor-break, from: 90 min}]\n")
    cycler("simulate", named("overcharge"), "--start", "formed@50%", "--world", world, "--out", tmp_path / "out")
    assert "protection.tripped" in events(tmp_path / "out")
    assert "ledger.changed" in events(tmp_path / "out")
    assert verdict(tmp_path / "out") == "quarantine"
