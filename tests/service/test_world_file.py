"""A world file says which cells stand where and what is wrong with them; mistakes in it are named with their line."""

from pathlib import Path

import pytest

from cycler.model.cell_type import CellType
from cycler.model.rack import PositionId
from cycler.model.world import Fault, WorldDeclaration
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


def with_fault(fault: str) -> str:
    return f"cells: {{default: nmc811-21700}}\nfaults:\n  - {{{fault}}}\n"


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


def test_a_defect_names_the_cell_that_is_there_by_mistake_and_the_other_position(tmp_path: Path) -> None:
    text = with_defect("defect: wrong-chemistry, cell_type: lfp-26650, state: formed@50%")
    (defect,) = declared(tmp_path, text).defects
    assert defect.cell is not None
    assert (defect.cell.cell_type.name, defect.cell.state) == ("lfp-26650", "formed@50%")
    (crossed,) = declared(tmp_path, with_defect("defect: crossed-sense, other: S01/3")).defects
    assert crossed.other == "S01/3"


def test_what_comes_and_goes_says_how_often_and_how_long(tmp_path: Path) -> None:
    text = with_defect("defect: open-contact, rate: 6 /h, for: 2 s")
    (defect,) = declared(tmp_path, text).defects
    assert (defect.rate_per_s, defect.for_s) == (6 / 3600, 2.0)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (
            "device: bench, fault: no-reply, from: 2 h, for: 10 s",
            Fault(device="bench", fault="no-reply", from_s=7200.0, for_s=10.0, line=3),
        ),
        (
            "device: thermometers/3, fault: frozen, rate: 0.1 /h",
            Fault(device="thermometers", channel="3", fault="frozen", rate_per_s=0.1 / 3600, line=3),
        ),
        (
            "device: bench/1, fault: drift, offset: 1 mV/h, gain: 0.0864 /d, probability: 50 %",
            Fault(
                device="bench",
                channel="1",
                fault="drift",
                numbers={"offset_per_s": pytest.approx(1e-3 / 3600), "gain_per_s": pytest.approx(1e-6)},
                probability=0.5,
                line=3,
            ),
        ),
        (
            "device: bench, fault: off-ignored, times: 1",
            Fault(device="bench", fault="off-ignored", numbers={"times": 1.0}, line=3),
        ),
        (
            "fault: clock-step, step: -1 h, from: 2 h",
            Fault(device="", fault="clock-step", numbers={"step_s": -3600.0}, from_s=7200.0, line=3),
        ),
    ],
)
def test_a_fault_has_its_times_and_numbers_in_si_units(tmp_path: Path, fault: str, expected: Fault) -> None:
    declaration = declared(tmp_path, with_fault(fault))
    assert declaration.faults == (expected,)
    assert open_world(BENCH, declaration, wire="memory")


EVERY_DEFECT = (
    "micro-short, resistance: 1 kOhm", "hard-short, resistance: 1 Ohm", "open-sense, voltage: 5 V",
    "drifting-sense, drift: -30 mV/s", "open-contact", "bad-contact, resistance: 50 mOhm", "reversed", "missing",
    "wrong-chemistry, cell_type: lfp-26650", "high-resistance, factor: 1.5", "low-capacity, factor: 0.9",
    "extra-heat, power: 2 W", "gassing, loss: 1 %", "crossed-sense", "double-loaded", "wrong-sensor",
)  # fmt: skip


@pytest.mark.parametrize("defect", EVERY_DEFECT)
def test_every_defect_can_be_declared_with_its_own_number(tmp_path: Path, defect: str) -> None:
    declaration = declared(tmp_path, with_defect(f"defect: {defect}"))
    assert len(declaration.defects[0].numbers) == (1 if ":" in defect and "cell_type" not in defect else 0)
    assert open_world(BENCH, declaration, wire="memory")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("ambient: 23 degC\n", 1, "what stands at S01/1?"),
        ("cells: {default: lto-99}\n", 1, "cells: there is no cell type lto-99"),
        ("cells:\n  default: nmc811-21700\n  S01/9: nmc811-21700\n", 3, "the rack has no S01/9"),
        ('cells:\n  default: {cell_type: nmc811-21700, state: "full"}\n', 2, "nmc811-21700: 'full' cells are not"),
        ("cells: {default: nmc811-21700}\nambient: 23 K\n", 2, "ambient: `K` is no unit"),
        ("cells: {default: nmc811-21700}\nambient: 400 degC\n", 2, "ambient: 400 degC is not between -40 and 80"),
        ("cells: {default: nmc811-21700}\nseed: -1\n", 2, "seed: `-1` is no whole number"),
        (with_fault("device: bench, fault: late"), 3, "bench: late: this fault is not simulated on it: possible are"),
        (with_fault("device: bensh, fault: nan"), 3, "nan: the rack has no device 'bensh': did you mean 'bench'?"),
        (with_fault("device: bench/9, fault: nan"), 3, "bench: nan: no position of the rack uses its channel 9"),
        (with_fault("device: bench/1, fault: no-reply"), 3, "bench: no-reply: it strikes the whole device"),
        (with_fault("device: bench, fault: nan, rate: 3"), 3, "rate: 3 has no unit"),
        (with_fault("device: bench, fault: nan, rate: 0 /h"), 3, "rate: 0 /s is not above 0"),
        (with_fault("device: bench, fault: nan, for: -1 s"), 3, "for: -1 s is not above 0"),
        (with_fault("device: bench, fault: drift, offset: 1 mA"), 3, "offset: `1 mA` is a current, not a voltage rate"),
        (with_fault("fault: nan"), 3, "a fault needs `device`"),
        (with_fault("device: bench, fault: clock-step"), 3, "bench: clock-step: it strikes the PC and no device"),
        (with_fault("device: contactors/DO0, fault: pressure-loss, over: 1 h"), 3, "contactors: pressure-loss: name a"),
        ("cells: {default: nmc811-21700}\nfaults: [late]\n", 2, "a fault is `key: value` entries"),
        (with_defect("defect: low-capasity, factor: 0.9"), 3, "S01/1: no defect 'low-capasity' is simulated: "),
        (with_defect("defect: lost-subchannel"), 3, "S01/1: lost-subchannel: it has one channel only"),
        (with_defect("defect: missing, factor: 0.9"), 3, "S01/1: missing: takes no numbers, not factor"),
        (with_defect("defect: low-capacity, factor: 1.9"), 3, "S01/1: low-capacity: factor must lie between 0.01 and"),
        (with_defect("defect: wrong-chemistry, cell_type: lto-99"), 3, "cell_type: there is no cell type lto-99"),
        (with_defect("defect: wrong-chemistry"), 3, "S01/1: wrong-chemistry: needs the `cell_type` that is there"),
        (with_defect("defect: crossed-sense, other: S01/9"), 3, "other: `S01/9` is not one of its words"),
        (with_defect("defect: low-capacity, factor: nan"), 3, "factor: nan is not between 0 and a million"),
        (with_defect("defect: low-capacity, factor: 90 %"), 3, "factor: '90 %' is no number"),
        (with_defect("defect: micro-short, resistance: 5"), 3, "resistance: 5 has no unit"),
        (with_defect("defect: micro-short, resistance: 0 Ohm"), 3, "S01/1: micro-short: resistance_ohm must lie"),
        (with_defect("defect: missing, from: 1 h"), 3, "S01/1: missing: a tray is loaded so from the"),
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
