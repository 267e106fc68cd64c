"""Chambers behind their wires, each with its controller at a simulated chamber, for the contract and for tests."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from typing import ClassVar

from ported_subject import PortedSubject

from cycler.contract.world import SimulatedDevice
from drivers.espec_p300.driver import DRIVER as ESPEC_P300
from drivers.watlow_f4t.driver import DRIVER as WATLOW_F4T
from sims.chamber import Chamber
from sims.testing.bench import BenchWorld
from sims.testing.wired import DEVICE
from sims.wire.espec_p300 import simulator as espec_p300
from sims.wire.espec_p300.device import P300Device
from sims.wire.watlow_f4t import simulator as watlow_f4t
from sims.wire.watlow_f4t.device import F4tDevice


class WireChamberSubject(PortedSubject):
    """What they have in common."""

    call_s_max = 12.0

    @property
    def chamber(self) -> Chamber:
        return self.world.chamber(DEVICE)

    def air_degc(self) -> float:
        return self.chamber.air_degc(asyncio.get_running_loop().time())

    def ignore_orders(self) -> None:
        self.faults.begin("not-applied")
        self.faults.begin("off-ignored")


class F4tSubject(WireChamberSubject):
    """A Watlow F4T over Modbus TCP, with a loop whose mode switches it on and off."""

    driver = WATLOW_F4T
    sort = "watlow_f4t"
    simulate = staticmethod(watlow_f4t.simulate)
    resource = "modbus-tcp://127.0.0.1:1502?unit=1"
    ports = (1502,)
    options: ClassVar[Mapping[str, str]] = {
        "temperature_min": "-20 degC", "temperature_max": "80 degC", "rate_max": "1.5 K/min",
    }  # fmt: skip

    @property
    def device(self) -> F4tDevice:
        device: F4tDevice = self.simulator.device
        return device

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

    def simulate(self, device: SimulatedDevice, world: BenchWorld) -> watlow_f4t.F4tSimulator:  # type: ignore[override]
        simulator = watlow_f4t.simulate(device, world)  # type: ignore[arg-type]
        make_device = simulator._make_device

        def make_in_fahrenheit() -> F4tDevice:
            made = make_device()
            made.setup.unit_tcp = "F"
            return made

        simulator._make_device = make_in_fahrenheit
        return simulator


class P300Subject(WireChamberSubject):
    """An ESPEC P-300 behind a serial-to-Ethernet converter."""

    driver = ESPEC_P300
    sort = "espec_p300"
    simulate = staticmethod(espec_p300.simulate)
    resource = "ascii-tcp://127.0.0.1:10001"
    ports = (10001,)
    options: ClassVar[Mapping[str, str]] = {"temperature_min": "-40 degC", "temperature_max": "150 degC"}

    @property
    def device(self) -> P300Device:
        device: P300Device = self.simulator.device
        return device

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
