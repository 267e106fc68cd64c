"""Instruments that speak in lines of text."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast


@dataclass(frozen=True, slots=True)
class Late:
    """An answer that takes time. The instrument hears nothing else meanwhile; what comes waits."""

    seconds: float
    data: bytes


class LineConversation(asyncio.Protocol):
    """`answer` is given each line without its end, and gives the reply with its own, or None.

    A line of more than `bytes_max` is handed over cut to one byte more than fits: so `answer` can tell.
    """

    def __init__(
        self, answer: Callable[[bytes], bytes | Late | None], *, end: bytes = b"\n", bytes_max: int = 4096
    ) -> None:
        self._answer = answer
        self._end = end
        self._bytes_max = bytes_max
        self._buffer = b""
        self._busy: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._busy is not None:
            self._busy.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._busy is None:
            self._work()

    def _work(self) -> None:
        while self._end in self._buffer and self._busy is None:
            line, _, self._buffer = self._buffer.partition(self._end)
            reply = self._answer(line[: self._bytes_max + 1])
            if isinstance(reply, Late):
                self._busy = asyncio.get_running_loop().call_later(reply.seconds, self._reply, reply.data)
            elif reply is not None:
                self._transport.write(reply)
        if self._end not in self._buffer and len(self._buffer) > self._bytes_max:
            kept, rest = self._buffer[: self._bytes_max + 1], self._buffer[self._bytes_max + 1 :]
            self._buffer = kept + rest[max(0, len(rest) - len(self._end) + 1) :]  # what may begin an end

    def _reply(self, data: bytes) -> None:
        self._busy = None
        self._transport.write(data)
        self._work()
