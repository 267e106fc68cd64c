"""A Hioki BT3562A on its socket, over the in-memory network, on which the contract suite is run."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import ClassVar

from cycler.contract.plugin import DeviceSettings, Resource, Surroundings
from cycler.contract.sweep import ChannelId
from cycler.contract.world import SimulatedDevice
from drivers.hioki_bt3562.driver import DRIVER, HiokiBt3562
from sims.faults import Faults
from sims.testing.bench import BenchWorld
from sims.testing.wired import DEVICE, LastingSubject, utcnow
from sims.wire.hioki_bt3562.device import HiokiDevice, HiokiError
from sims.wire.hioki_bt3562.simulator import HiokiSimulator
from sims.wire.lines import Late

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


class HiokiSubject(LastingSubject):
    """With the errors of a real one, well within its accuracy."""

    call_s_max = 7.0
    driver = DRIVER
    sort = "hioki_bt3562"
    resource = "ascii-tcp://127.0.0.1:2300"
    options: ClassVar[Mapping[str, str]] = {"resistance_range": "30 mOhm"}

    def simulate(self, device: SimulatedDevice, world: BenchWorld) -> TappedTester:
        self._cell = math.nan, math.nan
        error = HiokiError(
            voltage_offset_v=1e-4, resistance_gain=1.002, voltage_noise_v=1e-5, resistance_noise_ratio=1e-5
        )
        faults = world.faults(DEVICE)
        return TappedTester(
            lambda: HiokiDevice(lambda: self._cell, error=error, faults=faults), device.resource, faults=faults
        )

    def open(self, **options: str) -> HiokiBt3562:
        settings = DeviceSettings(device=DEVICE, resource=self.where, options={**self.options, **options})
        return HiokiBt3562(settings, Surroundings(utcnow=utcnow))

    def settings(self) -> object:
        return asdict(self.simulator.device.settings)

    def place(self, channel: ChannelId, *, voltage_v: float, resistance_ohm: float) -> None:
        self._cell = voltage_v, resistance_ohm

    def lift(self, channel: ChannelId) -> None:
        self._cell = math.nan, math.nan

    def measuring_current_flows(self) -> bool:
        return self.simulator.device.measures_now
