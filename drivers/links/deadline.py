"""A time limit for what is done again and again, one at a time."""

import asyncio
from types import TracebackType


class Deadline:
    """`with deadline.within(seconds): await ...` raises `TimeoutError` as `asyncio.timeout` does.

    Its timer is left to run, and serves the messages after the one that it was set for: where answers come in time
    that is one timer a limit, and not one set and cancelled for every message.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = 0.0
        self._task: asyncio.Task[object] | None = None  # who waits
        self._cancelled_before = 0
        self._has_passed = False

    def within(self, limit_s: float) -> "Deadline":
        """From now on."""
        self._due_s = self._loop.time() + limit_s
        return self

    def __enter__(self) -> None:
        task = asyncio.current_task(self._loop)
        assert task is not None  # noqa: S101 (only a task can wait)
        self._task, self._cancelled_before, self._has_passed = task, task.cancelling(), False
        if self._timer is None or self._timer.when() > self._due_s:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(self._due_s, self._look)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        task, self._task = self._task, None
        # A cancellation that comes from elsewhere besides goes through.
        if (
            self._has_passed
            and task is not None
            and task.uncancel() <= self._cancelled_before
            and kind is asyncio.CancelledError
        ):
            raise TimeoutError from error

    def _look(self) -> None:
        self._timer = None
        if self._task is None:
            return
        if self._loop.time() < self._due_s:  # the timer was an earlier message's
            self._timer = self._loop.call_at(self._due_s, self._look)
        else:
            self._has_passed = True
            self._task.cancel()
