"""The command socket's side of control: bounded in every way, so that no client costs the rack anything.

Whoever stalls, floods or sends what is none of this protocol is told so and dropped; nobody is waited for.
"""

import asyncio
import socket
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Final

import structlog

from cycler.service.command_lines import (
    LINE_BYTES_MAX,
    PROTOCOL,
    Answer,
    BadLine,
    Welcome,
    read_hello,
    read_request,
    written,
)
from cycler.service.commands import Commands
from cycler.service.peers import Peer, uid_of

CLIENTS_MAX: Final = 64
CLIENTS_PER_ACCOUNT_MAX: Final = 16
REQUESTS_PER_S_MAX: Final = 50
UNANSWERED_MAX: Final = 8
HELLO_S_MAX: Final = 5.0
LINE_S_MAX: Final = 5.0  # from its first byte to its last
IDLE_S_MAX: Final = 300.0
UNREAD_BYTES_MAX: Final = 4 << 20
SOCKET_MODE: Final = 0o660

log = structlog.get_logger()


class CommandServer:
    """Talks with the clients of one rack. `converse` holds one conversation, from the hello to the end."""

    def __init__(self, commands: Commands, *, rack: str, peer_of: Callable[[int], Awaitable[Peer | None]]) -> None:
        """`peer_of` says who an account is on this rack; None for nobody."""
        self._commands = commands
        self._rack = rack
        self._peer_of = peer_of
        self._accounts: Counter[int] = Counter()

    @asynccontextmanager
    async def listening(self, path: Path) -> AsyncIterator[None]:
        """At a Unix socket that the group of its folder may use. Raises `OSError`."""
        async with asyncio.TaskGroup() as conversations:

            def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                uid = uid_of(writer.get_extra_info("socket"))
                tasks.add(task := conversations.create_task(self.converse(reader, writer, uid), name="client"))
                task.add_done_callback(tasks.discard)

            tasks: set[asyncio.Task[None]] = set()
            server = await asyncio.start_unix_server(accept, sock=_bound(path), limit=LINE_BYTES_MAX)
            try:
                yield
            finally:
                server.close()
                _remove(path)
                for task in tasks:
                    task.cancel()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, uid: int) -> None:
        """Until the client goes, or is dropped."""
        self._accounts[uid] += 1
        try:
            if self._accounts.total() > CLIENTS_MAX or self._accounts[uid] > CLIENTS_PER_ACCOUNT_MAX:
                self._drop(writer, uid, "clients", "there are too many clients already")
                return
            try:
                peer = await self._greeted(reader, writer, uid)
                if peer is not None:
                    await self._serve(reader, writer, peer)
            except _Dropped as dropped:
                self._drop(writer, uid, dropped.code, str(dropped))
            except (ConnectionError, asyncio.IncompleteReadError):
                pass  # it has gone
        finally:
            self._accounts[uid] -= 1
            writer.close()

    async def _greeted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, uid: int) -> Peer | None:
        try:
            hello = read_hello(await _line(reader, idle_s=HELLO_S_MAX))
        except BadLine as error:
            raise _Dropped("protocol", str(error)) from None
        if hello.cycler != PROTOCOL:
            raise _Dropped("version", f"this service speaks version {PROTOCOL}, the client version {hello.cycler}")
        peer = await self._peer_of(uid)
        if peer is None:
            raise _Dropped(
                "no-role", f"account {uid} has no role on rack {self._rack}: `users` in the rack file gives it"
            )
        own = version("formation-cycler")
        _write(writer, Welcome(cycler=PROTOCOL, version=own, rack=self._rack, user=peer.user, role=peer.role))
        return peer

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: Peer) -> None:
        clock = asyncio.get_running_loop().time
        came_s: deque[float] = deque(maxlen=REQUESTS_PER_S_MAX)
        answering: set[asyncio.Task[None]] = set()
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    line = await _line(reader, idle_s=IDLE_S_MAX, waits=lambda: bool(answering))
                    if len(came_s) == REQUESTS_PER_S_MAX and clock() - came_s[0] < 1.0:
                        raise _Dropped("flood", f"more than {REQUESTS_PER_S_MAX} requests in a second")
                    if len(answering) >= UNANSWERED_MAX:
                        raise _Dropped("flood", f"more than {UNANSWERED_MAX} requests at a time")
                    came_s.append(clock())
                    task = tasks.create_task(self._answer(line, writer, peer), name="answer")
                    answering.add(task)
                    task.add_done_callback(answering.discard)
        except* (_Dropped, ConnectionError, asyncio.IncompleteReadError) as ends:
            raise ends.exceptions[0] from None

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter, peer: Peer) -> None:
        try:
            request = read_request(line)
        except BadLine as error:
            _write(writer, Answer(id="", answer="refused", code="protocol", message=str(error)))
            return
        async for answer in self._commands.answers(request, peer):
            _write(writer, answer)

    def _drop(self, writer: asyncio.StreamWriter, uid: int, code: str, message: str) -> None:
        log.warning("client.dropped", uid=uid, reason=message)
        _write(writer, Answer(id="", answer="refused", code=code, message=message))


class _Dropped(Exception):
    """The conversation ends here."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


async def _line(reader: asyncio.StreamReader, *, idle_s: float, waits: Callable[[], bool] = lambda: False) -> bytes:
    """The next line. Raises `_Dropped` for one that is too long or does not end, and for none in `idle_s`, unless the
    client `waits` for an answer; `IncompleteReadError` at the end."""
    first = b""
    while not first:
        with suppress(TimeoutError):
            async with asyncio.timeout(idle_s):
                first = await reader.readexactly(1)
        if not first and not waits():
            raise _Dropped("idle", f"nothing came for {idle_s:g} s")
    try:
        async with asyncio.timeout(LINE_S_MAX):
            return first if first == b"\n" else first + await reader.readuntil(b"\n")
    except TimeoutError:
        raise _Dropped("stalled", f"a line did not end within {LINE_S_MAX:g} s") from None
    except asyncio.LimitOverrunError:
        raise _Dropped("too-long", f"a line has more than {LINE_BYTES_MAX} bytes") from None


def _bound(path: Path) -> socket.socket:
    """In place of one that an earlier service has left: whoever holds the store is the only one there is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove(path)
    bound = socket.socket(socket.AF_UNIX)
    try:
        bound.bind(str(path))
        path.chmod(SOCKET_MODE)
    except OSError as error:
        bound.close()
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    return bound


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _write(writer: asyncio.StreamWriter, document: Answer | Welcome) -> None:
    """A client that does not read is dropped, never waited for."""
    if writer.is_closing():
        return
    writer.write(written(document))
    if writer.transport.get_write_buffer_size() > UNREAD_BYTES_MAX:
        log.warning("client.dropped", reason="it does not read its answers")
        writer.transport.abort()
