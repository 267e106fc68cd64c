"""A Keithley 2450 on its socket, over the in-memory network, on which the contract suite is run."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict
from typing import Any

from cycler.contract.plugin import DeviceSettings, Resource, Surroundings
from cycler.contract.suite.subject import Output
from cycler.contract.sweep import ChannelId
from cycler.contract.world import SimulatedDevice
from drivers.keithley_2450.driver import DRIVER, Keithley2450
from sims.faults import Faults
from sims.testing.bench import BenchCell, BenchWorld
from sims.testing.wired import DEVICE, LastingSubject, utcnow
from sims.wire.keithley_2450.device import SmuDevice, SmuError
from sims.wire.keithley_2450.simulator import SmuSimulator
from sims.wire.lines import Late

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


class KeithleySubject(LastingSubject):
    """With the errors of a real one, well within its accuracy."""

    call_s_max = 6.0
    driver = DRIVER
    sort = "keithley_2450"
    resource = "scpi-tcp://127.0.0.1:5025"

    def __init__(self, **device: Any) -> None:
        """`device`: in what it differs from a 2450 that is connected at its rear."""
        self._device = device
        super().__init__()

    def simulate(self, device: SimulatedDevice, world: BenchWorld) -> TappedSmu:
        cell, faults = world.cell(DEVICE, "1"), world.faults(DEVICE)
        error = SmuError(
            voltage_offset_v=0.001, voltage_noise_v=20e-6, current_offset_ratio=5e-4, current_noise_ratio=1e-5
        )
        return TappedSmu(
            lambda: SmuDevice(cell, utcnow=utcnow, error=error, faults=faults, **self._device),
            device.resource,
            faults=faults,
        )

    @property
    def cell(self) -> BenchCell:
        return self.world.cell(DEVICE, "1")

    @property
    def device(self) -> SmuDevice:
        return self.simulator.device

    def open(self, **settings: Any) -> Keithley2450:
        return Keithley2450(DeviceSettings(device=DEVICE, resource=self.where, **settings), Surroundings(utcnow=utcnow))

    def watch(self, hook: Callable[[], None]) -> None:
        self.simulator.taps.append(hook)

    def settings(self) -> object:
        device = self.device
        return deepcopy(asdict(device.settings)), device.output_on, tuple(device.events), device.next_language

    def output(self, channel: ChannelId) -> Output:
        reading = self.cell.measure()
        return Output(closed=reading.regulation != "off", voltage_v=reading.voltage_v, current_a=reading.current_a)

    def place(self, channel: ChannelId, voltage_v: float) -> None:
        self.cell.place(voltage_v)

    def characteristic(self, channel: ChannelId, cells_v: Sequence[float]) -> list[float]:
        return [self.cell.would_flow_a(cell_v) for cell_v in cells_v]

    def raise_alarm(self, channel: ChannelId) -> None:
        self.device.overheat()
        self.device.cool_down()

    def has_alarm(self, channel: ChannelId) -> bool:
        return bool(self.device.events)

    def ignore_offs(self) -> None:
        self.faults.begin("off-ignored")

    def reenergising(self) -> Mapping[str, Callable[[], None]]:
        return {}
