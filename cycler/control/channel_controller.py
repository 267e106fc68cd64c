"""One cell's run on one channel: feeds the step machine, turns what it asks for into orders, and records the rest."""

from collections.abc import Callable, Sequence
from datetime import datetime
from math import nan
from typing import Protocol

from cycler.contract.capabilities import Capabilities
from cycler.contract.devices import ApplyResult
from cycler.contract.errors import DeviceError
from cycler.contract.order import Applied, Order
from cycler.contract.sweep import ChannelId, Sweep
from cycler.control.machine_events import (
    EdgeDue,
    LatchPassed,
    MachineEvent,
    OrderDue,
    PhaseHeld,
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
from cycler.model.cell import Cell, LedgerState
from cycler.model.rack import PositionId
from cycler.model.results import NAS_PER_AH, CellOutcome, Event, Sample, StopReason
from cycler.record.recorder import Recorder

EventValue = str | int | float | bool | None


class Beside(Protocol):
    """Who sees a cell beside the others of its run."""

    def take(self, controller: "ChannelController", sweep: Sweep) -> None:
        """A reading in a step that the whole bay decides about."""

    def on_held(self) -> None:
        """Its phase in force waits for the others."""

    def on_over(self) -> None:
        """Nobody has to wait for it any more."""


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
        beside: Beside | None = None,
    ) -> None:
        """`row` is the channel's place in its device's sweeps, `handle` the recorder's name for this cell's samples.

        Without anybody `beside` it the cell never leaves a held phase.
        """
        self.position = position
        self.cell = cell
        self.channel = channel
        self.row = row
        self.machine = machine
        self.temperature_degc = nan  # kept up to date by the temperature loop; NaN when it is stale
        self.outcome: CellOutcome | None = None
        self.capabilities = capabilities
        self.ledger: LedgerState = cell.state  # what is known of the cell by now
        self._recorder = recorder
        self._handle = handle
        self._utcnow = utcnow
        self._on_closed = on_closed
        self._beside = beside
        self._started_utc = utcnow()
        self._given: Step | None = None  # the order that the machine waits for, or that is in force
        self._was_energised = False  # at least by an order

    def start(self, taken_s: float, *, voltage_v: float) -> Sequence[Command]:
        """Begin the run at this time of the loop's clock, with the cell's voltage at rest."""
        self._started_utc = self._utcnow()
        self.record("cell.started")
        return self.on_events(self.machine.start(taken_s, voltage_v=voltage_v))

    def on_reading(self, sweep: Sweep, events: Sequence[MachineEvent]) -> Sequence[Command]:
        """As `on_events`, for what the machine has said to this sweep."""
        step = self.machine.step
        if self._beside is not None and step is not None and step.contact is not None:
            self._beside.take(self, sweep)
        return self.on_events(events)

    def on_events(self, events: Sequence[MachineEvent]) -> Sequence[Command]:
        """Record what happened, and say what the device must be told."""
        commands: list[Command] = []
        for event in events:
            match event:
                case SampleDue():
                    self.record_sample()
                case EdgeDue(sample=sample):
                    self._record_edge(sample)
                case StepEntered(step=step, step_count=count):
                    self._recorder.checkpoint(self.position, self.machine.save())
                    self.record("step.started", data={"step": count, "id": step.step_id, "type": step.step_type})
                case StepEnded(result=result):
                    self._recorder.step_result(self.position, result)
                    moved = result.moved
                    self.record(
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
                case LatchPassed():
                    if self.ledger == "filled":
                        self._enter_ledger("precharged")
                case PhaseHeld():
                    if self._beside is not None:
                        self._beside.on_held()
                case Tripped(code=code, text=text):
                    self.record("protection.tripped", code=str(code.value), text=text)
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

    def _record_edge(self, sample: Sample) -> None:
        counters = sample.counters
        self._recorder.sample(
            self._handle,
            sample.step_count,
            sample.cycle,
            sample.elapsed_s,
            sample.step_time_s,
            sample.voltage_v,
            sample.current_a,
            sample.temperature_degc,
            counters.charged_nas,
            counters.discharged_nas,
            counters.charged_nws,
            counters.discharged_nws,
        )

    def on_applied(self, answer: ApplyResult) -> Sequence[Command]:
        """The device's answer to the last order."""
        if isinstance(answer, Applied):
            phase = answer.phases[0]
            self.record(
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
        """The last order once more, because the wire has lost it: nothing where only its answer was lost."""
        return (self._given,) if self._given is not None and self.machine.awaits_order else ()

    def stop(
        self, reason: StopReason, text: str, *, end: RunEnd = "stopped", code: str | None = None
    ) -> Sequence[Command]:
        """End the run from outside; nothing happens where it is over."""
        return self.on_events(self.machine.stop(reason, text, end=end, code=code))

    def release(self, reason: StopReason, text: str) -> Sequence[Command]:
        """Let a held phase go; nothing happens where none is held."""
        return self.on_events(self.machine.release(reason, text))

    def repeat(self, reason: StopReason, text: str) -> Sequence[Command]:
        """Execute the step of a held phase once more; nothing happens where none is held."""
        return self.on_events(self.machine.repeat(reason, text))

    def close(self) -> None:
        """The device does not answer any more: finish the record without having seen the relay open."""
        self.on_events(self.machine.close())

    @property
    def closed(self) -> bool:
        """Nothing more comes from this cell's run."""
        return self.machine.closed

    @property
    def order(self) -> Order | None:
        """The last one given."""
        return None if self._given is None else self._given.order

    def _order(self, due: OrderDue) -> Step:
        order_id = self._recorder.next_order_id()
        self.machine.ordered(order_id)
        order = order_for(due, order_id, self.capabilities.range, phases_max=self.capabilities.phases_max)
        self.record("order.given", data={"order": order_id, "id": due.step.step_id, "phase": due.first_phase})
        self._given = Step(channel=self.channel, order=order)
        self._was_energised = self._was_energised or order.energises
        return self._given

    def _run_over(self, end: RunEnd, code: str | None, text: str) -> None:
        to_state = self.machine.plan.to_state
        if end == "completed" and to_state is not None and to_state != self.ledger:
            self._enter_ledger(to_state)
        refused = end == "failed" or (end == "stopped" and not self.machine.step_count)
        outcome = CellOutcome(
            cell=self.cell.cell_id,
            position=self.position,
            ended="not-started" if refused and not self._was_energised else "stopped" if end == "held" else end,
            code=code,
            detail=text,
            state=self.ledger,
        )
        self.record("cell.ended", code=code, text=text, data={"end": end})
        self.outcome = outcome
        self._recorder.outcome(outcome)
        if self._beside is not None:
            self._beside.on_over()

    def _enter_ledger(self, state: LedgerState) -> None:
        self.record("ledger.changed", text=f"{self.ledger} -> {state}", data={"from": self.ledger, "to": state})
        self.ledger = state

    def record(
        self, event: str, *, code: str | None = None, text: str = "", data: dict[str, EventValue] | None = None
    ) -> None:
        """Something has happened to this cell."""
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
