"""Where simulated instruments listen: TCP addresses, and serial lines that are ptys linked at the resource's path.

Several instruments may share an address, as units behind a gateway or stations on one serial line: each hears all that
a host sends and answers what is meant for it.
"""

import asyncio
import errno
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import cast
from weakref import WeakKeyDictionary

from cycler.contract.plugin import Resource
from sims.faults import Faults
from sims.wire.serial_line import SerialLine
from sims.wire.trouble import TroubledWire

Conversation = Callable[[], asyncio.Protocol]

TCP_SCHEMES = frozenset({"modbus-tcp", "modbus-rtu-tcp", "scpi-tcp", "ascii-tcp", "opc.tcp"})
SERIAL_SCHEMES = frozenset({"modbus-rtu", "serial"})
STATION_KEYS = ("unit", "address")
"""What tells those apart in their resources that share an address."""


class Port:
    """One wire of one instrument, with all that `faults` does to wires.

    `conversation` makes what talks on it, anew for each connection; it writes each reply as a whole.
    """

    def __init__(
        self, resource: Resource, conversation: Conversation, *, default_port: int | None = None, faults: Faults
    ) -> None:
        """Raises `ValueError` for a resource where nothing can listen."""
        self.resource = resource
        self.conversation = conversation
        self.faults = faults
        self.held: deque[bytes] = deque()  # replies that wait for a new connection
        self._address = _address(resource, default_port)
        self._line: _Line | None = None
        faults.listen(self._change)

    @property
    def station(self) -> tuple[str | None, ...]:
        """Which of those at its address this is."""
        return tuple(self.resource.query.get(key) for key in STATION_KEYS)

    async def start(self) -> None:
        """Raises `OSError` where the address is taken or forbidden."""
        lines = _LINES.setdefault(asyncio.get_running_loop(), {})
        line = lines.get(self._address)
        if line is None:
            line = _Line(self._address)
            await line.open()
            lines[self._address] = line
        line.join(self)
        self._line = line

    def drop(self) -> None:
        """Break all connections, as a device does that loses its power. Those who share a line go on."""
        if self._line is not None and self._line.is_of_one:
            self._line.drop()

    async def aclose(self) -> None:
        """Listen no more. Idempotent."""
        line, self._line = self._line, None
        if line is not None and line.leave(self):
            del _LINES[asyncio.get_running_loop()][self._address]
            await line.aclose()

    def _change(self, fault: str, begins: bool) -> None:
        if self._line is None:
            return
        if fault == "refused":
            self._line.heed_refusals()
        elif fault == "half-open" and begins:
            self._line.let_die(self)


Address = tuple[str, int] | Path


class _Line:
    """An address, and who talks there."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._ports: list[Port] = []
        self._connections: set[_Connection] = set()
        self._end: asyncio.AbstractServer | SerialLine | None = None  # None while it refuses
        self._opening: asyncio.Task[None] | None = None

    @property
    def is_of_one(self) -> bool:
        return len(self._ports) == 1

    async def open(self) -> None:
        if isinstance(self._address, Path):
            line = SerialLine(self._address, self._connect)
            line.open()
            self._end = line
        else:
            self._end = await asyncio.get_running_loop().create_server(self._connect, *self._address)

    def join(self, port: Port) -> None:
        if any(other.station == port.station for other in self._ports):
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        self._ports.append(port)
        for connection in self._connections:
            connection.join(port)
        self.heed_refusals()

    def leave(self, port: Port) -> bool:
        """Whether nobody is left."""
        self._ports.remove(port)
        for connection in self._connections:
            connection.leave(port)
        return not self._ports

    def heed_refusals(self) -> None:
        """Whoever calls is turned away as long as the fault lasts; a serial adapter is gone so long."""
        if any(port.faults.strikes("refused") for port in self._ports):
            self._close()
        elif self._end is None and self._opening is None:
            self._opening = asyncio.ensure_future(self._reopen())

    def let_die(self, port: Port) -> None:
        for connection in self._connections:
            connection.let_die(port)

    def drop(self) -> None:
        if isinstance(self._end, SerialLine):
            self._end.close()
            self._end.open()
        else:
            self._break_connections()

    async def aclose(self) -> None:
        if self._opening is not None:
            await self._opening
        end = self._end
        self._close()
        if isinstance(end, asyncio.AbstractServer):
            await end.wait_closed()

    async def _reopen(self) -> None:
        await self.open()
        self._opening = None
        self.heed_refusals()

    def _close(self) -> None:
        if self._end is not None:
            self._end.close()
            self._end = None
            self._break_connections()

    def _break_connections(self) -> None:
        for connection in tuple(self._connections):
            connection.transport.abort()

    def _connect(self) -> "_Connection":
        return _Connection(self._ports, self._connections)


class _Connection(asyncio.Protocol):
    """One host on the line: all stations hear it."""

    transport: asyncio.Transport

    def __init__(self, ports: list[Port], connections: "set[_Connection]") -> None:
        self._ports = ports
        self._connections = connections
        self._wires: dict[Port, TroubledWire] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._connections.add(self)
        for port in self._ports:
            self.join(port)

    def join(self, port: Port) -> None:
        wire = self._wires[port] = TroubledWire(
            port.conversation(), self.transport, scheme=port.resource.scheme, faults=port.faults, held=port.held
        )
        wire.connect()

    def leave(self, port: Port) -> None:
        self._wires.pop(port).lose(None)

    def let_die(self, port: Port) -> None:
        self._wires[port].die()

    def data_received(self, data: bytes) -> None:
        for wire in tuple(self._wires.values()):
            wire.hear(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._connections.discard(self)
        for wire in self._wires.values():
            wire.lose(error)


def _address(resource: Resource, default_port: int | None) -> Address:
    if resource.scheme in SERIAL_SCHEMES and resource.path:
        return Path(resource.path)
    port = resource.port or default_port
    if resource.scheme in TCP_SCHEMES and resource.host and port:
        return resource.host, port
    raise ValueError(f"{resource.text}: no simulated instrument can listen there")


_LINES: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Address, _Line]] = WeakKeyDictionary()
