"""`cycler recipe release`: two people sign one abuse test of one cell, each from an account of their own."""

import os
from pathlib import Path

import pytest
from abuse_rack import INTERLOCKS
from command_line import Answer, cycler

RACK = f"""\
rack: {{id: R1, purpose: abuse}}
devices:
  - {{id: c-01, driver: sim_cycler, resource: "sim:c-01"}}
  - {{id: ch-01, driver: sim_chamber, resource: "sim:ch-01"}}
  - {{id: io-01, driver: sim_io, resource: "sim:io-01"}}
  - {{id: t-01, driver: sim_temperature, resource: "sim:t-01"}}
bays:
  - id: B01
    chamber: ch-01
    contactor: io-01/DO0
    positions:
      A1: {{channel: c-01/1, temperature: t-01/1}}
{INTERLOCKS}store: {{path: store}}
"""
RECIPE = Path("recipes/abuse/nmc811-21700-overcharge.yaml").absolute()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYCLER_CONFIG", "rack.yaml")
    Path("rack.yaml").write_text(RACK)


def sign(by: str, *more: str) -> Answer:
    return cycler("recipe", "release", RECIPE, "--cell", "C-17", "--by", by, "--reason", "type test", *more)


def test_the_second_signature_from_another_account_releases_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    first = sign("Ada Lovelace")
    assert first.exit_code == 0, first.err
    assert "on cell C-17: signed by Ada Lovelace; a second person" in first.out
    assert "a second person" in sign("Grace Hopper").out
    monkeypatch.setattr(os, "getuid", lambda: 1)
    assert "released by" in sign("Grace Hopper").out


def test_nobody_approves_an_abuse_test_for_good() -> None:
    answer = cycler("recipe", "approve", RECIPE, "--by", "Bob", "--author", "Ada", "--reason", "x")
    assert answer.exit_code == 4
    assert "nobody lets it run for good" in answer.err


def test_a_rack_that_is_not_for_abuse_takes_no_signature() -> None:
    Path("rack.yaml").write_text(RACK.replace("purpose: abuse", "purpose: production"))
    answer = sign("Ada")
    assert answer.exit_code == 4
    assert "rack R1 is declared for production" in answer.err
    assert not Path("store").exists()


def test_a_time_that_is_none_is_refused() -> None:
    answer = sign("Ada", "--lasts", "soon")
    assert answer.exit_code == 2
    assert "--lasts" in answer.err
