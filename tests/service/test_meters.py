"""Meters of positions: in the rack file, and whether a recipe finds the ones that it needs."""

from pathlib import Path

import pytest
from command_line import cycler
from recipe_texts import HEAD, load

from cycler.recipe.problems import InvalidFile, Problem
from cycler.service.configuration import Configuration
from cycler.service.meter_check import meter_problems
from cycler.service.rack_file import load_configuration

DEVICES = """\
rack: {id: R1}
devices:
  - {id: cyc-01, driver: sim_cycler, resource: "sim:cyc-01", channels: 4}
  - {id: io-01, driver: sim_io, resource: "sim:io-01"}
  - {id: hi-01, driver: hioki_bt3562, resource: "serial:///dev/ttyUSB0?baud=9600"}
  - {id: mux-01, driver: sim_meter, resource: "sim:mux-01", channels: 8}
  - {id: t-01, driver: sim_temperature, resource: "sim:t-01"}
bays:
"""
BAY = "  - {id: B01, contactor: io-01/DO0, positions: {A1: {channel: cyc-01/1, meter: hi-01/1, temperature: t-01/1}}}\n"


def rack(folder: Path, *bays: str) -> Configuration:
    (folder / "rack.yaml").write_text(DEVICES + "".join(bays))
    return load_configuration(folder / "rack.yaml")


def refused(folder: Path, positions: str) -> Problem:
    with pytest.raises(InvalidFile) as refusal:
        rack(folder, f"  - {{id: B01, contactor: io-01/DO0, positions: {{{positions}}}}}\n")
    (found,) = refusal.value.problems
    return found


def test_a_position_names_its_meter_and_nothing_is_in_the_way_of_a_run(tmp_path: Path) -> None:
    bay = "  - {id: B02, contactor: io-01/DO1, positions: {A1..A2: {channel: cyc-01/3..4, meter: mux-01/7..8}}}\n"
    found = rack(tmp_path, BAY, bay)
    assert not found.not_yet
    meters = [position.meter for bay in found.rack.bays.values() for position in bay.positions.values()]
    assert [str(meter) for meter in meters] == ["hi-01/1", "mux-01/7", "mux-01/8"]
    assert found.channels_of("mux-01") == ("7", "8")


@pytest.mark.parametrize(
    ("positions", "code", "says"),
    [
        ("A1: {channel: cyc-01/1, meter: hi-01/2}", "unknown-channel", "hi-01 has no channel 2"),
        ("A1: {channel: cyc-01/1, meter: cyc-01/2}", "device-kind", "cyc-01 is a cycler, a meter is due here"),
        ("A1..A2: {channel: cyc-01/1..2, meter: hi-01/1}", "twice", "hi-01/1 is at B01/A1 and at B01/A2"),
        ("A1..A3: {channel: cyc-01/1..3, meter: mux-01/1..2}", "range", "names 2 channels for 3 positions"),
    ],
)
def test_a_meter_that_cannot_be_there_is_refused(tmp_path: Path, positions: str, code: str, says: str) -> None:
    found = refused(tmp_path, positions)
    assert found.code == code
    assert says in found.message


def against(configuration: Configuration, *steps: str) -> list[str]:
    positions = [position for bay in configuration.rack.bays.values() for position in bay.positions.values()]
    return [problem.message for problem in meter_problems(configuration, load(*steps), positions)]


def test_only_a_resistance_needs_a_meter_and_one_at_its_frequency(tmp_path: Path) -> None:
    bay = "  - {id: B02, contactor: io-01/DO1, positions: {A1..A3: {channel: cyc-01/2..4}}}\n"
    configuration = rack(tmp_path, BAY, bay)
    assert not against(configuration, "ocv: {time: 1 h}")
    assert against(configuration, "acir: {}") == ["step 1 cannot be measured at B02/A1: it has no meter, and so 2 more"]
    assert against(rack(tmp_path, BAY), "rest: {time: 1 s}", "acir: {frequency: 100 Hz, id: slow}") == [
        "step slow cannot be measured at B01/A1: hi-01 measures at 1 kHz, not at 100 Hz"
    ]
    assert not against(rack(tmp_path, BAY), "acir: {}")


def test_recipe_check_refuses_it_where_no_bay_can(tmp_path: Path) -> None:
    bare = "  - {id: B02, contactor: io-01/DO1, positions: {A1: {channel: cyc-01/2, temperature: t-01/2}}}\n"
    (tmp_path / "r.yaml").write_text(f"{HEAD}steps: [acir: {{}}]\n")
    check = ("recipe", "check", str(tmp_path / "r.yaml"), "--config", str(tmp_path / "rack.yaml"))
    rack(tmp_path, bare)
    answer = cycler(*check)
    assert answer.exit_code == 2
    assert "r.yaml:4: step 1 cannot be measured at B02/A1: it has no meter" in answer.err
    rack(tmp_path, BAY, bare)
    answer = cycler(*check)
    assert answer.exit_code == 0, answer.out
    assert "note: step 1 cannot be measured at B02/A1: it has no meter" in answer.out
