"""Runs that an earlier process has left: taken up as they were, and each cell goes on as the rule says, or waits."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import isnan
from typing import Final, NamedTuple

from cycler.contract.sweep import ChannelId, Reading
from cycler.control.bay_readiness import BayReadiness
from cycler.control.chambers import Chambers
from cycler.control.channel_controller import ChannelController
from cycler.control.clock_watch import ClockWatch
from cycler.control.device_loop import DeviceLoop
from cycler.control.rack_log import RackLog
from cycler.control.resume_rule import Asked, Decision, Found, Way, decide
from cycler.control.resumption import Left
from cycler.control.safeguards import Safeguards
from cycler.control.start import RunStarter
from cycler.control.start_refusals import StartRefusals
from cycler.model.rack import Bay, PositionId, Rack
from cycler.model.run import Run
from cycler.recipe.plan import Plan
from cycler.record.memory import Memory
from cycler.record.recorder import Recorder

LOOK_S = 10.0
SIGNS: Mapping[str, int] = {"charge": 1, "rest": 0, "discharge": -1}


@dataclass(frozen=True, slots=True, kw_only=True)
class TakesUp:
    """How a rack goes on with what an earlier process has left.

    `adoptable`: the orders that its devices may still be at, by device and channel. `run_alone`: devices that may go on
    without control. `always_asks`: no cell goes on without a person.
    """

    adoptable: Mapping[str, Mapping[ChannelId, int]] = field(default_factory=dict)
    run_alone: frozenset[str] = frozenset()
    always_asks: bool = False


NOTHING_LEFT: Final = TakesUp()


class Waiting(NamedTuple):
    """For whom a cell waits, why, and how it goes on then."""

    asks: Asked
    text: str
    way: Way


class RunResumer:
    """Of one rack. Nothing is energised before a bay has been found ready, as at a start."""

    def __init__(
        self,
        rack: Rack,
        recorder: Recorder,
        rack_log: RackLog,
        *,
        loops: Mapping[str, DeviceLoop],
        starter: RunStarter,
        refusals: StartRefusals,
        readiness: BayReadiness,
        chambers: Chambers,
        safeguards: Safeguards,
        clock_watch: ClockWatch,
        controllers: dict[PositionId, ChannelController],
        utcnow: Callable[[], datetime],
        always_asks: bool,
        run_alone: Collection[str],
    ) -> None:
        """`always_asks`: no cell goes on without a person. `run_alone`: devices that may go on without control."""
        self._rack = rack
        self._recorder = recorder
        self._log = rack_log
        self._loops = loops
        self._starter = starter
        self._refusals = refusals
        self._readiness = readiness
        self._chambers = chambers
        self._safeguards = safeguards
        self._clock_watch = clock_watch
        self._controllers = controllers
        self._utcnow = utcnow
        self._always_asks = always_asks
        self._run_alone = run_alone
        self.waiting: Memory[Waiting] = Memory(recorder, "waiting", Waiting)

    async def take_up(self, run: Run, plans: Mapping[PositionId, Plan], left: Mapping[PositionId, Left]) -> None:
        """The devices of the bay have answered; cells that have ended need no device, and no plan.

        Raises `msgspec.DecodeError` for what another version has saved.
        """
        bay = self._rack.bays[run.placement.bay]
        unended = [position for position, each in left.items() if each.outcome is None]
        handles = self._recorder.take_up(run, unended)
        began_s = asyncio.get_running_loop().time() - (self._utcnow() - run.started_utc).total_seconds()
        self._log.begin(run, began_s=began_s)
        together = self._starter.together(run)
        found: list[ChannelController] = []
        for position, each in left.items():
            if each.outcome is not None and (each.saved is None or position not in plans):
                self._starter.refused[position] = each.outcome
                continue
            controller = self._starter.controller(
                bay.positions[position],
                run.cells[position],
                plans[position],
                handle=handles[position],
                together=together,
            )
            controller.take_up(each, self._clock_watch.outage, self._reading(bay, controller))
            self._controllers[position] = controller
            together.add(controller)
            found.append(controller)
        refusal = await self._readiness.watch(bay, found)
        going_on = [each for each in found if each.machine.over is None]
        decisions = {each.position: self._decide(bay, each, left[each.position]) for each in going_on}
        if refusal is None and any(decision.asks == "nobody" for decision in decisions.values()):
            refusal = await self._readiness.make_ready(bay, going_on)
        for controller in sorted(going_on, key=lambda each: not decisions[each.position].first):
            self._resume(bay, controller, decisions[controller.position], None if refusal is None else refusal.text)
        for controller in found:
            if controller.machine.over is not None:
                controller.close()
                self.waiting.forget(controller.position)
        self._chambers.begin(run, going_on, began_s=began_s)

    async def release(self, positions: Collection[PositionId], text: str, *, is_engineer: bool) -> list[PositionId]:
        """A person lets these cells go on; which of them have. Raises `ValueError` where that may not be, with why."""
        asked = [name for name in positions if name in self._controllers and self._controllers[name].waits]
        if not is_engineer and any(self.waiting[name].asks == "engineer" for name in asked):
            names = ", ".join(name for name in asked if self.waiting[name].asks == "engineer")
            raise ValueError(f"an engineer has to decide about {names}")
        for bay in self._rack.bays.values():
            here = [self._controllers[name] for name in asked if name in bay.positions]
            for controller in here:
                refusal = self._refusal(bay, controller)
                if refusal is not None:
                    raise ValueError(refusal)
            refused = await self._readiness.make_ready(bay, here) if here else None
            if refused is not None:
                raise ValueError(refused.text)
            for controller in here:
                self._let_go(bay, controller, text)
        return asked

    async def run(self) -> None:
        """Until cancelled: cells that wait for their temperature go on once they have it; who is over waits no more."""
        while True:
            await asyncio.sleep(LOOK_S)
            for bay in self._rack.bays.values():
                for name in [name for name in bay.positions if name in self.waiting]:
                    controller = self._controllers.get(name)
                    if controller is None:
                        continue  # it has not been taken up yet
                    if not controller.waits:
                        self.waiting.forget(name)
                    elif self.waiting[name].asks == "temperature" and _in_window(controller):
                        self._let_go(bay, controller, "it has its temperature again")

    def _decide(self, bay: Bay, controller: ChannelController, left: Left) -> Decision:
        machine, reading = controller.machine, self._reading(bay, controller)
        counted = machine.has_counted(reading)
        decision = decide(
            Found(
                step=machine.step,
                gap_s=machine.interrupted_s if self._clock_watch.is_sure else None,
                charges=SIGNS[machine.charges],
                last_v=machine.voltage_v,
                voltage_v=reading.voltage_v,
                relay_open=reading.regulation == "off",
                in_window=_in_window(controller),
                resume_gap_s=machine.plan.cell_type.resume_gap_s,
                resumes=left.resumes,
                resumes_max=machine.plan.cell_type.resumes_max,
                has_rest_before=machine.has_rest_before,
                forbidden=self._safeguards.forbidden(controller.position),
                changed=self._loop(bay, controller).changed,
                touched=self._safeguards.touched(controller.position),
                ran_alone=self._loop(bay, controller).device in self._run_alone and machine.charges != "rest",
                runs_on=machine.executes(reading),
                counted=counted,
            )
        )
        before = self.waiting.get(controller.position)
        if before is not None and decision.way != "end":  # nobody has answered since
            return Decision(way=before.way, text=before.text, asks=before.asks)
        if self._always_asks and decision.asks == "nobody" and decision.way not in ("adopt", "end"):
            return Decision(
                way=decision.way, text=f"resume: ask; {decision.text}", asks="operator", first=decision.first
            )
        return decision

    def _resume(self, bay: Bay, controller: ChannelController, decision: Decision, obstacle: str | None) -> None:
        """Every cell that is not over is read and guarded from now on; who waits does so with its relay open."""
        asks, text, way = decision.asks, decision.text, decision.way
        obstacle = obstacle or self._refusal(bay, controller)
        if obstacle is not None and asks == "nobody" and way != "end":
            asks, text = "operator", f"{obstacle}; then {text}"
        waits = asks != "nobody"
        if waits:
            self.waiting.keep(controller.position, Waiting(asks, text, way))
        commands = controller.go_on(way, text, for_whom=asks if waits else None)
        self._loop(bay, controller).take_up(controller, commands)

    def _let_go(self, bay: Bay, controller: ChannelController, text: str) -> None:
        self.waiting.forget(controller.position)
        self._loop(bay, controller).post(controller.let_go(text))

    def _refusal(self, bay: Bay, controller: ChannelController) -> str | None:
        refusal = self._refusals.of_position(
            bay,
            bay.positions[controller.position],
            self._loop(bay, controller),
            controller.machine.plan.cell_type,
        )
        return None if refusal is None else refusal.text

    def _loop(self, bay: Bay, controller: ChannelController) -> DeviceLoop:
        return self._loops[bay.positions[controller.position].channels[0].device]

    def _reading(self, bay: Bay, controller: ChannelController) -> Reading:
        last = self._loop(bay, controller).last
        assert last is not None  # noqa: S101 (its device has answered)
        return last[controller.channel]


def _in_window(controller: ChannelController) -> bool:
    """Where the recipe's last soak wanted it; where nothing measures it, nobody knows better."""
    climate, degc = controller.machine.climate, controller.temperature_degc
    return climate is None or isnan(degc) or climate.low_degc <= degc <= climate.high_degc
