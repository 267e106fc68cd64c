"""Virtual time: jumps, order, pace, and how a run ends."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sims.loop import LeftBehind, VirtualDeadlock, VirtualLoop, run_inline, run_on, run_virtual

DAY_S = 86400.0


def now_s() -> float:
    return asyncio.get_running_loop().time()


def test_an_hour_takes_no_time() -> None:
    async def main() -> float:
        await asyncio.sleep(3600)
        return now_s()

    assert run_virtual(main()) == 3600.0


@given(st.lists(st.floats(0, 1e7), min_size=1, max_size=20))
def test_sleepers_wake_in_the_order_of_their_times_and_exactly_then(delays_s: list[float]) -> None:
    woken: list[tuple[float, float]] = []

    async def sleeper(delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        woken.append((delay_s, now_s()))

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for delay_s in delays_s:
                group.create_task(sleeper(delay_s))

    run_virtual(main())
    assert sorted(delay_s for delay_s, _ in woken) == sorted(delays_s)
    assert [at_s for _, at_s in woken] == sorted(at_s for _, at_s in woken)
    assert all(abs(at_s - delay_s) <= 2e-6 for delay_s, at_s in woken)


def test_after_200_days_a_short_sleep_still_takes_a_handful_of_turns() -> None:
    turns = 0

    class CountingLoop(VirtualLoop):
        def advance(self, now_s: float) -> None:
            nonlocal turns
            turns += 1
            super().advance(now_s)

    async def main() -> None:
        nonlocal turns
        await asyncio.sleep(200 * DAY_S + 0.123)
        turns = 0
        for _ in range(1000):
            await asyncio.sleep(0.0137)

    run_on(CountingLoop(), main())
    assert turns == 1000


def test_a_timeout_of_a_hung_wait_comes_at_its_virtual_time() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.Event().wait()
        return now_s()

    assert run_virtual(main()) == 30.0


def test_when_nothing_can_happen_any_more_the_run_says_who_waits() -> None:
    async def wait_for_godot() -> None:
        await asyncio.sleep(12.5)
        await asyncio.Event().wait()

    with pytest.raises(VirtualDeadlock, match=r"at 12\.5 s.*wait_for_godot"):
        run_virtual(wait_for_godot())


def test_a_task_left_running_fails_the_run() -> None:
    kept: list[asyncio.Task[None]] = []

    async def main() -> None:
        kept.append(asyncio.create_task(asyncio.sleep(99), name="forgotten"))
        await asyncio.sleep(0)

    with pytest.raises(LeftBehind, match="forgotten"):
        run_virtual(main())
    assert kept[0].cancelled()


def test_an_error_that_only_the_loop_saw_fails_the_run() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_soon(int, "seven")
        await asyncio.sleep(1)

    with pytest.raises(LeftBehind, match="seven") as caught:
        run_virtual(main())
    assert isinstance(caught.value.__cause__, ValueError)


def test_the_main_coroutines_own_error_comes_out_as_it_is() -> None:
    async def main() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        run_virtual(main())


def test_blocking_work_runs_inline_and_takes_no_virtual_time() -> None:
    async def main() -> tuple[int, int, float]:
        return await run_inline(lambda: 6), await asyncio.to_thread(lambda: 7), now_s()

    assert run_virtual(main()) == (6, 7, 0.0)


def test_an_error_of_blocking_work_reaches_whoever_awaits_it() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="eight"):
            await asyncio.to_thread(int, "eight")

    run_virtual(main())


def test_ctrl_c_cancels_the_main_task_and_lets_it_clean_up() -> None:
    cleaned_up_s: list[float] = []

    async def main() -> None:
        try:
            while True:
                await asyncio.sleep(1)
                if now_s() == 5.0:
                    os.kill(os.getpid(), signal.SIGINT)
        finally:
            await asyncio.sleep(2)
            cleaned_up_s.append(now_s())

    with pytest.raises(KeyboardInterrupt):
        run_virtual(main())
    assert cleaned_up_s[0] >= 7.0


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)
    writer.close()
    await writer.wait_closed()


async def converse(record: Callable[[object], None]) -> None:
    """Both ends of some sockets in one loop, with timers between that would like to overtake the data."""
    async with asyncio.TaskGroup() as group:
        server = await asyncio.start_server(lambda r, w: group.create_task(echo(r, w)), "localhost", 0)
        port = server.sockets[0].getsockname()[1]

        async def client(name: int) -> None:
            reader, writer = await asyncio.open_connection("localhost", port)
            for turn in range(20):
                writer.write(b"%d" % turn)
                async with asyncio.timeout(0.5):
                    record((name, now_s(), await reader.read(100)))
                await asyncio.sleep(0.1 * name)
            writer.close()
            await writer.wait_closed()

        async with asyncio.TaskGroup() as clients:
            for name in range(1, 9):
                clients.create_task(client(name))
        server.close()
        await server.wait_closed()


def test_data_in_the_kernel_comes_before_time_jumps_and_in_equal_order_in_every_run() -> None:
    runs: list[list[object]] = []
    for _ in range(5):
        events: list[object] = []
        run_virtual(converse(events.append), loopback=True)
        runs.append(events)
    assert len(runs[0]) == 160
    assert all(run == runs[0] for run in runs)


def test_a_listening_socket_that_nobody_calls_is_a_deadlock_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sims.loop.SOCKET_GRACE_S", 0.01)

    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        try:
            await asyncio.Event().wait()
        finally:
            server.close()

    with pytest.raises(VirtualDeadlock):
        run_virtual(main(), loopback=True)


def test_a_paced_loop_takes_real_time_in_proportion() -> None:
    loop = VirtualLoop(speed=1000.0)
    began_s = loop.real_time()

    async def main() -> float:
        for _ in range(20):
            await asyncio.sleep(5)
        return now_s()

    assert run_on(loop, main()) == pytest.approx(100.0, abs=1e-5)
    assert 0.09 <= loop.real_time() - began_s < 5.0


def test_a_paced_loop_never_lets_time_pass_a_timer_that_has_not_fired() -> None:
    fired: list[tuple[float, float]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for due_s in (1.0, 2.0, 3.0):
            loop.call_at(due_s, lambda due_s=due_s: fired.append((due_s, loop.time())))
        await asyncio.sleep(4)

    run_on(VirtualLoop(speed=1e6), main())
    assert all(at_s == pytest.approx(due_s, abs=1e-5) for due_s, at_s in fired)
    assert len(fired) == 3


def test_a_paced_loop_serves_real_sockets_while_no_timer_is_set() -> None:
    async def main() -> bytes:
        near, far = socket.socketpair()
        with near, far:
            reader, writer = await asyncio.open_connection(sock=near)
            far.sendall(b"hello")
            heard = await reader.readexactly(5)
            writer.close()
            await writer.wait_closed()
            return heard

    assert run_virtual(main(), loopback=True, speed=10.0) == b"hello"


def test_a_speed_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="speed"):
        VirtualLoop(speed=0.0)
