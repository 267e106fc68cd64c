"""The rack's chambers: what must be so before a bay starts, and whose turn it is."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import inf, nan

from cycler.contract.devices import ChamberDriver
from cycler.contract.errors import DeviceError
from cycler.control.chamber_loop import ChamberLoop
from cycler.control.channel_controller import ChannelController
from cycler.control.outbox import Command
from cycler.control.program_cursor import Program
from cycler.control.rack_log import RackLog
from cycler.control.reservations import conflicts, segment_of
from cycler.control.soaking import Soaking
from cycler.model.rack import Bay, BayId, Rack
from cycler.model.run import Run
from cycler.recipe.plan import PlanStep
from cycler.record.recorder import Recorder
from cycler.safety.start_checks import StartRefusal

CHAMBER_SWEEP_S = 10.0
AIR_EVERY_S = 60.0
AIR_CHANGE_K = 0.15
LOOK_S = 2.0  # while cells are held: as often as their temperatures are read


class Chambers:
    """Knows the latest run on each bay, whether or not that stands in a chamber: cells soak in a room, too."""

    def __init__(
        self,
        rack: Rack,
        drivers: Mapping[str, ChamberDriver],
        recorder: Recorder,
        rack_log: RackLog,
        *,
        post: Callable[[ChannelController, Sequence[Command]], None],
    ) -> None:
        """`post` tells the device of a controller."""
        self._rack = rack
        self._recorder = recorder
        self._log = rack_log
        self._post = post
        self._soakings: dict[BayId, Soaking] = {}
        self._airs: dict[BayId, _AirRecord] = {}
        self._bays_in = {
            chamber: [name for name, bay in rack.bays.items() if bay.chamber == chamber] for chamber in drivers
        }
        self._changed = asyncio.Event()
        self.loops = {
            device: ChamberLoop(
                device,
                driver,
                rack_log,
                recorder,
                sweep_s=CHAMBER_SWEEP_S,
                offset_s=CHAMBER_SWEEP_S * place / len(drivers),
                on_reading=self._take_air,
            )
            for place, (device, driver) in enumerate(drivers.items())
        }

    async def make_ready(self, bay: Bay, controllers: Sequence[ChannelController]) -> StartRefusal | None:
        """The chamber answers and has the limits of the cells in it; else why nothing may start on the bay.

        The controllers have had their first temperatures.
        """
        if bay.chamber is None:
            return _without_chamber(bay, controllers)
        chamber = self.loops[bay.chamber]
        if chamber.reading is None:
            return StartRefusal(code=None, text=f"{chamber.device} does not answer")
        if chamber.is_secured:
            return StartRefusal(code=None, text=f"{chamber.device} is kept safe after a trip")
        together = {**self._running_in(bay.chamber, but=bay), bay.bay: controllers}
        against = next(conflicts({name: _programs(those) for name, those in together.items()}), None)
        if against is not None:
            return StartRefusal(code=None, text=against)
        windows = [_endured_degc(controller) for those in together.values() for controller in those]
        if not windows:
            return None
        low_degc, high_degc = max(low for low, _ in windows), min(high for _, high in windows)
        for those in together.values():
            for segment in (segment_of(step) for program in _programs(those) for step in _steps(program)):
                if segment is not None and not chamber.reaches(segment.target_degc):
                    return StartRefusal(code=None, text=f"{chamber.device} does not reach {segment.target_degc:g} degC")
                if segment is not None and not low_degc <= segment.target_degc <= high_degc:
                    text = f"{segment.target_degc:g} degC, but not all cells in {chamber.device} endure that"
                    return StartRefusal(code=None, text=f"step {segment.step_id} wants {text}")
        try:
            await chamber.limit(low_degc, high_degc)
        except DeviceError as error:
            return StartRefusal(code=None, text=str(error))
        return None

    def begin(self, run: Run, controllers: Sequence[ChannelController], *, began_s: float) -> None:
        """These cells of the run have started, or go on. `began_s`: when it did, by the loop's clock."""
        bay = self._rack.bays[run.placement.bay]
        chamber = None if bay.chamber is None else self.loops[bay.chamber]
        self._soakings[bay.bay] = Soaking(bay, controllers, chamber=chamber, rack_log=self._log, post=self._post)
        self._soakings[bay.bay].take_up()
        if chamber is not None:
            self._airs[bay.bay] = _AirRecord(run.run_id, chamber, began_s=began_s)
            self._take_air(chamber.device)

    def wake(self) -> None:
        """A cell has got to where it is held, or its run is over."""
        self._changed.set()

    async def run(self) -> None:
        """See that every bay goes on as soon as it can, until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            look_s = LOOK_S if any(soaking.is_under_way for soaking in self._soakings.values()) else None
            with suppress(TimeoutError):
                async with asyncio.timeout(look_s):
                    await self._changed.wait()
            self._changed.clear()
            for soaking in self._soakings.values():
                soaking.look(clock())

    def _take_air(self, chamber: str) -> None:
        for bay in self._bays_in[chamber]:
            soaking = self._soakings.get(bay)
            if soaking is None:
                continue
            soaking.take_air()
            air = self._airs.get(bay)
            if air is not None and not soaking.is_over:
                air.keep(self._recorder)

    def _running_in(self, chamber: str, *, but: Bay) -> dict[BayId, Sequence[ChannelController]]:
        return {
            name: soaking.running
            for name, soaking in self._soakings.items()
            if name != but.bay and self._rack.bays[name].chamber == chamber and not soaking.is_over
        }


class _AirRecord:
    """What is kept of the air around the cells of a run: when it has changed, and once a minute."""

    def __init__(self, run_id: str, chamber: ChamberLoop, *, began_s: float) -> None:
        self._run_id = run_id
        self._chamber = chamber
        self._began_s = began_s
        self._kept_s, self._kept_degc = -inf, nan

    def keep(self, recorder: Recorder) -> None:
        """Of a new reading, or that there is none."""
        air_degc, now_s = self._chamber.air_degc, asyncio.get_running_loop().time()
        if abs(air_degc - self._kept_degc) < AIR_CHANGE_K and now_s - self._kept_s < AIR_EVERY_S:
            return
        self._kept_s, self._kept_degc = now_s, air_degc
        recorder.air(self._run_id, now_s - self._began_s, air_degc)


def _programs(controllers: Sequence[ChannelController]) -> list[Program]:
    """Each of them once."""
    return list({id(plan): plan.program for plan in (controller.machine.plan for controller in controllers)}.values())


def _steps(program: Program) -> list[PlanStep]:
    return [step for step in program if isinstance(step, PlanStep)]


def _endured_degc(controller: ChannelController) -> tuple[float, float]:
    """Where the cell may rest in every step of its recipe: wherever it might be charged or discharged there."""
    windows = [
        (step.envelope.charge_temperature_degc, step.envelope.discharge_temperature_degc)
        for step in _steps(controller.machine.plan.program)
    ]
    return max(min(a[0], b[0]) for a, b in windows), min(max(a[1], b[1]) for a, b in windows)


def _without_chamber(bay: Bay, controllers: Sequence[ChannelController]) -> StartRefusal | None:
    """Nothing brings the cells of a room to a temperature: most of them have it already, or never will."""
    for program in _programs(controllers):
        step = next((step for step in _steps(program) if step.soak is not None), None)
        if step is None or step.soak is None or step.chamber is None:
            continue
        target_degc, within_k = step.chamber.target_degc, step.soak.within_k
        outside = [each for each in controllers if not abs(each.temperature_degc - target_degc) <= within_k]
        if 2 * len(outside) > len(controllers):
            found = ", ".join(f"{each.position} has {each.temperature_degc:.4g} degC" for each in outside[:3])
            text = f"{found}, step {step.step_id} wants {target_degc:g} degC, and bay {bay.bay} has no chamber"
            return StartRefusal(code="TEMPERATURE", text=text)
    return None
