"""The folder that a run's files go to: made, or cleared of an earlier run's files, but of nothing else."""

import json
import shutil
from pathlib import Path

from cycler.cli.errors import WRONG_USE, Failure

JOURNAL = "journal"
SUMMARY = "run.json"


def prepared(out: Path) -> Path:
    """The folder for the journal inside `out`. Raises `Failure` for a folder with somebody else's files in it."""
    if out.exists() and not out.is_dir():
        raise Failure(WRONG_USE, "out", f"{out} is a file", "give a folder")
    earlier = {JOURNAL, SUMMARY, *_listed(out / SUMMARY)}
    present = {entry.name for entry in out.iterdir()} if out.exists() else set()
    foreign = sorted(present - earlier)
    if foreign:
        hint = "choose an empty folder, or one that an earlier run has left"
        raise Failure(WRONG_USE, "out", f"{out} holds files that no run has left there: {foreign[0]}", hint)
    for name in present - {JOURNAL}:
        (out / name).unlink()
    if JOURNAL in present:
        shutil.rmtree(out / JOURNAL)
    out.mkdir(parents=True, exist_ok=True)
    return out / JOURNAL


def _listed(summary: Path) -> list[str]:
    """The files that an earlier run has written here, by its own account."""
    if not summary.is_file():
        return []
    try:
        files = json.loads(summary.read_text())["files"]
    except (ValueError, KeyError, TypeError):
        return []
    return [name for name in files if isinstance(name, str)] if isinstance(files, dict) else []
