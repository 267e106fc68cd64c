"""Runs control on a simulated world, from the first connection to the last outcome, in the world's own time."""

import asyncio
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cycler.contract.capabilities import ChannelRange
from cycler.contract.plugin import Surroundings
from cycler.contract.world import World
from cycler.control.rack_controller import RackController
from cycler.model.alarm import AlarmCode
from cycler.model.cell import Cell
from cycler.model.rack import Bay, BayId, Placement, PositionId, TrayId
from cycler.model.run import Run
from cycler.recipe.canonical import canonical_text, content_hash
from cycler.recipe.compile import LoadedRecipe, check, compile_plan
from cycler.recipe.plan import ContactGroup, Plan
from cycler.recipe.problems import InvalidFile
from cycler.record.journal import Journal, JournalFailed
from cycler.record.recorder import Recorder
from cycler.service.abuse import refuse_abuse, refuse_company
from cycler.service.chamber_check import chamber_problems
from cycler.service.configuration import Configuration
from cycler.service.joined_rack import joined_rack
from cycler.service.meter_check import meter_problems
from cycler.service.output_check import output_problems
from cycler.service.progress import BayProgress, bay_progress
from cycler.service.wiring import offline_ranges, open_devices

T = TypeVar("T")

COMMIT_EVERY_S = 60.0
"""Of the world's time: it passes so much faster than ours that a minute of it is gone in milliseconds."""

PROGRESS_EVERY_S = 60.0

OnProgress = Callable[[Sequence[BayProgress]], None]


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
    cannot have. Raises `Refused` for an abuse test where none may be.
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


def run_session(
    configuration: Configuration,
    world: World,
    jobs: Sequence[Job],
    *,
    store: Path,
    seed: int,
    on_progress: OnProgress | None = None,
) -> list[Run]:
    """Run every job to its end and leave the journal in `store`. Ctrl-C opens all outputs and closes the journal first.

    Raises `InvalidFile` as `check_start` does and for a recipe that a connected channel cannot run; `JournalUnusable`,
    `JournalFailed`, and `ValueError` for settings that a driver refuses.
    """
    check_start(configuration, jobs)
    try:
        return world.run(_session(configuration, world, jobs, store=store, seed=seed, on_progress=on_progress))
    except BaseExceptionGroup as group:
        raise _only(group) from None


async def _session(
    configuration: Configuration,
    world: World,
    jobs: Sequence[Job],
    *,
    store: Path,
    seed: int,
    on_progress: OnProgress | None,
) -> list[Run]:
    await world.start()
    try:
        controlled = joined_rack(configuration.rack)
        devices = open_devices(configuration, Surroundings(utcnow=world.utcnow, world=world))
        journal = Journal(store, rack=configuration.rack.rack, opened_utc=world.utcnow())
        recorder = Recorder(
            journal,
            run_blocking=world.run_blocking,
            on_failure=lambda reason: rack.stop_all(reason, code=AlarmCode.JOURNAL_NOT_DURABLE),
            commit_every_s=COMMIT_EVERY_S,
        )
        rack = RackController(
            controlled,
            devices,
            recorder,
            utcnow=world.utcnow,
            rng=random.Random(seed),
            holds_answered_by="the simulation: nobody is there to be asked",
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                background = [
                    tasks.create_task(recorder.run(), name="recorder"),
                    tasks.create_task(rack.run(), name="rack"),
                ]
                await rack.ready()
                bays = controlled.bays
                runs = [await _start(rack, recorder, world, job, bays[job.bay].positions) for job in jobs]
                if on_progress is not None:
                    background.append(tasks.create_task(_report(rack, world, runs, on_progress), name="progress"))
                for place, run in enumerate(runs, 1):
                    await rack.finished(run)
                    # Reading a device costs our time, and what goes on elsewhere may take many times as long.
                    needed = {device for later in runs[place:] for device in _own_devices(bays[later.placement.bay])}
                    await rack.let_go(sorted(_own_devices(bays[run.placement.bay]) - needed))
                for task in background:
                    task.cancel()
        finally:
            await recorder.aclose()
        if recorder.failure is not None:
            raise JournalFailed(recorder.failure)  # the runs were stopped in order, but nobody will know how they went
        return runs
    finally:
        await world.aclose()


async def _start(
    rack: RackController, recorder: Recorder, world: World, job: Job, positions: Collection[PositionId]
) -> Run:
    """`positions`: all of the bay."""
    recipe = job.recipe.recipe
    compiled: dict[tuple[ChannelRange, ContactGroup], Plan] = {}
    plans: dict[PositionId, Plan] = {}
    for place, position in enumerate(positions):
        capabilities = rack.capabilities(position) if position in job.cells else None
        if capabilities is not None:
            group: ContactGroup = 1 if place % 2 else 0
            variant = (capabilities.range, group)
            if variant not in compiled:
                compiled[variant] = compile_plan(recipe, job.recipe.cell_type, *variant)
            plans[position] = compiled[variant]
    now = world.utcnow()
    run = Run(
        run_id=recorder.next_run_id(now),
        started_utc=now,
        placement=Placement(tray=job.tray, bay=job.bay, from_utc=now),
        recipe_name=recipe.recipe,
        recipe_version=recipe.version,
        recipe_hash=content_hash(recipe),
        recipe_text=canonical_text(recipe),
        released_as="simulated",
        cells=job.cells,
    )
    await rack.start_run(run, plans)
    return run


def _own_devices(bay: Bay) -> set[str]:
    """Its cyclers and its chamber."""
    cyclers = {channel.device for position in bay.positions.values() for channel in position.channels}
    return cyclers if bay.chamber is None else cyclers | {bay.chamber}


async def _report(rack: RackController, world: World, runs: Sequence[Run], on_progress: OnProgress) -> None:
    clock = asyncio.get_running_loop().time
    began_s = clock()
    while True:
        elapsed_s, now_utc = clock() - began_s, world.utcnow()
        on_progress([bay_progress(run, rack.controllers, elapsed_s=elapsed_s, now_utc=now_utc) for run in runs])
        await asyncio.sleep(PROGRESS_EVERY_S)


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error that a task group wrapped; the group itself where there are several."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
