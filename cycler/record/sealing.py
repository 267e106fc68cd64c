"""The oldest frames become a segment. Run as a program, so that neither memory nor time of control go into it.

`python -m cycler.record.sealing STORE ROWS_MIN` prints the segment that it has made as one JSON line, or nothing. The
journal does not know of it yet: its writer takes it in, and with that lets the frames go.
"""

import os
import sys
from pathlib import Path
from typing import Final

import msgspec

from cycler.record.frame import FrameDamaged, FrameId
from cycler.record.reader import Reader
from cycler.record.schema import JournalUnusable
from cycler.record.segment import Segment, check_segment, write_segment

ROWS_MAX: Final = 2_000_000
"""Of one segment: some 400 MB of memory while it is made."""


class SealFailed(Exception):
    """No segment was made; the frames are where they were."""


def command(store: Path, *, rows_min: int) -> list[str]:
    """To be run. It makes nothing where all frames together have fewer than `rows_min` samples."""
    return [sys.executable, "-m", "cycler.record.sealing", str(store), str(rows_min)]


def outcome(store: Path, code: int, stdout: bytes, stderr: bytes) -> Segment | None:
    """What the command has made, looked at once more. Raises `SealFailed`."""
    if code != 0:
        lines = stderr.decode(errors="replace").strip().splitlines()
        raise SealFailed(lines[-1] if lines else f"the seal ended with {code}")
    if not stdout:
        return None
    segment = msgspec.json.decode(stdout, type=Segment)
    try:
        check_segment(store, segment)
    except FrameDamaged as error:
        raise SealFailed(str(error)) from error
    return segment


def main(store: Path, rows_min: int) -> None:
    """Exits with 1 and one line on stderr where that is not possible."""
    os.nice(10)
    try:
        with Reader(store) as reader:
            frames = [(frame, reader.frame(frame)) for frame in _oldest(reader, rows_min)]
        if frames:
            sys.stdout.buffer.write(msgspec.json.encode(write_segment(store, frames)))
    except (JournalUnusable, FrameDamaged, OSError) as error:
        sys.exit(str(error))


def _oldest(reader: Reader, rows_min: int) -> list[FrameId]:
    rows, chosen = 0, list[FrameId]()
    for frame, count in reader.frame_ids():
        if rows < ROWS_MAX:
            chosen.append(frame)
            rows += count
    return chosen if rows >= rows_min else []


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
