"""The rack: its tree of tasks, what happens when a device is lost, and the runs on its bays."""

import asyncio
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from cycler.contract.capabilities import Capabilities
from cycler.contract.errors import DeviceError, LinkError
from cycler.contract.sweep import ChannelId
from cycler.control.alarms import Alarms
from cycler.control.bay_readiness import BayReadiness
from cycler.control.chamber_loop import ChamberLoop
from cycler.control.chambers import Chambers
from cycler.control.channel_controller import ChannelController
from cycler.control.clock_watch import ClockWatch
from cycler.control.containment import AnyLoop, Containment, Patient
from cycler.control.device_loop import DeviceLoop
from cycler.control.devices import Devices
from cycler.control.io_loop import IoLoop
from cycler.control.latches import Latches
from cycler.control.meter_loop import MeterLoop
from cycler.control.metering import Metering
from cycler.control.outbox import Command
from cycler.control.outputs import BayOutputs
from cycler.control.patience import STALE_S_MIN
from cycler.control.pre_trip import trip_samples
from cycler.control.presses import Presses
from cycler.control.rack_log import RackLog
from cycler.control.run_resumer import NOTHING_LEFT, RunResumer, TakesUp
from cycler.control.safeguards import Safeguards
from cycler.control.start import RunStarter
from cycler.control.start_refusals import StartRefusals
from cycler.control.temperature_loop import TemperatureLoop
from cycler.control.upstream import Upstream
from cycler.control.zero_current import current_possible
from cycler.model.alarm import AlarmCode
from cycler.model.rack import Bay, Position, PositionId, Rack
from cycler.model.results import CellOutcome, StopReason
from cycler.model.run import Run
from cycler.recipe.plan import Plan
from cycler.record.recorder import Recorder

SWEEP_S = 1.0
TEMPERATURE_SWEEP_S = 2.0


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
        holds_answered_by: str | None = None,
        takes_up: TakesUp = NOTHING_LEFT,
    ) -> None:
        """`rng` jitters the back-off; in simulation it is seeded.

        `holds_answered_by`: who answers every `hold` at once; None where a person is asked. `takes_up`: how it goes on
        with runs that an earlier process has left.
        """
        self._rack = rack
        self._devices = devices
        self.alarms = Alarms(rack, recorder, utcnow)
        self._log = RackLog(rack, recorder, self.alarms, utcnow, wires=devices.wires)
        self._clock_watch = ClockWatch(utcnow, self._log, recorder)
        self._sweep_s = sweep_s
        self._outputs_ended = asyncio.Event()
        self._loops: dict[str, DeviceLoop] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}  # by device
        self._temperatures: dict[str, TemperatureLoop] = {}
        self._ios: dict[str, IoLoop] = {}
        self._controllers: dict[PositionId, ChannelController] = {}
        self._chambers = Chambers(rack, devices.chambers, recorder, self._log, post=self._post)
        self._containment = Containment(
            devices.all(),
            recorder,
            self._log,
            rng,
            wired=self._wired,
            on_lost=self._lost,
            on_opened=self._opened_at_last,
        )
        latches = Latches(recorder)
        self._upstream = Upstream(rack, self._loops, self._ios, self._log, latches, stop_bay=self._stop_bay)
        self._changed = asyncio.Event()
        self._safeguards = Safeguards(
            rack,
            self._controllers,
            self._log,
            recorder,
            loops=self._loops,
            chambers=self._chambers.loops,
            latches=latches,
            post=self._post,
            cut_off=self._upstream.cut_off,
            check_again=self._containment.latched.check_again,
            on_change=self._changed.set,
        )
        self._presses = Presses(self._ios, unproven=self._safeguards.press_stays_closed)
        for place, (device, driver) in enumerate(devices.cyclers.items()):
            self._loops[device] = DeviceLoop(
                device,
                driver,
                recorder,
                sweep_s=sweep_s,
                offset_s=sweep_s * place / len(devices.cyclers),
                on_off_failed=self._off_failed,
                on_opened=self._opened_at_last,
                adoptable=takes_up.adoptable.get(device),
            )
        for place, (device, temperatures) in enumerate(devices.temperatures.items()):
            self._temperatures[device] = TemperatureLoop(
                device,
                temperatures,
                sweep_s=TEMPERATURE_SWEEP_S,
                offset_s=TEMPERATURE_SWEEP_S * place / len(devices.temperatures),
                on_frozen=self._sensor_is_frozen,
            )
        for place, (device, io) in enumerate(devices.ios.items()):
            self._ios[device] = IoLoop(
                device,
                io,
                sweep_s=sweep_s,
                offset_s=sweep_s * place / len(devices.ios),
                on_moved=self._upstream.contactor_moved,
                on_inputs=self._safeguards.on_inputs,
                outputs_ended=self._outputs_ended,
                in_use=self._in_use(device, takes_up),
            )
        self._meters = {device: MeterLoop(device, driver, self._log) for device, driver in devices.meters.items()}
        self._metering = Metering(
            self._meters,
            {name: position for bay in rack.bays.values() for name, position in bay.positions.items()},
            post=self._post,
            on_alarm=lambda code, at, text: self.alarms.raised(code, at, text, positions=[at]),
        )
        self._outputs = {name: self._outputs_of(bay) for name, bay in rack.bays.items() if bay.outputs}
        self._silent: set[str] = set()  # cyclers whose reading is waited for, for too long already
        self.watched_s = 0.0  # by the loop's clock: when last it was seen to that nothing runs on without readings
        self._refusals = StartRefusals(
            rack,
            recorder,
            metering=self._metering,
            locked=self._safeguards.refusal,
            pending=self._containment.pending,
            utcnow=utcnow,
        )
        self._readiness = BayReadiness(
            temperatures=self._temperatures,
            ios=self._ios,
            chambers=self._chambers,
            presses=self._presses,
            outputs=self._outputs,
        )
        self._starter = RunStarter(
            rack,
            recorder,
            self._log,
            loops=self._loops,
            refusals=self._refusals,
            readiness=self._readiness,
            chambers=self._chambers,
            presses=self._presses,
            outputs=self._outputs,
            metering=self._metering,
            utcnow=utcnow,
            controllers=self._controllers,
            holds_answered_by=holds_answered_by,
            on_closed=self._changed.set,
            on_trip=self._tripped,
        )

        self.resumer = RunResumer(
            rack,
            recorder,
            self._log,
            loops=self._loops,
            starter=self._starter,
            refusals=self._refusals,
            readiness=self._readiness,
            chambers=self._chambers,
            safeguards=self._safeguards,
            clock_watch=self._clock_watch,
            controllers=self._controllers,
            utcnow=utcnow,
            always_asks=takes_up.always_asks,
            run_alone=takes_up.run_alone,
        )

    @property
    def controllers(self) -> Mapping[PositionId, ChannelController]:
        """The latest run on each position."""
        return self._controllers

    async def run(self) -> None:
        """Everything that the rack does, until cancelled. Anything but a `DeviceError` is our bug and ends it all."""
        try:
            async with asyncio.TaskGroup() as around:
                others: list[AnyLoop] = [
                    *self._ios.values(),
                    *self._temperatures.values(),
                    *self._chambers.loops.values(),
                    *self._meters.values(),
                ]
                for loop in others:
                    self._tasks[loop.device] = around.create_task(
                        self._containment.run(loop), name=f"device {loop.device}"
                    )
                around.create_task(self._upstream.run(), name="upstream")
                around.create_task(self._presses.run(), name="presses")
                around.create_task(self._safeguards.watches.run(), name="watches")
                for name, outputs in self._outputs.items():
                    around.create_task(outputs.run(), name=f"outputs of {name}")
                around.create_task(self._chambers.run(), name="chambers")
                around.create_task(self._metering.run(), name="metering")
                around.create_task(self.resumer.run(), name="cells that wait")
                around.create_task(self.alarms.run(self._containment.all_tried), name="alarms")
                try:
                    async with asyncio.TaskGroup() as cyclers:
                        for cycler in self._loops.values():
                            task = cyclers.create_task(self._containment.run(cycler), name=f"device {cycler.device}")
                            self._tasks[cycler.device] = task
                        cyclers.create_task(self._watch_for_silence(), name="silence")
                finally:
                    self._outputs_ended.set()
        finally:
            for driver in self._devices.all().values():
                await driver.aclose()

    async def ready(self) -> None:
        """Every device has either answered or been latched."""
        await self._containment.all_ready.wait()

    def outcome(self, position: PositionId) -> CellOutcome | None:
        """Of the latest run there; None as long as it goes on."""
        controller = self._controllers.get(position)
        return self._starter.refused.get(position) if controller is None else controller.outcome

    async def tried(self) -> None:
        """Every device has either answered, or not answered, at least once."""
        await self._containment.all_tried.wait()

    @property
    def troubles(self) -> Mapping[str, str]:
        """The devices that nobody hears at present, and why."""
        return self._containment.troubles

    @property
    def unwatched(self) -> Sequence[str]:
        """Devices on which cells run on although no reading has come for too long: none, as long as control is alive.

        Whoever finds one a little later than it happens finds that its cells have been stopped.
        """
        return [
            loop.device
            for loop in self._loops.values()
            if loop.patience.is_over and any(each.machine.over is None for each in loop.controllers)
        ]

    def refusal(self, position: PositionId) -> str | None:
        """What a trip or an interlock says against a start at this position now; None where nothing does."""
        return self._safeguards.refusal(position)

    def capabilities(self, position: PositionId) -> Capabilities | None:
        """Of the position's channel; None as long as its device has not answered."""
        loop = self._loop_of(position)
        return loop.capabilities if loop.last is not None else None

    async def start_run(self, run: Run, plans: Mapping[PositionId, Plan]) -> None:
        """Start every cell of the run that may be started; the others are refused, each with its reason.

        `plans` has one for each position whose device has answered. Raises `ValueError` where the bay's last run is not
        over yet.
        """
        await self._starter.start(run, plans)

    async def finished(self, run: Run) -> None:
        """Every cell of the run has its outcome and its last step its numbers; the bay's contactor is open again.

        Where something has happened after which the bay is watched, that is over, too, or a person has to see to it.
        """
        await self.closed(run.cells)
        await self._upstream.open_contactor(self._rack.bays[run.placement.bay])
        while self._safeguards.is_waited_for(run.placement.bay):
            self._changed.clear()
            await self._changed.wait()

    async def closed(self, positions: Collection[PositionId]) -> None:
        """Nothing more comes from the latest runs at these positions."""
        while not all(self._controllers[position].closed for position in positions if position in self._controllers):
            self._changed.clear()
            await self._changed.wait()

    async def let_go(self, devices: Collection[str]) -> None:
        """Nothing more is to be done with these cyclers and chambers, for good: outputs are told to open, chambers keep
        their set values, and they are left alone."""
        for device in devices:
            task = self._tasks[device]
            task.cancel()
            await asyncio.wait([task])
            if device in self._loops:
                self._loops[device].abandon()
            await self._devices.all()[device].aclose()

    def stop_all(self, text: str, *, code: AlarmCode | None = None) -> None:
        """End every run, also those that are being started, and open every output: not an emergency stop."""
        self._log.record("rack.stopped", code=code, text=text)
        for bay in self._rack.bays.values():
            self._stop_bay(bay, text, reason="all-off")

    def note_journal(self, text: str, *, is_durable: bool) -> None:
        """Nothing can be committed for now: orders that energise wait, and nothing is stopped yet. Or: it can again."""
        event = "journal.durable" if is_durable else "journal.delayed"
        self._log.record(event, code=AlarmCode.JOURNAL_NOT_DURABLE, text=text)

    def note_disk(self, text: str, *, is_low: bool) -> None:
        """It will soon not take the record any more, and nothing starts until it will."""
        self._refusals.disk_low = text if is_low else None
        self._log.record("disk.low" if is_low else "disk.roomy", code=AlarmCode.DISK_LOW, text=text)

    def stop(self, positions: Collection[PositionId], reason: StopReason, text: str) -> None:
        """End the runs of these cells and open their outputs; nothing happens where none goes on."""
        for name in positions:
            controller = self._controllers.get(name)
            if controller is not None and not controller.closed:
                self._post(controller, controller.stop(reason, text))

    def reset(self, what: str, *, person: str, reason: str) -> str | None:
        """Release what a trip has latched at a position, in a bay, in the rack, or by an interlock, named by its id; or
        have a latched device tried again, which maintenance has checked. Why that is refused; None where it is done.

        After fire, emergency stop and over-voltage the cause must be gone and the reset at the rack turned within the
        last minute, so this is never for SCADA or MES. Where a bay is only watched, and its time is over, it says that
        this person has seen that the bay is cold. Both answers are on record. Nothing is started.
        """
        return self._safeguards.reset(what, person=person, reason=reason)

    def answer(self, positions: Collection[PositionId], text: str) -> list[PositionId]:
        """A person lets these cells go on from a recipe's `hold`; which of them have waited for that."""
        return [name for together in self._starter.bays.values() for name in together.answer(positions, text)]

    # Devices that fail.

    def _off_failed(self, device: str, channels: frozenset[ChannelId], error: DeviceError) -> None:
        if isinstance(error, LinkError):
            self._silent.add(device)  # until it is heard again, and seen open
        self._upstream.off_not_confirmed(device, channels, error)

    def _opened_at_last(self, device: str) -> None:
        self._log.record("output.opened", device=device, text="its outputs are open at last")

    def _lost(self, loop: AnyLoop, error: DeviceError) -> None:
        if isinstance(loop, Patient):
            loop.lose(error)
            if isinstance(loop, ChamberLoop) and not isinstance(error, LinkError):
                self._safeguards.chamber_fails(loop.device, str(error))
            return
        self._silent.discard(loop.device)
        self._log.record(
            "device.lost",
            device=loop.device,
            code=AlarmCode.STALE_DATA,
            text=str(error),
            by_wire=isinstance(error, LinkError),
        )
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
                for bay in self._upstream.bays_behind(loop.device):
                    self._stop_bay(bay, f"what closes bay {bay.bay} does not answer: {error}")
                self._safeguards.interlocks.lost(loop.device, str(error))

    async def _watch_for_silence(self) -> None:
        """Stop what runs on a device from which no reading has come for too long, even while a read still waits."""
        clock = asyncio.get_running_loop().time
        while True:
            self.watched_s = clock()
            self._clock_watch.look(self.watched_s)
            for loop in self._loops.values():
                if loop.controllers and loop.patience.is_over:
                    self._is_silent(loop, f"{loop.device}: no reading for {loop.patience.stale_s:g} s")
                elif loop.device in self._silent and not (loop.patience.is_over or loop.not_open):
                    self._silent.discard(loop.device)
                    self._log.record("device.heard", device=loop.device, text=f"{loop.device} is read again")
            # Whoever is silent already, or begins to run meanwhile, becomes stale no sooner than this.
            deadlines_s = [loop.patience.ends_s for loop in self._loops.values() if not loop.patience.is_over]
            await asyncio.sleep(min([STALE_S_MIN, *(deadline_s - clock() for deadline_s in deadlines_s)]))

    def _is_silent(self, loop: DeviceLoop, text: str) -> None:
        if loop.device not in self._silent:
            self._silent.add(loop.device)
            self._log.record("device.silent", device=loop.device, code=AlarmCode.STALE_DATA, text=text, by_wire=True)
        _stop_stale(loop, text)

    def _tripped(self, controller: ChannelController, code: AlarmCode, text: str) -> None:
        """The cell's alarm has the readings before it, each of them."""
        position = self._position(controller.position)
        source, loop = position.temperature, self._loops[position.channels[0].device]
        degc = [] if source is None else self._temperatures[source.device].recent(source.channel)
        samples = trip_samples(controller.position, list(loop.recent), controller.row, degc)
        self.alarms.tripped(code, controller.position, text, samples)
        self._safeguards.on_trip(controller, code, text)

    def _sensor_is_frozen(self, controller: ChannelController, text: str) -> None:
        self._post(controller, controller.trip(AlarmCode.FROZEN_VALUE, text))

    def _stop_bay(self, bay: Bay, text: str, *, reason: StopReason = "interlock") -> None:
        self.stop(bay.positions, reason, text)

    def _outputs_of(self, bay: Bay) -> BayOutputs:
        def running() -> list[ChannelController]:
            found = [self._controllers[name] for name in bay.positions if name in self._controllers]
            return [controller for controller in found if controller.machine.over is None]

        def failed(text: str) -> None:
            code = AlarmCode.ORDER_NOT_APPLIED
            self._log.record("outputs.failed", code=code, text=text, bay=bay, severity="error")
            self._stop_bay(bay, text)

        def safe() -> None:
            self._log.record("outputs.safe", text=f"the outputs of bay {bay.bay} are safe", bay=bay, severity="info")
            for controller in running():
                self._post(controller, controller.order_withheld())

        return BayOutputs(
            bay,
            self._ios,
            relays_open=lambda: current_possible(bay, self._loops) is None,
            goes_on=lambda: bool(running()),
            on_failed=failed,
            on_safe=safe,
        )

    def _post(self, controller: ChannelController, commands: Sequence[Command]) -> None:
        self._loop_of(controller.position).post(commands)

    def _loop_of(self, position: PositionId) -> DeviceLoop:
        return self._loops[self._position(position).channels[0].device]

    def _in_use(self, device: str, takes_up: TakesUp) -> list[str]:
        """Its outputs that belong to bays in which a cycler may have gone on alone."""
        bays = [
            bay
            for bay in self._rack.bays.values()
            if any(ref.device in takes_up.adoptable for each in bay.positions.values() for ref in each.channels)
        ]
        refs = [ref for bay in bays for ref in (bay.contactor, bay.press) if ref is not None]
        return [ref.channel for ref in refs if ref.device == device]

    def _wired(self, device: str) -> frozenset[ChannelId]:
        refs = [ref for bay in self._rack.bays.values() for each in bay.positions.values() for ref in each.channels]
        return frozenset(ChannelId(ref.channel) for ref in refs if ref.device == device)

    def _position(self, name: PositionId) -> Position:
        for bay in self._rack.bays.values():
            if name in bay.positions:
                return bay.positions[name]
        raise KeyError(name)


def _stop_stale(loop: DeviceLoop, text: str) -> None:
    loop.stop_all("stale", text, end="tripped", code=f"TRIP_{AlarmCode.STALE_DATA.value}")
