"""Runs control on a simulated world, from the first connection to the last outcome, in the world's own time."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import structlog

from cycler.contract.plugin import Surroundings
from cycler.contract.world import World
from cycler.control.rack_controller import RackController
from cycler.model.alarm import AlarmCode
from cycler.model.cell import Cell
from cycler.model.rack import BayId, Placement, PositionId, TrayId
from cycler.model.run import Run
from cycler.recipe.plan import Plan
from cycler.record.journal import Journal
from cycler.record.recorder import Recorder
from cycler.service.configuration import Configuration
from cycler.service.wiring import open_devices

T = TypeVar("T")

log = structlog.get_logger()

COMMIT_EVERY_S = 60.0
"""Of the world's time: it passes so much faster than ours that a minute of it is gone in milliseconds."""

PROGRESS_EVERY_S = 60.0

Progress = Callable[[RackController, float], None]
"""Called now and then with the rack and the seconds of world time since the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A tray of cells for one bay, and what is to be done to each of them."""

    bay: BayId
    tray: TrayId
    cells: Mapping[PositionId, Cell]
    plans: Mapping[PositionId, Plan]
    recipe_text: str  # canonical


def run_session(
    configuration: Configuration,
    world: World,
    jobs: Sequence[Job],
    *,
    store: Path,
    seed: int,
    on_progress: Progress | None = None,
) -> list[Run]:
    """Run every job to its end and leave the journal in `store`. Ctrl-C opens all outputs and closes the journal first.

    Raises `JournalUnusable` and `JournalFailed`, and `ValueError` for settings that a driver refuses.
    """
    return world.run(_session(configuration, world, jobs, store=store, seed=seed, on_progress=on_progress))


async def _session(
    configuration: Configuration,
    world: World,
    jobs: Sequence[Job],
    *,
    store: Path,
    seed: int,
    on_progress: Progress | None,
) -> list[Run]:
    await world.start()
    try:
        journal = Journal(store, rack=configuration.rack.rack, opened_utc=world.utcnow())
        recorder = Recorder(
            journal,
            run_blocking=_inline,
            on_failure=lambda reason: rack.stop_all(reason, code=AlarmCode.JOURNAL_NOT_DURABLE),
            commit_every_s=COMMIT_EVERY_S,
        )
        devices = open_devices(configuration, Surroundings(utcnow=world.utcnow, world=world))
        rack = RackController(configuration.rack, devices, recorder, utcnow=world.utcnow, rng=random.Random(seed))
        try:
            async with asyncio.TaskGroup() as tasks:
                recording = tasks.create_task(recorder.run(), name="recorder")
                running = tasks.create_task(rack.run(), name="rack")
                if on_progress is not None:
                    reporting = tasks.create_task(_report(rack, on_progress), name="progress")
                runs = await _work(rack, recorder, world, jobs)
                if on_progress is not None:
                    reporting.cancel()
                running.cancel()
                recording.cancel()
        finally:
            await recorder.aclose()
        return runs
    finally:
        await world.aclose()


async def _work(rack: RackController, recorder: Recorder, world: World, jobs: Sequence[Job]) -> list[Run]:
    await rack.ready()
    runs = []
    for job in jobs:
        now = world.utcnow()
        plan = next(iter(job.plans.values()))
        run = Run(
            run_id=recorder.next_run_id(now),
            started_utc=now,
            placement=Placement(tray=job.tray, bay=job.bay, from_utc=now),
            recipe_name=plan.recipe,
            recipe_version=plan.version,
            recipe_hash=plan.recipe_hash,
            recipe_text=job.recipe_text,
            cells=job.cells,
        )
        await rack.start_run(run, job.plans)
        runs.append(run)
    for run in runs:
        await rack.finished(run)
    return runs


async def _report(rack: RackController, on_progress: Progress) -> None:
    clock = asyncio.get_running_loop().time
    while True:
        on_progress(rack, clock())
        await asyncio.sleep(PROGRESS_EVERY_S)


async def _inline(work: Callable[[], T]) -> T:
    """In a simulation blocking work costs no simulated time."""
    return work()
