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
from cycler.record.alarm_tables import alarms_table, trip_samples_table
from cycler.record.curve import Curve
from cycler.record.reader import RunRecord
from cycler.record.tables import bdf_table, cells_table, events_table, pulses_table, steps_table


def export_runs(
    directory: Path,
    runs: Sequence[tuple[RunRecord, Mapping[PositionId, Curve]]],
    cells: Sequence[CellResult],
    *,
    version: str,
    config_hash: str,
    seed: int | None,
    csv: bool = False,
    attachments: Mapping[str, str] | None = None,
) -> tuple[Path, ...]:
    """Writes a curve for each cell that was energised, the tables, the recipe as it ran, `attachments` and `run.json`.

    Runs that belong together (the bays of one start, no cell in two of them) share the files; where their recipes
    differ, `recipe.yaml` holds a document for each, and `run.json` their hashes in the same order, `;`-joined.
    `cells` are the rows of cells.parquet, in their order. Equal inputs give equal bytes. Each file appears whole or
    not at all, `run.json` last and with the SHA-256 of the others: where it is, the rest is complete.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "run.json").unlink(missing_ok=True)
    records = [record for record, _ in runs]
    recipes = {record.run.recipe_hash: record.run.recipe_text for record in records}
    curve_file, curve_bytes = ("bdf.csv", _csv) if csv else ("bdf.parquet", _parquet)
    hashes: dict[str, str] = {}

    def write(name: str, content: bytes) -> None:
        _replace(directory / name, content)
        hashes[name] = hashlib.sha256(content).hexdigest()

    for record, curves in runs:
        for position, curve in curves.items():
            if _was_started(record, position):
                table = bdf_table(record.run, record.steps.get(position, ()), curve)
                cell_id = record.run.cells[position].cell_id
                write(f"{quote(cell_id, safe=' ')}.{curve_file}", curve_bytes(table))
    write("steps.parquet", _parquet(steps_table(records)))
    pulses = pulses_table(records)
    if pulses.num_rows:
        write("pulses.parquet", _parquet(pulses))
    write("cells.parquet", _parquet(cells_table(cells)))
    write("events.parquet", _parquet(events_table(events_of(records))))
    for name, raised in (("alarms", alarms_table(records)), ("trip_samples", trip_samples_table(records))):
        if raised.num_rows:
            write(f"{name}.parquet", _parquet(raised))
    write("recipe.yaml", "---\n".join(recipes.values()).encode())
    for name, text in (attachments or {}).items():
        write(name, text.encode())
    summary = {
        "version": version,
        "recipe_hash": ";".join(recipes),
        "config_hash": config_hash,
        "released_as": ";".join(dict.fromkeys(record.run.released_as for record in records)),
        "seed": seed,
        "started_utc": min(record.run.started_utc for record in records).isoformat(),
        "cells": [cell.cell for cell in cells],
        "files": hashes,
    }
    _replace(directory / "run.json", (json.dumps(summary, indent=2, sort_keys=True) + "\n").encode())
    return tuple(directory / name for name in (*hashes, "run.json"))


def events_of(records: Sequence[RunRecord]) -> tuple[Event, ...]:
    """What happened in these runs, in the order in which it did; what belongs to several of them once."""
    each = {n: event for record in records for n, event in zip(record.event_numbers, record.events, strict=True)}
    return tuple(each[number] for number in sorted(each))


def event_hash(events: Sequence[Event]) -> str:
    """SHA-256 over what happened, when, to whom: two runs with equal hashes took the same course."""
    digest = hashlib.sha256()
    for event in events:
        facts = [event.utc.isoformat(), event.elapsed_s, event.event, event.cell_id, event.position, event.device]
        facts += [event.code, event.text, dict(event.data)]
        digest.update(json.dumps(facts, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()


def _was_started(record: RunRecord, position: PositionId) -> bool:
    outcome = record.outcomes.get(position)
    return outcome is None or outcome.ended != "not-started"


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
