"""The files that a run leaves, read back without our software."""

import asyncio
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.parquet
import pytest
from formed_tray import (
    A2,
    A10,
    BEGAN_UTC,
    CHARGE,
    DISCHARGE,
    NAS_PER_MAH,
    REST,
    RUN_ID,
    TRAY,
    ended,
    happened,
    recording,
)
from hypothesis import given
from hypothesis import strategies as st
from pulse_points import point

from cycler.model.results import CellOutcome, CellResult
from cycler.record.export import event_hash, export_runs
from cycler.record.reader import Reader, RunRecord
from cycler.record.tables import steps_table
from sims.loop import run_virtual

RESULTS = (
    CellResult(
        cell=TRAY.cells[A2].cell_id, position=A2, cell_type="nmc", verdict="pass", capacity_ah=5.0,
        energy_in_wh=19.0, energy_out_wh=18.0, genealogy={"melt": "M7"},
    ),
    CellResult(
        cell=TRAY.cells[A10].cell_id, position=A10, cell_type="nmc", verdict="not-run", reason_codes=("ABSENT",),
        energy_in_wh=0.0, energy_out_wh=0.0,
    ),
)  # fmt: skip
PULSE = replace(
    DISCHARGE, step_count=4, step_id="4", step_type="dcir", tag=None, moved=CHARGE.moved,
    pulse=(point(10.0, 0.025), point(0.1, 0.015), point(1.0, 0.02)),
)  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A2 ran three steps; A10 was found absent."""
    store = tmp_path_factory.mktemp("run") / "store"

    async def main() -> None:
        async with recording(store, commit_every_s=1000.0) as recorder:
            handle = recorder.start_run(TRAY)[A2]
            into, out = 5100 * NAS_PER_MAH, 5000 * NAS_PER_MAH
            nan = float("nan")
            for step, cycle, at_s, step_s, volts, amps, degc, charged, discharged in (
                (1, 1, 0.0, 0.0, 3.0, 5.0, 25.0, 0, 0),
                (1, 1, 1800.0, 1800.0, 3.8, 5.0, nan, into // 2, 0),
                (1, 1, 3600.0, 3600.0, 4.2, 0.25, 31.5, into, 0),
                (2, 1, 3600.0, 0.0, 4.19, 0.0, 31.5, into, 0),
                (2, 1, 4200.0, 600.0, 4.15, 0.0, 26.0, into, 0),
                (3, 1, 4200.0, 0.0, 4.1, -5.0, 26.0, into, 0),
                (3, 1, 7800.0, 3600.0, 2.5, -5.0, 30.0, into, out),
            ):
                recorder.sample(
                    handle, step, cycle, at_s, step_s, volts, amps, degc,
                    charged, discharged, charged * 4, discharged * 3,
                )  # fmt: skip
                await asyncio.sleep(600)
            for step in (CHARGE, REST, DISCHARGE, PULSE):
                recorder.step_result(A2, step)
            recorder.event(happened("step.ended", position=A2, cell_id="c-2"))
            recorder.outcome(
                CellOutcome(cell=TRAY.cells[A10].cell_id, position=A10, ended="not-started", code="ABSENT")
            )
            recorder.outcome(ended(A2))

    run_virtual(main())
    return store


def export(store: Path, directory: Path, **options: Any) -> Path:
    with Reader(store) as reader:
        record, curves = reader.record(RUN_ID), reader.curves(RUN_ID)
    facts = {"version": "0.1.0", "config_hash": "sha256:11", "seed": 7, **options}
    export_runs(directory, [(record, curves)], RESULTS, **facts)
    return directory


@pytest.fixture(scope="module")
def files(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(store, tmp_path_factory.mktemp("files"), attachments={"report.html": "<p>"})


def table(path: Path) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = pyarrow.parquet.read_table(path).to_pydict()
    return columns


def test_a_cell_has_the_columns_of_the_battery_data_format(files: Path) -> None:
    assert list(table(files / "c-2.bdf.parquet")) == [
        "Test Time / s", "Unix Time / s", "Voltage / V", "Current / A", "Cycle Count / 1", "Step Count / 1", "Step ID",
        "Step Type", "Step Time / s", "Surface Temperature / degC", "Charging Capacity / Ah",
        "Discharging Capacity / Ah", "Charging Energy / Wh", "Discharging Energy / Wh", "Step Charging Capacity / Ah",
        "Step Discharging Capacity / Ah", "Step Charging Energy / Wh", "Step Discharging Energy / Wh",
    ]  # fmt: skip


def test_each_step_has_a_row_at_both_edges_and_begins_at_zero(files: Path) -> None:
    curve = table(files / "c-2.bdf.parquet")
    assert curve["Step Count / 1"] == [1, 1, 1, 2, 2, 3, 3]
    assert curve["Step Time / s"] == [0, 1800, 3600, 0, 600, 0, 3600]
    assert curve["Step ID"] == ["1", "1", "1", "2", "2", "down", "down"]
    assert curve["Step Type"] == ["charge"] * 3 + ["rest"] * 2 + ["discharge"] * 2


def test_cumulative_capacities_never_reset_and_those_of_a_step_do(files: Path) -> None:
    curve = table(files / "c-2.bdf.parquet")
    assert curve["Charging Capacity / Ah"] == [0, 2.55, 5.1, 5.1, 5.1, 5.1, 5.1]
    assert curve["Step Charging Capacity / Ah"] == [0, 2.55, 5.1, 0, 0, 0, 0]
    assert curve["Discharging Capacity / Ah"] == [0, 0, 0, 0, 0, 0, 5.0]
    assert curve["Step Discharging Energy / Wh"] == [0, 0, 0, 0, 0, 0, 15.0]


def test_wall_time_goes_on_from_the_runs_start(files: Path) -> None:
    unix_s = table(files / "c-2.bdf.parquet")["Unix Time / s"]
    assert unix_s[0] == BEGAN_UTC.timestamp()
    assert unix_s[-1] == BEGAN_UTC.timestamp() + 7800


def test_a_missing_value_is_null(files: Path) -> None:
    assert table(files / "c-2.bdf.parquet")["Surface Temperature / degC"] == [25, None, 31.5, 31.5, 26, 26, 30]


def test_the_air_of_the_chamber_stands_beside_each_sample_that_it_was_read_near_to(tmp_path: Path) -> None:
    nan = float("nan")

    async def main() -> None:
        async with recording(tmp_path / "store") as recorder:
            handle = recorder.start_run(TRAY)[A2]
            for at_s, air_degc in ((0.0, 25.0), (60.0, 25.5), (120.0, nan), (180.0, 26.0)):
                recorder.air(RUN_ID, at_s, air_degc)
            for at_s in (10.0, 31.0, 119.0, 200.0, 1000.0):
                recorder.sample(handle, 1, 1, at_s, at_s, 3.7, 1.0, 25.0, 0, 0, 0, 0)
                await asyncio.sleep(60)
            recorder.step_result(A2, CHARGE)
            recorder.outcome(ended(A2))

    run_virtual(main())
    curve = table(export(tmp_path / "store", tmp_path / "files") / "c-2.bdf.parquet")
    assert curve["Ambient Temperature / degC"] == [25.0, 25.5, None, 26.0, None]
    names = list(curve)
    assert names.index("Ambient Temperature / degC") == names.index("Surface Temperature / degC") + 1


def test_a_cell_that_was_never_energised_has_a_row_and_no_curve(files: Path) -> None:
    assert [path.name for path in files.glob("*.bdf.*")] == ["c-2.bdf.parquet"]
    assert table(files / "cells.parquet")["verdict"] == ["pass", "not-run"]


def test_steps_have_the_columns_that_others_rely_on(files: Path) -> None:
    steps = table(files / "steps.parquet")
    assert list(steps) == [
        "cell_id", "step_count", "step_id", "step_type", "cycle", "tag", "started_utc", "duration_s", "charge_ah",
        "discharge_ah", "charge_wh", "discharge_wh", "end_voltage_v", "end_current_a", "temperature_degc_max",
        "stop_reason", "dcir_ohm", "dcir_100ms_ohm", "dcir_1000ms_ohm", "charge_source", "gap_s", "quality",
    ]  # fmt: skip
    assert steps["tag"] == [None, None, "cap", None]
    assert steps["discharge_ah"][2] == 5.0
    assert [column[3] for name, column in steps.items() if name.startswith("dcir")] == [0.025, 0.015, 0.02]
    assert steps["dcir_ohm"][:3] == [None] * 3
    assert steps["started_utc"][1].isoformat() == "2026-01-01T01:00:00+00:00"


def test_each_resistance_of_a_pulse_has_what_was_read_for_it(files: Path) -> None:
    pulses = table(files / "pulses.parquet")
    assert pulses["nominal_s"] == [0.1, 1.0, 10.0]
    assert pulses["resistance_ohm"] == [0.015, 0.02, 0.025]
    assert pulses["uncertainty_ohm"] == [0.001] * 3
    assert pulses["timed_by"] == ["device"] * 3
    assert (pulses["reference_time_s"][2], pulses["reference_voltage_v"][2], pulses["reference_current_a"][2]) == (
        -0.1,
        3.7,
        0.0,
    )
    assert pulses["after_time_s"] == pulses["before_time_s"] == [0.1, 1.0, 10.0]
    assert pulses["after_current_a"] == [-1.0] * 3


def test_cells_leave_out_what_nobody_measured_and_end_with_the_genealogy(files: Path) -> None:
    assert table(files / "cells.parquet") == {
        "cell_id": ["c-2", "c/10"],
        "position": ["B01/A2", "B01/A10"],
        "cell_type": ["nmc", "nmc"],
        "verdict": ["pass", "not-run"],
        "reason_codes": [None, "ABSENT"],
        "capacity_ah": [5.0, None],
        "energy_in_wh": [19.0, 0.0],
        "energy_out_wh": [18.0, 0.0],
        "melt": ["M7", None],
    }


def test_events_keep_their_data_as_json(files: Path) -> None:
    events = table(files / "events.parquet")
    assert list(events) == ["utc", "elapsed_s", "event", "cell_id", "position", "data"]
    assert json.loads(events["data"][0]) == {"turn": 1}


def test_run_json_names_every_file_with_its_hash(files: Path) -> None:
    summary = json.loads((files / "run.json").read_text())
    keys = ["cells", "config_hash", "files", "recipe_hash", "released_as", "seed", "started_utc", "version"]
    assert list(summary) == keys
    assert summary["released_as"] == "simulated"
    assert set(summary["files"]) == {path.name for path in files.iterdir()} - {"run.json"}
    for name, digest in summary["files"].items():
        assert hashlib.sha256((files / name).read_bytes()).hexdigest() == digest
    assert (files / "recipe.yaml").read_text() == TRAY.recipe_text


def test_equal_runs_give_equal_files(store: Path, files: Path, tmp_path: Path) -> None:
    again = export(store, tmp_path, version="0.2.0", attachments={"report.html": "<p>"})
    differing = {path.name for path in files.iterdir() if path.read_bytes() != (again / path.name).read_bytes()}
    assert differing == {"run.json"}


def test_curves_come_as_text_if_wanted(store: Path, files: Path, tmp_path: Path) -> None:
    path = export(store, tmp_path, csv=True) / "c-2.bdf.csv"
    assert list(pyarrow.csv.read_csv(path).to_pydict().items()) == list(table(files / "c-2.bdf.parquet").items())


def test_a_cells_name_can_not_lead_out_of_the_directory(store: Path, tmp_path: Path) -> None:
    with Reader(store) as reader:
        record, curves = reader.record(RUN_ID), reader.curves(RUN_ID)
    wicked = replace(TRAY.cells[A2], cell_id="../../c-2")
    run = replace(record.run, cells={**record.run.cells, A2: wicked})
    written = export_runs(
        tmp_path / "out", [(replace(record, run=run), curves)], RESULTS, version="", config_hash="", seed=None
    )
    assert {path.parent for path in written} == {tmp_path / "out"}
    assert (tmp_path / "out" / "..%2F..%2Fc-2.bdf.parquet").exists()


@given(st.sampled_from(["event", "text", "code", "position"]))
def test_the_event_hash_sees_every_difference(fact: str) -> None:
    before = [happened("run.started"), happened("run.ended")]
    after = [before[0], replace(before[1], **{fact: "other"})]  # type: ignore[arg-type]
    assert event_hash(before) == event_hash(list(before))
    assert event_hash(before) != event_hash(after)
    assert event_hash(before) != event_hash(before[::-1])


def test_what_a_meter_measured_stands_behind_all_others() -> None:
    voltage = replace(REST, step_type="ocv", ocv_v=3.61234, measured_by="hi-01/1")
    resistance = replace(REST, step_count=3, step_type="acir", acir_ohm=0.0142, measured_by="hi-01/1")
    record = RunRecord(
        run=TRAY, steps={A2: (voltage, resistance)}, outcomes={}, checkpoints={}, events=(), event_numbers=()
    )
    steps = steps_table([record]).to_pydict()
    assert list(steps)[-3:] == ["ocv_v", "acir_ohm", "measured_by"]
    assert (steps["ocv_v"], steps["acir_ohm"]) == ([3.61234, None], [None, 0.0142])
    assert steps["measured_by"] == ["hi-01/1", "hi-01/1"]
