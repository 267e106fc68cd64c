"""Waiting until a controller shows what it was told."""

import asyncio
from collections.abc import Awaitable, Callable

from cycler.contract.errors import DeviceFault

POLL_S = 0.1


async def wait_until(device: str, look: Callable[[], Awaitable[str | None]], *, within_s: float) -> None:
    """`look` answers why it is not so yet, or `None`. Raises `DeviceFault` with the last reason."""
    clock = asyncio.get_running_loop().time
    until_s = clock() + within_s
    while (reason := await look()) is not None:
        if clock() >= until_s:
            raise DeviceFault(device, reason)
        await asyncio.sleep(POLL_S)
