"""Runs during which control was lost: their cells get the outcome that nobody could give them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cycler.model.rack import PositionId
from cycler.model.results import CellOutcome, Event
from cycler.model.run import Run
from cycler.record.reader import Reader
from cycler.record.recorder import Recorder
from cycler.service.ledger import ledger_state


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptedRun:
    """`outcomes` are those of the cells that had none; `lost_utc` is when the last was heard of the run."""

    run: Run
    lost_utc: datetime
    outcomes: tuple[CellOutcome, ...]


def interrupted_runs(store: Path) -> tuple[InterruptedRun, ...]:
    """As long as nothing runs; the journal is there. Raises `JournalUnusable`."""
    with Reader(store) as reader:
        return tuple(_interrupted(reader, run) for run in reader.unended_runs())


def record_interruption(recorder: Recorder, interrupted: InterruptedRun, now_utc: datetime) -> None:
    """Control is back, and nothing of the run goes on."""
    run = interrupted.run
    recorder.take_up(run, [outcome.position for outcome in interrupted.outcomes])
    recorder.event(
        Event(
            utc=now_utc,
            elapsed_s=(now_utc - run.started_utc).total_seconds(),
            event="run.interrupted",
            text=f"control was lost after {_second(interrupted.lost_utc)} and is back since {_second(now_utc)}",
            data={"from": interrupted.lost_utc.isoformat(), "to": now_utc.isoformat(), "cause": "host-loss"},
        ),
        run_id=run.run_id,
    )
    for outcome in interrupted.outcomes:
        recorder.outcome(outcome)


def _interrupted(reader: Reader, run: Run) -> InterruptedRun:
    record, curves = reader.record(run.run_id), reader.curves(run.run_id)
    heard = [run.started_utc, *(event.utc for event in record.events)]
    heard += [run.started_utc + timedelta(seconds=float(curve.elapsed_s[-1])) for curve in curves.values()]
    lost_utc = max(heard)

    def outcome(position: PositionId) -> CellOutcome:
        return CellOutcome(
            cell=run.cells[position].cell_id,
            position=position,
            ended="stopped",
            detail=f"host-loss: control was lost after {_second(lost_utc)}",
            state=ledger_state(record, position),
        )

    unended = [position for position in run.cells if position not in record.outcomes]
    return InterruptedRun(run=run, lost_utc=lost_utc, outcomes=tuple(map(outcome, unended)))


def _second(utc: datetime) -> str:
    return f"{utc:%Y-%m-%d %H:%M:%S} UTC"
