"""From a reading that calls for an off to the off being written: 512 channels in real time, 64 of which change step.

Devices are in process, so no wire's transaction is in the figures. Commits go to a thread, as in production.
"""

import asyncio
import gc
import random
import tempfile
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from cycler.cli.logs import quiet_logs
from cycler.contract.plugin import DeviceSettings, Resource, Surroundings
from cycler.contract.sweep import ChannelId, Sweep
from cycler.model.cell import Cell, CellId
from cycler.model.rack import Bay, BayId, ChannelRef, Position, PositionId, Rack, TrayId
from cycler.recipe.compile import load_recipe_text
from cycler.recipe.lookup import LIBRARY
from cycler.service import running_rack
from cycler.service.configuration import Configuration, DeviceConfiguration
from cycler.service.running_rack import Job, under_control
from cycler.service.wiring import open_devices, open_world
from cycler.service.world_file import everywhere

DEVICES, CHANNELS = 8, 64
READINGS = 200
EVERY_S = 0.1
BEYOND_V = 4.6  # more than any margin over 4.2 V
HEAD = "version: 1.0.0\ncell_type: nmc811-21700\nfrom_state: formed\nrecord: {every: 10 s, voltage: 5 mV}\nsteps:\n"
LONG = f"recipe: long\n{HEAD}  - charge: {{current: C/10, until: [voltage >= 4.1 V, capacity >= 90 %, time > 1 h]}}\n"
CHANGING = f"""recipe: changing
{HEAD}  - loop:
      times: 500
      steps:
        - charge: {{current: C/10, until: [voltage >= 4.1 V, capacity >= 90 %, time > 2 s]}}
        - discharge: {{current: C/10, until: [voltage <= 2.8 V, capacity >= 90 %, time > 2 s]}}
"""


class Stopwatch:
    """Makes readings wrong, and takes the time until the off."""

    def __init__(self) -> None:
        self.due: set[tuple[str, ChannelId]] = set()
        self.read_s: dict[tuple[str, ChannelId], float] = {}
        self.took_ms: list[float] = []


class Spoiled:
    """A cycler some of whose readings are wrong."""

    def __init__(self, device: str, driver: Any, watch: Stopwatch) -> None:
        self._device = device
        self._driver = driver
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)

    async def read(self) -> Sequence[Sweep]:
        (sweep,) = await self._driver.read()
        own = [channel for device, channel in self._watch.due if device == self._device]
        if own:
            voltage_v = list(sweep.voltage_v)
            for channel in own:
                voltage_v[sweep.channels.index(channel)] = BEYOND_V
                self._watch.due.discard((self._device, channel))
                self._watch.read_s[self._device, channel] = time.perf_counter()
            sweep = replace(sweep, voltage_v=voltage_v)
        return (sweep,)

    async def make_safe(self, channels: Collection[ChannelId]) -> None:
        now_s = time.perf_counter()
        for channel in channels:
            read_s = self._watch.read_s.pop((self._device, channel), None)
            if read_s is not None:
                self._watch.took_ms.append(1000 * (now_s - read_s))
        await self._driver.make_safe(channels)


def configuration() -> Configuration:
    """A bay for each device; every cell has its sensor."""
    bays, devices, sensor = {}, [], 0
    for number in range(1, DEVICES + 1):
        positions = {}
        for channel in range(1, CHANNELS + 1):
            sensor += 1
            at = PositionId(f"B{number:02d}/A{channel}")
            positions[at] = Position(
                position=at,
                channels=(ChannelRef(device=f"cyc-{number}", channel=str(channel)),),
                temperature=ChannelRef(device="tc", channel=str(sensor)),
            )
        bays[BayId(f"B{number:02d}")] = Bay(bay=BayId(f"B{number:02d}"), positions=positions)
        devices.append((f"cyc-{number}", "sim_cycler", {"channels": str(CHANNELS)}))
    devices.append(("tc", "sim_temperature", {"channels": str(sensor)}))
    return Configuration(
        rack=Rack(rack="BENCH", purpose="production", bays=bays),
        devices=tuple(
            DeviceConfiguration(
                settings=DeviceSettings(device=name, resource=Resource.parse(f"sim:{name}"), options=options),
                driver=driver,
            )
            for name, driver, options in devices
        ),
        store=None,
        file=Path("bench"),
        content=b"",
    )


def main() -> None:
    """Print the figures."""
    quiet_logs()
    rack = configuration()
    long, changing = (load_recipe_text(text, file="bench.yaml", beside=LIBRARY) for text in (LONG, CHANGING))
    world = open_world(
        rack, everywhere(rack.rack, long.cell_type, seed=1, state="formed@30%"), wire="memory", speed=1.0
    )
    watch = Stopwatch()

    def opened(*arguments: Any) -> Any:
        devices = open_devices(*arguments)
        return replace(devices, cyclers={name: Spoiled(name, each, watch) for name, each in devices.cyclers.items()})

    async def run(store: Path) -> None:
        await world.start()
        async with under_control(
            rack,
            Surroundings(utcnow=world.utcnow, world=world),
            store=store,
            run_blocking=asyncio.to_thread,
            rng=random.Random(1),
            commit_every_s=1.0,
        ) as running:
            await running.controller.ready()
            for number, bay in enumerate(running.rack.bays.values()):
                cells = {
                    at: Cell(cell_id=CellId(at), cell_type=long.cell_type.name, state="formed") for at in bay.positions
                }
                job = Job(bay=bay.bay, tray=TrayId(bay.bay), cells=cells, recipe=changing if number == 0 else long)
                await running.start(job, released_as="simulated")
            await asyncio.sleep(5)
            gc.collect()
            gc.freeze()
            places = [(f"cyc-{n}", ChannelId(str(c))) for c in range(1, CHANNELS + 1) for n in range(2, DEVICES + 1)]
            for place in places[:READINGS]:
                watch.due.add(place)
                await asyncio.sleep(EVERY_S)
            await asyncio.sleep(3)
        await world.aclose()

    with patch.object(running_rack, "open_devices", opened), tempfile.TemporaryDirectory() as folder:
        world.run(run(Path(folder) / "store"))
    took_ms = sorted(watch.took_ms)
    p50, p99 = took_ms[len(took_ms) // 2], took_ms[int(0.99 * len(took_ms))]
    print(
        f"{len(took_ms)} of {READINGS} readings beyond a limit; {DEVICES * CHANNELS} channels, {CHANNELS} of them busy:"
    )
    print(f"off written after p50 {p50:.2f} ms, p99 {p99:.2f} ms (at most 50), max {took_ms[-1]:.2f} ms (at most 100)")


if __name__ == "__main__":
    main()
