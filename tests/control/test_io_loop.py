"""A digital I/O device on its beat: what it notices, what it forgives, and how it leaves its outputs."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from broken_drivers import Wrapped

from cycler.contract.devices import IoReading
from cycler.contract.errors import LinkError
from cycler.contract.plugin import DeviceSettings, Resource, Surroundings
from cycler.control.io_loop import IoLoop
from sims.devices.digital_io import open_io
from sims.loop import run_virtual
from sims.testing.bench import BenchWorld

Moved = list[tuple[str, bool]]


class Lines(Wrapped):
    """The good device on a wire of ours: replies get lost, and take their time."""

    async def read(self) -> IoReading:
        if self.memory.get("losses", 0) > 0:
            self.memory["losses"] -= 1
            raise LinkError("io-01", "no answer")
        reading: IoReading = await self.good.read()
        return reading

    async def write(self, outputs: Mapping[str, bool]) -> None:
        await self.good.write(outputs)
        await asyncio.sleep(self.memory.get("confirming_s", 0.0))


def with_loop(
    test: Callable[[IoLoop, BenchWorld, dict[str, Any], Moved], Coroutine[Any, Any, None]],
    *,
    closed_before: bool = False,
) -> BenchWorld:
    """Runs the test beside a running loop. `closed_before`: a contactor that another host left closed."""
    world, memory, moved = BenchWorld(), dict[str, Any](), Moved()
    settings = DeviceSettings(device="io-01", resource=Resource.parse("sim:io-01"))
    surroundings = Surroundings(utcnow=lambda: datetime(2026, 1, 1, tzinfo=UTC), world=world)

    async def main() -> None:
        if closed_before:
            other = open_io(settings, surroundings)
            await other.connect()
            await other.write({"DO1": True})
        ended = asyncio.Event()
        ended.set()
        loop = IoLoop(
            "io-01",
            Lines(open_io(settings, surroundings), memory),
            sweep_s=1.0,
            offset_s=0.0,
            on_moved=lambda _, output, closed: moved.append((output, closed)),
            on_inputs=lambda *_: False,
            outputs_ended=ended,
        )
        await loop.prepare()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(loop.run())
            await test(loop, world, memory, moved)
            running.cancel()

    run_virtual(main())
    return world


def test_a_contactor_that_another_host_left_closed_is_opened_first() -> None:
    async def test(loop: IoLoop, world: BenchWorld, memory: dict[str, Any], moved: Moved) -> None:
        assert not world.contactors["io-01", "DO1"]

    with_loop(test, closed_before=True)


def test_it_keeps_the_devices_watchdog_fed() -> None:
    async def test(loop: IoLoop, world: BenchWorld, memory: dict[str, Any], moved: Moved) -> None:
        await loop.write({"DO0": True})
        await asyncio.sleep(60.0)
        assert world.contactors["io-01", "DO0"]
        assert moved == []

    with_loop(test)


def test_a_lost_reply_now_and_then_is_forgiven() -> None:
    async def test(loop: IoLoop, world: BenchWorld, memory: dict[str, Any], moved: Moved) -> None:
        await loop.write({"DO0": True})
        for _ in range(5):
            memory["losses"] = 1
            await asyncio.sleep(5.3)
        assert world.contactors["io-01", "DO0"]
        assert moved == []

    with_loop(test)


def test_silence_ends_it_and_opens_what_it_can() -> None:
    async def test(loop: IoLoop, world: BenchWorld, memory: dict[str, Any], moved: Moved) -> None:
        await loop.write({"DO0": True})
        memory["losses"] = 1000
        await asyncio.sleep(10.0)

    with pytest.raises(ExceptionGroup) as raised:
        with_loop(test)
    assert [type(error) for error in raised.value.exceptions] == [LinkError]


def test_a_contactor_that_moved_is_told_once() -> None:
    async def test(loop: IoLoop, world: BenchWorld, memory: dict[str, Any], moved: Moved) -> None:
        await loop.write({"DO0": True, "DO1": True})
        hardware: Any = world.instruments["io-01"]
        hardware.set_outputs({"DO0": False})
        await asyncio.sleep(10.0)
        assert moved == [("DO0", False)]

    with_loop(test)


def test_a_contactor_that_somebody_else_closes_is_told_though_nobody_here_ever_moved_it() -> None:
    async def test(loop: IoLoop, world: BenchWorld, memory: dict[str, Any], moved: Moved) -> None:
        hardware: Any = world.instruments["io-01"]
        hardware.set_outputs({"DO1": True})
        await asyncio.sleep(10.0)
        assert moved == [("DO1", True)]

    with_loop(test)


def test_a_contactor_that_moves_because_it_was_told_to_is_no_news() -> None:
    """Not even where a reading comes between the write and its confirmation."""

    async def test(loop: IoLoop, world: BenchWorld, memory: dict[str, Any], moved: Moved) -> None:
        await loop.write({"DO0": True})
        memory["confirming_s"] = 3.5
        await loop.write({"DO0": False})
        await asyncio.sleep(3.0)
        assert moved == []

    with_loop(test)


def test_at_its_end_every_output_is_open() -> None:
    async def test(loop: IoLoop, world: BenchWorld, memory: dict[str, Any], moved: Moved) -> None:
        await loop.write({"DO0": True})
        await asyncio.sleep(1.5)
        assert world.contactors["io-01", "DO0"]

    assert not with_loop(test).contactors["io-01", "DO0"]
