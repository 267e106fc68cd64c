"""A world file says which cells stand where and what is wrong with them; mistakes in it are named with their line."""

from pathlib import Path

import pytest

from cycler.model.cell_type import CellType
from cycler.model.rack import PositionId
from cycler.model.world import WorldDeclaration
from cycler.recipe.lookup import find_cell_type
from cycler.recipe.problems import InvalidFile, Problem
from cycler.service.bench_rack import bench_configuration
from cycler.service.wiring import open_world
from cycler.service.world_file import everywhere, load_world

NMC = find_cell_type("nmc811-21700", beside=Path("/nonexistent"))
BENCH = bench_configuration(4, NMC)


def declared(
    folder: Path, text: str, *, cell_type: CellType | None = None, seed: int | None = None
) -> WorldDeclaration:
    file = folder / "world.yaml"
    file.write_text(text)
    return load_world(file, BENCH.rack, cell_type=cell_type, seed=seed)


def problem(folder: Path, text: str) -> Problem:
    """What keeps the world from being opened, be it the file's form or what the simulation makes of it."""
    with pytest.raises(InvalidFile) as refused:
        open_world(BENCH, declared(folder, text), wire="memory")
    (found,) = refused.value.problems
    assert found.file == str(folder / "world.yaml")
    return found


def with_defect(defect: str) -> str:
    return f"cells: {{default: nmc811-21700}}\ndefects:\n  - {{at: S01/1, {defect}}}\n"


def test_without_a_file_a_healthy_cell_stands_everywhere() -> None:
    declaration = everywhere(BENCH.rack, NMC, seed=3, state="formed@30%")
    assert set(declaration.cells) == {f"S01/{number}" for number in range(1, 5)}
    assert {cell.state for cell in declaration.cells.values()} == {"formed@30%"}
    assert declaration.defects == ()


def test_the_nearest_word_counts_a_position_before_its_bay_before_the_default(tmp_path: Path) -> None:
    text = 'cells: {default: nmc811-21700, S01/2: {cell_type: nmc811-21700, state: "formed@80%"}}\n'
    cells = declared(tmp_path, text).cells
    assert cells[PositionId("S01/2")].state == "formed@80%"
    assert cells[PositionId("S01/1")].state is None
    for_the_bay = 'cells: {default: nmc811-21700, S01: {cell_type: nmc811-21700, state: "formed@50%"}}\n'
    assert {cell.state for cell in declared(tmp_path, for_the_bay).cells.values()} == {"formed@50%"}


def test_a_seed_from_outside_goes_before_the_files_own(tmp_path: Path) -> None:
    text = "seed: 7\ncells: {default: nmc811-21700}\n"
    assert declared(tmp_path, text).seed == 7
    assert declared(tmp_path, text, seed=8).seed == 8


def test_where_the_file_says_nothing_the_given_cell_type_stands(tmp_path: Path) -> None:
    declaration = declared(tmp_path, "ambient: 30 degC\n", cell_type=NMC)
    assert all(cell.cell_type is NMC for cell in declaration.cells.values())
    assert declaration.ambient_degc == 30.0


def test_a_defect_has_its_numbers_in_si_units(tmp_path: Path) -> None:
    text = with_defect("defect: micro-short, resistance: 1 kOhm, from: 3 h, probability: 10 %")
    (defect,) = declared(tmp_path, text).defects
    assert (defect.numbers, defect.from_s, defect.probability) == ({"resistance_ohm": 1000.0}, 10_800.0, 0.1)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("ambient: 23 degC\n", 1, "what stands at S01/1?"),
        ("cells: {default: lto-99}\n", 1, "cells: there is no cell type lto-99"),
        ("cells:\n  default: nmc811-21700\n  S01/9: nmc811-21700\n", 3, "the rack has no S01/9"),
        ('cells:\n  default: {cell_type: nmc811-21700, state: "full"}\n', 2, "nmc811-21700: 'full' is no state"),
        ('cells:\n  default: {cell_type: nmc811-21700, state: "filled@0%"}\n', 2, "nmc811-21700: 'filled' cells"),
        ("cells: {default: nmc811-21700}\nambient: 23 K\n", 2, "ambient: `K` is no unit"),
        ("cells: {default: nmc811-21700}\nambient: 400 degC\n", 2, "ambient: 400 degC is not between -40 and 80"),
        ("cells: {default: nmc811-21700}\nseed: -1\n", 2, "seed: `-1` is no whole number"),
        ("cells: {default: nmc811-21700}\nfaults: [{device: bench, fault: late}]\n", 2, "faults of wires and devices"),
        (with_defect("defect: low-capasity, factor: 0.9"), 3, "S01/1: no defect 'low-capasity' is simulated: "),
        (with_defect("defect: gassing"), 3, "S01/1: no defect 'gassing' is simulated: "),
        (with_defect("defect: low-capacity"), 3, "S01/1: low-capacity needs factor and nothing else, not nothing"),
        (with_defect("defect: low-capacity, factor: nan"), 3, "factor: nan is not between 0 and a million"),
        (with_defect("defect: low-capacity, factor: 90 %"), 3, "factor: '90 %' is no number"),
        (with_defect("defect: micro-short, resistance: 5"), 3, "resistance: 5 has no unit"),
        (with_defect("defect: micro-short, resistance: 0 Ohm"), 3, "S01/1: micro-short: resistance_ohm must be"),
        (with_defect("defect: missing, from: 1 h"), 3, "S01/1: a cell is missing from the beginning or not at all"),
        (with_defect("defect: missing, probability: 150 %"), 3, "S01/1: missing: a probability of 1.5 cannot be"),
        (with_defect("defect: missing, from: -1 h"), 3, "from: -1 h is before the beginning"),
        (with_defect("defect: missing, when: 1 h"), 3, "`when` is no key of a defect"),
        (with_defect("defect: missing").replace("S01/1", "S01/7"), 3, "at: `S01/7` is not one of its words"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    found = problem(tmp_path, text)
    assert (found.line, found.message[: len(message)]) == (line, message)


def test_a_word_for_what_stands_nowhere_says_it_once(tmp_path: Path) -> None:
    assert problem(tmp_path, "seed: 1\n").hint == "name a `default` cell type under `cells`"
