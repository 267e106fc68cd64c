"""The far end of a serial line: a pty, whose near end is linked at the path that a host opens."""

import asyncio
import os
import pty
import tty
from collections.abc import Callable, Iterable
from pathlib import Path

READ_BYTES_MAX = 65536


_OPEN: set[str] = set()
"""The near ends of all lines of this process."""


class SerialLine(asyncio.Transport):
    """There are no connections: it talks to one protocol from `open` to `close`, whether a host is there or not."""

    def __init__(self, path: Path, connect: Callable[[], asyncio.Protocol]) -> None:
        super().__init__()
        self._path = path
        self._connect = connect
        self._loop = asyncio.get_running_loop()
        self._is_open = False
        self._waiting = b""  # what the host has not taken yet

    def open(self) -> None:
        """Raises `OSError` where something lies at the path, or nothing may be put there."""
        self._remove_dead_link()  # before the pty is there, which may get the same number
        # The near end stays open here too: without it the far end would hang up whenever a host goes.
        self._far, self._near = pty.openpty()
        tty.setraw(self._near)
        os.set_blocking(self._far, False)
        self._name = os.ttyname(self._near)
        try:
            self._path.symlink_to(self._name)
        except OSError as error:
            self._close_ends()
            if isinstance(error, FileExistsError) and self._path.is_symlink():
                there = f"it is a link to {self._path.readlink()}"
                raise FileExistsError(f"{there}: remove it if no simulator runs there any more") from None
            raise
        self._is_open = True
        _OPEN.add(self._name)
        self._protocol = self._connect()
        self._protocol.connection_made(self)
        self._loop.add_reader(self._far, self._read)

    def close(self) -> None:
        """The host's end hangs up and the path vanishes. Idempotent."""
        if not self._is_open:
            return
        self._is_open = False
        _OPEN.discard(self._name)
        self._loop.remove_reader(self._far)
        self._loop.remove_writer(self._far)
        self._waiting = b""
        if self._path.is_symlink() and os.readlink(self._path) == self._name:  # noqa: PTH115 (compared as written)
            self._path.unlink()
        self._close_ends()
        self._protocol.connection_lost(None)

    def abort(self) -> None:
        """Nothing: a serial line has no connection to break."""

    def is_closing(self) -> bool:
        return not self._is_open

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_open and data:
            if not self._waiting:
                self._loop.add_writer(self._far, self._write_on)
            self._waiting += bytes(data)
            self._write_on()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def _write_on(self) -> None:
        try:
            self._waiting = self._waiting[os.write(self._far, self._waiting) :]
        except BlockingIOError:
            return
        if not self._waiting:
            self._loop.remove_writer(self._far)

    def _read(self) -> None:
        try:
            data = os.read(self._far, READ_BYTES_MAX)
        except BlockingIOError:
            return
        self._protocol.data_received(data)

    def _remove_dead_link(self) -> None:
        """One who was killed has left it: its pty is gone, or is by now the near end of another line of ours."""
        if self._path.is_symlink() and (not self._path.exists() or str(self._path.readlink()) in _OPEN):
            self._path.unlink()

    def _close_ends(self) -> None:
        os.close(self._far)
        os.close(self._near)
