"""The console script in a process of its own. Whoever starts one waits for what it says, never for time to pass."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

CYCLER = str(Path(sys.executable).with_name("cycler"))
PATIENCE_S = 30.0  # on a busy machine; what takes longer hangs


class Program:
    """A running `cycler …`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        assert process.stdout is not None
        assert process.stderr is not None
        self.out, self.err = process.stdout, process.stderr

    @staticmethod
    async def line(stream: asyncio.StreamReader, begins: str = "") -> str:
        """The next line that begins so."""
        async with asyncio.timeout(PATIENCE_S):
            while line := (await stream.readline()).decode():
                if line.startswith(begins):
                    return line.rstrip("\n")
        raise AssertionError(f"it ended without a line that begins with {begins!r}")

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def ended(self, *, within_s: float = PATIENCE_S) -> tuple[int, str, str]:
        """Exit code, and what was left to read on stdout and stderr."""
        async with asyncio.timeout(within_s):
            out, err = await asyncio.gather(self.out.read(), self.err.read())
            return await self._process.wait(), out.decode(), err.decode()


@asynccontextmanager
async def running(*arguments: str | Path) -> AsyncIterator[Program]:
    """Killed at the end, if it still runs then."""
    process = await asyncio.create_subprocess_exec(
        CYCLER, *map(str, arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    program = Program(process)
    try:
        yield program
    finally:
        if process.returncode is None:
            process.kill()
        await asyncio.gather(program.out.read(), program.err.read())  # to the end, so that the pipes close
        await process.wait()


async def ran(*arguments: str | Path) -> tuple[int, str, str]:
    """One that ends by itself."""
    async with running(*arguments) as program:
        return await program.ended()


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody has just now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
