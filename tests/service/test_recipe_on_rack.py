"""What a rack file alone tells of its cyclers is what they are found to keep once they are commissioned."""

from pathlib import Path

import pytest

from cycler.contract.capabilities import Keeps
from cycler.contract.plugin import Surroundings
from cycler.model.world import WorldDeclaration
from cycler.recipe.worst_case import PeakPower
from cycler.service.rack_file import load_configuration
from cycler.service.recipe_on_rack import bay_powers, channel_kinds, power_problems
from cycler.service.wiring import open_devices, open_world

RACK = """\
rack: {{id: R1, purpose: production}}
devices:
  - {device}
  - {{id: t-01, driver: sim_temperature, resource: "sim:t-01"}}
bays:
  - {{id: B01, power_limit: 100 W, positions: {{A1: {{channel: c-01/{channel}, temperature: t-01/1}}}}}}
"""
PSB = (
    '{id: c-01, driver: ea_psb, resource: "modbus-tcp://127.0.0.1:1501?scpi=5101",'
    " rated: {voltage: 10 V, current: 15 A, power: 150 W}"
)
BT2200 = (
    '{id: c-01, driver: keysight_bt2200, resource: "scpi-tcp://127.0.0.1:5025", channels: 101..104,'
    " rated: {voltage: 5 V, current: 7 A}}"
)
DEVICES = {
    "psb": (f"{PSB}}}", 1),
    "psb with thresholds": (f"{PSB}, over_voltage: 4.5 V, over_current: 6 A, sink_over_current: 6 A}}", 1),
    "keithley": ('{id: c-01, driver: keithley_2450, resource: "scpi-tcp://127.0.0.1:5104", rated: {current: 1 A}}', 1),
    "bt2200": (BT2200, 101),
    "sim": ('{id: c-01, driver: sim_cycler, resource: "sim:c-01"}', 1),
    "autonomous sim": ('{id: c-01, driver: sim_cycler, resource: "sim:c-01", autonomous: true}', 1),
}


@pytest.mark.parametrize("device", DEVICES)
def test_what_a_rack_file_tells_is_what_commissioning_finds(device: str, tmp_path: Path) -> None:
    entry, channel = DEVICES[device]
    file = tmp_path / "rack.yaml"
    file.write_text(RACK.format(device=entry, channel=channel))
    configuration = load_configuration(file)
    world = open_world(configuration, WorldDeclaration(seed=1, cells={}), wire="memory")

    async def found() -> Keeps:
        await world.start()
        try:
            driver = open_devices(configuration, Surroundings(utcnow=world.utcnow, world=world)).cyclers["c-01"]
            try:
                await driver.connect()
                await driver.commission()
                return Keeps.of(driver.capabilities)
            finally:
                await driver.aclose()
        finally:
            await world.aclose()

    (kind,) = channel_kinds(configuration)
    assert kind.devices == ("c-01",)
    assert kind.keeps == world.run(found())


def test_a_bay_is_held_against_its_own_limit_and_the_racks(tmp_path: Path) -> None:
    file = tmp_path / "rack.yaml"
    file.write_text(RACK.format(device=DEVICES["sim"][0], channel=1) + "power_limit: 60 W\n")
    configuration = load_configuration(file)

    def said(charge_w: float, discharge_w: float) -> list[str]:
        peak = PeakPower(charge_w=charge_w, discharge_w=discharge_w, charge_step="up", discharge_step="down")
        (power,) = bay_powers(configuration, peak)
        return [str(each) for each in power_problems(configuration, power, peak)]

    assert said(60, 50) == []
    (one,) = said(50, 70)
    assert "step down: bay B01: its cells (1) reach 70 W discharging, above the rack's power_limit of 60 W" in one
    assert len(said(120, 70)) == 2
