"""The module as coils, discrete inputs and registers. A request that touches any other address gets exception 2."""

import struct
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Literal

from sims.wire.modbus import DEVICE_FAILURE, ILLEGAL_ADDRESS, ILLEGAL_VALUE, MappedUnit, ModbusException
from sims.wire.moxa_iologik.device import RANGE_MA, IologikDevice

RAW_MAX = 65535
OUTPUTS, INPUTS, COUNTS = 0x0020, 0x0030, 0x0010
MODEL, UP_TIME, MAC, NAME = 5000, 5020, 5024, 5040
MODES = (1, 2, 4)  # 4-20 mA, 0-20 mA, 4-20 mA with burn-out

FIXED: Mapping[int, bytes] = {
    5027: bytes((192, 168, 127, 254)),  # IP address as it leaves the factory
    5029: bytes((3, 1, 0, 0)),  # firmware
    5031: bytes((0x25, 0x01, 0x01, 0x10)),  # build
}


class IologikUnit:
    """A `ModbusUnit`: every request renews the host watchdog."""

    def __init__(self, device: IologikDevice) -> None:
        self._device = device
        self._mapped = MappedUnit(IologikRegisters(device))

    def respond(self, pdu: bytes) -> bytes:
        self._device.heard()
        if self._device.faults.strikes("exception"):
            return bytes((pdu[0] & 0x7F | 0x80, DEVICE_FAILURE))
        return self._mapped.respond(pdu)


class IologikRegisters:
    """A `RegisterMap`."""

    def __init__(self, device: IologikDevice) -> None:
        self._device = device
        self._status_table = "discrete" if device.setup.newer else "coils"
        self._analogue = range(device.channels.analogue)

    def read_words(self, table: Literal["holding", "input"], address: int, count: int) -> Sequence[int]:
        image = self._holding() if table == "holding" else self._input()
        return _span(image, address, count)

    def write_words(self, address: int, words: Sequence[int]) -> None:
        _span(self._holding(), address, len(words))
        for place, word in enumerate(words, address):
            self._write_word(place, word)

    def read_bits(self, table: Literal["coils", "discrete"], address: int, count: int) -> Sequence[bool]:
        return [self._bit(table, place) for place in range(address, address + count)]

    def write_bits(self, address: int, bits: Sequence[bool]) -> None:
        self.read_bits("coils", address, len(bits))
        for place, bit in enumerate(bits, address):
            self._write_coil(place & 0xFFF0, place & 0xF, bit)

    def _bit(self, table: str, address: int) -> bool:
        device, base, channel = self._device, address & 0xFFF0, address & 0xF
        inputs, outputs = device.shown()
        if table == "discrete" and base == 0x0000 and channel in inputs:
            return inputs[channel]
        if table == self._status_table:
            if base == 0x1000 and (channel in inputs or channel in outputs):
                return False  # nobody has set up peer-to-peer
            if base == 0x1010 and channel in outputs:
                return channel in device.safe
        if table == "coils":
            if channel in outputs and base in (0x0000, 0x0010, 0x1020):
                return {0x0000: outputs, 0x0010: device.pulses}.get(base, {}).get(channel, False)
            if channel in inputs and base in (0x0100, 0x0110):
                return base == 0x0100 and device.counting[channel]
            if address == 0x1030:
                return False
        raise ModbusException(ILLEGAL_ADDRESS)

    def _write_coil(self, base: int, channel: int, on: bool) -> None:
        device = self._device
        match base:
            case 0x0000:
                device.command({channel: on})
            case 0x0010:
                device.pulses[channel] = on
            case 0x0100:
                device.counting[channel] = on
            case 0x0110 if on:
                device.counts[channel] = 0
            case 0x1020 if on:
                device.leave_safe_status(channel)
            case 0x1030 if on:
                device.clear_watchdog_alarm()
            case 0x0110:
                raise ModbusException(ILLEGAL_VALUE)
            case 0x1020 | 0x1030:
                pass  # only a 1 does anything
            case _:
                raise ModbusException(ILLEGAL_ADDRESS)

    def _input(self) -> Mapping[int, int]:
        device = self._device
        inputs, _ = device.shown()
        raws, currents, states, _, _ = device.channels.current_table
        image = dict(_fixed(device.setup.mac, device.setup.model, device.setup.newer))
        image |= {raws + channel: self._raw(channel) for channel in self._analogue}
        image |= {states + channel: device.current_state(channel) for channel in self._analogue}
        image |= _words(currents, struct.pack(f">{len(self._analogue)}f", *device.current_ma))
        if inputs:
            image[INPUTS] = _packed(inputs)
        for channel, count in device.counts.items():
            image |= _words(COUNTS + 2 * channel, count.to_bytes(4, "big"))
        image |= _words(UP_TIME, device.up_s.to_bytes(4, "big"))
        return image

    def _holding(self) -> Mapping[int, int]:
        device = self._device
        _, outputs = device.shown()
        _, _, _, modes, burn_outs = device.channels.current_table
        image = {modes + channel: device.current_modes[channel] for channel in self._analogue}
        image |= _words(burn_outs, struct.pack(f">{len(self._analogue)}f", *device.burn_out_ma))
        if outputs:
            image[OUTPUTS] = _packed(outputs)
        return image

    def _write_word(self, address: int, word: int) -> None:
        device = self._device
        _, _, _, modes, burn_outs = device.channels.current_table
        if address == OUTPUTS and device.outputs:
            device.command({channel: bool(word >> channel & 1) for channel in device.outputs})
        elif address - modes in self._analogue:
            if word not in MODES:
                raise ModbusException(ILLEGAL_VALUE)
            device.current_modes[address - modes] = word
        else:
            channel, low = divmod(address - burn_outs, 2)
            words = list(struct.unpack(">2H", struct.pack(">f", device.burn_out_ma[channel])))
            words[low] = word
            (device.burn_out_ma[channel],) = struct.unpack(">f", struct.pack(">2H", *words))

    def _raw(self, channel: int) -> int:
        device = self._device
        low_ma = 0.0 if device.current_modes[channel] == 2 else RANGE_MA[0]
        share = (device.current_ma[channel] - low_ma) / (RANGE_MA[1] - low_ma)
        return round(RAW_MAX * min(max(share, 0.0), 1.0))


@cache
def _fixed(mac: str, model: str, newer: bool) -> Mapping[int, int]:
    """The input registers that say who it is."""
    image = _words(MAC, bytes.fromhex(mac))
    for address, data in FIXED.items():
        image |= _words(address, data)
    if newer:
        image |= _words(MODEL, model.encode().ljust(20, b"\0"))
        image |= _words(NAME, b"ioLogik (simulated)".ljust(60, b"\0"))
    return image


def _span(image: Mapping[int, int], address: int, count: int) -> list[int]:
    try:
        return [image[place] for place in range(address, address + count)]
    except KeyError:
        raise ModbusException(ILLEGAL_ADDRESS) from None


def _packed(lines: Mapping[int, bool]) -> int:
    return sum(on << channel for channel, on in lines.items())


def _words(address: int, data: bytes) -> dict[int, int]:
    return dict(enumerate(struct.unpack(f">{len(data) // 2}H", data), address))
