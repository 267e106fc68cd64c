"""A device that has exactly the registers and bits of its map. Any other address gets exception 2."""

import asyncio
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from cycler.contract.register_map import MappedBit, MappedRegister, RegisterMap, RegisterType, WordOrder
from sims.faults import Faults
from sims.wire.modbus import DEVICE_FAILURE, ILLEGAL_ADDRESS, ILLEGAL_VALUE, MappedUnit, ModbusException
from sims.wire.modbus_map.plant import Plant

WATCHDOG = ("watchdog", None)

_PACKING: Mapping[RegisterType, struct.Struct] = {
    "i16": struct.Struct(">h"), "u16": struct.Struct(">H"),
    "i32": struct.Struct(">i"), "u32": struct.Struct(">I"), "f32": struct.Struct(">f"),
}  # fmt: skip
_SPANS = {"i16": (-0x8000, 0x7FFF), "u16": (0, 0xFFFF), "i32": (-(1 << 31), (1 << 31) - 1), "u32": (0, (1 << 32) - 1)}

Table = Literal["holding", "input"]


class Shown:
    """A number as its registers show it. Most stay for a while."""

    def __init__(self, register: MappedRegister, look: Callable[[], float], word_order: WordOrder) -> None:
        self._register = register
        self._look = look
        self._word_order = word_order
        self._value = math.nan
        self._words: Mapping[int, int] = {}

    def words(self) -> Mapping[int, int]:
        """By place."""
        value = self._look()
        if value != self._value:
            self._value = value
            self._words = _laid_out(self._register.address, _data(self._register, value), self._word_order)
        return self._words


class MappedDevice:
    """A `ModbusUnit`. Call `power_off` to take its timer off the loop."""

    def __init__(self, register_map: RegisterMap, plant: Plant, faults: Faults) -> None:
        self.watchdog_s = 0.0  # off, until a host sets it
        self._map = register_map
        self._plant = plant
        self._faults = faults
        self._unit = MappedUnit(self)
        self._registers: dict[tuple[int, int], MappedRegister] = {
            (register.function, place): register for register in register_map.registers for place in _places(register)
        }
        self._bits: dict[tuple[int, int], MappedBit] = {
            (bit.function, bit.address): bit for bit in register_map.bits if bit.bit is None
        }
        self._packed_bits: dict[tuple[int, int], list[MappedBit]] = {}
        for bit in register_map.bits:
            if bit.bit is not None:
                self._packed_bits.setdefault((bit.function, bit.address), []).append(bit)
        self._constants: dict[int, dict[int, int]] = {3: {}, 4: {}}
        for expected in register_map.expected:
            data = _packed(expected.type, expected.value)
            self._constants[expected.function] |= _laid_out(expected.address, data, register_map.word_order)
        self._shown: dict[tuple[int, int], Shown] = {}  # the numbers, by function and place
        for register in register_map.registers:
            shown = Shown(register, self._looking_at(register), register_map.word_order)
            for place in _places(register):
                if place not in self._constants[register.function] and (register.function, place) not in self._bits:
                    self._shown[register.function, place] = shown
        self._loop = asyncio.get_running_loop()
        self._heard_s = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    def respond(self, pdu: bytes) -> bytes:
        """Any request renews its watchdog."""
        self._heard_s = self._loop.time()
        if self._faults.strikes("exception"):
            return bytes((pdu[0] & 0x7F | 0x80, DEVICE_FAILURE))
        return self._unit.respond(pdu)

    def restart(self) -> None:
        """Power-cycle."""
        self.power_off()
        self.watchdog_s = 0.0

    def power_off(self) -> None:
        """Everything off."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._plant.all_off()

    # what `MappedUnit` asks for

    def read_words(self, table: Table, address: int, count: int) -> Sequence[int]:
        function = 3 if table == "holding" else 4
        found: list[int] = []
        last: Shown | None = None  # a number of two words is looked at once
        words: Mapping[int, int] = {}
        for place in range(address, address + count):
            shown = self._shown.get((function, place))
            if shown is None:
                found.append(self._word(function, place))
                continue
            if shown is not last:
                last, words = shown, shown.words()
            found.append(words[place])
        return found

    def write_words(self, address: int, words: Sequence[int]) -> None:
        given = dict(enumerate(words, address))
        found = [self._registers[3, place] for place in given if (3, place) in self._registers]
        registers = {register.key: register for register in found}
        switches = [self._bits[3, place] for place in given if (3, place) in self._bits]
        covered = {bit.address for bit in switches}.union(*map(_places, registers.values()))
        if covered != given.keys() or not all(map(self._can_be_set, registers.values())):
            raise ModbusException(ILLEGAL_ADDRESS)
        for register in registers.values():
            value = _value(register, [given[place] for place in _places(register)], self._map.word_order)
            if not math.isfinite(value):
                raise ModbusException(ILLEGAL_VALUE)
            self._set(register, value)
        for bit in switches:
            if given[bit.address] not in (bit.on, bit.off):
                raise ModbusException(ILLEGAL_VALUE)
            self._switch(bit, given[bit.address] == bit.on)

    def read_bits(self, table: Literal["coils", "discrete"], address: int, count: int) -> Sequence[bool]:
        function = 1 if table == "coils" else 2
        return [self._state(self._bit(function, place)) for place in range(address, address + count)]

    def write_bits(self, address: int, bits: Sequence[bool]) -> None:
        coils = [self._bit(1, place) for place in range(address, address + len(bits))]
        for coil, on in zip(coils, bits, strict=True):
            self._switch(coil, on)

    # the machinery

    def _bit(self, function: int, place: int) -> MappedBit:
        try:
            return self._bits[function, place]
        except KeyError:
            raise ModbusException(ILLEGAL_ADDRESS) from None

    def _word(self, function: int, place: int) -> int:
        """What is no number."""
        bit = self._bits.get((function, place))
        if bit is not None:
            return bit.on if self._state(bit) else bit.off
        if bits := self._packed_bits.get((function, place)):
            return sum(self._state(bit) << (bit.bit or 0) for bit in bits)
        try:
            return self._constants[function][place]
        except KeyError:
            raise ModbusException(ILLEGAL_ADDRESS) from None

    def _looking_at(self, register: MappedRegister) -> Callable[[], float]:
        if register.key == WATCHDOG:
            return lambda: self.watchdog_s
        return self._plant.number.get(register.key, float)

    def _can_be_set(self, register: MappedRegister) -> bool:
        return register.key == WATCHDOG or register.key in self._plant.set_number

    def _set(self, register: MappedRegister, value: float) -> None:
        if register.key == WATCHDOG:
            self.watchdog_s = value
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(self._heard_s + value, self._check_host) if value > 0.0 else None
        else:
            self._plant.set_number[register.key](value)

    def _state(self, bit: MappedBit) -> bool:
        look = self._plant.state.get(bit.key)
        return look is not None and look()

    def _switch(self, bit: MappedBit, on: bool) -> None:
        if bit.key not in self._plant.switch:
            raise ModbusException(ILLEGAL_ADDRESS)
        self._plant.switch[bit.key](on)

    def _check_host(self) -> None:
        due_s = self._heard_s + self.watchdog_s
        if self._loop.time() >= due_s:
            self._plant.all_off()
            due_s = self._loop.time() + self.watchdog_s
        self._timer = self._loop.call_at(due_s, self._check_host)


def _places(register: MappedRegister) -> range:
    return range(register.address, register.address + _PACKING[register.type].size // 2)


def _data(register: MappedRegister, value: float) -> bytes:
    """What it holds for a value: the nearest that it can, and of its broken values the first where there is none."""
    if not math.isfinite(value):
        none = math.nan if register.type == "f32" else _SPANS[register.type][1]
        return _packed(register.type, register.broken[0] if register.broken else none)
    return _packed(register.type, (value - register.offset) / register.scale)


def _packed(type_: RegisterType, raw: float) -> bytes:
    if type_ == "f32":
        return _PACKING[type_].pack(raw)
    low, high = _SPANS[type_]
    return _PACKING[type_].pack(min(max(round(raw), low), high))


def _value(register: MappedRegister, words: Sequence[int], word_order: str) -> float:
    ordered = words if word_order == "high-first" else words[::-1]
    (raw,) = _PACKING[register.type].unpack(struct.pack(f">{len(words)}H", *ordered))
    return float(raw) * register.scale + register.offset


def _laid_out(address: int, data: bytes, word_order: str) -> dict[int, int]:
    words = struct.unpack(f">{len(data) // 2}H", data)
    return dict(enumerate(words if word_order == "high-first" else words[::-1], address))
