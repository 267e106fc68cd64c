"""Our end of a Modbus connection: a request, and the reply to it. Each connection gets a fresh one."""

import asyncio
from typing import cast

from drivers.links.access import Noise, Nonsense
from drivers.links.modbus_frames import MbapFraming, Reply, Request, RtuFraming
from drivers.links.wire import Speaker


class ModbusClient(Speaker[Request, Reply]):
    """In one framing."""

    def __init__(self, framing: MbapFraming | RtuFraming) -> None:
        self._framing = framing
        self._reply: asyncio.Future[Reply] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """A closed connection answers nothing any more."""
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(exc if isinstance(exc, OSError) else ConnectionError("the connection was closed"))

    def data_received(self, data: bytes) -> None:
        awaited = self._reply
        try:
            reply = self._framing.take(data)
        except (Noise, Nonsense) as error:
            if awaited is not None and not awaited.done():
                awaited.set_exception(error)
            return
        if reply is not None and awaited is not None and not awaited.done():
            awaited.set_result(reply)

    async def exchange(self, message: Request) -> Reply:
        """As `Speaker` has it."""
        awaited: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._reply = awaited
        self._transport.write(self._framing.frame(message))
        try:
            return await awaited
        finally:
            self._reply = None


class TcpClient(ModbusClient):
    """Modbus TCP."""

    def __init__(self) -> None:
        super().__init__(MbapFraming())


class RtuClient(ModbusClient):
    """Modbus RTU."""

    def __init__(self) -> None:
        super().__init__(RtuFraming())
