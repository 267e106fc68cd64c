"""A tray of two formed cells, what happens to it, and a recorder that has a store of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cycler.model.cell import Cell, CellId
from cycler.model.rack import BayId, Placement, PositionId, TrayId
from cycler.model.results import CellOutcome, Counters, Event, StepResult
from cycler.model.run import Run
from cycler.record.journal import Journal
from cycler.record.reader import Reader, RunRecord
from cycler.record.recorder import Recorder
from sims.loop import run_inline

BEGAN_UTC = datetime(2026, 1, 1, tzinfo=UTC)
RUN_ID = "20260101-001"
A2, A10 = PositionId("B01/A2"), PositionId("B01/A10")
NAS_PER_MAH = 3_600_000_000

TRAY = Run(
    run_id=RUN_ID,
    started_utc=BEGAN_UTC,
    placement=Placement(tray=TrayId("T1"), bay=BayId("B01"), from_utc=BEGAN_UTC),
    recipe_name="capacity",
    recipe_version="1.0.0",
    recipe_hash="sha256:00",
    recipe_text="recipe: capacity\n",
    released_as="simulated",
    cells={
        A10: Cell(cell_id=CellId("c/10"), cell_type="nmc", state="formed"),
        A2: Cell(cell_id=CellId("c-2"), cell_type="nmc", state="formed", genealogy={"melt": "M7"}),
    },
)

CHARGE = StepResult(
    step_count=1,
    step_id="1",
    step_type="charge",
    cycle=1,
    tag=None,
    started_s=0.0,
    duration_s=3600.0,
    moved=Counters(charged_nas=5100 * NAS_PER_MAH, charged_nws=19_000 * NAS_PER_MAH),
    end_voltage_v=4.2,
    end_current_a=0.25,
    temperature_degc_max=31.5,
    stop_reason="current",
    stop_text="current <= 0.25 A",
    charge_source="device",
)
REST = replace(
    CHARGE, step_count=2, step_id="2", step_type="rest", started_s=3600.0, duration_s=600.0, moved=Counters(),
    end_voltage_v=4.15, end_current_a=0.0, stop_reason="time", stop_text="time >= 10 min",
)  # fmt: skip
DISCHARGE = replace(
    CHARGE, step_count=3, step_id="down", step_type="discharge", tag="cap", started_s=4200.0,
    moved=Counters(discharged_nas=5000 * NAS_PER_MAH, discharged_nws=18_000 * NAS_PER_MAH),
    end_voltage_v=2.5, end_current_a=-5.0, stop_reason="voltage", stop_text="voltage <= 2.5 V",
)  # fmt: skip


def happened(event: str, **facts: str) -> Event:
    return Event(utc=BEGAN_UTC, elapsed_s=1.5, event=event, data={"turn": 1}, **facts)  # type: ignore[arg-type]


def ended(position: PositionId) -> CellOutcome:
    return CellOutcome(cell=TRAY.cells[position].cell_id, position=position, ended="completed")


@asynccontextmanager
async def recording(store: Path, *, samples_max: int = 200_000, commit_every_s: float = 1.0) -> AsyncIterator[Recorder]:
    """A recorder whose commits run, closed at the end."""
    recorder = Recorder(
        Journal(store, rack="R1", opened_utc=BEGAN_UTC),
        run_blocking=run_inline,
        on_failure=lambda _: None,
        commit_every_s=commit_every_s,
        samples_max=samples_max,
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(recorder.run())
        try:
            yield recorder
        finally:
            await recorder.aclose()


def give_sample(
    recorder: Recorder, handle: int, *, elapsed_s: float, step_count: int = 1, charged_nas: int = 0
) -> None:
    recorder.sample(
        handle, step_count, 1, elapsed_s, elapsed_s, 3.7, 2.5, 25.0, charged_nas, 0, charged_nas * 4, 0
    )  # fmt: skip


def record_of(store: Path, run_id: str = RUN_ID) -> RunRecord:
    with Reader(store) as reader:
        return reader.record(run_id)
