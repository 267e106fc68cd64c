"""The instrument on its wires: Modbus TCP beside SCPI text or RTU frames on a second port, or the latter on a line."""

import asyncio
from collections.abc import Callable
from typing import cast

from cycler.contract.plugin import Resource
from cycler.contract.sweep import ChannelId
from cycler.contract.world import SimulatedDevice
from sims.faults import Faults
from sims.terminal import Terminal
from sims.wire.ea_psb import modbus, scpi
from sims.wire.ea_psb.device import InstrumentError, Interface, PsbDevice, PsbModel, PsbSetup
from sims.wire.modbus import ModbusTcpConversation
from sims.wire.ports import SERIAL_SCHEMES, Port
from sims.world import SimulatedWorld

CHANNEL = ChannelId("1")
MODBUS_PORT, SCPI_PORT = 502, 5025
UNITS = 256


class PsbSimulator:
    """A powered device that listens. `device` is there from `start` on."""

    def __init__(self, make_device: Callable[[], PsbDevice], resource: Resource, *, faults: Faults) -> None:
        self.device: PsbDevice
        self._make_device = make_device
        if resource.scheme in SERIAL_SCHEMES:
            self._ports = [Port(resource, self._on_usb, faults=faults)]
        elif resource.scheme == "modbus-tcp":
            second = Resource.parse(f"scpi-tcp://{resource.host}:{resource.query.get('scpi', SCPI_PORT)}")
            self._ports = [
                Port(resource, self._on_modbus_tcp, default_port=MODBUS_PORT, faults=faults),
                Port(second, self._on_ethernet, faults=faults),
            ]
        else:
            self._ports = [Port(resource, self._on_ethernet, default_port=SCPI_PORT, faults=faults)]
        faults.wire((CHANNEL,), self.restart)

    async def start(self) -> None:
        """Power on and listen."""
        self.device = self._make_device()
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

    def _on_modbus_tcp(self) -> asyncio.Protocol:
        units = {unit: modbus.PsbUnit(self.device, unit) for unit in range(UNITS)}
        return _ClosedWhenIdle(ModbusTcpConversation(units), self.device)

    def _on_ethernet(self) -> asyncio.Protocol:
        return _ClosedWhenIdle(_ScpiOrRtu(self.device, Interface.ETHERNET), self.device)

    def _on_usb(self) -> asyncio.Protocol:
        return _ScpiOrRtu(self.device, Interface.USB)


class _ClosedWhenIdle(asyncio.Protocol):
    """A connection that ends when nothing comes for too long."""

    def __init__(self, conversation: asyncio.Protocol, device: PsbDevice) -> None:
        self._conversation = conversation
        self._device = device
        self._loop = asyncio.get_running_loop()
        self._heard_s = self._loop.time()
        self._transport: asyncio.Transport
        self._idle: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._conversation.connection_made(transport)
        self._idle = self._loop.call_at(self._heard_s + self._device.setup.idle_close_s, self._check_idle)

    def connection_lost(self, error: Exception | None) -> None:
        self._idle.cancel()
        self._conversation.connection_lost(error)

    def data_received(self, data: bytes) -> None:
        self._heard_s = self._loop.time()
        self._conversation.data_received(data)

    def _check_idle(self) -> None:
        due_s = self._heard_s + self._device.setup.idle_close_s
        if self._loop.time() < due_s:
            self._idle = self._loop.call_at(due_s, self._check_idle)
        else:
            self._transport.close()


class _ScpiOrRtu(asyncio.Protocol):
    """The first byte of a message tells which."""

    def __init__(self, device: PsbDevice, interface: Interface) -> None:
        self._device = device
        self._interface = interface
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._consume(self._buffer + data if self._buffer else data)

    def _consume(self, data: bytes) -> bytes:
        """Answer what is complete; what is left over waits for more."""
        while data:
            if 1 < data[0] < 0x2A:
                self._transport.write(modbus.answer_nonsense(data))
                return b""
            if data[0] < 2:
                length = modbus.rtu_length(data)
                if not length or len(data) < length:
                    break
                self._transport.write(modbus.answer_rtu(self._device, data[:length], self._interface))
                data = data[length:]
                continue
            line, end, rest = data.partition(b"\n")
            if not end:
                # What does not fit is thrown away; one byte more than fits tells that the message was too long.
                return data[: scpi.BUFFER_BYTES + 1]
            reply = scpi.answer(self._device, line, self._interface)
            if reply is not None:
                self._transport.write(reply)
            data = rest
        return data


def simulate(device: SimulatedDevice, world: SimulatedWorld) -> PsbSimulator:
    """The entry point. The instrument is one that a person has prepared for a rack: it starts nothing by itself."""
    rng = world.rng(f"{device.device}/instrument")
    seed = int(rng.integers(1 << 62))
    model = PsbModel(
        serial=f"SIM-{device.device}"[:40],
        rated_voltage_v=device.rated_voltage_v or PsbModel().rated_voltage_v,
        rated_current_a=device.rated_current_a or PsbModel().rated_current_a,
        rated_power_w=device.rated_power_w or PsbModel().rated_power_w,
    )
    error = InstrumentError()
    if not world.declaration.ideal:
        voltage_ratio, current_ratio = _accuracy_ratios(device, model)
        error = InstrumentError(
            voltage_offset_ratio=float(rng.uniform(-0.5, 0.5)) * voltage_ratio,
            current_offset_ratio=float(rng.uniform(-0.5, 0.5)) * current_ratio,
            voltage_noise_ratio=3e-5,
            current_noise_ratio=5e-5,
        )
    terminal: Terminal = world.terminal(device.device, CHANNEL)
    faults = world.faults(device.device)
    # A rack file that says `unit=1` is one for an instrument that was set to answer it.
    setup = PsbSetup(restart_after_over_temperature=False, full_compliance=device.resource.query.get("unit") == "1")
    return PsbSimulator(
        lambda: PsbDevice(terminal, model=model, setup=setup, error=error, seed=seed, faults=faults),
        device.resource,
        faults=faults,
    )


def _accuracy_ratios(device: SimulatedDevice, model: PsbModel) -> tuple[float, float]:
    """Of the ratings: as the rack file declares, else as the maker does (0.1 % in voltage, 0.2 % in current)."""
    voltage_v, current_a = device.voltage_accuracy_v, device.current_accuracy_a
    return (
        0.001 if voltage_v is None else voltage_v / model.rated_voltage_v,
        0.002 if current_a is None else current_a / model.rated_current_a,
    )
