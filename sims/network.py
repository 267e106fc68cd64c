"""TCP without a kernel: connections between two ends in one loop, with seeded latency, taps and cut cables.

What protocols and streams see of it is what they see of sockets: bytes in order, flow control, an end of file, a
reset, a refusal, `connection_lost` exactly once.
"""

import asyncio
import contextvars
import errno
import random
from collections import Counter
from collections.abc import Callable

from sims.transport import Address, Direction, MemoryTransport, Tap

ANY_HOST = "0.0.0.0"  # noqa: S104
EPHEMERAL_PORT = 49152
CONNECT_TIMEOUT_S = 127.0  # Linux gives up a connect that nobody answers after six retries


class MemoryNetwork:
    """All servers and connections of one loop. Each chunk takes a latency drawn evenly from `latency_s`."""

    def __init__(self, *, seed: int = 1, latency_s: tuple[float, float] = (50e-6, 150e-6)) -> None:
        self.taps: list[Tap] = []
        self.connections: Counter[Address] = Counter()  # ever made, by the server's address
        self.chunks: Counter[tuple[Address, Direction]] = Counter()  # ever written
        self._random = random.Random(seed)
        self._latency_s = latency_s
        self._servers: dict[Address, MemoryServer] = {}
        self._transports: dict[MemoryTransport, None] = {}  # an ordered set: order is part of determinism
        self._unplugged: set[Address] = set()
        self._next_port = EPHEMERAL_PORT

    def cut(self, address: Address) -> None:
        """Break all connections to the address: both ends see a reset. The server goes on listening."""
        for transport in self._at(address):
            transport.reset()

    def unplug(self, address: Address) -> None:
        """Pull the cable: both ends stay connected and hear nothing more; new connections are not answered."""
        self._unplugged.add(address)

    def plug(self, address: Address) -> None:
        """Put the cable back: what was written meanwhile arrives, as TCP sends it again."""
        self._unplugged.discard(address)
        for transport in self._at(address):
            transport.deliver_soon()

    def is_unplugged(self, address: Address) -> bool:
        """Whether the cable to the address is pulled."""
        return address in self._unplugged

    def listen(
        self, loop: asyncio.AbstractEventLoop, factory: Callable[[], asyncio.Protocol], address: Address
    ) -> "MemoryServer":
        """Port 0 takes a free one. Raises `OSError` where somebody listens already."""
        address = self._canonical(address)
        if address.port == 0:
            address = Address(address.host, self._take_port())
        if address in self._servers:
            raise OSError(errno.EADDRINUSE, f"somebody listens on {address} already")
        server = self._servers[address] = MemoryServer(self, loop, factory, address)
        return server

    def forget_server(self, server: "MemoryServer") -> None:
        """The server has stopped listening; its connections live on."""
        if self._servers.get(server.address) is server:
            del self._servers[server.address]

    async def connect(
        self, loop: asyncio.AbstractEventLoop, factory: Callable[[], asyncio.Protocol], address: Address
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """Takes a round trip. Raises `ConnectionRefusedError` or, with the cable pulled, `TimeoutError` in the end."""
        address = self._canonical(address)
        await asyncio.sleep(self.latency_s())
        if address in self._unplugged:
            await asyncio.sleep(CONNECT_TIMEOUT_S)
            raise TimeoutError(errno.ETIMEDOUT, f"nobody answers at {address}")
        server = self._servers.get(address) or self._servers.get(Address(ANY_HOST, address.port))
        if server is None:
            await asyncio.sleep(self.latency_s())
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"nobody listens at {address}")
        here = Address("127.0.0.1", self._take_port())
        client = MemoryTransport(
            self,
            loop,
            address,
            context=contextvars.copy_context(),
            direction="to-server",
            sockname=here,
            peername=address,
        )
        far = MemoryTransport(
            self, loop, address, context=server.context, direction="to-client", sockname=address, peername=here
        )
        client.peer, far.peer = far, client
        self.connections[address] += 1
        for transport in (client, far):
            self._transports[transport] = None
        loop.call_soon(lambda: far.attach(server.factory()), context=server.context)
        try:
            await asyncio.sleep(self.latency_s())
        except asyncio.CancelledError:
            client.abort()
            raise
        if client.is_closing():
            raise ConnectionResetError(errno.ECONNRESET, f"{address} broke the connection at once")
        protocol = factory()
        client.attach(protocol)
        return client, protocol

    def latency_s(self) -> float:
        """How long the next chunk takes."""
        low_s, high_s = self._latency_s
        return low_s + (high_s - low_s) * self._random.random()

    def forget_transport(self, transport: MemoryTransport) -> None:
        """It has lost its connection."""
        self._transports.pop(transport, None)

    def _at(self, address: Address) -> list[MemoryTransport]:
        address = self._canonical(address)
        return [transport for transport in self._transports if transport.address == address]

    def _take_port(self) -> int:
        self._next_port += 1
        return self._next_port - 1

    @staticmethod
    def _canonical(address: Address) -> Address:
        return Address("127.0.0.1", address.port) if address.host == "localhost" else address


class MemoryServer(asyncio.AbstractServer):
    """A listening address. Closing it leaves its connections alone, as asyncio's own does."""

    def __init__(
        self,
        network: MemoryNetwork,
        loop: asyncio.AbstractEventLoop,
        factory: Callable[[], asyncio.Protocol],
        address: Address,
    ) -> None:
        self.address = address
        self.factory = factory
        self.context = contextvars.copy_context()  # a server's callbacks run as the server's, not as its clients'
        self._network = network
        self._loop = loop
        self._closed = loop.create_future()

    def close(self) -> None:
        self._network.forget_server(self)
        if not self._closed.done():
            self._closed.set_result(None)

    def is_serving(self) -> bool:
        return not self._closed.done()

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    async def start_serving(self) -> None:
        """It does from the start."""

    async def serve_forever(self) -> None:
        try:
            await asyncio.shield(self._closed)
        finally:
            self.close()

    async def wait_closed(self) -> None:
        await asyncio.shield(self._closed)
