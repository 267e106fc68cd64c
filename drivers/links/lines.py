"""Text and blocks of bytes over a connection: what comes is collected until it is whole."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple, cast

from drivers.links.access import Nonsense
from drivers.links.wire import Speaker

End = Callable[[bytearray], int | None]
"""How many bytes of what has come are the answer; `None`: it is not whole yet. Raises `Nonsense`."""


class Message(NamedTuple):
    """`end` is `None` for a message that is not answered."""

    data: bytes
    end: End | None
    within_s: float  # for those who cannot be interrupted


class Conversation(Speaker[Message, bytes]):
    """One message and its answer after the other."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._end: End | None = None
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc if isinstance(exc, OSError) else ConnectionError("it closed the connection"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._answer is None or self._answer.done() or self._end is None:
            return
        try:
            length = self._end(self._received)
        except Nonsense as nonsense:
            self._answer.set_exception(nonsense)
            return
        if length is not None:
            self._answer.set_result(bytes(self._received[:length]))
            del self._received[:length]

    async def exchange(self, message: Message) -> bytes:
        self._received.clear()
        self._transport.write(message.data)
        if message.end is None:
            return b""
        self._end, self._answer = message.end, asyncio.get_running_loop().create_future()
        try:
            return await self._answer
        finally:
            self._answer = None


def line_end(terminator: bytes, *, bytes_max: int) -> End:
    """An answer that is one line."""

    def end(received: bytearray) -> int | None:
        at = received.find(terminator)
        if at > bytes_max or (at < 0 and len(received) > bytes_max):
            raise Nonsense(f"the answer is longer than {bytes_max} bytes: {bytes(received[:40])!r} ...")
        return None if at < 0 else at + len(terminator)

    return end


def block_end(*, bytes_max: int) -> End:
    """An answer that is a definite-length block, `#3255` and then 255 bytes, and the end of its line.

    Source: IEEE 488.2, 8.7.9.
    """

    def end(received: bytearray) -> int | None:
        span = _block_span(received)
        if span is None:
            return None
        if span.stop - span.start > bytes_max:
            raise Nonsense(f"the answer is a block of {span.stop - span.start} bytes, more than {bytes_max}")
        tail = bytes(received[span.stop : span.stop + 2]).removeprefix(b"\r")
        if tail[:1] == b"\n":
            return received.index(b"\n", span.stop) + 1
        if tail:
            raise Nonsense(f"the block in the answer is followed by {tail!r}, not by the end of the line")
        return None

    return end


def block_content(answer: bytes) -> bytes:
    """What is in a block that is whole."""
    span = _block_span(answer)
    return b"" if span is None else answer[span]


def _block_span(received: bytes | bytearray) -> slice | None:
    """Where its content lies, or will. `None`: its head is not whole yet."""
    digits = received[1:2]
    if received[:1] not in (b"", b"#") or (digits and not b"1" <= digits <= b"9"):
        raise Nonsense(f"the answer is no block of definite length: {bytes(received[:40])!r}")
    start = 2 + int(digits or b"0")
    if received[2:start] and not received[2:start].isdigit():
        raise Nonsense(f"the answer is a block without a length: {bytes(received[:40])!r}")
    if not digits or len(received) < start:
        return None
    return slice(start, start + int(received[2:start]))


def text_of(line: bytes) -> str:
    """The text in a line. Raises `Nonsense`."""
    if not line.isascii():
        raise Nonsense(f"what came is no text: {line[:40]!r}")
    return line.decode("ascii").strip()
