"""The start of a run, and its taking up after a restart: its controllers, and who of them runs."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

from cycler.contract.sweep import ChannelId
from cycler.control.bay_controller import BayController
from cycler.control.bay_readiness import BayReadiness
from cycler.control.chambers import Chambers
from cycler.control.channel_controller import ChannelController, OnTrip
from cycler.control.device_loop import DeviceLoop
from cycler.control.holds import Holds
from cycler.control.metering import Metering
from cycler.control.outputs import BayOutputs
from cycler.control.patience import stale_after_s
from cycler.control.presses import Presses
from cycler.control.pulse_turns import PulseTurns, with_turns
from cycler.control.rack_log import RackLog
from cycler.control.start_refusals import StartRefusals
from cycler.control.step_machine import StepMachine
from cycler.model.cell import Cell
from cycler.model.rack import Bay, BayId, Position, PositionId, Rack
from cycler.model.results import CellOutcome
from cycler.model.run import Run
from cycler.recipe.plan import Plan
from cycler.record.recorder import Recorder
from cycler.safety.start_checks import StartRefusal

ORDER_S_MAX = 30.0  # from the end of a step to the next order in force, beside the device's own delay


class RunStarter:
    """Starts the cells of runs. A cell that may not be started is refused, with its reason on record."""

    def __init__(
        self,
        rack: Rack,
        recorder: Recorder,
        rack_log: RackLog,
        *,
        loops: Mapping[str, DeviceLoop],
        refusals: StartRefusals,
        readiness: BayReadiness,
        chambers: Chambers,
        presses: Presses,
        outputs: Mapping[BayId, BayOutputs],
        metering: Metering,
        utcnow: Callable[[], datetime],
        controllers: dict[PositionId, ChannelController],
        holds_answered_by: str | None,
        on_closed: Callable[[], None],
        on_trip: OnTrip,
    ) -> None:
        """`controllers` gets those that have been started."""
        self._rack = rack
        self._recorder = recorder
        self._log = rack_log
        self._loops = loops
        self._refusals = refusals
        self._readiness = readiness
        self._chambers = chambers
        self._presses = presses
        self._outputs = outputs
        self._metering = metering
        self._utcnow = utcnow
        self._controllers = controllers
        self._holds_answered_by = holds_answered_by
        self._on_closed = on_closed
        self._on_trip = on_trip
        self.refused: dict[PositionId, CellOutcome] = {}  # of the latest runs
        self.bays: dict[BayId, BayController] = {}  # of the latest runs
        self._turns: dict[str, PulseTurns] = {}  # of the devices whose cells cannot pulse together

    async def start(self, run: Run, plans: Mapping[PositionId, Plan]) -> None:
        """As `RackController.start_run`."""
        bay = self._rack.bays[run.placement.bay]
        going_on = [name for name in bay.positions if name in self._controllers and not self._controllers[name].closed]
        if going_on:
            raise ValueError(f"bay {bay.bay} is not free: the run at {going_on[0]} is not over")
        handles = self._recorder.start_run(run)
        self._log.begin(run, began_s=asyncio.get_running_loop().time())
        together = self.together(run)
        self._record_overrides(bay)
        started: list[tuple[ChannelController, DeviceLoop]] = []
        for position_id, cell in run.cells.items():
            self._controllers.pop(position_id, None)
            self.refused.pop(position_id, None)
            position = bay.positions[position_id]
            loop = self._loops[position.channels[0].device]
            plan = plans.get(position_id)
            refusal = self._refusals.of_start(bay, position, loop, plan, cell)
            if plan is None or refusal is not None:
                self._refuse(bay, position_id, cell, refusal or StartRefusal(code=None, text="there is no plan for it"))
                continue
            controller = self.controller(position, cell, plan, handle=handles[position_id], together=together)
            self._controllers[position_id] = controller
            together.add(controller)
            started.append((controller, loop))
        obstacle = await self._readiness.make_ready(bay, [controller for controller, _ in started])
        running = []
        for controller, loop in started:
            refusal = obstacle or self._refusals.unreachable(loop)
            if controller.machine.over is not None:
                controller.close()  # it was stopped while the bay was made ready
            elif refusal is None:
                loop.run_cell(controller)
                running.append(controller)
            else:
                del self._controllers[controller.position]
                together.remove(controller)
                self._refuse(bay, controller.position, controller.cell, refusal)
        self._chambers.begin(run, running, began_s=asyncio.get_running_loop().time())

    def together(self, run: Run) -> BayController:
        """Who sees to it that the cells of the run wait for each other; it is that of its bay from now on."""
        bay = self._rack.bays[run.placement.bay]
        self.bays[bay.bay] = BayController(
            bay,
            run.cells,
            loops=self._loops,
            presses=self._presses,
            holds=Holds(answered_by=self._holds_answered_by),
            outputs=self._outputs.get(bay.bay),
            rack_log=self._log,
            on_change=self._chambers.wake,
        )
        return self.bays[bay.bay]

    def controller(
        self, position: Position, cell: Cell, plan: Plan, *, handle: int, together: BayController
    ) -> ChannelController:
        """One for a cell there, whose device has answered."""
        loop = self._loops[position.channels[0].device]
        able, channel = loop.capabilities, ChannelId(position.channels[0].channel)
        return ChannelController(
            position=position.position,
            cell=cell,
            channel=channel,
            row=able.channels.index(channel),
            machine=StepMachine(
                with_turns(plan, len(able.channels)) if able.pulse_exclusive else plan,
                able.range,
                temperature_measured=position.temperature is not None,
                phases_max=able.phases_max,
                sweep_s=loop.sweep_s,
                gap_s_max=stale_after_s(loop.sweep_s),
                order_s_max=ORDER_S_MAX + able.start_delay_s,
            ),
            capabilities=able,
            recorder=self._recorder,
            handle=handle,
            utcnow=self._utcnow,
            on_closed=self._on_closed,
            on_trip=self._on_trip,
            beside=together,
            turns=self._turns_of(loop),
            meters=self._metering,
        )

    def _turns_of(self, loop: DeviceLoop) -> PulseTurns | None:
        if not loop.capabilities.pulse_exclusive:
            return None
        if loop.device not in self._turns:
            self._turns[loop.device] = PulseTurns(lambda: loop.controllers, loop.post)
        return self._turns[loop.device]

    def _record_overrides(self, bay: Bay) -> None:
        for device, override in self._refusals.overrides(bay).items():
            text = f"{device} runs under an override by {override.by} until {override.expires}: {override.reason}"
            self._log.record("start.overridden", device=device, text=text, bay=bay)

    def _refuse(self, bay: Bay, position: PositionId, cell: Cell, refusal: StartRefusal) -> None:
        self._log.record("cell.refused", code=refusal.code, text=refusal.text, bay=bay, position=position, cell=cell)
        outcome = CellOutcome(
            cell=cell.cell_id, position=position, ended="not-started", code=refusal.code, detail=refusal.text
        )
        self.refused[position] = outcome
        self._recorder.outcome(outcome)
