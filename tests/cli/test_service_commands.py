"""Commands that need a service, where there is none; and racks that no service can run."""

from pathlib import Path

import pytest
from command_line import SHORT_RECIPE, cycler

RACK = """\
rack: {id: R1, purpose: production}
devices:
  - {id: psb-01, driver: ea_psb, resource: "modbus-tcp://127.0.0.1:1502"}
  - {id: io-01, driver: moxa_iologik, resource: "modbus-tcp://127.0.0.1:1503"}
bays:
  - id: B01
    contactor: io-01/DO0
    positions:
      A1: {channel: psb-01/1}
store: {path: store}
runtime: {path: run}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYCLER_CONFIG", "rack.yaml")
    Path("short.yaml").write_text(SHORT_RECIPE)
    Path("cells.csv").write_text("position,cell_id\nA1,c-1\n")
    Path("rack.yaml").write_text(RACK)


@pytest.mark.parametrize(
    "command",
    [
        ("status", "--json"),
        ("start", "B01"),
        ("abort", "B01/A1"),
        ("all-off",),
        ("resume", "B01"),
        ("ack", "3"),
        ("shelve", "3", "--for", "2 h", "--reason", "its sensor is being replaced"),
        ("unshelve", "3"),
        ("out-of-service", "3", "--reason", "its sensor is being replaced"),
        ("in-service", "3"),
        ("reset", "B01", "--reason", "all cold"),
        ("load", "B01", "--tray", "T1", "--recipe", "short.yaml", "--cells", "cells.csv"),
    ],
    ids=lambda command: str(command[0]),
)
def test_without_a_service_a_command_says_where_it_looked_for_one(command: tuple[str, ...]) -> None:
    answer = cycler(*command)
    assert answer.exit_code == 3
    assert "no service answers at run/command.sock: No such file or directory" in answer.out + answer.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (RACK.replace("store: {path: store}\n", ""), "give `store: {path: …}`"),
        (RACK.replace("ea_psb", "sim_cycler").replace("modbus-tcp://127.0.0.1:1502", "sim:psb-01"), "simulated inside"),
        (RACK.replace("    contactor", "    power_limit: 1 kW\n    contactor"), "not available in this version"),
    ],
    ids=["no store", "simulated", "not yet"],
)
def test_a_rack_that_no_service_can_run_is_refused_before_it_connects(text: str, said: str) -> None:
    Path("rack.yaml").write_text(text)
    answer = cycler("serve")
    assert answer.exit_code == 2
    assert said in answer.err


def test_a_time_that_is_none_is_told_before_a_service_is_asked() -> None:
    answer = cycler("shelve", "3", "--for", "soon", "--reason", "its sensor is being replaced")
    assert answer.exit_code == 2
    assert "--for" in answer.err


def test_a_recipe_with_mistakes_is_told_before_a_service_is_asked() -> None:
    Path("short.yaml").write_text(SHORT_RECIPE.replace("steps:", "stepps:"))
    answer = cycler("load", "B01", "--tray", "T1", "--recipe", "short.yaml", "--cells", "cells.csv")
    assert answer.exit_code == 2
    assert "short.yaml:" in answer.err
