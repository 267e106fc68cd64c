"""The keys of an object in foreign JSON: none unknown, each number a quantity of a stated unit."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from cycler.recipe.problems import MistakeError, Problems, nearest, shown
from cycler.recipe.units import NUMBER, Quantity, parse_quantity

_NUMBER = re.compile(NUMBER, re.ASCII)


@dataclass(frozen=True, slots=True)
class ForeignKeys:
    """What is wrong is added to `problems`, named by its key, and then counts as not given."""

    entries: Mapping[str, Any]
    problems: Problems
    owner: str
    word: str = ""  # of a step
    prefix: str = ""  # before its keys in messages: `safety.`

    def close(self, known: Collection[str]) -> None:
        """Refuse all other keys."""
        for key in self.entries:
            if key not in known:
                self.refuse(key, "unknown-key", f"is no key of {self.owner}", nearest(key, known))

    def refuse(self, key: str, code: str, message: str, hint: str = "") -> None:
        """Say what is wrong with it."""
        self.problems.add(0, code, f"{self.prefix}{shown(key).strip('`')}: {message}", hint)

    def text(self, key: str) -> str | None:
        """None where it is not given, or null."""
        value = self.entries.get(key)
        if value is None:
            return None
        if type(value) is not str:
            self.refuse(key, "type", "a text is due here")
            return None
        return value

    def number(self, key: str, *, pattern: re.Pattern[str] = _NUMBER) -> str | None:
        """Its digits, without blanks. None where it is not given, null or an empty text."""
        value = self.entries.get(key)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        text = "".join(value.split()) if isinstance(value, str) else ""
        if not (_NUMBER.fullmatch(text) or pattern.fullmatch(text)) or len(text) > 40:
            self.refuse(key, "quantity", f"{shown(str(value))} is no number")
            return None
        return text

    def signed(self, key: str, unit: str, base: str, *, zero: bool = True) -> Quantity | None:
        """A number in this unit. `zero`: whether 0 is one."""
        text = self.number(key)
        if text is None:
            return None
        try:
            quantity = parse_quantity(f"{text} {unit}", (base,))
        except MistakeError as mistake:
            self.problems.add_mistake(0, mistake, key=f"{self.prefix}{key}")
            return None
        if not zero and quantity.number == 0:
            self.refuse(key, "zero", "0 is no value here", "write null where there is none")
            return None
        return quantity

    def amount(self, key: str, unit: str, base: str, *, zero: bool = False) -> Quantity | None:
        """As `signed`, but never below 0."""
        quantity = self.signed(key, unit, base, zero=zero)
        if quantity is not None and quantity.number < 0:
            self.refuse(key, "not-positive", f"{quantity} is not above 0")
            return None
        return quantity

    def rate(self, key: str, number: str, divisor: str, *, negative: bool) -> Quantity | None:
        """A C-rate that is written as a fraction."""
        below = float(divisor)
        value = float(number) / below if below else 0.0
        if not value or not isfinite(value):
            self.refuse(key, "quantity", f"{number}/{divisor} is no rate", "write it like C/5")
            return None
        return Quantity(-value if negative else value, "C")

    def count(self, key: str, *, low: int, high: int) -> int | None:
        """A whole number within bounds, as a number or as its digits."""
        value = self.entries.get(key)
        text = value.strip() if isinstance(value, str) else ""
        if not (text.isascii() and text.isdigit() and len(text) <= 9) or not low <= int(text) <= high:
            what = "nothing" if value is None else shown(str(value))
            self.refuse(key, "count", f"{what} is no whole number from {low} to {high}")
            return None
        return int(text)
