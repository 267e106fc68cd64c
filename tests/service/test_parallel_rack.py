"""Channels in parallel in a rack file: what is refused, what control sees of it, and the documented rack at work."""

import re
import shutil
from pathlib import Path

import pytest

from cycler.model.cell import Cell, CellId
from cycler.model.rack import ChannelRef, PositionId, TrayId
from cycler.recipe.compile import load_recipe_text
from cycler.recipe.problems import InvalidFile, Problem
from cycler.service.configuration import Configuration
from cycler.service.joined_rack import joined_devices, joined_rack
from cycler.service.rack_file import load_configuration
from cycler.service.running_rack import Job, check_start
from cycler.service.session import run_session
from cycler.service.story import stories
from cycler.service.wiring import offline_ranges, open_world
from cycler.service.world_file import everywhere

DEMO = Path(__file__).parents[2] / "cycler" / "cli" / "demo_rack"
DOCUMENT = Path(__file__).parents[2] / "docs" / "parallel-channels.md"
NOWHERE = Path("/nonexistent")
RACK = """\
rack: {id: R1}
devices:
  - {id: cyc-01, driver: sim_cycler, resource: "sim:cyc-01", channels: 4, rated: {voltage: 5 V, current: 2 A, power: 10 W}}
  - {id: cyc-02, driver: sim_cycler, resource: "sim:cyc-02", channels: 4}
  - {id: cyc-03, driver: sim_cycler, resource: "sim:cyc-03", channels: 4}
  - {id: psb-01, driver: ea_psb, resource: "modbus-tcp://127.0.0.1:1502"}
  - {id: io-01, driver: sim_io, resource: "sim:io-01"}
bays:
  - id: B01
    contactor: io-01/DO0
    positions:
"""  # noqa: E501 (one device a line)
RECIPE = """\
recipe: short
version: 1.0.0
cell_type: nmc811-21700
steps:
  - charge: {current: 3 A, until: [voltage >= 4.0 V], fail: [capacity > 30 %, time > 2 min -> next]}
"""


def loaded(folder: Path, *positions: str) -> Configuration:
    (folder / "rack.yaml").write_text(RACK + "".join(f"      {position}\n" for position in positions))
    return load_configuration(folder / "rack.yaml")


def problem(folder: Path, *positions: str) -> Problem:
    with pytest.raises(InvalidFile) as refused:
        loaded(folder, *positions)
    (found,) = refused.value.problems
    return found


def documented(folder: Path) -> Configuration:
    (text,) = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    (folder / "rack.yaml").write_text(text)
    shutil.copy(DEMO / "tc-module.yaml", folder)
    return load_configuration(folder / "rack.yaml")


def job(configuration: Configuration, label: str = "A1") -> Job:
    (bay,) = configuration.rack.bays
    cell = Cell(cell_id=CellId("c1"), cell_type="nmc811-21700", state="formed")
    recipe = load_recipe_text(RECIPE, file="short.yaml", beside=NOWHERE)
    return Job(bay=bay, tray=TrayId("T1"), cells={PositionId(f"{bay}/{label}"): cell}, recipe=recipe)


# What the file may say.


def test_a_row_of_positions_takes_rows_of_channels_in_parallel(tmp_path: Path) -> None:
    configuration = loaded(tmp_path, "A1..A4: {channel: cyc-01/1..4+cyc-02/1..4, imbalance: 5 %}")
    position = configuration.rack.bays[job(configuration).bay].positions[PositionId("B01/A3")]
    assert [str(channel) for channel in position.channels] == ["cyc-01/3", "cyc-02/3"]
    assert position.imbalance_ratio == pytest.approx(0.05)
    assert configuration.not_yet == ()


@pytest.mark.parametrize(
    ("positions", "line", "message"),
    [
        (("A1: {channel: cyc-01/1+cyc-01/1}",), 12, "channel: a channel is there twice"),
        (
            ("A1: {channel: cyc-01/1+cyc-01/2}", "A2: {channel: cyc-01/2+cyc-01/3}"),
            13,
            "the channel cyc-01/2 is at B01/A1 and at B01/A2",
        ),
        (
            ("A1: {channel: cyc-01/1+psb-01/1}",),
            12,
            "channel: channels of different kinds cannot be in parallel: cyc-01/1 is sim_cycler, psb-01/1 is ea_psb",
        ),
        (
            ("A1: {channel: cyc-01/1+cyc-01/2}", "A2: {channel: cyc-02/1}", "A3: {channel: cyc-01/3}"),
            14,
            "B01/A3 has 1 of the channels of cyc-01, B01/A1 has 2 in parallel",
        ),
        (
            ("A1: {channel: cyc-01/1+cyc-02/1}", "A2: {channel: cyc-02/2+cyc-03/1+cyc-03/2}"),
            12,
            "B01/A1 has 2 of the channels of cyc-02, B01/A2 has 3 in parallel",
        ),
        (("A1: {channel: cyc-01/1, imbalance: 5 %}",), 12, "imbalance: B01/A1 has one channel"),
        (
            ("A1: {channel: cyc-01/1+cyc-01/2, imbalance: 0 %}",),
            12,
            "imbalance: 0 % is not above 0 and at most 100 %",
        ),
    ],
)
def test_nonsense_is_refused_with_its_line(tmp_path: Path, positions: tuple[str, ...], line: int, message: str) -> None:
    found = problem(tmp_path, *positions)
    assert (found.line, found.message) == (line, message)
    assert found.hint or "is at B01" in message or "above 0" in message


# What control makes of it.


def test_devices_that_share_cells_are_one_and_the_others_stay_as_they_are(tmp_path: Path) -> None:
    configuration = loaded(
        tmp_path,
        "A1: {channel: cyc-01/1+cyc-02/1}",
        "A2: {channel: cyc-02/2+cyc-03/1}",
        "A3: {channel: psb-01/1}",
    )
    (joined,) = joined_devices(configuration.rack)
    assert joined.device == "cyc-01+cyc-02+cyc-03"
    (bay,) = joined_rack(configuration.rack).bays.values()
    assert [position.channels for position in bay.positions.values()] == [
        (ChannelRef(device="cyc-01+cyc-02+cyc-03", channel="cyc-01/1+cyc-02/1"),),
        (ChannelRef(device="cyc-01+cyc-02+cyc-03", channel="cyc-02/2+cyc-03/1"),),
        (ChannelRef(device="psb-01", channel="1"),),
    ]


def test_a_rack_without_them_stays_the_same(tmp_path: Path) -> None:
    rack = loaded(tmp_path, "A1: {channel: cyc-01/1}").rack
    assert joined_rack(rack) is rack


def test_a_current_that_one_channel_does_not_give_two_give_together(tmp_path: Path) -> None:
    alone = loaded(tmp_path, "A1: {channel: cyc-01/1}")
    with pytest.raises(InvalidFile, match="3 A"):
        check_start(alone, [job(alone)])
    together = loaded(tmp_path, "A1: {channel: cyc-01/1+cyc-01/2}")
    check_start(together, [job(together)])
    found = offline_ranges(together)["cyc-01"]
    assert found is not None
    assert (found.charge_current_a_max, found.sub_channels) == (4.0, 2)


def test_a_device_that_does_not_tell_its_range_leaves_that_of_all_open(tmp_path: Path) -> None:
    configuration = loaded(tmp_path, "A1: {channel: psb-01/1}", "A2: {channel: cyc-01/1+cyc-01/2}")
    assert offline_ranges(configuration)["psb-01"] is None


def test_the_documented_rack_charges_a_cell_with_both_supplies(tmp_path: Path) -> None:
    configuration = documented(tmp_path)
    task = job(configuration)
    world = open_world(
        configuration, everywhere(configuration.rack, task.recipe.cell_type, seed=1, state="formed@30%"), wire="memory"
    )
    run_session(configuration, world, [task], store=tmp_path / "store", seed=1)
    (story,) = stories(tmp_path / "store")
    (step,) = story.steps[PositionId("B01/A1")]
    assert (step.stop_reason, step.end_current_a) == ("time", pytest.approx(3.0, abs=0.02))
    assert step.moved.charged_nas / 3.6e12 == pytest.approx(0.1, rel=0.03)
