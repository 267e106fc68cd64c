"""An alarm before the disk of a store is full: it is getting low, or a reader keeps the WAL from starting over."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cycler.service.host_checks import disk_check
from cycler.service.running_rack import RunningRack

LOOK_EVERY_S: Final = 10.0
WAL_BYTES_MAX: Final = 64_000_000


class DiskWatch:
    """Of the store of a rack under control."""

    def __init__(self, running: RunningRack, store: Path) -> None:
        self._running = running
        self._store = store
        self._is_low = False

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            lacks = await self._running.run_blocking(lambda: [*self._lacks()])
            if bool(lacks) != self._is_low:
                self._is_low = bool(lacks)
                text = "; ".join(lacks) or "there is room on the disk again"
                self._running.controller.note_disk(text, is_low=self._is_low)
            await asyncio.sleep(LOOK_EVERY_S)

    def _lacks(self) -> Iterator[str]:
        try:
            check = disk_check(self._store)
        except OSError as error:
            yield f"{self._store}: {error.strerror}"
        else:
            if check.verdict != "fine":
                yield check.text
        megabytes = round(self._running.recorder.wal_bytes / 1e6)
        if megabytes * 1e6 > WAL_BYTES_MAX:
            yield f"the journal's WAL has grown to {megabytes} MB: a program that reads the store does not end"
