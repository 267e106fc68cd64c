"""CPU per durable sample, beside a bare SQLite that inserts the gathered bytes of each commit as one blob.

512 channels at 10 Hz for 20 commits of 1 s, on a real file, with noise as a formation channel has it.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import apsw

from cycler.model.cell import Cell, CellId
from cycler.model.rack import BayId, Placement, PositionId, TrayId
from cycler.model.run import Run
from cycler.record.frame import ROW_BYTES
from cycler.record.journal import Journal
from cycler.record.recorder import Recorder
from cycler.record.schema import journal_path

CHANNELS, TICKS, COMMITS = 512, 10, 20
SAMPLES = CHANNELS * TICKS * COMMITS
BEGAN_UTC = datetime(2026, 1, 1, tzinfo=UTC)
Row = tuple[int, int, int, float, float, float, float, float, int, int, int, int]


def tray() -> Run:
    """A run on every channel."""
    cells = {
        PositionId(f"B01/A{n}"): Cell(cell_id=CellId(f"cell-{n}"), cell_type="nmc811-21700", state="formed")
        for n in range(1, CHANNELS + 1)
    }
    return Run(
        run_id="20260101-001",
        started_utc=BEGAN_UTC,
        placement=Placement(tray=TrayId("T1"), bay=BayId("B01"), from_utc=BEGAN_UTC),
        recipe_name="bench", recipe_version="1.0.0", recipe_hash="0", recipe_text="",
        released_as="simulated", cells=cells,
    )  # fmt: skip


def second_of_samples(handles: list[int]) -> list[Row]:
    """What one commit holds, made beforehand."""
    noise = random.Random(7)
    rows: list[Row] = []
    for tick in range(TICKS):
        for handle in handles:
            elapsed_s = 1000 + tick / TICKS
            voltage_v = round(3.7 + handle * 1e-5 + noise.gauss(0, 2e-4), 4)
            current_a = round(2.5 + noise.gauss(0, 1e-3), 3)
            charged_nas = int(2.5e9 * elapsed_s + noise.gauss(0, 1e6))
            rows.append(
                (handle, 7, 2, elapsed_s, elapsed_s - 900, voltage_v, current_a, round(25 + noise.gauss(0, 0.02), 2),
                 charged_nas, 12_345_678_901, int(charged_nas * 3.7), 45_678_901_234)
            )  # fmt: skip
    return rows


async def inline(work: Callable[[], None]) -> None:
    """As in simulation, so that all CPU is counted."""
    work()


async def recorded(store: Path) -> tuple[float, float]:
    """CPU µs and stored bytes a sample, through the recorder."""
    journal = Journal(store, rack="R1", opened_utc=BEGAN_UTC)
    recorder = Recorder(journal, run_blocking=inline, on_failure=print, commit_every_s=1e6)
    handles = list(recorder.start_run(tray()).values())
    rows = second_of_samples(handles)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(recorder.run())
        await recorder.durable()
        began_s = time.process_time()
        for _ in range(COMMITS):
            for row in rows:
                recorder.sample(*row)
            await recorder.durable()
        cpu_s = time.process_time() - began_s
        await recorder.aclose()
    stored = apsw.Connection(str(journal_path(store))).execute("SELECT sum(length(frame)) FROM frames").get
    return cpu_s / SAMPLES * 1e6, stored / SAMPLES


def bare(store: Path) -> float:
    """CPU µs a sample, where SQLite is handed the finished bytes of each commit."""
    connection = apsw.Connection(str(store / "bare.sqlite"))
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    connection.execute("CREATE TABLE frames (frame BLOB)")
    frames = [random.Random(n).randbytes(CHANNELS * TICKS * ROW_BYTES) for n in range(COMMITS)]
    began_s = time.process_time()
    for frame in frames:
        with connection:
            connection.execute("INSERT INTO frames VALUES (?)", (frame,))
    cpu_s = time.process_time() - began_s
    connection.close()
    return cpu_s / SAMPLES * 1e6


def main() -> None:
    """Print both."""
    with tempfile.TemporaryDirectory() as directory:
        sample_us, sample_bytes = asyncio.run(recorded(Path(directory) / "store"))
        bare_us = bare(Path(directory))
    print(f"durable sample          {sample_us:6.2f} µs CPU, {sample_bytes:.1f} bytes  (at most 1 µs)")
    print(f"bare SQLite blob insert {bare_us:6.2f} µs CPU, {ROW_BYTES} bytes")


if __name__ == "__main__":
    main()
