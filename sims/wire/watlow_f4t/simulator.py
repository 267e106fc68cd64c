"""The controller on its wires: Modbus on TCP or a serial line, SCPI with Modbus beside it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Literal

from cycler.contract.plugin import Resource
from cycler.contract.world import SimulatedDevice
from sims.faults import Faults
from sims.wire.lines import LineConversation
from sims.wire.modbus import (
    READ_HOLDING,
    READ_INPUT,
    WRITE_REGISTER,
    WRITE_REGISTERS,
    MappedUnit,
    ModbusRtuConversation,
    ModbusUnit,
    modbus_conversation,
)
from sims.wire.ports import Port
from sims.wire.watlow_f4t import scpi
from sims.wire.watlow_f4t.device import F4tDevice, F4tSetup, RunKey
from sims.wire.watlow_f4t.registers import F4tRegisters
from sims.world import SimulatedWorld

MODBUS_PORT, SCPI_PORT = 502, 5025
FUNCTIONS = frozenset({READ_HOLDING, READ_INPUT, WRITE_REGISTER, WRITE_REGISTERS})
SILENCE_S = 0.030  # what a serial request needs before it


class F4tSimulator:
    """A powered controller that listens. `device` is there from `start` on."""

    def __init__(self, make_device: Callable[[], F4tDevice], resource: Resource, faults: Faults) -> None:
        """Raises `ValueError` for a resource where nothing can listen."""
        self.device: F4tDevice
        self._make_device = make_device
        self._faults = faults
        self._ports: tuple[Port, ...]
        port = partial(Port, faults=faults)
        if resource.scheme == "scpi-tcp":
            beside = Resource.parse(f"modbus-tcp://{resource.host}:{resource.query.get('modbus', MODBUS_PORT)}")
            beside = replace(beside, query={"unit": str(_unit_of(resource))})
            self._ports = (port(resource, self._text, default_port=SCPI_PORT), port(beside, self._tcp(beside)))
        elif resource.scheme == "modbus-tcp":
            self._ports = (port(resource, self._tcp(resource), default_port=MODBUS_PORT),)
        else:
            self._ports = (port(resource, lambda: _Serial(self._unit("rtu"), _unit_of(resource))),)

    async def start(self) -> None:
        """Power on and listen."""
        self.device = self._make_device()
        self._faults.wire((), self.restart)
        for port in self._ports:
            await port.start()

    async def aclose(self) -> None:
        """Power off."""
        for port in self._ports:
            await port.aclose()
        self.device.power_off()

    def restart(self) -> None:
        """Power-cycle: all connections break."""
        for port in self._ports:
            port.drop()
        self.device.restart()

    def _text(self) -> asyncio.Protocol:
        return LineConversation(partial(scpi.answer, self.device), bytes_max=scpi.LINE_BYTES_MAX)

    def _tcp(self, resource: Resource) -> Callable[[], asyncio.Protocol]:
        def converse() -> asyncio.Protocol:  # only now is there a device
            return modbus_conversation(resource, {_unit_of(resource): self._unit("tcp")})()

        return converse

    def _unit(self, port: Literal["tcp", "rtu"]) -> MappedUnit:
        return MappedUnit(F4tRegisters(self.device, port), functions=FUNCTIONS)


class _Serial(ModbusRtuConversation):
    """It does not hear what comes too soon after its last answer."""

    def __init__(self, unit: ModbusUnit, address: int) -> None:
        super().__init__({address: self})
        self._unit = unit
        self._answered_s = float("-inf")

    def data_received(self, data: bytes) -> None:
        if asyncio.get_running_loop().time() - self._answered_s >= SILENCE_S:
            super().data_received(data)

    def respond(self, pdu: bytes) -> bytes:
        """As the unit does."""
        self._answered_s = asyncio.get_running_loop().time()
        return self._unit.respond(pdu)


def simulate(device: SimulatedDevice, world: SimulatedWorld) -> F4tSimulator:
    """The entry point. It is wired as the rack file says: loop or cascade, word order, run key or event."""
    chamber, faults = world.chamber(device.device), world.faults(device.device)
    setup = setup_of(device)
    return F4tSimulator(lambda: F4tDevice(chamber, faults, replace(setup)), device.resource, faults)


def setup_of(device: SimulatedDevice) -> F4tSetup:
    """The controller that these options describe."""
    options = device.options
    cascade = options.get("cascade")
    number = int(cascade or options.get("loop", "1"))
    loops = str(number) if cascade is None else "6A"[number - 1]
    switch = options.get("run", "mode").split()
    run_key: RunKey = "none"
    if switch[0] == "key":
        run_key = "toggle" if switch[-1] == "toggle" else "momentary"
    return F4tSetup(
        part_number=f"F4T1L3AAA1A{loops}AAA",
        is_cascade=cascade is not None,
        number=number,
        low_word_first=options.get("words", "low-high") == "low-high",
        run_key=run_key,
        run_event=int(switch[1]) if switch[0] == "event" else 0,
    )


def _unit_of(resource: Resource) -> int:
    return int(resource.query.get("unit", "1"))
