"""A frame: the samples of one commit as columns of scaled integers, compressed, identified, and checked.

Layout, little-endian: magic, epoch, sequence, rows, length of the rack's name, the name, the zstd payload, and the
CRC-32 of all that. The payload holds, column by column, the first value and then the differences, zigzagged so that
small ones of either sign have leading zero bytes, and the bytes of equal weight stand together.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
import zstandard
from numpy.typing import NDArray

COLUMNS: Final = (
    "series", "step_count", "cycle", "elapsed_us", "step_time_us", "voltage_uv", "current_ua", "temperature_mdegc",
    "charged_nas", "discharged_nas", "charged_nws", "discharged_nws",
)  # fmt: skip
"""The rows of the integer matrix. `series` is one cell of one run."""

NO_VALUE: Final = -(2**63)
"""Stands where the device gave no value."""

Columns = NDArray[np.int64]
"""Shape (len(COLUMNS), samples)."""

_ROW = struct.Struct("<qiidddddqqqq")
pack_row = _ROW.pack
"""One sample as it is gathered, in the order of COLUMNS but in SI: s, s, V, A, degC. 12 arguments, 80 bytes."""

ROW_BYTES: Final = _ROW.size
_ROW_DTYPE = np.dtype(list(zip(COLUMNS, ("<i8", "<i4", "<i4", *["<f8"] * 5, *["<i8"] * 4), strict=True)))
_SCALES = {"elapsed_us": 1e6, "step_time_us": 1e6, "voltage_uv": 1e6, "current_ua": 1e6, "temperature_mdegc": 1e3}

_MAGIC = b"FCF1"
_HEADER = struct.Struct("<4sQQIH")
HEADER_BYTES: Final = _HEADER.size
_CRC = struct.Struct("<I")
_LEVEL = 3


class FrameDamaged(Exception):
    """The bytes are not the frame that was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameId:
    """Where a frame comes from; whoever meets the same identity twice keeps one."""

    rack: str
    epoch: int
    sequence: int


def scaled(rows: bytes | bytearray) -> Columns:
    """Gathered rows as integers, those of one series together and in the order in which they came.

    A value that is no finite number, or beyond what the integer holds, becomes NO_VALUE.
    """
    table = np.frombuffer(rows, _ROW_DTYPE)
    order = np.argsort(table["series"], kind="stable")
    columns = np.empty((len(COLUMNS), len(table)), np.int64)
    for column, name in zip(columns, COLUMNS, strict=True):
        values = table[name][order]
        if (scale := _SCALES.get(name)) is not None:
            values = np.rint(values * scale)
            values[~(np.abs(values) < -NO_VALUE)] = NO_VALUE
        column[:] = values
    return columns


def coarser(rows: bytes | bytearray) -> bytes:
    """Every other of the gathered rows: the first and the last of a cell's step stay, and so do its sums in each."""
    table = np.frombuffer(rows, _ROW_DTYPE)
    order = np.argsort(table["series"], kind="stable")
    series, step = table["series"][order], table["step_count"][order]
    begins = np.ones(len(table), bool)
    begins[1:] = (series[1:] != series[:-1]) | (step[1:] != step[:-1])
    ends = np.append(begins[1:], [True] * bool(len(table)))
    stays = begins | ends | (np.arange(len(table)) % 2 == 0)
    kept: bytes = table[np.sort(order[stays])].tobytes()
    return kept


def encode(frame_id: FrameId, columns: Columns) -> bytes:
    """Raises `ValueError` for a matrix that does not have one row for each of COLUMNS."""
    if columns.shape[0] != len(COLUMNS):
        raise ValueError(f"a frame has {len(COLUMNS)} columns, these are {columns.shape[0]}")
    planes = np.empty((len(COLUMNS), 8, columns.shape[1]), np.uint8)
    for column, plane in zip(columns, planes, strict=True):  # one by one, because a column fits the cache
        steps = np.diff(column, prepend=0)  # wraps around, and so does the sum that undoes it
        plane[:] = ((steps << 1) ^ (steps >> 63)).astype("<i8", copy=False).view(np.uint8).reshape(-1, 8).T
    rack = frame_id.rack.encode()
    header = _HEADER.pack(_MAGIC, frame_id.epoch, frame_id.sequence, columns.shape[1], len(rack))
    body = header + rack + zstandard.ZstdCompressor(level=_LEVEL).compress(planes.data)
    return body + _CRC.pack(zlib.crc32(body))


def rows_of(begin: bytes) -> int:
    """How many samples a frame says to have that begins with these HEADER_BYTES; 0 where it is shorter than they."""
    return int(_HEADER.unpack(begin)[3]) if len(begin) == HEADER_BYTES else 0


def decode(frame: bytes) -> tuple[FrameId, Columns]:
    """Raises `FrameDamaged` if a single byte differs from what was encoded."""
    body = frame[: -_CRC.size]
    if len(body) < _HEADER.size or frame[-_CRC.size :] != _CRC.pack(zlib.crc32(body)):
        raise FrameDamaged(f"a frame of {len(frame)} bytes does not have its checksum")
    magic, epoch, sequence, rows, rack_bytes = _HEADER.unpack_from(body)
    if magic != _MAGIC:
        raise FrameDamaged(f"a frame begins with {_MAGIC!r}, this one with {magic!r}")
    payload = _HEADER.size + rack_bytes
    frame_id = FrameId(rack=body[_HEADER.size : payload].decode(), epoch=epoch, sequence=sequence)
    shape = (len(COLUMNS), rows)
    planes = np.frombuffer(zstandard.ZstdDecompressor().decompress(body[payload:]), np.uint8)
    zigzag = np.ascontiguousarray(planes.reshape(shape[0], 8, rows).transpose(0, 2, 1)).view("<u8").reshape(shape)
    steps = (zigzag >> np.uint64(1)).astype(np.int64) ^ -(zigzag & np.uint64(1)).astype(np.int64)
    return frame_id, np.cumsum(steps, axis=1, dtype=np.int64)
