"""The instrument's own log: a record of all channels a second, kept until somebody takes it away."""

import struct
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sims.terminal import Column

CHANNELS = 256
RECORDS_KEPT = 600
RECORDS_A_REPLY = 10
NO_RESISTANCE_OHM = 9999.0  # above 1000 means "not available"

_COUNT = struct.Struct("<i")
_TIME = struct.Struct("<Q")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A second of all channels. The measurements have a row for each that is wired, and a last one for all others;
    `rows` and `shares` say which row each of the 256 shows, and how much of its current."""

    time_ms: int  # since the instrument started
    sense_v: Column
    current_a: Column
    local_v: Column
    rows: NDArray[np.intp]
    shares: Column
    cells: NDArray[np.uint16]  # 0 where the firmware is old …
    states: NDArray[np.int16]  # … here too


class DataLog:
    """Drops the oldest records when nobody asks for them."""

    def __init__(self) -> None:
        self._records: deque[Record] = deque(maxlen=RECORDS_KEPT)
        self._resistance_ohm = np.full(2 * CHANNELS, NO_RESISTANCE_OHM, "<f4").tobytes()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._records)

    def add(self, record: Record) -> None:
        """The second is over."""
        self._records.append(record)

    def clear(self) -> None:
        """Drop those that wait."""
        self._records.clear()

    def take(self) -> bytes:
        """The oldest ones as an IEEE 488.2 block with its LF. What is taken is gone."""
        taken = [self._records.popleft() for _ in range(min(len(self._records), RECORDS_A_REPLY))]
        data = _COUNT.pack(len(taken)) + b"".join(map(self._encoded, taken))
        return b"#9%09d" % len(data) + data + b"\n"

    def _encoded(self, record: Record) -> bytes:
        return b"".join(
            (
                _TIME.pack(record.time_ms),
                (record.current_a[record.rows] * record.shares).astype("<f4").tobytes(),
                record.sense_v[record.rows].astype("<f4").tobytes(),
                record.local_v[record.rows].astype("<f4").tobytes(),
                self._resistance_ohm,
                record.cells.astype("<u2").tobytes(),
                record.states.astype("<i2").tobytes(),
            )
        )
