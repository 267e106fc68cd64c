"""A register map is read strictly, and the rack file that names it is checked with it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from map_subjects import map_of, map_texts

from cycler.contract.register_map import Commissioned, MappedBit, MappedRegister
from cycler.recipe.problems import InvalidFile, Problem
from cycler.service.config_check import check_configuration
from cycler.service.rack_file import load_configuration
from cycler.service.register_map_file import load_register_map

MAP = """\
device: TC-8
unit: 7
word_order: low-first
registers:
  - {name: cell-1, address: 0x10, function: 4, type: i16, scale: 0.1, offset: -5, unit: degC, channel: 1}
commissioned: {by: M. Weber, date: 2026-03-02, evidence: sheet 4}
"""
RACK = """\
rack: {id: R1}
devices:
  - {id: ps-01, driver: sim_cycler, resource: "sim:ps-01", channels: 1}
  - {id: tc-01, driver: modbus_map, map: maps/tc.yaml, resource: "modbus-tcp://127.0.0.1:1504"}
bays:
  - {id: B01, positions: {A1: {channel: ps-01/1, temperature: tc-01/1}}}
"""


def loaded(folder: Path, rack: str = RACK, *, text: str = MAP) -> object:
    (folder / "maps").mkdir()
    (folder / "maps" / "tc.yaml").write_text(text)
    (folder / "rack.yaml").write_text(rack)
    return load_configuration(folder / "rack.yaml")


def rack_problem(folder: Path, rack: str = RACK, *, text: str = MAP) -> Problem:
    with pytest.raises(InvalidFile) as refused:
        loaded(folder, rack, text=text)
    (problem,) = refused.value.problems
    return problem


def named_problem(folder: Path, rack: str = RACK, *, text: str = MAP, lines: tuple[int, ...] = (4,)) -> Problem:
    """What is wrong with the map, which the rack file names in these lines."""
    with pytest.raises(InvalidFile) as refused:
        loaded(folder, rack, text=text)
    here = [problem for problem in refused.value.problems if problem.file == str(folder / "rack.yaml")]
    assert [(problem.line, problem.message) for problem in here] == [
        (line, "map: it cannot be used as it is") for line in lines
    ]
    (problem,) = (problem for problem in refused.value.problems if problem not in here)
    return problem


def map_problem(text: str) -> Problem:
    with pytest.raises(InvalidFile) as refused:
        map_of(text)
    (problem,) = refused.value.problems
    return problem


def test_the_worked_examples_of_the_driver_are_maps_of_each_kind() -> None:
    assert [map_of(text).kind for text in map_texts()] == ["temperature", "digital-io", "chamber", "cycler"]


def test_a_map_is_read_as_it_is_documented() -> None:
    found = map_of(MAP)
    assert (found.device, found.kind, found.unit, found.word_order) == ("TC-8", "temperature", 7, "low-first")
    assert found.registers == (
        MappedRegister(
            name="cell-1", channel="1", function=4, address=16, type="i16", scale=0.1, offset=-5.0, unit="degC", line=5
        ),
    )
    assert found.commissioned == Commissioned(by="M. Weber", date="2026-03-02", evidence="sheet 4")


@pytest.mark.parametrize(
    ("unit", "base", "factor"), [("mV", "V", 1e-3), ("K/min", "K/s", 1 / 60), ("kW", "W", 1e3), ("min", "s", 60.0)]
)
def test_scale_and_offset_come_out_in_base_units(unit: str, base: str, factor: float) -> None:
    (register,) = map_of(MAP.replace("degC", unit)).registers
    assert register.unit == base
    assert (register.scale, register.offset) == pytest.approx((0.1 * factor, -5.0 * factor))


def test_bits_are_coils_inputs_single_bits_and_whole_registers() -> None:
    bits = "  - {name: a, address: 1, function: 1, channel: DO0}\n  - {name: b, address: 2, function: 4, bit: 3}\n"
    bits += "  - {name: c, address: 3, function: 3, on: 255, off: 1}\n"
    assert map_of(f"device: x\nkind: digital-io\nbits:\n{bits}").bits == (
        MappedBit(name="a", channel="DO0", function=1, address=1, line=4),
        MappedBit(name="b", channel=None, function=4, address=2, bit=3, line=5),
        MappedBit(name="c", channel=None, function=3, address=3, on=255, off=1, line=6),
    )


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("device: TC-8", "devise: TC-8", 1, "did you mean device"),
        ("word_order: low-first", "word_order: low", 3, "`low` is not one of its words"),
        ("unit: 7", "unit: 300", 2, "300 is not between 0 and 255"),
        ("function: 4", "function: 2", 5, "`2` is no function that reads it (there are: 3, 4)"),
        ("type: i16", "type: int16", 5, "did you mean i16"),
        ("address: 0x10", "address: 0x10000", 5, "not between 0 and 65535"),
        ("address: 0x10", "address: 4.5", 5, "`4.5` is no whole number"),
        ("address: 0x10", "adress: 16", 5, "a register needs `address`"),
        ("address: 0x10, function: 4, type: i16", "address: 65535, function: 4, type: f32", 5, "takes two registers"),
        ("scale: 0.1", "scale: 0", 5, "0 makes every value the same"),
        ("scale: 0.1", "scale: 0.1 degC", 5, "is no number"),
        ("scale: 0.1", "scale: 1e99", 5, "is no number"),
        ("unit: degC", "unit: K", 5, "`K` is no unit"),
        ("date: 2026-03-02", "date: yesterday", 6, "`yesterday` is no date"),
        ("evidence: sheet 4", "evidenz: sheet 4", 6, "needs `evidence`"),
    ],
)
def test_a_slip_is_named_with_its_line(old: str, new: str, line: int, says: str) -> None:
    with pytest.raises(InvalidFile) as refused:
        map_of(MAP.replace(old, new))
    assert {problem.line for problem in refused.value.problems} == {line}
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("bit", "says"),
    [
        ("function: 1, bit: 3", "a coil or discrete input is one bit"),
        ("function: 2, on: 3", "a coil or discrete input is one bit"),
        ("function: 4", "of an input register write which `bit` it is"),
        ("function: 3, bit: 1, on: 2", "either one bit of the register"),
        ("function: 3, bit: 16", "16 is not between 0 and 15"),
        ("function: 4, bit: 16", "16 is not between 0 and 15"),
        ("function: 3, on: 5, off: 5", "on and off are both 5"),
        ("function: 3, off: 1", "on and off are both 1"),
    ],
)
def test_a_bit_that_cannot_be_is_named(bit: str, says: str) -> None:
    problem = map_problem(f"device: x\nbits:\n  - {{name: a, address: 1, {bit}}}\n")
    assert problem.line == 3
    assert says in problem.message


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("range: {temperature: 25}", "25 has no unit"),
        ("range: {temperature: [80 degC, 20 degC]}", "the range is empty"),
        ("range: {temperature: [1 degC, 2 degC, 3 degC]}", "the range is empty"),
        ("range: {humidity: 30 %}", "is no key of `range`"),
        ("accuracy: {temperature: 0 degC}", "is not above 0"),
        ("accuracy: 1 degC", "entries are due here"),
        ("watchdog: 3", "3 has no unit"),
        ("watchdog: 0 s", "is not above 0"),
        ("expect: [{function: 4, address: 1, type: u16}]", "needs `value`"),
        ("registers: []", "is empty"),
        ("bits: [a]", "a bit is `key: value` entries"),
    ],
)
def test_a_slip_beside_the_registers_is_named(key: str, says: str) -> None:
    assert says in map_problem(f"device: x\n{key}\n").message


@pytest.mark.parametrize(
    ("type_", "raw", "value"),
    [("i16", "0x8000", -32768.0), ("i16", "0x7FFF", 32767.0), ("u16", "0x8000", 32768.0), ("i32", "0xFFFFFFFF", -1.0)],
)
def test_a_raw_value_in_hex_is_what_the_register_reads_as(type_: str, raw: str, value: float) -> None:
    (register,) = map_of(MAP.replace("type: i16", f"type: {type_}, broken: {raw}")).registers
    assert register.broken == (value,)


@pytest.mark.parametrize(("type_", "raw"), [("i16", "70000"), ("u16", "-1"), ("u16", "1.5"), ("i32", "-3e9")])
def test_a_raw_value_that_no_register_of_its_type_holds_is_refused(type_: str, raw: str) -> None:
    problem = map_problem(MAP.replace("type: i16", f"type: {type_}, broken: {raw}"))
    assert (problem.line, "is nothing that an" in problem.message) == (5, True)


def test_a_name_stands_once_for_each_channel() -> None:
    twice = MAP.replace("commissioned", MAP.splitlines()[4] + "\ncommissioned")
    problem = map_problem(twice)
    assert (problem.line, problem.message) == (6, "cell-1 of channel 1 is there twice, first in line 5")


def test_what_stands_at_an_address_stands_there_once() -> None:
    other = MAP.splitlines()[4].replace("cell-1", "cell-2").replace("channel: 1", "channel: 2")
    for text in (other, other.replace("0x10", "0x0f").replace("i16", "f32")):
        problem = map_problem(MAP.replace("commissioned", text + "\ncommissioned"))
        assert (problem.line, problem.message) == (6, "cell-2: address 16 of function 4 is cell-1's, in line 5")


@given(st.text(alphabet=st.sampled_from("{}[]:,- \nabcdef0123456789.x%"), max_size=200))
def test_whatever_the_file_holds_it_is_a_map_or_refused(tail: str) -> None:
    try:
        map_of(MAP + tail)
    except InvalidFile as invalid:
        assert invalid.problems


# In a rack.


def test_the_path_is_relative_to_the_rack_file(tmp_path: Path) -> None:
    loaded(tmp_path)
    assert load_register_map(tmp_path / "maps" / "tc.yaml").device == "TC-8"


def test_a_slip_in_the_map_is_reported_as_that_files(tmp_path: Path) -> None:
    problem = named_problem(tmp_path, text=MAP.replace("scale: 0.1", "scale: 0"))
    assert (problem.file, problem.line) == (str(tmp_path / "maps" / "tc.yaml"), 5)


def test_a_slip_in_a_map_that_two_devices_name_is_reported_once(tmp_path: Path) -> None:
    line = RACK.splitlines()[3]
    rack = RACK.replace(line, f"{line}\n{line.replace('tc-01', 'tc-02')}")
    assert named_problem(tmp_path, rack, text=MAP.replace("scale: 0.1", "scale: 0"), lines=(4, 5)).line == 5


def test_what_the_driver_misses_in_the_map_is_reported_as_that_files(tmp_path: Path) -> None:
    problem = named_problem(tmp_path, text=MAP.replace(", channel: 1", ""))
    assert (problem.file, problem.line) == (str(tmp_path / "maps" / "tc.yaml"), 5)
    assert "write the `channel`" in problem.message


def test_a_map_that_is_not_there_is_said(tmp_path: Path) -> None:
    problem = named_problem(tmp_path, RACK.replace("tc.yaml", "no.yaml"))
    assert problem.file.endswith("maps/no.yaml")
    assert "No such file" in problem.message


def test_a_channel_that_the_map_does_not_have_is_refused(tmp_path: Path) -> None:
    problem = rack_problem(tmp_path, RACK.replace("tc-01/1", "tc-01/2"))
    assert (problem.line, problem.message) == (6, "temperature: tc-01 has no channel 2")


def test_the_kind_of_a_device_is_its_maps(tmp_path: Path) -> None:
    chamber = next(text for text in map_texts() if "kind: chamber" in text)
    problem = rack_problem(tmp_path, text=chamber)
    assert problem.message == "temperature: tc-01 is a chamber, a temperature input is due here"


def test_a_cycler_whose_map_nobody_has_proved_is_named_where_its_rack_is_checked(tmp_path: Path) -> None:
    (text,) = (text for text in map_texts() if "kind: cycler" in text)
    rack = RACK.replace("channels: 1}", "channels: 1}\n  - {id: cy-01, driver: modbus_map, map: maps/cy.yaml, "
                        'resource: "modbus-tcp://127.0.0.1:1505"}')  # fmt: skip
    loaded(tmp_path)
    (tmp_path / "rack.yaml").write_text(rack)
    for proved in (True, False):
        kept = [line for line in text.splitlines() if proved or not line.startswith("commissioned:")]
        (tmp_path / "maps" / "cy.yaml").write_text("\n".join(kept))
        checked = check_configuration(tmp_path / "rack.yaml", None)
        said = [line for line in checked.lines() if line.startswith("cy-01: ")]
        assert checked.document()["uncommissioned"] == ([] if proved else ["cy-01"])
        assert bool(said) is not proved
        assert all("is uncommissioned: it refuses cells until its proof test has passed" in line for line in said)


def test_a_driver_that_needs_a_map_says_so(tmp_path: Path) -> None:
    problem = rack_problem(tmp_path, RACK.replace("map: maps/tc.yaml, ", ""))
    assert (problem.line, problem.message) == (4, "tc-01: its driver needs a register map: write `map: FILE.yaml`")


def test_a_driver_that_needs_none_says_so(tmp_path: Path) -> None:
    problem = rack_problem(
        tmp_path, RACK.replace("modbus_map", "sim_temperature").replace("modbus-tcp://127.0.0.1:1504", "sim:x")
    )
    assert "its driver has no use for a register map" in problem.message
