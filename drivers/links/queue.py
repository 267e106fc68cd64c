"""Who may speak next on a wire that carries one transaction at a time."""

import asyncio
from collections import deque
from enum import IntEnum


class Priority(IntEnum):
    """Classes of transactions, the most urgent first."""

    OFF = 0
    SWEEP = 1
    ORDER = 2


SWEEPS_IN_A_ROW_MAX = 4


class TransactionQueue:
    """Hands out turns: off before sweep before order, in order of arrival within a class.

    One order goes before a sweep when `SWEEPS_IN_A_ROW_MAX` turns have been given to sweeps over its head: a host that
    sweeps without pause would else never get an order through, and never learn why.

        await queue.enter(Priority.SWEEP)
        try:
            ...  # one request and its reply
        finally:
            queue.leave()

    Between the end of a turn and the next one lies at least `gap_s`, for devices that need to breathe between two
    messages, or the `quiet_s` that the end of a turn asks for, because what still comes must not be taken for the next
    reply. Who is next is decided when the gap is over, so an off waits for the transaction under way and one gap at
    most, whatever else is queued. As many wait as there are tasks that call: the queue itself holds nothing back.
    """

    def __init__(self, *, gap_s: float = 0.0) -> None:
        self.gap_s = gap_s  # the longest that any of those who share the queue needs
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: tuple[deque[asyncio.Future[None]], ...] = tuple(deque() for _ in Priority)
        self._busy = False
        self._sweeps_in_a_row = 0  # while an order waited
        self._timer: asyncio.TimerHandle | None = None
        self._free_at_s = float("-inf")

    async def enter(self, priority: Priority) -> None:
        """Wait for a turn. A caller that is cancelled while it waits loses its place and disturbs nobody."""
        loop = self._loop or self._bind()
        if not self._busy and self._timer is None and loop.time() >= self._free_at_s:
            self._busy = True
            return
        turn = loop.create_future()
        self._waiting[priority].append(turn)
        if not self._busy and self._timer is None:
            self._timer = loop.call_at(self._free_at_s, self._grant)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # granted and cancelled in the same instant: nothing was sent, so no gap is due
                self._busy = False
                self._grant()
            raise

    def leave(self, *, quiet_s: float = 0.0) -> None:
        """End the turn."""
        loop = self._loop or self._bind()
        self._busy = False
        pause_s = max(self.gap_s, quiet_s)
        self._free_at_s = loop.time() + pause_s
        if any(self._waiting):
            if pause_s > 0.0:
                self._timer = loop.call_at(self._free_at_s, self._grant)
            else:
                self._grant()

    def _bind(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.get_running_loop()
        return self._loop

    def _grant(self) -> None:
        self._timer = None
        off, sweep, order = self._waiting
        starved = self._sweeps_in_a_row >= SWEEPS_IN_A_ROW_MAX
        for waiting in (off, order, sweep) if starved else (off, sweep, order):
            while waiting:
                turn = waiting.popleft()
                if turn.done():  # its caller was cancelled
                    continue
                if waiting is not off:
                    self._sweeps_in_a_row = self._sweeps_in_a_row + 1 if waiting is sweep and order else 0
                self._busy = True
                turn.set_result(None)
                return
