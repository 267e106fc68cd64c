"""The instrument's log: a record of all channels a second, and what its clock means on ours.

Source: programs that run the real instrument (FF the block, F what is in it).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from cycler.contract.errors import ProtocolError
from drivers.keysight_bt2200.commands import CHANNELS

RECORDS_MAX = 64  # about 10 come at once

_COUNT = struct.Struct("<i")
_TIME_MS = struct.Struct("<Q")  # since the instrument started
_COLUMN = struct.Struct(f"<{CHANNELS}f")
# Current, sense and local voltage, two resistances; then cell and state as 16 bits each, 0 on old firmware.
_RECORD_BYTES = _TIME_MS.size + 5 * _COLUMN.size + 2 * 2 * CHANNELS
BLOCK_BYTES_MAX = _COUNT.size + RECORDS_MAX * _RECORD_BYTES

DRIFT_RATIO = 1e-4  # of two quartz clocks, and some


@dataclass(frozen=True, slots=True)
class Record:
    """One second of all channels, card 1 channel 1 first. Most are taken only for their time."""

    time_s: float  # by the instrument's clock
    _block: bytes
    _at: int

    @property
    def current_a(self) -> Sequence[float]:
        """As the instrument gives the sign."""
        return _COLUMN.unpack_from(self._block, self._at + _TIME_MS.size)

    @property
    def voltage_v(self) -> Sequence[float]:
        """At the sense wires."""
        return _COLUMN.unpack_from(self._block, self._at + _TIME_MS.size + _COLUMN.size)

    @property
    def output_v(self) -> Sequence[float]:
        """The local voltage, before the contacts."""
        return _COLUMN.unpack_from(self._block, self._at + _TIME_MS.size + 2 * _COLUMN.size)


def decode(device: str, block: bytes) -> list[Record]:
    """Oldest first. Raises `ProtocolError` for a block that is not the length it says."""
    count = _COUNT.unpack_from(block)[0] if len(block) >= _COUNT.size else -1
    if not 0 <= count <= RECORDS_MAX or len(block) != _COUNT.size + count * _RECORD_BYTES:
        raise ProtocolError(device, f"its log came as {len(block)} bytes for {count} records of {_RECORD_BYTES}")
    starts = range(_COUNT.size, len(block), _RECORD_BYTES)
    return [Record(_TIME_MS.unpack_from(block, at)[0] / 1000.0, block, at) for at in starts]


class DeviceClock:
    """Maps the instrument's clock to the loop's. A record is never taken after it has arrived: each bounds the map."""

    def __init__(self) -> None:
        self._offset_s: float | None = None
        self._seen_s = 0.0

    def observe(self, device_s: float, *, arrived_s: float) -> None:
        """This is the newest record that was there then."""
        bound_s = arrived_s - device_s
        if self._offset_s is not None:
            bound_s = min(bound_s, self._offset_s + DRIFT_RATIO * (arrived_s - self._seen_s))
        self._offset_s, self._seen_s = bound_s, arrived_s

    def here_s(self, device_s: float) -> float:
        """By the loop's clock. Observe something first."""
        return device_s + (self._offset_s or 0.0)
