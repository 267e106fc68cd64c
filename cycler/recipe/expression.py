"""The arithmetic of `set`, read by a parser written by hand and printed in one canonical form.

```
expression = term { ("+" | "-") term }
term       = factor { ("*" | "/") factor }
factor     = "-" factor | "(" expression ")" | number [ unit ] | "C/" number | VARIABLE | TAG [ "." field ]
```

A name may hold a hyphen, so a minus behind a name has a blank before it. A unit of a rate is written without blanks:
`5 mV/min` is one quantity, `5 mV / min` divides by a variable.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Literal, cast

from cycler.recipe.condition import NAME, RESERVED
from cycler.recipe.dimensions import DIMENSIONS
from cycler.recipe.problems import MistakeError, nearest, shown
from cycler.recipe.tokens import TokenReader
from cycler.recipe.units import SCALES, Quantity, parse_quantity

TEXT_MAX = 400
DEPTH_MAX = 20

Operator = Literal["+", "-", "*", "/"]


@dataclass(frozen=True, slots=True)
class Field:
    """What a field of a tagged step's result is measured in, and which steps have it; empty: all."""

    unit: str
    words: frozenset[str] = frozenset()


_MOVING = frozenset({"charge", "discharge", "ramp", "pulse", "profile"})

FIELDS: Mapping[str, Field] = {
    "capacity": Field("Ah", _MOVING),  # of its direction, as the energy: `one_way` knows which have one
    "energy": Field("Wh", _MOVING),
    "end_voltage": Field("V"),
    "end_current": Field("A"),  # positive where it charges
    "duration": Field("s"),
    "temperature_max": Field("degC"),
    "dcir": Field("Ohm", frozenset({"dcir"})),  # its longest value
    "ocv": Field("V", frozenset({"rest", "ocv"})),
    "acir": Field("Ohm", frozenset({"acir"})),
}
"""What an expression can take from a tagged step: from its last valid execution."""


@dataclass(frozen=True, slots=True)
class Number:
    """A quantity, never below 0."""

    quantity: Quantity

    def __str__(self) -> str:
        return str(self.quantity)


@dataclass(frozen=True, slots=True)
class Name:
    """A variable, or a tag that stands for its step's capacity: no name is both."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class FieldOf:
    """A field of a tagged step's result."""

    tag: str
    field: str

    def __str__(self) -> str:
        return f"{self.tag}.{self.field}"


@dataclass(frozen=True, slots=True)
class Negative:
    """Minus that."""

    of: "Expression"

    def __str__(self) -> str:
        return f"-({self.of})" if isinstance(self.of, Operation) else f"-{self.of}"


@dataclass(frozen=True, slots=True)
class Operation:
    """Two of them, and what is done with them."""

    operator: Operator
    left: "Expression"
    right: "Expression"

    def __str__(self) -> str:
        """With the parentheses that it needs, and no others."""
        left, right = str(self.left), str(self.right)
        if self.operator in "*/":
            left = f"({left})" if _binds_less(self.left) else left
            right = f"({right})" if isinstance(self.right, Operation) else right
        elif _binds_less(self.right):
            right = f"({right})"
        return f"{left} {self.operator} {right}"


Expression = Number | Name | FieldOf | Negative | Operation


def parse_expression(text: str) -> Expression:
    """Raises `MistakeError`."""
    if len(text) > TEXT_MAX:
        raise MistakeError(
            "expression", f"{shown(text)} is longer than {TEXT_MAX} characters", "set parts of it to variables first"
        )
    return _Parser(text).whole()


def leaves(expression: Expression) -> Iterator[Name | FieldOf]:
    """All that it takes from elsewhere, in the order in which it stands there."""
    match expression:
        case Name() | FieldOf():
            yield expression
        case Negative(of=of):
            yield from leaves(of)
        case Operation(left=left, right=right):
            yield from leaves(left)
            yield from leaves(right)


def _binds_less(expression: Expression) -> bool:
    return isinstance(expression, Operation) and expression.operator in "+-"


_BASE_UNITS = tuple(unit for unit in DIMENSIONS if unit)
_UNITS = sorted((name for name, (base, _) in SCALES.items() if base in DIMENSIONS), key=len, reverse=True)
_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?"
_NAME = r"[a-z][a-z0-9_-]*"
_TOKEN = re.compile(
    rf"\s*(?:(?P<quantity>{_NUMBER}\s*(?:{'|'.join(_UNITS)})(?![A-Za-z0-9_%])|C\s*/\s*{_NUMBER})"
    rf"|(?P<number>{_NUMBER})|(?P<field>{_NAME}\.{_NAME})|(?P<name>{_NAME})|(?P<sign>[-+*/()])|(?P<end>$)"
    r"|(?P<other>[^\s\d()+*/.-]+|.))",
    re.ASCII | re.DOTALL,
)


class _Parser:
    """Recursive descent over tokens; each method reads one rule of the grammar."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = TokenReader(_TOKEN, text)
        self._depth = 0

    def whole(self) -> Expression:
        found = self._expression()
        if self._tokens.kind != "end":
            raise self._unexpected()
        return found

    def _expression(self) -> Expression:
        left = self._term()
        while (sign := self._tokens.accept("+", "-")) is not None:
            left = Operation(cast(Operator, sign), left, self._term())
        return left

    def _term(self) -> Expression:
        left = self._factor()
        while (sign := self._tokens.accept("*", "/")) is not None:
            left = Operation(cast(Operator, sign), left, self._factor())
        return left

    def _factor(self) -> Expression:
        match self._tokens.kind, self._tokens.word:
            case "quantity", text:
                self._tokens.take()
                return Number(parse_quantity(text, _BASE_UNITS))
            case "number", _:
                return self._plain(self._tokens.take())
            case "field", text:
                self._tokens.take()
                return self._field(*text.split("."))
            case "name", text if text not in RESERVED:
                return Name(self._tokens.take())
            case "sign", text if text in "-(":
                return self._nested(self._tokens.take())
        raise self._unexpected()

    def _nested(self, sign: str) -> Expression:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise self._mistake(f"{shown(self._text)} is nested deeper than {DEPTH_MAX} levels")
        found: Expression
        if sign == "-":
            found = Negative(self._factor())
        else:
            found = self._expression()
            if self._tokens.accept(")") is None:
                raise self._mistake(f"a closing parenthesis is missing in {shown(self._text)}")
        self._depth -= 1
        return found

    def _field(self, tag: str, field: str) -> FieldOf:
        if not NAME.fullmatch(tag) or tag in RESERVED:
            raise self._mistake(f"{shown(tag)} is no tag")
        if field not in FIELDS:
            raise self._mistake(f"{shown(f'{tag}.{field}')}: a result has no {field}", nearest(field, FIELDS))
        return FieldOf(tag, field)

    def _plain(self, number: str) -> Number:
        """A number without a unit. What stands right behind it would be meant as one."""
        kind, word = self._tokens.kind, self._tokens.word
        if word.startswith(","):
            raise self._mistake(f"{shown(self._text)} has a decimal comma", "write a decimal point")
        if kind in {"name", "field", "other"}:
            raise self._mistake(f"{shown(f'{number} {word}')} has no unit that is known", nearest(word, _UNITS))
        if not isfinite(float(number)):
            raise self._mistake(f"{shown(number)} is too large")
        return Number(Quantity(float(number), ""))

    def _unexpected(self) -> MistakeError:
        kind, word = self._tokens.kind, self._tokens.word
        if kind == "end":
            return self._mistake(f"{shown(self._text)} ends where a value is due" if self._text.strip() else "is empty")
        if word in RESERVED:
            return self._mistake(
                f"{shown(word)} is a word of the condition language", "tag a step, and write TAG.field"
            )
        hint = "there are + - * / and parentheses"
        return self._mistake(f"{shown(word)} is not expected in {shown(self._text)}", hint)

    def _mistake(self, message: str, hint: str = "") -> MistakeError:
        return MistakeError("expression", message, hint)
