"""A rack whose lines, thermometers and chamber are behind Modbus, in a simulated world under control."""

import asyncio
import math
from dataclasses import replace
from pathlib import Path

import pytest
from map_subjects import map_texts

from cycler.contract.errors import DeviceFault
from cycler.contract.plugin import Surroundings
from cycler.control.devices import Devices
from cycler.model.cell import Cell, CellId
from cycler.model.rack import BayId, PositionId, TrayId
from cycler.recipe.compile import load_recipe_text
from cycler.service.configuration import Configuration
from cycler.service.instruments import declared_world
from cycler.service.rack_file import load_configuration
from cycler.service.running_rack import Job
from cycler.service.session import run_session
from cycler.service.story import stories
from cycler.service.wiring import open_devices, open_world
from sims.world import SimulatedWorld

RACK = """\
rack: {id: R1}
devices:
  - {id: ps-01, driver: sim_cycler, resource: "sim:ps-01", channels: 2}
  - {id: io-01, driver: moxa_iologik, resource: "modbus-tcp://127.0.0.1:1503", model: E1214}
  - {id: io-02, driver: modbus_map, map: digital-io.yaml, resource: "modbus-tcp://127.0.0.1:1504"}
  - {id: tc-01, driver: modbus_map, map: temperature.yaml, resource: "modbus-rtu-tcp://127.0.0.1:1505"}
  - {id: tc-02, driver: modbus_map, map: temperature.yaml, resource: "modbus-rtu-tcp://127.0.0.1:1505?unit=2"}
  - {id: ch-01, driver: modbus_map, map: chamber.yaml, resource: "modbus-tcp://127.0.0.1:1506"}
bays:
  - {id: B01, chamber: ch-01, contactor: io-01/DO2, positions: {A1: {channel: ps-01/1, temperature: tc-01/3}}}
  - {id: B02, chamber: ch-01, contactor: io-02/DO1, positions: {A1: {channel: ps-01/2, temperature: tc-02/1}}}
"""
INTERLOCKS = """\
interlocks:
  - {id: estop, input: io-01/DI0, active: low, scope: rack, action: off-latched}
  - {id: gas, input: io-02/DI2, active: low, scope: rack, action: off-latched}
"""
RECIPE = """\
recipe: warm
version: 1.0.0
cell_type: nmc811-21700
from_state: formed
steps:
  - soak: {chamber: 30 degC, hold: 5 min}
  - charge: {current: C/5, until: [voltage >= 4.1 V], fail: [capacity > 50 %, time > 5 min -> next]}
"""
FAULTS = """\
faults:
  - {device: tc-02/1, fault: sensor-break, from: 10 s}
  - {device: ch-01, fault: door-open, from: 10 s}
  - {device: io-01/DO2, fault: stuck-open, from: 10 s}
"""


def configured(folder: Path, rack: str = RACK, *, faults: str = "") -> Configuration:
    for kind, text in zip(("temperature", "digital-io", "chamber"), map_texts(), strict=False):
        (folder / f"{kind}.yaml").write_text(text)
    (folder / "rack.yaml").write_text(rack)
    (folder / "world.yaml").write_text("seed: 3\ncells: {default: nmc811-21700}\n" + faults)
    return load_configuration(folder / "rack.yaml")


def opened(configuration: Configuration) -> SimulatedWorld:
    world_file = configuration.file.parent / "world.yaml"
    declared = declared_world(configuration, world_file, cell_type=None, seed=None)
    world = open_world(configuration, declared, wire="memory")
    assert isinstance(world, SimulatedWorld)
    return world


def test_interlocks_may_name_their_inputs(tmp_path: Path) -> None:
    found = configured(tmp_path, RACK + INTERLOCKS)
    assert [str(interlock.input) for interlock in found.rack.interlocks] == ["io-01/DI0", "io-02/DI2"]


def test_trays_are_soaked_and_charged_through_their_contactors(tmp_path: Path) -> None:
    configuration = configured(tmp_path)
    loaded = load_recipe_text(RECIPE, file="warm.yaml", beside=Path("/nonexistent"))
    loaded = replace(loaded, cell_type=replace(loaded.cell_type, required_protections=frozenset({1, 2, 3, 4, 6})))
    jobs = [
        Job(
            bay=BayId(bay),
            tray=TrayId(f"T-{bay}"),
            cells={PositionId(f"{bay}/A1"): Cell(cell_id=CellId(bay), cell_type="nmc811-21700", state="formed")},
            recipe=loaded,
        )
        for bay in ("B01", "B02")
    ]
    run_session(configuration, opened(configuration), jobs, store=tmp_path, seed=1)
    told = list(stories(tmp_path))
    assert len(told) == 2
    for story in told:
        ((soak, charge),) = story.steps.values()
        assert (soak.step_type, charge.step_type) == ("soak", "charge")
        assert (charge.stop_reason, charge.duration_s) == ("time", pytest.approx(300.0, abs=2.0))
        assert charge.end_current_a == pytest.approx(1.0, abs=0.05)
        assert abs(charge.temperature_degc_max - 30.0) < 3.0


def test_what_goes_wrong_with_them_is_seen_by_their_drivers(tmp_path: Path) -> None:
    configuration = configured(tmp_path, faults=FAULTS)
    world = opened(configuration)

    async def main() -> None:
        await world.start()
        devices: Devices = open_devices(configuration, Surroundings(utcnow=world.utcnow, world=world))
        modules, chamber = devices.temperatures, devices.chambers["ch-01"]
        everyone = [*modules.values(), chamber, *devices.ios.values()]
        for device in everyone:
            await device.connect()
        assert (await modules["tc-02"].read()).temperature_degc[0] == pytest.approx(23.0, abs=3.0)
        assert (await chamber.read()).door_open is False
        await asyncio.sleep(20.0)
        assert math.isnan((await modules["tc-02"].read()).temperature_degc[0])
        assert (await chamber.read()).door_open is True
        with pytest.raises(DeviceFault, match="DO2 was switched on and is off"):
            await devices.ios["io-01"].write({"DO2": True})
        for device in everyone:
            await device.aclose()
        await world.aclose()

    world.run(main())
