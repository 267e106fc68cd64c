"""Runs during which control was lost and that nobody can go on with: their cells get the outcome that they lack."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cycler.model.rack import PositionId
from cycler.model.results import CellOutcome, Event, Sample
from cycler.model.run import Run
from cycler.record.reader import RunRecord
from cycler.record.recorder import Recorder
from cycler.service.ledger import ledger_state


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptedRun:
    """`outcomes` are those of the cells that had none; `lost_utc` is when the last was heard of the run."""

    run: Run
    lost_utc: datetime
    outcomes: tuple[CellOutcome, ...]


def interrupted_run(record: RunRecord, last: Mapping[PositionId, Sample | None]) -> InterruptedRun:
    """`last`: the last samples of the cells that are given up."""
    run = record.run
    heard = [run.started_utc, *(event.utc for event in record.events)]
    heard += [run.started_utc + timedelta(seconds=each.elapsed_s) for each in last.values() if each is not None]
    lost_utc = max(heard)

    def outcome(position: PositionId) -> CellOutcome:
        return CellOutcome(
            cell=run.cells[position].cell_id,
            position=position,
            ended="stopped",
            detail=f"host-loss: control was lost after {_second(lost_utc)}",
            state=ledger_state(record, position),
        )

    unended = [position for position in last if position not in record.outcomes]
    return InterruptedRun(run=run, lost_utc=lost_utc, outcomes=tuple(map(outcome, unended)))


def record_interruption(recorder: Recorder, interrupted: InterruptedRun, now_utc: datetime, why: str) -> None:
    """Control is back, and these cells of the run do not go on."""
    run, lost_utc = interrupted.run, interrupted.lost_utc
    recorder.take_up(run, [outcome.position for outcome in interrupted.outcomes])
    text = f"control was lost after {_second(lost_utc)} and is back since {_second(now_utc)}; {why}"
    recorder.event(
        Event(
            utc=now_utc,
            elapsed_s=(now_utc - run.started_utc).total_seconds(),
            event="run.interrupted",
            text=text,
            data={"from": lost_utc.isoformat(), "to": now_utc.isoformat(), "cause": "host-loss"},
        ),
        run_id=run.run_id,
    )
    for outcome in interrupted.outcomes:
        recorder.outcome(outcome)


def _second(utc: datetime) -> str:
    return f"{utc:%Y-%m-%d %H:%M:%S} UTC"
