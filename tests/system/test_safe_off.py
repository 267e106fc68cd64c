"""`cycler safe-off` after control was killed: its simulated instruments, in a process of their own, say what opened."""

import asyncio
import json
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from programs import PATIENCE_S, Program, free_ports, ran, running

from cycler.service.clock import utcnow
from cycler.service.handover import Finishing, Handover, write_handover
from cycler.service.rack_file import load_configuration

pytestmark = pytest.mark.system

HOUR = timedelta(hours=1)
MOVED = re.compile(r"output (\S+) (closed|opened) (\d+\.\d+)")

HOST = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from cycler.contract.order import Order, Phase
from cycler.contract.plugin import Surroundings
from cycler.service.rack_file import load_configuration
from cycler.service.wiring import open_devices

async def main():
    devices = open_devices(load_configuration(Path(sys.argv[1])), Surroundings(utcnow=lambda: datetime.now(UTC)))
    for io in devices.ios.values():
        await io.connect()
        await io.commission()
        await io.write({"DO0": True})
    async def energise(cycler):
        await cycler.connect()
        await cycler.commission()
        charge = Order(order_id=7, phases=(Phase(direction="charge", voltage_v=4.1, current_a=1.0),))
        answers = await cycler.apply({channel: charge for channel in cycler.capabilities.channels})
        assert all(type(answer).__name__ == "Applied" for answer in answers.values()), answers
        await talk(cycler)
    async def talk(device):
        while True:
            await device.read()
            await asyncio.sleep(0.2)
    await asyncio.gather(*(energise(each) for each in devices.cyclers.values()), *map(talk, devices.ios.values()))

asyncio.run(main())
"""
"""Control, as far as the instruments can tell: it energises every channel and goes on talking to them."""


@dataclass(frozen=True, slots=True)
class Rack:
    """A rack file whose instruments are simulated."""

    file: Path

    def seen_through(self, device: str, port: int) -> Path:
        """The same rack, with something else at the address of one device."""
        other = self.file.with_name("elsewhere.yaml")
        lines = self.file.read_text().splitlines()
        other.write_text(
            "\n".join(
                re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{port}", line) if f"id: {device}," in line else line
                for line in lines
            )
        )
        return other


@pytest.fixture
def rack(tmp_path: Path) -> Rack:
    """A mainframe without a watchdog, and a supply with one; each bay behind a contactor."""
    bt, psb, scpi, io = free_ports(4)
    file = tmp_path / "rack.yaml"
    rated = "rated: {voltage: 5 V, current: 6 A}"
    file.write_text(
        "rack: {id: R1}\n"
        "devices:\n"
        f'  - {{id: bt-01, driver: keysight_bt2200, resource: "scpi-tcp://127.0.0.1:{bt}", channels: 101..102,'
        f" start_delay: 1 s, {rated}}}\n"
        f'  - {{id: psb-01, driver: ea_psb, resource: "modbus-tcp://127.0.0.1:{psb}?scpi={scpi}",'
        " rated: {voltage: 10 V, current: 15 A, power: 150 W}}\n"
        f'  - {{id: io-01, driver: moxa_iologik, resource: "modbus-tcp://127.0.0.1:{io}", model: E1212}}\n'
        "bays:\n"
        "  - {id: B01, contactor: io-01/DO0, positions: {A1..A2: {channel: bt-01/101..102}}}\n"
        "  - {id: B02, positions: {A1: {channel: psb-01/1}}}\n"
        f"runtime: {{path: {tmp_path}}}\n"
    )
    return Rack(file)


class Outputs:
    """What the simulators say of their outputs: when each closed and opened, by their own wiring."""

    def __init__(self, sim: Program) -> None:
        self._sim = sim
        self.on: dict[str, float] = {}
        self.opened_s: dict[str, float] = {}

    async def until(self, positions: int) -> None:
        """So many are energised."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.on) != positions:
                match = MOVED.fullmatch(await self._sim.line(self._sim.out, "output"))
                assert match is not None
                position, moved, at_s = match[1], match[2], float(match[3])
                if moved == "closed":
                    self.on[position] = at_s
                else:
                    self.on.pop(position)
                    self.opened_s[position] = at_s


@asynccontextmanager
async def energised(rack: Rack) -> AsyncIterator[tuple[Outputs, "asyncio.subprocess.Process"]]:
    """All three channels carry current, by a host that is still there."""
    async with running("sim", "--config", rack.file, "--outputs") as sim:
        await sim.line(sim.out, "ready")
        host = await asyncio.create_subprocess_exec(sys.executable, "-c", HOST, str(rack.file))
        outputs = Outputs(sim)
        try:
            await outputs.until(3)
            yield outputs, host
        finally:
            if host.returncode is None:
                host.kill()
            await host.wait()


async def killed(host: "asyncio.subprocess.Process") -> None:
    host.send_signal(signal.SIGKILL)
    await host.wait()


def states(answer: str) -> dict[str, str]:
    return {place: each["state"] for each in json.loads(answer)["outputs"] for place in each["positions"]}


def test_after_a_kill_every_output_is_opened_and_seen_to_be_open(rack: Rack) -> None:
    async def scenario() -> None:
        async with energised(rack) as (outputs, host):
            await killed(host)
            code, said, complaint = await ran("safe-off", "--config", rack.file, "--json")
            assert (code, complaint) == (0, ""), said
            assert states(said) == dict.fromkeys(("B01/A1", "B01/A2", "B02/A1"), "open")
            await outputs.until(0)

    asyncio.run(scenario())


@contextmanager
def hanging() -> Iterator[int]:
    """A port that takes every connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("trouble", ["hangs", "refuses"])
def test_what_does_not_answer_is_cut_off_by_its_contactor(rack: Rack, trouble: str) -> None:
    async def scenario() -> None:
        async with energised(rack) as (outputs, host):
            await killed(host)
            with hanging() as port:
                seen = rack.seen_through("bt-01", port if trouble == "hangs" else free_ports(1)[0])
                code, said, _ = await ran("safe-off", "--config", seen, "--json")
            assert code == 0, said
            assert states(said) == {"B01/A1": "cut-off", "B01/A2": "cut-off", "B02/A1": "open"}
            await outputs.until(0)

    asyncio.run(scenario())


def test_what_nothing_opens_is_listed_with_what_is_left(rack: Rack) -> None:
    """The supply has a watchdog of its own, and no contactor."""

    async def scenario() -> None:
        async with energised(rack) as (outputs, host):
            await killed(host)
            with hanging() as port:
                code, said, _ = await ran("safe-off", "--config", rack.seen_through("psb-01", port), "--json")
            assert code == 3, said
            assert states(said) == {"B01/A1": "open", "B01/A2": "open", "B02/A1": "not-confirmed"}
            text = json.loads(said)["outputs"][-1]["text"]
            assert text.endswith("its own watchdog opens it 2 s after the last message to it (not proven)")
            await outputs.until(0)

    asyncio.run(scenario())


def test_a_planned_stop_leaves_on_what_control_has_committed_and_the_device_confirms(rack: Rack) -> None:
    """One cell of the mainframe goes on; the list names the supply, too, which knows no orders: it is opened."""

    async def scenario() -> None:
        async with energised(rack) as (outputs, host):
            await killed(host)
            now = utcnow()
            listed = [
                Finishing(device=device, channel=channel, order_id=7, step_time_s=step_time_s, until_utc=now + HOUR)
                for device, channel, step_time_s in (
                    ("bt-01", "101", 2.0),
                    ("bt-01", "102", 600.0),
                    ("psb-01", "1", 2.0),
                )
            ]
            found = load_configuration(rack.file)
            handover = Handover(config_hash=found.content_hash, written_utc=now, channels=tuple(listed))
            write_handover(found.runtime, handover)
            code, said, complaint = await ran("safe-off", "--config", rack.file, "--mode", "handover", "--json")
            assert (code, complaint) == (0, ""), said
            assert states(said) == {"B01/A1": "finishing", "B01/A2": "open", "B02/A1": "open"}
            await outputs.until(1)
            assert set(outputs.on) == {"B01/A1"}
            assert (await ran("safe-off", "--config", rack.file, "--mode", "dead"))[0] == 0
            await outputs.until(0)

    asyncio.run(scenario())


def test_it_loads_no_more_than_it_needs(rack: Rack) -> None:
    code = (
        "import sys\n"
        "from cycler.cli.main import main\n"
        "try:\n"
        f"    main(['safe-off', '--config', {str(rack.file)!r}])\n"
        "except SystemExit as end:\n"
        "    assert end.code == 3, end.code\n"
        "print(sorted(sys.modules.keys() & set(sys.argv[1:])))\n"
    )
    heavy = ("asyncua", "pyvisa", "pyarrow", "rich", "numpy", "apsw", "jinja2", "structlog")

    async def scenario() -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, *heavy, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        return out.decode().splitlines()[-1]

    assert asyncio.run(scenario()) == "[]"
