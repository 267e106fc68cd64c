"""The instrument on its two ports: Modbus TCP, and SCPI text or RTU frames on the other."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import cast

from cycler.contract.sweep import ChannelId
from cycler.contract.world import SimulatedDevice
from sims.terminal import Terminal
from sims.wire.ea_psb import modbus, scpi
from sims.wire.ea_psb.device import InstrumentError, Interface, PsbDevice, PsbModel, PsbSetup
from sims.world import SimulatedWorld

CHANNEL = ChannelId("1")
SCPI_PORT = 5025
MBAP_BYTES = 7
ADU_BYTES_MAX = 260


class PsbSimulator:
    """A powered device that listens. `device` is there from `start` on."""

    def __init__(self, make_device: Callable[[], PsbDevice], *, host: str, port: int, scpi_port: int) -> None:
        self.device: PsbDevice
        self._make_device = make_device
        self._host = host
        self._ports = (port, scpi_port)
        self._servers: list[asyncio.AbstractServer] = []
        self._connections: set[_Connection] = set()

    async def start(self) -> None:
        """Power on and listen."""
        self.device = self._make_device()
        loop = asyncio.get_running_loop()
        kinds: tuple[type[_Connection], ...] = (_ModbusTcp, _ScpiOrRtu)
        for port, kind in zip(self._ports, kinds, strict=True):
            connect = partial(kind, self.device, self._connections)
            self._servers.append(await loop.create_server(connect, self._host, port))

    async def aclose(self) -> None:
        """Power off."""
        for server in self._servers:
            server.close()
        for connection in tuple(self._connections):
            connection.transport.abort()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()
        self.device.power_off()

    def restart(self) -> None:
        """Power-cycle: all connections break."""
        for connection in tuple(self._connections):
            connection.transport.abort()
        self.device.restart()


class _Connection(asyncio.Protocol):
    """What both ports have in common: a buffer, and an end when nothing comes for too long."""

    transport: asyncio.Transport

    def __init__(self, device: PsbDevice, connections: "set[_Connection]") -> None:
        self._device = device
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._heard_s = self._loop.time()
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._connections.add(self)
        self._idle = self._loop.call_at(self._heard_s + self._device.setup.idle_close_s, self._check_idle)

    def connection_lost(self, error: Exception | None) -> None:
        self._connections.discard(self)
        if self._idle is not None:
            self._idle.cancel()

    def data_received(self, data: bytes) -> None:
        self._heard_s = self._loop.time()
        self._buffer = self._consume(self._buffer + data if self._buffer else data)

    def _consume(self, data: bytes) -> bytes:
        """Answer what is complete; what is left over waits for more."""
        raise NotImplementedError

    def _check_idle(self) -> None:
        due_s = self._heard_s + self._device.setup.idle_close_s
        if self._loop.time() < due_s:
            self._idle = self._loop.call_at(due_s, self._check_idle)
        else:
            self.transport.close()


class _ModbusTcp(_Connection):
    def _consume(self, data: bytes) -> bytes:
        while len(data) > MBAP_BYTES:
            length = data[4] << 8 | data[5]
            if data[2] or data[3] or not 2 <= length <= ADU_BYTES_MAX - 6:
                self.transport.abort()
                return b""
            end = 6 + length
            if len(data) < end:
                break
            reply = modbus.answer(self._device, Interface.MODBUS_TCP, data[6], data[MBAP_BYTES:end])
            self.transport.write(data[:4] + (len(reply) + 1).to_bytes(2, "big") + data[6:7] + reply)
            data = data[end:]
        return data


class _ScpiOrRtu(_Connection):
    def _consume(self, data: bytes) -> bytes:
        while data:
            if 1 < data[0] < 0x2A:
                self.transport.write(modbus.answer_nonsense(data))
                return b""
            if data[0] < 2:
                length = modbus.rtu_length(data)
                if not length or len(data) < length:
                    break
                self.transport.write(modbus.answer_rtu(self._device, data[:length]))
                data = data[length:]
                continue
            line, end, rest = data.partition(b"\n")
            if not end:
                # What does not fit is thrown away; one byte more than fits tells that the message was too long.
                return data[: scpi.BUFFER_BYTES + 1]
            reply = scpi.answer(self._device, line)
            if reply is not None:
                self.transport.write(reply)
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
    resource = device.resource
    return PsbSimulator(
        lambda: PsbDevice(
            terminal, model=model, setup=PsbSetup(restart_after_over_temperature=False), error=error, seed=seed
        ),
        host=resource.host,
        port=resource.port or 502,
        scpi_port=int(resource.query.get("scpi", SCPI_PORT)),
    )


def _accuracy_ratios(device: SimulatedDevice, model: PsbModel) -> tuple[float, float]:
    """Of the ratings: as the rack file declares, else as the maker does (0.1 % in voltage, 0.2 % in current)."""
    voltage_v, current_a = device.voltage_accuracy_v, device.current_accuracy_a
    return (
        0.001 if voltage_v is None else voltage_v / model.rated_voltage_v,
        0.002 if current_a is None else current_a / model.rated_current_a,
    )
