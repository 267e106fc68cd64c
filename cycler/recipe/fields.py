"""Taking the entries of a mapping one by one, with every mistake found on the way put on record.

Each `take` returns a value or None; a mistake is added to the problems and counts as None, so that reading goes on and
all problems of a file are reported together. `close` refuses the keys that nobody took.
"""

import re
from collections.abc import Callable, Collection
from datetime import date
from typing import TypeVar

from cycler.recipe.condition import NAME, RESERVED
from cycler.recipe.problems import MistakeError, Problems, nearest, shown
from cycler.recipe.units import Quantity, parse_quantity
from cycler.recipe.yaml_nodes import ListNode, MapNode, Node, ScalarNode

T = TypeVar("T")

TITLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
VERSION = re.compile(r"\d{1,9}(\.\d{1,9}){0,2}", re.ASCII)


class Fields:
    """The entries of one mapping. `owner` names it in messages: `a charge`, `the envelope`."""

    def __init__(self, node: MapNode, problems: Problems, *, owner: str) -> None:
        self.node = node
        self.problems = problems
        self._owner = owner
        self._taken: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self.node.entries

    def line(self, key: str) -> int:
        """Of the key, or of the mapping where the key is absent."""
        return self.node.key_lines.get(key, self.node.line)

    def refuse(self, key: str, code: str, message: str, hint: str = "") -> None:
        """Put a finding about a key on record."""
        self.problems.add(self.line(key), code, message, hint)

    def know(self, key: str) -> None:
        """The key is one of the owner's, though nobody reads it here."""
        self._taken.add(key)

    def close(self) -> None:
        """Refuse what is left over."""
        for key, line in self.node.key_lines.items():
            if key not in self._taken:
                hint = nearest(key, self._taken)
                self.problems.add(line, "unknown-key", f"{shown(key)} is no key of {self._owner}", hint)

    def take(self, key: str, read: Callable[[Node], T], *, required: bool = False) -> T | None:
        """What `read` makes of the entry. `read` raises `MistakeError` for what it cannot use."""
        self._taken.add(key)
        node = self.node.entries.get(key)
        if node is None:
            if required:
                self.refuse(key, "missing-key", f"{self._owner} needs `{key}`")
            return None
        try:
            return read(node)
        except MistakeError as mistake:
            self.problems.add_mistake(node.line, mistake, key=key)
            return None

    def text(self, key: str, *, required: bool = False) -> str | None:
        """Any text that is not empty."""
        return self.take(key, as_text, required=required)

    def name(self, key: str, *, required: bool = False) -> str | None:
        """An id or tag: `[a-z][a-z0-9_-]*`, no word of the condition language."""
        return self.take(key, as_name, required=required)

    def word(self, key: str, words: Collection[str], *, required: bool = False) -> str | None:
        """One of a closed list of words."""
        return self.take(key, lambda node: as_word(node, words), required=required)

    def words(self, key: str, words: Collection[str]) -> tuple[str, ...] | None:
        """One or more of a closed list, none of them twice."""
        return self.take(key, lambda node: _distinct([as_word(item, words) for item in as_list(node)]))

    def quantity(self, key: str, *units: str, required: bool = False) -> Quantity | None:
        """One quantity in one of the base units."""
        return self.take(key, lambda node: parse_quantity(as_text(node), units), required=required)

    def quantities(self, key: str, *units: str, required: bool = False) -> tuple[Quantity, ...]:
        """One or more; empty where the key is absent."""
        found = self.take(key, lambda node: _quantities(node, units), required=required)
        return found or ()

    def pair(self, key: str, *units: str, required: bool = False) -> tuple[Quantity, Quantity] | None:
        """`[low, high]`, low below high."""
        return self.take(key, lambda node: _pair(node, units), required=required)

    def count(self, key: str, *, low: int, high: int, required: bool = False) -> int | None:
        """A whole number."""
        return self.take(key, lambda node: as_count(node, low=low, high=high), required=required)

    def mapping(self, key: str, *, owner: str, required: bool = False) -> "Fields | None":
        """The entries of a mapping inside this one."""
        node = self.take(key, as_map, required=required)
        return None if node is None else Fields(node, self.problems, owner=owner)


def as_text(node: Node) -> str:
    """Raises `MistakeError` for lists, mappings and nothing at all."""
    if not isinstance(node, ScalarNode):
        kind = "list" if isinstance(node, ListNode) else "mapping"
        raise MistakeError("type", f"a {kind} stands where one value is due")
    if not node.text:
        raise MistakeError("empty", "no value is given")
    return node.text


def as_list(node: Node) -> list[Node]:
    """A single value may stand for a list of one."""
    if isinstance(node, ListNode):
        if not node.items:
            raise MistakeError("empty", "the list is empty")
        return node.items
    return [node]


def as_map(node: Node) -> MapNode:
    """An empty value is an empty mapping."""
    if isinstance(node, MapNode):
        return node
    if isinstance(node, ScalarNode) and not node.text:
        return MapNode(node.line, node.column)
    raise MistakeError("type", "`key: value` entries are due here", "write {key: value} or indented lines")


def as_name(node: Node) -> str:
    """An id, tag or file-like name."""
    text = as_text(node)
    if not NAME.fullmatch(text):
        raise MistakeError(
            "name", f"{shown(text)} is no name", "small letters, digits, - and _, beginning with a letter"
        )
    if text in RESERVED:
        raise MistakeError("reserved", f"{shown(text)} is a word of the condition language", "choose another name")
    return text


def as_title(node: Node) -> str:
    """The name of a recipe or cell type; it may become the name of a file."""
    text = as_text(node)
    if not TITLE.fullmatch(text):
        raise MistakeError(
            "name", f"{shown(text)} is no name", "letters, digits, - _ and ., beginning with a letter or digit"
        )
    return text


def as_version(node: Node) -> str:
    """Of a recipe."""
    text = as_text(node)
    if not VERSION.fullmatch(text):
        raise MistakeError("version", f"{shown(text)} is no version", "write it like 1.0.0")
    return text


def as_date(node: Node) -> date:
    """A day, like 2026-05-17."""
    text = as_text(node)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise MistakeError("date", f"{shown(text)} is no date", "write it like 2026-05-17") from None


def as_word(node: Node, words: Collection[str]) -> str:
    """One of a closed list."""
    text = as_text(node)
    if text not in words:
        raise MistakeError("word", f"{shown(text)} is not one of its words", nearest(text, words))
    return text


def as_count(node: Node, *, low: int, high: int) -> int:
    """A whole number within bounds."""
    text = as_text(node)
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise MistakeError("count", f"{shown(text)} is no whole number")
    if not low <= int(text) <= high:
        raise MistakeError("count", f"{text} is not between {low} and {high}")
    return int(text)


def _distinct(words: list[str]) -> tuple[str, ...]:
    if len(set(words)) < len(words):
        raise MistakeError("twice", "a word is there twice", "remove one")
    return tuple(words)


def _quantities(node: Node, units: Collection[str]) -> tuple[Quantity, ...]:
    return tuple(parse_quantity(as_text(item), units) for item in as_list(node))


def _pair(node: Node, units: Collection[str]) -> tuple[Quantity, Quantity]:
    if not isinstance(node, ListNode) or len(node.items) != 2:
        raise MistakeError("pair", "two values are due", "write [low, high]")
    low, high = _quantities(node, units)
    if low.unit == high.unit and low.number >= high.number:
        raise MistakeError("pair", f"{low} is not below {high}", "write [low, high]")
    return low, high
