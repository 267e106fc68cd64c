"""What happens to a rack, on record: with the run that it belongs to."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class _Begun:
    run: Run
    began_s: float  # by the loop's clock


class RackLog:
    """Knows the latest run on each bay."""

    def __init__(self, recorder: Recorder, utcnow: Callable[[], datetime]) -> None:
        self._recorder = recorder
        self._utcnow = utcnow
        self._begun: dict[BayId, _Begun] = {}  # the latest last

    def begin(self, run: Run) -> None:
        """What happens on the run's bay belongs to it from now on."""
        bay = run.placement.bay
        self._begun.pop(bay, None)
        self._begun[bay] = _Begun(run, asyncio.get_running_loop().time())

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
        own = None if bay is None else self._begun.get(bay.bay)
        since = own or next(reversed(self._begun.values()), None)
        elapsed_s = 0.0 if since is None else round(asyncio.get_running_loop().time() - since.began_s, 6)
        self._recorder.event(
            Event(
                utc=self._utcnow(),
                elapsed_s=elapsed_s,
                event=event,
                cell_id=None if cell is None else cell.cell_id,
                position=position,
                device=device,
                code=str(code.value) if isinstance(code, AlarmCode) else code,
                text=text,
            ),
            run_id=None if own is None else own.run.run_id,
        )
