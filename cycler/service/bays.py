"""What stands in each bay of a rack under control: nothing, a tray that is loaded, or a run."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog

from cycler.model.approval import ReleasedAs
from cycler.model.rack import BayId, PositionId
from cycler.model.results import StopReason
from cycler.model.run import Run
from cycler.recipe.problems import InvalidFile
from cycler.service.placements import Placed, Placements
from cycler.service.refusal import Refused
from cycler.service.running_rack import Job, RunningRack

BayState = Literal["free", "loaded", "starting", "running", "interrupted", "ended"]
GOING_ON: frozenset[BayState] = frozenset({"starting", "running", "interrupted"})

log = structlog.get_logger()

OPEN_S_MAX = 10.0
"""How long a stop waits for relays to be seen open; a device that is slower has its alarm, and its contactor."""


@dataclass(slots=True, kw_only=True)
class BayInUse:
    """`began_s`: by the loop's clock."""

    state: BayState = "free"
    job: Job | None = None
    run: Run | None = None
    began_s: float = 0.0


class Bays:
    """Trays come, run, and end. Which tray stands where is found again after a restart."""

    def __init__(self, running: RunningRack, tasks: asyncio.TaskGroup) -> None:
        """`tasks` take what goes on after a call has returned."""
        self._running = running
        self._tasks = tasks
        self._bays = {name: BayInUse() for name in running.rack.bays}
        self._placements = Placements(running.recorder)
        self._finishing: set[asyncio.Task[None]] = set()
        self._closing = False

    @property
    def in_use(self) -> Mapping[BayId, BayInUse]:
        """Every bay of the rack."""
        return self._bays

    def beside(self, bay: BayId) -> list[Job]:
        """The jobs of the other bays that are loaded, or go on."""
        return [
            each.job
            for name, each in self._bays.items()
            if name != bay and each.job is not None and each.state != "ended"
        ]

    def load(self, job: Job) -> None:
        """Put the tray on record as standing in its bay; one that was loaded there, and not started, makes way.

        Raises `Refused` while a run goes on there, and where the tray or one of its cells stands elsewhere.
        """
        self._refuse_while_running(job.bay)
        for other in self.beside(job.bay):
            if other.tray == job.tray:
                raise Refused("tray-elsewhere", f"tray {job.tray} stands in bay {other.bay}")
            places = {cell.cell_id: position for position, cell in other.cells.items()}
            for cell in job.cells.values():
                if cell.cell_id in places:
                    raise Refused("cell-elsewhere", f"cell {cell.cell_id} stands at {places[cell.cell_id]}")
        self._bays[job.bay] = BayInUse(state="loaded", job=job)
        self._placements.keep(job)

    @property
    def placed(self) -> Sequence[Placed]:
        """What an earlier process has left in the bays."""
        return self._placements.found

    def expect(self, job: Job, run: Run) -> None:
        """A run that an earlier process has left is about to be taken up there."""
        began_s = asyncio.get_running_loop().time() - (self._running.utcnow() - run.started_utc).total_seconds()
        self._bays[job.bay] = BayInUse(state="interrupted", job=job, run=run, began_s=began_s)

    def taken_up(self, job: Job, run: Run) -> None:
        """It goes on, as far as it does."""
        self._follow(self._bays[job.bay], run)

    def recall(self, *, beside: Path) -> None:
        """Trays that an earlier process has loaded and not started stand where they stood.

        A recipe that this version of the program does not take any more has to be loaded anew.
        """
        for placed in self._placements.found:
            if placed.run_id is not None or placed.bay not in self._bays:
                continue
            try:
                self._bays[placed.bay] = BayInUse(state="loaded", job=placed.job(beside=beside))
            except InvalidFile as error:
                log.error("tray.forgotten", bay=placed.bay, tray=placed.tray, reason=str(error))

    def loaded(self, bay: BayId) -> Job:
        """The job that waits there. Raises `Refused` where there is none."""
        self._refuse_while_running(bay)
        used = self._bays[bay]
        if used.job is None or used.state != "loaded":
            raise Refused("not-loaded", f"bay {bay} has no tray to start", "load one first")
        return used.job

    async def start(self, job: Job, *, released_as: ReleasedAs) -> Run:
        """What was loaded there. Returns once each cell runs, or has been refused; raises `InvalidFile`, `Refused`."""
        if self._closing:
            raise Refused("stopping", "the service is being stopped")
        used = self._bays[job.bay]
        used.state, used.began_s = "starting", asyncio.get_running_loop().time()
        try:
            used.run = await self._running.start(job, released_as=released_as)
        finally:
            used.state = "loaded" if used.run is None else "running"
        self._placements.keep(job, run_id=used.run.run_id)
        self._follow(used, used.run)
        return used.run

    async def stop(self, positions: Collection[PositionId], reason: StopReason, text: str) -> list[PositionId]:
        """End the runs of these cells, and wait for their relays to be seen open; which are not, in time."""
        controllers = self._running.controller.controllers
        ending = [name for name in positions if name in controllers and not controllers[name].closed]
        self._running.controller.stop(ending, reason, text)
        closing = {name: controllers[name] for name in ending}
        with suppress(TimeoutError):
            async with asyncio.timeout(OPEN_S_MAX):
                await self._running.controller.closed(ending)
        return [name for name, controller in closing.items() if not controller.closed]

    async def aclose(self, text: str) -> None:
        """Nothing starts any more, and all that runs is stopped. What does not open by then is the devices' end."""
        self._closing = True
        await self.stop_all(text)
        for task in self._finishing:
            task.cancel()

    async def stop_all(self, text: str) -> list[PositionId]:
        """As `stop`, for every cell, also those of runs that are being started."""
        self._running.controller.stop_all(text)
        everywhere = [name for bay in self._running.rack.bays.values() for name in bay.positions]
        return await self.stop(everywhere, "all-off", text)

    def _follow(self, used: BayInUse, run: Run) -> None:
        used.state = "running"
        task = self._tasks.create_task(self._finish(used, run), name=f"run {run.run_id}")
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)

    async def _finish(self, used: BayInUse, run: Run) -> None:
        await self._running.controller.finished(run)
        used.state = "ended"

    def _refuse_while_running(self, bay: BayId) -> None:
        used = self._bays[bay]
        if used.state in GOING_ON:
            tray = "" if used.job is None else f" of tray {used.job.tray}"
            raise Refused("bay-busy", f"bay {bay} is not free: the run{tray} is not over")
