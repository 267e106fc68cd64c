"""The device as Modbus: a table of registers, one answer per request, and the RTU framing beside SCPI."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sims.wire import modbus
from sims.wire.ea_psb.device import (
    ALARM_BITS,
    LIMITS,
    Interface,
    Protection,
    PsbDevice,
    Refused,
    SetValue,
)
from sims.wire.modbus import ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, ILLEGAL_VALUE, ModbusException, crc

NOT_NOW, CRC_ERROR, ACCESS_DENIED, IS_LOCAL = 4, 5, 7, 0x17

_REASONS = {"local": IS_LOCAL, "not-in-control": ACCESS_DENIED, "range": ILLEGAL_VALUE, "not-now": NOT_NOW}
_WORDS = struct.Struct(">HH")
_STATE_REGULATION = {"off": 0, "cv": 0, "cr": 1, "cc": 2, "cp": 3}
_TEXT_WORDS = 20


Write = Callable[[PsbDevice, Interface, int, int], None]  # device, who writes, place in the group, value


@dataclass(frozen=True, slots=True)
class Group:
    """Adjacent registers of one kind. `write` is None where they are read-only."""

    start: int
    count: int
    kind: Literal["u16", "u32", "float", "text", "share"]
    read: Callable[[PsbDevice], bytes]
    write: Write | None = None


@dataclass(frozen=True, slots=True)
class Coil:
    """`read` is None where it can only be written."""

    read: Callable[[PsbDevice], bool] | None
    write: Callable[[PsbDevice, Interface, bool], None]


@dataclass(frozen=True, slots=True)
class PsbUnit:
    """One unit address on the port that speaks Modbus alone."""

    device: PsbDevice
    unit: int

    def respond(self, pdu: bytes) -> bytes:
        return answer(self.device, Interface.MODBUS_TCP, self.unit, pdu)


def answer(device: PsbDevice, interface: Interface, unit: int, request: bytes) -> bytes:
    """The answer to one request, both from the function code on. Renews the device's watchdog."""
    device.heard()
    function = request[0]
    try:
        if device.faults.strikes("exception"):
            raise ModbusException(NOT_NOW)
        if unit > 1:
            raise ModbusException(ILLEGAL_ADDRESS)
        if function == 3:
            return _read(device, request)
        serve = _FUNCTIONS.get(function)
        if serve is None:
            raise ModbusException(ILLEGAL_FUNCTION)
        return serve(device, interface, request)
    except ModbusException as exception:
        code = exception.code
    except Refused as refused:
        code = _REASONS[refused.reason]
    return bytes((function & 0x7F | 0x80, code))


def answer_rtu(device: PsbDevice, frame: bytes, interface: Interface = Interface.ETHERNET) -> bytes:
    """The answer to one RTU frame, as the device gives it where it speaks SCPI too."""
    unit = frame[0]
    if crc(frame[:-2]) != frame[-2:]:
        body = bytes((frame[1] & 0x7F | 0x80, CRC_ERROR))
    elif unit == 1 and not device.setup.full_compliance:
        body = bytes((frame[1] & 0x7F | 0x80, ILLEGAL_ADDRESS))
    else:
        body = answer(device, interface, unit, frame[1:-2])
    reply = bytes((unit,)) + body
    return reply + crc(reply)


def answer_nonsense(data: bytes) -> bytes:
    """The error that answers a message whose first byte begins neither an RTU frame nor SCPI text."""
    reply = bytes((data[0], (data[1] if len(data) > 1 else 0) | 0x80, ILLEGAL_ADDRESS))
    return reply + crc(reply)


def rtu_length(head: bytes) -> int:
    """How long the RTU frame is that begins so; 0 as long as that cannot be told."""
    if len(head) < 2:
        return 0
    return modbus.rtu_request_bytes(head) if head[1] == modbus.WRITE_REGISTERS else 8


def state_word(device: PsbDevice) -> int:
    """Register 505."""
    location = 1 if device.local else int(device.owner or 0)
    word = location
    if device.owner is not None and device.model.reports_remote:
        word |= 1 << 11
    if device.energised:
        actual = device.measure()
        if device.energised:  # a protection may just have said no
            word |= 1 << 7 | _STATE_REGULATION[actual.regulation] << 9 | actual.sinks << 31
    if device.shut_off:
        word |= 1 << 30
    for alarm in device.alarms:
        word |= 1 << ALARM_BITS[alarm] | 1 << 15
    return word


def _read(device: PsbDevice, request: bytes) -> bytes:
    if len(request) != 5:
        raise ModbusException(ILLEGAL_VALUE)
    address, count = _WORDS.unpack_from(request, 1)
    if not 1 <= count <= 125:
        raise ModbusException(ILLEGAL_VALUE)
    group = _group(address)
    data = _words(device, group)[2 * (address - group.start) : 2 * (address - group.start + count)]
    while len(data) < 2 * count:  # over the border, which only the same kind of data may be read across
        border = address + len(data) // 2
        following = _group(border)
        if following.kind != group.kind:
            raise ModbusException(ILLEGAL_VALUE)
        data += _words(device, following)[: 2 * count - len(data)]
    return bytes((3, 2 * count)) + data


def _words(device: PsbDevice, group: Group) -> bytes:
    data = group.read(device)
    if group.kind in ("u32", "float") and device.faults.strikes("word-order"):
        return b"".join(data[at + 2 : at + 4] + data[at : at + 2] for at in range(0, len(data), 4))
    return data


def _read_coil(device: PsbDevice, interface: Interface, request: bytes) -> bytes:
    coil, count = _coil(request)
    if coil.read is None:
        raise ModbusException(ILLEGAL_FUNCTION)
    if count != 1:
        raise ModbusException(ILLEGAL_VALUE)
    on = coil.read(device)
    if device.setup.full_compliance:
        return bytes((1, 1, on))
    return bytes((1, 2, 0xFF if on else 0, 0))


def _write_coil(device: PsbDevice, interface: Interface, request: bytes) -> bytes:
    coil, value = _coil(request)
    if value not in (0xFF00, 0):
        raise ModbusException(ILLEGAL_VALUE)
    coil.write(device, interface, value == 0xFF00)
    return request


def _write_register(device: PsbDevice, interface: Interface, request: bytes) -> bytes:
    if len(request) != 5:
        raise ModbusException(ILLEGAL_VALUE)
    address, value = _WORDS.unpack_from(request, 1)
    group = _group(address)
    if group.kind == "text":
        raise ModbusException(ILLEGAL_FUNCTION)
    if group.write is None:
        raise ModbusException(ACCESS_DENIED)
    group.write(device, interface, address - group.start, value)
    return request


def _write_registers(device: PsbDevice, interface: Interface, request: bytes) -> bytes:
    if len(request) < 6 or len(request) != 6 + request[5]:
        raise ModbusException(ILLEGAL_VALUE)
    address, count = _WORDS.unpack_from(request, 1)
    group = _group(address)
    if group.kind != "text":  # set values are written one by one
        raise ModbusException(ILLEGAL_FUNCTION)
    if group.write is None:
        raise ModbusException(ACCESS_DENIED)
    if request[5] != 2 * count or (address, count) != (group.start, group.count):
        raise ModbusException(ILLEGAL_VALUE)
    device.require_control(interface)
    device.setup.user_text = request[6:].rstrip(b"\0").decode("latin-1")
    return request[:5]


def _coil(request: bytes) -> tuple[Coil, int]:
    if len(request) != 5:
        raise ModbusException(ILLEGAL_VALUE)
    address, value = _WORDS.unpack_from(request, 1)
    coil = _COILS.get(address)
    if coil is None:
        raise ModbusException(ILLEGAL_FUNCTION if address in _GROUPS else ILLEGAL_ADDRESS)
    return coil, value


def _group(address: int) -> Group:
    group = _GROUPS.get(address)
    if group is None:
        raise ModbusException(ILLEGAL_FUNCTION if address in _COILS else ILLEGAL_ADDRESS)
    return group


def _text(text: str) -> bytes:
    return text.encode("latin-1", "replace")[: 2 * _TEXT_WORDS].ljust(2 * _TEXT_WORDS, b"\0")


def _actual(device: PsbDevice) -> bytes:
    actual = device.measure()
    return struct.pack(">3H", actual.voltage_raw, actual.current_raw, actual.power_raw)


def _ratings(device: PsbDevice) -> bytes:
    model = device.model
    least_ohm, most_ohm = model.resistance_ohm
    return struct.pack(">5f", model.rated_voltage_v, model.rated_current_a, model.rated_power_w, most_ohm, least_ohm)


def _write_set_value(device: PsbDevice, interface: Interface, at: int, value: int) -> None:
    device.write_set_value(SetValue(at), value, interface)


def _write_limit(device: PsbDevice, interface: Interface, at: int, value: int) -> None:
    if at not in LIMITS:
        raise ModbusException(ILLEGAL_ADDRESS)
    device.write_limit(at, value, interface)


def _write_restore(device: PsbDevice, interface: Interface, at: int, value: int) -> None:
    device.require_control(interface)
    if value not in (0xFFFF, 0xFFFE):
        raise ModbusException(ILLEGAL_VALUE)
    device.setup.restore_output = value == 0xFFFE


def _write_compliance(device: PsbDevice, interface: Interface, at: int, value: int) -> None:
    device.require_control(interface)
    if value not in (0, 1):
        raise ModbusException(ILLEGAL_VALUE)
    device.setup.full_compliance = value == 1


def _write_remote(device: PsbDevice, interface: Interface, on: bool) -> None:
    if on:
        device.take_control(interface)
    else:
        device.release_control(interface)


def _write_mode(device: PsbDevice, interface: Interface, on: bool) -> None:
    device.write_resistance_mode(on, interface)


def _acknowledge(device: PsbDevice, interface: Interface, on: bool) -> None:
    device.require_control(interface)
    if not on:
        raise ModbusException(ILLEGAL_VALUE)
    device.acknowledge()


def _threshold(start: int, which: Protection) -> Group:
    def write(device: PsbDevice, interface: Interface, at: int, value: int) -> None:
        device.write_threshold(which, value, interface)

    return Group(start, 1, "share", lambda device: struct.pack(">H", device.thresholds[which]), write)


_TABLE = (
    Group(0, 1, "u16", lambda device: b"\x00\x2c"),
    Group(1, _TEXT_WORDS, "text", lambda device: _text(device.model.name)),
    Group(21, _TEXT_WORDS, "text", lambda device: _text("EA Elektro-Automatik")),
    Group(121, 10, "float", _ratings),
    Group(151, _TEXT_WORDS, "text", lambda device: _text(device.model.serial)),
    Group(171, _TEXT_WORDS, "text", lambda device: _text(device.setup.user_text), lambda *_: None),
    Group(191, _TEXT_WORDS, "text", lambda device: _text("V2.31 (simulated)")),
    Group(211, _TEXT_WORDS, "text", lambda device: _text("V2.10 (simulated)")),
    Group(231, _TEXT_WORDS, "text", lambda device: _text("V1.06 (simulated)")),
    Group(408, 1, "u16", lambda d: b"\xff\xfe" if d.setup.restore_output else b"\xff\xff", _write_restore),
    Group(498, 7, "share", lambda device: struct.pack(">7H", *device.set_raw), _write_set_value),
    Group(505, 2, "u32", lambda device: struct.pack(">I", state_word(device))),
    Group(507, 3, "share", _actual),
    Group(520, 5, "u16", lambda device: struct.pack(">5H", *(device.alarm_counts[alarm] for alarm in ALARM_BITS))),
    _threshold(550, "OVP"),
    _threshold(553, "OCP"),
    _threshold(556, "OPP"),
    Group(9000, 10, "share", lambda device: struct.pack(">10H", *device.limit_raw), _write_limit),
    Group(10013, 1, "u16", lambda device: struct.pack(">H", device.setup.full_compliance), _write_compliance),
)
_GROUPS = {group.start + at: group for group in _TABLE for at in range(group.count)}
_COILS = {
    402: Coil(lambda device: device.owner is not None, _write_remote),
    405: Coil(lambda device: device.output_on, lambda device, interface, on: device.write_output(on, interface)),
    409: Coil(lambda device: device.resistance_mode, _write_mode),
    411: Coil(None, _acknowledge),
}
_FUNCTIONS: dict[int, Callable[[PsbDevice, Interface, bytes], bytes]] = {
    1: _read_coil,
    5: _write_coil,
    6: _write_register,
    16: _write_registers,
}
