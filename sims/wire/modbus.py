"""Instruments that speak Modbus: frames on TCP and on serial lines, and the functions that any register map can have.

Source: MODBUS Application Protocol Specification V1.1b3, MODBUS over Serial Line V1.02, Messaging on TCP/IP V1.0b.
"""

import asyncio
import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal, Protocol, cast

from cycler.contract.plugin import Resource

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, DEVICE_FAILURE, BUSY = 1, 2, 3, 4, 6

READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT = 1, 2, 3, 4
WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_REGISTERS = 5, 6, 15, 16
FUNCTIONS = frozenset(
    {
        READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT,
        WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_REGISTERS,
    }
)  # fmt: skip

MBAP_BYTES = 7
TCP_BYTES_MAX = 260
RTU_BYTES_MIN, RTU_BYTES_MAX = 4, 256
SILENCE_S = 0.01  # ends an RTU frame whose length nothing tells; real ones wait for 3.5 characters

_TWO_WORDS = struct.Struct(">HH")
_WORDS_MAX = {READ_HOLDING: 125, READ_INPUT: 125, WRITE_REGISTERS: 123}
_BITS_MAX = {READ_COILS: 2000, READ_DISCRETE: 2000, WRITE_COILS: 1968}


class ModbusException(Exception):
    """The request is answered by an exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"0x{code:02X}")
        self.code = code


class ModbusUnit(Protocol):
    """What answers at one unit address."""

    def respond(self, pdu: bytes) -> bytes:
        """The answer to a request, both from the function code on; a request has at least that byte."""


class RegisterMap(Protocol):
    """An instrument's registers and bits. Each call raises `ModbusException` for what it does not have or do."""

    def read_words(self, table: Literal["holding", "input"], address: int, count: int) -> Sequence[int]:
        """`count` unsigned words."""

    def write_words(self, address: int, words: Sequence[int]) -> None:
        """Holding registers: one by function 6, any number by function 16."""

    def read_bits(self, table: Literal["coils", "discrete"], address: int, count: int) -> Sequence[bool]:
        """`count` bits."""

    def write_bits(self, address: int, bits: Sequence[bool]) -> None:
        """Coils: one by function 5, any number by function 15."""


class MappedUnit:
    """A `ModbusUnit` by the book over a map. It refuses functions other than those given."""

    def __init__(self, registers: RegisterMap, *, functions: Collection[int] = FUNCTIONS) -> None:
        self._registers = registers
        self._functions = functions

    def respond(self, pdu: bytes) -> bytes:
        function = pdu[0]
        try:
            if function not in self._functions:
                raise ModbusException(ILLEGAL_FUNCTION)
            if len(pdu) < 5:
                raise ModbusException(ILLEGAL_VALUE)
            return _SERVE[function](self._registers, pdu)
        except ModbusException as exception:
            return bytes((function & 0x7F | 0x80, exception.code))


def modbus_conversation(resource: Resource, units: Mapping[int, ModbusUnit]) -> Callable[[], asyncio.Protocol]:
    """The framing that the resource's scheme names, for a `Port`. Units that are not there do not answer."""
    if resource.scheme == "modbus-tcp":
        return lambda: ModbusTcpConversation(units)
    return lambda: ModbusRtuConversation(units)


class ModbusTcpConversation(asyncio.Protocol):
    """Frames with a header. A header that cannot be breaks the connection: nothing after it can be trusted."""

    def __init__(self, units: Mapping[int, ModbusUnit]) -> None:
        self._units = units
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        while len(data) > MBAP_BYTES:
            length = data[4] << 8 | data[5]
            if data[2] or data[3] or not 2 <= length <= TCP_BYTES_MAX - 6:
                self._transport.abort()
                data = b""
            elif len(data) < 6 + length:
                break
            else:
                unit = self._units.get(data[6])
                if unit is not None:
                    reply = unit.respond(data[MBAP_BYTES : 6 + length])
                    self._transport.write(data[:4] + (len(reply) + 1).to_bytes(2, "big") + data[6:7] + reply)
                data = data[6 + length :]
        self._buffer = data


class ModbusRtuConversation(asyncio.Protocol):
    """Frames with a checksum, on a serial line or raw on TCP.

    What does not check is not answered, and neither is what follows it without a pause.
    """

    def __init__(self, units: Mapping[int, ModbusUnit]) -> None:
        self._units = units
        self._buffer = b""
        self._is_lost = False  # until there is silence
        self._silence: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._silence is not None:
            self._silence.cancel()

    def data_received(self, data: bytes) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
        self._buffer = (self._buffer + data)[: 2 * RTU_BYTES_MAX]
        while not self._is_lost and (length := rtu_request_bytes(self._buffer)) and len(self._buffer) >= length:
            frame, self._buffer = self._buffer[:length], self._buffer[length:]
            self._is_lost = not self._answer(frame)
        if self._buffer or self._is_lost:
            self._silence = asyncio.get_running_loop().call_later(SILENCE_S, self._fall_silent)

    def _fall_silent(self) -> None:
        """What has come without telling its length is a frame, or nothing."""
        self._silence = None
        frame, self._buffer = self._buffer, b""
        if not self._is_lost and RTU_BYTES_MIN <= len(frame) <= RTU_BYTES_MAX and not rtu_request_bytes(frame):
            self._answer(frame)
        self._is_lost = False

    def _answer(self, frame: bytes) -> bool:
        """Whether its checksum is right."""
        body = frame[:-2]
        if crc(body) != frame[-2:]:
            return False
        unit = self._units.get(body[0])
        if unit is not None:
            reply = body[:1] + unit.respond(body[1:])
            self._transport.write(reply + crc(reply))
        return True


def rtu_request_bytes(head: bytes) -> int:
    """How long the RTU request is that begins so; 0 as long as that cannot be told."""
    if len(head) < 2:
        return 0
    if head[1] in (WRITE_COILS, WRITE_REGISTERS):
        return 9 + head[6] if len(head) > 6 else 0
    return 8 if head[1] in FUNCTIONS else 0


def crc(data: bytes) -> bytes:
    """CRC-16/MODBUS, low byte first."""
    value = 0xFFFF
    for byte in data:
        value = value >> 8 ^ _CRC_TABLE[(value ^ byte) & 0xFF]
    return value.to_bytes(2, "little")


def _crc_row(byte: int) -> int:
    value = byte
    for _ in range(8):
        value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return value


_CRC_TABLE = tuple(_crc_row(byte) for byte in range(256))


def _read_words(registers: RegisterMap, pdu: bytes) -> bytes:
    address, count = _span(pdu, _WORDS_MAX[pdu[0]])
    words = registers.read_words("holding" if pdu[0] == READ_HOLDING else "input", address, count)
    return struct.pack(f">BB{count}H", pdu[0], 2 * count, *words)


def _read_bits(registers: RegisterMap, pdu: bytes) -> bytes:
    address, count = _span(pdu, _BITS_MAX[pdu[0]])
    bits = registers.read_bits("coils" if pdu[0] == READ_COILS else "discrete", address, count)
    packed = sum(bit << place for place, bit in enumerate(bits)).to_bytes((count + 7) // 8, "little")
    return bytes((pdu[0], len(packed))) + packed


def _write_coil(registers: RegisterMap, pdu: bytes) -> bytes:
    address, value = _two(pdu)
    if value not in (0xFF00, 0):
        raise ModbusException(ILLEGAL_VALUE)
    registers.write_bits(address, [value == 0xFF00])
    return pdu


def _write_register(registers: RegisterMap, pdu: bytes) -> bytes:
    address, value = _two(pdu)
    registers.write_words(address, [value])
    return pdu


def _write_coils(registers: RegisterMap, pdu: bytes) -> bytes:
    address, count = _span(pdu[:5], _BITS_MAX[pdu[0]])
    data = _data(pdu, (count + 7) // 8)
    bits = int.from_bytes(data, "little")
    registers.write_bits(address, [bool(bits >> place & 1) for place in range(count)])
    return pdu[:5]


def _write_registers(registers: RegisterMap, pdu: bytes) -> bytes:
    address, count = _span(pdu[:5], _WORDS_MAX[pdu[0]])
    registers.write_words(address, struct.unpack(f">{count}H", _data(pdu, 2 * count)))
    return pdu[:5]


def _two(pdu: bytes) -> tuple[int, int]:
    if len(pdu) != 5:
        raise ModbusException(ILLEGAL_VALUE)
    first, second = _TWO_WORDS.unpack_from(pdu, 1)
    return first, second


def _span(pdu: bytes, count_max: int) -> tuple[int, int]:
    address, count = _two(pdu)
    if not 1 <= count <= count_max:
        raise ModbusException(ILLEGAL_VALUE)
    if address + count > 0x10000:
        raise ModbusException(ILLEGAL_ADDRESS)
    return address, count


def _data(pdu: bytes, length: int) -> bytes:
    if len(pdu) != 6 + length or pdu[5] != length:
        raise ModbusException(ILLEGAL_VALUE)
    return pdu[6:]


_SERVE: Mapping[int, Callable[[RegisterMap, bytes], bytes]] = {
    READ_COILS: _read_bits,
    READ_DISCRETE: _read_bits,
    READ_HOLDING: _read_words,
    READ_INPUT: _read_words,
    WRITE_COIL: _write_coil,
    WRITE_REGISTER: _write_register,
    WRITE_COILS: _write_coils,
    WRITE_REGISTERS: _write_registers,
}
