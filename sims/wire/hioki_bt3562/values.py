"""Measured values as the instrument writes them.

Source: maker's instruction manual BT3562A981, chapter 8, table of value formats.
"""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "over", "fault"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """One measurement range: seven characters of mantissa with so many decimals, and an exponent."""

    name: float  # in Ω or V
    decimals: int
    exponent: int
    full_scale: float  # beyond it the value is over range

    def format(self, value: float, verdict: Verdict) -> str:
        """A positive sign and leading zeros are blanks."""
        if verdict == "ok":
            mantissa = value / 10.0**self.exponent
            return f"{'-' if mantissa < 0 else ' '}{abs(mantissa):7.{self.decimals}f}E{self.exponent:+d}"
        # The codes are 1E9 and 1E10, written with the decimals of the range.
        code = 9 if verdict == "over" else 10
        mantissa_digits = 6 - self.decimals
        sign = "-" if verdict == "over" and value < 0 else " "
        return f"{sign}{10.0 ** (mantissa_digits - 1):.{self.decimals}f}E+{code - mantissa_digits + 1}"

    @property
    def shown_name(self) -> str:
        """As a query of the range answers."""
        return f"{self.name / 10.0**self.exponent:.{self.decimals}f}E{self.exponent:+d}"


def _resistance(name: float, decimals: int, exponent: int) -> Range:
    return Range(name=name, decimals=decimals, exponent=exponent, full_scale=name * 31.0 / 30.0)


RESISTANCE_RANGES = (
    _resistance(3e-3, 4, -3),
    _resistance(30e-3, 3, -3),
    _resistance(300e-3, 2, -3),
    _resistance(3.0, 4, 0),
    _resistance(30.0, 3, 0),
    _resistance(300.0, 2, 0),
    _resistance(3000.0, 4, 3),
)
VOLTAGE_RANGES = {
    name: Range(name=name, decimals=decimals, exponent=0, full_scale=name)
    for name, decimals in ((6.0, 5), (60.0, 4), (100.0, 3), (300.0, 3))
}


def holding(ranges: tuple[Range, ...], value: float) -> Range | None:
    """The lowest one that holds the value; None: none does."""
    return next((each for each in ranges if abs(value) <= each.name * (1 + 1e-9)), None)
