"""A Keithley 2450 on its socket, over the in-memory network, on which the contract suite is run."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict
from typing import Any, TypeVar

from loop_clock import utcnow

from cycler.contract.devices import CyclerDriver
from cycler.contract.plugin import DeviceSettings, Resource, Surroundings
from cycler.contract.suite.subject import Output
from cycler.contract.sweep import ChannelId
from drivers.keithley_2450.driver import Keithley2450
from sims.faults import Faults
from sims.loop import VirtualLoop, run_on
from sims.network import Address, MemoryNetwork
from sims.testing.bench import BenchWorld
from sims.testing.troubles import troubles
from sims.wire.keithley_2450.device import SmuDevice, SmuError
from sims.wire.keithley_2450.simulator import SmuSimulator
from sims.wire.lines import Late

T = TypeVar("T")

DEVICE = "smu-01"


Reply = bytes | Late | None


class TappedSmu(SmuSimulator):
    """Tells of each message that the device has carried out. It answers otherwise where `instead` does."""

    def __init__(self, make_device: Callable[[], SmuDevice], resource: Resource, *, faults: Faults) -> None:
        super().__init__(make_device, resource, faults=faults)
        self.taps: list[Callable[[], None]] = []
        self.heard: list[str] = []
        self.instead: Callable[[bytes, Reply], Reply] = lambda line, reply: reply

    def answer(self, line: bytes) -> Reply:
        self.heard.append(line.decode("latin-1"))
        reply = self.instead(line, super().answer(line))
        for tap in tuple(self.taps):
            tap()
        return reply


class KeithleySubject:
    """With the errors of a real one, well within its accuracy."""

    call_s_max = 6.0
    address = Address("127.0.0.1", 5025)
    troubles = property(lambda self: troubles(self.faults, driver="keithley_2450", scheme="scpi-tcp"))

    def __init__(self, **device: Any) -> None:
        """`device`: in what it differs from a 2450 that is connected at its rear."""
        self._network = MemoryNetwork(seed=1)
        self._cell = BenchWorld().cell(DEVICE, "1")
        self._device = device
        self.faults = Faults()
        self._resource = Resource.parse(f"scpi-tcp://{self.address}")
        self.simulator = TappedSmu(self._make_device, self._resource, faults=self.faults)

    def _make_device(self) -> SmuDevice:
        error = SmuError(
            voltage_offset_v=0.001, voltage_noise_v=20e-6, current_offset_ratio=5e-4, current_noise_ratio=1e-5
        )
        return SmuDevice(self._cell, utcnow=utcnow, error=error, faults=self.faults, **self._device)

    @property
    def device(self) -> SmuDevice:
        return self.simulator.device

    def open(self, **settings: Any) -> CyclerDriver:
        return Keithley2450(
            DeviceSettings(device=DEVICE, resource=self._resource, **settings), Surroundings(utcnow=utcnow)
        )

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
        self.simulator.taps.append(hook)

    def unplug(self) -> None:
        self._network.unplug(self.address)

    def plug(self) -> None:
        self._network.cut(self.address)
        self._network.plug(self.address)

    async def restart(self) -> None:
        self.simulator.restart()
        await asyncio.sleep(0.1)

    def settings(self) -> object:
        device = self.device
        return deepcopy(asdict(device.settings)), device.output_on, tuple(device.events), device.next_language

    def output(self, channel: ChannelId) -> Output:
        reading = self._cell.measure()
        return Output(closed=reading.regulation != "off", voltage_v=reading.voltage_v, current_a=reading.current_a)

    def place(self, channel: ChannelId, voltage_v: float) -> None:
        self._cell.place(voltage_v)

    def characteristic(self, channel: ChannelId, cells_v: Sequence[float]) -> list[float]:
        return [self._cell.would_flow_a(cell_v) for cell_v in cells_v]

    def raise_alarm(self, channel: ChannelId) -> None:
        self.device.overheat()
        self.device.cool_down()

    def has_alarm(self, channel: ChannelId) -> bool:
        return bool(self.device.events)

    def ignore_offs(self) -> None:
        self.faults.begin("off-ignored")

    def reenergising(self) -> Mapping[str, Callable[[], None]]:
        return {}
