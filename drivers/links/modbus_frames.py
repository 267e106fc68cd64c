"""Replies as they come off a Modbus wire, not decoded: framed by their length over TCP, by their function in RTU.

These take the place of pymodbus' framers, which skip silently what makes no sense, or raise it into the event loop.
"""

import struct

from pymodbus.framer.rtu import FramerRTU
from pymodbus.framer.socket import FramerSocket
from pymodbus.pdu import ModbusPDU

ADU_BYTES_MAX = 260
_MBAP = struct.Struct(">HHHB")  # transaction, protocol 0, length from the unit on, unit
_ECHOED = (5, 6, 15, 16)
_COUNTED = (1, 2, 3, 4)


class Reply(ModbusPDU):
    """Any reply: its unit, its function with the bit of an exception, and the bytes after that."""

    def __init__(self, transaction: int, unit: int, frame: bytes) -> None:
        # Not the parent's: the rest of its twelve fields is not needed.
        self.transaction_id = transaction
        self.dev_id = unit
        self.function_code = frame[0]
        self.body = frame[1:]


class Garbage(ModbusPDU):
    """What came is no Modbus, or damaged."""

    def __init__(self, detail: str, *, damaged: bool) -> None:
        self.detail = detail
        self.damaged = damaged


class MbapFramer(FramerSocket):
    """Modbus TCP. Late answers to requests that nobody waits for any more are told by their number, and skipped."""

    def handleFrame(self, data: bytes, exp_devid: int, exp_tid: int) -> tuple[int, ModbusPDU | None]:  # noqa: N802
        used = 0
        while len(data) - used >= _MBAP.size:
            transaction, protocol, length, unit = _MBAP.unpack_from(data, used)
            if protocol != 0 or not 2 <= length <= ADU_BYTES_MAX - 6:
                return len(data), Garbage("bytes came that are not Modbus TCP", damaged=False)
            end = used + 6 + length
            if end > len(data):
                break
            if transaction == exp_tid:
                return end, Reply(transaction, unit, data[used + 7 : end])
            used = end
        return used, None


class RtuFramer(FramerRTU):
    """Modbus RTU. Every reply is checked against its check sum, and none is skipped."""

    def handleFrame(self, data: bytes, exp_devid: int, exp_tid: int) -> tuple[int, ModbusPDU | None]:  # noqa: N802
        size = rtu_reply_bytes(data)
        if size is None or len(data) < size:
            return 0, None
        if size and self.compute_CRC(data[: size - 2]) == int.from_bytes(data[size - 2 : size], "big"):
            return size, Reply(exp_tid, data[0], data[1 : size - 2])
        return len(data), Garbage(f"{data[:16].hex(' ').upper()} has no valid check sum", damaged=True)


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
