"""What a number is a number of: powers of volt, ampere, second and kelvin, of which all units of recipes are made.

A value counts in these four (Ah as ampere-seconds), so that sums and quotients need no conversion.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dimension:
    """Exponents; all 0 for a plain number. A ratio of two charges has none, like the percentage that it is."""

    volt: int = 0
    ampere: int = 0
    second: int = 0
    kelvin: int = 0

    def __mul__(self, other: "Dimension") -> "Dimension":
        return Dimension(
            self.volt + other.volt, self.ampere + other.ampere, self.second + other.second, self.kelvin + other.kelvin
        )

    def __truediv__(self, other: "Dimension") -> "Dimension":
        return Dimension(
            self.volt - other.volt, self.ampere - other.ampere, self.second - other.second, self.kelvin - other.kelvin
        )

    def __str__(self) -> str:
        """What goes on from `it is`."""
        return f"in {self.unit[0]}" if self.unit[0] else "a plain number"

    @property
    def unit(self) -> tuple[str, float]:
        """The one that people know it by, else the powers, as `V^2 A`; and how much one of it is."""
        if self in _KNOWN_BY:
            return _KNOWN_BY[self]
        powers = (("V", self.volt), ("A", self.ampere), ("s", self.second), ("K", self.kelvin))
        return " ".join(name if power == 1 else f"{name}^{power}" for name, power in powers if power), 1.0


PLAIN = Dimension()

DIMENSIONS: Mapping[str, tuple[Dimension, float]] = {
    "": (PLAIN, 1.0),
    "V": (Dimension(volt=1), 1.0),
    "A": (Dimension(ampere=1), 1.0),
    "W": (Dimension(volt=1, ampere=1), 1.0),
    "Wh": (Dimension(volt=1, ampere=1, second=1), 3600.0),
    "Ah": (Dimension(ampere=1, second=1), 3600.0),
    "Ohm": (Dimension(volt=1, ampere=-1), 1.0),
    "s": (Dimension(second=1), 1.0),
    "degC": (Dimension(kelvin=1), 1.0),  # a difference, or a temperature from 0 degC on
    "%": (PLAIN, 0.01),
    "V/s": (Dimension(volt=1, second=-1), 1.0),
    "A/s": (Dimension(ampere=1, second=-1), 1.0),
    "K/s": (Dimension(second=-1, kelvin=1), 1.0),
    "/s": (Dimension(second=-1), 1.0),
    "C": (Dimension(ampere=1), 1.0),  # times the rated capacity in Ah
}
"""Of each base unit that can stand in an expression: its dimension, and how much one of it is."""

_KNOWN_BY = {dimension: (name, scale) for name, (dimension, scale) in reversed(list(DIMENSIONS.items()))}
