"""A segment: the samples of many frames as one Parquet file, a row group for each series, for ever as it is.

Its columns are those of a frame, as integers; null where the device gave no value. It says of which rack and of which
frames it is, pages carry checksums, and the journal knows the SHA-256 of the whole.
"""

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cycler.record.frame import COLUMNS, NO_VALUE, Columns, FrameDamaged, FrameId

_KEY: Final = b"cycler"
_READ: Final = ("voltage_uv", "current_ua", "temperature_mdegc")  # of an instrument's resolution: few values, often
_SCHEMA: Final = pa.schema([(name, pa.int64()) for name in COLUMNS])


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """What the journal knows of it. It holds every frame from `first` to `last` (epoch, sequence), both included."""

    file: str
    sha256: str
    rows: int
    first: tuple[int, int]
    last: tuple[int, int]


def segments_folder(store: Path) -> Path:
    """Where they lie."""
    return store / "sealed"


def write_segment(store: Path, frames: Sequence[tuple[FrameId, Columns]]) -> Segment:
    """Durable, and compared with the frames row by row, when it is returned. Raises `FrameDamaged` where they differ.

    A file of the same name, which a seal that was cut short has left, is replaced.
    """
    first, last = frames[0][0], frames[-1][0]
    columns = np.concatenate([columns for _, columns in frames], axis=1)
    columns = columns[:, np.argsort(columns[0], kind="stable")]
    folder = segments_folder(store)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o2750)  # whatever the umask, as the store itself
    name = f"{first.epoch}-{first.sequence}_{last.epoch}-{last.sequence}.parquet"
    unfinished = folder / f".{name}.{os.getpid()}"
    about = {"rack": first.rack, "first": [first.epoch, first.sequence], "last": [last.epoch, last.sequence]}
    _write(unfinished, columns, about)
    found = np.concatenate([np.empty((len(COLUMNS), 0), np.int64), *_row_groups(unfinished, None)], axis=1)
    if not np.array_equal(found, columns):
        raise FrameDamaged(f"{unfinished} does not hold what was written to it")
    _sync(unfinished)
    unfinished.chmod(0o640)
    unfinished.replace(folder / name)
    _sync(folder)
    return Segment(
        file=name,
        sha256=sha256_of(folder / name),
        rows=columns.shape[1],
        first=(first.epoch, first.sequence),
        last=(last.epoch, last.sequence),
    )


def remove_strays(store: Path, known: Collection[str]) -> None:
    """What seals that were cut short have left. Only the journal's writer may."""
    folder = segments_folder(store)
    for path in folder.iterdir() if folder.exists() else ():
        if path.name not in known:
            path.unlink()


def read_segment(store: Path, file: str, series: Collection[int]) -> Iterator[Columns]:
    """The samples of these series, one after the other, each in its order. Raises `FrameDamaged`, naming the file."""
    yield from _row_groups(segments_folder(store) / file, frozenset(series))


def check_segment(store: Path, segment: Segment) -> None:
    """Raises `FrameDamaged`, naming the file, where it is not the one that was sealed."""
    try:
        sha256 = sha256_of(segments_folder(store) / segment.file)
    except OSError as error:
        raise FrameDamaged(f"segment {segment.file}: {error.strerror}") from error
    if sha256 != segment.sha256:
        raise FrameDamaged(f"segment {segment.file} is not the file that was sealed")


def sha256_of(path: Path) -> str:
    """Of its content."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _write(path: Path, columns: Columns, about: dict[str, Any]) -> None:
    schema = _SCHEMA.with_metadata({_KEY: json.dumps(about).encode()})
    begins = np.flatnonzero(np.diff(columns[0], prepend=-1)).tolist()
    with pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        use_dictionary=list(_READ),
        column_encoding={name: "DELTA_BINARY_PACKED" for name in COLUMNS if name not in _READ},
        write_page_checksum=True,
    ) as writer:
        for begin, end in zip(begins, [*begins[1:], columns.shape[1]], strict=True):
            of_series = [pa.array(column[begin:end], mask=column[begin:end] == NO_VALUE) for column in columns]
            writer.write_table(pa.table(of_series, schema=schema), row_group_size=end - begin)


def _row_groups(path: Path, series: Collection[int] | None) -> Iterator[Columns]:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for group in range(file.num_row_groups):
                about = file.metadata.row_group(group).column(0).statistics
                if series is None or about.min in series:
                    table = file.read_row_group(group, use_threads=False)
                    yield np.stack([column.fill_null(NO_VALUE).to_numpy() for column in table.columns])
    except (OSError, pa.ArrowException) as error:
        raise FrameDamaged(f"segment {path.name}: {error}") from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
