"""Cell types: every key of the file arrives in SI numbers, and what no cell can be is refused."""

from pathlib import Path

import pytest

from cycler.model.cell_type import Band, CellType, DcirDefaults, GuardLimits, SimulationNames
from cycler.recipe.cell_type_file import read_cell_type
from cycler.recipe.lookup import LIBRARY, cell_type_names, find_cell_type, find_recipe, load_cell_type
from cycler.recipe.problems import InvalidFile, Problem
from cycler.recipe.yaml_nodes import load_bytes

TEXT = """\
cell_type: pouch
chemistry: LCO/graphite
rated_capacity: 2000 mAh
rated_energy: 7.4 Wh
mass: 40 g
envelope:
  filled: {voltage: [-50 mV, 4.2 V], charge_current: C/5, discharge_current: 0 A, capacity: 130 %,
    charge_temperature: [15 degC, 45 degC], discharge_temperature: [15 degC, 45 degC]}
  formed: {voltage: [3 V, 4.2 V], trip_margin: 30 mV, charge_current: 1C, discharge_current: 3 A, capacity: 2.4 Ah,
    charge_temperature: [5 degC, 45 degC], discharge_temperature: [-10 degC, 60 degC]}
required_protections: [1, 2, 49]
unattended_charge: 20 %
resume_gap: 90 min
dcir: {direction: charge, current: 1 A, time: 1 s, values: [1 s, 0.1 s]}
limits: {capacity_ah: [1.9 Ah, 2.2 Ah], dcir_ohm: [0, 0.05],
  first_cycle_efficiency: [84 %, 1], k_v_per_h: [-0.1 mV/h, 0.08 mV/h]}
grades: {A: {capacity_ah: [2, 2.2]}, B: {capacity_ah: [1.9, 2.2]}}
genealogy: [lot, cathode_lot]
simulation: {ocv: ocv_lco_graphite, capacity: 2.1 Ah, film_loss: 10 %, leak: 0.01 mA, state: formed@40 %, spread: poor,
  body: pouch-2ah}
"""


def read(text: str) -> CellType:
    return read_cell_type(load_bytes(text.encode(), "pouch.yaml"), "pouch.yaml")


def refused(text: str) -> list[Problem]:
    with pytest.raises(InvalidFile) as found:
        read(text)
    return list(found.value.problems)


def test_every_key_arrives_in_si_numbers() -> None:
    cell = read(TEXT)
    assert (cell.name, cell.chemistry) == ("pouch", "LCO/graphite")
    assert (cell.rated_capacity_ah, cell.rated_energy_wh) == (2.0, 7.4)
    assert (cell.mass_kg, cell.unattended_charge_ratio, cell.resume_gap_s) == (0.04, 0.2, 5400.0)
    formed = cell.envelopes["formed"]
    assert (formed.voltage_v_min, formed.voltage_v_max, formed.trip_margin_v) == (3.0, 4.2, 0.03)
    assert (formed.charge_current_a, formed.discharge_current_a, formed.capacity_ah) == (2.0, 3.0, 2.4)
    assert formed.discharge_temperature_degc == (-10.0, 60.0)
    assert cell.envelopes["filled"].voltage_v_min == -0.05
    assert cell.envelopes["filled"].trip_margin_v == 0.05
    assert cell.required_protections == {1, 2, 49}
    assert cell.dcir == DcirDefaults(direction="charge", c_rate=0.5, time_s=1.0, values_s=(0.1, 1.0))
    assert cell.limits["capacity_ah"] == Band(low=1.9, high=2.2)
    assert cell.limits["dcir_ohm"] == Band(low=0.0, high=0.05)
    assert cell.limits["first_cycle_efficiency"] == Band(low=0.84, high=1.0)
    assert cell.limits["k_v_per_h"].high == pytest.approx(8e-5)
    assert list(cell.grades) == ["A", "B"]
    assert cell.genealogy == ("lot", "cathode_lot")
    assert cell.simulation == SimulationNames(
        ocv="ocv_lco_graphite",
        body="pouch-2ah",
        capacity_ah=2.1,
        film_loss=0.1,
        leak_a=1e-5,
        state="formed@40%",
        spread="poor",
    )


def test_what_is_not_said_takes_the_model_s_defaults() -> None:
    needed = ("cell_type", "chemistry", "rated", "mass", "envelope", "  filled", "  formed", "    ", "required")
    cell = read("".join(line + "\n" for line in TEXT.splitlines() if line.startswith(needed)))
    assert (cell.unattended_charge_ratio, cell.resume_gap_s, cell.dcir.time_s) == (0.3, 7200.0, 10.0)
    assert (cell.limits, cell.grades, cell.genealogy) == ({}, {}, ())


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("2000 mAh", "0 Ah", 3, "0 Ah is not above 0"),
        ("2000 mAh", "-2 Ah", 3, "is not above 0"),
        ("2000 mAh", "2", 3, "2 has no unit"),
        ("2000 mAh", "nan Ah", 3, "finite"),
        ("7.4 Wh", "0 Wh", 4, "is not above 0"),
        ("mass: 40 g\n", "", 1, "needs `mass`"),
        ("mass: 40 g", "mass: 40 Ah", 5, "is a charge, not a mass"),
        ("[3 V, 4.2 V]", "[4.2 V, 3 V]", 9, "4.2 V is not below 3 V"),
        ("[3 V, 4.2 V]", "4.2 V", 9, "write [low, high]"),
        ("trip_margin: 30 mV", "trip_margin: 0 V", 9, "is not above 0"),
        ("discharge_current: 3 A", "discharge_current: -3 A", 9, "magnitude"),
        ("capacity: 2.4 Ah", "capacity: 0 Ah", 9, "is not above 0"),
        ("  formed:", "  fromed:", 7, "needs `formed`"),
        ("[1, 2, 49]", "[1, 2, 490]", 11, "490 is not between 1 and 85"),
        ("20 %", "120 %", 12, "is not between 0 and 100 %"),
        ("time: 1 s", "time: 0.5 s", 14, "must lie within the pulse"),
        ("current: 1 A", "current: 0 A", 14, "is not above 0"),
        ("[1.9 Ah, 2.2 Ah]", "[2.2 Ah, 1.9 Ah]", 15, "is above"),
        ("dcir_ohm", "dcir", 15, "did you mean dcir_ohm?"),
        ("[0, 0.05]", "[0, nan]", 15, "finite"),
        ("spread: poor", "spread: bad", 19, "is not one of its words"),
        ("formed@40 %", "formed@140 %", 19, "is no state of a cell"),
        ("formed@40 %", "done@40 %", 19, "is no state of a cell"),
        ("genealogy", "geneology", 18, "did you mean genealogy?"),
        ("cell_type: pouch", "cell_type: ../pouch", 1, "is no name"),
    ],
)  # fmt: skip
def test_what_no_cell_can_be_is_refused_with_its_line(old: str, new: str, line: int, says: str) -> None:
    assert old in TEXT
    found = [(problem.line, f"{problem.message} ({problem.hint})") for problem in refused(TEXT.replace(old, new, 1))]
    assert any(problem_line == line and says in message for problem_line, message in found)


def test_a_cell_type_is_looked_up_beside_the_file_and_then_in_the_library(tmp_path: Path) -> None:
    (tmp_path / "cell-types").mkdir()
    own = tmp_path / "cell-types" / "nmc811-21700.yaml"
    own.write_text(TEXT.replace("cell_type: pouch", "cell_type: nmc811-21700"))
    assert find_cell_type("nmc811-21700", beside=tmp_path).rated_capacity_ah == 2.0
    assert find_cell_type("nmc811-21700", beside=tmp_path / "elsewhere").rated_capacity_ah == 5.0
    with pytest.raises(LookupError, match="did you mean nmc811-21700"):
        find_cell_type("nmc811-2170", beside=tmp_path)
    own.write_text(TEXT)
    with pytest.raises(InvalidFile, match="the file describes pouch"):
        find_cell_type("nmc811-21700", beside=tmp_path)


def test_a_recipe_is_a_path_or_a_name(tmp_path: Path) -> None:
    assert find_recipe("nmc811-21700-grading", beside=tmp_path) == LIBRARY / "nmc811-21700-grading.yaml"
    (tmp_path / "recipes").mkdir()
    own = tmp_path / "recipes" / "nmc811-21700-grading.yaml"
    own.touch()
    assert find_recipe("nmc811-21700-grading", beside=tmp_path) == own
    assert find_recipe(str(own), beside=Path("/")) == own
    assert find_recipe("none.yaml", beside=tmp_path) == Path("none.yaml")
    with pytest.raises(InvalidFile, match="did you mean nmc811-21700-grading"):
        find_recipe("nmc811-21700-gradin", beside=tmp_path)


def test_all_cell_types_that_ship_load() -> None:
    names = cell_type_names(Path("/nonexistent"))
    assert "nmc811-21700" in names
    for name in names:
        assert load_cell_type(LIBRARY / "cell-types" / f"{name}.yaml").name == name


def test_how_a_cell_may_move_is_the_cell_types(tmp_path: Path) -> None:
    file = tmp_path / "cell.yaml"
    file.write_text(TEXT + "guards: {temperature_rise: 3 K/min, voltage_jump: 100 mV, current_rise: 20 %}\n")
    guards = load_cell_type(file).guards
    assert guards == GuardLimits(temperature_rise_k_per_min=3.0, voltage_jump_v=0.1, current_rise_ratio=0.2)
