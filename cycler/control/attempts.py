"""How often a device may be lost and tried again: jittered back-off, and an end."""

import asyncio
import random
from collections import deque

LOSSES_MAX = 3
LOSSES_WITHIN_S = 60.0
STALE_MAX = 3
STALE_WITHIN_S = 3600.0
BACK_OFF_S_MIN = 2.0  # a short trouble on the wire is over before three tries are used up
BACK_OFF_S_MAX = 30.0


class RestartIntensity:
    """Three losses within a minute latch a device: what fails so often needs a person, not another try.

    So does the fourth one within an hour that has stopped cells.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._losses: deque[float] = deque(maxlen=LOSSES_MAX)
        self._stale: deque[float] = deque(maxlen=STALE_MAX + 1)  # losses that have stopped cells
        self._back_off_s = BACK_OFF_S_MIN

    def lost(self, now_s: float, *, stopped_cells: bool = False) -> bool:
        """Count a loss at this time of the loop's clock. True: that was one too many."""
        if stopped_cells:
            self._stale.append(now_s)
            if len(self._stale) > STALE_MAX and now_s - self._stale[0] <= STALE_WITHIN_S:
                self._losses.append(now_s)
                return True
        if self._losses and now_s - self._losses[-1] > LOSSES_WITHIN_S:
            self._back_off_s = BACK_OFF_S_MIN
        self._losses.append(now_s)
        return len(self._losses) == LOSSES_MAX and now_s - self._losses[0] <= LOSSES_WITHIN_S

    async def back_off(self) -> None:
        """Wait before the next try, longer each time."""
        await asyncio.sleep(self._back_off_s * self._rng.uniform(0.5, 1.5))
        self._back_off_s = min(2 * self._back_off_s, BACK_OFF_S_MAX)
