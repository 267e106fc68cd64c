"""What finished runs come to: the verdict on every cell, and the files and the report that show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from cycler.model.cell import CellId
from cycler.model.cell_type import CellType
from cycler.model.rack import PositionId
from cycler.model.results import CellOutcome, CellResult, StepResult
from cycler.model.run import Run
from cycler.record.alarm_tables import alarms_of
from cycler.record.curve import Curve
from cycler.record.export import event_hash, events_of, export_runs
from cycler.record.reader import Reader, RunRecord
from cycler.results.cell_record import CellRecord
from cycler.results.report import render_report
from cycler.results.verdict import JudgedCell, judged, never_ended
from cycler.results.words import Finding, findings

REPORT = "report.html"

RunData = tuple[RunRecord, Mapping[PositionId, Curve]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """The cells of runs that belong together, in the order of their positions."""

    runs: tuple[Run, ...]
    judged: tuple[JudgedCell, ...]
    event_hash: str
    files: tuple[Path, ...]

    @property
    def cells(self) -> tuple[CellResult, ...]:
        """What is said of each cell."""
        return tuple(cell.result for cell in self.judged)

    @property
    def outcomes(self) -> Mapping[PositionId, CellOutcome]:
        """How each cell's run ended."""
        return {cell.record.position: cell.record.outcome for cell in self.judged}

    @property
    def rejected(self) -> int:
        """Cells that did not pass."""
        return sum(cell.result.verdict != "pass" for cell in self.judged)

    def findings(self, cell: JudgedCell) -> tuple[Finding, ...]:
        """Why this cell did not pass."""
        return findings(cell, self.cells)


def finish_runs(
    store: Path,
    run_ids: Sequence[str],
    cell_types: Mapping[str, CellType],
    out: Path,
    *,
    config_hash: str,
    seed: int | None,
    csv: bool = False,
) -> Lot:
    """Judge the cells of these runs and write their files to `out`.

    Raises `JournalUnusable`, `KeyError`, `OSError`.
    """
    with Reader(store) as reader:
        data = [(reader.record(run_id), reader.curves(run_id)) for run_id in run_ids]
        earlier = _since_filled(reader, [record.run for record, _ in data])
    cells = judged(
        [
            CellRecord(
                run=record.run,
                position=at,
                cell_type=cell_types[cell.cell_type],
                outcome=record.outcomes.get(at) or never_ended(cell, at),
                steps=record.steps.get(at, ()),
                samples=curves.get(at),
                earlier=earlier.get(cell.cell_id, ()),
            )
            for record, curves in data
            for at, cell in record.run.cells.items()
        ]
    )
    ours = version("formation-cycler")
    alarms = alarms_of([record for record, _ in data])
    report = render_report(cells, version=ours, config_hash=config_hash, alarms=alarms)
    files = export_runs(
        out,
        [(_marked(record, cells), curves) for record, curves in data],
        [cell.result for cell in cells],
        version=ours,
        config_hash=config_hash,
        seed=seed,
        csv=csv,
        attachments={REPORT: report},
    )
    return Lot(
        runs=tuple(record.run for record, _ in data),
        judged=cells,
        event_hash=event_hash(events_of([record for record, _ in data])),
        files=files,
    )


def _since_filled(reader: Reader, runs: Sequence[Run]) -> Mapping[CellId, tuple[StepResult, ...]]:
    """What this store knows of cells whose first cycle began in an earlier run and goes on in one of these."""
    begun = {cell.cell_id for run in runs for cell in run.cells.values() if cell.state == "precharged"}
    ours = {run.run_id for run in runs}
    found: dict[CellId, tuple[StepResult, ...]] = {}
    for run in reader.runs() if begun else ():
        if run.run_id in ours:  # the store has them in the order in which they began
            break
        places = {at: cell for at, cell in run.cells.items() if cell.cell_id in begun}
        if not places:
            continue
        record = reader.record(run.run_id)
        for at, cell in places.items():
            if cell.state == "filled" or cell.cell_id in found:
                found[cell.cell_id] = (*found.get(cell.cell_id, ()), *record.steps.get(at, ()))
    return {cell: steps for cell, steps in found.items() if all(step.step_type != "discharge" for step in steps)}


def _marked(record: RunRecord, cells: Sequence[JudgedCell]) -> RunRecord:
    """With the steps marked whose temperature cannot be believed."""
    doubtful = {
        (cell.record.position, count)
        for cell in cells
        if cell.record.run.run_id == record.run.run_id
        for sign in cell.signs
        if sign.code == "TEMPERATURE"
        for count in sign.step_counts
    }
    steps = {
        at: tuple(_mark(step) if (at, step.step_count) in doubtful else step for step in of_cell)
        for at, of_cell in record.steps.items()
    }
    return replace(record, steps=steps)


def _mark(step: StepResult) -> StepResult:
    others = tuple(mark for mark in step.quality if mark not in {"OK", "TEMPERATURE"})
    return replace(step, quality=(*others, "TEMPERATURE"))
