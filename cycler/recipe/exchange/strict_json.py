"""JSON that people exchange: bounded in depth, no key twice, no NaN, each number as it was written."""

import json
import re
from typing import Any

from cycler.recipe.problems import InvalidFile, Problem, shown

DEPTH_MAX = 16

_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{}\]]', re.DOTALL)


class JsonNumber(str):
    """A number's own digits: what they mean in decimals is not lost on the way to its unit."""

    __slots__ = ()


def parse_json(text: str, file: str) -> Any:
    """dict, list, str, `JsonNumber`, bool or None. Raises `InvalidFile`."""
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        if match[0] in "[{":
            depth += 1
            if depth > DEPTH_MAX:
                line = text.count("\n", 0, match.start()) + 1
                raise _refused(file, line, "too-deep", f"is nested more than {DEPTH_MAX} deep")
        elif match[0] in "]}":
            depth -= 1

    def constant(word: str) -> None:
        raise _refused(file, 0, "not-finite", f"{word} is no value: it must be a finite number")

    def entries(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise _refused(file, 0, "duplicate-key", f"the key {shown(key)} stands twice in one object")
            found[key] = value
        return found

    try:
        return json.loads(
            text, object_pairs_hook=entries, parse_int=JsonNumber, parse_float=JsonNumber, parse_constant=constant
        )
    except json.JSONDecodeError as error:
        raise _refused(file, error.lineno, "syntax", f"is not JSON: {error.msg}") from None


def _refused(file: str, line: int, code: str, message: str, hint: str = "") -> InvalidFile:
    return InvalidFile([Problem(file=file, line=line, code=code, message=message, hint=hint)])
