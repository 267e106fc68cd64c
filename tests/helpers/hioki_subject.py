"""A Hioki BT3562A on its socket, over the in-memory network, on which the contract suite is run."""

import asyncio
import math
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import Any, TypeVar

from loop_clock import utcnow

from cycler.contract.plugin import DeviceSettings, Resource, Surroundings
from cycler.contract.sweep import ChannelId
from drivers.hioki_bt3562.driver import HiokiBt3562
from sims.faults import Faults
from sims.loop import VirtualLoop, run_on
from sims.network import Address, Direction, MemoryNetwork
from sims.testing.troubles import troubles
from sims.wire.hioki_bt3562.device import HiokiDevice, HiokiError
from sims.wire.hioki_bt3562.simulator import HiokiSimulator
from sims.wire.lines import Late

T = TypeVar("T")

DEVICE = "hioki-01"
OPTIONS = {"resistance_range": "30 mOhm"}


Reply = bytes | Late | None


class TappedTester(HiokiSimulator):
    """Knows what it has heard. It answers otherwise where `instead` does."""

    def __init__(self, make_device: Callable[[], HiokiDevice], resource: Resource, *, faults: Faults) -> None:
        super().__init__(make_device, resource, faults=faults)
        self.heard: list[str] = []
        self.instead: Callable[[bytes, Reply], Reply] = lambda line, reply: reply

    def answer(self, line: bytes) -> Reply:
        self.heard.append(line.decode("latin-1"))
        return self.instead(line, super().answer(line))


class HiokiSubject:
    """With the errors of a real one, well within its accuracy."""

    call_s_max = 7.0
    address = Address("127.0.0.1", 2300)
    troubles = property(lambda self: troubles(self.faults, driver="hioki_bt3562", scheme="ascii-tcp"))

    def __init__(self) -> None:
        self._network = MemoryNetwork(seed=1)
        self._cell = math.nan, math.nan
        self.faults = Faults()
        self._resource = Resource.parse(f"ascii-tcp://{self.address}")
        self.simulator = TappedTester(self._make_device, self._resource, faults=self.faults)

    def _make_device(self) -> HiokiDevice:
        error = HiokiError(
            voltage_offset_v=1e-4, resistance_gain=1.002, voltage_noise_v=1e-5, resistance_noise_ratio=1e-5
        )
        return HiokiDevice(lambda: self._cell, error=error, faults=self.faults)

    def open(self, **options: str) -> HiokiBt3562:
        settings = DeviceSettings(device=DEVICE, resource=self._resource, options=OPTIONS | options)
        return HiokiBt3562(settings, Surroundings(utcnow=utcnow))

    def run(self, scenario: Coroutine[Any, Any, T]) -> T:
        async def powered() -> T:
            await self.simulator.start()
            try:
                return await scenario
            finally:
                await self.simulator.aclose()
                await asyncio.sleep(1.0)  # what was under way on the wire ends

        return run_on(VirtualLoop(self._network), powered())

    def watch(self, hook: Callable[[], None]) -> None:
        def tap(address: Address, direction: Direction, data: bytes) -> None:
            if direction == "to-client":
                hook()

        self._network.taps.append(tap)

    def unplug(self) -> None:
        self._network.unplug(self.address)

    def plug(self) -> None:
        self._network.cut(self.address)
        self._network.plug(self.address)

    async def restart(self) -> None:
        self.simulator.restart()
        await asyncio.sleep(0.1)

    def settings(self) -> object:
        return asdict(self.simulator.device.settings)

    def place(self, channel: ChannelId, *, voltage_v: float, resistance_ohm: float) -> None:
        self._cell = voltage_v, resistance_ohm

    def lift(self, channel: ChannelId) -> None:
        self._cell = math.nan, math.nan

    def measuring_current_flows(self) -> bool:
        return self.simulator.device.measures_now
