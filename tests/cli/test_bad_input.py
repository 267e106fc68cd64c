"""Bad files end a command with a clear message for each mistake, its place, and exit code 2, before anything starts."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import SHORT_RECIPE, Answer, cycler

from cycler.recipe.lookup import LIBRARY

CELL_TYPE = (LIBRARY / "cell-types" / "nmc811-21700.yaml").read_text().partition("\n")[2]  # less its heading
RACK = """\
rack: {id: R1}
devices:
  - {id: bt-01, driver: sim_cycler, resource: "sim:bt-01", rated: {voltage: 5 V, current: 15 A}}
  - {id: io-01, driver: sim_io, resource: "sim:io-01"}
bays:
  - id: B01
    contactor: io-01/DO0
    positions:
      A1: {channel: bt-01/1}
"""
WORLD = """\
seed: 7
ambient: 23 degC
cells: {default: nmc811-21700}
defects:
  - {at: S01/1, defect: micro-short, resistance: 1 kOhm}
"""
KINDS = {"recipe": SHORT_RECIPE, "cell-type": CELL_TYPE, "rack": RACK, "world": WORLD}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In a folder of its own; whatever is typed, a run's folder never appears."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not Path("out").exists()


def given(kind: str, text: str | bytes) -> Path:
    file = Path(f"{kind}.yaml")
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def started_with(kind: str, file: Path, *more: str) -> Answer:
    """A command that would start something with this file."""
    match kind:
        case "recipe":
            return cycler("simulate", file, "--out", "out", *more)
        case "cell-type":
            given("recipe", SHORT_RECIPE)
            return cycler("simulate", "recipe.yaml", "--cell-type", file, "--out", "out", *more)
        case "rack":
            return cycler("config", "check", file, *more) if more else cycler("sim", "--config", file)
        case _:
            given("recipe", SHORT_RECIPE)
            return cycler("simulate", "recipe.yaml", "--world", file, "--out", "out", *more)


def replaced(kind: str, old: str, new: str) -> str:
    assert old in KINDS[kind]
    return KINDS[kind].replace(old, new)


def line_of(text: str, part: str) -> int:
    """Where it stands first."""
    return text[: text.index(part)].count("\n") + 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        (b"", "", "is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0", ":3", "is binary: it holds a zero byte"),
        (b"a: \xff\n", ":1", "byte 0xff is not UTF-8 (save the file as UTF-8)"),
        (b"a: \x07\n", ":1", "is not text: control characters are not allowed"),
        (b"#" * 10_000_000, "", "is larger than 4 MiB: no file that people write is"),
        (b"a: " + b"[" * 100_000, ":1", "is nested deeper than 32 levels"),
        (b"a: 1\nb: &here 2\n", ":2", "anchors (`&name`) and aliases (`*name`) are not allowed (write it"),
        (b"a: 1\nb: *here\n", ":2", "anchors (`&name`) and aliases (`*name`) are not allowed (write it"),
        (b"a: !!python/name:os.system x\n", ":1", "tags like `tag:yaml.org,2002:python/name:os.system` are"),
        (b"a: 1\n---\nb: 2\n", ":2", "a second document begins here (write one file for each)"),
        (b"a:\n\t- b\n", ":2", "is indented with a tab (indent with spaces)"),
        (b"- a\n- b\n", ":1", "the file has no `key: value` at its top level"),
    ],
)  # fmt: skip
def test_what_is_no_such_file_at_all_is_refused_in_one_line(
    kind: str, content: bytes, place: str, message: str
) -> None:
    file = given(kind, content)
    answer = started_with(kind, file)
    assert (answer.exit_code, answer.out) == (2, "")
    (line,) = answer.err.splitlines()
    assert line.startswith(f"error: {file}{place}: {message}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_not_there_or_no_file_is_refused(kind: str) -> None:
    missing = started_with(kind, Path("nowhere.yaml"))
    assert (missing.exit_code, missing.err) == (2, "error: nowhere.yaml: cannot be read: No such file or directory\n")
    Path("folder.yaml").mkdir()
    folder = started_with(kind, Path("folder.yaml"))
    assert (folder.exit_code, folder.err) == (2, "error: folder.yaml: is not a regular file\n")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(kind: str) -> None:
    file = given(kind, KINDS[kind])
    file.chmod(0)
    answer = started_with(kind, file)
    assert (answer.exit_code, answer.err) == (2, f"error: {file}: cannot be read: Permission denied\n")


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_off_in_the_middle_is_refused_wherever_that_is_to_be_seen(kind: str) -> None:
    text = KINDS[kind].rstrip()
    broken = text[: text.rindex("}") if kind != "cell-type" else text.rindex("[lot") + 5]
    answer = started_with(kind, given(kind, broken))
    assert answer.exit_code == 2
    assert "the file ends in the middle: is it complete?" in answer.err


@pytest.mark.parametrize("kind", KINDS)
def test_a_doubled_key_names_both_lines(kind: str) -> None:
    first = KINDS[kind].splitlines()[0]
    answer = started_with(kind, given(kind, f"{KINDS[kind]}{first}\n"))
    place, key = f"{kind}.yaml:{len(KINDS[kind].splitlines()) + 1}", first.split(":")[0]
    message = f"error: {place}: `{key}` is there twice, first in line 1 (remove one)\n"
    assert (answer.exit_code, answer.err) == (2, message)


@pytest.mark.parametrize(
    ("kind", "known", "misspelt"),
    [
        ("recipe", "to_state", "to_sate"),
        ("cell-type", "resume_gap", "resume-gap"),
        ("rack", "interlocks", "interlock"),
        ("world", "defects", "defect"),
    ],
)
def test_an_unknown_key_gets_the_nearest_one(kind: str, known: str, misspelt: str) -> None:
    text = f"{KINDS[kind]}{misspelt}: 1\n"
    answer = started_with(kind, given(kind, text))
    assert answer.exit_code == 2
    assert answer.err.startswith(f"error: {kind}.yaml:{len(text.splitlines())}: `{misspelt}` is no key of ")
    assert answer.err.endswith(f"(did you mean {known}?)\n")


UP = "current: C/2, until: [time >= 60 s], fail: [capacity > 10 %, voltage > 4.1 V]"


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (UP.replace("time >= 60 s", "voltage >= nan V"), "`nan V` is no value: it must be a finite number"),
        (UP.replace("time >= 60 s", "voltage >= inf V"), "`inf V` is no value: it must be a finite number"),
        (UP.replace("time >= 60 s", "voltage >= 4.2"), "4.2 has no unit (write 4.2 V)"),
        (UP.replace("C/2", "nan A"), "current: `nan A` is no value: it must be a finite number"),
        (UP.replace("C/2", "2.5"), "current: 2.5 has no unit (write 2.5 A)"),
        (UP.replace("C/2", "C/0"), "current: `C/0` divides by nothing that makes sense"),
        (UP.replace("C/2", "3C"), "asks for 15 A, but nmc811-21700 takes 5 A in charge"),
        (UP.replace("10 %", "0 Ah"), "0 Ah"),
        (UP.replace("capacity > 10 %, ", ""), "has no charge limit: a shorted cell would charge for ever"),
        (UP.replace("time >= 60 s", "voltage >= 4.0 V"), "has no time limit: a dead cell would charge for ever"),
        (UP.replace("4.1 V", "4.9 V"), "4.9 V"),
        (UP + ", curent: 1 A", "`curent` is no key of `charge` (did you mean current?)"),
        (UP + ", current: 1 A", "`current` is there twice, first in line 6"),
    ],
)
def test_a_step_that_cannot_be_is_named_with_its_line(step: str, message: str) -> None:
    answer = started_with("recipe", given("recipe", replaced("recipe", UP, step)))
    assert (answer.exit_code, answer.out) == (2, "")
    first = answer.err.splitlines()[0]
    assert first.startswith("error: recipe.yaml:6: ")
    assert message in first
    assert "step up" in first or "twice" in message


@pytest.mark.parametrize(
    ("kind", "old", "new", "message"),
    [
        ("cell-type", "5.0 Ah", "0 Ah", "rated_capacity: 0 Ah is not above 0"),
        ("cell-type", "5.0 Ah", "nan Ah", "rated_capacity: `nan Ah` is no value: it must be a finite number"),
        ("cell-type", "5.0 Ah", "5.0", "rated_capacity: 5.0 has no unit (write 5.0 Ah)"),
        ("cell-type", "[2.5 V, 4.2 V]", "[4.2 V, 2.5 V]", "4.2 V is not below 2.5 V"),
        ("rack", "5 V,", "inf V,", "`inf V` is no value: it must be a finite number"),
        ("rack", "5 V,", "5,", "5 has no unit (write 5 V)"),
        ("rack", "channel: bt-01/1", "channel: bt-01/99", "bt-01 has no channel 99 (it has 1 to 16)"),
        ("world", "23 degC", "nan degC", "`nan degC` is no value: it must be a finite number"),
        ("world", "23 degC", "23", "23 has no unit (write 23 degC)"),
        ("world", "1 kOhm", "0 Ohm", "resistance_ohm must lie between 20 and 1e+06, not at 0"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_its_line(kind: str, old: str, new: str, message: str) -> None:
    text = replaced(kind, old, new)
    answer = started_with(kind, given(kind, text))
    assert (answer.exit_code, answer.out) == (2, "")
    first = answer.err.splitlines()[0]
    assert first.startswith(f"error: {kind}.yaml:{line_of(text, new)}: ")
    assert message in first


def test_what_a_channel_cannot_do_is_refused_before_a_folder_is_made() -> None:
    text = replaced("recipe", "C/2, until", "0.0001C, until")
    answer = started_with("recipe", given("recipe", text))
    assert answer.exit_code == 2
    assert "recipe.yaml:6: step up" in answer.err


def test_all_mistakes_of_a_file_come_together_one_a_line_with_its_place() -> None:
    text = replaced("recipe", "C/2, until", "2, until").replace("time: 30 s", "time: 30").replace("4.1 V", "four")
    answer = started_with("recipe", given("recipe", text))
    places = [line.split(": ")[1] for line in answer.err.splitlines()]
    assert places == ["recipe.yaml:6", "recipe.yaml:6", "recipe.yaml:7", "recipe.yaml:8"]


@pytest.mark.parametrize("kind", KINDS)
def test_with_json_the_mistakes_are_a_document_on_stdout(kind: str) -> None:
    answer = started_with(kind, given(kind, KINDS[kind] + "colour: red\nshape: round\n"), "--json")
    lines = len(KINDS[kind].splitlines())
    assert (answer.exit_code, answer.err) == (2, "")
    assert [set(error) for error in answer.errors] == [{"file", "line", "step", "code", "message", "hint"}] * 2
    assert [(e["file"], e["line"], e["code"]) for e in answer.errors] == [
        (f"{kind}.yaml", lines + 1, "unknown-key"),
        (f"{kind}.yaml", lines + 2, "unknown-key"),
    ]


def test_with_json_a_mistake_in_a_step_names_the_step() -> None:
    answer = started_with("recipe", given("recipe", replaced("recipe", "time: 30 s", "time: 30")), "--json")
    (error,) = answer.errors
    assert (error["line"], error["step"], error["code"], error["hint"]) == (7, "2", "no-unit", "write 30 s")


def test_a_recipe_that_is_nowhere_gets_the_nearest_name() -> None:
    answer = cycler("simulate", "nmc811-21700-gradin", "--out", "out")
    message = "is neither a file nor the name of a recipe (did you mean nmc811-21700-grading?)"
    assert (answer.exit_code, answer.err) == (2, f"error: nmc811-21700-gradin: {message}\n")


def test_a_cell_type_of_another_name_than_the_recipes_is_refused() -> None:
    file = given("cell-type", replaced("cell-type", "cell_type: nmc811-21700", "cell_type: other"))
    answer = started_with("cell-type", file)
    assert (answer.exit_code, answer.err) == (
        2,
        "error: recipe.yaml:3: the recipe is for nmc811-21700, not for other\n",
    )
