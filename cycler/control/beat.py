"""When a device is swept: on its own grid, staggered against others, faster while something is about to happen."""

import asyncio


class Beat:
    """A grid of `period_s`, shifted by `offset_s`. A late sweep skips grid points; it never bursts to catch up."""

    def __init__(self, *, period_s: float, fast_s: float, offset_s: float) -> None:
        self.period_s = period_s
        self._fast_s = min(fast_s, period_s)
        self._offset_s = offset_s
        self._fast = False
        self._waiter: asyncio.Future[None] | None = None

    def hurry(self, *, fast: bool) -> None:
        """Whether sweeps are wanted at the fast rate from now on."""
        self._fast = fast

    def wake(self) -> None:
        """The next sweep is wanted at once: an order has just been applied."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def next(self) -> None:
        """Wait for the next beat."""
        loop = asyncio.get_running_loop()
        period_s = self._fast_s if self._fast else self.period_s
        past = int((loop.time() - self._offset_s) / period_s + 1e-6)
        self._waiter = loop.create_future()
        timer = loop.call_at(self._offset_s + (past + 1) * period_s, self.wake)
        try:
            await self._waiter
        finally:
            timer.cancel()
