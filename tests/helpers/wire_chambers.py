"""Chambers behind their wires, each with its controller at a simulated chamber, for the contract and for tests."""

import asyncio
import itertools
import os
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeVar

from cycler.contract.plugin import DeviceSettings, Resource, Surroundings
from cycler.contract.world import SimulatedDevice
from drivers.espec_p300.driver import EspecP300
from drivers.watlow_f4t.driver import WatlowF4t
from sims.chamber import Chamber
from sims.faults import Faults
from sims.loop import VirtualLoop, run_on
from sims.network import Address, Direction, MemoryNetwork
from sims.testing.bench import BenchWorld
from sims.testing.troubles import troubles
from sims.wire.espec_p300 import simulator as espec_p300
from sims.wire.espec_p300.device import P300Device
from sims.wire.watlow_f4t import simulator as watlow_f4t
from sims.wire.watlow_f4t.device import F4tDevice

T = TypeVar("T")

DEVICE = "ch-01"
BEGINNING_UTC = datetime(2026, 1, 1, tzinfo=UTC)
_numbers = itertools.count()


def utcnow() -> datetime:
    return BEGINNING_UTC + timedelta(seconds=asyncio.get_running_loop().time())


def line_path() -> str:
    """A path for a serial line that nobody else uses."""
    return f"{tempfile.gettempdir()}/line-{os.getpid()}-{next(_numbers)}"


class WireChamberSubject:
    """What they have in common. `unplug` is a pulled cable on TCP, and silence on a serial line."""

    call_s_max = 12.0
    driver = ""
    resource: ClassVar[str]
    ports: ClassVar[tuple[int, ...]] = ()
    options: ClassVar[Mapping[str, str]] = {}

    def __init__(self) -> None:
        self.world = BenchWorld()
        self.network = MemoryNetwork(seed=1)
        self.where = Resource.parse(self.resource.replace("LINE", line_path()))
        device = SimulatedDevice(
            device=DEVICE, driver=self.driver, resource=self.where, channels=(), options=self.options
        )
        self.simulator = self.simulate(device)

    def simulate(self, device: SimulatedDevice) -> Any:
        raise NotImplementedError

    def open(self) -> Any:
        raise NotImplementedError

    @property
    def chamber(self) -> Chamber:
        return self.world.chamber(DEVICE)

    @property
    def faults(self) -> Faults:
        return self.world.faults(DEVICE)

    @property
    def troubles(self) -> Any:
        return troubles(self.faults, driver=self.driver, scheme=self.where.scheme)

    def driver_settings(self) -> DeviceSettings:
        return DeviceSettings(device=DEVICE, resource=self.where, options=self.options)

    def run(self, scenario: Coroutine[Any, Any, T]) -> T:
        async def powered() -> T:
            await self.simulator.start()
            try:
                return await scenario
            finally:
                await self.simulator.aclose()
                await asyncio.sleep(1.0)  # what was under way on the wire ends

        return run_on(VirtualLoop(self.network), powered())

    def watch(self, hook: Callable[[], None]) -> None:
        """TCP only."""

        def tap(address: Address, direction: Direction, data: bytes) -> None:
            if direction == "to-client":
                hook()

        self.network.taps.append(tap)

    def unplug(self) -> None:
        for port in self.ports:
            self.network.unplug(Address("127.0.0.1", port))
        if not self.ports:
            self.faults.begin("no-reply")

    def plug(self) -> None:
        for port in self.ports:
            self.network.cut(Address("127.0.0.1", port))
            self.network.plug(Address("127.0.0.1", port))
        if not self.ports:
            self.faults.active.clear()

    async def restart(self) -> None:
        self.simulator.restart()
        await asyncio.sleep(0.1)

    def air_degc(self) -> float:
        return self.chamber.air_degc(asyncio.get_running_loop().time())

    def ignore_orders(self) -> None:
        self.faults.begin("not-applied")
        self.faults.begin("off-ignored")


class F4tSubject(WireChamberSubject):
    """A Watlow F4T over Modbus TCP, with a loop whose mode switches it on and off."""

    driver = "watlow_f4t"
    resource = "modbus-tcp://127.0.0.1:1502?unit=1"
    ports = (1502,)
    options: ClassVar[Mapping[str, str]] = {
        "temperature_min": "-20 degC", "temperature_max": "80 degC", "rate_max": "1.5 K/min",
    }  # fmt: skip

    @property
    def device(self) -> F4tDevice:
        device: F4tDevice = self.simulator.device
        return device

    def simulate(self, device: SimulatedDevice) -> watlow_f4t.F4tSimulator:
        return watlow_f4t.simulate(device, self.world)  # type: ignore[arg-type]

    def open(self) -> WatlowF4t:
        return WatlowF4t(self.driver_settings(), Surroundings(utcnow=utcnow))

    def settings(self) -> object:
        device = self.device
        kept = (
            device.mode, device.active_mode, device.set_point_degc, device.limits_degc, device.ramp_action,
            device.ramp_in_hours, device.ramp_k, tuple(device.events), device.is_running, device.profile,
        )  # fmt: skip
        return kept, asdict(device.setup)

    def limits_degc(self) -> tuple[float, float]:
        return self.device.limits_degc


class F4tRtuSubject(F4tSubject):
    """Its serial port behind a converter; the chamber is run by a key that acts each time it is pressed."""

    resource = "modbus-rtu-tcp://127.0.0.1:4001?unit=3"
    ports = (4001,)
    call_s_max = 15.0
    options: ClassVar[Mapping[str, str]] = {**F4tSubject.options, "run": "key 1 momentary", "loop": "2"}


class F4tLineSubject(F4tSubject):
    """Its serial port, low word last; the chamber is run by an event."""

    resource = "modbus-rtu://LINE?unit=1&baud=38400"
    ports = ()
    call_s_max = 15.0
    options: ClassVar[Mapping[str, str]] = {**F4tSubject.options, "run": "event 1", "words": "high-low"}


class F4tScpiSubject(F4tSubject):
    """SCPI with Modbus TCP beside it; the chamber is run by a toggle key."""

    resource = "scpi-tcp://127.0.0.1:5025?modbus=1502"
    ports = (5025, 1502)
    options: ClassVar[Mapping[str, str]] = {**F4tSubject.options, "run": "key 1 toggle"}


class F4tCascadeSubject(F4tSubject):
    """A cascade, over Modbus TCP, in Fahrenheit."""

    options: ClassVar[Mapping[str, str]] = {
        "temperature_min": "-20 degC", "temperature_max": "80 degC", "cascade": "1",
    }  # fmt: skip

    def simulate(self, device: SimulatedDevice) -> watlow_f4t.F4tSimulator:
        simulator = super().simulate(device)
        make_device = simulator._make_device

        def make_in_fahrenheit() -> F4tDevice:
            made = make_device()
            made.setup.unit_tcp = "F"
            return made

        simulator._make_device = make_in_fahrenheit
        return simulator


class P300Subject(WireChamberSubject):
    """An ESPEC P-300 behind a serial-to-Ethernet converter."""

    driver = "espec_p300"
    resource = "ascii-tcp://127.0.0.1:10001"
    ports = (10001,)
    options: ClassVar[Mapping[str, str]] = {"temperature_min": "-40 degC", "temperature_max": "150 degC"}

    @property
    def device(self) -> P300Device:
        device: P300Device = self.simulator.device
        return device

    def simulate(self, device: SimulatedDevice) -> espec_p300.P300Simulator:
        return espec_p300.simulate(device, self.world)  # type: ignore[arg-type]

    def open(self) -> EspecP300:
        return EspecP300(self.driver_settings(), Surroundings(utcnow=utcnow))

    def settings(self) -> object:
        device = self.device
        return (
            device.mode, device.set_degc, device.high_degc, device.low_degc, tuple(device.alarms), device.key_protect,
            device.refrigeration, frozenset(device.relays),
        )  # fmt: skip

    def limits_degc(self) -> tuple[float, float]:
        return self.device.low_degc, self.device.high_degc


class P300LineSubject(P300Subject):
    """One station of several on RS-485."""

    resource = "serial://LINE?baud=19200&address=2"
    ports = ()
