"""What holds for every test: nothing is left behind, and examples are the same on every run.

Warnings are errors (`pyproject.toml`). Beyond that a test fails that leaves a task, a thread or a socket behind, never
awaits a coroutine, or lets asyncio report an error that nobody handles. Garbage is collected after each test, so that
what shows only then is laid at the right door.

`--hypothesis-profile=explore` draws new examples, and many.
"""

import asyncio
import gc
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from sims.loop import VirtualLoop

# No deadline and no "too slow": a busy machine is not a bug.
settings.register_profile(
    "ci", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci")

OPEN_FILES = Path("/proc/self/fd")
THREAD_END_S_MAX = 1.0


def pytest_configure() -> None:
    """A run that a script started in its background would ignore Ctrl-C, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """What lives now lives to the end: without it a collection after each test takes under 1 ms, not 25 ms."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    left: list[str] = []
    threads, sockets = _threads(), _sockets()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.Runner, "close", _closing_reports_tasks(left))
        patch.setattr(asyncio.BaseEventLoop, "call_exception_handler", _handling_reports_errors(left))
        yield
        gc.collect()
    left += [f"thread {thread.name}" for thread in _threads() - threads if _outlives(thread)]
    left += [f"open {socket}" for socket in _sockets() - sockets]
    if left:
        pytest.fail(f"left behind: {'; '.join(sorted(left))}", pytrace=False)


def _closing_reports_tasks(left: list[str]) -> Any:
    """`asyncio.run` cancels what still runs and says nothing; runs in virtual time raise `LeftBehind` by themselves."""
    close = asyncio.Runner.close

    def reporting_close(runner: asyncio.Runner) -> None:
        try:
            loop = runner.get_loop()
        except RuntimeError:  # closed before
            return
        if not isinstance(loop, VirtualLoop):
            left.extend(f"task {task.get_name()} {task.get_coro()}" for task in asyncio.all_tasks(loop))
        close(runner)

    return reporting_close


def _handling_reports_errors(left: list[str]) -> Any:
    """Errors of tasks and callbacks that no one waits for are only logged, unless a handler of ours still listens."""
    call = asyncio.BaseEventLoop.call_exception_handler

    def reporting_call(loop: asyncio.BaseEventLoop, context: dict[str, Any]) -> None:
        if loop.is_closed() or loop.get_exception_handler() is None:
            left.append(f"unhandled: {context['message']}: {context.get('exception')!r}")
        call(loop, context)

    return reporting_call


def _threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if not thread.daemon}


def _outlives(thread: threading.Thread) -> bool:
    """Whether it goes on: a thread that has been told to end is given the time to."""
    thread.join(THREAD_END_S_MAX)
    return thread.is_alive()


def _sockets() -> set[str]:
    """The process's open sockets as the kernel names them; none where there is no /proc."""
    found = set()
    for file in OPEN_FILES.glob("*"):
        try:
            target = str(file.readlink())
        except FileNotFoundError:  # the listing's own handle
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found
