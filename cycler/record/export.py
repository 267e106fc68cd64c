"""The files that a run leaves: for people and programs that do not have ours."""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from cycler.model.rack import PositionId
from cycler.model.results import CellResult, Event
from cycler.record.reader import Curve, RunRecord
from cycler.record.tables import bdf_table, cells_table, events_table, steps_table


def export_run(
    directory: Path,
    record: RunRecord,
    curves: Mapping[PositionId, Curve],
    cells: Sequence[CellResult],
    *,
    version: str,
    config_hash: str,
    seed: int | None,
    csv: bool = False,
    attachments: Mapping[str, str] | None = None,
) -> tuple[Path, ...]:
    """Writes a curve for each cell that was energised, the tables, the recipe as it ran, `attachments` and `run.json`.

    `cells` are the rows of cells.parquet, in their order. Equal inputs give equal bytes. Each file appears whole or
    not at all, `run.json` last and with the SHA-256 of the others: where it is, the rest is complete.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "run.json").unlink(missing_ok=True)
    run = record.run
    curve_file, curve_bytes = ("bdf.csv", _csv) if csv else ("bdf.parquet", _parquet)
    hashes: dict[str, str] = {}

    def write(name: str, content: bytes) -> None:
        _replace(directory / name, content)
        hashes[name] = hashlib.sha256(content).hexdigest()

    energised = {at: curve for at, curve in curves.items() if not _never_started(record, at)}
    for position, curve in energised.items():
        table = bdf_table(run, record.steps.get(position, ()), curve)
        write(f"{quote(run.cells[position].cell_id, safe=' ')}.{curve_file}", curve_bytes(table))
    write("steps.parquet", _parquet(steps_table(run, record.steps)))
    write("cells.parquet", _parquet(cells_table(cells)))
    write("events.parquet", _parquet(events_table(record.events)))
    write("recipe.yaml", run.recipe_text.encode())
    for name, text in (attachments or {}).items():
        write(name, text.encode())
    summary = {
        "version": version,
        "recipe_hash": run.recipe_hash,
        "config_hash": config_hash,
        "seed": seed,
        "started_utc": run.started_utc.isoformat(),
        "cells": [cell.cell for cell in cells],
        "files": hashes,
    }
    _replace(directory / "run.json", (json.dumps(summary, indent=2, sort_keys=True) + "\n").encode())
    return tuple(directory / name for name in (*hashes, "run.json"))


def event_hash(events: Sequence[Event]) -> str:
    """SHA-256 over what happened, when, to whom: two runs with equal hashes took the same course."""
    digest = hashlib.sha256()
    for event in events:
        facts = [event.utc.isoformat(), event.elapsed_s, event.event, event.cell_id, event.position, event.device]
        facts += [event.code, event.text, dict(event.data)]
        digest.update(json.dumps(facts, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()


def _never_started(record: RunRecord, position: PositionId) -> bool:
    outcome = record.outcomes.get(position)
    return outcome is not None and outcome.ended == "not-started"


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pyarrow.parquet.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _csv(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pyarrow.csv.write_csv(table, sink, pyarrow.csv.WriteOptions(quoting_style="needed"))
    return sink.getvalue()


def _replace(path: Path, content: bytes) -> None:
    """Whoever looks sees the old file or the new one, never a part."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_bytes(content)
    unfinished.replace(path)
