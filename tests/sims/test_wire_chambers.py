"""Chambers behind wires in a declared world: the cells' chamber is the controller's, and declared faults reach it."""

import asyncio
import math
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from world_bench import cells_of, rack

from cycler.contract.errors import DeviceFault
from cycler.contract.plugin import DeviceSettings, Resource, Surroundings
from cycler.contract.suite.scenario import commissioned_device
from cycler.contract.world import SimulatedDevice
from cycler.model.world import Fault, WorldDeclaration, WorldError
from drivers.espec_p300.driver import EspecP300
from drivers.watlow_f4t.driver import WatlowF4t
from sims.world import SimulatedWorld, open_world

CHAMBERS: dict[str, tuple[str, type[WatlowF4t] | type[EspecP300]]] = {
    "watlow_f4t": ("modbus-tcp://127.0.0.1:1502", WatlowF4t),
    "espec_p300": ("ascii-tcp://127.0.0.1:10001", EspecP300),
}
BEGINS_S = 600.0


def world(driver: str, *faults: Fault, chamber: str = "ch-01") -> SimulatedWorld:
    a_rack = rack(2, chamber=chamber)
    declaration = WorldDeclaration(cells=cells_of(a_rack), faults=faults, ambient_degc=23.0)
    device = SimulatedDevice(device="ch-01", driver=driver, resource=Resource.parse(CHAMBERS[driver][0]), channels=())
    return open_world(declaration, a_rack, [device], wire="memory")


def run(a_world: SimulatedWorld, driver: str, test: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    resource, kind = CHAMBERS[driver]

    async def scenario() -> None:
        await a_world.start()
        settings = DeviceSettings(device="ch-01", resource=Resource.parse(resource))
        chamber = await commissioned_device(kind(settings, Surroundings(utcnow=a_world.utcnow)))
        try:
            await test(chamber)
        finally:
            await chamber.aclose()
            await a_world.aclose()
            await asyncio.sleep(1.0)

    a_world.run(scenario())


@pytest.mark.parametrize("driver", CHAMBERS)
def test_the_cells_follow_the_chamber_that_the_controller_holds(driver: str) -> None:
    a_world = world(driver)

    async def test(chamber: Any) -> None:
        await chamber.set_target(temperature_degc=45.0, rate_k_per_min=None)
        await asyncio.sleep(4 * 3600.0)
        assert (await chamber.read()).air_degc == pytest.approx(45.0, abs=1.0)
        for position in a_world.rack.bays["B01"].positions:
            assert a_world.cell_temperature_degc(position) == pytest.approx(45.0, abs=2.0)

    run(a_world, driver, test)


@pytest.mark.parametrize("driver", CHAMBERS)
def test_a_chamber_that_no_bay_names_can_be_driven_too(driver: str) -> None:
    async def test(chamber: Any) -> None:
        assert (await chamber.read()).air_degc == pytest.approx(23.0, abs=0.5)

    run(world(driver, chamber="ch-02"), driver, test)


@pytest.mark.parametrize("driver", CHAMBERS)
def test_declared_faults_of_its_own_reach_the_chamber(driver: str) -> None:
    a_world = world(driver, Fault(fault="sensor-break", device="ch-01", from_s=BEGINS_S, line=1))

    async def test(chamber: Any) -> None:
        assert not math.isnan((await chamber.read()).air_degc)
        await asyncio.sleep(BEGINS_S)
        assert math.isnan((await chamber.read()).air_degc)

    run(a_world, driver, test)


@pytest.mark.parametrize("driver", CHAMBERS)
def test_an_exception_is_told_with_its_words(driver: str) -> None:
    a_world = world(driver, Fault(fault="exception", device="ch-01", from_s=BEGINS_S, line=1))

    async def test(chamber: Any) -> None:
        await asyncio.sleep(BEGINS_S)
        with pytest.raises(DeviceFault, match=r"cannot do that now|device failure"):
            await chamber.read()

    run(a_world, driver, test)


@pytest.mark.parametrize("driver", CHAMBERS)
def test_a_chamber_that_restarts_comes_back_with_its_set_value(driver: str) -> None:
    a_world = world(driver, Fault(fault="restart", device="ch-01", from_s=BEGINS_S, for_s=60.0, line=1))

    async def test(chamber: Any) -> None:
        await chamber.set_target(temperature_degc=45.0, rate_k_per_min=None)
        await asyncio.sleep(BEGINS_S + 90.0)
        await commissioned_device(chamber)
        assert (await chamber.read()).target_degc == pytest.approx(45.0)

    run(a_world, driver, test)


def test_a_channel_of_a_chamber_cannot_be_struck() -> None:
    with pytest.raises(WorldError, match="it strikes the whole device"):
        world("watlow_f4t", Fault(fault="nan", device="ch-01", channel="1", line=1))
