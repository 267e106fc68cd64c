"""An asyncio loop whose time is ours: it jumps to the next timer as soon as nothing else is left to do.

Code under it needs no change: `asyncio.sleep(3600)` returns at once, an hour later. Time stands still while callbacks
run, so equal seeds give equal runs. Sockets work as far as both ends live in this one loop (or, paced, anywhere).
"""

import asyncio
import contextvars
import selectors
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from heapq import heappop, heappush
from typing import Any, TypeVar, TypeVarTuple

from sims.network import MemoryNetwork
from sims.transport import Address

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# Before a run with real sockets is called dead, the kernel gets this much real time to bring what is on its way.
SOCKET_GRACE_S = 1.0
# A paced loop that has fallen behind by more real time than this (a suspended laptop) does not race to catch up.
LAG_S_MAX = 0.5


class VirtualDeadlock(RuntimeError):
    """Nothing is ready, no timer is set, no socket will speak: the run would wait for ever."""


class LeftBehind(RuntimeError):
    """The main coroutine returned, but tasks were left running or errors had gone unnoticed."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Starts at 0.0. `network` carries all TCP in memory; `None` means real sockets.

    `speed` is virtual seconds per real second, for worlds that outside clients share; `None` runs as fast as it goes.
    """

    # Of asyncio's own loop, for `_run_once`.
    _ready: deque[asyncio.Handle]
    _stopping: bool
    _check_closed: Callable[[], None]
    _process_events: Callable[[list[tuple[selectors.SelectorKey, int]]], None]

    def __init__(self, network: MemoryNetwork | None = None, *, speed: float | None = None) -> None:
        self._now_s = 0.0
        self.network = network
        self.errors: list[Mapping[str, Any]] = []  # what reached the loop's exception handler
        # When each is due, and the how-manieth it is: those of one instant fire in the order in which they were set.
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timers_ever = 0
        self._chooser = _JumpingSelector(self) if speed is None else _PacedSelector(self, speed)
        super().__init__(self._chooser)
        if speed is not None and not 0 < speed < float("inf"):
            self.close()
            raise ValueError(f"a speed of {speed} leads nowhere: give virtual seconds per real second, above 0")
        # At 1e7 s a float's own step exceeds the real clock's resolution: a timer would never quite become due.
        self._clock_resolution = 1e-6
        self.set_exception_handler(lambda _, context: self.errors.append(context))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now_s

    def real_time(self) -> float:
        """The machine's monotonic clock: what a paced loop is paced by."""
        return super().time()

    def advance(self, now_s: float) -> None:
        """Called by the selector: nothing is left to do at the present instant."""
        self._now_s = now_s

    def next_timer_s(self) -> float | None:
        """When the earliest timer is due."""
        return self._timers[0][0] if self._timers else None

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """As asyncio has it."""
        self._check_closed()
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._timers_ever += 1
        heappush(self._timers, (when, self._timers_ever, timer))
        return timer

    def _run_once(self) -> None:
        """A turn, as asyncio takes it, less what only debugging needs, and the kernel is not asked when it has nothing.

        Turns and timers are what a simulated rack spends most of its time with.
        """
        ready, timers = self._ready, self._timers
        while timers and timers[0][2].cancelled():
            heappop(timers)
        timeout: float | None = None
        if ready or self._stopping:
            timeout = 0.0
        elif timers:
            timeout = max(0.0, timers[0][0] - self._now_s)
        if (timeout is None or timeout > 0.0 or self._chooser.has_sockets) and (found := self._chooser.select(timeout)):
            self._process_events(found)
        end_s = self._now_s + self._clock_resolution
        while timers and timers[0][0] < end_s:
            ready.append(heappop(timers)[2])
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Inline: a thread would finish at no defined virtual time."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it is the caller's, and reaches them through the future
            future.set_exception(error)
        return future

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.Protocol],
        host: Any = None,
        port: Any = None,
        **options: Any,
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """In memory where the loop has a network, else real."""
        if self.network is None or options.get("sock") is not None:
            return await super().create_connection(protocol_factory, host, port, **options)
        if host is None or port is None or options.get("ssl"):
            raise ValueError("the in-memory network carries plain connections to a host and a port")
        return await self.network.connect(self, protocol_factory, Address(host, port))

    async def create_server(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.Protocol],
        host: Any = None,
        port: Any = None,
        **options: Any,
    ) -> asyncio.AbstractServer:
        """In memory where the loop has a network, else real."""
        if self.network is None or options.get("sock") is not None:
            return await super().create_server(protocol_factory, host, port, **options)
        if options.get("ssl"):
            raise ValueError("the in-memory network carries plain connections")
        return self.network.listen(self, protocol_factory, Address(host or "0.0.0.0", port or 0))  # noqa: S104


class _JumpingSelector(selectors.PollSelector):
    """Where the loop would sleep, its time jumps; what the kernel already holds for its sockets comes first.

    It asks every file anew: `poll` on a terminal waits for bytes that the kernel still carries from its other end,
    `epoll` only looks at those of which it has been told. So time cannot jump past what lies in a pty.
    """

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop
        self.has_sockets = False

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = super().register(fileobj, events, data)
        self.has_sockets = len(self.get_map()) > 1  # one is the loop's own pipe, which matters to threads only
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = super().unregister(fileobj)
        self.has_sockets = len(self.get_map()) > 1
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        has_sockets = self.has_sockets
        if has_sockets and (ready := super().select(0)):
            return ready
        if timeout is None:
            if has_sockets and (ready := super().select(SOCKET_GRACE_S)):
                return ready
            raise VirtualDeadlock(_describe_deadlock(self._loop))
        if timeout > 0:
            due_s = self._loop.next_timer_s()
            self._loop.advance(self._loop.time() + timeout if due_s is None else due_s)
        return []


class _PacedSelector(selectors.DefaultSelector):
    """Waits for real. Time stands still while there is work and never passes a timer that has not fired.

    So under load the world slows down, and no time limit passes that had real time enough.
    """

    has_sockets = True

    def __init__(self, loop: VirtualLoop, speed: float) -> None:
        super().__init__()
        self._loop = loop
        self._speed = speed
        self._offset_s = loop.time() - loop.real_time() * speed  # virtual time at real time 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        loop = self._loop
        if timeout is not None:
            if timeout <= 0:
                return super().select(0)
            timeout = max(0.0, (loop.time() + timeout - self._paced_s()) / self._speed)
        ready = super().select(timeout)
        now_s = self._paced_s()
        due_s = loop.next_timer_s()
        if due_s is not None and now_s > due_s:
            if now_s - due_s > LAG_S_MAX * self._speed:
                self._offset_s -= now_s - due_s
            now_s = due_s
        if now_s > loop.time():
            loop.advance(now_s)
        return ready

    def _paced_s(self) -> float:
        return self._offset_s + self._loop.real_time() * self._speed


def _describe_deadlock(loop: VirtualLoop) -> str:
    waiting = "; ".join(sorted(_describe(task) for task in asyncio.all_tasks(loop)))
    return f"nothing can happen any more at {loop.time():.6g} s; waiting: {waiting or 'nobody'}"


def _describe(task: asyncio.Task[Any]) -> str:
    coroutine = task.get_coro()
    return f"{task.get_name()} ({getattr(coroutine, '__qualname__', coroutine)})"


def run_on(loop: VirtualLoop, main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end on a fresh loop and close that; Ctrl-C cancels `main` and is raised after its cleanup.

    Raises `LeftBehind` if tasks still run then, or if an error had reached the loop's exception handler.
    """
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        result = runner.run(main)
        left = sorted(_describe(task) for task in asyncio.all_tasks(loop))
    if left:
        raise LeftBehind(f"left running: {'; '.join(left)}")
    if loop.errors:
        texts = [f"{context.get('message')}: {context.get('exception')!r}" for context in loop.errors]
        cause = next((context["exception"] for context in loop.errors if "exception" in context), None)
        raise LeftBehind(f"errors that nobody handled: {'; '.join(texts)}") from cause
    return result


def run_virtual(
    main: Coroutine[Any, Any, T], *, loopback: bool = False, seed: int = 1, speed: float | None = None
) -> T:
    """`run_on` a loop of its own: TCP in memory with latencies drawn from `seed`, or over real sockets."""
    return run_on(VirtualLoop(None if loopback else MemoryNetwork(seed=seed), speed=speed), main)


async def run_inline(work: Callable[[], T]) -> T:
    """The simulation's `RunBlocking`: at once, and in no virtual time."""
    return work()
