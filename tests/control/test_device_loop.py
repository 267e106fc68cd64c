"""What goes out to a device, and when: offs at once, orders when they are on record, and nothing twice."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from broken_drivers import Wrapped
from loop_bench import LoopBench, loop_bench
from machine_bench import charge, compare, plan, rest, until

from cycler.contract.devices import ApplyResult, CyclerDriver
from cycler.contract.errors import DeviceFault, LinkError
from cycler.contract.order import Applied, Order, Phase
from cycler.contract.sweep import ChannelId, Sweep
from sims.loop import run_virtual

MINUTE = charge(0.5, until(compare("time", ">=", 60.0)))
FIVE_SECONDS = charge(0.5, until(compare("time", ">=", 5.0)))


@pytest.fixture
def on_bench(tmp_path: Path) -> Callable[..., None]:
    """Runs a test's coroutine on a bench of its own."""

    def run(
        test: Callable[[LoopBench], Coroutine[Any, Any, None]],
        author: Callable[[CyclerDriver], Any] = lambda driver: driver,
    ) -> None:
        async def main() -> None:
            async with loop_bench(tmp_path, author=author) as bench:
                await test(bench)

        run_virtual(main())

    return run


# Durable first.


def test_an_order_that_energises_goes_out_once_its_record_is_durable(on_bench: Callable[..., None]) -> None:
    async def test(bench: LoopBench) -> None:
        bench.disk.hold()
        bench.start("1", plan(MINUTE))
        await asyncio.sleep(5.0)
        assert not bench.is_on("1")
        bench.disk.let_go()
        await asyncio.sleep(0.01)
        assert bench.is_on("1")

    on_bench(test)


def test_a_rest_does_not_wait_for_the_disk_even_behind_an_order_that_does(on_bench: Callable[..., None]) -> None:
    async def test(bench: LoopBench) -> None:
        bench.start("1", plan(FIVE_SECONDS, rest(60.0)))
        await asyncio.sleep(3.0)
        bench.disk.hold()
        bench.start("2", plan(MINUTE))
        await asyncio.sleep(4.0)
        assert not bench.is_on("1")
        assert not bench.is_on("2")

    on_bench(test)


def test_an_off_does_not_wait_for_the_disk(on_bench: Callable[..., None]) -> None:
    async def test(bench: LoopBench) -> None:
        controller = bench.start("1", plan(MINUTE))
        await asyncio.sleep(3.0)
        bench.disk.hold()
        bench.loop.post(controller.stop("abort", "by a person"))
        await asyncio.sleep(0.01)
        assert not bench.is_on("1")

    on_bench(test)


def test_an_order_whose_run_is_stopped_while_it_waits_for_the_disk_never_goes_out(
    on_bench: Callable[..., None],
) -> None:
    async def test(bench: LoopBench) -> None:
        bench.disk.hold()
        controller = bench.start("1", plan(MINUTE))
        await asyncio.sleep(1.0)
        bench.loop.post(controller.stop("abort", "by a person"))
        bench.disk.let_go()
        for _ in range(50):
            await asyncio.sleep(0.1)
            assert not bench.is_on("1")
        assert controller.closed

    on_bench(test)


# Off overtakes.


@pytest.mark.parametrize("transaction", range(1, 8))
def test_a_stop_overtakes_an_order_at_any_of_its_transactions(on_bench: Callable[..., None], transaction: int) -> None:
    async def test(bench: LoopBench) -> None:
        seen = 0
        controllers = [bench.start("1", plan(MINUTE)), bench.start("2", plan(MINUTE))]

        def tap() -> None:
            nonlocal seen
            seen += 1
            if seen == transaction:
                bench.loop.stop_all("all-off", "a person said so")

        bench.hardware.cable.taps.append(tap)
        await asyncio.sleep(3.0)
        assert seen >= transaction
        for _ in range(40):
            assert not bench.is_on("1")
            assert not bench.is_on("2")
            await asyncio.sleep(0.1)
        assert all(controller.closed for controller in controllers)

    on_bench(test)


class SlowToOrder(Wrapped):
    """A wire on which an order takes ten seconds, and which an off overtakes."""

    async def apply(self, orders: Mapping[ChannelId, Order]) -> Mapping[ChannelId, ApplyResult]:
        await asyncio.sleep(10.0)
        answers: Mapping[ChannelId, ApplyResult] = await self.good.apply(orders)
        return answers


def test_sweeps_and_offs_go_on_while_an_order_is_under_way(on_bench: Callable[..., None]) -> None:
    async def test(bench: LoopBench) -> None:
        bench.start("1", plan(MINUTE))
        await asyncio.sleep(12.0)
        assert bench.is_on("1")
        bench.start("2", plan(MINUTE))
        await asyncio.sleep(1.0)
        heard_s = bench.loop.patience.heard_s
        bench.loop.stop_all("all-off", "a person said so")
        await asyncio.sleep(1.0)
        assert not bench.is_on("1")
        assert bench.loop.patience.heard_s > heard_s

    on_bench(test, lambda driver: SlowToOrder(driver, {}))


def test_an_order_behind_one_that_is_under_way_is_dropped_by_a_stop(on_bench: Callable[..., None]) -> None:
    async def test(bench: LoopBench) -> None:
        bench.start("1", plan(MINUTE))
        await asyncio.sleep(1.0)
        second = bench.start("2", plan(MINUTE))
        await asyncio.sleep(1.0)
        bench.loop.post(second.stop("abort", "by a person"))
        for _ in range(40):
            await asyncio.sleep(1.0)
            assert not bench.is_on("2")

    on_bench(test, lambda driver: SlowToOrder(driver, {}))


# Offs that fail.


class DeafToOffs(Wrapped):
    """Does not confirm the first offs."""

    async def make_safe(self, channels: Collection[ChannelId]) -> None:
        if channels and self.memory["left"] > 0:
            self.memory["left"] -= 1
            raise DeviceFault("cyc-01", "it is still on")
        await self.good.make_safe(channels)


def test_an_off_that_was_not_confirmed_is_repeated_until_it_is_and_told_once(on_bench: Callable[..., None]) -> None:
    async def test(bench: LoopBench) -> None:
        controller = bench.start("1", plan(MINUTE))
        await asyncio.sleep(3.0)
        bench.loop.post(controller.stop("abort", "by a person"))
        await asyncio.sleep(2.5)
        assert bench.is_on("1")
        await asyncio.sleep(1.0)
        assert not bench.is_on("1")
        assert bench.not_open == [{"1"}]
        await bench.closed(controller, within_s=5.0)

    on_bench(test, lambda driver: DeafToOffs(driver, {"left": 3}))


class OnlySaysThatItIsOff(Wrapped):
    """Confirms the first offs, and leaves its outputs on."""

    async def make_safe(self, channels: Collection[ChannelId]) -> None:
        if channels and self.memory["left"] > 0:
            self.memory["left"] -= 1
            return
        await self.good.make_safe(channels)


@pytest.mark.parametrize("lies", [1, 4])
def test_an_output_that_readings_show_on_is_told_again_and_has_its_next_path_taken_once(
    on_bench: Callable[..., None], lies: int
) -> None:
    async def test(bench: LoopBench) -> None:
        controller = bench.start("1", plan(MINUTE))
        await asyncio.sleep(3.0)
        bench.loop.post(controller.stop("abort", "by a person"))
        await asyncio.sleep(0.75)
        assert bench.not_open == [{"1"}]
        assert bench.is_on("1") == (lies > 1)
        await bench.closed(controller, within_s=5.0)
        assert not bench.is_on("1")
        assert bench.not_open == [{"1"}]

    on_bench(test, lambda driver: OnlySaysThatItIsOff(driver, {"left": lies}))


def test_an_output_that_is_on_without_a_run_and_stays_on_has_its_next_path_taken(
    on_bench: Callable[..., None],
) -> None:
    async def test(bench: LoopBench) -> None:
        await asyncio.sleep(3.0)
        order = Order(order_id=7, phases=(Phase(direction="charge", voltage_v=4.0, current_a=0.5),))
        await bench.loop.driver.apply({ChannelId("2"): order})
        await asyncio.sleep(2.0)
        assert bench.not_open == [{"2"}]
        await asyncio.sleep(3.0)
        assert not bench.is_on("2")
        assert bench.not_open == [{"2"}]

    on_bench(test, lambda driver: OnlySaysThatItIsOff(driver, {"left": 3}))


def test_another_channels_off_does_not_wait_for_the_repetition(on_bench: Callable[..., None]) -> None:
    async def test(bench: LoopBench) -> None:
        first, second = bench.start("1", plan(MINUTE)), bench.start("2", plan(MINUTE))
        await asyncio.sleep(3.0)
        bench.loop.post(first.stop("abort", "by a person"))
        await asyncio.sleep(0.5)
        bench.loop.post(second.stop("abort", "by a person"))
        await asyncio.sleep(0.01)
        assert not bench.is_on("2")

    on_bench(test, lambda driver: DeafToOffs(driver, {"left": 1}))


def test_an_output_counts_as_on_from_the_order_on_and_not_from_the_next_reading(
    on_bench: Callable[..., None],
) -> None:
    async def test(bench: LoopBench) -> None:
        bench.start("1", plan(MINUTE))
        await asyncio.sleep(2.0)
        assert bench.loop.may_be_energised([ChannelId("1")])
        assert not bench.loop.may_be_energised([ChannelId("2")])
        bench.hardware.cable.unplug()
        bench.start("2", plan(MINUTE))
        await asyncio.sleep(0.5)
        assert bench.loop.may_be_energised([ChannelId("2")])
        bench.hardware.cable.plug()
        await asyncio.sleep(2.0)

    on_bench(test)


# Orders that fail.


class RefusesTheSecondChannel(Wrapped):
    async def apply(self, orders: Mapping[ChannelId, Order]) -> Mapping[ChannelId, ApplyResult]:
        answers = dict(await self.good.apply({c: order for c, order in orders.items() if c != "2"}))
        return answers | {c: DeviceFault("cyc-01", "a bad channel") for c in orders if c == "2"}


def test_a_refused_order_ends_its_own_run_and_no_other(on_bench: Callable[..., None]) -> None:
    async def test(bench: LoopBench) -> None:
        good, bad = bench.start("1", plan(MINUTE)), bench.start("2", plan(MINUTE))
        await bench.closed(bad, within_s=5.0)
        assert bad.outcome is not None
        assert "a bad channel" in bad.outcome.detail
        assert bench.is_on("1")
        assert not good.closed

    on_bench(test, lambda driver: RefusesTheSecondChannel(driver, {}))


class LosesTheFirstOrders(Wrapped):
    async def apply(self, orders: Mapping[ChannelId, Order]) -> Mapping[ChannelId, ApplyResult]:
        self.memory["orders"].append(dict(orders))
        self.memory.get("meanwhile", lambda: None)()
        if len(self.memory["orders"]) <= 2:
            return dict.fromkeys(orders, LinkError("cyc-01", "no answer"))
        answers: Mapping[ChannelId, ApplyResult] = await self.good.apply(orders)
        return answers


def test_an_order_that_the_wire_lost_goes_out_again_when_the_device_is_heard(on_bench: Callable[..., None]) -> None:
    memory: dict[str, Any] = {"orders": []}

    async def test(bench: LoopBench) -> None:
        bench.start("1", plan(MINUTE))
        await asyncio.sleep(3.0)
        assert bench.is_on("1")
        assert len(memory["orders"]) == 3
        assert len({order[ChannelId("1")].order_id for order in memory["orders"]}) == 1

    on_bench(test, lambda driver: LosesTheFirstOrders(driver, memory))


def test_an_order_that_the_wire_lost_does_not_go_out_again_after_a_stop(on_bench: Callable[..., None]) -> None:
    memory: dict[str, Any] = {"orders": []}

    async def test(bench: LoopBench) -> None:
        controller = bench.start("1", plan(MINUTE))
        memory["meanwhile"] = lambda: bench.loop.post(controller.stop("abort", "by a person"))
        await asyncio.sleep(5.0)
        assert controller.closed
        assert not bench.is_on("1")
        assert len(memory["orders"]) == 1

    on_bench(test, lambda driver: LosesTheFirstOrders(driver, memory))


class LosesTheAnswers(Wrapped):
    """The device has taken up the order, but its answer does not come through."""

    async def apply(self, orders: Mapping[ChannelId, Order]) -> Mapping[ChannelId, ApplyResult]:
        self.memory["orders"].append(dict(orders))
        await self.good.apply(orders)
        return dict.fromkeys(orders, LinkError("cyc-01", "no answer"))


def test_an_order_that_is_in_force_does_not_go_out_again_because_its_answer_was_lost(
    on_bench: Callable[..., None],
) -> None:
    memory: dict[str, Any] = {"orders": []}

    async def test(bench: LoopBench) -> None:
        bench.start("1", plan(MINUTE))
        await asyncio.sleep(3.0)
        assert bench.is_on("1")
        assert len(memory["orders"]) == 1

    on_bench(test, lambda driver: LosesTheAnswers(driver, memory))


class ForgetsOrders(Wrapped):
    """Says that it has taken the order, and does nothing."""

    async def apply(self, orders: Mapping[ChannelId, Order]) -> Mapping[ChannelId, ApplyResult]:
        return {c: Applied(order_id=o.order_id, phases=o.phases, limits=o.limits) for c, o in orders.items()}


class NeverStarts(Wrapped):
    """Nothing is connected to its output."""

    async def read(self) -> Sequence[Sweep]:
        return [
            replace(
                sweep,
                regulation=["starting" if word != "off" else "off" for word in sweep.regulation],
                current_a=[0.0] * len(sweep.channels),
            )
            for sweep in await self.good.read()
        ]


@pytest.mark.parametrize(
    ("author", "ended", "code"), [(ForgetsOrders, "stopped", None), (NeverStarts, "failed", "LOST_CONTACT")]
)
def test_an_order_that_never_comes_into_force_is_not_waited_for_for_ever(
    on_bench: Callable[..., None], author: type[Wrapped], ended: str, code: str | None
) -> None:
    async def test(bench: LoopBench) -> None:
        controller = bench.start("1", plan(MINUTE))
        await bench.closed(controller, within_s=60.0)
        assert controller.outcome is not None
        assert (controller.outcome.ended, controller.outcome.code) == (ended, code)
        assert not bench.is_on("1")

    on_bench(test, lambda driver: author(driver, {}))


# The end.


def test_however_the_loop_ends_every_output_is_told_to_open(on_bench: Callable[..., None]) -> None:
    benches: list[LoopBench] = []

    async def test(bench: LoopBench) -> None:
        benches.append(bench)
        bench.start("1", plan(MINUTE))
        bench.start("2", plan(MINUTE))
        await asyncio.sleep(10.0)
        assert bench.is_on("1") and bench.is_on("2")

    on_bench(test)
    assert not benches[0].is_on("1")
    assert not benches[0].is_on("2")
