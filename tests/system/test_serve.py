"""`cycler serve` as a rack's PC runs it: instruments in another process, real time, and systemd's part played."""

import asyncio
import json
import os
import re
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from programs import PATIENCE_S, Program, free_ports, ran, running

from cycler.record.reader import Reader, RunRecord
from cycler.service.peers import login_of

pytestmark = pytest.mark.system

MOVED = re.compile(r"output (\S+) (closed|opened) (\d+\.\d+)")
PSB, BT = "B01/A1", {"B02/A1", "B02/A2"}
ALL = {PSB, *BT}
WATCHDOG_S = 2.0  # of the unit
STOP_S_MAX = {PSB: 3.0} | dict.fromkeys(BT, 5.0)
"""From the loss of control on: by the supply's own watchdog, and by safe-off for the mainframe, which has none."""

LONG, SHORT = "10 min", "4 s"
RECIPE = """\
recipe: NAME
version: 1.0.0
cell_type: bare
steps:
  - charge: {current: C/10, until: [time >= TIME], fail: [voltage > 4.15 V, capacity > 30 %, time > 20 min]}
  - rest: {time: 2 s}
"""


@pytest.fixture
def rack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its folder: a supply in one bay, a mainframe in the other, each bay behind a contactor."""
    psb, scpi, io, bt = free_ports(4)
    (tmp_path / "rack.yaml").write_text(
        "rack: {id: R1}\n"
        "devices:\n"
        f'  - {{id: psb-01, driver: ea_psb, resource: "modbus-tcp://127.0.0.1:{psb}?scpi={scpi}",'
        " rated: {voltage: 10 V, current: 15 A, power: 150 W}}\n"
        f'  - {{id: bt-01, driver: keysight_bt2200, resource: "scpi-tcp://127.0.0.1:{bt}", channels: 101..102,'
        " start_delay: 1 s, rated: {voltage: 5 V, current: 6 A}}\n"
        f'  - {{id: io-01, driver: moxa_iologik, resource: "modbus-tcp://127.0.0.1:{io}", model: E1212}}\n'
        "bays:\n"
        "  - {id: B01, contactor: io-01/DO0, positions: {A1: {channel: psb-01/1}}}\n"
        "  - {id: B02, contactor: io-01/DO1, positions: {A1..A2: {channel: bt-01/101..102}}}\n"
        "store: {path: store}\n"
        "runtime: {path: run}\n"
    )
    library = Path(__file__).parents[2] / "cycler/recipe/library/cell-types/nmc811-21700.yaml"
    text = re.sub(r"required_protections: .*", "required_protections: [1, 2]", library.read_text())
    (tmp_path / "cell-types").mkdir()
    (tmp_path / "cell-types" / "bare.yaml").write_text(text.replace("cell_type: nmc811-21700", "cell_type: bare"))
    for name, lasts in (("long", LONG), ("short", SHORT)):
        (tmp_path / f"{name}.yaml").write_text(RECIPE.replace("NAME", name).replace("TIME", lasts))
    for bay, cells in (("B01", "A1,c-1\n"), ("B02", "A1,d-1\nA2,d-2\n")):
        (tmp_path / f"{bay}.csv").write_text(f"position,cell_id\n{cells}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYCLER_CONFIG", "rack.yaml")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    return tmp_path


class Instruments:
    """What the simulators say of their outputs, by their own wiring, and when it was heard."""

    def __init__(self, sim: Program) -> None:
        self._sim = sim
        self.on: set[str] = set()
        self.heard_s: dict[str, float] = {}

    async def until(self, on: set[str]) -> None:
        """These are energised, and no others."""
        async with asyncio.timeout(PATIENCE_S):
            while self.on != on:
                match = MOVED.fullmatch(await self._sim.line(self._sim.out, "output"))
                assert match is not None
                self.heard_s[match[1]] = asyncio.get_running_loop().time()
                (self.on.add if match[2] == "closed" else self.on.discard)(match[1])


@asynccontextmanager
async def instruments(rack: Path) -> AsyncIterator[Instruments]:
    async with running("sim", "--config", rack / "rack.yaml", "--outputs") as sim:
        await sim.line(sim.out, "ready")
        yield Instruments(sim)


class Systemd:
    """Hears what the service says, and does to it what its unit says."""

    def __init__(self, serve: Program) -> None:
        self.serve = serve
        self.told: list[str] = []
        self._more = asyncio.Event()

    async def listen(self, notified: socket.socket) -> None:
        """Until cancelled. What nobody hears would be in the way of what comes later."""
        while True:
            self.told.append((await asyncio.get_running_loop().sock_recv(notified, 4096)).decode())
            self._more.set()

    async def hears(self, begins: str) -> str:
        async with asyncio.timeout(PATIENCE_S):
            while not (found := [told for told in self.told if told.startswith(begins)]):
                self._more.clear()
                await self._more.wait()
        return found[0]

    async def supervise(self) -> None:
        """Until the service ends, or gives no sign of life for too long; then safe-off, as `ExecStopPost`."""
        ended = asyncio.create_task(self.serve.ended())
        while not ended.done():
            self._more.clear()
            more = asyncio.create_task(self._more.wait())
            done, _ = await asyncio.wait([more, ended], timeout=WATCHDOG_S, return_when=asyncio.FIRST_COMPLETED)
            more.cancel()
            if not done:
                self.serve.send(signal.SIGKILL)
        await ended
        await ran("safe-off", "--config", "rack.yaml")


@asynccontextmanager
async def served(rack: Path) -> AsyncIterator[Systemd]:
    (rack / "notify").unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.setblocking(False)
        notified.bind(str(rack / "notify"))
        async with running("serve") as serve:
            systemd = Systemd(serve)
            listening = asyncio.create_task(systemd.listen(notified))
            try:
                assert "STATUS=3 of 3 devices answer, 0 of 2 bays run" in await systemd.hears("READY=1")
                yield systemd
            finally:
                listening.cancel()
                await asyncio.wait([listening])


async def cli(*arguments: str) -> str:
    code, out, err = await ran(*arguments)
    assert (code, err) == (0, ""), err
    return out


async def started(recipe: str, *, trial: bool = True) -> None:
    """A tray in each bay, as an operator does it."""
    if trial:
        reason = ("--by", "Ada", "--author", "Ada", "--reason", "first tray", "--lasts", "1 h")
        assert "on trial until" in await cli("recipe", "trial", f"{recipe}.yaml", *reason)
    for bay, tray in (("B01", "T1"), ("B02", "T2")):
        await cli("load", bay, "--tray", tray, "--recipe", f"{recipe}.yaml", "--cells", f"{bay}.csv")
    for bay in ("B01", "B02"):
        assert "cells started" in await cli("start", bay)


async def bays() -> dict[str, Any]:
    found = json.loads(await cli("status", "--json"))
    return {bay["bay"]: bay["state"] for bay in found["bays"]}


def records(rack: Path) -> list[RunRecord]:
    with Reader(rack / "store") as reader:
        return [reader.record(run.run_id) for run in reader.runs()]


def outcomes(rack: Path) -> set[str]:
    return {outcome.ended for record in records(rack) for outcome in record.outcomes.values()}


def test_an_operator_runs_a_tray_and_the_service_ends_in_order(rack: Path) -> None:
    async def scenario() -> None:
        async with instruments(rack) as outputs, served(rack) as systemd:
            code, _, err = await ran("start", "B01")
            assert (code, err) == (4, "error: bay B01 has no tray to start (load one first)\n")
            code, _, err = await ran("load", "B01", "--tray", "T", "--recipe", "short.yaml", "--cells", "B01.csv")
            assert code == 4
            assert "short 1.0.0 may not run on real cells: not approved, and not on trial" in err
            await started("short")
            await outputs.until(ALL)
            await outputs.until(set())
            while set((await bays()).values()) != {"ended"}:
                pass
            assert "c-1" in await cli("status")
            systemd.serve.send(signal.SIGTERM)
            code, out, _ = await systemd.serve.ended(within_s=10.0)
            assert (code, out) == (0, "")
            await systemd.hears("STOPPING=1")
            assert systemd.told.count("WATCHDOG=1") > 5
        assert (await ran("status"))[0] == 3

    asyncio.run(scenario())
    assert outcomes(rack) == {"completed"}
    assert {record.run.released_as for record in records(rack)} == {"trial"}


def test_a_run_whose_control_is_killed_goes_on_to_its_end(rack: Path) -> None:
    async def scenario() -> None:
        async with instruments(rack) as outputs:
            async with served(rack) as systemd:
                await started("short")
                await outputs.until(ALL)
                systemd.serve.send(signal.SIGKILL)
                await systemd.supervise()
                await outputs.until(set())
            async with served(rack):
                while set((await bays()).values()) != {"ended"}:
                    pass

    asyncio.run(scenario())
    assert outcomes(rack) == {"completed"}
    charges = [step for record in records(rack) for steps in record.steps.values() for step in steps[:1]]
    assert all(step.stop_reason == "time" and step.charge_source in {"host", "unknown"} for step in charges)


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP], ids=lambda blow: str(blow.name))
def test_when_control_is_lost_every_output_opens_in_time_and_a_restarted_one_goes_on(
    rack: Path, blow: signal.Signals
) -> None:
    async def scenario() -> None:
        clock = asyncio.get_running_loop().time
        async with instruments(rack) as outputs:
            async with served(rack) as systemd:
                await started("long")
                await outputs.until(ALL)
                lost_s = clock()
                systemd.serve.send(blow)
                opening = asyncio.create_task(outputs.until(set()))
                await systemd.supervise()
                await opening
            energised_s = {position: outputs.heard_s[position] - lost_s for position in ALL}
            assert all(energised_s[position] <= STOP_S_MAX[position] for position in ALL), energised_s
            async with served(rack) as systemd:
                assert set((await bays()).values()) <= {"interrupted", "running"}
                await outputs.until(ALL)
                assert "seen open" in await cli("abort", PSB, "--reason", "enough of it")
                await outputs.until(BT)
                systemd.serve.send(signal.SIGTERM)
                assert (await systemd.serve.ended(within_s=10.0))[0] == 0
                await outputs.until(set())

    asyncio.run(scenario())
    both = records(rack)
    assert len(both) == 2
    resumed = [event.position for record in both for event in record.events if event.event == "cell.resumed"]
    assert set(resumed) == ALL
    details = {outcome.detail for record in both for outcome in record.outcomes.values()}
    assert details == {"aborted by " + login_of(os.getuid()) + ": enough of it", "the service was stopped"}
