"""What happens to bytes between an instrument and its host: a layer that every wire wears.

It knows a reply as what the instrument writes at once, and a request as what comes at once.
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from sims.faults import POSSIBLE_ON_WIRE, Faults
from sims.wire.modbus import MBAP_BYTES, crc

BYTE_S = 1e-3  # from one byte to the next where they come singly
EXTRA_BYTES_MAX = 3
HELD_MAX = 8


class TroubledWire(asyncio.Transport):
    """For the instrument's conversation it is the transport; what the host sends goes through `hear`.

    `held` are the replies that wait for a new connection. They outlive this one.
    """

    def __init__(
        self,
        conversation: asyncio.Protocol,
        transport: asyncio.Transport,
        *,
        scheme: str,
        faults: Faults,
        held: deque[bytes],
    ) -> None:
        super().__init__()
        self._conversation = conversation
        self._transport = transport
        self._scheme = scheme
        self._faults = faults
        self._held = held
        self._is_dead = False  # the host's end does not know
        self._on_the_way: deque[tuple[asyncio.TimerHandle, bytes]] = deque()
        self._last_due_s = 0.0

    def connect(self) -> None:
        """The host is there. What was held back for it goes first."""
        while self._held:
            self._transport.write(self._held.popleft())
        self._conversation.connection_made(self)

    def die(self) -> None:
        """Nothing passes any more, for good, and nobody is told."""
        self._is_dead = True

    def lose(self, error: Exception | None) -> None:
        """The host is gone."""
        for timer, _ in self._on_the_way:
            timer.cancel()
        self._on_the_way.clear()
        self._conversation.connection_lost(error)

    def hear(self, data: bytes) -> None:
        """What the host sends."""
        if self._is_dead:
            return
        if self._faults.active:
            if self._is_silent:
                return
            if self._faults.strikes("reset"):
                self._reset()
                return
        self._conversation.data_received(data)

    # what the instrument does

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._faults.active and not self._on_the_way and not self._is_dead:
            self._transport.write(data)
        elif not (self._is_dead or self._is_silent):
            self._write_troubled(bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        if not self._is_dead:
            self._transport.close()

    def abort(self) -> None:
        if not self._is_dead:
            self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    # the machinery

    @property
    def _is_silent(self) -> bool:
        return self._faults.strikes("no-reply") or self._faults.strikes("restart")

    def _write_troubled(self, reply: bytes) -> None:
        faults = self._faults
        possible = POSSIBLE_ON_WIRE[self._scheme]
        for fault, change in _CHANGES.items():
            if fault in possible and faults.strikes(fault):
                reply = change(reply, faults.random)
        if faults.strikes("late-after-reconnect"):
            if len(self._held) < HELD_MAX:
                self._held.append(reply)
            return
        delay_s = faults.number("late", "delay_s") or 0.0
        for copy in (reply, reply) if faults.strikes("duplicate") else (reply,):
            if faults.strikes("byte-by-byte"):
                for at in range(len(copy)):
                    self._send(copy[at : at + 1], delay_s + BYTE_S * at)
            else:
                self._send(copy, delay_s)

    def _send(self, data: bytes, delay_s: float) -> None:
        """In the order of the calls, whatever the delays."""
        loop = asyncio.get_running_loop()
        due_s = max(loop.time() + delay_s, self._last_due_s)
        if due_s <= loop.time() and not self._on_the_way:
            self._transport.write(data)
            return
        self._last_due_s = due_s
        self._on_the_way.append((loop.call_at(due_s, self._arrive), data))

    def _arrive(self) -> None:
        # Timers due at one instant fire in any order: whichever this is, the oldest bytes come first.
        _, data = self._on_the_way.popleft()
        if not self._is_dead:
            self._transport.write(data)

    def _reset(self) -> None:
        if self._transport.is_closing():
            return
        own: socket.socket | None = self._transport.get_extra_info("socket")
        if own is not None:  # without lingering the kernel resets the connection instead of ending it
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


def _truncated(reply: bytes, random: Random) -> bytes:
    return reply[: random.randrange(len(reply))]


def _lengthened(reply: bytes, random: Random) -> bytes:
    """By noise, which is no text, before or after."""
    noise = bytes(random.randrange(0x80, 0x100) for _ in range(random.randint(1, EXTRA_BYTES_MAX)))
    return noise + reply if random.random() < 0.5 else reply + noise


def _flipped(reply: bytes, random: Random) -> bytes:
    """In one bit, where there is a checksum that tells."""
    if not _is_rtu(reply):
        return reply
    at = random.randrange(len(reply))
    return reply[:at] + bytes((reply[at] ^ 1 << random.randrange(8),)) + reply[at + 1 :]


def _from_next_unit(reply: bytes, random: Random) -> bytes:
    if _is_rtu(reply):
        body = bytes((reply[0] + 1 & 0xFF,)) + reply[1:-2]
        return body + crc(body)
    if reply[2:4] != b"\0\0":  # text, on a port that has both
        return reply
    at = MBAP_BYTES - 1
    return reply[:at] + bytes((reply[at] + 1 & 0xFF,)) + reply[at + 1 :]


def _is_rtu(reply: bytes) -> bool:
    return crc(reply[:-2]) == reply[-2:]


_CHANGES: dict[str, Callable[[bytes, Random], bytes]] = {
    "swapped-units": _from_next_unit,
    "crc": _flipped,
    "truncated": _truncated,
    "extra-bytes": _lengthened,
}
