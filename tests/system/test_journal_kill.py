"""A recorder that is killed at any instant loses nothing that it said was durable."""

import random
import subprocess
import sys
from pathlib import Path

import pytest
from formed_tray import A10, BEGAN_UTC, RUN_ID

from cycler.record.journal import Journal
from cycler.record.reader import Reader

HELPERS = Path(__file__).parents[1] / "helpers"
CHILD = """
import asyncio, sys
from pathlib import Path
from formed_tray import A10, BEGAN_UTC, TRAY, give_sample
from cycler.record.journal import Journal
from cycler.record.recorder import Recorder

async def main():
    journal = Journal(Path(sys.argv[1]), rack="R1", opened_utc=BEGAN_UTC)
    recorder = Recorder(journal, run_blocking=asyncio.to_thread, on_failure=sys.exit)
    committing = asyncio.create_task(recorder.run())
    handle = recorder.start_run(TRAY)[A10]
    for second in range(100_000):
        give_sample(recorder, handle, elapsed_s=second)
        await recorder.durable()
        print(second, flush=True)

asyncio.run(main())
"""


@pytest.mark.system
def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    chance = random.Random(5)
    for attempt in range(8):
        store = tmp_path / f"store-{attempt}"
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, str(store)], stdout=subprocess.PIPE, env={"PYTHONPATH": str(HELPERS)}
        ) as child:
            assert child.stdout is not None
            acknowledged = [int(child.stdout.readline()) for _ in range(chance.randint(1, 60))]
            child.kill()
            acknowledged += [int(line) for line in child.stdout.read().split()]
        Journal(store, rack="R1", opened_utc=BEGAN_UTC).close()
        with Reader(store) as reader:
            seconds = reader.curves(RUN_ID)[A10].elapsed_s.tolist()
        assert seconds == [float(second) for second in range(len(seconds))]
        assert len(seconds) > acknowledged[-1]
