"""The queue of a wire: off before sweep before order."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest

from drivers.links.queue import Priority, TransactionQueue
from sims.loop import run_virtual

TAKES_S = 0.02


def worker(queue: TransactionQueue, done: list[tuple[str, float]]) -> Callable[[str, Priority], Awaitable[None]]:
    async def work(name: str, priority: Priority) -> None:
        await queue.enter(priority)
        try:
            done.append((name, asyncio.get_running_loop().time()))
            await asyncio.sleep(TAKES_S)
        finally:
            queue.leave()

    return work


@pytest.mark.parametrize("gap_s", [0.0, 0.01])
def test_off_goes_before_sweep_before_order_and_equals_in_order_of_arrival(gap_s: float) -> None:
    async def main() -> None:
        done: list[tuple[str, float]] = []
        work = worker(TransactionQueue(gap_s=gap_s), done)
        async with asyncio.TaskGroup() as group:
            for name, priority in [
                ("first", Priority.ORDER),
                ("order 1", Priority.ORDER),
                ("order 2", Priority.ORDER),
                ("sweep 1", Priority.SWEEP),
                ("sweep 2", Priority.SWEEP),
                ("off", Priority.OFF),
            ]:
                group.create_task(work(name, priority))
        assert [name for name, _ in done] == ["first", "off", "sweep 1", "sweep 2", "order 1", "order 2"]

    run_virtual(main())


def test_between_two_messages_lies_the_gap() -> None:
    async def main() -> None:
        done: list[tuple[str, float]] = []
        work = worker(TransactionQueue(gap_s=0.01), done)
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(work("sweep", Priority.SWEEP))
        await work("after a pause of none", Priority.SWEEP)
        starts_s = [start_s for _, start_s in done]
        assert [b - a for a, b in itertools.pairwise(starts_s)] == pytest.approx([0.03] * 3)

    run_virtual(main())


def test_an_off_that_comes_in_the_gap_goes_before_the_order_that_waited_for_it() -> None:
    async def main() -> None:
        done: list[tuple[str, float]] = []
        work = worker(TransactionQueue(gap_s=0.01), done)
        async with asyncio.TaskGroup() as group:
            group.create_task(work("sweep", Priority.SWEEP))
            group.create_task(work("order", Priority.ORDER))
            await asyncio.sleep(TAKES_S + 0.005)
            group.create_task(work("off", Priority.OFF))
        assert [name for name, _ in done] == ["sweep", "off", "order"]
        assert done[1][1] - (done[0][1] + TAKES_S) == pytest.approx(0.01)

    run_virtual(main())


@pytest.mark.parametrize("cancel_at_s", [0.01, TAKES_S, TAKES_S + 0.01])
def test_a_waiter_that_is_cancelled_disturbs_nobody(cancel_at_s: float) -> None:
    async def main() -> None:
        done: list[tuple[str, float]] = []
        work = worker(TransactionQueue(gap_s=0.01), done)
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            group.create_task(work("first", Priority.SWEEP))
            waiter = group.create_task(work("cancelled", Priority.OFF))
            group.create_task(work("last", Priority.ORDER))
            loop.call_at(cancel_at_s, waiter.cancel)
        assert done[-1][0] == "last"
        assert done[-1][1] <= TAKES_S + 0.01 + (TAKES_S + 0.01 if "cancelled" in dict(done) else 0)

    run_virtual(main())


def test_a_turn_granted_and_cancelled_in_the_same_instant_is_passed_on() -> None:
    async def main() -> None:
        queue, done = TransactionQueue(), []
        work = worker(queue, done)
        await queue.enter(Priority.SWEEP)
        async with asyncio.TaskGroup() as group:
            waiter = group.create_task(work("cancelled", Priority.OFF))
            group.create_task(work("last", Priority.ORDER))
            await asyncio.sleep(0.01)
            queue.leave()
            waiter.cancel()
        assert [name for name, _ in done] == ["last"]

    run_virtual(main())


def test_a_host_that_sweeps_without_pause_still_gets_its_orders_through() -> None:
    async def main() -> None:
        done: list[tuple[str, float]] = []
        work = worker(TransactionQueue(gap_s=0.01), done)

        async def sweep_for_ever() -> None:
            while True:
                await work("sweep", Priority.SWEEP)

        sweeps = asyncio.create_task(sweep_for_ever())
        await asyncio.sleep(0)
        await work("order", Priority.ORDER)
        sweeps.cancel()
        assert [name for name, _ in done][:6] == ["sweep"] * 5 + ["order"]

    run_virtual(main())


def test_a_quiet_time_is_kept_by_all_and_an_off_is_the_first_after_it() -> None:
    async def main() -> None:
        queue, done = TransactionQueue(gap_s=0.01), []
        work = worker(queue, done)
        await queue.enter(Priority.SWEEP)
        queue.leave(quiet_s=0.5)
        async with asyncio.TaskGroup() as group:
            group.create_task(work("order", Priority.ORDER))
            group.create_task(work("off", Priority.OFF))
        assert [name for name, _ in done] == ["off", "order"]
        assert [start_s for _, start_s in done] == pytest.approx([0.5, 0.53])

    run_virtual(main())
