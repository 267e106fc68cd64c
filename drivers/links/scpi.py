"""SCPI text over a raw TCP socket, one transaction at a time."""

import asyncio

from cycler.contract.errors import LinkError, ProtocolError
from drivers.links.connection import reset
from drivers.links.queue import Priority, TransactionQueue


class ScpiLink:
    """One connection, opened by the first message and anew after every loss. Lines end with LF, both ways.

    A message ends within `connect_timeout_s + timeout_s` of its turn, and raises `LinkError` for silence, refusal and
    closed connections, `ProtocolError` for replies that are no single line of ASCII or too long. After either the
    connection is dropped, because SCPI cannot tell a late reply from the one that is due. When to ask for the error
    queue is the driver's decision: on some devices the question changes something.
    """

    def __init__(
        self,
        device: str,
        host: str,
        port: int,
        *,
        gap_s: float = 0.0,
        timeout_s: float = 0.5,
        connect_timeout_s: float = 1.0,
        reply_bytes_max: int = 4096,
    ) -> None:
        self._device = device
        self._host = host
        self._port = port
        self._timeout_s = timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._reply_bytes_max = reply_bytes_max
        self._queue = TransactionQueue(gap_s=gap_s)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def query(self, text: str, priority: Priority) -> str:
        """Send one line and wait for the line that answers it; without its end."""
        await self._queue.enter(priority)
        try:
            return await self._exchange(text, answered=True)
        finally:
            self._queue.leave()

    async def write(self, text: str, priority: Priority) -> None:
        """Send one line that has no answer: that it was sent is all that is known."""
        await self._queue.enter(priority)
        try:
            await self._exchange(text, answered=False)
        finally:
            self._queue.leave()

    def close(self) -> None:
        """Drop the connection, as `ModbusLink.close` does. The next message opens a new one."""
        if self._streams is not None:
            reset(self._streams[1].transport)
            self._streams = None

    async def _exchange(self, text: str, *, answered: bool) -> str:
        message = text.encode("ascii") + b"\n"
        reader, writer = await self._open_streams()
        complete = False
        try:
            async with asyncio.timeout(self._timeout_s):
                writer.write(message)
                await writer.drain()
                line = await reader.readline() if answered else b"\n"
            complete = True
        except TimeoutError:
            detail = f"no answer to {text!r} from {self._where} within {self._timeout_s:g} s"
            raise LinkError(self._device, detail) from None
        except OSError as error:
            raise LinkError(self._device, f"{self._where} gave up during {text!r}: {error}") from None
        except ValueError:  # how a StreamReader says that its limit is passed
            raise ProtocolError(
                self._device, f"the answer to {text!r} is longer than {self._reply_bytes_max} bytes"
            ) from None
        finally:
            if not complete:  # cancelled ones too: their reply must not answer the next question
                self.close()
        if not line.endswith(b"\n"):
            self.close()
            raise LinkError(self._device, f"{self._where} closed the connection during {text!r}")
        reply = line.strip()
        if not reply.isascii():
            self.close()
            raise ProtocolError(self._device, f"the answer to {text!r} is no text: {reply[:40]!r}")
        return reply.decode("ascii")

    async def _open_streams(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None:
            reader, writer = self._streams
            if not (writer.is_closing() or reader.at_eof()):
                return self._streams
            self.close()
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                self._streams = await asyncio.open_connection(self._host, self._port, limit=self._reply_bytes_max)
        except TimeoutError:
            detail = f"no connection to {self._where} within {self._connect_timeout_s:g} s"
            raise LinkError(self._device, detail) from None
        except OSError as error:
            raise LinkError(self._device, f"no connection to {self._where}: {error}") from None
        return self._streams

    @property
    def _where(self) -> str:
        return f"{self._host}:{self._port}"
