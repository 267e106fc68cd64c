"""Presses the contacts of a bay anew: no current, open, close. The most used cure of a bad contact."""

import asyncio
from collections.abc import Callable, Mapping

from cycler.contract.errors import DeviceError
from cycler.control.cancellation import raise_if_cancelled
from cycler.control.io_loop import IoLoop
from cycler.model.rack import Bay

PRESS_MOVES_S = 3.0  # from its order until it has opened, or closed and the cells are at rest again


class Presses:
    """One after the other, while everything else goes on. That no current flows there is the caller's to prove."""

    def __init__(self, ios: Mapping[str, IoLoop]) -> None:
        self._ios = ios
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
            except DeviceError as error:
                raise_if_cancelled()
                done(f"the press of bay {bay.bay} did not move: {error}")
            else:
                done("")

    async def move(self, bay: Bay, *, closed: bool) -> None:
        """Where the bay has a press; it has moved on return. Raises `DeviceError`."""
        if bay.press is not None:
            await self._ios[bay.press.device].write({bay.press.channel: closed})
            await asyncio.sleep(PRESS_MOVES_S)
