"""A store as it grows: commits, reopening and a cell's curve, beside a writer that writes its whole file at each poll.

512 channels with ten rows each in a commit; the other writer keeps one file of columns and writes it anew with one row
of each channel more, as programs do that dump a data frame.
"""

import random
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from bench_record import second_of_samples, tray

from cycler.record.frame import COLUMNS, pack_row
from cycler.record.journal import Batch, Journal
from cycler.record.reader import Reader
from cycler.record.schema import series_of
from cycler.record.sealing import command, outcome
from cycler.record.segment import segments_folder

BEGAN_UTC = datetime(2026, 1, 1, tzinfo=UTC)
CHANNELS = 512
CURVE_ROWS = 100_000
LOOK_AT = (1_000, 10_000, 100_000, 1_000_000, 5_000_000)


def opened(store: Path) -> Journal:
    return Journal(store, rack="R1", opened_utc=BEGAN_UTC)


def growing(store: Path) -> None:
    """CPU µs a sample, as the store grows by commits of 5,120 rows."""
    journal = opened(store)
    run = tray()
    journal.commit(Batch(number=1, runs=[(1, run)]))
    packed = bytearray(b"".join(pack_row(*row) for row in second_of_samples(list(series_of(1, CHANNELS)))))
    rows = 0
    for target in LOOK_AT:
        while rows < target - 20 * 5120:
            journal.commit(Batch(number=2, rows=packed))
            rows += 5120
        began_s = time.process_time()
        for _ in range(20):
            journal.commit(Batch(number=2, rows=packed))
            rows += 5120
        each_us = (time.process_time() - began_s) / (20 * 5120) * 1e6
        print(f"journal at {rows:>10,} rows   {each_us:6.2f} µs CPU a sample")
    journal.close()
    began_s = time.perf_counter()
    opened(store).close()
    print(f"reopen at {rows:,} rows      {time.perf_counter() - began_s:6.2f} s  (at most 2 s)")


def rewriting(folder: Path) -> None:
    """CPU µs a sample of the writer that writes its whole file at each poll."""
    for held in (1_000, 10_000, 100_000, 1_000_000):
        columns = np.random.default_rng(1).normal(3.7, 1e-3, (len(COLUMNS), held))
        began_s, polls = time.process_time(), max(1, 2_000_000 // held)
        for _ in range(min(polls, 50)):
            np.save(folder / "all.npy", columns)
        each_us = (time.process_time() - began_s) / min(polls, 50) / CHANNELS * 1e6
        print(f"rewriting at {held:>8,} rows   {each_us:6.2f} µs CPU a sample")


def sealed(store: Path) -> None:
    """Bytes a sample in segments, and what it takes to make them."""
    journal, rows, number = opened(store), 0, 1
    began_s = time.perf_counter()
    while True:
        done = subprocess.run(command(store, rows_min=1), capture_output=True, check=False)
        segment = outcome(store, done.returncode, done.stdout, done.stderr)
        if segment is None:
            break
        journal.commit(Batch(number=(number := number + 1), segments=[segment]))
        rows += segment.rows
    journal.close()
    size = sum(path.stat().st_size for path in segments_folder(store).iterdir())
    took_s = time.perf_counter() - began_s
    print(f"sealed                      {size / rows:6.2f} bytes a sample  (at most 8), {took_s:.1f} s")


def noisy_row(noise: random.Random, series: int, second: int) -> bytes:
    """As a formation channel reads."""
    charged_nas = second * 25 * 10**8 + int(noise.gauss(0, 1e6))
    voltage_v, current_a = round(3.7 + noise.gauss(0, 2e-4), 4), round(2.5 + noise.gauss(0, 1e-3), 3)
    degc, charged_nws = round(25 + noise.gauss(0, 0.02), 2), int(charged_nas * 3.7)
    return pack_row(
        series, 1, 1, float(second), float(second), voltage_v, current_a, degc, charged_nas, 0, charged_nws, 0
    )


def curve(store: Path) -> None:
    """One cell of 32 with 100,000 rows each, from frames and from segments."""
    journal, noise = opened(store), random.Random(1)
    run = tray()
    journal.commit(Batch(number=1, runs=[(1, run)]))
    series = list(series_of(1, 32))
    for begin in range(0, CURVE_ROWS, 1000):
        rows = b"".join(noisy_row(noise, each, second) for each in series for second in range(begin, begin + 1000))
        journal.commit(Batch(number=2, rows=bytearray(rows)))
    journal.close()
    for where in ("frames", "segments"):
        with Reader(store) as reader:
            position = next(iter(run.cells))
            began_s, cpu_s = time.perf_counter(), time.process_time()
            count = len(reader.curves(run.run_id, [position])[position].elapsed_s)
            took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
        print(f"curve of {count:,} rows, {where:<8}  {took_s:6.2f} s, {cpu_s:.2f} s of them CPU  (at most 0.5 s)")
        if where == "frames":
            sealed(store)


def main() -> None:
    """Print all of it."""
    with tempfile.TemporaryDirectory() as directory:
        growing(Path(directory) / "growing")
        rewriting(Path(directory))
        curve(Path(directory) / "curve")


if __name__ == "__main__":
    main()
