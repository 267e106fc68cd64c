"""What a finished run comes to: the verdict on every cell, and the files and the report that show it."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from cycler.model.cell_type import CellType
from cycler.model.rack import PositionId
from cycler.model.results import CellOutcome, CellResult, StepResult
from cycler.model.run import Run
from cycler.record.export import event_hash, export_run
from cycler.record.reader import Reader
from cycler.results.report import ReportCell, render_report
from cycler.results.verdict import lot_results, never_ended
from cycler.results.words import Finding, findings

REPORT = "report.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """A run's cells in the order of their positions."""

    run: Run
    cells: tuple[CellResult, ...]
    outcomes: Mapping[PositionId, CellOutcome]
    event_hash: str
    files: tuple[Path, ...]
    steps: Mapping[PositionId, tuple[StepResult, ...]]
    cell_types: Mapping[str, CellType]

    @property
    def rejected(self) -> int:
        """Cells that did not pass."""
        return sum(cell.verdict != "pass" for cell in self.cells)

    def findings(self, cell: CellResult) -> tuple[Finding, ...]:
        """Why this cell did not pass."""
        steps = self.steps.get(cell.position, ())
        return findings(cell, self.outcomes[cell.position], self.cell_types[cell.cell_type], steps, self.cells)


def finish_run(
    store: Path,
    run_id: str,
    cell_types: Mapping[str, CellType],
    out: Path,
    *,
    config_hash: str,
    seed: int | None,
    csv: bool = False,
) -> Lot:
    """Judge the cells of a run and write its files to `out`. Raises `JournalUnusable`, `KeyError`, `OSError`."""
    with Reader(store) as reader:
        record = reader.record(run_id)
        curves = reader.curves(run_id)
    outcomes = {at: record.outcomes.get(at) or never_ended(cell, at) for at, cell in record.run.cells.items()}
    cells = lot_results(record.run, cell_types, record.steps, outcomes)
    ours = version("formation-cycler")
    report = render_report(
        record.run,
        cell_types,
        [
            ReportCell(
                result=cell,
                outcome=outcomes[cell.position],
                steps=record.steps.get(cell.position, ()),
                samples=curves.get(cell.position),
            )
            for cell in cells
        ],
        version=ours,
        config_hash=config_hash,
    )
    files = export_run(
        out,
        record,
        curves,
        cells,
        version=ours,
        config_hash=config_hash,
        seed=seed,
        csv=csv,
        attachments={REPORT: report},
    )
    return Lot(
        run=record.run,
        cells=cells,
        outcomes=outcomes,
        event_hash=event_hash(record.events),
        files=files,
        steps=record.steps,
        cell_types=cell_types,
    )
