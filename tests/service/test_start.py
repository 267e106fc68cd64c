"""Before anything is opened, all that speaks against a start is said at once."""

from pathlib import Path

import pytest

from cycler.model.cell import Cell, CellId
from cycler.model.rack import PositionId, TrayId
from cycler.recipe.compile import LoadedRecipe, load_recipe_text
from cycler.recipe.problems import InvalidFile
from cycler.service.configuration import Configuration
from cycler.service.rack_file import load_configuration
from cycler.service.running_rack import Job, check_start
from cycler.service.session import run_session
from cycler.service.wiring import open_world
from cycler.service.world_file import everywhere

NOWHERE = Path("/nonexistent")
RACK = """\
rack: {id: R1}
devices:
  - {id: small, driver: sim_cycler, resource: "sim:small", channels: 1, rated: {current: 1 A}}
  - {id: large, driver: sim_cycler, resource: "sim:large", channels: 1}
  - {id: io-01, driver: sim_io, resource: "sim:io-01"}
bays:
  - id: B01
    contactor: io-01/DO0
    positions:
      A1: {channel: small/1}
      A2: {channel: large/1}
"""
RECIPE = """\
recipe: short
version: 1.0.0
cell_type: nmc811-21700
steps:
  - charge: {current: 2.5 A, until: [voltage >= 4.0 V], fail: [capacity > 30 %, time > 1 h]}
"""


def configured(folder: Path, text: str) -> Configuration:
    (folder / "rack.yaml").write_text(text)
    return load_configuration(folder / "rack.yaml")


def recipe() -> LoadedRecipe:
    return load_recipe_text(RECIPE, file="short.yaml", beside=NOWHERE)


def job(configuration: Configuration, *labels: str) -> Job:
    (bay,) = configuration.rack.bays
    cells = {
        PositionId(f"{bay}/{label}"): Cell(cell_id=CellId(f"c-{label}"), cell_type="nmc811-21700", state="formed")
        for label in labels
    }
    return Job(bay=bay, tray=TrayId("T1"), cells=cells, recipe=recipe())


def test_a_recipe_that_one_of_the_channels_cannot_run_does_not_start(tmp_path: Path) -> None:
    configuration = configured(tmp_path, RACK)
    with pytest.raises(InvalidFile) as refused:
        check_start(configuration, [job(configuration, "A1", "A2")])
    (found,) = refused.value.problems
    assert (found.file, found.line, found.step) == ("short.yaml", 5, "1")
    assert "2.5 A" in found.message
    check_start(configuration, [job(configuration, "A2")])


def test_what_the_rack_asks_for_in_vain_and_what_the_recipe_does_come_in_one_report(tmp_path: Path) -> None:
    text = RACK.replace("    contactor", "    power_limit: 1 kW\n    contactor")
    configuration = configured(tmp_path, text)
    with pytest.raises(InvalidFile) as refused:
        check_start(configuration, [job(configuration, "A1")])
    assert [(Path(each.file).name, each.line) for each in refused.value.problems] == [
        ("rack.yaml", 8),
        ("short.yaml", 5),
    ]


def test_a_session_that_may_not_start_leaves_no_journal(tmp_path: Path) -> None:
    configuration = configured(tmp_path, RACK + "power_limit: 1 kW\n")
    task = job(configuration, "A2")
    world = open_world(configuration, everywhere(configuration.rack, task.recipe.cell_type, seed=1), wire="memory")
    with pytest.raises(InvalidFile, match="power_limit: not available in this version"):
        run_session(configuration, world, [task], store=tmp_path / "store", seed=1)
    assert not (tmp_path / "store").exists()
