"""Frames are sealed while control runs."""

import asyncio
from pathlib import Path

import pytest
from formed_tray import A10, BEGAN_UTC, RUN_ID, TRAY, give_sample

from cycler.record.journal import Journal
from cycler.record.reader import Reader
from cycler.record.recorder import Recorder
from cycler.record.sealing import SealFailed
from cycler.record.segment import segments_folder
from cycler.service.sealer import Sealer


def test_frames_are_sealed_by_another_program_while_the_recorder_goes_on(tmp_path: Path) -> None:
    store = tmp_path / "store"

    async def main() -> None:
        journal = await asyncio.to_thread(Journal, store, rack="R1", opened_utc=BEGAN_UTC)
        recorder = Recorder(journal, run_blocking=asyncio.to_thread, on_failure=pytest.fail)
        sealer = Sealer(recorder, store, run_blocking=asyncio.to_thread)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(recorder.run())
            handle = recorder.start_run(TRAY)[A10]
            for second in range(100):
                give_sample(recorder, handle, elapsed_s=float(second))
            await recorder.durable()
            sealing = tasks.create_task(sealer.seal(rows_min=100))
            second = 100
            while not sealing.done():
                give_sample(recorder, handle, elapsed_s=float(second))
                await recorder.durable()
                second += 1
            segment = await sealing
            assert segment is not None
            assert segment.rows >= 100
            with Reader(store) as reader:
                assert len(reader.segments()) == 1
                assert len(reader.frame_ids()) < second - 98
                assert reader.curves(RUN_ID)[A10].elapsed_s.tolist() == [float(each) for each in range(second)]
            assert await sealer.seal(rows_min=1_000_000) is None
            segments_folder(store).rename(store / "away")
            segments_folder(store).write_text("in the way\n")
            with pytest.raises(SealFailed, match="sealed"):
                await sealer.seal(rows_min=1)
            await recorder.aclose()

    asyncio.run(main())
