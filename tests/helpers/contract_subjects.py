"""The subjects on which the contract suite is run here: in-process devices, and a PSB behind its wire."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Generic, TypeVar

from ported_subject import PortedSubject

from cycler.contract.devices import CyclerDriver
from cycler.contract.plugin import DeviceSettings, Resource, Surroundings
from cycler.contract.suite.subject import Output
from cycler.contract.sweep import ChannelId
from cycler.contract.world import SimulatedDevice
from drivers.ea_psb.driver import DRIVER
from sims.devices.cable import Cable
from sims.devices.chamber import ChamberHardware, SimChamber, open_chamber
from sims.devices.cycler import open_cycler
from sims.devices.cycler_hardware import CyclerHardware
from sims.devices.digital_io import IoHardware, SimIo, open_io
from sims.devices.meter import MeterHardware, SimMeter, open_meter
from sims.devices.temperature import SimTemperature, ThermometerHardware, open_temperature
from sims.loop import VirtualLoop, run_on
from sims.testing.bench import BenchCell, BenchWorld
from sims.testing.troubles import troubles
from sims.testing.wired import DEVICE, utcnow
from sims.wire.ea_psb.device import Interface, PsbDevice, PsbSetup
from sims.wire.ea_psb.simulator import PsbSimulator

T = TypeVar("T")
H = TypeVar("H", CyclerHardware, ThermometerHardware, IoHardware, ChamberHardware, MeterHardware)


class InProcessSubject(Generic[H]):
    """What the in-process devices have in common."""

    call_s_max = 1.2
    driver = "sim_cycler"
    options: ClassVar[Mapping[str, str]] = {}
    troubles = property(lambda self: troubles(self.world.faults(DEVICE), driver=self.driver, scheme="sim"))

    def __init__(self) -> None:
        self.world = BenchWorld()

    @property
    def hardware(self) -> H:
        return self.world.instruments[DEVICE]  # type: ignore[return-value]

    @property
    def cable(self) -> Cable:
        return self.hardware.cable

    def open(self) -> Any:
        raise NotImplementedError

    def run(self, scenario: Coroutine[Any, Any, T]) -> T:
        self.open()  # installs the device
        return run_on(VirtualLoop(), scenario)

    def watch(self, hook: Callable[[], None]) -> None:
        self.cable.taps.append(hook)

    def unplug(self) -> None:
        self.cable.unplug()

    def plug(self) -> None:
        self.cable.plug()

    def _settings(self) -> DeviceSettings:
        return DeviceSettings(device=DEVICE, resource=Resource.parse("sim:bench"), options=self.options)

    def _surroundings(self) -> Surroundings:
        return Surroundings(utcnow=utcnow, world=self.world)


class SimCyclerSubject(InProcessSubject[CyclerHardware]):
    """A set-point device with the errors of a real one."""

    options: ClassVar[Mapping[str, str]] = {"channels": "3"}

    def open(self) -> CyclerDriver:
        return open_cycler(self._settings(), self._surroundings())

    def output(self, channel: ChannelId) -> Output:
        reading = self.world.cell(DEVICE, channel).measure()
        return Output(closed=reading.regulation != "off", voltage_v=reading.voltage_v, current_a=reading.current_a)

    def place(self, channel: ChannelId, voltage_v: float) -> None:
        self.world.cell(DEVICE, channel).place(voltage_v)

    def characteristic(self, channel: ChannelId, cells_v: Sequence[float]) -> list[float]:
        cell = self.world.cell(DEVICE, channel)
        return [cell.would_flow_a(cell_v) for cell_v in cells_v]

    async def restart(self) -> None:
        self.hardware.restart()

    def settings(self) -> object:
        hardware = self.hardware
        supplies = [cell.supply for cell in self.world.cells.values()]
        return supplies, hardware.order_ids, hardware.phases, hardware.alarms(), hardware.capabilities

    def raise_alarm(self, channel: ChannelId) -> None:
        self.hardware.trip(int(channel) - 1, "over_temperature")

    def has_alarm(self, channel: ChannelId) -> bool:
        return self.hardware.alarms()[int(channel) - 1] is not None

    def ignore_offs(self) -> None:
        self.world.faults(DEVICE).begin("off-ignored")

    def reenergising(self) -> Mapping[str, Callable[[], None]]:
        return {}


class AutonomousSubject(SimCyclerSubject):
    """A device that goes on by itself, with counters and without errors."""

    options: ClassVar[Mapping[str, str]] = {
        "channels": "2", "autonomous": "true", "counter": "true", "errors": "none",
    }  # fmt: skip


class SimTemperatureSubject(InProcessSubject[ThermometerHardware]):
    driver = "sim_temperature"
    options: ClassVar[Mapping[str, str]] = {"channels": "4"}

    def open(self) -> SimTemperature:
        return open_temperature(self._settings(), self._surroundings())

    async def restart(self) -> None:
        """It holds nothing."""

    def settings(self) -> object:
        return None

    def set_temperature(self, channel: ChannelId, temperature_degc: float | None) -> None:
        self.world.temperature_degc[DEVICE, channel] = float("nan") if temperature_degc is None else temperature_degc


class SimMeterSubject(InProcessSubject[MeterHardware]):
    """With the errors of a real one."""

    driver = "sim_meter"
    options: ClassVar[Mapping[str, str]] = {"channels": "4"}

    def open(self) -> SimMeter:
        return open_meter(self._settings(), self._surroundings())

    async def restart(self) -> None:
        """It holds nothing."""

    def settings(self) -> object:
        return None

    def place(self, channel: ChannelId, *, voltage_v: float, resistance_ohm: float) -> None:
        self.world.tips_on[DEVICE, channel] = voltage_v, resistance_ohm

    def lift(self, channel: ChannelId) -> None:
        del self.world.tips_on[DEVICE, channel]

    def measuring_current_flows(self) -> bool:
        return False


class SimChamberSubject(InProcessSubject[ChamberHardware]):
    driver = "sim_chamber"

    def open(self) -> SimChamber:
        return open_chamber(self._settings(), self._surroundings())

    async def restart(self) -> None:
        self.hardware.restart()

    def settings(self) -> object:
        chamber = self.hardware.chamber
        return chamber.target_degc, chamber.rate_k_per_min, chamber.limits_degc, chamber.running

    def air_degc(self) -> float:
        return self.hardware.chamber.air_degc(asyncio.get_running_loop().time())

    def limits_degc(self) -> tuple[float, float]:
        return self.hardware.chamber.limits_degc

    def ignore_orders(self) -> None:
        self.world.faults(DEVICE).begin("not-applied")
        self.world.faults(DEVICE).begin("off-ignored")


class SimIoSubject(InProcessSubject[IoHardware]):
    driver = "sim_io"

    def open(self) -> SimIo:
        return open_io(self._settings(), self._surroundings())

    async def restart(self) -> None:
        self.hardware.restart()

    def settings(self) -> object:
        return self.hardware.lines()

    def output(self, line: str) -> bool:
        return self.world.contactors.get((DEVICE, line), False)

    def set_input(self, line: str, high: bool) -> None:
        self.hardware.inputs[line] = high

    def ignore_offs(self) -> None:
        self.world.faults(DEVICE).begin("off-ignored")


class StubbornPsb(PsbDevice):
    """A PSB that may have lost the power to switch off, and says so in its state word."""

    stubborn = False

    def write_output(self, on: bool, interface: Interface) -> None:
        if on or not self.stubborn:
            super().write_output(on, interface)


class PsbSubject(PortedSubject):
    """An EA PSB on both of its ports, over the in-memory network."""

    driver = DRIVER
    sort = "ea_psb"
    resource = "modbus-tcp://127.0.0.1:1502?scpi=5025"
    ports: ClassVar[tuple[int, ...]] = (1502, 5025)

    def simulate(self, device: SimulatedDevice, world: BenchWorld) -> PsbSimulator:
        return PsbSimulator(self.make_device, device.resource, faults=world.faults(DEVICE))

    def make_device(self) -> StubbornPsb:
        """Powered on, as a person has prepared it: it starts nothing by itself."""
        return StubbornPsb(self.cell, setup=PsbSetup(restart_after_over_temperature=False), faults=self.faults)

    @property
    def cell(self) -> BenchCell:
        return self.world.cell(DEVICE, "1")

    @property
    def device(self) -> PsbDevice:
        return self.simulator.device

    def settings(self) -> object:
        device = self.device
        kept: Collection[object] = (
            device.owner, device.local, device.resistance_mode, tuple(device.set_raw), tuple(device.limit_raw),
            tuple(device.thresholds.items()), frozenset(device.alarms), device.host_fell_silent,
            tuple(device.errors), device.output_on, device.energised,
        )  # fmt: skip
        return kept, asdict(device.setup)

    def output(self, channel: ChannelId) -> Output:
        reading = self.cell.measure()
        return Output(closed=reading.regulation != "off", voltage_v=reading.voltage_v, current_a=reading.current_a)

    def place(self, channel: ChannelId, voltage_v: float) -> None:
        self.cell.place(voltage_v)

    def characteristic(self, channel: ChannelId, cells_v: Sequence[float]) -> list[float]:
        return [self.cell.would_flow_a(cell_v) for cell_v in cells_v]

    def raise_alarm(self, channel: ChannelId) -> None:
        self.device.trip("OT")
        self.device.clear_cause("OT")

    def has_alarm(self, channel: ChannelId) -> bool:
        return bool(self.device.alarms)

    def ignore_offs(self) -> None:
        assert isinstance(self.device, StubbornPsb)
        self.device.stubborn = True

    def reenergising(self) -> Mapping[str, Callable[[], None]]:
        def on(name: str) -> Callable[[], None]:
            return lambda: setattr(self.device.setup, name, True)

        names = (
            "restore_output", "keep_after_remote", "restart_after_power_fail", "restart_after_over_temperature",
        )  # fmt: skip
        return {name: on(name) for name in names}
