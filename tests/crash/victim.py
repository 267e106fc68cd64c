"""Records seconds into a store, seals, and dies by SIGKILL at the given hit of a named point.

`victim.py STORE POINT HIT`: prints `kept N` when it has opened the store, then each number of seconds that it was told
is durable. It goes on where an earlier victim has ended. POINT `count` dies nowhere and prints how often each was hit.
"""

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import apsw
import pyarrow.parquet
from formed_tray import A10, BEGAN_UTC, RUN_ID, TRAY

from cycler.record import segment as segments
from cycler.record.frame import pack_row
from cycler.record.journal import Batch, Journal
from cycler.record.reader import Reader
from cycler.record.schema import SERIES_PER_RUN
from cycler.record.segment import write_segment

SECONDS = 24
SEALED_AFTER = (9, 18)
LARGE_AT = 14  # so that the WAL is moved into the database
CHARGED_NAS = 1_234_567_891
"""In each second."""


class Fate:
    """Counts the hits of each point, and lets the process die at one of them."""

    def __init__(self, point: str, hit: int) -> None:
        self.stage = "opening"
        self.hits: Counter[str] = Counter()
        self._point, self._hit = point, hit

    def meets(self, what: str) -> None:
        point = f"{self.stage}: {what}"
        self.hits[point] += 1
        if (point, self.hits[point]) == (self._point, self._hit):
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, call: Callable[..., Any], what: str) -> Callable[..., Any]:
        @wraps(call)
        def met(*arguments: Any, **named: Any) -> Any:
            self.meets(f"before {what}")
            answer = call(*arguments, **named)
            self.meets(f"after {what}")
            return answer

        return met


class Disk(apsw.VFS):
    """The machine's own, with points at each write and sync."""

    def __init__(self, fate: Fate) -> None:
        self.fate = fate
        super().__init__("fateful", "unix", makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return File(self.fate, name, flags)


class File(apsw.VFSFile):
    def __init__(self, fate: Fate, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        text = (name.filename() if isinstance(name, apsw.URIFilename) else name) or ""
        self._fate, self._where = fate, "to the WAL" if text.endswith("-wal") else "to the database"
        super().__init__("unix", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._fate.meets(f"before a write {self._where}")
        half = len(data) // 2
        super().xWrite(data[:half], offset)
        self._fate.meets(f"in the middle of a write {self._where}")
        super().xWrite(data[half:], offset + half)
        self._fate.meets(f"after a write {self._where}")

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._fate.meets(f"before a sync {self._where}")
        super().xSync(flags)
        self._fate.meets(f"after a sync {self._where}")


def second(number: int) -> Batch:
    row = pack_row(SERIES_PER_RUN, 1, 1, float(number), 0.0, 3.7, 1.0, 25.0, number * CHARGED_NAS, 0, 0, 0)
    checkpoints = {SERIES_PER_RUN: b"%d" % number, SERIES_PER_RUN + 1: bytes(4_200_000 if number == LARGE_AT else 10)}
    return Batch(number=number + 2, rows=bytearray(row), checkpoints=checkpoints)


def take_in_a_segment(store: Path, journal: Journal, fate: Fate) -> None:
    fate.stage = "sealing"
    with Reader(store) as reader:
        frames = [(frame, reader.frame(frame)) for frame, _ in reader.frame_ids()]
    if frames:
        made = write_segment(store, frames)
        fate.stage = "taking a segment in"
        fate.meets("before its commit")
        journal.commit(Batch(number=1, segments=[made]))
        fate.meets("after its commit")
    fate.stage = "recording"


def main(store: Path, point: str, hit: int) -> None:
    fate = Fate(point, hit)
    disk = Disk(fate)
    pyarrow.parquet.ParquetWriter.write_table = fate.around(  # type: ignore[method-assign]
        pyarrow.parquet.ParquetWriter.write_table, "a row group is written"
    )
    segments._sync = fate.around(segments._sync, "a sync of the segment")
    Path.replace = fate.around(Path.replace, "the segment gets its name")  # type: ignore[method-assign]
    journal = Journal(store, rack="R1", opened_utc=BEGAN_UTC)
    fate.stage = "recording"
    if RUN_ID not in journal.runs:
        journal.commit(Batch(number=1, runs=[(1, TRAY)]))
    with Reader(store) as reader:
        curves = reader.curves(RUN_ID)
    kept = len(curves[A10].elapsed_s) if A10 in curves else 0
    print("kept", kept, flush=True)
    for number in range(kept, SECONDS):
        journal.commit(second(number))
        print(number + 1, flush=True)
        if number + 1 in SEALED_AFTER:
            take_in_a_segment(store, journal, fate)
    fate.stage = "closing"
    journal.close()
    disk.unregister()
    if point == "count":
        for name, count in sorted(fate.hits.items()):
            print("point", count, name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
