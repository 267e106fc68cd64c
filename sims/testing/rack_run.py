"""What came of a simulated rack, cell by cell, as the journal tells it."""

from collections.abc import Mapping
from dataclasses import dataclass

from cycler.model.alarm_record import AlarmRecord
from cycler.model.results import CellOutcome, Counters, Event, Sample, StepResult, StopReason


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRun:
    """One cell. `outcome` is None where the run was broken off before the cell had one."""

    steps: tuple[StepResult, ...]
    samples: tuple[Sample, ...]
    outcome: CellOutcome | None

    @property
    def stop_reason(self) -> StopReason:
        """Of the last step. Raises `IndexError` where none began."""
        return self.steps[-1].stop_reason

    @property
    def last_sample(self) -> Sample:
        """Raises `IndexError` where there is none."""
        return self.samples[-1]

    @property
    def moved(self) -> Counters:
        """All its steps together."""
        return Counters(
            charged_nas=sum(step.moved.charged_nas for step in self.steps),
            discharged_nas=sum(step.moved.discharged_nas for step in self.steps),
            charged_nws=sum(step.moved.charged_nws for step in self.steps),
            discharged_nws=sum(step.moved.discharged_nws for step in self.steps),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RackRun:
    """All cells of the rack, by their names. `event_hashes`: one for each bay."""

    cells: Mapping[str, CellRun]
    events: tuple[Event, ...]
    event_hashes: tuple[str, ...]
    alarms: tuple[AlarmRecord, ...]  # in the order in which they were raised

    def __getitem__(self, cell: str) -> CellRun:
        return self.cells[cell]

    def happened(self, event: str, *, device: str | None = None) -> list[Event]:
        """The events of this name, of this device if one is named."""
        return [e for e in self.events if e.event == event and device in {None, e.device}]
