"""The watchdog hears of control only while all that keeps cells safe is alive; systemd hears what it is told."""

import asyncio
import socket
from itertools import pairwise
from pathlib import Path

import pytest
from service_bench import ServiceBench, in_service

from cycler.service.heartbeat import LATE_S_MAX, Heartbeat
from cycler.service.notify import Notifier


def ails(bench: ServiceBench, *, late_s: float = 0.0) -> str:
    heartbeat = Heartbeat(bench.service.running, lambda: None)
    return "; ".join(heartbeat.ails(asyncio.get_running_loop().time(), late_s=late_s))


def test_it_beats_while_cells_run_and_while_none_does(tmp_path: Path) -> None:
    async def scenario(bench: ServiceBench) -> int:
        beats: list[float] = []
        clock = asyncio.get_running_loop().time
        beating = asyncio.create_task(Heartbeat(bench.service.running, lambda: beats.append(clock())).run())
        began_s = clock()
        await asyncio.sleep(30.0)
        await bench.running()
        await asyncio.sleep(200.0)
        beating.cancel()
        assert max(later - earlier for earlier, later in pairwise(beats)) <= 1.0
        return round(clock() - began_s) - len(beats) // 2

    assert in_service(tmp_path, scenario) <= 1


def test_a_silent_device_does_not_stop_it_because_its_cells_are_stopped(tmp_path: Path) -> None:
    async def scenario(bench: ServiceBench) -> set[str]:
        await bench.running()
        bench.world.faults("c-01").begin("no-reply")
        found = set()
        for _ in range(40):
            await asyncio.sleep(0.5)
            found.add(ails(bench))
        assert bench.energised() == set()
        return found

    assert in_service(tmp_path, scenario) == {""}


def test_a_late_loop_and_a_journal_that_does_not_commit_stop_it(tmp_path: Path) -> None:
    async def scenario(bench: ServiceBench) -> list[str]:
        running = bench.service.running
        found = [ails(bench, late_s=LATE_S_MAX + 0.1)]
        running.recorder.durable_s -= 10.0
        found.append(ails(bench))
        running.controller.watched_s -= 10.0
        found.append(ails(bench))
        return found

    late, not_durable, unwatched = in_service(tmp_path, scenario)
    assert "the control loop is 1.1 s late" in late
    assert "nothing was committed for 10" in not_durable
    assert "nobody watches for silent devices" in unwatched


@pytest.mark.parametrize("name", ["notify", "@formation-cycler-test"])
def test_systemd_is_told_in_one_datagram(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(name.replace("@", "\0"))
        Notifier(name).tell("READY=1", "STATUS=up")
        assert systemd.recv(100) == b"READY=1\nSTATUS=up"


def test_without_systemd_nobody_is_told_and_nothing_fails(tmp_path: Path) -> None:
    Notifier(None).tell("READY=1")
    Notifier(str(tmp_path / "gone")).tell("READY=1")
