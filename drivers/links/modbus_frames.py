"""Requests and replies as they are on a Modbus wire: framed by their length over TCP, by their function in RTU.

Neither framing skips what makes no sense: it raises it.
"""

import struct
from itertools import cycle
from typing import NamedTuple

from pymodbus.framer.rtu import FramerRTU

from drivers.links.access import Noise, Nonsense

ADU_BYTES_MAX = 260
_MBAP = struct.Struct(">HHHB")  # transaction, protocol 0, length from the unit on, unit
_ECHOED = (5, 6, 15, 16)
_COUNTED = (1, 2, 3, 4)


# A gateway may keep a reply and hand it to the next connection: there its number must not be due again, as it would be
# if every connection began to count anew.
_transactions = cycle(range(1, 0x10000))


class Request(NamedTuple):
    """`pdu` begins with the function."""

    unit: int
    pdu: bytes


class Reply(NamedTuple):
    """Any reply: its unit, its function with the bit of an exception, and the bytes after that."""

    unit: int
    function: int
    body: bytes


class MbapFraming:
    """Modbus TCP. Late answers to requests that nobody waits for any more are told by their number, and skipped."""

    def __init__(self) -> None:
        self._transaction = 0  # of the last request
        self._received = b""

    def frame(self, request: Request) -> bytes:
        """The bytes to send."""
        self._transaction = transaction = next(_transactions)
        return _MBAP.pack(transaction, 0, len(request.pdu) + 1, request.unit) + request.pdu

    def take(self, data: bytes) -> Reply | None:
        """The reply to the last request, once it is whole. Raises `Nonsense`."""
        data = self._received + data
        while len(data) >= _MBAP.size:
            transaction, protocol, length, unit = _MBAP.unpack_from(data)
            if protocol != 0 or not 2 <= length <= ADU_BYTES_MAX - 6:
                self._received = b""
                raise Nonsense("bytes came that are not Modbus TCP")
            if len(data) < 6 + length:
                break
            if transaction == self._transaction:
                self._received = data[6 + length :]
                return Reply(unit, data[7], data[8 : 6 + length])
            data = data[6 + length :]
        self._received = data
        return None


class RtuFraming:
    """Modbus RTU. Every reply is checked against its check sum, and none is skipped."""

    def __init__(self) -> None:
        self._received = b""

    def frame(self, request: Request) -> bytes:
        """The bytes to send. What has come before them is no reply."""
        self._received = b""
        message = bytes((request.unit,)) + request.pdu
        return message + _crc(message)

    def take(self, data: bytes) -> Reply | None:
        """The reply, once it is whole. Raises `Noise`."""
        data = self._received = self._received + data
        size = rtu_reply_bytes(data)
        if size is None or len(data) < size:
            return None
        self._received = b""
        if size and _crc(data[: size - 2]) == data[size - 2 : size]:
            return Reply(data[0], data[1], data[2 : size - 2])
        raise Noise(f"{data[:16].hex(' ').upper()} has no valid check sum")


def rtu_reply_bytes(data: bytes) -> int | None:
    """How long the reply is that begins so, check sum included. `None`: too little has come to say; 0: it is none."""
    if len(data) < 3:
        return None
    function = data[1]
    if function & 0x80:
        return 5
    if function in _ECHOED:
        return 8
    if function in _COUNTED:
        return 5 + data[2]
    return 0


def _crc(data: bytes) -> bytes:
    return FramerRTU.compute_CRC(data).to_bytes(2, "big")
