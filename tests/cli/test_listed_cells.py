"""`simulate --cells-file`: what is promised of each cell, and what a contact check makes of the promise."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from command_line import cycler

from cycler.recipe.lookup import LIBRARY

HEAD = "recipe: {name}\nversion: 1.0.0\ncell_type: nmc811-21700\nfrom_state: [{states}]\nsteps:\n"
CHECK = "  - contact: {{{rule}}}\n  - rest: {{time: 11 min}}\n"
CHARGE = (
    "  - charge: {current: C/5, until: [capacity >= 1 %], fail: [voltage > 4.1 V, time > 1 h]}\n"
    "  - rest: {time: 11 min}\n"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, name: str, states: str, rule: str = "", *, charge: bool = False) -> None:
    text = HEAD.format(name=name, states=states) + CHECK.format(rule=rule) + (CHARGE if charge else "")
    (folder / f"{name}.yaml").write_text(text)


def cells(folder: Path, *lines: str) -> None:
    (folder / "cells.csv").write_text("\n".join(lines) + "\n")


def found(recipe: str, *arguments: str) -> dict[str, list[str]]:
    lot = cycler("simulate", recipe, "--cells-file", "cells.csv", *arguments, "--json").document
    return {cell["cell_id"]: cell["reason_codes"] for cell in lot["cells"]}


def test_listed_cells_have_their_names_and_genealogy_and_what_is_not_listed_is_empty(folder: Path) -> None:
    write(folder, "check", "filled")
    cells(folder, "position,cell_id,state,lot", "S01/3,K-3,filled,L1", "S01/1,K-1,filled,L2")
    answer = cycler("simulate", "check.yaml", "--cells-file", "cells.csv", "--cells", "4", "--out", "out")
    assert answer.exit_code == 0
    rows = pq.read_table("out/cells.parquet").to_pylist()
    assert [(row["position"], row["cell_id"], row["lot"]) for row in rows] == [
        ("S01/1", "K-1", "L2"),
        ("S01/3", "K-3", "L1"),
    ]
    assert not [event for event in pq.read_table("out/events.parquet").to_pylist() if event.get("code")]


def test_a_cell_that_has_moved_away_from_its_last_voltage_is_refused(folder: Path) -> None:
    write(folder, "check", "formed", "continuity: 30 mV")
    cells(folder, "position,cell_id,state,last_ocv_v", "1,same,formed,3.553", "2,moved,formed,3.70", "3,new,formed,")
    codes = found("check.yaml", "--start", "formed@30%", "--ideal")
    assert codes == {"same": [], "moved": ["STATE_CONTRADICTED"], "new": []}


def test_a_cell_that_nobody_vouches_for_is_refused_below_2_v(folder: Path) -> None:
    write(folder, "check", "filled, formed")
    cells(folder, "position,cell_id,state", "1,promised,filled", "2,nobodys,")
    assert found("check.yaml", "--start", "filled") == {"promised": [], "nobodys": ["STATE_CONTRADICTED"]}
    assert found("check.yaml", "--start", "formed@30%")["nobodys"] == []


def test_evidence_of_their_polarity_lets_cells_near_0_v_go_on(folder: Path) -> None:
    cell_type = (LIBRARY / "cell-types" / "nmc811-21700.yaml").read_text().replace("spread: good", "spread: poor")
    (folder / "cell-types").mkdir()
    (folder / "cell-types" / "nmc811-21700.yaml").write_text(cell_type)
    write(folder, "check", "filled")
    for evidence in ("", "operator"):
        cells(folder, "position,cell_id,state,polarity", *(f"{n},c{n},filled,{evidence}" for n in range(1, 49)))
        codes = [code for each in found("check.yaml").values() for code in each]
        assert ("POLARITY_UNPROVEN" in codes) is not bool(evidence)


def test_the_history_of_listed_cells_is_in_what_an_earlier_run_has_left(folder: Path) -> None:
    write(folder, "first", "formed", charge=True)
    write(folder, "second", "formed", "continuity: 30 mV")
    cells(folder, "position,cell_id,state", "1,a,formed", "2,b,formed")
    assert (
        cycler("simulate", "first.yaml", "--cells-file", "cells.csv", "--start", "formed@30%", "--out", "one").exit_code
        == 0
    )
    cells(folder, "position,cell_id", "1,a", "2,c")
    again = found("second.yaml", "--history", "one", "--start", "formed@31%")
    assert again == {"a": [], "c": []}
    assert found("second.yaml", "--history", "one", "--start", "formed@60%") == {"a": ["STATE_CONTRADICTED"], "c": []}
    cells(folder, "position,cell_id,state", "1,a,aged")
    refused = cycler("simulate", "second.yaml", "--cells-file", "cells.csv", "--history", "one")
    assert refused.exit_code == 2
    assert "cells.csv:2: cell a is formed since run 20260101-001, and not aged" in refused.err


def test_what_goes_together_is_said(folder: Path) -> None:
    write(folder, "check", "filled")
    refused = cycler("simulate", "check.yaml", "--history", "one")
    assert (refused.exit_code, "list them with --cells-file" in refused.err) == (2, True)
    cells(folder, "position,cell_id", "1,a", "3,b")
    refused = cycler("simulate", "check.yaml", "--cells-file", "cells.csv", "--cells", "2")
    assert refused.exit_code == 2
    assert "cells.csv:3: bay S01 has no position 3" in refused.err
    cells(folder, "position,cell_id", "1,a")
    refused = cycler("simulate", "check.yaml", "--cells-file", "cells.csv", "--history", "none")
    assert (refused.exit_code, "--history none: no run has left this folder by --out" in refused.err) == (2, True)


def test_a_gap_in_the_list_is_an_empty_position_and_may_hold_a_cell_that_nobody_expects(folder: Path) -> None:
    write(folder, "check", "filled", "continuity: 30 mV")
    cells(folder, "position,cell_id,state", "S01/1,a,filled", "3,b,filled")
    (folder / "world.yaml").write_text("defects:\n  - {at: S01/2, defect: unexpected}\n")
    answer = cycler("simulate", "check.yaml", "--cells-file", "cells.csv", "--world", "world.yaml", "--out", "out")
    assert answer.exit_code == 0
    events = pq.read_table("out/events.parquet").to_pylist()
    assert [event["position"] for event in events if event["event"] == "cell.unexpected"] == ["S01/2"]
    cells(folder, "position,cell_id", "999999999,a")
    refused = cycler("simulate", "check.yaml", "--cells-file", "cells.csv")
    assert (refused.exit_code, "bay S01 has no position 999999999" in refused.err) == (2, True)


def test_an_unexpected_cell_needs_a_place_that_the_list_leaves_empty(folder: Path) -> None:
    write(folder, "check", "filled")
    (folder / "world.yaml").write_text("defects:\n  - {at: S01/1, defect: unexpected}\n")
    refused = cycler("simulate", "check.yaml", "--world", "world.yaml")
    assert "for `simulate`, no line in the cells file" in refused.err


@pytest.mark.parametrize("step", ["set: {x: 2}", "stop: {verdict: pass}", "acir: {}"])
def test_the_last_voltage_at_rest_is_known_whatever_left_the_relay_open(folder: Path, step: str) -> None:
    write(folder, "first", "formed", charge=True)
    with (folder / "first.yaml").open("a") as file:
        file.write(f"  - {step}\n")
    write(folder, "second", "formed", "continuity: 30 mV")
    cells(folder, "position,cell_id,state", "1,a,formed")
    listed = ("--cells-file", "cells.csv")
    first = cycler("simulate", "first.yaml", *listed, "--start", "formed@30%", "--out", "one")
    assert first.exit_code == 0, first.err
    assert found("second.yaml", "--history", "one", "--start", "formed@60%") == {"a": ["STATE_CONTRADICTED"]}
