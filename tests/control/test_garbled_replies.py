"""A reply that makes no sense counts as none: one is borne like one that was lost, more of them end the device."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest
from broken_drivers import Wrapped
from loop_bench import LoopBench, loop_bench
from machine_bench import charge, compare, plan, until

from cycler.contract.errors import LinkError, ProtocolError
from cycler.contract.sweep import Sweep
from cycler.control.patience import Patience
from sims.loop import run_virtual

MINUTE = charge(0.5, until(compare("time", ">=", 60.0)))
STALE_S = 3.0


class Garbles(Wrapped):
    """As many of its next replies as `memory` says."""

    async def read(self) -> Sequence[Sweep]:
        if self.memory["garbled"] > 0:
            self.memory["garbled"] -= 1
            raise ProtocolError("cyc-01", "a reply of no known kind")
        sweeps: Sequence[Sweep] = await self.good.read()
        return sweeps


def on_bench(
    tmp_path: Path, test: Callable[[LoopBench, dict[str, Any]], Coroutine[Any, Any, None]]
) -> tuple[LoopBench, bool]:
    """The bench as the test left it, and whether garbled replies have ended the loop."""
    memory: dict[str, Any] = {"garbled": 0}
    benches: list[LoopBench] = []

    async def main() -> None:
        async with loop_bench(tmp_path, author=lambda driver: Garbles(driver, memory)) as bench:
            benches.append(bench)
            bench.start("1", plan(MINUTE))
            await asyncio.sleep(5.0)
            assert bench.is_on("1")
            await test(bench, memory)

    ended = False
    try:
        run_virtual(main())
    except* ProtocolError:
        ended = True
    return benches[0], ended


def test_one_garbled_reply_now_and_then_stops_nobody(tmp_path: Path) -> None:
    async def test(bench: LoopBench, memory: dict[str, Any]) -> None:
        for _ in range(5):
            memory["garbled"] = 1
            await asyncio.sleep(STALE_S + 2.0)
            assert bench.is_on("1")

    _, ended = on_bench(tmp_path, test)
    assert not ended


def test_two_garbled_replies_in_a_row_end_the_device_and_open_its_outputs(tmp_path: Path) -> None:
    async def test(bench: LoopBench, memory: dict[str, Any]) -> None:
        memory["garbled"] = 2
        await asyncio.sleep(STALE_S)

    bench, ended = on_bench(tmp_path, test)
    assert ended
    assert not bench.is_on("1")


def test_a_second_garbled_reply_soon_after_the_first_ends_the_device_although_it_answered_between(
    tmp_path: Path,
) -> None:
    async def test(bench: LoopBench, memory: dict[str, Any]) -> None:
        for _ in range(2):
            memory["garbled"] = 1
            await asyncio.sleep(STALE_S - 1.0)

    bench, ended = on_bench(tmp_path, test)
    assert ended
    assert not bench.is_on("1")


def test_a_garbled_reply_is_no_reading_and_gives_no_more_time() -> None:
    async def scenario() -> None:
        clock = asyncio.get_running_loop().time
        patience = Patience("x", sweep_s=1.0)
        patience.heard_s = clock()
        await asyncio.sleep(STALE_S - 0.5)
        patience.bear(ProtocolError("x", "garbled"))
        assert patience.ends_s == clock() + 0.5
        await asyncio.sleep(0.5)
        with pytest.raises(LinkError):
            patience.bear(LinkError("x", "no answer"))

    run_virtual(scenario())
