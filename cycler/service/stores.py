"""What a person does to a rack's store while control does not hold it, or beside it: sealing, copying, looking."""

import subprocess
from collections.abc import Iterator
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Final

from cycler.recipe.problems import InvalidFile, Problem
from cycler.record.journal import Batch, Journal
from cycler.record.sealing import command, outcome
from cycler.record.segment import Segment
from cycler.record.verify import StoreReport, verify_store
from cycler.service.configuration import Configuration
from cycler.service.host_checks import Check

DAMAGES_SHOWN: Final = 20


def store_of(configuration: Configuration) -> Path:
    """Raises `InvalidFile` for a rack that has none."""
    if configuration.store is None:
        file, hint = str(configuration.file), "give `store: {path: …}`"
        raise InvalidFile(
            [Problem(file=file, line=0, code="no-store", message="has no store for the record", hint=hint)]
        )
    return configuration.store


def seal_all(configuration: Configuration, *, now_utc: datetime) -> Iterator[Segment]:
    """Every frame there is, a segment at a time, each on record when it is given.

    Raises `InvalidFile`, `JournalUnusable` also while control holds the store, `JournalFailed`, `SealFailed`.
    """
    store = store_of(configuration)
    journal = Journal(store, rack=configuration.rack.rack, opened_utc=now_utc)
    try:
        for number in count(1):
            done = subprocess.run(command(store, rows_min=1), capture_output=True, check=False)  # noqa: S603 (our own)
            segment = outcome(store, done.returncode, done.stdout, done.stderr)
            if segment is None:
                return
            journal.commit(Batch(number=number, segments=[segment]))
            yield segment
    finally:
        journal.close()


def store_checks(store: Path) -> Iterator[Check]:
    """All of the store, read and compared with what was written. Raises `JournalUnusable`."""
    report = verify_store(store)
    if not report.damages:
        yield Check(about="store", verdict="fine", text=f"as it was written: {in_words(report)}")
    for damage in report.damages[:DAMAGES_SHOWN]:
        remedy = "take it from a backup: everything else can be read"
        yield Check(about="store", verdict="mend", text=damage, remedy=remedy)
    if (more := len(report.damages) - DAMAGES_SHOWN) > 0:
        yield Check(about="store", verdict="mend", text=f"and {more} more", remedy="replace the disk")


def in_words(report: StoreReport) -> str:
    """How much there is."""
    return f"{report.runs} runs, {report.samples} samples in {report.frames} frames and {report.segments} segments"
