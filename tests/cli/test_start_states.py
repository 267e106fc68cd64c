"""The ledger's word for simulated cells: what is promised of them at the start, and what a run makes of it."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from command_line import cycler

RECIPE = """\
recipe: precharge
version: 1.0.0
cell_type: nmc811-21700
from_state: [{states}]
to_state: {to}
steps:
  - contact: {{}}
  - charge: {{current: C/50, until: [capacity >= 1 %], fail: [voltage > 3.6 V, time > 70 min]}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def verdicts(*arguments: str) -> list[tuple[str, list[str]]]:
    lot = cycler("simulate", "r.yaml", *arguments, "--json").document
    return [(cell["verdict"], cell["reason_codes"]) for cell in lot["cells"]]


def test_a_recipe_that_takes_filled_cells_gets_them_by_default(folder: Path) -> None:
    (folder / "r.yaml").write_text(RECIPE.format(states="formed, filled", to="precharged"))
    assert cycler("simulate", "r.yaml", "--cells", "2", "--out", "out").exit_code == 0
    ends = [row for row in pq.read_table("out/steps.parquet").to_pylist() if row["step_type"] == "charge"]
    assert all(row["end_voltage_v"] < 2.8 for row in ends)


def test_the_ledger_is_changed_where_the_latch_is_passed_and_at_the_end(folder: Path) -> None:
    (folder / "r.yaml").write_text(RECIPE.format(states="filled", to="formed").replace("1 %", "2 %"))
    cycler("simulate", "r.yaml", "--cells", "1", "--out", "out")
    events = pq.read_table("out/events.parquet").to_pylist()
    assert [row["text"] for row in events if row["event"] == "ledger.changed"] == [
        "filled -> precharged",
        "precharged -> formed",
    ]


def test_the_worlds_own_state_is_what_is_promised_and_its_defects_break_the_promise(folder: Path) -> None:
    (folder / "r.yaml").write_text(RECIPE.format(states="filled", to="precharged"))
    (folder / "w.yaml").write_text(
        "cells:\n"
        "  S01/2: {cell_type: nmc811-21700, state: formed@40%}\n"
        "defects:\n"
        "  - {at: S01/4, defect: wrong-chemistry, cell_type: nmc811-21700, state: formed@40%}\n"
    )
    found = verdicts("--cells", "5", "--world", "w.yaml")
    contradicted = ("not-run", ["STATE_CONTRADICTED"])
    assert found == [("pass", []), contradicted, ("pass", []), contradicted, ("pass", [])]


def test_unformed_cells_are_named_as_the_ledger_names_them(folder: Path) -> None:
    (folder / "r.yaml").write_text(RECIPE.format(states="filled", to="precharged"))
    refused = cycler("simulate", "r.yaml", "--start", "unformed")
    assert refused.exit_code == 2
    assert "'unformed' is no state (the ledger calls them filled)" in refused.err


def test_a_cell_type_of_the_library_is_given_by_its_name(folder: Path) -> None:
    (folder / "r.yaml").write_text(RECIPE.format(states="filled", to="precharged"))
    assert cycler("recipe", "check", "r.yaml", "--cell-type", "nmc811-21700").exit_code == 0
    other = cycler("recipe", "check", "r.yaml", "--cell-type", "nmc811-pouch-5ah")
    assert "the recipe is for nmc811-21700, not for nmc811-pouch-5ah" in other.err
    refused = cycler("simulate", "r.yaml", "--cell-type", "nmc811-pouch")
    assert refused.exit_code == 2
    assert "is neither a file nor the name of a cell type (did you mean nmc811-pouch-5ah?)" in refused.err
