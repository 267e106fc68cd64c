"""The links: SCPI beside bare asyncio streams, 32 instruments at 10 Hz, and six dead ones among them.

The instruments live in another process; what is measured is the CPU of the process that asks.
"""

import asyncio
import contextlib
import multiprocessing
import struct
import time
from collections.abc import Awaitable, Callable, Sequence
from multiprocessing.connection import Connection

from cycler.contract.errors import LinkError
from cycler.contract.plugin import Resource
from drivers.links.modbus import Block, ModbusLink
from drivers.links.queue import Priority
from drivers.links.scpi import ScpiLink

INSTRUMENTS, DEAD, SPARE = 32, 6, 2
QUERIES, REPEATS = 4000, 5
SWEEPS_PER_S, SWEEP_FOR_S = 10.0, 5.0
ANSWER = b"12.5V, 33.3A, 420W\n"
BLOCK = Block(505, struct.Struct(">I3H"))  # the state and three values, as an EA PSB has them
SWEEP = Priority.SWEEP


class Instrument(asyncio.Protocol):
    """Answers lines by a line, and Modbus reads by zeroes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it to answer on."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """One whole request at a time: each client waits for its answer."""
        if data[-1:] == b"\n":
            self._transport.write(ANSWER)
        else:
            size = BLOCK.layout.size
            self._transport.write(data[:4] + struct.pack(">HBBB", size + 3, data[6], 3, size) + bytes(size))


def serve(ports: Connection) -> None:
    """The other process: one listening port for each instrument, until it is terminated. The dead ones never answer."""

    async def listen() -> None:
        loop = asyncio.get_running_loop()
        kinds = [Instrument] * (INSTRUMENTS + SPARE) + [asyncio.Protocol] * DEAD
        servers = [await loop.create_server(kind, "127.0.0.1", 0) for kind in kinds]
        ports.send([server.sockets[0].getsockname()[1] for server in servers])
        await asyncio.Event().wait()

    asyncio.run(listen())


async def cpu_us(ask: Callable[[], Awaitable[object]]) -> float:
    """Of one question; the best of the repeats."""
    best_s = float("inf")
    for _ in range(REPEATS):
        began_s = time.process_time()
        for _ in range(QUERIES):
            await ask()
        best_s = min(best_s, time.process_time() - began_s)
    return best_s / QUERIES * 1e6


async def bare_streams_us(port: int) -> float:
    """What anybody would write: streams, a lock and a deadline."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lock = asyncio.Lock()

    async def ask() -> str:
        async with lock, asyncio.timeout(0.5):
            writer.write(b"MEAS:ARR?\n")
            await writer.drain()
            return (await reader.readline()).decode("ascii").strip()

    cost_us = await cpu_us(ask)
    writer.close()
    return cost_us


async def scpi_link_us(port: int) -> float:
    """Ours."""
    link = ScpiLink.to("smu", Resource.parse(f"scpi-tcp://127.0.0.1:{port}"))
    cost_us = await cpu_us(lambda: link.query("MEAS:ARR?", SWEEP))
    link.close()
    return cost_us


async def sweep_all(ports: Sequence[int], dead_ports: Sequence[int]) -> tuple[float, float]:
    """Share of a core while all are swept, half of them over Modbus, and the 99th percentile of a sweep's duration."""
    durations_s: list[float] = []
    asks: list[Callable[[], Awaitable[object]]] = []
    links: list[ScpiLink | ModbusLink] = []
    for number, port in enumerate([*ports, *dead_ports]):
        if number % 2:
            scpi = ScpiLink.to(f"d{number}", Resource.parse(f"scpi-tcp://127.0.0.1:{port}"))
            links.append(scpi)
            asks.append(lambda link=scpi: link.query("MEAS:ARR?", SWEEP))
        else:
            modbus = ModbusLink.to(f"d{number}", Resource.parse(f"modbus-tcp://127.0.0.1:{port}"))
            links.append(modbus)
            asks.append(lambda link=modbus: link.read(BLOCK, SWEEP))
    clock = asyncio.get_running_loop().time
    end_s = clock() + SWEEP_FOR_S

    async def instrument(number: int) -> None:
        due_s = clock() + number / len(asks) / SWEEPS_PER_S
        while due_s < end_s:
            await asyncio.sleep(due_s - clock())
            began_s = clock()
            with contextlib.suppress(LinkError):
                await asks[number]()
            if number < len(ports):
                durations_s.append(clock() - began_s)
            due_s = max(due_s + 1 / SWEEPS_PER_S, clock())

    cpu_began_s, began_s = time.process_time(), clock()
    async with asyncio.TaskGroup() as group:
        for number in range(len(asks)):
            group.create_task(instrument(number))
    share = (time.process_time() - cpu_began_s) / (clock() - began_s)
    for link in links:
        link.close()
    return share, sorted(durations_s)[int(0.99 * len(durations_s))]


def main() -> None:
    """Print the figures and their targets."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    ports = ours.recv()
    alive, spare, dead = ports[:INSTRUMENTS], ports[INSTRUMENTS:-DEAD], ports[-DEAD:]
    bare_us = asyncio.run(bare_streams_us(spare[0]))
    link_us = asyncio.run(scpi_link_us(spare[1]))
    share, alone_s = asyncio.run(sweep_all(alive, []))
    _, among_dead_s = asyncio.run(sweep_all(alive, dead))
    server.terminate()
    print(f"a question over bare streams  {bare_us:6.1f} µs CPU, with a lock and a deadline")
    print(f"a question over ScpiLink      {link_us:6.1f} µs, {link_us / bare_us:.2f} × bare (at most 1.5)")
    print(f"{INSTRUMENTS} instruments at {SWEEPS_PER_S:g} Hz       {share:6.1%} of a core (at most 20 %)")
    print(f"their slowest sweeps          {alone_s * 1e3:6.2f} ms at the 99th percentile")
    print(f"with {DEAD} dead ones beside them  {among_dead_s * 1e3:6.2f} ms")


if __name__ == "__main__":
    main()
