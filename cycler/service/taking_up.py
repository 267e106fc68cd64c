"""After a restart: what the journal knows of the runs that were going on, and how they are taken up again."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec
import structlog

from cycler.contract.sweep import ChannelId
from cycler.control.resumption import Left, order_in_force
from cycler.control.run_resumer import TakesUp
from cycler.model.rack import PositionId, Rack
from cycler.model.run import Run
from cycler.recipe.problems import InvalidFile
from cycler.record.reader import Reader, RunRecord
from cycler.service.bays import Bays
from cycler.service.configuration import Configuration
from cycler.service.interrupted import interrupted_run, record_interruption
from cycler.service.ledger import ledger_state
from cycler.service.placements import Placed
from cycler.service.running_rack import Job, RunningRack

ANSWER_S_MAX: Final = 300.0
"""Instruments start more slowly than a PC. Cells whose devices have not answered by then are stopped."""

SETTLE_S: Final = 2.0
"""Until interlocks have been read often enough to be believed."""

LOOK_S: Final = 0.5

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftRun:
    """A run of an earlier process, and its cells as the journal knows them."""

    record: RunRecord
    cells: Mapping[PositionId, Left]

    @property
    def run(self) -> Run:
        return self.record.run


def left_runs(store: Path, wanted: set[str]) -> dict[str, LeftRun]:
    """Runs without an end, and those with these ids. The journal is there. Raises `JournalUnusable`, `FrameDamaged`."""
    with Reader(store) as reader:
        unended = {run.run_id for run in reader.unended_runs()}
        return {run_id: _left_run(reader, run_id) for run_id in sorted(unended | wanted)}


def takes_up(configuration: Configuration, rack: Rack, store: Path) -> TakesUp:
    """What devices are not to be stopped from: orders of ours, on those that finish their step without control."""
    alone = frozenset(config.settings.device for config in configuration.devices if config.trust.on_loss.word != "stop")
    adoptable: dict[str, dict[ChannelId, int]] = {}
    for left in left_runs(store, set()).values():
        bay = rack.bays.get(left.run.placement.bay)
        for position, cell in left.cells.items():
            ref = None if bay is None or position not in bay.positions else bay.positions[position].channels[0]
            if ref is not None and ref.device in alone and cell.saved is not None and cell.outcome is None:
                try:
                    adoptable.setdefault(ref.device, {})[ChannelId(ref.channel)] = order_in_force(cell.saved)
                except msgspec.DecodeError as error:
                    log.error("cell.not_read", position=position, reason=str(error))
    return TakesUp(adoptable=adoptable, run_alone=alone, always_asks=configuration.resume == "ask")


class TakingUp:
    """Of one rack, once its tasks run. Each bay is taken up by a task of its own, as soon as its devices answer."""

    def __init__(self, configuration: Configuration, running: RunningRack, bays: Bays, store: Path) -> None:
        self._beside = configuration.file.parent
        self._running = running
        self._bays = bays
        self._store = store

    async def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Runs that nobody can take up get the end that they lack. Raises `JournalUnusable`, `FrameDamaged`."""
        placed = {each.run_id: each for each in self._bays.placed if each.run_id is not None}
        left = await self._running.run_blocking(lambda: left_runs(self._store, set(placed)))
        for run_id, of_run in left.items():
            job = self._job(placed.get(run_id), of_run)
            if job is None:
                self._give_up(of_run, "its tray or its recipe is not known any more")
            elif not set(of_run.cells) <= set(self._running.rack.bays[job.bay].positions):
                self._give_up(of_run, "the rack file does not have its positions any more")
            else:
                self._bays.expect(job, of_run.run)
                tasks.create_task(self._take_up(job, of_run), name=f"taking up {run_id}")

    def _job(self, placed: Placed | None, left: LeftRun) -> Job | None:
        if placed is None or placed.bay not in self._running.rack.bays:
            return None
        try:
            return placed.job(beside=self._beside)
        except InvalidFile as error:
            log.error("run.not_taken_up", run=left.run.run_id, reason=str(error))
            return None

    def _give_up(self, left: LeftRun, why: str) -> None:
        interrupted = interrupted_run(left.record, {at: each.last for at, each in left.cells.items()})
        if interrupted.outcomes:
            log.error(
                "run.interrupted", run=left.run.run_id, cells=len(interrupted.outcomes), cause="host-loss", reason=why
            )
            record_interruption(self._running.recorder, interrupted, self._running.utcnow(), why)

    async def _take_up(self, job: Job, left: LeftRun) -> None:
        silent = await self._answered(job)
        controller = self._running.controller
        reachable = {at: each for at, each in left.cells.items() if at not in silent or each.outcome is not None}
        try:
            plans = await self._running.run_blocking(lambda: self._running.plans(job))
            known = {at: each for at, each in reachable.items() if at in plans or each.outcome is not None}
            lost = replace(left, cells={at: each for at, each in left.cells.items() if at not in known})
            if lost.cells:
                self._give_up(lost, "its device does not answer")
            await controller.resumer.take_up(left.run, plans, known)
        except (InvalidFile, msgspec.DecodeError) as error:
            self._give_up(left, f"this version of the program cannot go on with it: {error}")
        self._bays.taken_up(job, left.run)

    async def _answered(self, job: Job) -> frozenset[PositionId]:
        """Waits for the devices of the bay; the positions whose devices stay silent."""
        clock = asyncio.get_running_loop().time
        given_up_s = clock() + ANSWER_S_MAX
        while True:
            silent = frozenset(at for at in job.cells if self._running.controller.capabilities(at) is None)
            if not silent or clock() >= given_up_s:
                await asyncio.sleep(SETTLE_S)
                return silent
            await asyncio.sleep(LOOK_S)


def _left_run(reader: Reader, run_id: str) -> LeftRun:
    record = reader.record(run_id)
    unended = [position for position in record.run.cells if position not in record.outcomes]
    last = reader.last_samples(run_id, unended)
    resumes = [event.position for event in record.events if event.event == "cell.resumed"]
    return LeftRun(
        record=record,
        cells={
            position: Left(
                saved=record.checkpoints.get(position),
                last=last.get(position),
                outcome=record.outcomes.get(position),
                ledger=ledger_state(record, position),
                resumes=resumes.count(position),
            )
            for position in record.run.cells
        },
    )
