"""Temperatures that a bay cannot have keep a tray from starting, before anybody has connected to a device."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cycler.model.cell import Cell, CellId
from cycler.model.rack import BayId, PositionId, TrayId
from cycler.recipe.compile import LoadedRecipe, load_recipe_text
from cycler.recipe.problems import InvalidFile, Problem
from cycler.service.configuration import Configuration
from cycler.service.progress import BayProgress
from cycler.service.rack_file import load_configuration
from cycler.service.running_rack import Job, check_start
from cycler.service.session import run_session
from cycler.service.story import stories
from cycler.service.wiring import open_world
from cycler.service.world_file import everywhere

RACK = """\
rack: {id: R1}
devices:
  - {id: cyc-01, driver: sim_cycler, resource: "sim:cyc-01", channels: 3}
  - {id: ch-01, driver: sim_chamber, resource: "sim:ch-01"}
  - {id: io-01, driver: sim_io, resource: "sim:io-01"}
bays:
  - {id: B01, chamber: ch-01, contactor: io-01/DO0, positions: {A1: {channel: cyc-01/1}}}
  - {id: B02, chamber: ch-01, contactor: io-01/DO1, positions: {A1: {channel: cyc-01/2}}}
  - {id: B03, contactor: io-01/DO2, positions: {A1: {channel: cyc-01/3}}}
"""
CHARGE = "charge: {current: C/5, until: [voltage >= 4.1 V], fail: [capacity > 50 %, time > 5 min -> next]}"


def recipe(*steps: str) -> LoadedRecipe:
    text = "recipe: warm\nversion: 1.0.0\ncell_type: nmc811-21700\nfrom_state: formed\nsteps:\n"
    loaded = load_recipe_text(
        text + "".join(f"  - {step}\n" for step in steps), file="warm.yaml", beside=Path("/nonexistent")
    )
    return replace(loaded, cell_type=replace(loaded.cell_type, required_protections=frozenset({1, 2, 3, 4, 6})))


def at(*degc: float) -> LoadedRecipe:
    return recipe(*(step for each in degc for step in (f"soak: {{chamber: {each:g} degC, hold: 5 min}}", CHARGE)))


def job(bay: str, loaded: LoadedRecipe) -> Job:
    cell = Cell(cell_id=CellId(f"c-{bay}"), cell_type="nmc811-21700", state="formed")
    return Job(bay=BayId(bay), tray=TrayId(f"T-{bay}"), cells={PositionId(f"{bay}/A1"): cell}, recipe=loaded)


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    (tmp_path / "rack.yaml").write_text(RACK)
    return load_configuration(tmp_path / "rack.yaml")


def problem(configuration: Configuration, *jobs: Job) -> Problem:
    with pytest.raises(InvalidFile) as refused:
        check_start(configuration, jobs)
    (found,) = refused.value.problems
    return found


def test_a_bay_names_its_chamber_in_the_rack_file(configuration: Configuration) -> None:
    assert [bay.chamber for bay in configuration.rack.bays.values()] == ["ch-01", "ch-01", None]
    assert not configuration.not_yet


def test_bays_of_one_chamber_that_agree_may_start(configuration: Configuration) -> None:
    check_start(
        configuration, [job("B01", at(25.0, 40.0, 25.0)), job("B02", at(25.0, 40.0, 25.0)), job("B03", at(25.0))]
    )


def test_bays_of_one_chamber_that_would_wait_for_each_other_are_named(configuration: Configuration) -> None:
    found = problem(configuration, job("B01", at(25.0, 40.0)), job("B02", at(25.0, 30.0)))
    assert (Path(found.file).name, found.code) == ("rack.yaml", "chamber-conflict")
    assert "the bays of chamber ch-01: B01 and B02 would wait for each other" in found.message
    check_start(configuration, [job("B01", at(25.0, 40.0))])


@pytest.mark.parametrize(
    ("loaded", "line"),
    [(recipe("chamber: {target: 30 degC, wait: 10 min}", CHARGE), 6), (at(25.0, 40.0), 8)],
    ids=["set", "changed"],
)
def test_a_bay_without_a_chamber_cannot_be_given_a_temperature(
    configuration: Configuration, loaded: LoadedRecipe, line: int
) -> None:
    found = problem(configuration, job("B03", loaded))
    assert (found.file, found.line, found.code) == ("warm.yaml", line, "no-chamber")
    assert "bay B03 has no chamber" in found.message


def test_a_rate_that_the_chamber_does_not_have_is_named_before_the_run(configuration: Configuration) -> None:
    found = problem(configuration, job("B01", recipe("chamber: {target: 30 degC, rate: 3 K/min}", CHARGE)))
    assert (found.file, found.line, found.code) == ("warm.yaml", 6, "chamber-rate")
    assert "step 1 wants 3 K/min, chamber ch-01 takes at most 2 K/min" in found.message


def test_a_rate_that_the_chamber_takes_may_start(configuration: Configuration) -> None:
    check_start(configuration, [job("B01", recipe("chamber: {target: 30 degC, rate: 2 K/min}", CHARGE))])


@pytest.mark.parametrize(
    ("chamber", "says"),
    [
        ('driver: lads_thermal, resource: "opc.tcp://10.0.0.7", security: none', "takes no rate"),
        ('driver: espec_p300, resource: "ascii-tcp://10.0.0.7:57732"', "takes no rate"),
        (
            'driver: espec_p300, resource: "ascii-tcp://10.0.0.7:57732", temperature_min: 35 degC',
            "reaches 35 to 80 degC",
        ),
        ('driver: watlow_f4t, resource: "modbus-tcp://10.0.0.7", rate_max: 1 K/min', "takes at most 1 K/min"),
    ],
    ids=["lads_thermal", "espec_p300", "espec_p300 warm", "watlow_f4t"],
)
def test_the_rack_file_alone_tells_what_a_chamber_takes(tmp_path: Path, chamber: str, says: str) -> None:
    text = RACK.replace('driver: sim_chamber, resource: "sim:ch-01"', chamber)
    (tmp_path / "rack.yaml").write_text(text)
    loaded = recipe("chamber: {target: 30 degC, rate: 1.5 K/min}", CHARGE)
    with pytest.raises(InvalidFile, match=f"chamber ch-01 {says}"):
        check_start(load_configuration(tmp_path / "rack.yaml"), [job("B01", loaded)])


def test_what_has_soaked_without_a_sensor_took_long_enough_is_marked_and_shown(
    configuration: Configuration, tmp_path: Path
) -> None:
    task = job("B01", at(30.0))
    world = open_world(configuration, everywhere(configuration.rack, task.recipe.cell_type, seed=1), wire="memory")
    shown: list[Sequence[BayProgress]] = []
    run_session(configuration, world, [task], store=tmp_path, seed=1, on_progress=shown.append)
    (story,) = stories(tmp_path)
    (soak, charge) = story.steps[PositionId("B01/A1")]
    assert (soak.step_type, soak.quality) == ("soak", ("INFERRED",))
    assert soak.duration_s > 3 * 19 * 60.0
    assert charge.step_type == "charge"
    assert "soaking 30 degC" in {bay.step for bays in shown for bay in bays}
