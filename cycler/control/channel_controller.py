"""One cell's run on one channel: feeds the step machine, turns what it asks for into orders, and records the rest."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from math import nan
from typing import Final, Protocol

from cycler.contract.capabilities import Capabilities
from cycler.contract.devices import ApplyResult
from cycler.contract.errors import DeviceError
from cycler.contract.order import Applied, Order
from cycler.contract.sweep import ChannelId, Reading, Sweep
from cycler.control.machine_events import (
    EdgeDue,
    LatchPassed,
    LoopLeft,
    MachineEvent,
    OrderDue,
    PhaseHeld,
    RunEnd,
    RunOver,
    SampleDue,
    StepEnded,
    StepEntered,
    Tripped,
    VariablesSet,
)
from cycler.control.order_builder import order_for
from cycler.control.outbox import Command, Off, Step
from cycler.control.resume_rule import Way
from cycler.control.resumption import Left, Outage
from cycler.control.step_machine import StepMachine
from cycler.model.alarm import AlarmCode
from cycler.model.cell import Cell, LedgerState
from cycler.model.rack import PositionId
from cycler.model.results import NAS_PER_AH, CellOutcome, Event, Sample, StopReason
from cycler.recipe.plan import one_order
from cycler.record.recorder import Recorder


class Turns(Protocol):
    """Who lets the cells of one device pulse one after the other."""

    def on_held(self, controller: "ChannelController") -> None:
        """The cell waits for its turn, or has had it."""

    def allows(self, controller: "ChannelController") -> bool:
        """Whether its output may be switched on now."""

    def on_change(self) -> None:
        """Something has happened to a cell of the device."""


class Meters(Protocol):
    """Who measures cells at rest."""

    def on_held(self, controller: "ChannelController") -> None:
        """The cell waits for being measured."""


EventValue = str | int | float | bool | None


class Beside(Protocol):
    """Who sees a cell beside the others of its run."""

    def take(self, controller: "ChannelController", sweep: Sweep) -> None:
        """A reading in a step that the whole bay decides about."""

    def on_held(self) -> None:
        """Its phase in force waits for the others."""

    def on_over(self) -> None:
        """Nobody has to wait for it any more."""

    def on_order(self, due: OrderDue) -> None:
        """It is about to be ordered something else."""

    def allows(self) -> bool:
        """Whether an output may be switched on now."""


LASTING: Final = (StepEntered, LatchPassed, RunOver)
"""What the machine must be saved after: from there on, readings on record say how it went on."""

OnTrip = Callable[["ChannelController", AlarmCode, str], None]
"""Hears of a protection that has ended a cell's run, and what it says."""


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
        on_trip: OnTrip,
        beside: Beside | None = None,
        turns: Turns | None = None,
        meters: Meters | None = None,
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
        self._on_trip = on_trip
        self._beside = beside
        self._turns = turns
        self._meters = meters
        self._withheld: OrderDue | None = None  # until the pulse of another cell is over, or its bay allows a current
        self._started_s = asyncio.get_running_loop().time()
        self._no_charge: str | None = None  # why the cell is not to be charged in this run any more
        self._given: Step | None = None  # the order that the machine waits for, or that is in force
        self._tells_orders = True  # the last one is on record
        self._was_energised = False  # at least by an order
        self.waits = False  # for somebody who lets it go on after an interruption

    def start(self, taken_s: float, *, voltage_v: float) -> Sequence[Command]:
        """Begin the run at this time of the loop's clock, with the cell's voltage at rest."""
        self._started_s = taken_s
        self.record("cell.started")
        return self.on_events(self.machine.start(taken_s, voltage_v=voltage_v))

    def take_up(self, left: Left, outage: Outage, reading: Reading) -> None:
        """Stand where an earlier process has left the run. Raises as `StepMachine.take_up` does."""
        self.machine.take_up(left, outage, reading)
        self.outcome, self.ledger = left.outcome, left.ledger
        self._started_s = outage.now_s - self.machine.elapsed_s
        self._was_energised = self.machine.step_count > 0

    def go_on(self, way: Way, text: str, *, for_whom: str | None) -> Sequence[Command]:
        """After `take_up`; `for_whom` it waits with its relay open, None where it goes on at once."""
        self.waits = for_whom is not None
        data: dict[str, EventValue] = {"way": way, "gap_s": round(self.machine.interrupted_s, 3), "for": for_whom}
        self.record(
            "cell.waits" if self.waits else "cell.ended_by_loss" if way == "end" else "cell.resumed",
            text=text,
            data=data,
        )
        commands = list(self.on_events(self.machine.go_on(way, text)))
        if way == "adopt":
            due, order_id = self.machine.in_force
            self._given = Step(channel=self.channel, order=self._built(due, order_id))
        return commands

    def let_go(self, text: str) -> Sequence[Command]:
        """It waits no more."""
        self.waits = False
        self.record("cell.resumed", text=text, data={"gap_s": round(self.machine.interrupted_s, 3)})
        return self.order_withheld()

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
                    if self._beside is not None:
                        self._beside.on_order(event)
                    commands.extend(self._order_when_allowed(event))
                case LatchPassed():
                    if self.ledger == "filled":
                        self._enter_ledger("precharged")
                case VariablesSet(values=values, text=text):
                    self.record("variables.set", text=text, data=dict(values))
                case LoopLeft(loop=loop, turns=turns, text=text):
                    self.record("loop.left", text=text, data={"loop": loop, "turns": turns})
                case PhaseHeld():
                    if self._turns is not None and self.machine.step is not None and self.machine.step.pulses:
                        self._turns.on_held(self)
                    elif self._meters is not None and self.machine.step is not None and self.machine.step.meter:
                        self._meters.on_held(self)
                    elif self._beside is not None:
                        self._beside.on_held()
                case Tripped(code=code, text=text):
                    self.record("protection.tripped", code=str(code.value), text=text)
                    self._on_trip(self, code, text)
                case RunOver():
                    self._withheld, self.waits = None, False
                    commands.append(Off(channel=self.channel))
                    self._run_over(event)
        if self.machine.closed or any(isinstance(event, LASTING) for event in events):
            self._recorder.checkpoint(self.position, self.machine.save())
        if self.machine.closed:
            self._on_closed()
        if self._turns is not None and events:
            self._turns.on_change()
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

    def record_watched(self, taken_s: float, since_s: float, voltage_v: float, current_a: float) -> None:
        """A reading of the cell after its run, `since_s` into the watch: samples of a step that nobody ordered."""
        machine = self.machine
        self._recorder.sample(
            self._handle,
            machine.step_count + 1,
            machine.cycle,
            taken_s - self._started_s,
            since_s,
            voltage_v,
            current_a,
            self.temperature_degc,
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
            if not self._tells_orders:
                return ()
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
        is_lost = self._given is not None and self._withheld is None and self.machine.awaits_order
        return (self._given,) if self._given is not None and is_lost else ()

    def order_withheld(self) -> Sequence[Command]:
        """The order that had to wait for others of its bay or device; nothing where none did, or still has to."""
        due, self._withheld = self._withheld, None
        return () if due is None else self._order_when_allowed(due)

    def stop(
        self, reason: StopReason, text: str, *, end: RunEnd = "stopped", code: str | None = None
    ) -> Sequence[Command]:
        """End the run from outside; nothing happens where it is over."""
        return self.on_events(self.machine.stop(reason, text, end=end, code=code))

    def trip(self, code: AlarmCode, text: str) -> Sequence[Command]:
        """End the run by a protection that needs more than this channel's present reading."""
        return self.on_events(self.machine.trip(code, text))

    def forbid_charge(self, text: str) -> Sequence[Command]:
        """What discharges or rests may go on; what charges is held, now or when it comes to that."""
        self._no_charge = text
        in_force = self.machine.phase
        given = () if self._given is None or not self.machine.awaits_order else self._given.order.phases
        charges = any(phase.direction == "charge" for phase in (*given, *(() if in_force is None else (in_force,))))
        return self.stop("interlock", text, end="held") if charges else ()

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
    def wants_fast(self) -> bool:
        """The next reading is wanted soon; who waits for a person has time."""
        return self.machine.wants_fast and not self.waits

    @property
    def is_at_rest(self) -> bool:
        """Its relay is open, and no order is on its way that closes it."""
        machine, given = self.machine, self._given
        if machine.over is not None:
            return machine.closed
        closes = given is not None and given.order.energises and self._withheld is None and machine.awaits_order
        return not closes and (machine.phase is None or machine.phase.direction == "rest")

    @property
    def order(self) -> Order | None:
        """The last one given."""
        return None if self._given is None else self._given.order

    def _order_when_allowed(self, due: OrderDue) -> Sequence[Command]:
        """Where another cell of the device pulses, or the bay allows no current, it goes on resting until it may."""
        phases = one_order(due.variant.phases, due.first_phase, self.capabilities.phases_max)
        if self._no_charge is not None and any(phase.direction == "charge" for phase in phases):
            return self.stop("interlock", self._no_charge, end="held")
        if self.waits:
            self._withheld = due
            return ()
        energises = any(phase.direction != "rest" for phase in phases)
        turn = self._turns is None or self._turns.allows(self)
        if energises and not (turn and (self._beside is None or self._beside.allows())):
            self._withheld = due
            return ()
        return (self._order(due),)

    def _order(self, due: OrderDue) -> Step:
        order_id = self._recorder.next_order_id()
        self.machine.ordered(order_id)
        order = self._built(due, order_id)
        # The later orders of a train follow from its first one: its step and its readings tell them.
        self._tells_orders = due.step.train is None or due.first_phase == 0
        if self._tells_orders:
            self.record("order.given", data={"order": order_id, "id": due.step.step_id, "phase": due.first_phase})
        self._given = Step(channel=self.channel, order=order)
        self._was_energised = self._was_energised or order.energises
        return self._given

    def _built(self, due: OrderDue, order_id: int) -> Order:
        return order_for(due, order_id, self.capabilities.range, phases_max=self.capabilities.phases_max)

    def _run_over(self, over: RunOver) -> None:
        end = over.end
        to_state, is_abused = self.machine.plan.to_state, self.machine.plan.is_abuse and self._was_energised
        if (end == "completed" or is_abused) and to_state is not None and to_state != self.ledger:
            self._enter_ledger(to_state)
        refused = end == "failed" or (end == "stopped" and not self.machine.step_count)
        outcome = CellOutcome(
            cell=self.cell.cell_id,
            position=self.position,
            ended="not-started" if refused and not self._was_energised else "stopped" if end == "held" else end,
            code=over.code,
            detail=over.text,
            verdict=over.verdict,
            state=self.ledger,
        )
        self.record("cell.ended", code=over.code, text=over.text, data={"end": end})
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
        self._recorder.event(
            Event(
                utc=self._utcnow(),
                elapsed_s=round(asyncio.get_running_loop().time() - self._started_s, 6),
                event=event,
                cell_id=self.cell.cell_id,
                position=self.position,
                code=code,
                text=text,
                data=data or {},
            )
        )
