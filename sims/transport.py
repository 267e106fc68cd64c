"""One end of an in-memory connection: what a protocol or a stream sees of it is what it sees of a socket."""

import asyncio
import contextvars
import errno
import os
from collections import Counter, deque
from collections.abc import Iterable
from typing import Literal, NamedTuple, Protocol

BUFFER_HIGH_BYTES = 65536

Direction = Literal["to-server", "to-client"]


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Tap(Protocol):
    """Sees every chunk that is written, and may change what becomes of it."""

    def __call__(self, address: Address, direction: Direction, data: bytes) -> Iterable[tuple[float, bytes]] | None:
        """`None`: the chunk passes. Else what arrives instead, as (extra delay in s, bytes); no pair drops it."""


class Carrier(Protocol):
    """What a transport needs of the network that it belongs to."""

    taps: list[Tap]
    chunks: Counter[tuple[Address, Direction]]

    def latency_s(self) -> float:
        """How long the next chunk takes."""

    def is_unplugged(self, address: Address) -> bool:
        """Whether the cable to the address is pulled."""

    def forget_transport(self, transport: "MemoryTransport") -> None:
        """It has lost its connection."""


class MemoryTransport(asyncio.Transport):
    """One end of a connection. What it writes waits in the peer's inbox until its time has come."""

    def __init__(
        self,
        network: Carrier,
        loop: asyncio.AbstractEventLoop,
        address: Address,
        *,
        context: contextvars.Context,
        direction: Direction,
        sockname: Address,
        peername: Address,
    ) -> None:
        super().__init__({"sockname": sockname, "peername": peername})
        self.address = address
        self.peer: MemoryTransport
        self._network = network
        self._loop = loop
        self._context = context
        self._direction: Direction = direction
        self._protocol: asyncio.Protocol | None = None
        # Arrived or on its way, in order. Empty bytes are the end of the file, `None` is a reset.
        self._inbox: deque[bytes | None] = deque()
        self._arrived = 0  # how many of the inbox have arrived
        self._last_arrival_s = 0.0
        self._unread_bytes = 0  # written by this end, not yet taken by the other
        self._low_bytes, self._high_bytes = BUFFER_HIGH_BYTES // 4, BUFFER_HIGH_BYTES
        self._writing_paused = False
        self._reading_paused = False
        self._eof_written = False
        self._closing = False
        self._lost = False

    def attach(self, protocol: asyncio.Protocol) -> None:
        """The connection stands from here on: tell the protocol, and hand over what has come already."""
        if self._closing:  # reset before it was ever told
            return
        self._protocol = protocol
        protocol.connection_made(self)
        self.deliver_soon()

    # writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._eof_written:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._closing or not data:
            return
        self._send(bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        if not (self._eof_written or self._closing):
            self._eof_written = True
            self._post(0.0, b"")

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return self._unread_bytes

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low_bytes, self._high_bytes

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = BUFFER_HIGH_BYTES if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._low_bytes, self._high_bytes = low, high

    def _send(self, data: bytes) -> None:
        network = self._network
        network.chunks[self.address, self._direction] += 1
        if not network.taps:
            self._post(0.0, data)
        else:
            pieces: list[tuple[float, bytes]] = [(0.0, data)]
            for tap in network.taps:
                pieces = [
                    (delay_s + more_s, piece)
                    for delay_s, chunk in pieces
                    for more_s, piece in _tapped(tap, self.address, self._direction, chunk)
                ]
            for delay_s, piece in pieces:
                if piece:
                    self._post(delay_s, piece)
        if self._unread_bytes > self._high_bytes and not self._writing_paused and self._protocol is not None:
            self._writing_paused = True
            self._protocol.pause_writing()

    def _post(self, delay_s: float, data: bytes | None) -> None:
        peer = self.peer
        due_s = max(self._loop.time() + self._network.latency_s() + delay_s, peer._last_arrival_s)
        peer._last_arrival_s = due_s
        peer._inbox.append(data)
        self._unread_bytes += len(data or b"")
        self._loop.call_at(due_s, peer._arrive, context=peer._context)

    # reading

    def is_reading(self) -> bool:
        return not (self._reading_paused or self._closing)

    def pause_reading(self) -> None:
        self._reading_paused = True

    def resume_reading(self) -> None:
        if self._reading_paused:
            self._reading_paused = False
            self.deliver_soon()

    def deliver_soon(self) -> None:
        """`deliver`, as the loop would call it."""
        self._loop.call_soon(self.deliver, context=self._context)

    def deliver(self) -> None:
        """Hand over what has arrived, as far as the reader and the cable let it."""
        while self._arrived and self._inbox and self._protocol is not None and (self._lost or not self._reading_paused):
            if self._network.is_unplugged(self.address):
                return
            self._arrived -= 1
            data = self._inbox.popleft()
            self.peer._taken(len(data or b""))
            if self._closing:
                if data and self._lost:
                    self._post_reset()
                continue
            try:
                if data is None:
                    self.reset()
                elif data:
                    self._protocol.data_received(data)
                elif not self._protocol.eof_received():
                    self.close()
            except Exception as error:  # noqa: BLE001 - any protocol's own bug: told to the loop, as asyncio does
                self._loop.call_exception_handler(
                    {"message": "Fatal error: protocol failed on received data", "exception": error, "transport": self}
                )
                self._lose(error)
                self._post_reset()

    def _arrive(self) -> None:
        self._arrived += 1
        self.deliver()

    def _taken(self, count: int) -> None:
        self._unread_bytes -= count
        if self._writing_paused and self._unread_bytes <= self._low_bytes and self._protocol is not None:
            self._writing_paused = False
            if not self._lost:
                self._protocol.resume_writing()

    # the end

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """What was written still arrives, then the end of the file."""
        if not self._closing:
            if not self._eof_written:
                self._post(0.0, b"")
            self._lose(None)

    def abort(self) -> None:
        """The other end sees a reset. What a pulled cable has kept from arriving is taken back, as a kernel does."""
        if not self._closing:
            if self._network.is_unplugged(self.address):
                self.peer._inbox.clear()
            self._lose(None)
            self._post_reset()

    def reset(self) -> None:
        """The connection broke: whoever is still there is told so."""
        if not self._closing:
            self._lose(ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)))

    def _post_reset(self) -> None:
        if not self._network.is_unplugged(self.address):  # unlike data, it is never sent again
            self._post(0.0, None)

    def _lose(self, error: Exception | None) -> None:
        if self._closing:
            return
        self._closing = True
        self._loop.call_soon(self._call_connection_lost, error, context=self._context)

    def _call_connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        self._network.forget_transport(self)
        if self._protocol is not None:
            self._protocol.connection_lost(error)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        if not isinstance(protocol, asyncio.Protocol):
            raise TypeError(f"a stream needs an asyncio.Protocol, not {type(protocol).__name__}")
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        if self._protocol is None:
            raise RuntimeError("not connected yet")
        return self._protocol


def _tapped(tap: Tap, address: Address, direction: Direction, chunk: bytes) -> Iterable[tuple[float, bytes]]:
    pieces = tap(address, direction, chunk)
    return [(0.0, chunk)] if pieces is None else pieces
