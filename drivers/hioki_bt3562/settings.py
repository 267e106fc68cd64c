"""What the tester is set to, each setting sent in one message with its own question.

Source: maker's instruction manual BT3562A981, chapter 8. Marks: V the manual says so, U nobody at hand confirms it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from drivers.hioki_bt3562.options import Options


@dataclass(frozen=True, slots=True)
class Setting:
    """A range is answered by a number, all else by a word in upper case."""

    header: str
    value: str

    @property
    def question(self) -> str:
        """What it is now."""
        return f"{self.header}?"

    @property
    def message(self) -> str:
        """Set, and asked for."""
        return f"{self.header} {self.value};{self.header}?"

    def confirms(self, reply: str) -> bool:
        """Whether this is what was set."""
        try:
            return abs(float(reply) - float(self.value)) <= 1e-3 * float(self.value)
        except ValueError:
            return reply == self.value


def settings_of(options: Options) -> Sequence[Setting]:
    """In this order: headers first, or the answers would carry them."""
    # U and K the new names, V the old.
    function, voltage_range = (":FUNC", ":VOLT:RANG") if options.new_headers else (":MOD", ":VRAN")
    settings = [
        Setting(":SYST:HEAD", "OFF"),  # V
        Setting(function, "RV"),
        Setting(":AUT", "OFF"),  # V
        Setting(":RES:RANG", f"{options.resistance_range_ohm:g}"),  # V
        Setting(voltage_range, f"{options.voltage_range_v:g}"),
        Setting(":SAMP:RATE", options.rate),  # V; EXFAST is U
    ]
    if options.single:
        settings += [Setting(":INIT:CONT", "OFF"), Setting(":TRIG:SOUR", "IMMEDIATE")]  # U
    return settings
