"""A simulated LADS chamber and its driver, on the running loop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from asyncua import ua
from asyncua.common.node import Node
from ports import free_port

from cycler.contract.plugin import DeviceSettings, Resource, Surroundings
from drivers.lads_thermal.thermostat import LadsThermal
from sims.chamber import Chamber
from sims.faults import Faults
from sims.network import Address, MemoryNetwork
from sims.testing.bench import AMBIENT_DEGC
from sims.testing.wired import utcnow
from sims.wire.lads_thermal.device import LadsDevice
from sims.wire.lads_thermal.simulator import LadsSimulator

DEVICE = "ch-01"
HOST, PORT = "127.0.0.1", free_port()
LADS_ADDRESS = Address(HOST, PORT)
URL = f"opc.tcp://{HOST}:{PORT}/lads"
OPTIONS = {"security": "none"}


def lads_simulator(chamber: Chamber, faults: Faults, serial: str = "L1") -> LadsSimulator:
    return LadsSimulator(LadsDevice(chamber, faults, serial=serial), Resource.parse(URL), faults, utcnow)


def lads_driver(url: str = URL, **options: str) -> LadsThermal:
    settings = DeviceSettings(device=DEVICE, resource=Resource.parse(url), options={**OPTIONS, **options})
    return LadsThermal(settings, Surroundings(utcnow=utcnow))


@dataclass
class LadsBench:
    """What a test holds in its hands."""

    chamber: Chamber
    faults: Faults
    simulator: LadsSimulator
    driver: LadsThermal

    @property
    def device(self) -> LadsDevice:
        return self.simulator.device

    @property
    def network(self) -> MemoryNetwork:
        network = asyncio.get_running_loop().network  # type: ignore[attr-defined]
        assert network is not None
        return network

    def air_degc(self) -> float:
        return self.chamber.air_degc(asyncio.get_running_loop().time())

    def node(self, path: str) -> Node:
        """Of the simulated server, beneath its only chamber: `Unit.FunctionSet.Door`."""
        return Node(self.simulator.server.isession, ua.NodeId(f"Chamber.FunctionalUnitSet.{path}", 6))

    async def hold(self, target_degc: float) -> None:
        await self.driver.set_target(temperature_degc=target_degc, rate_k_per_min=None)


@contextlib.asynccontextmanager
async def lads_bench(*, commissioned: bool = True, **options: str) -> AsyncIterator[LadsBench]:
    """Connected and commissioned unless told otherwise; the chamber stands still at room temperature."""
    chamber, faults = Chamber(ambient_degc=AMBIENT_DEGC), Faults()
    simulator = lads_simulator(chamber, faults)
    await simulator.start()
    driver = lads_driver(**options)
    try:
        if commissioned:
            await driver.connect()
            await driver.commission()
        yield LadsBench(chamber, faults, simulator, driver)
    finally:
        await driver.aclose()
        await simulator.aclose()
        await asyncio.sleep(0.1)  # the ends of connections are on their way
