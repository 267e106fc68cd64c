"""A Moxa ioLogik behind its wire, as the contract suite and the driver's own tests need it."""

from collections.abc import Mapping
from typing import Any, ClassVar

from cycler.contract.plugin import DeviceSettings, Surroundings
from cycler.contract.world import SimulatedDevice
from drivers.moxa_iologik.driver import DRIVER, MoxaIologik
from sims.testing.bench import BenchWorld
from sims.testing.wired import DEVICE, WiredSubject, utcnow
from sims.wire.moxa_iologik.device import IologikDevice, IologikSetup
from sims.wire.moxa_iologik.simulator import IologikSimulator


class IologikSubject(WiredSubject):
    """An E1214 by default: six inputs, six relays, its watchdog at 3 s."""

    call_s_max = 4.0
    driver = DRIVER
    sort = "moxa_iologik"
    resource = "modbus-tcp://127.0.0.1:1503"
    setup: ClassVar[Mapping[str, Any]] = {"model": "E1214", "watchdog_s": 3.0}
    options: ClassVar[Mapping[str, str]] = {"watchdog": "3 s"}

    def simulate(self, device: SimulatedDevice, world: BenchWorld) -> IologikSimulator:
        self.relays: dict[str, bool] = {}  # as they are wired, whatever the registers say
        return IologikSimulator(self._power_on, device.resource, world.faults(DEVICE))

    @property
    def device(self) -> IologikDevice:
        return self.simulator.device

    def open(self, **options: str) -> MoxaIologik:
        settings = DeviceSettings(device=DEVICE, resource=self.where, options={**self.options, **options})
        return MoxaIologik(settings, Surroundings(utcnow=utcnow))

    def settings(self) -> object:
        device = self.device
        return dict(device.outputs), dict(device.counting), dict(device.pulses), set(device.safe), device.watchdog_alarm

    def output(self, line: str) -> bool:
        return self.relays.get(line, False)

    def set_input(self, line: str, high: bool) -> None:
        if line.startswith("AI"):
            self.device.current_ma[int(line[2:])] = 8.0 if high else 16.0
        else:
            self.device.set_input(int(line[2:]), high)

    def ignore_offs(self) -> None:
        self.faults.begin("off-ignored")

    def _power_on(self) -> IologikDevice:
        def moved(line: str, closed: bool) -> None:
            self.relays[line] = closed

        return IologikDevice(IologikSetup(**self.setup), moved=moved, faults=self.faults)


class JumperedSubject(IologikSubject):
    """An E1212 of the older manual: DIO 0-3 outputs, 4-7 inputs."""

    setup: ClassVar[Mapping[str, Any]] = {"model": "E1212", "dio_outputs": frozenset(range(4)), "newer": False}
    options: ClassVar[Mapping[str, str]] = {"model": "E1212", "dio_outputs": "0 1 2 3"}


class CurrentLoopSubject(IologikSubject):
    """An E1242 with a gas detector on each of two current loops."""

    setup: ClassVar[Mapping[str, Any]] = {"model": "E1242", "watchdog_s": 3.0}
    options: ClassVar[Mapping[str, str]] = {"watchdog": "3 s", "AI0": "12 mA", "AI3": "12 mA"}
