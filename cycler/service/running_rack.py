"""One rack under control: its journal and its tasks, from the first connection on, and the start of jobs on its bays.

Sessions in simulated worlds and the service on a rack's PC run the same one.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from cycler.contract.capabilities import ChannelRange
from cycler.contract.plugin import Surroundings
from cycler.control.rack_controller import RackController
from cycler.control.run_resumer import NOTHING_LEFT, TakesUp
from cycler.model.alarm import AlarmCode
from cycler.model.approval import ReleasedAs
from cycler.model.cell import Cell
from cycler.model.rack import BayId, Placement, PositionId, Rack, TrayId
from cycler.model.run import Run
from cycler.recipe.canonical import canonical_text, content_hash
from cycler.recipe.compile import LoadedRecipe, check, compile_plan
from cycler.recipe.plan import ContactGroup, Plan
from cycler.recipe.problems import InvalidFile
from cycler.record.journal import Journal
from cycler.record.recorder import Recorder
from cycler.service.abuse import refuse_abuse, refuse_company
from cycler.service.chamber_check import chamber_problems
from cycler.service.configuration import Configuration
from cycler.service.joined_rack import joined_rack
from cycler.service.meter_check import meter_problems
from cycler.service.output_check import output_problems
from cycler.service.wiring import offline_ranges, open_devices

T = TypeVar("T")


class Blocking(Protocol):
    """Where work goes that takes long or waits for a disk: a thread in production, inline in simulation."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A tray of cells for one bay, and what is to be done to them."""

    bay: BayId
    tray: TrayId
    cells: Mapping[PositionId, Cell]
    recipe: LoadedRecipe


def check_start(configuration: Configuration, jobs: Sequence[Job]) -> None:
    """Raises `InvalidFile` with all that speaks against a start before anybody has connected to a device.

    That is a rack that asks for what control cannot do yet, a recipe that a channel cannot run, as far as the rack file
    tells what it can, what a meter has to measure that none is there for, and outputs and temperatures that a bay
    cannot have. Raises `Refused` for an abuse test where none may be. `jobs`: all that are to run at the same time.
    """
    cells = sum(len(job.cells) for job in jobs)
    for job in jobs:
        refuse_abuse(configuration.rack, job.recipe.recipe)
        refuse_company(job.recipe.recipe, cells)
    problems = dict.fromkeys(configuration.not_yet)
    ranges = offline_ranges(configuration)
    for job in jobs:
        positions = configuration.rack.bays[job.bay].positions
        used = dict.fromkeys(channel.device for cell in job.cells for channel in positions[cell].channels)
        for channel in dict.fromkeys(ranges[device] for device in used):
            problems |= dict.fromkeys(check(job.recipe.recipe, job.recipe.cell_type, channel))
        problems |= dict.fromkeys(output_problems(configuration.rack.bays[job.bay], job.recipe.recipe))
        asked = [positions[cell] for cell in job.cells]
        problems |= dict.fromkeys(meter_problems(configuration, job.recipe, asked))
    problems = problems or dict.fromkeys(chamber_problems(configuration, {job.bay: job.recipe for job in jobs}))
    if problems:
        raise InvalidFile(problems)


class RunningRack:
    """What there is as long as `under_control` is open."""

    def __init__(
        self,
        rack: Rack,
        devices: Collection[str],
        controller: RackController,
        recorder: Recorder,
        *,
        utcnow: Callable[[], datetime],
        run_blocking: Blocking,
    ) -> None:
        """`devices`: their ids, as control knows them."""
        self.rack = rack
        self.devices = devices
        self.controller = controller
        self.recorder = recorder
        self.utcnow = utcnow
        self.run_blocking = run_blocking

    async def start(self, job: Job, *, released_as: ReleasedAs) -> Run:
        """Start every cell of the job that may be started; the others are refused, each with its reason on record.

        Raises `InvalidFile` as `plans` does, and `ValueError` where the bay's last run is not over yet.
        """
        plans = await self.run_blocking(lambda: self.plans(job))
        run = self.run_of(job, released_as=released_as)
        await self.controller.start_run(run, plans)
        return run

    def run_of(self, job: Job, *, released_as: ReleasedAs) -> Run:
        """The run that this job is to be, with the next free id."""
        recipe = job.recipe.recipe
        now = self.utcnow()
        return Run(
            run_id=self.recorder.next_run_id(now),
            started_utc=now,
            placement=Placement(tray=job.tray, bay=job.bay, from_utc=now),
            recipe_name=recipe.recipe,
            recipe_version=recipe.version,
            recipe_hash=content_hash(recipe),
            recipe_text=canonical_text(recipe),
            released_as=released_as,
            cells=job.cells,
        )

    def plans(self, job: Job) -> Mapping[PositionId, Plan]:
        """For each position whose device has answered. Raises `InvalidFile` for what a channel cannot run."""
        compiled: dict[tuple[ChannelRange, ContactGroup], Plan] = {}
        plans: dict[PositionId, Plan] = {}
        for place, position in enumerate(self.rack.bays[job.bay].positions):
            capabilities = self.controller.capabilities(position) if position in job.cells else None
            if capabilities is not None:
                group: ContactGroup = 1 if place % 2 else 0
                variant = (capabilities.range, group)
                if variant not in compiled:
                    compiled[variant] = compile_plan(job.recipe.recipe, job.recipe.cell_type, *variant)
                plans[position] = compiled[variant]
        return plans


@asynccontextmanager
async def under_control(
    configuration: Configuration,
    surroundings: Surroundings,
    *,
    store: Path,
    run_blocking: Blocking,
    commit: Blocking,
    rng: random.Random,
    commit_every_s: float,
    holds_answered_by: str | None = None,
    takes_up: Callable[[Rack], TakesUp] = lambda _: NOTHING_LEFT,
) -> AsyncIterator[RunningRack]:
    """Connects to every device, and runs the rack until the context is left: then every output has been told to open,
    and the journal is closed.

    `takes_up`: asked once the journal is open, how the rack goes on with runs that an earlier process has left.
    `commit` is where the journal is written: never behind other work. Raises `JournalUnusable`, `JournalFailed`,
    `NotInstalled`, and `ValueError` for settings that a driver refuses; errors of the rack's own tasks come in an
    exception group.
    """
    rack = joined_rack(configuration.rack)
    devices = open_devices(configuration, surroundings)
    journal = Journal(store, rack=configuration.rack.rack, opened_utc=surroundings.utcnow())
    recorder = Recorder(
        journal,
        run_blocking=commit,
        on_failure=lambda reason: controller.stop_all(reason, code=AlarmCode.JOURNAL_NOT_DURABLE),
        on_trouble=lambda reason: controller.note_journal(reason, is_durable=False),
        on_durable=lambda text: controller.note_journal(text, is_durable=True),
        commit_every_s=commit_every_s,
    )
    controller = RackController(
        rack,
        devices,
        recorder,
        utcnow=surroundings.utcnow,
        rng=rng,
        holds_answered_by=holds_answered_by,
        takes_up=takes_up(rack),
    )
    try:
        async with asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(recorder.run(), name="recorder"),
                tasks.create_task(controller.run(), name="rack"),
            ]
            yield RunningRack(
                rack,
                tuple(devices.all()),
                controller,
                recorder,
                utcnow=surroundings.utcnow,
                run_blocking=run_blocking,
            )
            for task in background:
                task.cancel()
    finally:
        await recorder.aclose()
