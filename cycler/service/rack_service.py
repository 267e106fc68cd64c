"""The service of one rack without its process: devices, bays and commands, from the start to the orderly stop."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from cycler.contract.plugin import Surroundings
from cycler.record.journal import JournalFailed
from cycler.service.bays import Bays
from cycler.service.command_work import CommandWork
from cycler.service.commands import Commands
from cycler.service.configuration import Configuration
from cycler.service.running_rack import Blocking, RunningRack, under_control
from cycler.service.taking_up import TakingUp, takes_up

COMMIT_EVERY_S: Final = 0.5
"""So that nothing that was measured waits for more than a second, its commit included."""

TRIED_S_MAX: Final = 5.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class RackService:
    """What there is as long as `rack_service` is open."""

    running: RunningRack
    bays: Bays
    commands: Commands


@asynccontextmanager
async def rack_service(
    configuration: Configuration,
    surroundings: Surroundings,
    *,
    store: Path,
    run_blocking: Blocking,
    commit: Blocking,
    rng: random.Random,
) -> AsyncIterator[RackService]:
    """Ready when it is given: every device has been called, and what an earlier service left is on record.

    A device that does not answer has its alarm, and goes on being called. What a device was still doing has been
    stopped, unless it may be adopted; runs that an earlier service has left are taken up from then on. When the context
    is left, all runs are stopped in order. Raises as `under_control` does, and `JournalFailed` where the runs were
    stopped because of that.
    """
    async with (
        under_control(
            configuration,
            surroundings,
            store=store,
            run_blocking=run_blocking,
            commit=commit,
            rng=rng,
            commit_every_s=COMMIT_EVERY_S,
            takes_up=lambda rack: takes_up(configuration, rack, store),
        ) as running,
        asyncio.TaskGroup() as tasks,
    ):
        bays = Bays(running, tasks)
        bays.recall(beside=configuration.file.parent)
        work = CommandWork(configuration, running, bays, store=store)
        commands = Commands(running, bays, work.by_name, tasks)
        await TakingUp(configuration, running, bays, store).begin(tasks)
        with suppress(TimeoutError):
            async with asyncio.timeout(TRIED_S_MAX):
                await running.controller.tried()
        yield RackService(running=running, bays=bays, commands=commands)
        await bays.aclose("the service was stopped")
        await commands.aclose()
    if running.recorder.failure is not None:
        raise JournalFailed(running.recorder.failure)
