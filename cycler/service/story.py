"""What the journal tells of a run, all of it at once, in the words of the model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cycler.model.alarm_record import AlarmRecord
from cycler.model.rack import PositionId
from cycler.model.results import NAS_PER_AH, CellOutcome, Counters, Event, Sample, StepResult
from cycler.model.run import Run
from cycler.record.curve import Curve
from cycler.record.export import event_hash
from cycler.record.reader import Reader
from cycler.record.schema import journal_path


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStory:
    """A position of which nothing was recorded has no key."""

    run: Run
    events: tuple[Event, ...]
    event_hash: str
    steps: Mapping[PositionId, tuple[StepResult, ...]]
    samples: Mapping[PositionId, tuple[Sample, ...]]
    outcomes: Mapping[PositionId, CellOutcome]
    alarms: tuple[AlarmRecord, ...]


def stories(store: Path) -> tuple[RunStory, ...]:
    """Of every run in the store, in the order in which they began; none without a journal. Raises `JournalUnusable`."""
    if not journal_path(store).exists():
        return ()
    with Reader(store) as reader:
        return tuple(_story(reader, run.run_id) for run in reader.runs())


def _story(reader: Reader, run_id: str) -> RunStory:
    record = reader.record(run_id)
    return RunStory(
        run=record.run,
        events=record.events,
        event_hash=event_hash(record.events),
        steps=record.steps,
        samples={position: _samples(curve) for position, curve in reader.curves(run_id).items()},
        outcomes=record.outcomes,
        alarms=record.alarms,
    )


def _samples(curve: Curve) -> tuple[Sample, ...]:
    counted = (curve.charged_ah, curve.discharged_ah, curve.charged_wh, curve.discharged_wh)
    counters = np.rint(np.stack(counted, axis=1) * NAS_PER_AH).astype(np.int64).tolist()
    return tuple(
        Sample(
            elapsed_s=float(curve.elapsed_s[row]),
            step_count=int(curve.step_count[row]),
            step_time_s=float(curve.step_time_s[row]),
            cycle=int(curve.cycle[row]),
            voltage_v=float(curve.voltage_v[row]),
            current_a=float(curve.current_a[row]),
            temperature_degc=float(curve.temperature_degc[row]),
            counters=Counters(charged_nas=into, discharged_nas=out, charged_nws=into_nws, discharged_nws=out_nws),
        )
        for row, (into, out, into_nws, out_nws) in enumerate(counters)
    )
