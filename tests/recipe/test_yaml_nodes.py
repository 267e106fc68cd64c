"""The loader: strict, bounded, and clear about what is wrong and where."""

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cycler.recipe.problems import PROBLEMS_MAX, InvalidFile, Problem
from cycler.recipe.yaml_nodes import DEPTH_MAX, FILE_BYTES_MAX, ListNode, MapNode, ScalarNode, load_bytes, load_file


def problem(text: str | bytes) -> Problem:
    """The only thing that is wrong."""
    with pytest.raises(InvalidFile) as refused:
        load_bytes(text if isinstance(text, bytes) else text.encode(), "f.yaml")
    (found,) = refused.value.problems
    return found


def test_every_scalar_is_text_and_knows_its_place() -> None:
    root = load_bytes(b"a: 4.2\nb:\n- no\n- {c: 1e3, d: }\n", "f.yaml")
    assert root.entries["a"] == ScalarNode(1, 4, "4.2")
    items = root.entries["b"]
    assert isinstance(items, ListNode) and items.items[0] == ScalarNode(3, 3, "no")
    inner = items.items[1]
    assert isinstance(inner, MapNode) and inner.entries["d"] == ScalarNode(4, 15, "")
    assert root.key_lines == {"a": 1, "b": 2}


def test_comments_outside_of_brackets_are_fine() -> None:
    root = load_bytes(b"# head\na: [b, c] # behind\n# between\nd: e#f\n", "f.yaml")
    assert list(root.entries) == ["a", "d"]


@pytest.mark.parametrize(
    ("text", "line", "code", "says"),
    [
        ("a: 1\na: 2\n", 2, "duplicate-key", "first in line 1"),
        ("a: {b: 1, b: 2}\n", 1, "duplicate-key", "`b` is there twice"),
        ("a: &x 1\n", 1, "anchor", "anchors"),
        ("a: 1\nb: *x\n", 2, "anchor", "aliases"),
        ("a: !!int 3\n", 1, "tag", "tags"),
        ("a: ! 3\n", 1, "tag", "tags"),
        ("a: 1\n---\nb: 2\n", 2, "documents", "second document"),
        ("a: [b # c\n]\n", 1, "comment", "` #`"),
        ("a: [b, # c\n d]\n", 1, "comment", "` #`"),
        ("a:\n  b: {c: d,\n # e\n f: g}\n", 3, "comment", "begins in line 2"),
        ("a: [b] # fine\nc: {d: e # not}\n", 2, "comment", "begins in line 2"),
        ("a:\n\t- b\n", 2, "tab", "tab"),
        ("a: [voltage <= 4,2 V]\n", 1, "decimal-comma", "4,2 V"),
        ("a: {voltage: 4,2 V, b: c}\n", 1, "decimal-comma", "4,2 V"),
        ("a: [b, c", 2, "syntax", "no valid YAML"),
        ("a: 'b\n", 2, "syntax", "no valid YAML"),
        ("a: b: c\n", 1, "syntax", "no valid YAML"),
        ("? [a, b]\n: c\n", 1, "syntax", "cannot be a key"),
        ("- a\n- b\n", 1, "syntax", "no `key: value`"),
        ("hello\n", 1, "syntax", "no `key: value`"),
        ("", 0, "empty", "empty"),
        ("# nothing\n", 0, "empty", "empty"),
        ("a: b\n\0", 2, "binary", "binary"),
        ("a: \x07\n", 1, "binary", "not text"),
        (b"a: b\nc: \xff\n", 2, "encoding", "0xff is not UTF-8"),
        ("a: b\n".encode("utf-16"), 1, "encoding", "UTF-16, not UTF-8"),
        (b"\xfe\xff\0a", 1, "encoding", "UTF-16, not UTF-8"),
    ],
)  # fmt: skip
def test_what_is_refused_is_named_with_its_line(text: str | bytes, line: int, code: str, says: str) -> None:
    found = problem(text)
    assert (found.line, found.code) == (line, code)
    assert says in found.message


def test_a_decimal_comma_is_mended_in_the_hint() -> None:
    assert problem("a: [voltage <= 4,2 V]\n").hint == "write a decimal point: 4.2 V"


def test_lists_of_whole_numbers_are_no_decimal_commas() -> None:
    load_bytes(b"a: [1, 2, 3]\nb: [0.1 s, 1 s, 10 s]\nc: [B1, 2 V]\nd: [[C/2, 10 s], [0 A, 5 s]]\n", "f.yaml")
    load_bytes(b"a: {current: C/2, time: 10 s, count: 5, window: 2 min}\n", "f.yaml")


def test_a_truncated_file_asks_whether_it_is_complete() -> None:
    assert "complete" in problem("a: {b: [c, d").hint


@pytest.mark.parametrize("opening", ["[", "{a: ", "[\n", "- ", "a:\n{indent}"])
def test_depth_is_bounded_before_it_can_hurt(opening: str) -> None:
    text = "".join(opening.format(indent=" " * (i + 1)) if "indent" in opening else opening for i in range(1000))
    assert problem(("" if text[0] in "-a" else "a: ") + text).code == "too-deep"


def test_what_is_as_deep_as_allowed_loads() -> None:
    load_bytes(("a: " + "[" * (DEPTH_MAX - 1) + "]" * (DEPTH_MAX - 1)).encode(), "f.yaml")


def test_the_number_of_values_is_bounded() -> None:
    assert problem("a: [" + "b," * 300_000 + "]").code == "too-large"


def test_the_size_of_a_file_is_bounded_without_reading_it_all(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as stream:
        stream.truncate(10 * FILE_BYTES_MAX)
    with pytest.raises(InvalidFile, match="larger than 4 MiB"):
        load_file(path)


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    for path, says in ((pipe, "regular file"), (tmp_path, "regular file"), (tmp_path / "none.yaml", "No such file")):
        with pytest.raises(InvalidFile, match=says):
            load_file(path)


def test_nobody_is_told_more_than_a_hundred_things() -> None:
    with pytest.raises(InvalidFile) as refused:
        load_bytes("".join("a: b\n" for _ in range(5000)).encode(), "f.yaml")
    assert len(refused.value.problems) == PROBLEMS_MAX + 1


@given(data=st.binary(max_size=200))
@example(b"\xef\xbb\xbfa: b")
@example(b"%YAML 1.1\n---\na: b\n...\n")
@example(b"a: |\n  b\n c")
@example(b"\xc2\x85: \xe2\x80\xa8#")
def test_random_bytes_load_or_are_an_invalid_file(data: bytes) -> None:
    _load_or_refuse(data)


@given(parts=st.lists(st.sampled_from([*"ab-:#,[]{}\n \t'\"&*!|>%?@4.", "\n  ", ": ", "- ", "---\n"]), max_size=40))
def test_random_punctuation_loads_or_is_an_invalid_file(parts: list[str]) -> None:
    _load_or_refuse("".join(parts).encode())


def _load_or_refuse(data: bytes) -> None:
    try:
        root = load_bytes(data, "f.yaml")
    except InvalidFile as refused:
        assert refused.problems
    else:
        assert isinstance(root, MapNode)
