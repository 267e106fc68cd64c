"""What happens to a rack, on record: with the run that it belongs to, and as an alarm where it needs a person."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import structlog

from cycler.control.alarms import Alarms
from cycler.model.alarm import AlarmCode
from cycler.model.behind import positions_behind
from cycler.model.cell import Cell
from cycler.model.rack import Bay, BayId, PositionId, Rack
from cycler.model.results import Event
from cycler.model.run import Run
from cycler.record.recorder import Recorder

log = structlog.get_logger()

_NOT_OPEN: Final = frozenset({AlarmCode.OFF_NOT_CONFIRMED, AlarmCode.CURRENT_WHILE_IDLE, AlarmCode.RELAY_WELDED})

RETURNS: Final[Mapping[str, frozenset[AlarmCode]]] = {
    "chamber.back": frozenset({AlarmCode.CHAMBER_FAULT}),
    "chamber.door_closed": frozenset({AlarmCode.DOOR}),
    "chamber.not_kept": frozenset({AlarmCode.CHAMBER_DEVIATION}),
    "chamber.on_temperature": frozenset({AlarmCode.CHAMBER_DEVIATION}),
    "chamber.sensor_back": frozenset({AlarmCode.SENSOR_BREAK}),
    "device.back": frozenset({AlarmCode.STALE_DATA}) | _NOT_OPEN,
    "device.heard": frozenset({AlarmCode.STALE_DATA}),
    "disk.roomy": frozenset(),
    "interlock.cleared": frozenset(),
    "journal.durable": frozenset(),
    "meter.back": frozenset({AlarmCode.STALE_DATA}),
    "output.opened": _NOT_OPEN,
    "outputs.safe": frozenset({AlarmCode.ORDER_NOT_APPLIED}),
    "watch.over": frozenset({AlarmCode.TEMPERATURE_RISE_RATE, AlarmCode.FAST_VOLTAGE_DROP}),
}
"""Events that end alarms about the same thing: those of their own code, and these."""

MOMENTARY: Final = frozenset({"clock.stepped", "soak.timed_out", "trips.alike"})
"""Nothing comes back of these: they are over when they are said."""

TOLD_ALREADY: Final = frozenset({"contactor.opened", "trip.followed"})
"""What is done about an alarm that stands."""

LOST: Final = frozenset({AlarmCode.STALE_DATA, AlarmCode.CHAMBER_FAULT})
"""Alarms of devices that do not answer."""

RACK: Final = "rack"


@dataclass(frozen=True, slots=True)
class _Begun:
    run: Run
    began_s: float  # by the loop's clock


class RackLog:
    """Knows the latest run on each bay."""

    def __init__(
        self,
        rack: Rack,
        recorder: Recorder,
        alarms: Alarms,
        utcnow: Callable[[], datetime],
        *,
        wires: Mapping[str, str] | None = None,
    ) -> None:
        """`wires`: by device, those that devices share."""
        self._rack = rack
        self._wires = wires or {}
        self._recorder = recorder
        self._alarms = alarms
        self._utcnow = utcnow
        self._begun: dict[BayId, _Begun] = {}  # the latest last

    def begin(self, run: Run, *, began_s: float) -> None:
        """What happens on the run's bay belongs to it from now on. `began_s`: when it did, by the loop's clock."""
        bay = run.placement.bay
        self._begun.pop(bay, None)
        self._begun[bay] = _Begun(run, began_s)
        self._alarms.begin(run.cells)

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
        cause: str | None = None,
        positions: Collection[PositionId] = (),
        by_wire: bool = False,
    ) -> None:
        """What concerns one bay belongs to its run, also when that is over already; the rest to all that go on.

        With an alarm's `code` it is one. `cause` is what that is about, where it is not the device, the bay, the
        position or the rack; `positions` are whom it concerns, where that does not follow from these.
        `by_wire`: its wire does not answer, and that is the alarm: one for all devices that share it.
        """
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
        whom: str | None = None if bay is None else bay.bay
        source = cause or device or whom or position or RACK
        wire = None if device is None else self._wires.get(device)
        if event in RETURNS:
            ended = RETURNS[event] | ({code} if isinstance(code, AlarmCode) else set())
            for each in ended:
                self._alarms.cleared(each, source, for_whom=whom)
            if wire is not None and ended & LOST:
                self._alarms.cleared(AlarmCode.STALE_DATA, wire, for_whom=device)
        elif isinstance(code, AlarmCode) and event not in TOLD_ALREADY:
            if by_wire and wire is not None:
                code, source, whom = AlarmCode.STALE_DATA, wire, device
            elif by_wire and code is AlarmCode.OFF_NOT_CONFIRMED:
                code = AlarmCode.STALE_DATA
            places = positions or self._concerned(device, bay, position)
            self._alarms.raised(code, source, text, positions=places, for_whom=whom)
            if event in MOMENTARY:
                self._alarms.cleared(code, source)

    def _concerned(self, device: str | None, bay: Bay | None, position: PositionId | None) -> Collection[PositionId]:
        if position is not None:
            return [position]
        if bay is not None:
            return list(bay.positions)
        return () if device is None else positions_behind(self._rack, device)
