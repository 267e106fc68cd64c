"""One cell's run on one channel: feeds the step machine, turns what it asks for into orders, and records the rest."""

from collections.abc import Callable, Sequence
from datetime import datetime
from math import nan

from cycler.contract.capabilities import Capabilities
from cycler.contract.devices import ApplyResult
from cycler.contract.errors import DeviceError
from cycler.contract.order import Applied
from cycler.contract.sweep import ChannelId
from cycler.control.machine_events import (
    MachineEvent,
    OrderDue,
    RunEnd,
    RunOver,
    SampleDue,
    StepEnded,
    StepEntered,
    Tripped,
)
from cycler.control.order_builder import order_for
from cycler.control.outbox import Command, Off, Step
from cycler.control.step_machine import StepMachine
from cycler.model.cell import Cell
from cycler.model.rack import PositionId
from cycler.model.results import NAS_PER_AH, CellOutcome, Event, StopReason
from cycler.record.recorder import Recorder

EventValue = str | int | float | bool | None


class ChannelController:
    """Runs one cell. All calls are ordinary ones, made by the device loop or the rack, and none of them waits."""

    def __init__(
        self,
        *,
        position: PositionId,
        cell: Cell,
        channel: ChannelId,
        row: int,
        machine: StepMachine,
        capabilities: Capabilities,
        recorder: Recorder,
        handle: int,
        utcnow: Callable[[], datetime],
        on_closed: Callable[[], None],
    ) -> None:
        """`row` is the channel's place in its device's sweeps, `handle` the recorder's name for this cell's samples."""
        self.position = position
        self.cell = cell
        self.channel = channel
        self.row = row
        self.machine = machine
        self.temperature_degc = nan  # kept up to date by the temperature loop; NaN when it is stale
        self.outcome: CellOutcome | None = None
        self._capabilities = capabilities
        self._recorder = recorder
        self._handle = handle
        self._utcnow = utcnow
        self._on_closed = on_closed
        self._started_utc = utcnow()
        self._given: Step | None = None  # the order that the machine waits for, or that is in force

    def start(self, taken_s: float, *, voltage_v: float) -> Sequence[Command]:
        """Begin the run at this time of the loop's clock, with the cell's voltage at rest."""
        self._started_utc = self._utcnow()
        self._record("cell.started")
        return self.on_events(self.machine.start(taken_s, voltage_v=voltage_v))

    def on_events(self, events: Sequence[MachineEvent]) -> Sequence[Command]:
        """Record what happened, and say what the device must be told."""
        commands: list[Command] = []
        for event in events:
            match event:
                case SampleDue():
                    self.record_sample()
                case StepEntered(step=step, step_count=count):
                    self._recorder.checkpoint(self.position, self.machine.save())
                    self._record("step.started", data={"step": count, "id": step.step_id, "type": step.step_type})
                case StepEnded(result=result):
                    self._recorder.step_result(self.position, result)
                    moved = result.moved
                    self._record(
                        "step.ended",
                        text=result.stop_text,
                        data={
                            "step": result.step_count,
                            "by": result.stop_reason,
                            "voltage_v": round(result.end_voltage_v, 6),
                            "charge_ah": moved.charged_nas / NAS_PER_AH,
                            "discharge_ah": moved.discharged_nas / NAS_PER_AH,
                        },
                    )
                case OrderDue():
                    commands.append(self._order(event))
                case Tripped(code=code, text=text):
                    self._record("protection.tripped", code=str(code.value), text=text)
                case RunOver(end=end, code=code, text=text):
                    commands.append(Off(channel=self.channel))
                    self._run_over(end, code, text)
        if self.machine.closed:
            self._on_closed()
        return commands

    def record_sample(self) -> None:
        """Keep the machine's present sample."""
        machine = self.machine
        self._recorder.sample(
            self._handle,
            machine.step_count,
            machine.cycle,
            machine.elapsed_s,
            machine.step_time_s,
            machine.voltage_v,
            machine.current_a,
            machine.temperature_degc,
            machine.charged_nas,
            machine.discharged_nas,
            machine.charged_nws,
            machine.discharged_nws,
        )

    def on_applied(self, answer: ApplyResult) -> Sequence[Command]:
        """The device's answer to the last order."""
        if isinstance(answer, Applied):
            phase = answer.phases[0]
            self._record(
                "order.applied",
                data={
                    "order": answer.order_id,
                    "direction": phase.direction,
                    "current_a": phase.current_a,
                    "voltage_v": None if phase.direction == "rest" else phase.voltage_v,
                },
            )
        elif isinstance(answer, DeviceError):
            return self.stop("device-fault", str(answer))
        return ()

    def order_again(self) -> Sequence[Command]:
        """The last order once more, because the wire has lost it."""
        return () if self._given is None or self.machine.over is not None else (self._given,)

    def stop(
        self, reason: StopReason, text: str, *, end: RunEnd = "stopped", code: str | None = None
    ) -> Sequence[Command]:
        """End the run from outside; nothing happens where it is over."""
        return self.on_events(self.machine.stop(reason, text, end=end, code=code))

    def close(self) -> None:
        """The device does not answer any more: finish the record without having seen the relay open."""
        self.on_events(self.machine.close())

    @property
    def closed(self) -> bool:
        """Nothing more comes from this cell's run."""
        return self.machine.closed

    def _order(self, due: OrderDue) -> Step:
        order_id = self._recorder.next_order_ids(1)[0]
        self.machine.ordered(order_id)
        order = order_for(due, order_id, self._capabilities.range, phases_max=self._capabilities.phases_max)
        self._record("order.given", data={"order": order_id, "id": due.step.step_id, "phase": due.first_phase})
        self._given = Step(channel=self.channel, order=order)
        return self._given

    def _run_over(self, end: RunEnd, code: str | None, text: str) -> None:
        outcome = CellOutcome(
            cell=self.cell.cell_id,
            position=self.position,
            ended="stopped" if end == "held" else end,
            code=code,
            detail=text,
        )
        self._record("cell.ended", code=code, text=text, data={"end": end})
        self.outcome = outcome
        self._recorder.outcome(outcome)

    def _record(
        self, event: str, *, code: str | None = None, text: str = "", data: dict[str, EventValue] | None = None
    ) -> None:
        now = self._utcnow()
        self._recorder.event(
            Event(
                utc=now,
                elapsed_s=(now - self._started_utc).total_seconds(),
                event=event,
                cell_id=self.cell.cell_id,
                position=self.position,
                code=code,
                text=text,
                data=data or {},
            )
        )
