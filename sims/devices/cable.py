"""The cable between an in-process device and its driver: transactions that can be watched, and a plug to pull."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from cycler.contract.errors import DeviceFault, LinkError
from sims.faults import Faults

T = TypeVar("T")

REPLY_S_MAX = 0.5


class Cable:
    """Carries one call into the device at a time. It happens at once; the answer takes a turn of the loop."""

    def __init__(self, device: str, faults: Faults) -> None:
        self.taps: list[Callable[[], None]] = []  # told of each transaction that the device has carried out
        self.heard_s = float("-inf")  # when the device last heard of its host, in loop time
        self._device = device
        self._faults = faults
        self._plugged = True

    def unplug(self) -> None:
        """Nothing passes any more, and nobody is told."""
        self._plugged = False

    def plug(self) -> None:
        """What was lost stays lost."""
        self._plugged = True

    async def exchange(self, call: Callable[[], T]) -> T:
        """What it answered. Raises what `call` raises, and `LinkError` after `REPLY_S_MAX` without an answer."""
        if self._passes:
            if self._faults.strikes("refused"):
                raise LinkError(self._device, "it refuses the connection")
            self.heard_s = asyncio.get_running_loop().time()
            if self._faults.strikes("exception"):
                raise DeviceFault(self._device, "it answers with an exception")
            result = call()
            for tap in self.taps:
                tap()
            await asyncio.sleep(0)
            if self._passes:
                return result
        await asyncio.sleep(REPLY_S_MAX)
        raise LinkError(self._device, f"no answer within {REPLY_S_MAX:g} s")

    @property
    def _passes(self) -> bool:
        if not self._faults.active:
            return self._plugged
        return self._plugged and not self._faults.strikes("no-reply") and not self._faults.strikes("restart")
