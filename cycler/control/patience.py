"""How long a device may be silent: one lost reply is no loss of the device, a silence that makes readings stale is.

One garbled reply is no loss either: lines without a checksum are garbled now and then.
"""

import asyncio
from math import inf

import structlog

from cycler.contract.errors import LinkError, ProtocolError
from cycler.control.cancellation import raise_if_cancelled

log = structlog.get_logger()

STALE_S_MIN = 2.0
STALE_SWEEPS = 3


def stale_after_s(sweep_s: float) -> float:
    """After three sweeps without a reading, and no less than 2 s, the last one says nothing any more."""
    return max(STALE_S_MIN, STALE_SWEEPS * sweep_s)


class Patience:
    """With one device. Whoever reads it sets `heard_s`, by the loop's clock, whenever it has answered."""

    def __init__(self, device: str, *, sweep_s: float) -> None:
        """`sweep_s`: how often a reading is due."""
        self.stale_s = 0.0
        self.expect_every(sweep_s)
        self.heard_s = 0.0
        self._garbled_s = -inf
        self._device = device

    def expect_every(self, sweep_s: float) -> None:
        """How often a reading is due from now on."""
        self.stale_s = stale_after_s(sweep_s)

    def expect_sooner(self, sweep_s: float) -> None:
        """Readings are due this often from now on: what was in time until now is not late, and no later one may be."""
        stale_s = stale_after_s(sweep_s)
        if stale_s < self.stale_s:
            self.stale_s = stale_s
            self.heard_s = max(self.heard_s, asyncio.get_running_loop().time())

    @property
    def ends_s(self) -> float:
        """When the last reading becomes stale, if no other one comes."""
        return self.heard_s + self.stale_s

    @property
    def is_over(self) -> bool:
        """The last reading is stale."""
        return asyncio.get_running_loop().time() >= self.ends_s

    def bear(self, error: LinkError | ProtocolError) -> None:
        """Go on without a reading. Raises what was caught if the device has been silent for too long, if its replies
        make no sense again and again, or the task's cancellation if there is one.
        """
        raise_if_cancelled()
        if self.is_over:
            raise error
        if isinstance(error, LinkError):
            log.warning("device.silent", device=self._device, reason=error.detail)
            return
        now_s = asyncio.get_running_loop().time()
        if now_s - self._garbled_s < self.stale_s:
            raise error
        self._garbled_s = now_s
        log.warning("device.garbled", device=self._device, reason=error.detail)
