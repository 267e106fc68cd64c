"""Numbers, temperatures and texts in registers: two words each, the low one first unless it is set otherwise."""

import math
import struct
from collections.abc import Callable

from cycler.contract.errors import ProtocolError
from drivers.links.modbus import Block, ModbusLink
from drivers.links.queue import Priority
from drivers.watlow_f4t import registers as reg

_FLOAT, _NUMBER, _WORDS = struct.Struct(">f"), struct.Struct(">H"), struct.Struct(">HH")
SMALLEST = 1e-30  # a number closer to 0 but not 0 is one whose words are swapped

Unless = Callable[[], bool]


class Access:
    """Temperatures are in degC here. The unit is asked for each time: it can be changed at the panel.

    A write that is no longer wanted (`unless`) raises `Withdrawn`.
    """

    def __init__(self, device: str, link: ModbusLink, *, unit_register: int, low_word_first: bool) -> None:
        self._device = device
        self._link = link
        self._unit_register = unit_register
        self._low_word_first = low_word_first
        self._blocks: dict[tuple[int, struct.Struct], Block] = {}

    async def number(self, address: int, priority: Priority) -> int:
        """An enumeration or a count."""
        (value,) = await self._link.read(self._block(address, _NUMBER), priority)
        return int(value)

    async def temperature_degc(self, address: int, priority: Priority) -> float:
        """Raises `ProtocolError` for what is no number."""
        value = await self.measured_degc(address, priority)
        if not math.isfinite(value):
            raise ProtocolError(self._device, f"registers {address}+2 hold {value:g}, expected a temperature")
        return value

    async def measured_degc(self, address: int, priority: Priority) -> float:
        """The same, where NaN and infinity are something that a sensor can show."""
        per_k, zero = await self._unit(priority)
        return (await self._float(address, priority) - zero) / per_k

    async def rate_k_per_min(self, address: int, priority: Priority) -> float:
        """A ramp's, in degrees a minute there."""
        per_k, _ = await self._unit(priority)
        return await self._float(address, priority) / per_k

    async def write_number(self, address: int, value: int, priority: Priority, *, unless: Unless | None = None) -> None:
        """Into the first of the two registers."""
        await self._link.write_register(address, value, priority, unless=unless)

    async def write_temperature(self, address: int, degc: float, *, unless: Unless) -> None:
        """Both words at once."""
        per_k, zero = await self._unit(Priority.ORDER)
        await self._write_float(address, degc * per_k + zero, unless)

    async def write_rate(self, address: int, k_per_min: float, *, unless: Unless) -> None:
        """Both words at once."""
        per_k, _ = await self._unit(Priority.ORDER)
        await self._write_float(address, k_per_min * per_k, unless)

    async def part_number(self) -> str:
        """What is no text in it is shown as a question mark."""
        words = await self._link.read(reg.PART_NUMBER, Priority.ORDER)
        text = bytes(word if 0 <= word < 0x80 else ord("?") for word in words)
        return text.split(b"\0", 1)[0].decode("ascii").strip()

    async def _unit(self, priority: Priority) -> tuple[float, float]:
        """How many of its degrees are a kelvin, and where they have the freezing point of water."""
        code = await self.number(self._unit_register, priority)
        if code == reg.CELSIUS:
            return 1.0, 0.0
        if code == reg.FAHRENHEIT:
            return 1.8, 32.0
        expected = f"{reg.CELSIUS} (degC) or {reg.FAHRENHEIT} (degF)"
        raise ProtocolError(self._device, f"register {self._unit_register} holds unit {code}, expected {expected}")

    async def _float(self, address: int, priority: Priority) -> float:
        first, second = await self._link.read(self._block(address, _WORDS), priority)
        value = from_words(first, second, low_word_first=self._low_word_first)
        if 0.0 < abs(value) < SMALLEST:
            order = "low word first" if self._low_word_first else "high word first"
            raise ProtocolError(
                self._device, f"registers {address}+2 hold {first:04X} {second:04X}: no number with the {order}"
            )
        return value

    async def _write_float(self, address: int, value: float, unless: Unless) -> None:
        words = to_words(value, low_word_first=self._low_word_first)
        await self._link.write_registers(address, words, Priority.ORDER, unless=unless)

    def _block(self, address: int, layout: struct.Struct) -> Block:
        return self._blocks.setdefault((address, layout), Block(address, layout))


def to_words(value: float, *, low_word_first: bool) -> tuple[int, int]:
    """A float of 32 bits as two registers. Raises `OverflowError` for one that is too large."""
    high, low = _WORDS.unpack(_FLOAT.pack(value))
    return (low, high) if low_word_first else (high, low)


def from_words(first: int, second: int, *, low_word_first: bool) -> float:
    """Two registers as a float."""
    high, low = (second, first) if low_word_first else (first, second)
    value: float = _FLOAT.unpack(_WORDS.pack(high, low))[0]
    return value
