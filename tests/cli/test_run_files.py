"""What a run leaves opens without this program and keeps the rules of its columns."""

import csv
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from command_line import cycler

RECIPE = """\
recipe: two-turns
version: 1.0.0
cell_type: nmc811-21700
record: {every: 7 s}
steps:
  - rest: {time: 15 s}
  - loop:
      times: 2
      steps:
        - charge: {id: up, current: C/2, until: [time >= 60 s], fail: [capacity > 10 %, voltage > 4.1 V]}
        - rest: {time: 20 s}
        - discharge:
            id: down
            current: C/2
            until: [capacity >= 0.03 Ah]
            fail: [time > 3 min, capacity > 10 %, voltage < 2.6 V]
            tag: cap
        - rest: {id: pause, time: 20 s}
  - dcir: {id: pulse, direction: discharge, current: 1C, time: 10 s, values: [0.1 s, 1 s, 10 s], voltage: 2.5 V}
"""
WORLD = "cells: {default: nmc811-21700}\ndefects: [{at: S01/2, defect: missing}]\n"
BEGAN_UTC = datetime(2026, 1, 1, tzinfo=UTC)
CUMULATIVE = {
    "charge_ah": "Charging Capacity / Ah",
    "discharge_ah": "Discharging Capacity / Ah",
    "charge_wh": "Charging Energy / Wh",
    "discharge_wh": "Discharging Energy / Wh",
}
CELLS = ("sim-0001", "sim-0003")
"""Those of the three that were ever energised."""

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run of two cells and an empty position."""
    return ran(tmp_path_factory.mktemp("run"))


def ran(place: Path, *more: str, seed: int = 5) -> Path:
    (place / "recipe.yaml").write_text(RECIPE)
    (place / "world.yaml").write_text(WORLD)
    options = ["--cells", "3", "--seed", str(seed), "--start", "formed@40%", "--world", str(place / "world.yaml")]
    answer = cycler("simulate", place / "recipe.yaml", *options, "--out", place / "out", *more)
    assert answer.exit_code == 0, answer.err
    return place / "out"


def rows(file: Path) -> Rows:
    found: Rows = pq.read_table(file).to_pylist()
    return found


def curve(folder: Path, cell: str) -> Rows:
    return rows(folder / f"{cell}.bdf.parquet")


def steps_of(folder: Path, cell: str) -> Rows:
    return [row for row in rows(folder / "steps.parquet") if row["cell_id"] == cell]


def by_step(samples: Rows) -> Iterator[tuple[int, Rows]]:
    return ((count, list(group)) for count, group in groupby(samples, key=lambda row: row["Step Count / 1"]))


def test_there_is_a_curve_for_each_cell_that_was_energised_and_a_row_for_each_cell(folder: Path) -> None:
    assert sorted(file.name for file in folder.glob("*.bdf.parquet")) == [f"{cell}.bdf.parquet" for cell in CELLS]
    cells = {row["cell_id"]: row for row in rows(folder / "cells.parquet")}
    assert list(cells) == ["sim-0001", "sim-0002", "sim-0003"]
    assert cells["sim-0002"]["verdict"] in {"not-run", "fail"}
    assert cells["sim-0002"]["capacity_ah"] is None
    assert [row["position"] for row in cells.values()] == ["S01/1", "S01/2", "S01/3"]


def test_the_columns_are_those_of_the_battery_data_format_without_empty_ones(folder: Path) -> None:
    assert list(curve(folder, "sim-0001")[0]) == [
        "Test Time / s", "Unix Time / s", "Voltage / V", "Current / A", "Cycle Count / 1", "Step Count / 1", "Step ID",
        "Step Type", "Step Time / s", "Surface Temperature / degC", "Ambient Temperature / degC", *CUMULATIVE.values(),
        *(f"Step {name}" for name in CUMULATIVE.values()),
    ]  # fmt: skip


@pytest.mark.parametrize("cell", CELLS)
def test_time_never_runs_backwards_and_begins_with_2026(folder: Path, cell: str) -> None:
    samples = curve(folder, cell)
    assert all(a["Test Time / s"] <= b["Test Time / s"] for a, b in pairwise(samples))
    for row in samples:
        assert row["Unix Time / s"] - row["Test Time / s"] == pytest.approx(BEGAN_UTC.timestamp(), abs=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_each_executed_step_has_a_row_at_both_edges_and_begins_at_step_time_0(folder: Path, cell: str) -> None:
    results = {row["step_count"]: row for row in steps_of(folder, cell)}
    seen = dict(by_step(curve(folder, cell)))
    assert list(seen) == list(results) == list(range(1, 11))
    for count, samples in seen.items():
        result = results[count]
        assert samples[0]["Step Time / s"] == 0.0
        # A row is added when the next order, or the open relay, is seen: the step lasts until then, if not by its end.
        assert 0.0 <= samples[-1]["Step Time / s"] - result["duration_s"] + 1e-6 <= 1.0
        assert all(a["Step Time / s"] <= b["Step Time / s"] for a, b in pairwise(samples))
        began_s = (result["started_utc"] - BEGAN_UTC).total_seconds()
        assert samples[0]["Test Time / s"] == pytest.approx(began_s, abs=1e-6)
        assert {(row["Step ID"], row["Step Type"]) for row in samples} == {(result["step_id"], result["step_type"])}
        assert samples[-1]["Voltage / V"] == pytest.approx(result["end_voltage_v"], abs=1e-6)
        assert samples[-1]["Current / A"] == pytest.approx(result["end_current_a"], abs=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_steps_are_named_by_their_id_else_by_their_path(folder: Path, cell: str) -> None:
    turn = ["up", "2.2", "down", "pause"]
    assert [row["step_id"] for row in steps_of(folder, cell)] == ["1", *turn, *turn, "pulse"]


@pytest.mark.parametrize("cell", CELLS)
def test_a_cycle_begins_when_a_charge_follows_a_discharge_and_a_pulse_is_neither(folder: Path, cell: str) -> None:
    assert [row["cycle"] for row in steps_of(folder, cell)] == [1, 1, 1, 1, 1, 2, 2, 2, 2, 2]
    for count, samples in by_step(curve(folder, cell)):
        assert {row["Cycle Count / 1"] for row in samples} == {1 if count <= 5 else 2}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", CUMULATIVE.values())
def test_what_has_gone_in_and_out_never_falls_and_a_steps_own_count_begins_at_0(
    folder: Path, cell: str, name: str
) -> None:
    samples = curve(folder, cell)
    assert samples[0][name] == 0.0
    assert all(a[name] <= b[name] for a, b in pairwise(samples))
    for _, of_step in by_step(samples):
        for row in of_step:
            assert row[f"Step {name}"] == pytest.approx(row[name] - of_step[0][name], abs=1e-12)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("key", "name"), CUMULATIVE.items())
def test_what_a_step_moved_is_what_its_last_row_says(folder: Path, cell: str, key: str, name: str) -> None:
    results = steps_of(folder, cell)
    moved = [of_step[-1][f"Step {name}"] for _, of_step in by_step(curve(folder, cell))]
    assert moved == pytest.approx([result[key] for result in results], abs=1e-9)
    assert all(result[key] >= 0.0 for result in results)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", CUMULATIVE.values())
def test_a_step_begins_with_what_the_one_before_has_ended_with(folder: Path, cell: str, name: str) -> None:
    for (_, before), (_, after) in pairwise(by_step(curve(folder, cell))):
        assert after[0][name] == before[-1][name]
        assert after[0]["Test Time / s"] >= before[-1]["Test Time / s"]


def test_a_charge_charges_with_positive_current_and_a_discharge_takes_out_what_it_says(folder: Path) -> None:
    for cell in CELLS:
        results = {row["step_id"]: row for row in steps_of(folder, cell)}
        assert results["up"]["charge_ah"] == pytest.approx(2.5 * 60 / 3600, rel=2e-3)
        assert results["up"]["discharge_ah"] == 0.0
        assert results["up"]["end_current_a"] > 0 > results["down"]["end_current_a"]
        assert results["down"]["discharge_ah"] == pytest.approx(0.03, abs=2.5 * 1.0 / 3600)
        assert (results["up"]["stop_reason"], results["down"]["stop_reason"]) == ("time", "capacity")
        assert (results["down"]["tag"], results["up"]["tag"]) == ("cap", None)


def test_a_pulse_has_its_longest_value_and_the_shorter_ones_in_columns_of_their_own(folder: Path) -> None:
    for row in rows(folder / "steps.parquet"):
        values = [row["dcir_100ms_ohm"], row["dcir_1000ms_ohm"], row["dcir_ohm"]]
        if row["step_type"] == "dcir":
            assert 0.01 < values[0] < values[1] < values[2] < 0.05
        else:
            assert values == [None, None, None]


def test_the_rows_of_cells_agree_with_those_of_steps(folder: Path) -> None:
    for cell in rows(folder / "cells.parquet"):
        steps = steps_of(folder, cell["cell_id"])
        tagged = [row["discharge_ah"] for row in steps if row["tag"] == "cap"]
        assert cell["capacity_ah"] == (tagged[-1] if tagged else None)
        if steps:
            assert cell["dcir_ohm"] == steps[-1]["dcir_ohm"]
            assert cell["ocv_v"] == [row["end_voltage_v"] for row in steps if row["step_type"] == "rest"][-1]
            assert cell["energy_in_wh"] == pytest.approx(sum(row["charge_wh"] for row in steps), abs=1e-9)
            assert cell["energy_out_wh"] == pytest.approx(sum(row["discharge_wh"] for row in steps), abs=1e-9)


def test_events_are_in_order_and_their_data_are_json(folder: Path) -> None:
    events = rows(folder / "events.parquet")
    assert all(a["elapsed_s"] <= b["elapsed_s"] for a, b in pairwise(events))
    assert all(isinstance(json.loads(row["data"]), dict) for row in events if row["data"])
    ended = [row for row in events if row["event"] == "step.ended" and row["cell_id"] == "sim-0001"]
    assert len(ended) == 10


def test_no_file_holds_nan_or_a_column_without_a_value(folder: Path) -> None:
    for file in folder.glob("*.parquet"):
        table = pq.read_table(file)
        for name, column in zip(table.column_names, table.columns, strict=True):
            assert column.null_count < len(column), (file.name, name)
            values = [value for value in column.to_pylist() if isinstance(value, float)]
            assert all(value == value for value in values), (file.name, name)  # noqa: PLR0124


def test_run_json_vouches_for_every_file(folder: Path) -> None:
    summary = json.loads((folder / "run.json").read_text())
    present = {file.name for file in folder.iterdir()} - {"journal", "run.json"}
    assert set(summary["files"]) == present
    for name, digest in summary["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert (summary["seed"], summary["started_utc"]) == (5, "2026-01-01T00:00:00+00:00")
    assert summary["cells"] == ["sim-0001", "sim-0002", "sim-0003"]
    assert {"version", "recipe_hash", "config_hash"} <= set(summary)


def test_the_recipe_is_there_as_it_ran_and_runs_again(folder: Path) -> None:
    summary = json.loads((folder / "run.json").read_text())
    again = cycler("recipe", "check", folder / "recipe.yaml", "--json")
    assert again.document["hash"] == summary["recipe_hash"]


def test_equal_seeds_give_equal_files_and_others_give_others(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "same").mkdir()
    (tmp_path / "other").mkdir()
    same, other = ran(tmp_path / "same"), ran(tmp_path / "other", seed=6)
    for file in folder.iterdir():
        if file.name not in {"journal", "run.json"}:
            assert (same / file.name).read_bytes() == file.read_bytes(), file.name
    assert curve(other, "sim-0001") != curve(folder, "sim-0001")


def test_curves_may_be_csv_with_the_same_rows(folder: Path, tmp_path: Path) -> None:
    out = ran(tmp_path, "--csv")
    assert not list(out.glob("*.bdf.parquet"))
    with (out / "sim-0001.bdf.csv").open(newline="") as stream:
        read = list(csv.DictReader(stream))
    expected = curve(folder, "sim-0001")
    assert list(read[0]) == list(expected[0])
    assert [float(row["Voltage / V"]) for row in read] == [row["Voltage / V"] for row in expected]
    assert [row["Step ID"] for row in read] == [row["Step ID"] for row in expected]


def test_a_second_run_into_the_same_folder_replaces_the_first_and_its_kind_of_curve(tmp_path: Path) -> None:
    ran(tmp_path)
    out = ran(tmp_path, "--csv")
    assert {file.suffix for file in out.glob("*.bdf.*")} == {".csv"}
