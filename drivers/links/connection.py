"""Ending a connection so that nothing of it can still arrive."""

import asyncio
import socket
import struct

_NO_LINGER = struct.pack("ii", 1, 0)  # on, 0 s: closing discards what was not sent and sends a reset


def reset(transport: asyncio.Transport) -> None:
    """Break the connection off. Without this the kernel goes on sending what was written, minutes later if need be."""
    connection = transport.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:  # else it has ended by itself
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()
