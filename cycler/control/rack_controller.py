"""The rack: its tree of tasks, what happens when a device is lost, and the runs on its bays."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import structlog

from cycler.contract.capabilities import Capabilities
from cycler.contract.devices import CyclerDriver, Device, DigitalIo, TemperatureInput
from cycler.contract.errors import DeviceError, LinkError
from cycler.contract.sweep import ChannelId
from cycler.control.attempts import RestartIntensity
from cycler.control.channel_controller import ChannelController
from cycler.control.device_loop import DeviceLoop
from cycler.control.io_loop import IoLoop
from cycler.control.step_machine import StepMachine
from cycler.control.temperature_loop import TemperatureLoop
from cycler.model.alarm import AlarmCode
from cycler.model.cell import Cell
from cycler.model.rack import Bay, BayId, Position, PositionId, Rack
from cycler.model.results import CellOutcome, Event
from cycler.model.run import Run
from cycler.recipe.plan import Plan
from cycler.record.recorder import Recorder
from cycler.safety.start_checks import StartRefusal, cell_refusal, position_refusals

log = structlog.get_logger()

AnyLoop = DeviceLoop | TemperatureLoop | IoLoop

SWEEP_S = 1.0
ORDER_S_MAX = 30.0  # from the end of a step to the next order in force, beside the device's own delay
TEMPERATURE_SWEEP_S = 2.0
OFF_GIVEN_UP_S = 60.0  # after that a cell's record is closed, though its relay was never seen open


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """The rack's devices by their ids."""

    cyclers: Mapping[str, CyclerDriver]
    temperatures: Mapping[str, TemperatureInput] = field(default_factory=dict)
    ios: Mapping[str, DigitalIo] = field(default_factory=dict)

    def all(self) -> Mapping[str, Device]:
        """All of them."""
        return {**self.cyclers, **self.temperatures, **self.ios}


class RackController:
    """Runs the rack. `run` is its task tree, `start_run` puts a tray to work, `finished` waits for its end."""

    def __init__(
        self,
        rack: Rack,
        devices: Devices,
        recorder: Recorder,
        *,
        utcnow: Callable[[], datetime],
        rng: random.Random,
        sweep_s: float = SWEEP_S,
    ) -> None:
        """`rng` jitters the back-off; in simulation it is seeded."""
        self._rack = rack
        self._devices = devices
        self._recorder = recorder
        self._utcnow = utcnow
        self._rng = rng
        self._sweep_s = sweep_s
        self._outputs_ended = asyncio.Event()
        self._loops = {
            device: DeviceLoop(
                device,
                driver,
                recorder,
                sweep_s=sweep_s,
                offset_s=sweep_s * place / len(devices.cyclers),
                on_off_failed=self._off_not_confirmed,
            )
            for place, (device, driver) in enumerate(devices.cyclers.items())
        }
        self._temperatures = {
            device: TemperatureLoop(
                device,
                driver,
                sweep_s=TEMPERATURE_SWEEP_S,
                offset_s=TEMPERATURE_SWEEP_S * place / len(devices.temperatures),
            )
            for place, (device, driver) in enumerate(devices.temperatures.items())
        }
        self._ios = {
            device: IoLoop(
                device,
                driver,
                sweep_s=sweep_s,
                offset_s=sweep_s * place / len(devices.ios),
                on_moved=self._contactor_moved,
                outputs_ended=self._outputs_ended,
            )
            for place, (device, driver) in enumerate(devices.ios.items())
        }
        self._pending = {*self._loops, *self._temperatures, *self._ios}
        self._all_ready = asyncio.Event()
        self._changed = asyncio.Event()
        self._controllers: dict[PositionId, ChannelController] = {}
        self._runs: dict[BayId, Run] = {}  # the latest on each bay
        self._to_open: dict[tuple[BayId, str], None] = {}  # contactors, each with the device that made it necessary
        self._open_posted = asyncio.Event()

    @property
    def controllers(self) -> Mapping[PositionId, ChannelController]:
        """The latest run on each position."""
        return self._controllers

    async def run(self) -> None:
        """Everything that the rack does, until cancelled. Anything but a `DeviceError` is our bug and ends it all."""
        try:
            async with asyncio.TaskGroup() as around:
                others: list[AnyLoop] = [*self._ios.values(), *self._temperatures.values()]
                for loop in others:
                    around.create_task(self._contain(loop), name=f"device {loop.device}")
                around.create_task(self._open_upstream(), name="upstream")
                try:
                    async with asyncio.TaskGroup() as cyclers:
                        for cycler in self._loops.values():
                            cyclers.create_task(self._contain(cycler), name=f"device {cycler.device}")
                        cyclers.create_task(self._watch_for_silence(), name="silence")
                finally:
                    self._outputs_ended.set()
        finally:
            for driver in self._devices.all().values():
                await driver.aclose()

    async def ready(self) -> None:
        """Every device has either answered or been latched."""
        await self._all_ready.wait()

    def capabilities(self, position: PositionId) -> Capabilities | None:
        """Of the position's channel; None as long as its device has not answered."""
        for bay in self._rack.bays.values():
            if position in bay.positions:
                loop = self._loops[bay.positions[position].channels[0].device]
                return loop.capabilities if loop.last is not None else None
        raise KeyError(position)

    async def start_run(self, run: Run, plans: Mapping[PositionId, Plan]) -> None:
        """Start every cell of the run that may be started; the others are refused, each with its reason.

        `plans` has one for each position whose device has answered.
        """
        bay = self._rack.bays[run.placement.bay]
        handles = self._recorder.start_run(run)
        self._runs[bay.bay] = run
        started: list[tuple[ChannelController, DeviceLoop]] = []
        for position_id, cell in run.cells.items():
            self._controllers.pop(position_id, None)
            position = bay.positions[position_id]
            loop = self._loops[position.channels[0].device]
            plan = plans.get(position_id)
            refusal = self._refusal(bay, position, loop, plan, cell)
            if plan is None or refusal is not None:
                self._refuse(bay, position_id, cell, refusal or StartRefusal(code=None, text="there is no plan for it"))
                continue
            channel = ChannelId(position.channels[0].channel)
            controller = ChannelController(
                position=position_id,
                cell=cell,
                channel=channel,
                row=loop.capabilities.channels.index(channel),
                machine=StepMachine(
                    plan,
                    loop.capabilities.range,
                    temperature_measured=position.temperature is not None,
                    phases_max=loop.capabilities.phases_max,
                    sweep_s=loop.sweep_s,
                    gap_s_max=loop.stale_s,
                    order_s_max=ORDER_S_MAX + loop.capabilities.start_delay_s,
                ),
                capabilities=loop.capabilities,
                recorder=self._recorder,
                handle=handles[position_id],
                utcnow=self._utcnow,
                on_closed=self._changed.set,
            )
            self._controllers[position_id] = controller
            started.append((controller, loop))
        obstacle = await self._make_ready(bay, [controller for controller, _ in started])
        for controller, loop in started:
            refusal = obstacle or self._unreachable(loop)
            if refusal is None:
                loop.run_cell(controller)
            else:
                del self._controllers[controller.position]
                self._refuse(bay, controller.position, controller.cell, refusal)

    async def finished(self, run: Run) -> None:
        """Every cell of the run has its outcome and its last step its numbers; the bay's contactor is open again."""
        while not all(self._controllers[position].closed for position in run.cells if position in self._controllers):
            self._changed.clear()
            await self._changed.wait()
        await self._open_contactor(self._rack.bays[run.placement.bay])

    def stop_all(self, text: str, *, code: AlarmCode | None = None) -> None:
        """End every run and open every output: an operating stop, not an emergency stop."""
        self._record("rack.stopped", code=None if code is None else _code(code), text=text)
        for loop in self._loops.values():
            loop.stop_all("all-off", text)

    # Starting.

    def _refusal(
        self, bay: Bay, position: Position, loop: DeviceLoop, plan: Plan | None, cell: Cell
    ) -> StartRefusal | None:
        unreachable = self._unreachable(loop)
        if unreachable is not None:
            return unreachable
        if plan is None or loop.last is None:
            return StartRefusal(code=None, text=f"{loop.device} did not answer in time")
        channel = ChannelId(position.channels[0].channel)
        if channel not in loop.capabilities.channels:
            return StartRefusal(code=None, text=f"{loop.device} has no channel {channel}")
        refusals = position_refusals(
            plan.cell_type,
            loop.capabilities,
            temperature_measured=position.temperature is not None,
            contactor=bay.contactor is not None,
        )
        if refusals:
            return StartRefusal(code=None, text="; ".join(refusal.text for refusal in refusals))
        reading = loop.last[channel]
        return cell_refusal(reading, plan.cell_type.envelopes["formed"], states=plan.from_states, state=cell.state)

    def _unreachable(self, loop: DeviceLoop) -> StartRefusal | None:
        if loop.last is None or loop.device in self._pending:
            return StartRefusal(code=None, text=f"{loop.device} does not answer")
        if self._recorder.failure is not None:
            return StartRefusal(code=None, text=f"the journal is not durable: {self._recorder.failure}")
        return None

    async def _make_ready(self, bay: Bay, controllers: Sequence[ChannelController]) -> StartRefusal | None:
        """The first temperatures are read and the contactor is closed; else why nothing may start on the bay."""
        try:
            await self._watch_temperatures(bay, controllers)
            if controllers and bay.contactor is not None:
                await self._ios[bay.contactor.device].write({bay.contactor.channel: True})
        except DeviceError as error:
            return StartRefusal(code=None, text=str(error))
        return None

    def _refuse(self, bay: Bay, position: PositionId, cell: Cell, refusal: StartRefusal) -> None:
        self._record("cell.refused", code=refusal.code, text=refusal.text, bay=bay, position=position, cell=cell)
        self._recorder.outcome(
            CellOutcome(
                cell=cell.cell_id, position=position, ended="not-started", code=refusal.code, detail=refusal.text
            )
        )

    async def _watch_temperatures(self, bay: Bay, controllers: Sequence[ChannelController]) -> None:
        by_input: defaultdict[str, defaultdict[str, list[ChannelController]]]
        by_input = defaultdict(lambda: defaultdict(list))
        for controller in controllers:
            source = bay.positions[controller.position].temperature
            if source is not None:
                by_input[source.device][source.channel].append(controller)
        for device, channels in by_input.items():
            await self._temperatures[device].watch(channels)

    async def _open_contactor(self, bay: Bay) -> bool:
        """Whether nothing can flow there any more."""
        if bay.contactor is None:
            return False
        try:
            await self._ios[bay.contactor.device].write({bay.contactor.channel: False})
        except DeviceError as error:
            code, text = _code(AlarmCode.RELAY_WELDED), f"bay {bay.bay}: {error}"
            self._record("contactor.failed", code=code, text=text, bay=bay, severity="error")
            return False
        return True

    # Devices that fail alone.

    async def _contain(self, loop: AnyLoop) -> None:
        """Let one device fail alone, and try again, until it has failed too often."""
        intensity = RestartIntensity(self._rng)
        clock = asyncio.get_running_loop().time
        while True:
            try:
                await loop.prepare()
                self._is_ready(loop.device)
                await loop.run()
            except DeviceError as error:
                self._lost(loop, error)
                # What is no matter of the wire does not go away by itself: a person has to come.
                if not isinstance(error, LinkError) or intensity.lost(clock()):
                    self._record("device.latched", device=loop.device, text=str(error), severity="error")
                    self._is_ready(loop.device)
                    return
                await intensity.back_off()

    def _is_ready(self, device: str) -> None:
        self._pending.discard(device)
        if not self._pending:
            self._all_ready.set()

    def _lost(self, loop: AnyLoop, error: DeviceError) -> None:
        self._record("device.lost", device=loop.device, code=_code(AlarmCode.STALE_DATA), text=str(error))
        match loop:
            case DeviceLoop():
                if isinstance(error, LinkError):
                    _stop_stale(loop, str(error))
                else:
                    loop.stop_all("device-fault", str(error))
                loop.abandon()
            case TemperatureLoop():
                loop.forget()
            case IoLoop():
                for bay in self._bays_behind(loop.device):
                    self._stop_bay(bay, f"the contactor of bay {bay.bay} does not answer: {error}")

    async def _watch_for_silence(self) -> None:
        """Stop what runs on a device from which no reading has come for too long, even while a read still waits."""
        clock = asyncio.get_running_loop().time
        while True:
            running = [loop for loop in self._loops.values() if loop.controllers]
            for loop in running:
                if clock() - loop.heard_s >= loop.stale_s:
                    _stop_stale(loop, f"no reading for {loop.stale_s:g} s")
            deadline_s = min((loop.heard_s + loop.stale_s for loop in running), default=clock() + self._sweep_s)
            await asyncio.sleep(max(deadline_s - clock(), self._sweep_s / 2))

    # The next path.

    def _off_not_confirmed(self, device: str, channels: Collection[ChannelId], error: DeviceError) -> None:
        """An output that was on may still be on: the bay's contactor opens it."""
        if not self._loops[device].may_be_energised(channels):
            return
        for bay in self._rack.bays.values():
            if not set(channels).intersection(_channels_of(bay, device)):
                continue
            code = _code(AlarmCode.OFF_NOT_CONFIRMED)
            self._record("off.not_confirmed", device=device, code=code, text=str(error), bay=bay, severity="error")
            if bay.contactor is None:
                self._no_way_left(bay, device)
            else:
                self._to_open[bay.bay, device] = None
                self._open_posted.set()

    async def _open_upstream(self) -> None:
        """Open the contactors of bays whose devices do not switch off; whatever else runs there is over too."""
        while True:
            await self._open_posted.wait()
            self._open_posted.clear()
            waiting, self._to_open = self._to_open, {}
            for name, device in waiting:
                bay = self._rack.bays[name]
                text = f"{device} did not confirm that its output is open"
                is_open = await self._open_contactor(bay)
                self._stop_bay(bay, f"bay {bay.bay} is over: {text}")
                if is_open:
                    code = _code(AlarmCode.OFF_NOT_CONFIRMED)
                    self._record("contactor.opened", code=code, text=f"bay {bay.bay}: {text}", bay=bay)
                    # The device may never show its relay open, and no current flows any more.
                    self._loops[device].close(_channels_of(bay, device))
                else:
                    self._no_way_left(bay, device)

    def _no_way_left(self, bay: Bay, device: str) -> None:
        """Nothing else that we command opens the output. The off is repeated; in the end the record waits no longer."""
        text = f"bay {bay.bay}: nothing but {device} itself opens its output; if it does not, cut its supply by hand"
        code = _code(AlarmCode.RELAY_WELDED)
        self._record("off.no_way_left", device=device, code=code, text=text, bay=bay, severity="error")
        clock = asyncio.get_running_loop()
        clock.call_later(OFF_GIVEN_UP_S, self._loops[device].close, _channels_of(bay, device))

    def _contactor_moved(self, device: str, output: str, closed: bool) -> None:
        for bay in self._bays_behind(device):
            assert bay.contactor is not None  # noqa: S101 (it is behind one)
            if bay.contactor.channel == output and not closed:
                text = f"the contactor of bay {bay.bay} opened by itself"
                self._record("contactor.moved", device=device, text=text, bay=bay)
                self._stop_bay(bay, text)

    def _bays_behind(self, device: str) -> list[Bay]:
        """The bays whose contactor is an output of this device."""
        return [b for b in self._rack.bays.values() if b.contactor is not None and b.contactor.device == device]

    def _stop_bay(self, bay: Bay, text: str) -> None:
        for position in bay.positions:
            controller = self._controllers.get(position)
            if controller is not None and not controller.closed:
                loop = self._loops[bay.positions[position].channels[0].device]
                loop.post(controller.stop("interlock", text))

    def _record(
        self,
        event: str,
        *,
        device: str | None = None,
        code: str | None = None,
        text: str,
        bay: Bay | None = None,
        position: PositionId | None = None,
        cell: Cell | None = None,
        severity: Literal["warning", "error"] = "warning",
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
                code=code,
                text=text,
            ),
            run_id=None if run is None else run.run_id,
        )


def _stop_stale(loop: DeviceLoop, text: str) -> None:
    loop.stop_all("stale", text, end="tripped", code=f"TRIP_{AlarmCode.STALE_DATA.value}")


def _channels_of(bay: Bay, device: str) -> list[ChannelId]:
    """Those of the device that positions of the bay are wired to."""
    refs = [ref for position in bay.positions.values() for ref in position.channels]
    return [ChannelId(ref.channel) for ref in refs if ref.device == device]


def _code(alarm: AlarmCode) -> str:
    return str(alarm.value)
