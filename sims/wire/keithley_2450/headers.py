"""SCPI headers as the maker writes them, matched in their short and long forms, whatever the case."""

import re
from collections.abc import Mapping
from typing import Generic, TypeVar

C = TypeVar("C")

_QUANTITIES = {"CURRENT": "CURR", "CURR": "CURR", "VOLTAGE": "VOLT", "VOLT": "VOLT", "RESISTANCE": "RES", "RES": "RES"}
_NODE = re.compile(r"<f>|[A-Z][A-Za-z]*|\[|\]|:|\*|1")


class Headers(Generic[C]):
    """What each header means. `[ ]` encloses what may be left out; `<f>` is a function with or without `:DC`."""

    def __init__(self, commands: Mapping[str, C]) -> None:
        self._patterns = [(re.compile(_pattern(header)), command) for header, command in commands.items()]
        self._found: dict[str, tuple[C, str] | None] = {}

    def find(self, header: str) -> tuple[C, str] | None:
        """The command and its function (`CURR VOLT RES`, else empty). `header` is upper case, without its `?`."""
        if not header.startswith((":", "*")):
            header = f":{header}"
        if header not in self._found:
            if len(self._found) > 1000:  # whoever sends nonsense shall not fill the memory
                self._found.clear()
            self._found[header] = self._look_up(header)
        return self._found[header]

    def _look_up(self, header: str) -> tuple[C, str] | None:
        for pattern, command in self._patterns:
            match = pattern.fullmatch(header)
            if match is not None:
                return command, _QUANTITIES.get(match.groupdict().get("f") or "", "")
        return None


def _pattern(header: str) -> str:
    """`:SOURce[1]:<f>[:LEVel]` as a regular expression."""
    parts = []
    for node in _NODE.findall(header):
        if node == "<f>":
            parts.append("(?P<f>CURR(?:ENT)?|VOLT(?:AGE)?|RES(?:ISTANCE)?)(?::DC)?")
        elif node in "[]":
            parts.append("(?:" if node == "[" else ")?")
        elif node in ":*1":
            parts.append(re.escape(node))
        else:
            short = node.rstrip("abcdefghijklmnopqrstuvwxyz")
            parts.append(f"{short}(?:{node[len(short) :].upper()})?" if short != node else node)
    return "".join(parts)
