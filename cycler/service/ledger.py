"""What a store knows of cells from the runs in it: how far each has come, and where its voltage stood."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from cycler.model.cell import CellId, LedgerState
from cycler.model.rack import PositionId
from cycler.model.results import StepResult
from cycler.record.reader import Reader, RunRecord
from cycler.results.metrics import end_voltage_v

_RELAY_OPEN = frozenset({"rest", "ocv", "acir", "soak", "hold"})
_WITHOUT_TIME = frozenset({"set", "stop"})
"""Steps that leave the cell as it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownCell:
    """`last_ocv_v` is None where no rest has followed the last current."""

    cell_type: str
    state: LedgerState
    last_ocv_v: float | None
    run_id: str  # in which it came to its state


def known_cells(store: Path) -> Mapping[CellId, KnownCell]:
    """Every cell that a run of the store has begun with. Raises `JournalUnusable`."""
    found: dict[CellId, KnownCell] = {}
    with Reader(store) as reader:
        for run in reader.runs():
            record = reader.record(run.run_id)
            for at, cell in run.cells.items():
                steps = record.steps.get(at, ())
                if steps:  # else nothing was done with it
                    found[cell.cell_id] = KnownCell(
                        cell_type=cell.cell_type,
                        state=ledger_state(record, at),
                        last_ocv_v=_last_ocv_v(steps),
                        run_id=run.run_id,
                    )
    return found


def ledger_state(record: RunRecord, at: PositionId) -> LedgerState:
    """Of the cell there, as its last event has it: a run that never ended has them, too."""
    changes = [event.data["to"] for event in record.events if event.event == "ledger.changed" and event.position == at]
    return cast(LedgerState, changes[-1]) if changes else record.run.cells[at].state


def _last_ocv_v(steps: tuple[StepResult, ...]) -> float | None:
    lasting = [step for step in steps if step.step_type not in _WITHOUT_TIME]
    return end_voltage_v(lasting) if lasting and lasting[-1].step_type in _RELAY_OPEN else None
