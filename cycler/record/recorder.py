"""The record's face towards control: gathers on the event loop, commits beside it."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

from cycler.contract.world import RunBlocking
from cycler.model.alarm_record import Alarm, AlarmChange, TripSamples
from cycler.model.approval import Approval
from cycler.model.audit import AuditEntry
from cycler.model.rack import PositionId
from cycler.model.release import Signature
from cycler.model.results import CellOutcome, Event, StepResult
from cycler.model.run import Run
from cycler.record.frame import ROW_BYTES, coarser, pack_row
from cycler.record.journal import AlarmEntry, Batch, Journal, JournalDelayed, JournalFailed
from cycler.record.schema import air_series_of, run_of, series_of
from cycler.record.segment import Segment

_ORDERS_PER_EPOCH: Final = 10**12
_ITEMS_MAX: Final = 50_000
_SLOW_S: Final = 1.0


def _unheard(_: str) -> None:
    pass


class Recorder:
    """All but `durable`, `run` and `aclose` are ordinary calls, that never wait and never raise because of the disk.

    A disk that is full or slow is waited for, and `on_trouble` hears of it within a second: meanwhile nothing is
    acknowledged, what is given gathers, and gets coarser where it is much. After `stop_after_s` without a commit
    `on_failure` tells control, whose task then is to stop in order, and that must not depend on a disk. Should it take
    commits again, `on_durable` hears it. Any other failure is for good: `on_failure` is told at once, and what is given
    is dropped.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        run_blocking: RunBlocking[None],
        on_failure: Callable[[str], None],
        on_trouble: Callable[[str], None] = _unheard,
        on_durable: Callable[[str], None] = _unheard,
        commit_every_s: float = 1.0,
        stop_after_s: float = 10.0,
        samples_max: int = 200_000,
    ) -> None:
        """At half of `samples_max` uncommitted samples a commit is hurried; beyond it every other one goes.

        Where that does not help, the journal counts as failed.
        """
        self.trouble: str | None = None  # why nothing is committed now
        self.failure: str | None = None  # why what ran has been stopped, and nothing may start
        self.durable_s = 0.0  # by the loop's clock: what was given before is committed; from `run` on
        self._journal = journal
        self._run_blocking = run_blocking
        self._on_failure = on_failure
        self._on_trouble = on_trouble
        self._on_durable = on_durable
        self._commit_every_s = commit_every_s
        self._stop_after_s = stop_after_s
        self._is_final = False  # nothing is recorded any more
        self._left_out = 0  # samples, since the journal was durable last
        self._giving_up: asyncio.TimerHandle | None = None
        self._waiting: tuple[Batch, float] | None = None  # taken, and when; not committed yet
        self._bytes_max = samples_max * ROW_BYTES
        self._bytes_to_hurry = self._bytes_max // 2
        self._gather_in(Batch(number=1))
        self._committed = 0
        self._commit_under_way: asyncio.Future[None] | None = None
        self._wanted = asyncio.Event()
        self._progress = asyncio.Event()  # set, and replaced, whenever a batch has landed
        self._closed = False
        self._last_order = journal.epoch * _ORDERS_PER_EPOCH
        self._last_alarm = journal.alarm_numbers
        self.alarms_found: Sequence[Alarm] = journal.standing_alarms  # what was not over when the journal was opened
        self.kept: Mapping[tuple[str, str], bytes] = journal.kept  # what `keep` was given before
        self._runs = dict(journal.runs)
        self._series: dict[PositionId, int] = {}
        self._going_on: dict[int, set[PositionId]] = {}

    @property
    def wal_bytes(self) -> int:
        """How long the journal's WAL is."""
        return self._journal.wal_bytes

    def next_order_id(self) -> int:
        """Never used twice in the life of the store: each opening has 10^12 ids of its own."""
        self._last_order += 1
        return self._last_order

    def next_alarm_number(self) -> int:
        """1, 2, 3 … in the life of the store."""
        self._last_alarm += 1
        return self._last_alarm

    def next_run_id(self, started_utc: datetime) -> str:
        """The next free `YYYYMMDD-NNN`."""
        day = f"{started_utc:%Y%m%d}-"
        taken = [int(run_id.removeprefix(day)) for run_id in self._runs if run_id.startswith(day)]
        return f"{day}{max(taken, default=0) + 1:03d}"

    def start_run(self, run: Run) -> Mapping[PositionId, int]:
        """The handle of each position for `sample`. Raises `ValueError` for a run that is known already."""
        if run.run_id in self._runs:
            raise ValueError(f"run {run.run_id} is in the journal already")
        number = max(self._runs.values(), default=0) + 1
        handles = dict(zip(run.cells, series_of(number, len(run.cells)), strict=True))
        self._runs[run.run_id] = number
        self._series.update(handles)
        self._going_on[number] = set(handles)
        if self._has_room():
            self._batch.runs.append((number, run))
        return handles

    def take_up(self, run: Run, positions: Collection[PositionId]) -> Mapping[PositionId, int]:
        """These cells of a run that the journal has already have no outcome yet: what is given now belongs to it.

        The handle of each of its positions for `sample`.

        Raises `KeyError` for a run that it does not have.
        """
        number = self._runs[run.run_id]
        handles = dict(zip(run.cells, series_of(number, len(run.cells)), strict=True))
        self._series.update(handles)
        if positions:
            self._going_on[number] = set(positions)
        return handles

    def sample(  # noqa: PLR0917
        self,
        handle: int,
        step_count: int,
        cycle: int,
        elapsed_s: float,
        step_time_s: float,
        voltage_v: float,
        current_a: float,
        temperature_degc: float,
        charged_nas: int,
        discharged_nas: int,
        charged_nws: int,
        discharged_nws: int,
    ) -> None:
        """The fields of a `Sample`; arguments and not an object, because this runs ten thousand times a second."""
        rows = self._rows
        rows += pack_row(
            handle, step_count, cycle, elapsed_s, step_time_s, voltage_v, current_a, temperature_degc,
            charged_nas, discharged_nas, charged_nws, discharged_nws,
        )  # fmt: skip
        if len(rows) > self._bytes_to_hurry:
            self._much_gathered()

    def air(self, run_id: str, elapsed_s: float, air_degc: float) -> None:
        """The temperature around the cells of a run; NaN where nothing measures it."""
        series, nothing = air_series_of(self._runs[run_id]), float("nan")
        self.sample(series, 0, 0, elapsed_s, 0.0, nothing, nothing, air_degc, 0, 0, 0, 0)

    def step_result(self, position: PositionId, result: StepResult) -> None:
        """What the machine said of a finished step."""
        if self._has_room():
            self._batch.steps.append((self._series[position], result))

    def checkpoint(self, position: PositionId, state: bytes) -> None:
        """The machine as it enters a step; together with the last sample it is the machine. Replaces the earlier."""
        if self._has_room():
            self._batch.checkpoints[self._series[position]] = state

    def outcome(self, outcome: CellOutcome) -> None:
        """How it ended for one cell. With the last one the run no longer is going on."""
        series = self._series[outcome.position]
        number = run_of(series)
        still_there = self._going_on.get(number, set())
        still_there.discard(outcome.position)
        if not still_there:
            self._going_on.pop(number, None)
        if self._has_room():
            self._batch.outcomes.append((series, outcome))

    def event(self, event: Event, *, run_id: str | None = None) -> None:
        """Without `run_id` it belongs to the run at its position; without a position, to every run that is going on."""
        if run_id is not None:
            runs: tuple[int, ...] = (self._runs[run_id],)
        elif event.position is not None:
            series = self._series.get(PositionId(event.position))
            runs = () if series is None else (run_of(series),)
        else:
            runs = tuple(self._going_on)
        if self._has_room():
            self._batch.events.append((event, runs))

    def audit(self, entry: AuditEntry) -> None:
        """Somebody has commanded something."""
        if self._has_room():
            self._batch.audit.append(entry)

    def approval(self, approval: Approval) -> None:
        """Somebody has decided about a recipe."""
        if self._has_room():
            self._batch.approvals.append(approval)

    def sealed(self, segment: Segment) -> None:
        """A file holds the samples of these frames from now on; they go."""
        if self._has_room():
            self._batch.segments.append(segment)

    def signature(self, signature: Signature) -> None:
        """Somebody has signed an abuse test."""
        if self._has_room():
            self._batch.signatures.append(signature)

    def keep(self, kind: str, key: str, document: bytes | None) -> None:
        """What control has to know after a restart, too. Replaces the earlier; None: not any more."""
        if self._has_room():
            self._batch.kept[kind, key] = document

    def alarm(self, alarm: Alarm, change: AlarmChange, samples: Sequence[TripSamples] = ()) -> None:
        """The alarm as it is now. It belongs to the runs that are going on at its positions.

        Where none is, to the latest ones there; without positions, to every run that is going on.
        """
        of_positions = {run_of(self._series[each]) for each in alarm.positions if each in self._series}
        going_on = set(self._going_on)
        runs = (going_on & of_positions or of_positions) if alarm.positions else going_on
        if self._has_room():
            self._batch.alarms.append(AlarmEntry(alarm, change, tuple(sorted(runs)), tuple(samples)))

    async def durable(self) -> None:
        """Returns once all that was given before now is committed. Raises `JournalFailed`.

        An order that energises waits for this, one that opens a relay never does.
        """
        last = self._batch.number if self._batch else self._batch.number - 1
        while self._committed < last:
            if self.failure is not None:
                raise JournalFailed(self.failure)
            if last == self._batch.number:
                self._wanted.set()
            await self._progress.wait()

    async def run(self) -> None:
        """Commit every `commit_every_s`, and at once when somebody waits. Ends with `aclose`, or with the journal."""
        clock = asyncio.get_running_loop().time
        self.durable_s = clock()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._commit_every_s):
                    await self._wanted.wait()
            self._wanted.clear()
            if self._closed or self._is_final:
                return
            if self._batch or self._waiting is not None:
                with suppress(JournalFailed):  # `on_trouble` or `on_failure` has heard of it
                    await self._commit()
            else:
                self.durable_s = clock()

    async def aclose(self) -> None:
        """Commit the rest and close the journal, whether `run` still runs or was cancelled. Raises `JournalFailed`."""
        self._closed = True
        self._wanted.set()
        try:
            if self._commit_under_way is not None:
                await asyncio.wait([self._commit_under_way])
            while (self._batch or self._waiting is not None) and not self._is_final:
                await self._commit()
        finally:
            if self._giving_up is not None:
                self._giving_up.cancel()
            self._journal.close()

    async def _commit(self) -> None:
        if self._waiting is None:
            self._waiting = self._batch, asyncio.get_running_loop().time()
            self._gather_in(Batch(number=self._batch.number + 1))
        batch, taken_s = self._waiting
        self._commit_under_way = asyncio.ensure_future(self._run_blocking(lambda: self._journal.commit(batch)))
        slow = asyncio.get_running_loop().call_later(
            _SLOW_S, self._begin_trouble, f"the disk has taken more than {_SLOW_S:g} s for a commit"
        )
        self._commit_under_way.add_done_callback(lambda commit: self._land(batch.number, taken_s, slow, commit))
        # A transaction can't be called back: whoever is cancelled here leaves it to go on and to be noted.
        await asyncio.shield(self._commit_under_way)

    def _land(self, number: int, taken_s: float, slow: asyncio.TimerHandle, commit: asyncio.Future[None]) -> None:
        slow.cancel()
        if commit.cancelled():
            return
        if (error := commit.exception()) is not None:
            if isinstance(error, JournalDelayed):
                self._begin_trouble(str(error))
            else:
                self._fail(str(error), is_final=True)
            return
        self._waiting = None
        self._committed = number
        self.durable_s = taken_s
        if self.trouble is not None and not self._is_final:
            self._end_trouble()
        self._tell_waiters()

    def _begin_trouble(self, reason: str) -> None:
        if self.trouble is None:
            self.trouble = reason
            gives_up_s = self.durable_s + self._stop_after_s
            self._giving_up = asyncio.get_running_loop().call_at(gives_up_s, self._give_up)
            self._on_trouble(reason)

    def _end_trouble(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
        self.trouble = self.failure = None
        self._wanted.set()  # what has gathered meanwhile is not to wait any longer
        left_out, self._left_out = self._left_out, 0
        self._on_durable(f"the journal is durable again; {left_out} samples were left out of a coarser record")

    def _give_up(self) -> None:
        self._fail(f"nothing was committed for {self._stop_after_s:g} s: {self.trouble}", is_final=False)

    def _gather_in(self, batch: Batch) -> None:
        self._batch = batch
        self._rows = batch.rows
        self._items = 0

    def _much_gathered(self) -> None:
        if self._is_final:
            self._rows.clear()
            return
        self._wanted.set()
        if len(self._rows) > self._bytes_max:
            kept = coarser(self._rows)
            self._left_out += (len(self._rows) - len(kept)) // ROW_BYTES
            self._rows[:] = kept
            if len(self._rows) > self._bytes_max * 3 // 4:
                self._fail(f"{len(self._rows) // ROW_BYTES} samples wait for the disk", is_final=True)

    def _has_room(self) -> bool:
        if self._is_final:
            return False
        self._items += 1
        if self._items > _ITEMS_MAX:
            self._fail(f"{_ITEMS_MAX} events and results wait for the disk", is_final=True)
        return not self._is_final

    def _fail(self, reason: str, *, is_final: bool) -> None:
        if is_final and not self._is_final:
            self._is_final = True
            self._bytes_to_hurry = 0
            self._wanted.set()
        if self.failure is None:
            self.failure = self.trouble = reason
            self._tell_waiters()
            self._on_failure(reason)

    def _tell_waiters(self) -> None:
        self._progress.set()
        self._progress = asyncio.Event()
