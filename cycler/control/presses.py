"""Presses the contacts of a bay anew: no current, open, close. The most used cure of a bad contact."""

import asyncio
from collections.abc import Callable, Mapping

from cycler.contract.errors import DeviceError
from cycler.control.cancellation import raise_if_cancelled
from cycler.control.io_loop import IoLoop
from cycler.model.rack import Bay

PRESS_MOVES_S = 3.0  # from its order until it has opened, or closed and the cells are at rest again


class PressStaysClosed(Exception):
    """Arcs burn probes and terminals: it is not proven that no current flows."""


class Presses:
    """One after the other, while everything else goes on. A press opens only where it is proven that nothing flows."""

    def __init__(self, ios: Mapping[str, IoLoop], *, unproven: Callable[[Bay], str | None]) -> None:
        """`unproven`: why a bay's press must stay closed now; None where it may open."""
        self._ios = ios
        self._unproven = unproven
        self._waiting: asyncio.Queue[tuple[Bay, Callable[[str], None]]] = asyncio.Queue()

    def press_again(self, bay: Bay, done: Callable[[str], None]) -> None:
        """Open the bay's press and close it; `done` gets why that failed, or an empty text. Never waits."""
        self._waiting.put_nowait((bay, done))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            bay, done = await self._waiting.get()
            try:
                for closed in (False, True):
                    await self.move(bay, closed=closed)
            except PressStaysClosed as error:
                done(str(error))
            except DeviceError as error:
                raise_if_cancelled()
                done(f"the press of bay {bay.bay} did not move: {error}")
            else:
                done("")

    async def move(self, bay: Bay, *, closed: bool) -> None:
        """Where the bay has a press; it has moved on return. Raises `DeviceError`, and `PressStaysClosed`."""
        if bay.press is not None:
            unproven = None if closed else self._unproven(bay)
            if unproven is not None:
                raise PressStaysClosed(f"the press of bay {bay.bay} stays closed: {unproven}")
            await self._ios[bay.press.device].write({bay.press.channel: closed})
            await asyncio.sleep(PRESS_MOVES_S)
