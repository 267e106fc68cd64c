"""The start of a run: which cells may be started, what must be ready before, and their controllers."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from cycler.contract.errors import DeviceError
from cycler.contract.sweep import ChannelId
from cycler.control.bay_controller import BayController
from cycler.control.chambers import Chambers
from cycler.control.channel_controller import ChannelController, OnTrip
from cycler.control.device_loop import DeviceLoop
from cycler.control.holds import Holds
from cycler.control.io_loop import IoLoop
from cycler.control.metering import Metering
from cycler.control.outputs import BayOutputs
from cycler.control.patience import stale_after_s
from cycler.control.presses import Presses
from cycler.control.pulse_turns import PulseTurns, with_turns
from cycler.control.rack_log import RackLog
from cycler.control.step_machine import StepMachine
from cycler.control.temperature_loop import TemperatureLoop
from cycler.model.cell import Cell
from cycler.model.rack import Bay, BayId, Override, Position, PositionId, Rack
from cycler.model.results import CellOutcome
from cycler.model.run import Run
from cycler.recipe.plan import Plan
from cycler.record.recorder import Recorder
from cycler.safety.inputs import inputs_of_cycler, inputs_of_rack
from cycler.safety.start_checks import StartRefusal, ledger_refusal, position_refusals

ORDER_S_MAX = 30.0  # from the end of a step to the next order in force, beside the device's own delay


class RunStarter:
    """Starts the cells of runs. A cell that may not be started is refused, with its reason on record."""

    def __init__(
        self,
        rack: Rack,
        *,
        loops: Mapping[str, DeviceLoop],
        temperatures: Mapping[str, TemperatureLoop],
        ios: Mapping[str, IoLoop],
        chambers: Chambers,
        presses: Presses,
        outputs: Mapping[BayId, BayOutputs],
        metering: Metering,
        locked: Callable[[PositionId], str | None],
        recorder: Recorder,
        rack_log: RackLog,
        utcnow: Callable[[], datetime],
        pending: Collection[str],
        controllers: dict[PositionId, ChannelController],
        holds_answered_by: str | None,
        on_closed: Callable[[], None],
        on_trip: OnTrip,
    ) -> None:
        """`locked`: why nothing may start at a position. `pending`: devices that have not yet answered.

        `controllers` gets those that have been started.
        """
        self._rack = rack
        self._loops = loops
        self._temperatures = temperatures
        self._ios = ios
        self._chambers = chambers
        self._presses = presses
        self._outputs = outputs
        self._metering = metering
        self._locked = locked
        self._recorder = recorder
        self._log = rack_log
        self._utcnow = utcnow
        self._pending = pending
        self._controllers = controllers
        self._holds_answered_by = holds_answered_by
        self._on_closed = on_closed
        self._on_trip = on_trip
        self.refused: dict[PositionId, CellOutcome] = {}  # of the latest runs
        self.disk_low: str | None = None  # why the record of another run may not fit
        self.bays: dict[BayId, BayController] = {}  # of the latest runs
        self._turns: dict[str, PulseTurns] = {}  # of the devices whose cells cannot pulse together

    async def start(self, run: Run, plans: Mapping[PositionId, Plan]) -> None:
        """As `RackController.start_run`."""
        bay = self._rack.bays[run.placement.bay]
        going_on = [name for name in bay.positions if name in self._controllers and not self._controllers[name].closed]
        if going_on:
            raise ValueError(f"bay {bay.bay} is not free: the run at {going_on[0]} is not over")
        handles = self._recorder.start_run(run)
        self._log.begin(run)
        together = BayController(
            bay,
            run.cells,
            loops=self._loops,
            presses=self._presses,
            holds=Holds(answered_by=self._holds_answered_by),
            outputs=self._outputs.get(bay.bay),
            rack_log=self._log,
            on_change=self._chambers.wake,
        )
        self._record_overrides(bay)
        self.bays[bay.bay] = together
        started: list[tuple[ChannelController, DeviceLoop]] = []
        for position_id, cell in run.cells.items():
            self._controllers.pop(position_id, None)
            self.refused.pop(position_id, None)
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
                    with_turns(plan, len(loop.capabilities.channels)) if loop.capabilities.pulse_exclusive else plan,
                    loop.capabilities.range,
                    temperature_measured=position.temperature is not None,
                    phases_max=loop.capabilities.phases_max,
                    sweep_s=loop.sweep_s,
                    gap_s_max=stale_after_s(loop.sweep_s),
                    order_s_max=ORDER_S_MAX + loop.capabilities.start_delay_s,
                ),
                capabilities=loop.capabilities,
                recorder=self._recorder,
                handle=handles[position_id],
                utcnow=self._utcnow,
                on_closed=self._on_closed,
                on_trip=self._on_trip,
                beside=together,
                turns=self._turns_of(loop),
                meters=self._metering,
            )
            self._controllers[position_id] = controller
            together.add(controller)
            started.append((controller, loop))
        obstacle = await self._make_ready(bay, [controller for controller, _ in started])
        running = []
        for controller, loop in started:
            refusal = obstacle or self._unreachable(loop)
            if controller.machine.over is not None:
                controller.close()  # it was stopped while the bay was made ready
            elif refusal is None:
                loop.run_cell(controller)
                running.append(controller)
            else:
                del self._controllers[controller.position]
                together.remove(controller)
                self._refuse(bay, controller.position, controller.cell, refusal)
        self._chambers.begin(run, running)

    def _turns_of(self, loop: DeviceLoop) -> PulseTurns | None:
        if not loop.capabilities.pulse_exclusive:
            return None
        if loop.device not in self._turns:
            self._turns[loop.device] = PulseTurns(lambda: loop.controllers, loop.post)
        return self._turns[loop.device]

    def _refusal(
        self, bay: Bay, position: Position, loop: DeviceLoop, plan: Plan | None, cell: Cell
    ) -> StartRefusal | None:
        unreachable = self._unreachable(loop)
        if unreachable is not None:
            return unreachable
        locked = self._locked(position.position)
        if locked is not None:
            return StartRefusal(code=None, text=locked)
        if plan is None or loop.last is None:
            return StartRefusal(code=None, text=f"{loop.device} did not answer in time")
        channel = ChannelId(position.channels[0].channel)
        if channel not in loop.capabilities.channels:
            return StartRefusal(code=None, text=f"{loop.device} has no channel {channel}")
        refusals = position_refusals(
            plan.cell_type,
            loop.capabilities,
            inputs_of_rack(self._rack, position)
            | inputs_of_cycler(loop.capabilities, loop.last, plan.cell_type.rated_capacity_ah),
            contactor=bay.contactor is not None,
            overridden=self._override(loop.device) is not None,
        )
        if refusals:
            return StartRefusal(code=None, text="; ".join(refusal.text for refusal in refusals))
        unmeasured = self._metering.refusal(position, plan, loop.capabilities)
        if unmeasured is not None:
            return StartRefusal(code=None, text=unmeasured)
        return ledger_refusal(plan, cell, loop.last[channel], loop.capabilities)

    def _override(self, device: str) -> Override | None:
        return self._rack.override(device, today=self._utcnow().date())

    def _record_overrides(self, bay: Bay) -> None:
        for device in dict.fromkeys(channel.device for each in bay.positions.values() for channel in each.channels):
            override = self._override(device)
            if override is not None:
                text = f"{device} runs under an override by {override.by} until {override.expires}: {override.reason}"
                self._log.record("start.overridden", device=device, text=text, bay=bay)

    def _unreachable(self, loop: DeviceLoop) -> StartRefusal | None:
        if loop.last is None or loop.device in self._pending:
            return StartRefusal(code=None, text=f"{loop.device} does not answer")
        if self._recorder.trouble is not None:
            return StartRefusal(code=None, text=f"the journal is not durable: {self._recorder.trouble}")
        if self.disk_low is not None:
            return StartRefusal(code=None, text=f"the record needs room: {self.disk_low}")
        return None

    async def _make_ready(self, bay: Bay, controllers: Sequence[ChannelController]) -> StartRefusal | None:
        """Temperatures are read, chamber, press and contactor are as they must be; else why nothing may start there."""
        outputs = self._outputs.get(bay.bay)
        if outputs is not None and not outputs.are_safe:
            return StartRefusal(
                code=None, text=f"the outputs of bay {bay.bay} are not confirmed safe since its last run"
            )
        try:
            await self._watch_temperatures(bay, controllers)
            refusal = await self._chambers.make_ready(bay, controllers)
            if refusal is not None:
                return refusal
            if controllers:
                await self._presses.move(bay, closed=True)
            if controllers and bay.contactor is not None:
                await self._ios[bay.contactor.device].write({bay.contactor.channel: True})
        except DeviceError as error:
            return StartRefusal(code=None, text=str(error))
        return None

    def _refuse(self, bay: Bay, position: PositionId, cell: Cell, refusal: StartRefusal) -> None:
        self._log.record("cell.refused", code=refusal.code, text=refusal.text, bay=bay, position=position, cell=cell)
        outcome = CellOutcome(
            cell=cell.cell_id, position=position, ended="not-started", code=refusal.code, detail=refusal.text
        )
        self.refused[position] = outcome
        self._recorder.outcome(outcome)

    async def _watch_temperatures(self, bay: Bay, controllers: Sequence[ChannelController]) -> None:
        by_input: defaultdict[str, defaultdict[str, list[ChannelController]]]
        by_input = defaultdict(lambda: defaultdict(list))
        for controller in controllers:
            source = bay.positions[controller.position].temperature
            if source is not None:
                by_input[source.device][source.channel].append(controller)
        for device, channels in by_input.items():
            await self._temperatures[device].watch(channels)
