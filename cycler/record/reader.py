"""The reader's side of the journal, in this process or another, whether control runs or not."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import apsw
import msgspec
import numpy as np
from numpy.typing import NDArray

from cycler.model.alarm_record import Alarm, AlarmChange, AlarmRecord, TripSamples
from cycler.model.approval import Approval
from cycler.model.audit import AuditEntry
from cycler.model.rack import PositionId
from cycler.model.release import Signature
from cycler.model.results import NAS_PER_AH, CellOutcome, Event, StepResult
from cycler.model.run import Run
from cycler.record.frame import COLUMNS, NO_VALUE, Columns, FrameDamaged, FrameId, decode
from cycler.record.schema import (
    SERIES_PER_RUN,
    JournalUnusable,
    air_series_of,
    check_library,
    check_schema,
    journal_path,
    series_of,
)

AIR_OLD_S: Final = 120.0
"""An older reading of the air says nothing of a sample."""

_FRAMES_AT_ONCE: Final = 256
T = TypeVar("T")
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One cell's samples in the order in which they were taken. NaN where the device gave no value."""

    step_count: NDArray[np.int64]
    cycle: NDArray[np.int64]
    elapsed_s: Floats
    step_time_s: Floats
    voltage_v: Floats
    current_a: Floats
    temperature_degc: Floats
    charged_ah: Floats
    discharged_ah: Floats
    charged_wh: Floats
    discharged_wh: Floats
    air_degc: Floats | None = None  # around the cell, as it was read nearest in time; None where the run has no chamber


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

    def curves(self, run_id: str, *, on_damage: Callable[[FrameDamaged], None] = _refuse) -> Mapping[PositionId, Curve]:
        """The samples of every cell that has any.

        Raises `FrameDamaged`, naming the frame; `on_damage` may take that, and the curves then lack its samples.
        """
        number, run = self._run(run_id)
        series = [*series_of(number, len(run.cells)), air_series_of(number)]
        pieces: dict[int, list[Columns]] = {}
        for columns in self._frames(number, on_damage):
            begins, ends = (np.searchsorted(columns[0], series, side) for side in ("left", "right"))
            for place in np.flatnonzero(ends - begins).tolist():
                pieces.setdefault(place, []).append(columns[1:, begins[place] : ends[place]])
        air = pieces.pop(len(run.cells), None)
        around = None if air is None else _curve(np.concatenate(air, axis=1))
        return {
            position: _surrounded(_curve(np.concatenate(pieces.pop(place), axis=1)), around)
            for place, position in enumerate(run.cells)
            if place in pieces
        }

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

    def _frames(self, run: int, on_damage: Callable[[FrameDamaged], None]) -> Iterator[Columns]:
        after = (0, 0)
        while rows := self._rows(_FRAMES, (run, *after, _FRAMES_AT_ONCE)):
            for epoch, sequence, rack, frame in rows:
                after = (epoch, sequence)
                try:
                    yield _of_frame(FrameId(rack=rack, epoch=epoch, sequence=sequence), frame)
                except FrameDamaged as error:
                    on_damage(error)


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


def _surrounded(curve: Curve, around: Curve | None) -> Curve:
    """With the air's temperature, where that was read at about the time of a sample."""
    if around is None:
        return curve
    read_s = around.elapsed_s
    after = np.searchsorted(read_s, curve.elapsed_s).clip(0, len(read_s) - 1)
    before = (after - 1).clip(0)
    nearest = np.where(curve.elapsed_s - read_s[before] < read_s[after] - curve.elapsed_s, before, after)
    is_near = np.abs(read_s[nearest] - curve.elapsed_s) <= AIR_OLD_S
    return replace(curve, air_degc=np.where(is_near, around.temperature_degc[nearest], np.nan))


def _decoded(document: bytes, kind: type[T]) -> T:
    return msgspec.msgpack.decode(document, type=kind)


def _curve(columns: Columns) -> Curve:
    """From the rows of COLUMNS but the first."""
    column = dict(zip(COLUMNS[1:], columns, strict=True))

    def si(name: str, per_unit: float) -> Floats:
        values = column[name]
        return np.where(values == NO_VALUE, np.nan, values / per_unit)

    return Curve(
        step_count=column["step_count"],
        cycle=column["cycle"],
        elapsed_s=si("elapsed_us", 1e6),
        step_time_s=si("step_time_us", 1e6),
        voltage_v=si("voltage_uv", 1e6),
        current_a=si("current_ua", 1e6),
        temperature_degc=si("temperature_mdegc", 1e3),
        charged_ah=si("charged_nas", NAS_PER_AH),
        discharged_ah=si("discharged_nas", NAS_PER_AH),
        charged_wh=si("charged_nws", NAS_PER_AH),
        discharged_wh=si("discharged_nws", NAS_PER_AH),
    )
