"""The reader's side of the journal, in this process or another, whether control runs or not."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import apsw
import msgspec
import numpy as np

from cycler.model.alarm_record import Alarm, AlarmChange, AlarmRecord, TripSamples
from cycler.model.approval import Approval
from cycler.model.audit import AuditEntry
from cycler.model.rack import PositionId
from cycler.model.release import Signature
from cycler.model.results import CellOutcome, Event, Sample, StepResult
from cycler.model.run import Run
from cycler.record.curve import Curve, curve_of, sample_of, surrounded
from cycler.record.frame import HEADER_BYTES, Columns, FrameDamaged, FrameId, decode, rows_of
from cycler.record.schema import (
    SERIES_PER_RUN,
    JournalUnusable,
    air_series_of,
    check_library,
    check_schema,
    journal_path,
    series_of,
)
from cycler.record.segment import Segment, read_segment

_FRAMES_AT_ONCE: Final = 256
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """What the journal knows of a run but the samples. A position without a word has no key."""

    run: Run
    steps: Mapping[PositionId, tuple[StepResult, ...]]
    outcomes: Mapping[PositionId, CellOutcome]
    checkpoints: Mapping[PositionId, bytes]
    events: tuple[Event, ...]
    event_numbers: tuple[int, ...]  # of the whole journal, in the order in which they were recorded
    alarms: tuple[AlarmRecord, ...] = ()  # in the order in which they were raised


def _refuse(damage: FrameDamaged) -> None:
    raise damage


class Reader:
    """Every call is one short transaction or several: a long one would keep the writer's WAL from ever starting over.

    Used as a context manager. A run is named by its `run_id`; a run that is not there raises `KeyError`.
    """

    def __init__(self, store: Path) -> None:
        """Raises `JournalUnusable`, also where there is no journal."""
        check_library()
        self._store = store
        path = journal_path(store)
        if not path.exists():
            raise JournalUnusable(f"{path} does not exist")
        try:
            self._connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
            self._connection.set_busy_timeout(100)
            # Check-pointing is the writer's business, even where the reader is the last to close.
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            check_schema(self._connection, path)
        except apsw.Error as error:
            raise JournalUnusable(f"{path}: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def runs(self) -> tuple[Run, ...]:
        """All runs, in the order in which they began."""
        rows = self._rows("SELECT document FROM runs ORDER BY run")
        return tuple(_decoded(document, Run) for (document,) in rows)

    def run_ids(self) -> tuple[str, ...]:
        """All of them, in the order in which they began."""
        return tuple(run_id for (run_id,) in self._rows("SELECT run_id FROM runs ORDER BY run"))

    def approvals(self) -> tuple[Approval, ...]:
        """What has been decided about recipes, in the order in which it was."""
        rows = self._rows("SELECT document FROM approvals ORDER BY approval")
        return tuple(_decoded(document, Approval) for (document,) in rows)

    def signatures(self) -> tuple[Signature, ...]:
        """What has been signed for abuse tests, in the order in which it was."""
        rows = self._rows("SELECT document FROM signatures ORDER BY signature")
        return tuple(_decoded(document, Signature) for (document,) in rows)

    def audit(self) -> tuple[AuditEntry, ...]:
        """What has been commanded, in the order in which it was answered."""
        rows = self._rows("SELECT document FROM audit ORDER BY entry")
        return tuple(_decoded(document, AuditEntry) for (document,) in rows)

    def unended_runs(self) -> tuple[Run, ...]:
        """Runs in which a cell has no outcome: they go on, or control was lost while they did."""
        with self._connection:
            ended = dict(self._rows(_OUTCOMES_PER_RUN, (SERIES_PER_RUN,)))
            rows = self._rows("SELECT run, document FROM runs ORDER BY run")
        runs = [(number, _decoded(document, Run)) for number, document in rows]
        return tuple(run for number, run in runs if ended.get(number, 0) < len(run.cells))

    def alarms(self) -> tuple[AlarmRecord, ...]:
        """All that was ever raised, in that order."""
        return self._alarms(None)

    def record(self, run_id: str) -> RunRecord:
        """Everything but the samples, as of one instant."""
        with self._connection:
            number, run = self._run(run_id)
            places = tuple(run.cells)
            of_run = series_of(number, len(places))
            bounds = (of_run.start, of_run.stop - 1)
            steps = self._rows(_STEPS, bounds)
            outcomes = self._rows(_OUTCOMES, bounds)
            checkpoints = self._rows(_CHECKPOINTS, bounds)
            events = self._rows(_EVENTS, (number,))
            alarms = self._alarms(number)
        position_of = dict(zip(of_run, places, strict=True))
        results: dict[PositionId, list[StepResult]] = {}
        for series, document in steps:
            results.setdefault(position_of[series], []).append(_decoded(document, StepResult))
        return RunRecord(
            run=run,
            steps={position: tuple(of_cell) for position, of_cell in results.items()},
            outcomes={position_of[series]: _decoded(document, CellOutcome) for series, document in outcomes},
            checkpoints={position_of[series]: state for series, state in checkpoints},
            events=tuple(_decoded(document, Event) for _, document in events),
            event_numbers=tuple(number for number, _ in events),
            alarms=alarms,
        )

    def curves(
        self,
        run_id: str,
        positions: Collection[PositionId] | None = None,
        *,
        on_damage: Callable[[FrameDamaged], None] = _refuse,
    ) -> Mapping[PositionId, Curve]:
        """The samples of every cell, or of these, that has any.

        Raises `FrameDamaged`, naming the frame or the segment; `on_damage` may take that, and the curves then lack what
        was in it.
        """
        number, run = self._run(run_id)
        position_of = dict(zip(series_of(number, len(run.cells)), run.cells, strict=True))
        air = air_series_of(number)
        wanted = [each for each, position in position_of.items() if positions is None or position in positions]
        pieces: dict[int, list[Columns]] = {}
        for columns in self._samples(number, [*wanted, air], on_damage):
            pieces.setdefault(int(columns[0, 0]), []).append(columns[1:])
        curves = {each: curve_of(np.concatenate(parts, axis=1)) for each, parts in pieces.items()}
        around = curves.get(air)
        return {position_of[each]: surrounded(curves[each], around) for each in wanted if each in curves}

    def last_samples(self, run_id: str, positions: Collection[PositionId]) -> Mapping[PositionId, Sample]:
        """The last one of each of these cells that has any and can be read; the run is read from its end."""
        number, run = self._run(run_id)
        positions_of = zip(series_of(number, len(run.cells)), run.cells, strict=True)
        wanted = {series: position for series, position in positions_of if position in positions}
        found: dict[PositionId, Sample] = {}
        for columns in self._backwards(number, wanted):
            for series in [each for each in wanted if each in columns[0]]:
                row = int(np.flatnonzero(columns[0] == series)[-1])
                found[wanted.pop(series)] = sample_of(columns[1:, row].tolist())
            if not wanted:
                break
        return found

    def segments(self) -> tuple[Segment, ...]:
        """All of them, the oldest first."""
        return _segments(self._rows(_SEGMENTS))

    def frame_ids(self) -> Sequence[tuple[FrameId, int]]:
        """All frames that are not sealed, the oldest first, each with the number of its samples."""
        rows = self._rows(_FRAME_IDS, (HEADER_BYTES,))
        return [(FrameId(rack=rack, epoch=epoch, sequence=n), rows_of(begin)) for epoch, n, rack, begin in rows]

    def inventory(self) -> tuple[tuple[Segment, ...], Sequence[tuple[FrameId, int]]]:
        """Segments and frames, as of one instant."""
        with self._connection:
            segments, frames = self.segments(), self.frame_ids()
        return segments, frames

    def frame(self, frame_id: FrameId) -> Columns:
        """Raises `FrameDamaged`, and `KeyError` for one that is not there: it may have been sealed."""
        for (frame,) in self._rows(_FRAME, (frame_id.epoch, frame_id.sequence)):
            return _of_frame(frame_id, frame)
        raise KeyError(frame_id)

    def broken_pages(self) -> Iterator[str]:
        """What SQLite finds wrong with the file, in its words."""
        try:
            yield from (text for (text,) in self._rows("PRAGMA integrity_check") if text != "ok")
        except apsw.Error as error:
            yield str(error)

    def copy_into(self, other: apsw.Connection) -> None:
        """The whole journal as it is now, into an empty database."""
        with other.backup("main", self._connection, "main") as copying:
            while not copying.done:
                copying.step(-1)

    def _run(self, run_id: str) -> tuple[int, Run]:
        for number, document in self._rows("SELECT run, document FROM runs WHERE run_id = ?", (run_id,)):
            return number, _decoded(document, Run)
        raise KeyError(run_id)

    def _alarms(self, run: int | None) -> tuple[AlarmRecord, ...]:
        """Of all runs, or of one, as of one instant."""
        with self._connection:
            alarms, trail, sampled = (self._rows(query, (run,)) for query in (_ALARMS, _ALARM_CHANGES, _ALARM_SAMPLES))
        changes: dict[int, list[AlarmChange]] = {}
        samples: dict[int, list[TripSamples]] = {}
        for alarm, document in trail:
            changes.setdefault(alarm, []).append(_decoded(document, AlarmChange))
        for alarm, document in sampled:
            samples.setdefault(alarm, []).append(_decoded(document, TripSamples))
        return tuple(
            AlarmRecord(
                alarm=_decoded(document, Alarm),
                changes=tuple(changes.get(alarm, ())),
                samples=tuple(samples.get(alarm, ())),
            )
            for alarm, document in alarms
        )

    def _rows(self, query: str, bindings: tuple[int | str | None, ...] = ()) -> list[Any]:
        """All at once, so that the transaction ends here."""
        return self._connection.execute(query, bindings).fetchall()

    def _samples(self, run: int, series: Sequence[int], on_damage: Callable[[FrameDamaged], None]) -> Iterator[Columns]:
        """Those of each series in their order, a piece of one series at a time."""
        # Frames first: what is sealed meanwhile is in a segment then, and is not taken twice.
        frames = list(self._frames(run, on_damage))
        sealed = (0, 0)
        for segment in _segments(self._rows(_SEGMENTS_OF_RUN, (run,))):
            sealed = segment.last
            try:
                yield from read_segment(self._store, segment.file, series)
            except FrameDamaged as error:
                on_damage(error)
        for key, columns in frames:
            if key > sealed:
                begins, ends = (np.searchsorted(columns[0], series, side) for side in ("left", "right"))
                for place in np.flatnonzero(ends - begins).tolist():
                    yield columns[:, begins[place] : ends[place]]

    def _backwards(self, run: int, series: Collection[int]) -> Iterator[Columns]:
        """What can be read of the run, the latest first: frames, then segments."""
        for epoch, sequence, rack in self._rows(_FRAMES_BACK, (run,)):
            with suppress(FrameDamaged, KeyError):
                yield self.frame(FrameId(rack=rack, epoch=epoch, sequence=sequence))
        for segment in reversed(_segments(self._rows(_SEGMENTS_OF_RUN, (run,)))):
            with suppress(FrameDamaged):
                yield from read_segment(self._store, segment.file, list(series))

    def _frames(self, run: int, on_damage: Callable[[FrameDamaged], None]) -> Iterator[tuple[tuple[int, int], Columns]]:
        after = (0, 0)
        while rows := self._rows(_FRAMES, (run, *after, _FRAMES_AT_ONCE)):
            for epoch, sequence, rack, frame in rows:
                after = (epoch, sequence)
                try:
                    yield after, _of_frame(FrameId(rack=rack, epoch=epoch, sequence=sequence), frame)
                except FrameDamaged as error:
                    on_damage(error)


def _segments(rows: list[Any]) -> tuple[Segment, ...]:
    return tuple(
        Segment(file=file, sha256=sha256, rows=count, first=(first_epoch, first), last=(last_epoch, last))
        for file, sha256, count, first_epoch, first, last_epoch, last in rows
    )


def _of_frame(expected: FrameId, frame: bytes) -> Columns:
    name = f"frame {expected.epoch}/{expected.sequence}"
    try:
        found, columns = decode(frame)
    except FrameDamaged as error:
        raise FrameDamaged(f"{name}: {error}") from error
    if found != expected:
        raise FrameDamaged(f"{name} of {expected.rack} says that it is {found}")
    return columns


_STEPS: Final = "SELECT series, document FROM steps WHERE series BETWEEN ? AND ? ORDER BY series, step_count"
_OUTCOMES: Final = "SELECT series, document FROM outcomes WHERE series BETWEEN ? AND ? ORDER BY series"
_OUTCOMES_PER_RUN: Final = "SELECT series / ?, count(*) FROM outcomes GROUP BY 1"
_CHECKPOINTS: Final = "SELECT series, state FROM checkpoints WHERE series BETWEEN ? AND ? ORDER BY series"
_EVENTS: Final = "SELECT event, document FROM event_runs JOIN events USING (event) WHERE run = ? ORDER BY event"
_ALARMS: Final = """
SELECT alarm, document FROM alarms
WHERE ?1 IS NULL OR alarm IN (SELECT alarm FROM alarm_runs WHERE run = ?1) ORDER BY alarm
"""
_ALARM_CHANGES: Final = """
SELECT alarm, document FROM alarm_changes
WHERE ?1 IS NULL OR alarm IN (SELECT alarm FROM alarm_runs WHERE run = ?1) ORDER BY change
"""
_ALARM_SAMPLES: Final = """
SELECT alarm, document FROM alarm_samples
WHERE ?1 IS NULL OR alarm IN (SELECT alarm FROM alarm_runs WHERE run = ?1) ORDER BY alarm, position
"""
_FRAMES: Final = """
SELECT epoch, sequence, rack, frame
FROM frame_runs JOIN frames USING (epoch, sequence) JOIN epochs USING (epoch)
WHERE run = ? AND (epoch, sequence) > (?, ?) ORDER BY epoch, sequence LIMIT ?
"""
_FRAMES_BACK: Final = """
SELECT epoch, sequence, rack FROM frame_runs JOIN epochs USING (epoch)
WHERE run = ? ORDER BY epoch DESC, sequence DESC
"""
_FRAME_IDS: Final = """
SELECT epoch, sequence, rack, substr(frame, 1, ?) FROM frames JOIN epochs USING (epoch) ORDER BY epoch, sequence
"""
_FRAME: Final = "SELECT frame FROM frames WHERE (epoch, sequence) = (?, ?)"
_SEGMENTS: Final = "SELECT * FROM segments ORDER BY first_epoch, first_sequence"
_SEGMENTS_OF_RUN: Final = """
SELECT segments.* FROM segment_runs JOIN segments USING (file) WHERE run = ? ORDER BY first_epoch, first_sequence
"""


def _decoded(document: bytes, kind: type[T]) -> T:
    return msgspec.msgpack.decode(document, type=kind)
