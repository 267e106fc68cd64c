"""Devices that say what a test tells them to say, over TCP and on a serial line."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from pymodbus.framer.rtu import FramerRTU

from sims.wire.serial_line import SerialLine

HOST = "127.0.0.1"

Script = Callable[[bytes], bytes | list[tuple[float, bytes]] | None]
"""What is said to a request: bytes, delayed pieces, None for silence, b"" to hang up."""


class Scripted(asyncio.Protocol):
    """One connection."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        reply = self._script(data)
        if reply == b"":
            self._transport.abort()
        elif isinstance(reply, bytes):
            self._transport.write(reply)
        elif reply is not None:
            loop = asyncio.get_running_loop()
            for delay_s, piece in reply:
                loop.call_later(delay_s, self._transport.write, piece)


@contextlib.asynccontextmanager
async def on_tcp(script: Script, port: int) -> AsyncIterator[None]:
    server = await asyncio.get_running_loop().create_server(lambda: Scripted(script), HOST, port)
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.sleep(1.0)  # what was under way ends


@contextlib.asynccontextmanager
async def on_serial_line(script: Script, path: Path) -> AsyncIterator[SerialLine]:
    line = SerialLine(path, lambda: Scripted(script))
    line.open()
    try:
        yield line
    finally:
        line.close()
        await asyncio.sleep(1.0)


def mbap(request: bytes, pdu: bytes, *, unit: int | None = None, protocol: int = 0) -> bytes:
    """The Modbus TCP reply to a request, well-formed unless told otherwise."""
    return request[:2] + struct.pack(">HHB", protocol, len(pdu) + 1, request[6] if unit is None else unit) + pdu


def rtu(unit: int, pdu: bytes) -> bytes:
    """A Modbus RTU frame."""
    frame = bytes([unit]) + pdu
    return frame + FramerRTU.compute_CRC(frame).to_bytes(2, "big")
