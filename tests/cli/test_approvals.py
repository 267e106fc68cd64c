"""`cycler recipe approve · trial · withdraw · approvals`, and what `check` tells of them."""

from pathlib import Path

import pytest
from command_line import SHORT_RECIPE, Answer, cycler

RACK = """\
rack: {id: R1, purpose: production}
devices:
  - {id: c-01, driver: sim_cycler, resource: "sim:c-01"}
  - {id: io-01, driver: sim_io, resource: "sim:io-01"}
  - {id: t-01, driver: sim_temperature, resource: "sim:t-01"}
bays:
  - id: B01
    contactor: io-01/DO0
    positions:
      A1: {channel: c-01/1, temperature: t-01/1}
store: {path: store}
"""
ADA = ("--author", "Ada Lovelace", "--reason", "first of its kind")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYCLER_CONFIG", "rack.yaml")
    Path("short.yaml").write_text(SHORT_RECIPE)
    Path("rack.yaml").write_text(RACK)


def approve(by: str, recipe: str = "short.yaml") -> Answer:
    return cycler("recipe", "approve", recipe, "--by", by, *ADA)


def released(recipe: str = "short.yaml") -> dict[str, object]:
    found: dict[str, object] = cycler("recipe", "check", recipe, "--config", "rack.yaml", "--json").document["release"]
    return found


def test_a_check_says_whether_a_recipe_may_run_on_the_rack() -> None:
    assert released() == {"may_run": False, "text": "not approved, and not on trial"}
    answer = approve("Grace Hopper")
    assert answer.exit_code == 0
    assert "short 1.0.0 (" in answer.out
    assert "on rack R1: approved by Grace Hopper" in answer.out
    assert released()["may_run"] is True
    text = cycler("recipe", "check", "short.yaml", "--config", "rack.yaml").out
    assert "note: on real cells it may run: approved by Grace Hopper" in text


def test_an_edited_recipe_is_another_one() -> None:
    approve("Grace Hopper")
    Path("short.yaml").write_text(SHORT_RECIPE.replace("30 s", "31 s"))
    assert released()["may_run"] is False
    answer = approve("Grace Hopper")
    assert answer.exit_code == 4
    assert "give it a new version" in answer.err


def test_the_author_is_refused() -> None:
    answer = approve("ada  lovelace")
    assert (answer.exit_code, answer.out) == (4, "")
    assert "a second person approves a recipe" in answer.err


def test_a_trial_and_a_withdrawal_are_told_with_who_and_why() -> None:
    trial = cycler("recipe", "trial", "short.yaml", "--by", "Ada Lovelace", *ADA, "--lasts", "14 d")
    assert trial.exit_code == 0
    assert "on trial until" in trial.out
    assert released()["may_run"] is True
    gone = cycler("recipe", "withdraw", "short.yaml", "--by", "Eve", "--reason", "cells got hot")
    assert gone.exit_code == 0
    assert released()["may_run"] is False
    first, second = cycler("recipe", "approvals", "--json").document["approvals"]
    assert (first["decision"], first["author"], first["by"]) == ("trial", "Ada Lovelace", "Ada Lovelace")
    assert (second["decision"], second["author"], second["reason"]) == ("withdrawn", "Ada Lovelace", "cells got hot")
    assert first["canonical"].startswith("recipe: short\n")
    assert "withdrawn by Eve" in cycler("recipe", "approvals").out


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (("trial", "short.yaml", "--by", "Ada", *ADA, "--lasts", "90 d"), 4, "31 d at most"),
        (("trial", "short.yaml", "--by", "Ada", *ADA, "--lasts", "-1 d"), 2, "--lasts"),
        (("trial", "short.yaml", "--by", "Ada", *ADA, "--lasts", "soon"), 2, "--lasts"),
        (("approve", "short.yaml", "--by", " ", *ADA), 2, "--by is one line"),
        (("withdraw", "short.yaml", "--by", "Eve", "--reason", "x"), 4, "only what may run is withdrawn"),
        (("approve", "short.yaml", "--by", "Bob", *ADA, "--config", "none.yaml"), 2, "none.yaml"),
    ],
)
def test_what_cannot_be_decided_says_why(arguments: tuple[str, ...], exit_code: int, said: str) -> None:
    answer = cycler("recipe", *arguments)
    assert answer.exit_code == exit_code
    assert said in answer.err


def test_a_recipe_that_the_rack_cannot_run_is_not_approved() -> None:
    Path("strong.yaml").write_text(SHORT_RECIPE.replace("current: C/2", "current: 50C"))
    answer = approve("Grace Hopper", "strong.yaml")
    assert answer.exit_code == 2
    assert not Path("store").exists()


def test_a_rack_without_a_store_keeps_no_approvals() -> None:
    Path("rack.yaml").write_text(RACK.replace("store: {path: store}\n", ""))
    answer = approve("Grace Hopper")
    assert answer.exit_code == 2
    assert "no store" in answer.err
    assert cycler("recipe", "check", "short.yaml", "--config", "rack.yaml", "--json").document["release"] is None


def test_a_simulated_run_needs_no_approval_and_says_so() -> None:
    assert cycler("simulate", "short.yaml", "--ideal", "--start", "formed@30%", "--out", "out").exit_code == 0
    assert '"released_as": "simulated"' in Path("out/run.json").read_text()
