"""From the journal to verdicts and files: runs that go on where earlier ones ended, and runs that belong together."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet
import pytest
from formed_tray import A2, BEGAN_UTC, CHARGE, DISCHARGE, NAS_PER_MAH, REST, TRAY, ended, recording

from cycler.model.cell import Cell, CellId
from cycler.model.cell_type import CellType
from cycler.model.rack import BayId, PositionId
from cycler.model.results import CellOutcome, Counters, StepResult
from cycler.model.run import Run
from cycler.service.lot import Lot, finish_runs
from sims.loop import run_virtual

NMC = CellType(
    name="nmc", chemistry="nmc811", rated_capacity_ah=5.0, rated_energy_wh=18.0, mass_kg=0.07, envelopes={},
    required_protections=frozenset(),
)  # fmt: skip
PRECHARGE = replace(CHARGE, step_id="pre", stop_reason="capacity", moved=Counters(charged_nas=100 * NAS_PER_MAH))
B2_A1 = PositionId("B02/A1")


def run_of(number: int, state: str, *, bay: str = "B01", cell: str = "c-2", recipe: str = "a") -> Run:
    position = A2 if bay == "B01" else B2_A1
    return replace(
        TRAY,
        run_id=f"20260101-{number:03d}",
        started_utc=BEGAN_UTC + timedelta(days=number),
        placement=replace(TRAY.placement, bay=BayId(bay)),
        recipe_hash=f"sha256:{recipe}",
        recipe_text=f"recipe: {recipe}\n",
        cells={position: Cell(cell_id=CellId(cell), cell_type="nmc", state=state)},  # type: ignore[arg-type]
    )


def stored(store: Path, *runs: tuple[Run, list[StepResult]]) -> None:
    async def main() -> None:
        async with recording(store, commit_every_s=1000.0) as recorder:
            for run, steps in runs:
                ((position, cell),) = run.cells.items()
                recorder.start_run(run)
                for step in steps:
                    recorder.step_result(position, step)
                outcome = CellOutcome(cell=cell.cell_id, position=position, ended="completed")
                recorder.outcome(outcome if position != A2 else replace(ended(A2), cell=cell.cell_id))

    run_virtual(main())


def finished(store: Path, out: Path, *runs: Run) -> Lot:
    return finish_runs(store, [run.run_id for run in runs], {"nmc": NMC}, out, config_hash="", seed=1)


def test_the_first_cycle_goes_on_where_an_earlier_run_ended(tmp_path: Path) -> None:
    form_a, form_b = run_of(1, "filled"), run_of(2, "precharged", recipe="b")
    stored(tmp_path, (form_a, [PRECHARGE, REST]), (form_b, [CHARGE, REST, DISCHARGE]))
    (cell,) = finished(tmp_path, tmp_path / "out", form_b).cells
    assert cell.first_cycle_efficiency == pytest.approx(5000 / (100 + 5100))
    (column,) = pyarrow.parquet.read_table(tmp_path / "out" / "cells.parquet")["first_cycle_efficiency"].to_pylist()
    assert column == cell.first_cycle_efficiency


def test_a_precharged_cell_of_unknown_history_has_no_first_cycle(tmp_path: Path) -> None:
    form_b = run_of(2, "precharged")
    stored(tmp_path, (form_b, [CHARGE, REST, DISCHARGE]))
    assert finished(tmp_path, tmp_path / "out", form_b).cells[0].first_cycle_efficiency is None


def test_runs_that_belong_together_share_their_files(tmp_path: Path) -> None:
    one, other = run_of(1, "formed"), run_of(2, "formed", bay="B02", cell="d-1", recipe="b")
    stored(tmp_path, (one, [CHARGE, REST, DISCHARGE]), (other, [CHARGE]))
    lot = finished(tmp_path, tmp_path / "out", one, other)
    assert [cell.position for cell in lot.cells] == [A2, B2_A1]
    steps = pyarrow.parquet.read_table(tmp_path / "out" / "steps.parquet").to_pydict()
    assert steps["cell_id"] == ["c-2", "c-2", "c-2", "d-1"]
    assert steps["started_utc"][3] == other.started_utc
    assert (tmp_path / "out" / "recipe.yaml").read_text() == "recipe: a\n---\nrecipe: b\n"
    summary = json.loads((tmp_path / "out" / "run.json").read_text())
    assert summary["recipe_hash"] == "sha256:a;sha256:b"
    assert summary["cells"] == ["c-2", "d-1"]
    report = (tmp_path / "out" / "report.html").read_text()
    assert "Bay B01" in report
    assert "Bay B02" in report
