"""`cycler recipe import` and `cycler recipe export`, and the page that shows them."""

import json
import re
from pathlib import Path

import pytest
from command_line import cycler

PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"
STRINGS = "Charge at C/2 until 4.2 V\nHold at 4.2 V until C/20\nRest for 30 minutes\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("lab.txt").write_text(STRINGS)
    return tmp_path


def test_an_import_is_a_recipe_on_stdout_and_notes_on_stderr() -> None:
    answer = cycler("recipe", "import", "lab.txt", "--cell-type", "nmc811-21700")
    assert answer.exit_code == 0
    assert answer.out.startswith("recipe: lab\nversion: 1.0.0\ncell_type: nmc811-21700\n")
    assert "note: step 1: `fail` has capacity > 120 % of rated, time > 28 h\n" in answer.err


def test_what_was_imported_is_fine_for_the_check() -> None:
    answer = cycler("recipe", "import", "lab.txt", "--cell-type", "nmc811-21700", "--out", "lab.yaml")
    assert (answer.exit_code, answer.out) == (0, "")
    assert cycler("recipe", "check", "lab.yaml").exit_code == 0


def test_a_recipe_goes_out_and_comes_back() -> None:
    cycler("recipe", "import", "lab.txt", "--cell-type", "nmc811-21700", "--out", "lab.yaml")
    for format_ in ("unicycler", "pybamm"):
        assert cycler("recipe", "export", "lab.yaml", "--format", format_, "--out", "lab.json").exit_code == 0
        answer = cycler("recipe", "import", "lab.json", "--cell-type", "nmc811-21700")
        assert "charge: {current: C/2, voltage: 4.2 V, until: [current <= C/20 -> next]" in answer.out


def test_as_json_both_are_one_document() -> None:
    imported = cycler("recipe", "import", "lab.txt", "--cell-type", "nmc811-21700", "--json").document
    assert imported["text"].startswith("recipe: lab\n") and imported["notes"] and imported["out"] is None
    Path("lab.yaml").write_text(imported["text"])
    exported = cycler("recipe", "export", "lab.yaml", "--format", "pybamm", "--json").document
    assert json.loads(exported["text"])[0] == "Charge at C/2 until 4.2 V"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["import", "lab.txt"], "error: lab.txt: does not name the type of its cells (give --cell-type)"),
        (["import", "none.txt", "--cell-type", "lfp-26650"], "error: none.txt: cannot be read"),
        (["import", "lab.txt", "--cell-type", "lfp"], "error: lfp: is neither a file nor the name of a cell type"),
        (["import", "lab.txt", "--format", "unicycler"], "error: lab.txt:1: is not JSON"),
        (["import", "lab.txt", "--format", "csv"], "error: lab.txt: --format csv is no format"),
        (["export", "nmc811-21700-grading", "--format", "pybamm"], "`soak` has no counterpart in PyBaMM's strings"),
        (["export", "nmc811-21700-grading"], "error: Missing option '--format'"),
    ],
    ids=lambda value: "-".join(value[:2]) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_told_with_exit_code_2(arguments: list[str], message: str) -> None:
    answer = cycler("recipe", *arguments)
    assert (answer.exit_code, answer.out) == (2, "")
    assert message in answer.err


def test_a_place_that_cannot_be_written_is_told() -> None:
    answer = cycler("recipe", "import", "lab.txt", "--cell-type", "nmc811-21700", "--out", "no/lab.yaml")
    assert answer.exit_code == 1
    assert answer.err == "error: --out no/lab.yaml cannot be written: no/lab.yaml: No such file or directory\n"


@pytest.mark.parametrize(("section", "commands"), [("A first recipe", 3), ("Import and export", 3)])
def test_the_page_shows_what_its_commands_print(section: str, commands: int) -> None:
    """Of each section the files are written, the commands typed, and what they print is compared."""
    text = PAGE.read_text(encoding="utf-8").split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    files = dict(re.findall(r"`([\w.]+)`:\n+```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    for name, content in files.items():
        Path(name).write_text(content)
    blocks = re.findall(r"^```console\n\$ cycler ([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == commands
    for line, shown in blocks:
        command, _, into = line.partition(" > ")
        answer = cycler(*command.split())
        if into:
            Path(into).write_text(answer.out)
        assert answer.err + ("" if into else answer.out) == shown, command
    assert {name: Path(name).read_text() for name in files} == files
