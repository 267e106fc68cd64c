"""Opening a rack without control ends in its time, whatever its devices do, and says no more than it has seen."""

import asyncio
from pathlib import Path

import pytest

from cycler.contract.order import Order, Phase
from cycler.contract.plugin import Surroundings
from cycler.model.rack import PositionId
from cycler.recipe.lookup import find_cell_type
from cycler.service.rack_file import load_configuration
from cycler.service.safe_off import BUDGET_S, OutputState, SafeOff
from cycler.service.wiring import open_devices, simulated_devices
from cycler.service.world_file import everywhere
from sims.world import SimulatedWorld

RACK = """
rack: {id: R1}
devices:
  - {id: bt-01, driver: keysight_bt2200, resource: "scpi-tcp://127.0.0.1:5025", channels: 101..102, start_delay: 1 s,
     rated: {voltage: 5 V, current: 6 A}}
  - {id: psb-01, driver: ea_psb, resource: "modbus-tcp://127.0.0.1:1502?scpi=5026",
     rated: {voltage: 10 V, current: 15 A, power: 150 W}}
  - {id: io-01, driver: moxa_iologik, resource: "modbus-tcp://127.0.0.1:1503", model: E1212}
bays:
  - {id: B01, contactor: io-01/DO0, positions: {A1..A2: {channel: bt-01/101..102}}}
  - {id: B02, contactor: io-01/DO1, positions: {A1: {channel: psb-01/1}}}
"""
CHARGE = Order(order_id=7, phases=(Phase(direction="charge", voltage_v=4.1, current_a=1.0),))
POSITIONS = ("B01/A1", "B01/A2", "B02/A1")


def opened(folder: Path, *troubles: tuple[str, str]) -> tuple[list[OutputState], set[str], float]:
    """Another host has energised all, and is gone. What is said, what is still energised, and how long it took."""
    (folder / "rack.yaml").write_text(RACK)
    configuration = load_configuration(folder / "rack.yaml")
    cell_type = find_cell_type("nmc811-21700", beside=folder)
    declaration = everywhere(configuration.rack, cell_type, seed=1, state="formed@30%")
    world = SimulatedWorld(declaration, configuration.rack, simulated_devices(configuration), wire="memory")

    async def main() -> tuple[list[OutputState], set[str], float]:
        await world.start()
        devices = open_devices(configuration, Surroundings(utcnow=world.utcnow))
        (io,) = devices.ios.values()
        await io.connect()
        await io.commission()
        await io.write({"DO0": True, "DO1": True})
        for name in ("bt-01", "psb-01"):
            cycler = devices.cyclers[name]
            await cycler.connect()
            await cycler.commission()
            await cycler.apply(dict.fromkeys(cycler.capabilities.channels, CHARGE))
            for _ in range(20 if name == "bt-01" else 1):  # the mainframe's current flows after its checks
                await asyncio.sleep(1.0)
                await cycler.read()
        assert all(world.truth(PositionId(name)).current_a > 0.9 for name in POSITIONS)
        for device in devices.all().values():
            await device.aclose()
        for device, trouble in troubles:
            world.faults(device).begin(trouble)
        began_s = world.loop.time()
        states = await SafeOff(configuration, handover=None, utcnow=world.utcnow).run()
        took_s = world.loop.time() - began_s
        left = {name for name in POSITIONS if world.truth(PositionId(name)).is_energised}
        await world.aclose()
        return states, left, took_s

    return world.run(main())


def said(states: list[OutputState]) -> dict[str, str]:
    return {place: state.how for state in states for place in state.places}


def test_a_rack_that_answers_is_opened_by_its_devices(tmp_path: Path) -> None:
    states, left, took_s = opened(tmp_path)
    assert said(states) == dict.fromkeys(POSITIONS, "open")
    assert left == set()
    assert took_s <= BUDGET_S


@pytest.mark.parametrize("trouble", ["no-reply", "refused", "late", "byte-by-byte", "truncated", "off-ignored"])
@pytest.mark.parametrize("device", ["bt-01", "psb-01"])
def test_whatever_a_device_does_its_bay_is_open_in_time_and_the_others_are_not_held_up(
    tmp_path: Path, device: str, trouble: str
) -> None:
    states, left, took_s = opened(tmp_path, (device, trouble))
    own = {"bt-01": {"B01/A1", "B01/A2"}, "psb-01": {"B02/A1"}}[device]
    found = said(states)
    assert {found[place] for place in own} <= {"open", "cut-off"}
    assert all(found[place] == "open" for place in found.keys() - own)
    assert left == set()
    assert took_s <= BUDGET_S


def test_what_neither_its_device_nor_its_contactor_opens_is_said_to_be_so(tmp_path: Path) -> None:
    states, _, took_s = opened(tmp_path, ("bt-01", "no-reply"), ("io-01", "no-reply"))
    assert said(states) == {"B01/A1": "not-confirmed", "B01/A2": "not-confirmed", "B02/A1": "open"}
    assert all(state.is_unreachable for state in states if state.how == "not-confirmed")
    assert took_s <= BUDGET_S


def test_a_contactor_that_stays_closed_is_not_said_to_be_open(tmp_path: Path) -> None:
    states, left, _ = opened(tmp_path, ("psb-01", "off-ignored"), ("io-01", "stuck-closed"))
    assert said(states)["B02/A1"] == "not-confirmed"
    assert left == {"B02/A1"}
    (state,) = [each for each in states if each.how == "not-confirmed"]
    assert not state.is_unreachable
