"""One connection, and all who share it: the units behind a gateway, the two languages of one serial port."""

import asyncio
from collections.abc import Callable
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

from drivers.links.connection import reset
from drivers.links.deadline import Deadline
from drivers.links.endpoint import Endpoint
from drivers.links.queue import TransactionQueue
from drivers.links.serial_port import SerialTransport

Said = TypeVar("Said")
Heard = TypeVar("Heard")


class Speaker(asyncio.Protocol, Generic[Said, Heard]):
    """Our end of a connection, in one language."""

    async def exchange(self, message: Said) -> Heard:
        """Send, and wait for the answer: what has come before is none.

        Raises `OSError` where the connection ends, `Noise` and `Nonsense` for bytes that are no answer to anything.
        """
        raise NotImplementedError


class Wire:
    """Its connection is opened by the first who speaks, and anew, with a fresh speaker, after every loss."""

    def __init__(self, endpoint: Endpoint, loop: asyncio.AbstractEventLoop) -> None:
        self.endpoint = endpoint
        self.queue = TransactionQueue()
        self.deadline = Deadline(loop)  # of the turn under way
        self.is_doubtful = False  # a reply was lost: somebody on the way may have kept it for the next connection
        self._loop = loop  # held, so that no other loop is given its id
        self._users: set[object] = set()
        self._transport: asyncio.Transport | None = None
        self._speaker: Speaker[Any, Any] | None = None
        self._language: object = None

    def speaker(self, language: str, make: Callable[[], Speaker[Said, Heard]]) -> Speaker[Said, Heard] | None:
        """Who speaks this language on the open connection. `None`: there is none. In a turn only."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return None
        if self._language != language:
            self._speaker, self._language = make(), language
            transport.set_protocol(self._speaker)
            self._speaker.connection_made(transport)
        return self._speaker

    async def open(self, language: str, make: Callable[[], Speaker[Said, Heard]]) -> Speaker[Said, Heard]:
        """Who speaks this language on a new connection. In a turn only. Raises `OSError`."""
        self.drop()
        speaker = make()
        self._transport = await self.endpoint.open(speaker)
        self._speaker, self._language = speaker, language
        return speaker

    def distrust(self) -> None:
        """What still comes belongs to nobody, and what has not gone out yet must not go out."""
        self.is_doubtful = True
        if isinstance(self._transport, SerialTransport):
            self._transport.discard()  # opening it anew would move its control lines, which resets some devices
        else:
            self.drop()

    def drop(self) -> None:
        """Break the connection off."""
        transport, self._transport = self._transport, None
        if transport is not None:
            reset(transport)

    def join(self, user: object, *, gap_s: float) -> None:
        """Count somebody in who speaks on it, and needs this gap between two messages."""
        self._users.add(user)
        self.queue.gap_s = max(self.queue.gap_s, gap_s)

    @property
    def is_of_one(self) -> bool:
        """Nobody shares it."""
        return len(self._users) <= 1

    def leave(self, user: object) -> None:
        """The last one drops the connection."""
        self._users.discard(user)
        if not self._users:
            self.drop()


_wires: WeakValueDictionary[tuple[int, str], Wire] = WeakValueDictionary()


def wire_to(endpoint: Endpoint) -> Wire:
    """The one wire of this loop to that place. Raises `ValueError` where others use the port with other settings."""
    loop = asyncio.get_running_loop()
    wire = _wires.get((id(loop), endpoint.place))
    if wire is None:
        wire = _wires[id(loop), endpoint.place] = Wire(endpoint, loop)
    elif wire.endpoint != endpoint:
        raise ValueError(f"others use {endpoint.place} as {wire.endpoint}, the resource says {endpoint}")
    return wire
