"""Devices that have failed too often, or said that they are broken: left alone until maintenance has checked them."""

import asyncio
from collections.abc import Collection
from typing import NamedTuple

from cycler.record.memory import Memory
from cycler.record.recorder import Recorder


class Failure(NamedTuple):
    """Why a device is left alone. `by_wire`: only its wire may have failed."""

    text: str
    by_wire: bool


class LatchedDevices:
    """Whoever runs a device waits here once it is latched. That outlives the process."""

    def __init__(self, devices: Collection[str], recorder: Recorder) -> None:
        """`devices`: all of the rack."""
        self._known = devices
        self._failures: Memory[Failure] = Memory(recorder, "device", Failure)
        self._checked = {device: asyncio.Event() for device in self._failures}

    def latch(self, device: str, failure: Failure) -> None:
        """From now on."""
        self._failures.keep(device, failure)
        self._checked[device] = asyncio.Event()

    def failure(self, device: str) -> Failure | None:
        """Why it is latched; None where it is not."""
        return self._failures.get(device)

    def is_checked(self, device: str) -> bool:
        """It may be tried again."""
        return device not in self._checked or self._checked[device].is_set()

    async def checked(self, device: str) -> None:
        """Wait until a person says that it has been."""
        await self._checked[device].wait()
        del self._checked[device]

    def check_again(self, device: str) -> str | None:
        """Maintenance has been there: try it again. Why not, or None."""
        if device in self._checked:
            self._failures.forget(device)
            self._checked[device].set()
            return None
        return f"{device} is not latched" if device in self._known else f"there is no {device} to reset"
