"""A LADS chamber behind its OPC UA server, for the contract."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, ClassVar, TypeVar

from lads_bench import OPTIONS, URL, lads_simulator

from cycler.contract.world import SimulatedDevice
from drivers.lads_thermal.driver import DRIVER
from sims.testing.bench import BenchWorld
from sims.testing.wired import DEVICE, LastingSubject
from sims.wire.lads_thermal.simulator import LadsSimulator

T = TypeVar("T")


class LadsSubject(LastingSubject):
    """Over the in-memory network."""

    call_s_max = 9.0
    driver = DRIVER
    sort = "lads_thermal"
    resource = URL
    options: ClassVar[Mapping[str, str]] = OPTIONS

    def simulate(self, device: SimulatedDevice, world: BenchWorld) -> LadsSimulator:
        return lads_simulator(world.chamber(DEVICE), world.faults(DEVICE))

    def run(self, scenario: Coroutine[Any, Any, T]) -> T:
        async def holding() -> T:
            self.simulator.device.start()
            return await scenario

        return super().run(holding())

    def settings(self) -> object:
        device = self.simulator.device
        return device.target_degc, device.state, device.chamber.limits_degc, device.chamber.running

    def air_degc(self) -> float:
        return self.world.chamber(DEVICE).air_degc(asyncio.get_running_loop().time())

    def limits_degc(self) -> tuple[float, float]:
        return self.world.chamber(DEVICE).limits_degc

    def ignore_orders(self) -> None:
        self.faults.begin("not-applied")
        self.faults.begin("off-ignored")
