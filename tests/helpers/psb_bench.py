"""A simulated supply on a small test cell, and its driver, on the running loop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ports import free_port

from cycler.contract.order import Applied, Order, Phase
from cycler.contract.plugin import DeviceSettings, Resource, Surroundings
from cycler.contract.sweep import ChannelId, Reading
from drivers.ea_psb.driver import EaPsb
from sims.faults import Faults
from sims.network import Address, MemoryNetwork
from sims.terminal import Supply, TerminalReading
from sims.wire.ea_psb.device import InstrumentError, PsbDevice, PsbModel, PsbSetup
from sims.wire.ea_psb.simulator import PsbSimulator

HOST, PORT, SCPI_PORT = "127.0.0.1", free_port(), free_port()
MODBUS, SCPI = Address(HOST, PORT), Address(HOST, SCPI_PORT)
MODBUS_RESOURCE = f"modbus-tcp://{HOST}:{PORT}?scpi={SCPI_PORT}"
SCPI_RESOURCE, RTU_RESOURCE = f"scpi-tcp://{HOST}:{SCPI_PORT}", f"modbus-rtu-tcp://{HOST}:{SCPI_PORT}"
ONE = ChannelId("1")


class Capacitor:
    """A cell whose voltage moves by its charge alone: 5 A take 1000 F through 5 mV a second."""

    def __init__(self, voltage_v: float, *, capacitance_f: float = 1000.0) -> None:
        self.voltage_v = voltage_v
        self.supply = Supply()
        self.supplies: list[Supply] = []
        self._capacitance_f = capacitance_f
        self._loop = asyncio.get_running_loop()
        self._at_s = self._loop.time()

    def drive(self, supply: Supply) -> None:
        self.measure()
        self.supply = supply
        self.supplies.append(supply)

    def measure(self) -> TerminalReading:
        supply, voltage_v = self.supply, self.voltage_v
        away_v = supply.voltage_v - voltage_v
        limit_a, power_w = (
            (supply.source_current_a, supply.source_power_w)
            if away_v > 0
            else (-supply.sink_current_a, -supply.sink_power_w)
        )
        through_a = -voltage_v / supply.sink_resistance_ohm if supply.sink_resistance_ohm and away_v < 0 else limit_a
        flows = supply.on and away_v and voltage_v > 0
        current_a = min(limit_a, power_w / voltage_v, through_a, key=abs) if flows else 0.0
        seconds = self._loop.time() - self._at_s
        self._at_s += seconds
        moved_v = current_a * seconds / self._capacitance_f
        if current_a and abs(moved_v) >= abs(away_v):
            moved_v, current_a = away_v, 0.0
        self.voltage_v += moved_v
        by = {through_a: "cr", power_w / voltage_v: "cp", limit_a: "cc", 0.0: "cv"}
        regulation = by.get(current_a, "cv") if supply.on else "off"
        return TerminalReading(
            voltage_v=self.voltage_v,
            output_v=self.voltage_v,
            current_a=current_a,
            regulation=regulation,
            charged_ah=0.0,
            discharged_ah=0.0,
        )


@dataclass
class Bench:
    """What a test holds in its hands."""

    cell: Capacitor
    simulator: PsbSimulator
    driver: EaPsb

    @property
    def device(self) -> PsbDevice:
        return self.simulator.device

    @property
    def network(self) -> MemoryNetwork:
        network = asyncio.get_running_loop().network
        assert network is not None
        return network

    async def order(self, phase: Phase, order_id: int = 1, **more: object) -> object:
        return (await self.driver.apply({ONE: Order(order_id=order_id, phases=(phase,), **more)}))[ONE]

    async def must(self, phase: Phase, order_id: int = 1) -> Applied:
        answer = await self.order(phase, order_id)
        assert isinstance(answer, Applied), answer
        return answer

    async def reading(self) -> Reading:
        return (await self.driver.read())[0][ONE]


@contextlib.asynccontextmanager
async def psb_bench(
    voltage_v: float = 3.6,
    *,
    commissioned: bool = True,
    capacitance_f: float = 1000.0,
    model: PsbModel | None = None,
    setup: PsbSetup | None = None,
    error: InstrumentError | None = None,
    options: dict[str, str] | None = None,
    resource: str = MODBUS_RESOURCE,
) -> AsyncIterator[Bench]:
    """Connected and, unless told otherwise, commissioned. The set-up is a prepared one: nothing starts by itself."""
    cell = Capacitor(voltage_v, capacitance_f=capacitance_f)
    setup = setup or PsbSetup(restart_after_over_temperature=False)
    simulator = PsbSimulator(
        lambda: PsbDevice(cell, model=model, setup=setup, error=error),
        Resource.parse(MODBUS_RESOURCE),
        faults=Faults(),
    )
    await simulator.start()
    driver = driver_at(resource, options=options)
    try:
        if commissioned:
            await driver.connect()
            await driver.commission()
        yield Bench(cell, simulator, driver)
    finally:
        await driver.aclose()
        await simulator.aclose()
        await asyncio.sleep(0.01)  # the ends of connections are on their way


def driver_for(query: str = f"scpi={SCPI_PORT}", *, options: dict[str, str] | None = None, **more: float) -> EaPsb:
    """A driver over Modbus TCP."""
    return driver_at(f"modbus-tcp://{HOST}:{PORT}?{query}", options=options, **more)


def driver_at(resource: str, *, options: dict[str, str] | None = None, **more: float) -> EaPsb:
    """A driver whose wall clock is the loop's."""
    settings = DeviceSettings(device="psb-01", resource=Resource.parse(resource), options=options or {}, **more)
    loop = asyncio.get_running_loop()
    beginning = datetime(2026, 1, 1, tzinfo=UTC)
    return EaPsb(settings, Surroundings(utcnow=lambda: beginning + timedelta(seconds=loop.time())))


def charge(current_a: float = 5.0, voltage_v: float = 4.2, **more: float) -> Phase:
    return Phase(direction="charge", current_a=current_a, voltage_v=voltage_v, **more)


def discharge(current_a: float = 5.0, voltage_v: float = 2.8, **more: float) -> Phase:
    return Phase(direction="discharge", current_a=current_a, voltage_v=voltage_v, **more)


REST = Phase(direction="rest")
