"""The two states in which the output is ever on, as settings that are written together and read back one by one."""

from collections.abc import Sequence
from dataclasses import dataclass

from drivers.keithley_2450 import commands as cmd
from drivers.keithley_2450.declaration import Scale

LEVEL, LIMIT = ":SOUR:VOLT", ":SOUR:VOLT:ILIM"


@dataclass(frozen=True, slots=True)
class Word:
    """A setting that is one of some words. What is read back may be longer, like `"VOLT:DC"`."""

    header: str
    value: str

    def confirms(self, text: str) -> bool:
        """Whether this, read back, is what was set."""
        return text.strip('"').upper().removesuffix(":DC") == self.value.strip('"')


@dataclass(frozen=True, slots=True)
class Number:
    """A setting in V or A. What is read back may be beside it by half a step of the device."""

    header: str
    number: float
    tolerance: float

    @property
    def value(self) -> str:
        """As it is written."""
        return f"{self.number:.9g}"

    def confirms(self, text: str) -> bool:
        """Whether this, read back, is what was set."""
        found = _float(text)
        return found is not None and abs(found - self.number) <= self.tolerance


@dataclass(frozen=True, slots=True)
class Range:
    """A setting for which the device takes the lowest of its ranges that holds the value."""

    header: str
    number: float

    @property
    def value(self) -> str:
        """As it is written."""
        return f"{self.number:.9g}"

    def confirms(self, text: str) -> bool:
        """Whether this, read back, holds the value."""
        found = _float(text)
        return found is not None and found * cmd.OVER_RANGE >= self.number


Setting = Word | Number | Range


def open_circuit(scale: Scale) -> Sequence[Setting]:
    """0 A on the lowest range, four wires: only a voltage is measured.

    Its voltage limit lies above every cell of the channel, so it drives nothing into any of them or out of it.
    """
    return (
        Word(":ROUT:TERM", scale.terminals),  # FF
        Word(":OUTP:CURR:SMOD", cmd.HIGH_IMPEDANCE),  # FF
        Word(":SOUR:FUNC", "CURR"),  # FF
        Word(":SENS:FUNC", '"VOLT"'),  # FF
        Word(":SENS:VOLT:RSEN", "1"),  # FF
        Number(":SOUR:CURR", 0.0, 1e-12),  # FF
        Number(":SOUR:CURR:RANG", cmd.OPEN_CIRCUIT_RANGE_A, 1e-9),  # FF
        Number(":SOUR:CURR:VLIM", scale.voltage_v_max, scale.voltage_step_v),  # FF
        Range(":SENS:VOLT:RANG", scale.voltage_v_max),  # FF
    )


def driving(scale: Scale, *own: Setting) -> Sequence[Setting]:
    """A voltage source with a current limit, four wires: what both directions have in common, and an order's own.

    V: the maker's way to charge and to discharge. The voltage is the clamp of either, and the limit holds both ways: a
    current source with a voltage limit would pull whatever it can out of a cell above that limit.
    """
    return (
        Word(":ROUT:TERM", scale.terminals),
        Word(":OUTP:VOLT:SMOD", cmd.HIGH_IMPEDANCE),
        Word(":SOUR:FUNC", "VOLT"),
        Word(":SENS:FUNC", '"CURR"'),
        Word(":SENS:CURR:RSEN", "1"),
        Word(":SOUR:VOLT:READ:BACK", "1"),  # K: else a reading has the voltage that was set, not the one there is
        Range(":SOUR:VOLT:RANG", scale.voltage_v_max),
        *own,
        # Behind the limit: V, one that is too small for the range would be raised by the device.
        Range(":SENS:CURR:RANG", scale.current_a_max),
    )


def level_and_limit(scale: Scale, level_v: float, limit_a: float) -> tuple[Number, Number]:
    """What tells one order from another."""
    return Number(LEVEL, level_v, scale.voltage_step_v), Number(LIMIT, limit_a, scale.current_step_a)


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
