"""What happens to a rack, on record: with the run that it belongs to."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal

import structlog

from cycler.model.alarm import AlarmCode
from cycler.model.cell import Cell
from cycler.model.rack import Bay, BayId, PositionId
from cycler.model.results import Event
from cycler.model.run import Run
from cycler.record.recorder import Recorder

log = structlog.get_logger()


class RackLog:
    """Knows the latest run on each bay."""

    def __init__(self, recorder: Recorder, utcnow: Callable[[], datetime]) -> None:
        self._recorder = recorder
        self._utcnow = utcnow
        self._runs: dict[BayId, Run] = {}

    def begin(self, run: Run) -> None:
        """What happens on the run's bay belongs to it from now on."""
        self._runs[run.placement.bay] = run

    def record(
        self,
        event: str,
        *,
        device: str | None = None,
        code: AlarmCode | str | None = None,
        text: str,
        bay: Bay | None = None,
        position: PositionId | None = None,
        cell: Cell | None = None,
        severity: Literal["info", "warning", "error"] = "warning",
    ) -> None:
        """What concerns one bay belongs to its run, also when that is over already; the rest to all that go on."""
        getattr(log, severity)(event, device=device, reason=text)
        latest = max(self._runs.values(), key=lambda run: run.started_utc, default=None)
        run = None if bay is None else self._runs.get(bay.bay)
        began = run or latest
        now = self._utcnow()
        self._recorder.event(
            Event(
                utc=now,
                elapsed_s=0.0 if began is None else (now - began.started_utc).total_seconds(),
                event=event,
                cell_id=None if cell is None else cell.cell_id,
                position=position,
                device=device,
                code=str(code.value) if isinstance(code, AlarmCode) else code,
                text=text,
            ),
            run_id=None if run is None else run.run_id,
        )
