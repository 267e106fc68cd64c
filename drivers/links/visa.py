"""Instruments behind VISA: USB, GPIB, VXI-11, and whatever else pyvisa-py knows.

pyvisa blocks and is not made for threads. So each session has a thread of its own that alone touches it, there is one
resource manager for the process (closing one closes all), and nobody lists resources. pyvisa takes a while to import:
that is done by the first session.
"""

import asyncio
import contextlib
import errno
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar, cast

from cycler.contract.plugin import Resource
from drivers.links.access import Nonsense
from drivers.links.endpoint import whole_number
from drivers.links.lines import Message
from drivers.links.wire import Speaker

if TYPE_CHECKING:
    from pyvisa import ResourceManager
    from pyvisa.resources import MessageBasedResource

T = TypeVar("T")

OPEN_S_MAX = 5.0
"""Opening the first session takes the import of pyvisa besides."""

_READ_BYTES = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class VisaEndpoint:
    """A VISA resource by its name. `baud`: of a serial one."""

    name: str
    baud: int = 9600

    @property
    def place(self) -> str:
        """What two endpoints have in common that lead over the same wire."""
        return self.name

    async def open(self, protocol: asyncio.BaseProtocol) -> asyncio.Transport:
        """Raises `OSError`."""
        session = VisaSession(self)
        try:
            await session.run(session.enter)
        except BaseException:
            session.abort()
            raise
        protocol.connection_made(session)
        return session


def visa_endpoint_of(resource: Resource) -> VisaEndpoint:
    """From `visa:TCPIP0::192.168.0.31::inst0::INSTR`. Raises `ValueError` saying what is wrong."""
    if "::" not in resource.path:
        raise ValueError(f"{resource.text!r} names no VISA resource; write it like visa:TCPIP0::host::inst0::INSTR")
    return VisaEndpoint(name=resource.path, baud=whole_number(resource, "baud", default=9600, low=300, high=4_000_000))


class VisaConversation(Speaker[Message, bytes]):
    """One message and its answer after the other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._session = cast(VisaSession, transport)

    async def exchange(self, message: Message) -> bytes:
        session = self._session
        return await session.run(lambda: session.exchange(message))


class VisaSession(asyncio.Transport):
    """An open resource and the thread that owns it. `enter` and `exchange` are for that thread: pass them to `run`."""

    def __init__(self, endpoint: VisaEndpoint) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._endpoint = endpoint
        self._closing = False
        self._resource: MessageBasedResource | None = None
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        # A daemon: a read that VISA never ends must not keep the process from ending.
        threading.Thread(target=self._work, name=f"visa {endpoint.name}", daemon=True).start()

    def run(self, job: Callable[[], T]) -> asyncio.Future[T]:
        """In the owner's thread. Of VISA's errors becomes an `OSError`."""
        result: asyncio.Future[T] = self._loop.create_future()

        def deliver(value: T | None, error: Exception | None) -> None:
            if result.done():
                return
            if error is None:
                result.set_result(cast(T, value))
            else:
                result.set_exception(error)

        def work() -> None:
            value: T | None = None
            error: Exception | None = None
            try:
                value = job()
            except Nonsense as nonsense:
                error = nonsense
            except Exception as caught:  # noqa: BLE001 - pyvisa-py lets through whatever its backends raise
                error = OSError(f"{type(caught).__name__}: {caught}")
            with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile: nobody waits
                self._loop.call_soon_threadsafe(deliver, value, error)

        self._jobs.put(work)
        return result

    def enter(self) -> None:
        """Open the resource."""
        self._resource = _open(self._endpoint)

    def exchange(self, message: Message) -> bytes:
        """Write the message, and read until its answer is whole."""
        resource = self._resource
        if resource is None:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        resource.timeout = 1000.0 * message.within_s
        resource.write_raw(message.data)
        received = bytearray()
        while message.end is not None:
            received += resource.read_raw(_READ_BYTES)
            length = message.end(received)
            if length is not None:
                return bytes(received[:length])
        return b""

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        """The thread closes the resource as soon as it is done with what it does, and ends."""
        if not self._closing:
            self._closing = True
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
        if self._resource is not None:
            with contextlib.suppress(Exception):  # it may have gone already
                self._resource.close()


_manager_lock = threading.Lock()
_managers: list["ResourceManager"] = []  # one, from the first session on


def _open(endpoint: VisaEndpoint) -> "MessageBasedResource":
    import pyvisa  # noqa: PLC0415 - it takes a while, and most racks need none
    from pyvisa.resources import MessageBasedResource, SerialInstrument, TCPIPSocket  # noqa: PLC0415

    with _manager_lock:
        if not _managers:
            _managers.append(pyvisa.ResourceManager("@py"))
    resource = _managers[0].open_resource(endpoint.name, open_timeout=round(1000 * OPEN_S_MAX))
    if not isinstance(resource, MessageBasedResource):
        raise TypeError(f"{endpoint.name} carries no messages")
    if isinstance(resource, SerialInstrument):
        resource.baud_rate = endpoint.baud
    if isinstance(resource, SerialInstrument | TCPIPSocket):
        resource.read_termination = "\n"  # a stream has no other end of a message
    return resource
