"""When a device is swept: on its own grid, staggered; faster while something is about to happen, slower at rest."""

import asyncio


class Beat:
    """A grid of `period_s`, shifted by `offset_s`. A late sweep skips grid points; it never bursts to catch up."""

    def __init__(self, *, period_s: float, fast_s: float, offset_s: float, calm_s: float = 0.0) -> None:
        """`calm_s`: the grid while nothing is expected."""
        self._period_s = period_s
        self._fast_s = min(fast_s, period_s)
        self._calm_s = max(calm_s, period_s)
        self._calm_until_s = float("-inf")
        self._offset_s = offset_s
        self._fast = False
        self._waiter: asyncio.Future[None] | None = None

    def hurry(self, *, fast: bool) -> None:
        """Whether sweeps are wanted at the fast rate from now on."""
        self._fast = fast

    def calm(self, *, until_s: float) -> None:
        """Nothing is expected before then."""
        self._calm_until_s = until_s

    def due_s(self) -> float:
        """When the next beat comes."""
        now_s = asyncio.get_running_loop().time()
        if self._fast:
            return self._next_on(self._fast_s, now_s)
        return max(self._next_on(self._period_s, now_s), min(self._next_on(self._calm_s, now_s), self._calm_until_s))

    def wake(self) -> None:
        """The next sweep is wanted at once: an order has just been applied."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def next(self) -> None:
        """Wait for the next beat."""
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_at(self.due_s(), self.wake)
        try:
            await self._waiter
        finally:
            timer.cancel()

    def _next_on(self, period_s: float, now_s: float) -> float:
        past = int((now_s - self._offset_s) / period_s + 1e-6)
        return self._offset_s + (past + 1) * period_s
