"""A copy of a store, made while it is written to."""

import os
import shutil
from pathlib import Path

import apsw

from cycler.record.reader import Reader
from cycler.record.schema import journal_path
from cycler.record.segment import segments_folder


def back_up(store: Path, to: Path) -> None:
    """All of one instant, durable in `to` when it returns; what is committed meanwhile is not in it.

    Raises `FileExistsError` where there is something already, `JournalUnusable`, `OSError`.
    """
    with Reader(store) as reader:
        to.mkdir(parents=True)
        to.chmod(0o2750)
        copy = apsw.Connection(str(journal_path(to)))
        try:
            reader.copy_into(copy)
            copy.pragma("wal_checkpoint")
        finally:
            copy.close()
    journal_path(to).chmod(0o640)
    with Reader(to) as copied:
        segments = copied.segments()
    # A segment never changes, so that it may be copied after the journal that names it.
    segments_folder(to).mkdir()
    segments_folder(to).chmod(0o2750)
    for segment in segments:
        shutil.copy2(segments_folder(store) / segment.file, segments_folder(to))
    for path in (*segments_folder(to).iterdir(), segments_folder(to), journal_path(to), to, to.parent):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
