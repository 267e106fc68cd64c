"""Quantities as people write them, and as numbers. The units are closed lists: what is not here is refused.

A quantity keeps its kind: C-rates and percentages stay what they are until a cell type gives them a base.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from math import inf, isfinite

from cycler.recipe.problems import MistakeError, nearest, shown

_UNITS: Mapping[str, tuple[str, str]] = {
    "V": ("V", "1"), "mV": ("V", "1e-3"), "A": ("A", "1"), "mA": ("A", "1e-3"), "W": ("W", "1"), "kW": ("W", "1e3"),
    "Wh": ("Wh", "1"), "Ah": ("Ah", "1"), "mAh": ("Ah", "1e-3"),
    "Ohm": ("Ohm", "1"), "mOhm": ("Ohm", "1e-3"), "kOhm": ("Ohm", "1e3"),
    "s": ("s", "1"), "min": ("s", "60"), "h": ("s", "3600"), "d": ("s", "86400"),
    "degC": ("degC", "1"), "%": ("%", "1"), "kPa": ("kPa", "1"), "kN": ("kN", "1"),
    "g": ("kg", "1e-3"), "kg": ("kg", "1"), "Hz": ("Hz", "1"), "kHz": ("Hz", "1e3"), "C": ("C", "1"),
}  # fmt: skip
"""Each unit with its base unit and how many of those it is."""

_TIMES = {name: scale for name, (base, scale) in _UNITS.items() if base == "s"}
_RATED = {"V": ("V", "1"), "mV": ("V", "1e-3"), "A": ("A", "1"), "mA": ("A", "1e-3"), "K": ("K", "1"), "": ("", "1")}
_RATES: Mapping[str, tuple[str, Decimal]] = {
    f"{name}/{time}": (f"{base}/s", Decimal(scale) / Decimal(_TIMES[time]))
    for name, (base, scale) in _RATED.items()
    for time in _TIMES
}
"""`mV/min`, `A/s`, `K/min`, `/h`."""

SCALES: Mapping[str, tuple[str, Decimal]] = {
    **{name: (base, Decimal(scale)) for name, (base, scale) in _UNITS.items()},
    **_RATES,
}

_NOUNS = {
    "V": "a voltage", "A": "a current", "W": "a power", "Wh": "an energy", "Ah": "a charge", "Ohm": "a resistance",
    "s": "a time", "degC": "a temperature", "%": "a percentage", "kPa": "a pressure", "kN": "a force", "kg": "a mass",
    "Hz": "a frequency",
    "C": "a C-rate", "V/s": "a voltage rate", "A/s": "a current rate", "K/s": "a temperature rate", "/s": "a rate",
}  # fmt: skip

_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "V": ("V", "mV"), "A": ("A", "mA"), "W": ("kW", "W"), "Ah": ("Ah", "mAh"), "Ohm": ("Ohm", "mOhm"),
    "Hz": ("kHz", "Hz"), "s": ("h", "min", "s"),
    "V/s": ("V/s", "V/min", "mV/min", "V/h", "mV/h"), "A/s": ("A/s", "A/min", "mA/min"),
    "K/s": ("K/s", "K/min", "K/h"), "/s": ("/s", "/min", "/h"),
}  # fmt: skip
"""How a number is written back: in the first unit in which it is short and not below 1, else in the base unit."""

NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?"
_QUANTITY = re.compile(rf"({NUMBER})\s*(\S.*)?", re.ASCII)
_C_DIVIDED = re.compile(rf"([+-]?)C\s*/\s*({NUMBER})", re.ASCII)
_MEANT = {"°C": "degC", "℃": "degC", "K": "degC", "Ω": "Ohm", "mΩ": "mOhm", "kΩ": "kOhm", "ohm": "Ohm", "hour": "h"}
_KELVIN_MIN = 200.0
"""More kelvins than this are a temperature, fewer a difference of two."""
_TEXT_MAX = 64


@dataclass(frozen=True, slots=True)
class Quantity:
    """A finite number of a base unit: V A W Wh Ah Ohm s degC % kPa kN kg Hz, V/s A/s K/s /s, or C for a C-rate.

    A plain number, as variables may be, has the unit "".
    """

    number: float
    unit: str

    def __str__(self) -> str:
        """As people write it; `parse_quantity` gives the same quantity back, to the last bit."""
        return _text(self.number, self.unit)


def parse_quantity(text: str, units: Collection[str]) -> Quantity:
    """A quantity in one of these base units. Raises `MistakeError`."""
    text = text.strip()
    if len(text) > _TEXT_MAX:
        raise MistakeError("quantity", f"{shown(text)} is too long for a quantity")
    divided = _C_DIVIDED.fullmatch(text)
    if divided is not None:
        return _c_divided(text, divided.group(2), units, sign=-1.0 if divided.group(1) == "-" else 1.0)
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise _not_a_number(text, units)
    number, unit = match.group(1), match.group(2)
    if unit is None:
        example = "C/2" if "C" in units and "A" not in units else _joined(number, _example_unit(units))
        raise MistakeError("no-unit", f"{number} has no unit", f"write {example}")
    unit = "/".join(part.strip() for part in unit.split("/"))
    if unit not in SCALES:
        if unit[0] == ",":
            raise MistakeError("decimal-comma", f"{shown(text)} has a decimal comma", f"write {text.replace(',', '.')}")
        if unit in _MEANT:
            if unit == "K" and float(number) > _KELVIN_MIN:
                number = f"{float(number) - 273.15:.2f}".rstrip("0").rstrip(".")
            kind = "a difference is written " if unit == "K" and number == match.group(1) else "write "
            raise MistakeError("unit", f"{shown(unit)} is no unit", f"{kind}{number} {_MEANT[unit]}")
        raise MistakeError("unit", f"{shown(unit)} is no unit", nearest(unit, _spelt(units)))
    base = SCALES[unit][0]
    if base not in units:
        hint = f"write {number} degC" if unit == "C" and "degC" in units else f"units: {', '.join(_spelt(units))}"
        raise MistakeError("unit", f"{shown(text)} is {_NOUNS[base]}, not {_wanted(units)}", hint)
    value = _value(number, unit)
    if not isfinite(value):
        raise MistakeError("quantity", f"{shown(text)} is too large")
    return Quantity(value, base)


@lru_cache(maxsize=4096)
def _text(number: float, unit: str) -> str:
    if unit == "C":
        return _c_rate_text(number)
    exact = Decimal(repr(number))
    for spelling in _SPELLINGS.get(unit, ()):
        text = _short(exact, SCALES[spelling][1])
        if abs(Decimal(text)) >= 1 and _value(text, spelling) == number:
            return _joined(text, spelling)
    return _joined(_plain(exact), unit)


def _c_divided(text: str, divisor: str, units: Collection[str], *, sign: float) -> Quantity:
    if "C" not in units:
        raise MistakeError(
            "unit", f"{shown(text)} is a C-rate, not {_wanted(units)}", f"units: {', '.join(_spelt(units))}"
        )
    rate = 1 / float(divisor) if float(divisor) > 0 else 0.0
    if not 0 < rate < inf:
        raise MistakeError("quantity", f"{shown(text)} divides by nothing that makes sense", "write it like C/20")
    return Quantity(sign * rate, "C")


def _not_a_number(text: str, units: Collection[str]) -> MistakeError:
    example = f"write it like {_joined('1', _example_unit(units))}"
    if not text:
        return MistakeError("quantity", f"nothing is written where {_wanted(units)} is due", example)
    word = text.split(maxsplit=1)[0].lstrip("+-.").lower()
    if word.startswith(("nan", "inf")):
        return MistakeError("not-finite", f"{shown(text)} is no value: it must be a finite number", example)
    return MistakeError("quantity", f"{shown(text)} is no quantity, {_wanted(units)} is due", example)


def _value(number: str, unit: str) -> float:
    """Exact in decimals, rounded once. -0 becomes 0."""
    if "/" in unit:  # a scale such as 1/60 is not exact; a division is
        base, time = unit.split("/")
        return float(Decimal(number) * Decimal(_RATED[base][1]) / Decimal(_TIMES[time])) + 0.0
    return float(Decimal(number) * SCALES[unit][1]) + 0.0


def _short(exact: Decimal, scale: Decimal) -> str:
    """The number in a unit of this scale; rounded where the unit is no power of ten."""
    number = exact / scale
    if scale.as_tuple().digits != (1,):
        number = number.quantize(Decimal("0.01")) if abs(number) < 10**9 else number
    return _plain(number)


def _plain(number: Decimal) -> str:
    number = number.normalize()
    return format(number, "f") if -7 < number.adjusted() < 16 else str(number)


def _c_rate_text(rate: float) -> str:
    if rate < 0:
        return f"-{_c_rate_text(-rate)}"
    if 0 < rate < 1:
        divisor = _plain(Decimal(repr(round(1 / rate, 6))))
        if 1 / float(divisor) == rate:
            return f"C/{divisor}"
    return f"{_plain(Decimal(repr(rate)))}C"


def _joined(number: str, unit: str) -> str:
    return f"{number}C" if unit == "C" else f"{number} {unit}".rstrip()


def _spelt(units: Collection[str]) -> list[str]:
    return [name or "1" for name, (base, _) in SCALES.items() if base in units]


def _example_unit(units: Collection[str]) -> str:
    return next(name for name, (base, _) in SCALES.items() if base in units)


def _wanted(units: Collection[str]) -> str:
    return " or ".join(_NOUNS[unit] for unit in units)
