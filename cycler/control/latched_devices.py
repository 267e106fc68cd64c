"""Devices that have failed too often, or said that they are broken: left alone until maintenance has checked them."""

import asyncio
from collections.abc import Collection


class LatchedDevices:
    """Whoever runs a device waits here once it is latched."""

    def __init__(self, devices: Collection[str]) -> None:
        """`devices`: all of the rack."""
        self._known = devices
        self._checked: dict[str, asyncio.Event] = {}

    def latch(self, device: str) -> None:
        """From now on."""
        self._checked[device] = asyncio.Event()

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
            self._checked[device].set()
            return None
        return f"{device} is not latched" if device in self._known else f"there is no {device} to reset"
