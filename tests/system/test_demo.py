"""The demo from its command line: the planted defects are found for what they are, and the files open."""

import asyncio
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from programs import running

pytestmark = pytest.mark.system

DEMO_S_MAX = 600.0  # a hung one ends; how long it takes is no matter of a test
REJECTED = {
    "B01/A4": ("fail", "HIGH_DCIR"),
    "B02/A2": ("not-run", "ABSENT"),
    "B02/A5": ("quarantine", "REVERSED"),
    "B02/A8": ("fail", "SELF_DISCHARGE"),
    "B02/A11": ("retest", "BAD_CONTACT"),
    "B03/A3": ("retest", "SENSE_OPEN"),
    "B03/A6": ("quarantine", "WRONG_CHEMISTRY"),
    "B03/A8": ("fail", "LOW_CAPACITY"),
    "B03/A10": ("retest", "TEMPERATURE"),
}


def test_the_demo_finds_its_bad_cells_for_the_right_reasons_and_passes_the_good_ones(tmp_path: Path) -> None:
    out = tmp_path / "demo"

    async def scenario() -> str:
        async with running("demo", "--json", "--out", out) as program:
            code, said, complaint = await program.ended(within_s=DEMO_S_MAX)
            assert code == 0, complaint
            return said

    cells = {cell["position"]: cell for cell in json.loads(asyncio.run(scenario()))["cells"]}
    assert len(cells) == 32
    found = {at: (cell["verdict"], cell["reason_codes"][0]) for at, cell in cells.items() if cell["verdict"] != "pass"}
    assert found == REJECTED
    assert (out / "report.html").stat().st_size > 100_000
    curve = pq.read_table(out / "B02-0001.bdf.parquet")
    assert curve.num_rows > 5000
    assert pq.read_table(out / "cells.parquet").num_rows == 32
