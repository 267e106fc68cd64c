"""The folder that a run's files go to: made, or cleared of an earlier run's files, but of nothing else."""

import json
import os
import re
import shutil
from pathlib import Path

from cycler.cli.errors import WRONG_USE, Failure, system_text
from cycler.record.journal import lease
from cycler.record.schema import journal_path

JOURNAL = "journal"
SUMMARY = "run.json"
JOURNAL_FILE = journal_path(Path()).name

_EXPORTED = re.compile(
    r".+\.bdf\.(parquet|csv)|(steps|pulses|cells|events|alarms|trip_samples)\.parquet|recipe\.yaml|report\.html|\..+\.unfinished",
    re.ASCII,
)


def prepared(out: Path) -> Path:
    """The folder for the journal inside `out`.

    Raises `Failure` for a folder with somebody else's files in it, and for one that cannot be written;
    `JournalUnusable` while another run writes there.
    """
    try:
        _clear(out)
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        hint = "choose a folder that you may write to"
        raise Failure(WRONG_USE, "out", f"--out {out} cannot be used: {system_text(error)}", hint) from None
    return out / JOURNAL


def _clear(out: Path) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise Failure(WRONG_USE, "out", f"--out {out} is a file", "give a folder")
    names = {entry.name for entry in out.iterdir()}
    foreign = sorted(names - _left_by_a_run(out))
    if foreign:
        hint = "choose an empty folder, or one that an earlier run has left"
        raise Failure(WRONG_USE, "out", f"--out {out} holds files that no run has left there: {foreign[0]}", hint)
    if JOURNAL in names:
        os.close(lease(out / JOURNAL))
    for name in names - {JOURNAL}:
        (out / name).unlink()
    if JOURNAL in names:
        shutil.rmtree(out / JOURNAL)


def _left_by_a_run(out: Path) -> set[str]:
    """Names of files that a run has left in this folder: by its own account, or, where it was killed, by their form."""
    found = {SUMMARY, *_listed(out / SUMMARY)}
    journal = out / JOURNAL
    if journal.is_dir() and all(entry.name.startswith(JOURNAL_FILE) for entry in journal.iterdir()):
        found |= {JOURNAL, *(entry.name for entry in out.iterdir() if _EXPORTED.fullmatch(entry.name))}
    return found


def _listed(summary: Path) -> list[str]:
    if not summary.is_file():
        return []
    try:
        files = json.loads(summary.read_text())["files"]
    except (ValueError, KeyError, TypeError):
        return []
    return list(files) if isinstance(files, dict) else []
