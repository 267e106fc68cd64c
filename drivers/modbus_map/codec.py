"""From raw registers to values in SI units and back: type, word order, scale and offset of one register."""

import math
import struct
from collections.abc import Mapping
from typing import Any, Literal

from cycler.contract.register_map import MappedRegister, RegisterType, WordOrder

Rounding = Literal["nearest", "down", "up"]

_FORMATS: Mapping[RegisterType, str] = {"i16": "h", "u16": "H", "i32": "i", "u32": "I", "f32": "f"}
READ_BACK_RATIO = 1e-3  # of a value: devices keep fewer digits than their registers
ON_STEP = 1e-6  # of a step: a value that lies on one must not be rounded away from it
_FLOAT = struct.Struct(">f")
_FLOAT_AS_INT = struct.Struct(">I")
_SIGN = 1 << 31


class RawCodec:
    """A register without its scale. `layout` is its part of a block's `struct`; `raw` understands what that gives."""

    def __init__(self, type_: RegisterType, word_order: WordOrder) -> None:
        self._format = struct.Struct(f">{_FORMATS[type_]}")
        self._is_swapped = word_order == "low-first" and self._format.size == 4
        self.is_float = type_ == "f32"
        self.words = self._format.size // 2
        self.layout = "4s" if self._is_swapped else _FORMATS[type_]

    def raw(self, unpacked: Any) -> float:
        """The number that the register holds."""
        if self._is_swapped:
            (number,) = self._format.unpack(unpacked[2:] + unpacked[:2])
            return float(number)
        return float(unpacked)

    def registers(self, raw: float) -> tuple[int, ...]:
        """As they are written. Raises `ValueError` for what does not fit."""
        try:
            data = self._format.pack(raw if self.is_float else int(raw))
        except (struct.error, OverflowError):
            raise ValueError(f"{raw:g} does not fit into the register") from None
        words = struct.unpack(f">{self.words}H", data)
        return words[::-1] if self._is_swapped else words


class Codec:
    """A register with its scale: `value = raw × scale + offset`."""

    def __init__(self, register: MappedRegister, word_order: WordOrder) -> None:
        self.raw_codec = RawCodec(register.type, word_order)
        self._register = register

    def value(self, unpacked: Any) -> float:
        """In the register's base unit; NaN for what stands for none."""
        raw = self.raw_codec.raw(unpacked)
        return math.nan if not math.isfinite(raw) or raw in self._register.broken else self._scaled(raw)

    def registers(self, value: float, rounding: Rounding) -> tuple[int, ...]:
        """Raises `ValueError` for what does not fit, or stands for none."""
        raw = self._raw(value, rounding)
        if raw in self._register.broken:
            raise ValueError(f"{value:g} would be written as {raw:g}, which stands for no value")
        return self.raw_codec.registers(raw)

    def held(self, value: float, rounding: Rounding) -> float:
        """The value that the register can hold instead. Raises `ValueError`."""
        return self._scaled(self._raw(value, rounding))

    def confirms(self, found: float, ordered: float) -> bool:
        """Whether this, read back, is what was ordered: up to one step of the register, or a thousandth."""
        step = 0.0 if self.raw_codec.is_float else abs(self._register.scale)
        return abs(found - ordered) <= max(step, READ_BACK_RATIO * abs(ordered))

    def _scaled(self, raw: float) -> float:
        return raw * self._register.scale + self._register.offset

    def _raw(self, value: float, rounding: Rounding) -> float:
        raw = (value - self._register.offset) / self._register.scale
        if not math.isfinite(raw):
            raise ValueError(f"{value:g} is no value")
        if rounding != "nearest" and self._register.scale < 0.0:
            rounding = "up" if rounding == "down" else "down"
        if self.raw_codec.is_float:
            return _float32(raw, rounding)
        if rounding == "nearest":
            return round(raw)
        return math.floor(raw + ON_STEP) if rounding == "down" else math.ceil(raw - ON_STEP)


def _float32(raw: float, rounding: Rounding) -> float:
    """Raises `ValueError` for what is too large."""
    try:
        (nearest,) = _FLOAT.unpack(_FLOAT.pack(raw))
    except OverflowError:
        raise ValueError(f"{raw:g} does not fit into the register") from None
    if rounding == "nearest" or nearest == raw or (nearest < raw) == (rounding == "down"):
        return float(nearest)
    beyond = _neighbour(nearest, 1 if rounding == "up" else -1)
    if not math.isfinite(beyond):
        raise ValueError(f"{raw:g} does not fit into the register")
    return beyond


def _neighbour(value: float, step: int) -> float:
    """The bits of floats are in the order of their magnitudes."""
    (bits,) = _FLOAT_AS_INT.unpack(_FLOAT.pack(value))
    rank = (bits if bits < _SIGN else _SIGN - bits) + step
    (beyond,) = _FLOAT.unpack(_FLOAT_AS_INT.pack(rank if rank >= 0 else _SIGN - rank))
    return float(beyond)
