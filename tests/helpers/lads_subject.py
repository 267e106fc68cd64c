"""A LADS chamber behind its OPC UA server, for the contract."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from lads_bench import DEVICE, LADS_ADDRESS, lads_driver, lads_simulator

from drivers.lads_thermal.thermostat import LadsThermal
from sims.loop import VirtualLoop, run_on
from sims.network import Address, Direction, MemoryNetwork
from sims.testing.bench import BenchWorld
from sims.testing.troubles import troubles

T = TypeVar("T")


class LadsSubject:
    """Over the in-memory network."""

    call_s_max = 9.0
    troubles = property(lambda self: troubles(self.world.faults(DEVICE), driver="lads_thermal", scheme="opc.tcp"))

    def __init__(self) -> None:
        self.world = BenchWorld()
        self._network = MemoryNetwork(seed=1)
        self._simulator: Any = None

    def open(self) -> LadsThermal:
        return lads_driver()

    def run(self, scenario: Coroutine[Any, Any, T]) -> T:
        async def powered() -> T:
            self._simulator = lads_simulator(self.world.chamber(DEVICE), self.world.faults(DEVICE))
            await self._simulator.start()
            self._simulator.device.start()
            try:
                return await scenario
            finally:
                await self._simulator.aclose()
                await asyncio.sleep(1.0)  # what was under way on the wire ends

        return run_on(VirtualLoop(self._network), powered())

    def watch(self, hook: Callable[[], None]) -> None:
        def tap(address: Address, direction: Direction, data: bytes) -> None:
            if direction == "to-client":
                hook()

        self._network.taps.append(tap)

    def unplug(self) -> None:
        self._network.unplug(LADS_ADDRESS)

    def plug(self) -> None:
        self._network.cut(LADS_ADDRESS)
        self._network.plug(LADS_ADDRESS)

    async def restart(self) -> None:
        self._simulator.restart()
        await asyncio.sleep(0.1)

    def settings(self) -> object:
        device = self._simulator.device
        return device.target_degc, device.state, device.chamber.limits_degc, device.chamber.running

    def air_degc(self) -> float:
        return self.world.chamber(DEVICE).air_degc(asyncio.get_running_loop().time())

    def limits_degc(self) -> tuple[float, float]:
        return self.world.chamber(DEVICE).limits_degc

    def ignore_orders(self) -> None:
        self.world.faults(DEVICE).begin("not-applied")
        self.world.faults(DEVICE).begin("off-ignored")
