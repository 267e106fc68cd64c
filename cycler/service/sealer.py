"""Frames that are many become segments while control runs, in programs of their own."""

import asyncio
from pathlib import Path
from typing import Final

import structlog

from cycler.record.journal import JournalFailed
from cycler.record.recorder import Recorder
from cycler.record.sealing import SealFailed, command, outcome
from cycler.record.segment import Segment
from cycler.service.running_rack import Blocking

SEAL_EVERY_S: Final = 600.0
ROWS_TO_SEAL: Final = 1_000_000

log = structlog.get_logger()


class Sealer:
    """Of the store that this recorder writes."""

    def __init__(self, recorder: Recorder, store: Path, *, run_blocking: Blocking) -> None:
        self._recorder = recorder
        self._store = store
        self._run_blocking = run_blocking

    async def run(self) -> None:
        """Until cancelled. A seal that fails leaves the frames where they are, and is tried again."""
        while True:
            try:
                while (segment := await self.seal(rows_min=ROWS_TO_SEAL)) is not None:
                    log.info("store.sealed", file=segment.file, rows=segment.rows)
            except (SealFailed, JournalFailed, OSError) as error:
                log.warning("store.not_sealed", reason=str(error))
            await asyncio.sleep(SEAL_EVERY_S)

    async def seal(self, *, rows_min: int) -> Segment | None:
        """The oldest frames are gone when it returns, and the file is there. None: there are not that many samples.

        Raises `SealFailed`, `JournalFailed` where it can't be put on record, `OSError` where no program can be started.
        """
        pipe = asyncio.subprocess.PIPE
        sealing = await asyncio.create_subprocess_exec(
            *command(self._store, rows_min=rows_min), stdout=pipe, stderr=pipe
        )
        try:
            stdout, stderr = await sealing.communicate()
        finally:
            if sealing.returncode is None:
                sealing.kill()
        code = sealing.returncode or 0
        segment = await self._run_blocking(lambda: outcome(self._store, code, stdout, stderr))
        if segment is not None:
            self._recorder.sealed(segment)
            await self._recorder.durable()
        return segment
