"""The poll path, 64 devices × 120 registers: sweep, decode, protect, step and record, beside a bare pymodbus client.

The devices live in another process; what is measured is the CPU of the process that polls.
"""

import asyncio
import multiprocessing
import struct
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from machine_bench import charge, compare, machine_for, plan, until
from pymodbus.client import AsyncModbusTcpClient

from cycler.contract.sweep import ChannelId, Sweep
from cycler.control.machine_events import KEEP
from cycler.control.step_machine import StepMachine
from cycler.model.cell import Cell, CellId
from cycler.model.rack import BayId, Placement, PositionId, TrayId
from cycler.model.run import Run
from cycler.recipe.plan import RecordRule
from cycler.record.journal import Journal
from cycler.record.recorder import Recorder
from drivers.links.endpoint import TcpEndpoint
from drivers.links.modbus import Block, ModbusLink
from drivers.links.queue import Priority

DEVICES, ROUNDS, REPEATS = 64, 40, 5
CHANNELS = 15
FLOATS = 4  # voltage, current, temperature, charge: 15 channels × 4 floats are 120 registers
LAYOUT = struct.Struct(f">{CHANNELS * FLOATS}f")
BLOCK = Block(0, LAYOUT)
NAMES = tuple(ChannelId(str(number)) for number in range(CHANNELS))
STARTED = datetime(2026, 1, 1, tzinfo=UTC)


class Fixed(asyncio.Protocol):
    """A Modbus server in which every channel charges with 1 A at 3.6 V and 25 degC."""

    body = LAYOUT.pack(*[3.6, 1.0, 25.0, 0.0] * CHANNELS)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it to answer on."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """One whole request at a time: each client waits for its answer."""
        transaction, _, _, unit, function, _, count = struct.unpack(">HHHBBHH", data)
        head = struct.pack(">HHHBBB", transaction, 0, 3 + 2 * count, unit, function, 2 * count)
        self._transport.write(head + self.body[: 2 * count])


def serve(ports: Connection) -> None:
    """The other process: one listening port for each device, until it is terminated."""

    async def listen() -> None:
        loop = asyncio.get_running_loop()
        servers = [await loop.create_server(Fixed, "127.0.0.1", 0) for _ in range(DEVICES)]
        ports.send([server.sockets[0].getsockname()[1] for server in servers])
        await asyncio.Event().wait()

    asyncio.run(listen())


async def bare(ports: list[int], *, convert: bool) -> float:
    """CPU µs a poll of pymodbus alone; `convert` with its own conversion to floats."""
    clients = [AsyncModbusTcpClient("127.0.0.1", port=port, retries=0, reconnect_delay=0) for port in ports]
    for client in clients:
        await client.connect()

    async def poll(device: int) -> None:
        reply = await clients[device].read_holding_registers(0, count=2 * CHANNELS * FLOATS)
        if convert:
            clients[device].convert_from_registers(reply.registers, AsyncModbusTcpClient.DATATYPE.FLOAT32)

    cost_us = await cpu_us(poll)
    for client in clients:
        client.close()
    return cost_us


async def whole_path(ports: list[int], store: Path) -> float:
    """CPU µs a poll of ours, with everything that follows from it."""
    journal = Journal(store, rack="BENCH", opened_utc=STARTED)
    recorder = Recorder(journal, run_blocking=asyncio.to_thread, on_failure=print)
    recording = asyncio.create_task(recorder.run())
    links = [ModbusLink(f"d{i}", TcpEndpoint(host="127.0.0.1", port=port), unit=1) for i, port in enumerate(ports)]
    cells = {
        PositionId(f"B/{n}"): Cell(cell_id=CellId(f"c{n}"), cell_type="toy", state="formed")
        for n in range(DEVICES * CHANNELS)
    }
    run = Run(
        run_id="20260101-001",
        started_utc=STARTED,
        placement=Placement(tray=TrayId("t"), bay=BayId("B"), from_utc=STARTED),
        recipe_name="bench",
        recipe_version="1.0.0",
        recipe_hash="",
        recipe_text="",
        released_as="simulated",
        cells=cells,
    )
    handles = list(recorder.start_run(run).values())
    machines = [[running_machine() for _ in range(CHANNELS)] for _ in range(DEVICES)]
    clock = asyncio.get_running_loop().time
    orders, phases, regulations = [1] * CHANNELS, [0] * CHANNELS, ["cc"] * CHANNELS
    taken_s = [2.0] * DEVICES

    async def poll(device: int) -> None:
        before_s = clock()
        values = await links[device].read(BLOCK, Priority.SWEEP)
        skew_s = clock() - before_s
        taken_s[device] += 1.0  # a second passes between two sweeps, here as on a rack
        sweep = Sweep(
            taken_s=taken_s[device],
            taken_utc=STARTED,
            skew_s=skew_s,
            channels=NAMES,
            voltage_v=values[0::FLOATS],
            current_a=values[1::FLOATS],
            temperature_degc=values[2::FLOATS],
            regulation=regulations,
            order_id=orders,
            phase=phases,
            step_time_s=[taken_s[device] - 2.0] * CHANNELS,
        )
        temperatures = values[2::FLOATS]
        for row, machine in enumerate(machines[device]):
            for event in machine.advance(sweep, row, temperatures[row]):
                if event is KEEP:
                    keep(recorder, handles[device * CHANNELS + row], machine)

    cost_us = await cpu_us(poll)
    for link in links:
        link.close()
    recording.cancel()
    await recorder.aclose()
    return cost_us


def running_machine() -> StepMachine:
    """In the middle of a long CC-CV charge, with the usual record rule."""
    rule = RecordRule(every_s=10.0, voltage_v=0.005, current_a=0.02, temperature_k=0.5)
    end = until(compare("current", "<=", 0.1))
    machine = machine_for(plan(charge(1.0, end, cv=True, record=rule)))
    machine.start(0.0)
    machine.ordered(1)
    return machine


def keep(recorder: Recorder, handle: int, machine: StepMachine) -> None:
    """As a channel controller does it."""
    recorder.sample(
        handle, machine.step_count, machine.cycle, machine.elapsed_s, machine.step_time_s, machine.voltage_v,
        machine.current_a, machine.temperature_degc, machine.charged_nas, machine.discharged_nas, machine.charged_nws,
        machine.discharged_nws,
    )  # fmt: skip


async def cpu_us(poll: Callable[[int], Awaitable[None]]) -> float:
    """All devices at once, round after round; the best of the repeats."""

    async def device(number: int) -> None:
        for _ in range(ROUNDS):
            await poll(number)

    best_s = float("inf")
    for _ in range(REPEATS):
        began_s = time.process_time()
        async with asyncio.TaskGroup() as group:
            for number in range(DEVICES):
                group.create_task(device(number))
        best_s = min(best_s, time.process_time() - began_s)
    return best_s / (DEVICES * ROUNDS) * 1e6


def main() -> None:
    """Print the figures and their ratios."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    ports = ours.recv()
    with tempfile.TemporaryDirectory() as folder:
        bare_us = asyncio.run(bare(ports, convert=False))
        path_us = asyncio.run(whole_path(ports, Path(folder) / "store"))
        convert_us = asyncio.run(bare(ports, convert=True))
    server.terminate()
    print(f"bare pymodbus                        {bare_us:6.1f} µs CPU a poll of 120 registers")
    print(f"pymodbus with convert_from_registers {convert_us:6.1f} µs")
    print(f"sweep, decode, protect and record    {path_us:6.1f} µs, 15 channels a poll")
    print(f"throughput {bare_us / path_us:.0%} of bare (at least 80 %), {convert_us / path_us:.2f} × converted (1.5)")


if __name__ == "__main__":
    main()
