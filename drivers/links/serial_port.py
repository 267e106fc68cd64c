"""A serial port as an asyncio transport, so that all that speaks over TCP speaks over it too."""

import asyncio
import contextlib
import os
import termios
from typing import cast

import serial

_READ_BYTES = 4096


def open_serial_port(
    protocol: asyncio.Protocol, path: str, *, baud: int, parity: str, stopbits: int
) -> "SerialTransport":
    """Eight data bits, no flow control, nobody else beside us. Raises `OSError`."""
    try:
        port = serial.Serial(
            path, baudrate=baud, parity=parity, stopbits=stopbits, timeout=0, write_timeout=0, exclusive=True
        )
    except (termios.error, TypeError, ValueError) as error:  # pyserial lets these through
        raise OSError(f"it cannot be set up: {error}") from None
    return SerialTransport(asyncio.get_running_loop(), port, protocol)


class SerialTransport(asyncio.Transport):
    """An open port. An adapter that is pulled out is a lost connection.

    pyserial opens, locks and sets up; reading and writing go to the file descriptor, where a loss has one face
    (`OSError`) instead of four.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, port: serial.Serial, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self._loop = loop
        self._port = port
        self._fd = port.fileno()
        self._protocol = protocol
        self._unsent = b""
        self._closing = False
        self.discard()
        protocol.connection_made(self)
        loop.add_reader(self._fd, self._read_ready)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """What the port does not take at once follows as soon as it does."""
        if self._closing:
            return
        waiting = bool(self._unsent)
        self._unsent += bytes(data)
        if not waiting:
            self._write_ready()

    def discard(self) -> None:
        """Throw away what has come and was not read, and what was written and has not gone out."""
        self._forget_unsent()
        try:
            termios.tcflush(self._fd, termios.TCIOFLUSH)
        except termios.error as error:
            self._lose(OSError(*error.args))

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._lose(None)

    def abort(self) -> None:
        self._lose(None)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast(asyncio.Protocol, protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def _read_ready(self) -> None:
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(error)
            return
        if data:
            self._protocol.data_received(data)
        else:
            self._lose(OSError("the port has gone"))

    def _write_ready(self) -> None:
        try:
            sent = os.write(self._fd, self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._lose(error)
            return
        self._unsent = self._unsent[sent:]
        if self._unsent:
            self._loop.add_writer(self._fd, self._write_ready)
        else:
            self._loop.remove_writer(self._fd)

    def _forget_unsent(self) -> None:
        self._unsent = b""
        self._loop.remove_writer(self._fd)

    def _lose(self, error: OSError | None) -> None:
        if self._closing:
            return
        self._closing = True
        self._loop.remove_reader(self._fd)
        self._forget_unsent()
        with contextlib.suppress(termios.error):
            termios.tcflush(self._fd, termios.TCIOFLUSH)  # else closing waits for what nobody takes any more
        with contextlib.suppress(OSError, termios.error, TypeError):
            self._port.close()
        self._loop.call_soon(self._protocol.connection_lost, error)
