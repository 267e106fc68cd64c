"""When a device that does not answer is asked again."""

import random

from cycler.contract.errors import LinkError
from drivers.links.queue import Priority

FAILURES_AT_ONCE = 2  # a reply may get lost, and so may the first one after that
PAUSE_S_MIN = 0.2
PAUSE_S_MAX = 20.0


class Breaker:
    """Of one device. From the third failure in a row on it is left alone for a while.

    So who waits behind a question in vain does not ask in vain too. Where others share the wire the pause is longer
    each time, and drawn by the device's own name: it does not take the wire from them, and those that come back
    together are not asked all at once. A device with a wire of its own is asked again soon: how often is its host's
    business. An off is tried always, and counts for nothing here.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._random = random.Random(device)
        self._failures = 0
        self._again_s = float("-inf")

    def check(self, priority: Priority, now_s: float) -> None:
        """Raises `LinkError` where it is too early to ask again."""
        if now_s < self._again_s and priority is not Priority.OFF:
            raise LinkError(
                self._device,
                f"has not answered {self._failures} times in a row; is asked again in {self._again_s - now_s:.1f} s",
            )

    def answered(self) -> None:
        """It did, whatever it said."""
        if self._failures:
            self._failures, self._again_s = 0, float("-inf")

    def failed(self, priority: Priority, now_s: float, *, alone: bool) -> None:
        """It did not. `alone`: nobody else is on its wire."""
        if priority is Priority.OFF:
            return
        self._failures += 1
        doublings = self._failures - FAILURES_AT_ONCE - 1
        if doublings >= 0:
            pause_s = PAUSE_S_MIN if alone else min(PAUSE_S_MIN * 2 ** min(doublings, 20), PAUSE_S_MAX)
            self._again_s = now_s + pause_s * self._random.uniform(0.5, 1.5)
