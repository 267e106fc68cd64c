"""Whoever asks a meter is answered, whatever becomes of the measurement."""

import asyncio
from pathlib import Path

from loop_bench import loop_bench

from cycler.contract.plugin import DeviceSettings, Resource, Surroundings
from cycler.contract.sweep import ChannelId
from cycler.control.alarms import Alarms
from cycler.control.meter_loop import MeterLoop, Wanted
from cycler.control.rack_log import RackLog
from cycler.model.rack import Rack
from sims.devices.meter import open_meter
from sims.loop import run_virtual
from sims.testing.bench import BenchWorld
from sims.testing.wired import utcnow


def test_who_may_not_be_measured_when_his_turn_comes_is_told_so_at_once(tmp_path: Path) -> None:
    answers: list[tuple[float | None, str]] = []

    async def main() -> None:
        settings = DeviceSettings(device="hi-01", resource=Resource.parse("sim:bench"), options={})
        meter = open_meter(settings, Surroundings(utcnow=utcnow, world=BenchWorld()))
        async with loop_bench(tmp_path) as bench:
            rack = Rack(rack="R1", purpose="production", bays={})
            rack_log = RackLog(rack, bench.recorder, Alarms(rack, bench.recorder, utcnow), utcnow)
            loop = MeterLoop("hi-01", meter, rack_log)
            wanted = Wanted(
                channel=ChannelId("1"), kind="ocv", is_due=lambda: False, answer=lambda *answer: answers.append(answer)
            )
            loop.ask(wanted)
            running = asyncio.create_task(loop.run())
            await asyncio.sleep(0.1)
            running.cancel()
            await asyncio.wait([running])

    run_virtual(main())
    assert answers == [(None, "hi-01/1 was not measured: its cell was not seen open when its turn came")]
