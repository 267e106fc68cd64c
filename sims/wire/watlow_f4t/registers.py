"""The controller as Modbus registers, data map 1. Every parameter has two; a number sits in the first of them.

Reads may begin and end anywhere between parameters that are there; a write gives a float both of its words at once, and
a number one.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sims.wire.modbus import DEVICE_FAILURE, ILLEGAL_ADDRESS, ILLEGAL_VALUE, ModbusException
from sims.wire.watlow_f4t.device import F4tDevice, Refused, Unit

ON, OFF = 63, 62
UNIT_CODES: Mapping[Unit, int] = {"C": 15, "F": 30}
PART_NUMBER, PART_NUMBER_WORDS = 16, 15
POINTS, POINT_STEP, MODULE_STEP, MODULES = 33718, 40, 240, 6
EVENTS = (16594, 16596, 16598, 16600, 16822, 16824, 16826, 16828)
MINUTES, HOURS = 57, 39
COMMANDS: Mapping[tuple[int, int], Literal["start", "pause", "resume", "terminate"]] = {
    (16562, 1782): "start",
    (16564, 147): "resume",
    (16566, 146): "pause",
    (16566, 148): "terminate",
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """Where `read` or `write` is None, it cannot be done."""

    kind: Literal["float", "number"]
    read: Callable[[], float] | None
    write: Callable[[float], None] | None = None


class F4tRegisters:
    """A `RegisterMap`: what one port shows, in the unit that is set for that port."""

    def __init__(self, device: F4tDevice, port: Literal["tcp", "rtu"]) -> None:
        self._device = device
        self._port = port
        self._parameters = self._common() | (self._cascade() if device.setup.is_cascade else self._loop())

    def read_words(self, table: Literal["holding", "input"], address: int, count: int) -> Sequence[int]:
        """Both tables show the same."""
        self._fail_where_it_fails()
        words = self._words(address, count)
        return words[address % 2 :][:count]

    def write_words(self, address: int, words: Sequence[int]) -> None:
        self._fail_where_it_fails()
        left = list(words)
        while left:
            parameter = self._parameters.get(address)
            if parameter is None or parameter.write is None:
                raise ModbusException(ILLEGAL_ADDRESS)
            try:
                if parameter.kind == "number":
                    parameter.write(left.pop(0))
                elif len(left) == 1:
                    raise ModbusException(ILLEGAL_VALUE)
                else:
                    parameter.write(self._float(left.pop(0), left.pop(0)))
            except Refused:
                raise ModbusException(ILLEGAL_VALUE) from None
            address += 2
            if left and parameter.kind == "number":
                raise ModbusException(ILLEGAL_VALUE)

    def read_bits(self, table: Literal["coils", "discrete"], address: int, count: int) -> Sequence[bool]:
        """It has none."""
        raise ModbusException(ILLEGAL_ADDRESS)

    def write_bits(self, address: int, bits: Sequence[bool]) -> None:
        """It has none."""
        raise ModbusException(ILLEGAL_ADDRESS)

    def _fail_where_it_fails(self) -> None:
        if self._device.faults.strikes("exception"):
            raise ModbusException(DEVICE_FAILURE)

    def _words(self, address: int, count: int) -> list[int]:
        """From the even address at or before `address` on."""
        words: list[int] = []
        at = address - address % 2
        while at < address + count:
            words += self._pair(at)
            at += 2
        return words

    def _pair(self, address: int) -> Sequence[int]:
        text = self._device.setup.part_number.ljust(PART_NUMBER_WORDS + 1, "\0")
        if PART_NUMBER <= address < PART_NUMBER + PART_NUMBER_WORDS:
            return [ord(character) for character in text[address - PART_NUMBER :][:2]]
        parameter = self._parameters.get(address)
        if parameter is None or parameter.read is None:
            is_point = (
                POINTS <= address < POINTS + MODULES * MODULE_STEP
                and (address - POINTS) % MODULE_STEP % POINT_STEP == 0
            )
            raise ModbusException(DEVICE_FAILURE if is_point else ILLEGAL_ADDRESS)
        if parameter.kind == "number":
            return (int(parameter.read()), 0)
        high, low = struct.unpack(">HH", struct.pack(">f", parameter.read()))
        return (low, high) if self._low_word_first else (high, low)

    def _float(self, first: int, second: int) -> float:
        high, low = (second, first) if self._low_word_first else (first, second)
        value: float = struct.unpack(">f", struct.pack(">HH", high, low))[0]
        return value

    @property
    def _low_word_first(self) -> bool:
        return self._device.setup.low_word_first is not self._device.faults.strikes("word-order")

    def _common(self) -> dict[int, Parameter]:
        device = self._device
        return {
            **{1356 + 100 * place: self._listed(device.alarms, place) for place in range(len(device.alarms))},
            **{address: self._event(number) for number, address in enumerate(EVENTS, 1)},
            6730: self._unit("tcp"),
            14080: self._unit("rtu"),
            6844: Parameter("number", lambda: ON if device.key_down else OFF),
            6850: Parameter("number", None, self._press),
            11250: self._listed(device.limit_module, 0),
            11264: self._listed(device.limit_module, 1),
            11288: self._listed(device.limit_module, 2),
            16558: self._kept("profile_number"),
            16560: self._kept("profile_step"),
            **{address: self._commands(address) for address, _ in COMMANDS},
            16568: Parameter("number", lambda: device.profile),
            POINTS: Parameter("number", lambda: ON if device.is_running else OFF),
        }

    def _loop(self) -> dict[int, Parameter]:
        device, base = self._device, 160 * (self._device.setup.number - 1)
        return {
            base + 2730: Parameter("number", lambda: device.mode, lambda value: device.write_mode(int(value))),
            base + 2774: self._limit("low"),
            base + 2776: self._limit("high"),
            base + 2782: self._set_point(),
            base + 2794: Parameter(
                "number", lambda: device.ramp_action, lambda value: device.write_ramp_action(int(value))
            ),
            base + 2796: Parameter("number", lambda: HOURS if device.ramp_in_hours else MINUTES, self._scale),
            base + 2798: Parameter(
                "float",
                lambda: device.ramp_k * self._degrees,
                lambda value: device.write_ramp_rate(value / self._degrees),
            ),
            base + 2808: Parameter("float", lambda: 30.0 if device.conditions else 0.0),
            base + 2810: self._temperature(device.active_degc),
            base + 2814: Parameter("number", lambda: device.active_mode),
            base + 2820: self._temperature(device.process_degc),
        }

    def _cascade(self) -> dict[int, Parameter]:
        device, base = self._device, 200 * (self._device.setup.number - 1)
        return {
            base + 4010: Parameter("number", lambda: device.mode, lambda value: device.write_mode(int(value))),
            base + 4012: Parameter("number", lambda: device.active_mode),
            base + 4034: self._limit("low"),
            base + 4036: self._limit("high"),
            base + 4042: self._set_point(),
            base + 4180: self._temperature(device.process_degc),
            base + 4182: self._temperature(device.process_degc),
            base + 4188: self._temperature(device.active_degc),
            base + 4190: self._temperature(device.active_degc),
        }

    def _listed(self, values: list[int], place: int) -> Parameter:
        return Parameter("number", lambda: values[place])

    def _kept(self, name: Literal["profile_number", "profile_step"]) -> Parameter:
        return Parameter("number", None, lambda value: setattr(self._device, name, int(value)))

    def _event(self, number: int) -> Parameter:
        def write(value: float) -> None:
            if value not in (ON, OFF):
                raise Refused
            self._device.write_event(number, value == ON)

        return Parameter("number", lambda: ON if self._device.events[number - 1] else OFF, write)

    def _press(self, value: float) -> None:
        if value not in (1457, 1456):
            raise Refused
        self._device.press_key(value == 1457)

    def _unit(self, port: Literal["tcp", "rtu"]) -> Parameter:
        def read() -> float:
            return UNIT_CODES[self._device.setup.unit_tcp if port == "tcp" else self._device.setup.unit_rtu]

        def write(value: float) -> None:
            units = {code: unit for unit, code in UNIT_CODES.items()}
            if value not in units:
                raise Refused
            setattr(self._device.setup, f"unit_{port}", units[int(value)])

        return Parameter("number", read, write)

    def _scale(self, value: float) -> None:
        if value not in (MINUTES, HOURS):
            raise Refused
        self._device.ramp_in_hours = value == HOURS

    def _commands(self, address: int) -> Parameter:
        def write(value: float) -> None:
            if (address, int(value)) not in COMMANDS:
                raise Refused
            self._device.command_profile(COMMANDS[address, int(value)])

        return Parameter("number", None, write)

    def _set_point(self) -> Parameter:
        return self._temperature(lambda: self._device.set_point_degc, self._device.write_set_point)

    def _limit(self, side: Literal["low", "high"]) -> Parameter:
        def write(degc: float) -> None:
            self._device.write_limit(side, degc)

        return self._temperature(lambda: self._device.limits_degc[side == "high"], write)

    def _temperature(self, read: Callable[[], float], write: Callable[[float], None] | None = None) -> Parameter:
        def shown() -> float:
            return read() * self._degrees + self._zero

        if write is None:
            return Parameter("float", shown)
        return Parameter("float", shown, lambda value: write((value - self._zero) / self._degrees))

    @property
    def _is_fahrenheit(self) -> bool:
        setup = self._device.setup
        return (setup.unit_tcp if self._port == "tcp" else setup.unit_rtu) == "F"

    @property
    def _degrees(self) -> float:
        return 1.8 if self._is_fahrenheit else 1.0

    @property
    def _zero(self) -> float:
        return 32.0 if self._is_fahrenheit else 0.0
