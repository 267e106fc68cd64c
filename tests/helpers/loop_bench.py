"""One device loop on a simulated cycler with two channels, a journal whose disk can be held, and cells to run."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from cycler.contract.capabilities import Capabilities
from cycler.contract.devices import CyclerDriver
from cycler.contract.errors import DeviceError
from cycler.contract.plugin import DeviceSettings, Resource, Surroundings
from cycler.contract.sweep import ChannelId
from cycler.control.channel_controller import ChannelController
from cycler.control.device_loop import DeviceLoop
from cycler.control.step_machine import StepMachine
from cycler.model.alarm import AlarmCode
from cycler.model.cell import Cell, CellId
from cycler.model.rack import BayId, Placement, PositionId, TrayId
from cycler.model.run import Run
from cycler.recipe.plan import Plan
from cycler.record.journal import Journal
from cycler.record.recorder import Recorder
from sims.devices.cycler import open_cycler
from sims.devices.cycler_hardware import CyclerHardware
from sims.testing.bench import BenchCell, BenchWorld

T = TypeVar("T")

DEVICE = "cyc-01"
CHANNELS = ("1", "2")
BEGAN_UTC = datetime(2026, 1, 1, tzinfo=UTC)


class Disk:
    """Where commits go: at once, or when it is let go."""

    def __init__(self) -> None:
        self._free = asyncio.Event()
        self._free.set()

    def hold(self) -> None:
        self._free.clear()

    def let_go(self) -> None:
        self._free.set()

    async def __call__(self, work: Callable[[], T]) -> T:
        await self._free.wait()
        return work()


@dataclass
class LoopBench:
    """What a test holds in its hands."""

    loop: DeviceLoop
    world: BenchWorld
    disk: Disk
    recorder: Recorder
    run: Run
    handles: Any
    not_open: list[frozenset[ChannelId]] = field(default_factory=list)
    trips: list[tuple[PositionId, AlarmCode]] = field(default_factory=list)
    closings: dict[str, asyncio.Event] = field(default_factory=dict)

    @property
    def capabilities(self) -> Capabilities:
        return self.loop.capabilities

    @property
    def hardware(self) -> CyclerHardware:
        hardware = self.world.instruments[DEVICE]
        assert isinstance(hardware, CyclerHardware)
        return hardware

    def cell(self, channel: str) -> BenchCell:
        return self.world.cell(DEVICE, channel)

    def is_on(self, channel: str) -> bool:
        """By the truth."""
        return self.cell(channel).supply.on

    def start(self, channel: str, plan: Plan) -> ChannelController:
        position = PositionId(f"B01/{channel}")
        closing = self.closings[channel] = asyncio.Event()
        controller = ChannelController(
            position=position,
            cell=self.run.cells[position],
            channel=ChannelId(channel),
            row=CHANNELS.index(channel),
            machine=StepMachine(plan, self.capabilities.range, temperature_measured=False),
            capabilities=self.capabilities,
            recorder=self.recorder,
            handle=self.handles[position],
            utcnow=utcnow,
            on_closed=closing.set,
            on_trip=lambda tripped, code, _text: self.trips.append((tripped.position, code)),
        )
        self.loop.run_cell(controller)
        return controller

    async def closed(self, controller: ChannelController, *, within_s: float) -> None:
        """Waits until the run has its last numbers."""
        async with asyncio.timeout(within_s):
            await self.closings[controller.channel].wait()


def utcnow() -> datetime:
    return BEGAN_UTC + timedelta(seconds=asyncio.get_running_loop().time())


@asynccontextmanager
async def loop_bench(
    store: Path, *, author: Callable[[CyclerDriver], CyclerDriver] = lambda driver: driver, autonomous: bool = False
) -> AsyncIterator[LoopBench]:
    """The loop runs as long as the context is open. `author` may put a driver of its own around the good one."""
    options = {"channels": "2", "errors": "none", "autonomous": "true" if autonomous else "false"}
    world, disk = BenchWorld(), Disk()
    settings = DeviceSettings(device=DEVICE, resource=Resource.parse("sim:cyc-01"), options=options)
    driver = author(open_cycler(settings, Surroundings(utcnow=utcnow, world=world)))
    failures: list[str] = []
    recorder = Recorder(Journal(store, rack="R1", opened_utc=BEGAN_UTC), run_blocking=disk, on_failure=failures.append)
    run = Run(
        run_id="20260101-001",
        started_utc=BEGAN_UTC,
        placement=Placement(tray=TrayId("T1"), bay=BayId("B01"), from_utc=BEGAN_UTC),
        recipe_name="toy",
        recipe_version="1.0.0",
        recipe_hash="",
        recipe_text="",
        released_as="simulated",
        cells={
            PositionId(f"B01/{channel}"): Cell(cell_id=CellId(channel), cell_type="toy", state="formed")
            for channel in CHANNELS
        },
    )
    not_open: list[frozenset[ChannelId]] = []
    opened: list[str] = []

    def on_off_failed(_device: str, channels: frozenset[ChannelId], _error: DeviceError) -> None:
        not_open.append(channels)

    loop = DeviceLoop(
        DEVICE, driver, recorder, sweep_s=1.0, offset_s=0.0, on_off_failed=on_off_failed, on_opened=opened.append
    )
    bench = LoopBench(loop, world, disk, recorder, run, recorder.start_run(run), not_open)
    await loop.prepare()
    async with asyncio.TaskGroup() as tasks:
        background = [tasks.create_task(recorder.run()), tasks.create_task(loop.run())]
        try:
            yield bench
        finally:
            disk.let_go()
            for task in background:
                task.cancel()
    await recorder.aclose()
    await driver.aclose()
