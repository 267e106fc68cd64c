"""Runs control on a simulated world, from the first connection to the last outcome, in the world's own time."""

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from cycler.contract.plugin import Surroundings
from cycler.contract.world import World
from cycler.model.rack import Bay
from cycler.model.run import Run
from cycler.record.journal import JournalFailed
from cycler.service.configuration import Configuration
from cycler.service.only_error import only_error
from cycler.service.progress import BayProgress, bay_progress
from cycler.service.running_rack import Job, RunningRack, check_start, under_control

COMMIT_EVERY_S = 60.0
"""Of the world's time: it passes so much faster than ours that a minute of it is gone in milliseconds."""

PROGRESS_EVERY_S = 60.0

OnProgress = Callable[[Sequence[BayProgress]], None]


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
        raise only_error(group) from None


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
        async with (
            under_control(
                configuration,
                Surroundings(utcnow=world.utcnow, world=world),
                store=store,
                run_blocking=world.run_blocking,
                commit=world.run_blocking,
                rng=random.Random(seed),
                commit_every_s=COMMIT_EVERY_S,
                holds_answered_by="the simulation: nobody is there to be asked",
            ) as running,
            asyncio.TaskGroup() as tasks,
        ):
            rack = running.controller
            await rack.ready()
            bays = running.rack.bays
            runs = [await running.start(job, released_as="simulated") for job in jobs]
            if on_progress is not None:
                progress = tasks.create_task(_report(running, runs, on_progress), name="progress")
            for place, run in enumerate(runs, 1):
                await rack.finished(run)
                # Reading a device costs our time, and what goes on elsewhere may take many times as long.
                needed = {device for later in runs[place:] for device in _own_devices(bays[later.placement.bay])}
                await rack.let_go(sorted(_own_devices(bays[run.placement.bay]) - needed))
            if on_progress is not None:
                progress.cancel()
        if running.recorder.failure is not None:
            # The runs were stopped in order, but nobody will know how they went.
            raise JournalFailed(running.recorder.failure)
        return runs
    finally:
        await world.aclose()


def _own_devices(bay: Bay) -> set[str]:
    """Its cyclers and its chamber."""
    cyclers = {channel.device for position in bay.positions.values() for channel in position.channels}
    return cyclers if bay.chamber is None else cyclers | {bay.chamber}


async def _report(running: RunningRack, runs: Sequence[Run], on_progress: OnProgress) -> None:
    clock = asyncio.get_running_loop().time
    began_s = clock()
    while True:
        elapsed_s, now_utc, cells = clock() - began_s, running.utcnow(), running.controller.controllers
        on_progress([bay_progress(run, cells, elapsed_s=elapsed_s, now_utc=now_utc) for run in runs])
        await asyncio.sleep(PROGRESS_EVERY_S)
