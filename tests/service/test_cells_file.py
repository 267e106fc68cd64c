"""A list of cells says what is promised of each; what it says wrongly is named with its line."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cycler.model.cell import LEDGER_STATES, POLARITY_EVIDENCE, Cell, CellId
from cycler.model.rack import PositionId
from cycler.recipe.lookup import find_cell_type
from cycler.recipe.problems import InvalidFile
from cycler.service.bench_rack import BAY, bench_configuration
from cycler.service.cells_file import COLUMNS, CellList, cells_at, read_cells
from cycler.service.ledger import KnownCell
from cycler.service.recipes import recipe_named

RECIPE = recipe_named("nmc811-21700-formation-fast", beside=Path("/nonexistent"))  # takes filled cells
NMC = find_cell_type("nmc811-21700", beside=Path("/nonexistent"))
TRAY = bench_configuration(4, NMC).rack.bays[BAY]
FORMED = KnownCell(cell_type=NMC.name, state="formed", last_ocv_v=3.61, run_id="20260101-001")


def listed(folder: Path, text: str) -> CellList:
    file = folder / "cells.csv"
    file.write_text(text, encoding="utf-8")
    return read_cells(file, NMC)


def cells(folder: Path, text: str, known: dict[CellId, KnownCell] | None = None) -> dict[PositionId, Cell]:
    return cells_at(listed(folder, text), TRAY, RECIPE, known or {})


def refused(folder: Path, text: str, known: dict[CellId, KnownCell] | None = None) -> list[str]:
    with pytest.raises(InvalidFile) as found:
        cells(folder, text, known)
    return [str(problem).removeprefix(str(folder / "cells.csv")) for problem in found.value.problems]


def test_a_line_may_say_everything_that_is_known_of_a_cell(tmp_path: Path) -> None:
    text = "position,cell_id,state,last_ocv_v,polarity,lot\nS01/2,C-7,filled,0.231,operator,L12\n"
    assert cells(tmp_path, text) == {
        "S01/2": Cell(
            cell_id=CellId("C-7"), cell_type="nmc811-21700", state="filled", state_source="declared",
            last_ocv_v=0.231, polarity="operator", genealogy={"lot": "L12"},
        )
    }  # fmt: skip


def test_positions_are_named_with_their_bay_or_within_it_and_come_in_its_order(tmp_path: Path) -> None:
    found = cells(tmp_path, "cell_id, position, state\r\nb, 3, filled\r\n\r\na, S01/1, filled\r\n")
    assert [(at, cell.cell_id) for at, cell in found.items()] == [("S01/1", "a"), ("S01/3", "b")]


def test_of_a_cell_that_nobody_vouches_for_a_state_is_assumed_and_said_to_be(tmp_path: Path) -> None:
    (cell,) = cells(tmp_path, "position,cell_id,state\nS01/1,a,\n").values()
    assert (cell.state, cell.state_source) == ("filled", "assumed")


def test_the_history_of_a_cell_goes_before_an_assumption_and_a_later_voltage_before_its_own(tmp_path: Path) -> None:
    known = {CellId("a"): FORMED, CellId("b"): FORMED}
    found = cells(tmp_path, "position,cell_id,last_ocv_v\n1,a,\n2,b,3.598\n", known)
    assert [(cell.state, cell.state_source, cell.last_ocv_v) for cell in found.values()] == [
        ("formed", "history", 3.61),
        ("formed", "history", 3.598),
    ]


def test_what_contradicts_the_history_is_refused(tmp_path: Path) -> None:
    known = {CellId("a"): FORMED}
    (text,) = refused(tmp_path, "position,cell_id,state\nS01/1,a,filled\n", known)
    assert (
        text == ":2: cell a is formed since run 20260101-001, and not filled (leave `state` empty: the history is here)"
    )
    other = {CellId("a"): KnownCell(cell_type="lco-pouch", state="formed", last_ocv_v=None, run_id="20260101-001")}
    (text,) = refused(tmp_path, "position,cell_id\nS01/1,a\n", other)
    assert text == ":2: cell a is a lco-pouch since run 20260101-001, the recipe is for nmc811-21700"


HEAD = "position,cell_id,state,last_ocv_v,polarity\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ": lists no cell (a line position,cell_id,state,last_ocv_v,polarity, then a line for each cell)"),
        (HEAD, ": lists no cell (a line position,cell_id,state,last_ocv_v,polarity, then a line for each cell)"),
        ("position;cell_id\n", ":1: the columns are not separated by commas (save it as comma-separated CSV)"),
        ("position,cel_id\n1,a\n", ":1: there is no column `cel_id` (did you mean cell_id?)"),
        ("position,position,cell_id\n1,1,a\n", ":1: the column position is there twice"),
        ("position\n1\n", ":1: the column cell_id is missing (begin with position,cell_id)"),
        (HEAD + "1,a\n", ":2: has 2 values under 5 columns"),
        (HEAD + "1,a,formed,3,6,\n", ":2: has 6 values under 5 columns (write numbers with a point)"),
        (HEAD + ",a,,,\n", ":2: has no position"),
        (HEAD + "1,,,,\n", ":2: has no cell_id"),
        (HEAD + "1,a,formd,,\n", ":2: state: `formd` is no such word (did you mean formed?)"),
        (HEAD + "1,a,,3510,\n", ":2: last_ocv_v: `3510` is no cell's voltage (in volts, like 3.512)"),
        (HEAD + "1,a,,nan,\n", ":2: last_ocv_v: `nan` is no cell's voltage (in volts, like 3.512)"),
        (HEAD + "1,a,,,yes\n", ":2: polarity: `yes` is no such word (there are: acir, operator, vision)"),
        (HEAD + "1,a,,,\n2,a,,,\n", ":3: cell a is on line 2 already"),
        (HEAD + "1,a,,,\nS01/1,b,,,\n", ":3: position S01/1 has a cell already"),
        (HEAD + "S01/9,a,,,\n", ":2: bay S01 has no position S01/9 (did you mean S01/4?)"),
        (HEAD + '1,"a\nb",,,\n', ":2: cell_id: `a b` is no word of a line: too long, or not printable"),
        (HEAD + '1,"a,,,\n', ":2: is no CSV: unexpected end of data"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    assert refused(tmp_path, text)[0] == expected


def test_everything_that_is_wrong_is_named_at_once(tmp_path: Path) -> None:
    assert [text.partition(" ")[0] for text in refused(tmp_path, HEAD + "1,a,x,,\n2,b,,y,\n3,c,,,z\n")] == [
        ":2:", ":3:", ":4:",
    ]  # fmt: skip


def test_a_file_that_no_tray_can_have_is_refused(tmp_path: Path) -> None:
    many = "position,cell_id\n" + "".join(f"{n},c{n}\n" for n in range(5000))
    assert refused(tmp_path, many)[0].endswith("has more than 4096 lines: no tray holds so many cells")
    with pytest.raises(InvalidFile, match="cannot be read"):
        read_cells(tmp_path / "none.csv", NMC)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(
    data=st.binary(max_size=300) | st.text(alphabet='position,cell_id"\n;S01/234.-é\0\t', max_size=200).map(str.encode)
)
def test_whatever_stands_in_it_a_file_is_read_or_refused(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "any.csv"
    file.write_bytes(data)
    try:
        found = read_cells(file, NMC)
        cells_at(found, TRAY, RECIPE, {})
    except InvalidFile as error:
        assert error.problems
        assert all("\n" not in str(problem) for problem in error.problems)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    places=st.lists(st.sampled_from([1, 2, 3, 4]), min_size=1, max_size=4, unique=True),
    state=st.sampled_from(LEDGER_STATES),
    millivolts=st.integers(-1000, 5000),
    polarity=st.sampled_from(POLARITY_EVIDENCE),
)
def test_what_is_written_is_what_is_read(
    tmp_path: Path, places: list[int], state: str, millivolts: int, polarity: str
) -> None:
    lines = [",".join(COLUMNS)] + [f"S01/{n},c-{n},{state},{millivolts / 1000},{polarity}" for n in places]
    found = cells(tmp_path, "\n".join(lines))
    assert list(found) == [f"S01/{n}" for n in sorted(places)]
    for cell in found.values():
        assert (cell.state, cell.last_ocv_v, cell.polarity) == (state, millivolts / 1000, polarity)
