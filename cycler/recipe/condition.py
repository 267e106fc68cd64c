"""The language of `until` and `fail`, read by a parser written by hand and printed in one canonical form.

```
condition = test { "and" test } [ "for" time ] [ "after" time | "before" time | "at" time ] [ "->" outcome ]
test      = quantity ( ">" | ">=" | "<" | "<=" ) value
value     = number unit | "C/" number | number "C" | number "%" [ "of" ( "rated" | TAG ) ]
quantity  = the keys of `QUANTITY_UNITS` | VARIABLE
outcome   = "next" | "fail" [ CODE ] | "hold" | "end" | "goto" ID
```
A variable is compared with what it is a number of: the value of one that is a plain number may stand without a unit,
and its `%` is of 1.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isfinite
from typing import Literal, cast

from cycler.recipe.dimensions import DIMENSIONS
from cycler.recipe.plan import Relation
from cycler.recipe.problems import MistakeError, nearest, shown
from cycler.recipe.tokens import TokenReader
from cycler.recipe.units import NUMBER, Quantity, parse_quantity

QUANTITY_UNITS: Mapping[str, tuple[str, ...]] = {
    "voltage": ("V",),
    "current": ("A", "C"),
    "power": ("W",),
    "time": ("s",),
    "total_time": ("s",),
    "capacity": ("Ah", "%"),
    "energy": ("Wh", "%"),
    "temperature": ("degC",),
    "temperature_rise": ("degC",),
    "dv_dt": ("V/s",),
    "di_dt": ("A/s",),
    "dv": ("V",),
}
"""What a condition can compare, with the base units it is compared in. Any other name is a variable."""

OUTCOMES = ("next", "fail", "hold", "end", "goto")
RESERVED = frozenset({*QUANTITY_UNITS, *OUTCOMES, "and", "for", "after", "before", "at", "of", "rated"})
"""Words that are no ids, tags or variables."""

NAME = re.compile(r"[a-z][a-z0-9_-]*", re.ASCII)
CODE = re.compile(r"[A-Z][A-Z0-9_]*", re.ASCII)

_ENDS = RESERVED | {"or"}
"""What ends an amount. `or` is no word of the grammar, but authors try it."""

_VARIABLE_UNITS = tuple(unit for unit in DIMENSIONS if unit)
_PLAIN = re.compile(NUMBER, re.ASCII)


@dataclass(frozen=True, slots=True)
class RecipeTest:
    """One comparison. A `%` always says of what, `rated` or a tag; that of a variable is of 1."""

    quantity: str
    relation: Relation
    value: Quantity
    of: str | None = None

    def __str__(self) -> str:
        of = f" of {self.of}" if self.of else ""
        return f"{self.quantity} {self.relation} {self.value}{of}"


@dataclass(frozen=True, slots=True)
class Consequence:
    """What follows: `word` is the code of a fail or the id of a goto."""

    kind: Literal["next", "fail", "hold", "end", "goto"]
    word: str | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.word}" if self.word else self.kind


@dataclass(frozen=True, slots=True)
class RecipeCondition:
    """A condition as written, still symbolic. `window` binds to the whole of it, after so many seconds of the step."""

    tests: tuple[RecipeTest, ...]
    for_: Quantity | None = None
    window: Literal["after", "before", "at"] | None = None
    window_time: Quantity | None = None
    outcome: Consequence | None = None

    def with_outcome(self, outcome: Consequence) -> "RecipeCondition":
        """The same condition, with another consequence."""
        return replace(self, outcome=outcome)

    def __str__(self) -> str:
        text = " and ".join(str(test) for test in self.tests)
        if self.for_ is not None:
            text += f" for {self.for_}"
        if self.window is not None:
            text += f" {self.window} {self.window_time}"
        return f"{text} -> {self.outcome}" if self.outcome else text


@lru_cache(maxsize=4096)
def parse_condition(text: str) -> RecipeCondition:
    """Raises `MistakeError`. The outcome is None where the text names none: its list says which."""
    return _Parser(text).condition()


_TOKEN = re.compile(
    rf"\s*(?:(?P<arrow>->|→)|(?P<relation>[<>=!≤≥]+)|(?P<number>{NUMBER})"
    r"|(?P<word>[A-Za-z_](?:[A-Za-z0-9_]|-(?!>))*)|(?P<sign>[%/])|(?P<end>$)|(?P<other>.))",
    re.ASCII | re.DOTALL,
)


class _Parser:
    """Recursive descent over tokens; each method reads one rule of the grammar."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = TokenReader(_TOKEN, text)

    def condition(self) -> RecipeCondition:
        tests = [self._test()]
        while self._tokens.accept("and"):
            tests.append(self._test())
        for_ = self._time() if self._tokens.accept("for") else None
        window: Literal["after", "before", "at"] | None = None
        window_time = None
        if (word := self._tokens.accept("after", "before", "at")) is not None:
            window = cast(Literal["after", "before", "at"], word)
            window_time = self._time()
        outcome = self._outcome() if self._tokens.kind == "arrow" else None
        if self._tokens.kind != "end":
            raise self._unexpected()
        return RecipeCondition(tuple(tests), for_, window, window_time, outcome)

    def _test(self) -> RecipeTest:
        quantity = self._tokens.word
        if self._tokens.kind != "word":
            found = shown(quantity) if quantity else "the end"
            raise self._mistake(
                f"{found} stands where a quantity is due", f"write it like voltage >= 4.2 V in {shown(self._text)}"
            )
        if quantity not in QUANTITY_UNITS and (quantity in RESERVED or not NAME.fullmatch(quantity)):
            raise self._mistake(f"{shown(quantity)} is no quantity", nearest(quantity, QUANTITY_UNITS))
        self._tokens.take()
        relation = self._relation(quantity)
        value = self._amount(QUANTITY_UNITS.get(quantity, _VARIABLE_UNITS), plain=quantity not in QUANTITY_UNITS)
        of = None
        if value.unit == "%" and quantity in QUANTITY_UNITS:
            of = self._base() if self._tokens.accept("of") else "rated"
        elif value.unit == "%" and self._tokens.word == "of":
            raise self._mistake(
                f"a `%` of {shown(quantity)} is no part of anything else",
                f"write set: {{{quantity}: … / TAG}} before it",
            )
        return RecipeTest(quantity, relation, value, of)

    def _relation(self, quantity: str) -> Relation:
        kind, sign = self._tokens.kind, self._tokens.word
        if kind != "relation" or sign not in {"<", "<=", ">", ">="}:
            if kind == "word" and quantity not in QUANTITY_UNITS:
                raise self._mistake(f"{shown(quantity)} is no quantity", nearest(quantity, QUANTITY_UNITS))
            found = shown(sign) if sign else "the end"
            raise self._mistake(f"{found} stands behind {shown(quantity)} where > >= < <= is due")
        self._tokens.take()
        return cast(Relation, sign)

    def _base(self) -> str:
        tag = self._tokens.word
        if tag != "rated" and (not NAME.fullmatch(tag) or tag in RESERVED):
            raise self._mistake(
                f"{shown(tag)} is no tag" if tag else "a tag is missing behind `of`",
                "write of rated, or of and a step's tag",
            )
        self._tokens.take()
        return tag

    def _time(self) -> Quantity:
        time = self._amount(("s",))
        if time.number < 0:
            raise self._mistake(f"{time} is a negative time")
        return time

    def _amount(self, units: tuple[str, ...], *, plain: bool = False) -> Quantity:
        """All up to the next word of the grammar is the amount's text, read again with one blank before a unit.

        `plain`: a number without a unit will do.
        """
        text = ""
        while self._tokens.kind in {"number", "sign", "other"} or (
            self._tokens.kind == "word" and self._tokens.word not in _ENDS
        ):
            part = self._tokens.take()
            glued = part in "/," or text.endswith(("/", ",")) or not text
            text += part if glued else f" {part}"
        if plain and _PLAIN.fullmatch(text) and isfinite(float(text)):
            return Quantity(float(text) + 0.0, "")
        return parse_quantity(text, units)

    def _outcome(self) -> Consequence:
        self._tokens.take()
        kind = self._tokens.word
        if kind not in OUTCOMES:
            raise self._mistake(f"{shown(kind) if kind else 'nothing'} is no outcome", nearest(kind, OUTCOMES))
        self._tokens.take()
        word = None
        if kind == "fail" and self._tokens.kind == "word":
            word = self._tokens.word
            if not CODE.fullmatch(word):
                raise self._mistake(f"{shown(word)} is no code", f"codes are written in capitals: {word.upper()}")
            self._tokens.take()
        if kind == "goto":
            word = self._tokens.word
            if not NAME.fullmatch(word) or word in RESERVED:
                raise self._mistake("`goto` needs the id of a step")
            self._tokens.take()
        return Consequence(cast(Literal["next", "fail", "hold", "end", "goto"], kind), word)

    def _unexpected(self) -> MistakeError:
        word = self._tokens.word
        hint = "the order is: tests, for, after or before or at, -> outcome"
        if word == "or":
            hint = "the entries of the list are alternatives: write two entries"
        return self._mistake(f"{shown(word)} is not expected in {shown(self._text)}", hint)

    def _mistake(self, message: str, hint: str = "") -> MistakeError:
        return MistakeError("condition", message, hint)
