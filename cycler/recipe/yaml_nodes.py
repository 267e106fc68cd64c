"""The one loader for every file that people write: strict YAML as nodes that know their place, each scalar as text.

It works on libyaml's event stream and keeps its own stack, so that neither depth nor size can hurt before a bound
says so. There is no resolving of types: `4.2`, `no` and `1e3` stay what was written.
"""

import codecs
import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from cycler.recipe.problems import InvalidFile, Problem, Problems, shown

FILE_BYTES_MAX = 4 << 20
DEPTH_MAX = 32
NODES_MAX = 250_000  # a recipe of ten thousand steps has fewer


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A text. Empty where the file says nothing after a key."""

    line: int  # from 1
    column: int  # from 1
    text: str


@dataclass(frozen=True, slots=True)
class ListNode:
    """A sequence."""

    line: int
    column: int
    items: "list[Node]" = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class MapNode:
    """A mapping; keys are unique texts. `key_lines` says where each key stands."""

    line: int
    column: int
    entries: "dict[str, Node]" = field(default_factory=dict)
    key_lines: dict[str, int] = field(default_factory=dict)


Node = ScalarNode | ListNode | MapNode


def load_file(path: Path) -> MapNode:
    """Read a file whose top level is a mapping. Raises only `InvalidFile`."""
    return load_bytes(read_file(path), str(path))


def load_text(path: Path) -> str:
    """The text of a file that people wrote in another form. Raises only `InvalidFile`."""
    return _decode(read_file(path), str(path))


def read_file(path: Path) -> bytes:
    """No more than what is too large already. Raises only `InvalidFile`."""
    file = str(path)
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise InvalidFile([Problem(file=file, line=0, code="unreadable", message="is not a regular file")])
        with path.open("rb") as stream:
            return stream.read(FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InvalidFile(
            [Problem(file=file, line=0, code="unreadable", message=f"cannot be read: {reason}")]
        ) from None


def load_bytes(data: bytes, file: str) -> MapNode:
    """As `load_file`, for bytes that are at hand."""
    loading = _Loading(file, _decode(data, file))
    try:
        root = loading.run()
    except yaml.YAMLError as error:
        loading.add_syntax_error(error)
        root = None
    if isinstance(root, ScalarNode | ListNode) and not loading.problems:
        loading.add(root.line, "syntax", "the file has no `key: value` at its top level")
    if loading.problems or not isinstance(root, MapNode):
        raise InvalidFile(loading.problems)
    return root


def _decode(data: bytes, file: str) -> str:
    def refuse(line: int, code: str, message: str, hint: str = "") -> InvalidFile:
        return InvalidFile([Problem(file=file, line=line, code=code, message=message, hint=hint)])

    if len(data) > FILE_BYTES_MAX:
        raise refuse(0, "too-large", f"is larger than {FILE_BYTES_MAX >> 20} MiB: no file that people write is")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise refuse(1, "encoding", "is UTF-16, not UTF-8", "save the file as UTF-8")
    if b"\0" in data:
        raise refuse(data[: data.index(b"\0")].count(b"\n") + 1, "binary", "is binary: it holds a zero byte")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise refuse(
            line, "encoding", f"byte 0x{data[error.start]:02x} is not UTF-8", "save the file as UTF-8"
        ) from None


# Why a decimal comma can be seen: `[voltage <= 4,2 V]` becomes `voltage <= 4` and `2 V`.
_ENDS_IN_INTEGER = re.compile(r"(?:^|[\s<>=])[+-]?\d+$")
_BEGINS_WITH_INTEGER_AND_UNIT = re.compile(r"^\d+ ?(?!e\d)[A-Za-z%]")
_COMMENT = re.compile(r"\s#|^#", re.MULTILINE)


class _Loading:
    """One file on its way from events to nodes."""

    def __init__(self, file: str, text: str) -> None:
        self._problems = Problems(file)
        self.add = self._problems.add
        self._text = text
        self._stack: list[ListNode | MapNode] = []
        self._keys: list[ScalarNode | None] = []  # for each mapping of the stack: the key that waits for its value
        self._flow: list[bool] = []
        self._root: Node | None = None
        self._end = 0  # index in the text at which the last event ended
        self._flow_line = 0  # where the outermost open flow collection begins

    @property
    def problems(self) -> list[Problem]:
        return self._problems.found

    def run(self) -> Node | None:
        """The root; None where reading had to stop, with the reason among the problems."""
        nodes = documents = 0
        has_comments = "#" in self._text
        for event in yaml.parse(self._text, Loader=yaml.CBaseLoader):
            mark, end = event.start_mark, event.end_mark
            assert mark is not None and end is not None  # noqa: S101 (libyaml always says)
            line = mark.line + 1
            if has_comments and self._flow and self._flow[-1] and _COMMENT.search(self._text, self._end, mark.index):
                self._add_comment_problem()
                return None
            self._end = end.index
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self.add(line, "documents", "a second document begins here", "write one file for each")
                    return None
            elif isinstance(event, yaml.CollectionEndEvent):
                self._close()
            elif isinstance(event, yaml.NodeEvent):
                nodes += 1
                if not self._take(event, line, mark.column + 1, nodes):
                    return None
        if self._root is None:
            self.add(0, "empty", "is empty")
        return self._root

    def add_syntax_error(self, error: yaml.YAMLError) -> None:
        """Say what libyaml stumbled over, in words for the author."""
        mark = getattr(error, "problem_mark", None)
        what = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
        if mark is None:
            position = getattr(error, "position", 0)
            self.add(self._text.count("\n", 0, position) + 1, "binary", f"is not text: {what}")
            return
        line = mark.line + 1
        lines = self._text.splitlines()
        here = lines[mark.line] if mark.line < len(lines) else ""
        in_flow = bool(self._flow) and self._flow[-1]
        if in_flow and _COMMENT.search(self._text, self._end, mark.index):
            self._add_comment_problem()
            return
        if "\t" in here[: len(here) - len(here.lstrip())]:
            self.add(line, "tab", "is indented with a tab", "indent with spaces")
            return
        if mark.index >= len(self._text.rstrip()):
            hint = "the file ends in the middle: is it complete?"
        elif in_flow:
            hint = f"the list or mapping that begins in line {self._flow_line} is not closed where it should be"
        else:
            hint = "check indentation, colons and quotes"
        self.add(line, "syntax", f"is no valid YAML: {what}", hint)

    def _add_comment_problem(self) -> None:
        found = _COMMENT.search(self._text, self._end)
        position = found.end() - 1 if found else self._end
        self.add(
            self._text.count("\n", 0, position) + 1,
            "comment",
            f"a ` #` stands inside the list or mapping that begins in line {self._flow_line}",
            "write comments behind the closing bracket or on a line of their own",
        )

    def _take(self, event: yaml.NodeEvent, line: int, column: int, nodes: int) -> bool:
        """Put one node where it belongs. False where reading on makes no sense."""
        if nodes > NODES_MAX:
            self.add(line, "too-large", f"holds more than {NODES_MAX} values")
            return False
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            self.add(line, "anchor", "anchors (`&name`) and aliases (`*name`) are not allowed", "write it out")
            return False
        if isinstance(event, yaml.ScalarEvent):
            self._refuse_tag(event, line)
            self._place(ScalarNode(line, column, event.value))
            return True
        assert isinstance(event, yaml.CollectionStartEvent)  # noqa: S101 (there is no other kind)
        self._refuse_tag(event, line)
        if len(self._stack) >= DEPTH_MAX:
            self.add(line, "too-deep", f"is nested deeper than {DEPTH_MAX} levels", "each loop of a recipe takes 3")
            return False
        inside = bool(self._flow) and self._flow[-1]
        if event.flow_style and not inside:
            self._flow_line = line
        node: ListNode | MapNode
        node = MapNode(line, column) if isinstance(event, yaml.MappingStartEvent) else ListNode(line, column)
        self._place(node)
        self._stack.append(node)
        self._keys.append(None)
        self._flow.append(inside or bool(event.flow_style))
        return True

    def _refuse_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, line: int) -> None:
        if event.tag is not None:
            self.add(line, "tag", f"tags like {shown(event.tag)} are not allowed", "every value is plain text")

    def _place(self, node: Node) -> None:
        if not self._stack:
            self._root = node
            return
        parent = self._stack[-1]
        if isinstance(parent, ListNode):
            parent.items.append(node)
            return
        key = self._keys[-1]
        if key is None:
            self._keys[-1] = node if isinstance(node, ScalarNode) else self._refuse_key(node)
            return
        self._keys[-1] = None
        if key.text in parent.entries:
            first = parent.key_lines[key.text]
            self.add(
                key.line, "duplicate-key", f"{shown(key.text)} is there twice, first in line {first}", "remove one"
            )
            return
        parent.entries[key.text] = node
        parent.key_lines[key.text] = key.line

    def _refuse_key(self, node: Node) -> ScalarNode:
        self.add(node.line, "syntax", "a list or mapping cannot be a key", "quote what begins with a bracket")
        return ScalarNode(node.line, node.column, "")

    def _close(self) -> None:
        node = self._stack.pop()
        self._keys.pop()
        if self._flow.pop():
            self._refuse_decimal_comma(node)

    def _refuse_decimal_comma(self, node: ListNode | MapNode) -> None:
        values = node.items if isinstance(node, ListNode) else list(node.entries.values())
        # In a mapping the second half has become a key without a value: `{voltage: 4,2 V}` is `voltage: 4` and `2 V`.
        keys = [None] * len(values) if isinstance(node, ListNode) else list(node.entries)
        for left, right, key in zip(values, values[1:], keys[1:], strict=False):
            if not isinstance(left, ScalarNode) or not isinstance(right, ScalarNode) or (key and right.text):
                continue
            second = key or right.text
            if _ENDS_IN_INTEGER.search(left.text) and _BEGINS_WITH_INTEGER_AND_UNIT.match(second):
                number = left.text.split()[-1]
                message = f"the comma in {shown(f'{number},{second}')} splits the value in two"
                self.add(right.line, "decimal-comma", message, f"write a decimal point: {number}.{second}")
