"""The journal: one SQLite file, one writer, one transaction for all that happened since the last.

Everything here blocks; `Recorder` keeps it off the event loop.
"""

import ctypes
import fcntl
import os
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec
import numpy as np

from cycler.model.alarm_record import Alarm, AlarmChange, TripSamples
from cycler.model.approval import Approval
from cycler.model.audit import AuditEntry
from cycler.model.release import Signature
from cycler.model.results import CellOutcome, Event, StepResult
from cycler.model.run import Run
from cycler.record.frame import FrameId, encode, scaled
from cycler.record.schema import (
    JournalUnusable,
    bring_up_to_date,
    check_library,
    journal_path,
    run_of,
)
from cycler.record.segment import Segment, remove_strays

_PAGE_BYTES: Final = 4096
_WAL_PAGES_MAX: Final = 1000
_WAL_PAGES_LONG: Final = 4 * _WAL_PAGES_MAX
_RUNS_OF_FRAMES: Final = """
INSERT INTO segment_runs
SELECT DISTINCT run, ? FROM frame_runs WHERE (epoch, sequence) BETWEEN (?, ?) AND (?, ?)
"""
_document = msgspec.msgpack.Encoder().encode


class JournalFailed(Exception):
    """What was given to the journal may not be on the disk, and nothing more will be."""


class JournalDelayed(JournalFailed):
    """The disk has no room, or another program a lock: this batch is not stored, and may be committed again."""


@dataclass(frozen=True, slots=True)
class AlarmEntry:
    """An alarm as it is after a change, with the runs that it belongs to."""

    alarm: Alarm
    change: AlarmChange
    runs: tuple[int, ...]
    samples: tuple[TripSamples, ...] = ()


@dataclass(slots=True)
class Batch:
    """What one commit stores."""

    number: int
    rows: bytearray = field(default_factory=bytearray)  # of `frame.pack_row`
    runs: list[tuple[int, Run]] = field(default_factory=list)
    steps: list[tuple[int, StepResult]] = field(default_factory=list)
    events: list[tuple[Event, tuple[int, ...]]] = field(default_factory=list)  # with the runs that they belong to
    outcomes: list[tuple[int, CellOutcome]] = field(default_factory=list)
    checkpoints: dict[int, bytes] = field(default_factory=dict)
    approvals: list[Approval] = field(default_factory=list)
    audit: list[AuditEntry] = field(default_factory=list)
    alarms: list[AlarmEntry] = field(default_factory=list)
    signatures: list[Signature] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)  # whose frames go
    kept: dict[tuple[str, str], bytes | None] = field(default_factory=dict)  # by kind and key; None: not any more

    def __bool__(self) -> bool:
        parts = (self.rows, self.runs, self.steps, self.events, self.outcomes, self.checkpoints)
        rest = (self.approvals, self.audit, self.alarms, self.signatures, self.segments, self.kept)
        return any(parts) or any(rest)


class Journal:
    """The writer's side. `epoch` is new with every opening, so that (rack, epoch, sequence) names a frame for ever."""

    def __init__(self, store: Path, *, rack: str, opened_utc: datetime) -> None:
        """Opens or makes the journal in the directory `store`. Raises `JournalUnusable`."""
        check_library()
        if not store.exists():
            store.mkdir(parents=True)
            store.chmod(0o2750)  # files take the directory's group, so that readers may look while control is down
            _sync(store.parent)
        self.rack = rack
        self._path = journal_path(store)
        if not self._path.exists():
            self._path.touch()
            self._path.chmod(0o640)  # whatever the umask: SQLite gives the WAL and its index the same
            _sync(store)
        self._wal_pages = 0
        self._sequence = 0
        with ExitStack() as undo:
            undo.callback(os.close, lease(store))
            try:
                self._connection = apsw.Connection(str(self._path))
                undo.callback(self._connection.close)
                self._configure()
                self.epoch = self._new_epoch(opened_utc)
                self.runs: dict[str, int] = dict(self._connection.execute("SELECT run_id, run FROM runs"))
                self.alarm_numbers: int = self._connection.execute("SELECT max(alarm) FROM alarms").get or 0
                self.standing_alarms = _standing_alarms(self._connection)
                remove_strays(store, {file for (file,) in self._connection.execute("SELECT file FROM segments")})
                self.kept: dict[tuple[str, str], bytes] = _kept(self._connection)
            except apsw.Error as error:
                raise JournalUnusable(f"{self._path}: {error}") from error
            self._resources = undo.pop_all()

    def commit(self, batch: Batch) -> None:
        """Durable when it returns; one call at a time. Raises `JournalFailed`.

        Nothing may be committed after that: a kernel that failed an fsync drops the pages and calls the next a success.
        Only after `JournalDelayed` the same batch may, because nothing of it had come as far as an fsync.
        """
        try:
            with self._connection:
                self._store(batch)
        except (apsw.FullError, apsw.BusyError) as error:
            raise JournalDelayed(f"{self._path}: {error}") from error
        except apsw.Error as error:
            raise self._failed(error) from error
        self._sequence += bool(batch.rows)
        try:
            self._keep_wal_short()
        except apsw.FullError:
            pass  # what was committed stays in the WAL, and the next commit finds out whether there is room
        except apsw.Error as error:
            raise self._failed(error) from error

    @property
    def wal_bytes(self) -> int:
        """How long the WAL is; what is left of it from earlier, and is written over, not counted."""
        return self._wal_pages * _PAGE_BYTES

    def close(self) -> None:
        """Idempotent."""
        self._resources.close()

    def _failed(self, error: apsw.Error) -> JournalFailed:
        # Closing would move into the database what may never have reached the disk.
        self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        return JournalFailed(f"{self._path}: {error}")

    def _keep_wal_short(self) -> None:
        if self._wal_pages < _WAL_PAGES_MAX:
            return
        # Readers that come and go keep it from starting over, unless the next one is made to wait.
        is_long = self._wal_pages >= _WAL_PAGES_LONG
        with suppress(apsw.BusyError):  # a reader that stays longer than the busy timeout
            self._connection.wal_checkpoint(
                mode=apsw.SQLITE_CHECKPOINT_RESTART if is_long else apsw.SQLITE_CHECKPOINT_PASSIVE
            )

    def _configure(self) -> None:
        connection = self._connection
        # A copy-out by a reader holds no lock that a commit needs; only another program's tinkering can.
        connection.set_busy_timeout(100)
        connection.pragma("synchronous", "full")
        bring_up_to_date(connection, self._path)
        connection.pragma("journal_mode", "wal")
        persist = ctypes.c_int(1)  # the WAL stays, so that a group that may not write can read while control is down
        connection.file_control("main", apsw.SQLITE_FCNTL_PERSIST_WAL, ctypes.addressof(persist))
        # SQLite's own check-pointing swallows a failed fsync of the database and tries it again; ours does not.
        connection.set_wal_hook(self._note_wal)

    def _note_wal(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _new_epoch(self, opened_utc: datetime) -> int:
        for (rack,) in self._connection.execute("SELECT rack FROM epochs WHERE rack <> ? LIMIT 1", (self.rack,)):
            raise JournalUnusable(f"{self._path} belongs to rack {rack}, not to {self.rack}")
        with self._connection:
            self._connection.execute(
                "INSERT INTO epochs (rack, opened_utc) VALUES (?, ?)", (self.rack, opened_utc.isoformat())
            )
        return self._connection.last_insert_rowid()

    def _store(self, batch: Batch) -> None:
        many = self._connection.executemany
        many("INSERT INTO runs VALUES (?, ?, ?)", [(n, run.run_id, _document(run)) for n, run in batch.runs])
        if batch.rows:
            self._store_frame(batch.rows)
        many("INSERT INTO steps VALUES (?, ?, ?)", [(n, step.step_count, _document(step)) for n, step in batch.steps])
        many("INSERT OR REPLACE INTO checkpoints VALUES (?, ?)", batch.checkpoints.items())
        many("INSERT OR REPLACE INTO outcomes VALUES (?, ?)", [(n, _document(out)) for n, out in batch.outcomes])
        for event, runs in batch.events:
            self._connection.execute("INSERT INTO events (document) VALUES (?)", (_document(event),))
            number = self._connection.last_insert_rowid()
            many("INSERT INTO event_runs VALUES (?, ?)", [(run, number) for run in runs])
        many("INSERT INTO approvals (document) VALUES (?)", [(_document(each),) for each in batch.approvals])
        many("INSERT INTO audit (document) VALUES (?)", [(_document(each),) for each in batch.audit])
        many("INSERT INTO signatures (document) VALUES (?)", [(_document(each),) for each in batch.signatures])
        for each in batch.alarms:
            self._store_alarm(each)
        for sealed in batch.segments:
            self._store_segment(sealed)
        held = [(*name, document) for name, document in batch.kept.items() if document is not None]
        many("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", held)
        gone = [name for name, document in batch.kept.items() if document is None]
        many("DELETE FROM kept WHERE kind = ? AND key = ?", gone)

    def _store_segment(self, segment: Segment) -> None:
        execute, frames = self._connection.execute, (*segment.first, *segment.last)
        about = (segment.file, segment.sha256, segment.rows)
        execute("INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?)", (*about, *frames))
        execute(_RUNS_OF_FRAMES, (segment.file, *frames))
        execute("DELETE FROM frame_runs WHERE (epoch, sequence) BETWEEN (?, ?) AND (?, ?)", frames)
        execute("DELETE FROM frames WHERE (epoch, sequence) BETWEEN (?, ?) AND (?, ?)", frames)

    def _store_alarm(self, entry: AlarmEntry) -> None:
        execute, many = self._connection.execute, self._connection.executemany
        alarm, number = entry.alarm, entry.alarm.number
        execute("INSERT OR REPLACE INTO alarms VALUES (?, ?, ?)", (number, alarm.is_over, _document(alarm)))
        execute("INSERT INTO alarm_changes (alarm, document) VALUES (?, ?)", (number, _document(entry.change)))
        many("INSERT OR IGNORE INTO alarm_runs VALUES (?, ?)", [(run, number) for run in entry.runs])
        samples = [(number, each.position, _document(each)) for each in entry.samples]
        many("INSERT OR REPLACE INTO alarm_samples VALUES (?, ?, ?)", samples)

    def _store_frame(self, rows: bytearray) -> None:
        columns = scaled(rows)
        key = (self.epoch, self._sequence + 1)
        frame = encode(FrameId(rack=self.rack, epoch=self.epoch, sequence=self._sequence + 1), columns)
        self._connection.execute("INSERT INTO frames VALUES (?, ?, ?)", (*key, frame))
        series = columns[0, np.flatnonzero(np.diff(columns[0], prepend=-1))]  # sorted, so that each begins once
        runs = set(run_of(series).tolist())
        self._connection.executemany("INSERT INTO frame_runs VALUES (?, ?, ?)", [(run, *key) for run in sorted(runs)])


def _standing_alarms(connection: apsw.Connection) -> tuple[Alarm, ...]:
    rows: list[Any] = connection.execute("SELECT document FROM alarms WHERE NOT is_over ORDER BY alarm").fetchall()
    return tuple(msgspec.msgpack.decode(document, type=Alarm) for (document,) in rows)


def _kept(connection: apsw.Connection) -> dict[tuple[str, str], bytes]:
    rows: list[Any] = connection.execute("SELECT kind, key, document FROM kept").fetchall()
    return {(kind, key): document for kind, key, document in rows}


def _sync(directory: Path) -> None:
    """So that the names of new files last, too."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lease(store: Path) -> int:
    """An open descriptor that keeps every other writer out for as long as it lives. Raises `JournalUnusable`."""
    descriptor = os.open(store, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise JournalUnusable(f"{store} is in use by another control process") from None
    return descriptor
