"""What a person has to release stays as it is when control is killed and comes back."""

import asyncio
from pathlib import Path

import pytest
import service_bench
from service_bench import RACK, ROOT, ServiceBench, in_services, peer

from cycler.model.alarm import AlarmCode
from cycler.model.rack import PositionId

MIA = peer("mia", "maintenance")


def refusal(bench: ServiceBench, at: str) -> str:
    return bench.service.running.controller.refusal(PositionId(at)) or ""


def test_a_latched_cell_is_latched_after_a_restart_until_it_is_reset(tmp_path: Path) -> None:
    async def trips(bench: ServiceBench) -> None:
        await bench.running()
        bench.service.running.controller.controllers[PositionId("B01/A1")].trip(
            AlarmCode.CURRENT_WHILE_IDLE, "it is short"
        )
        await asyncio.sleep(2.0)
        assert "latched" in refusal(bench, "B01/A1")

    async def is_reset(bench: ServiceBench) -> None:
        assert "it is short" in refusal(bench, "B01/A1")
        await asyncio.sleep(5.0)
        answer = await bench.ask("reset", {"what": "B01"}, by=MIA, reason="it is in the fire-safe box")
        assert answer.answer == "done", answer
        await asyncio.sleep(1.0)

    async def is_free(bench: ServiceBench) -> None:
        assert "latched" not in refusal(bench, "B01/A1")

    in_services(tmp_path, trips, is_reset, is_free)


def test_the_watch_after_a_thermal_trip_goes_on_for_what_is_left_of_it(tmp_path: Path) -> None:
    async def trips(bench: ServiceBench) -> None:
        await bench.running()
        bench.service.running.controller.controllers[PositionId("B01/A1")].trip(AlarmCode.OVER_TEMPERATURE, "hot")
        await asyncio.sleep(600.0)

    async def is_watched(bench: ServiceBench) -> None:
        assert "watched for another 51 min" in refusal(bench, "B01/A2")
        assert not refusal(bench, "B02/A1")
        await asyncio.sleep(1800.0)

    async def is_watched_on(bench: ServiceBench) -> None:
        assert "watched for another 21 min" in refusal(bench, "B01/A2")

    in_services(tmp_path, trips, is_watched, is_watched_on, gap_s=900.0)


def test_a_latched_interlock_is_latched_although_its_input_is_healthy_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smoke = "interlocks:\n  - {id: smoke, input: io-01/DI1, active: low, scope: bay, at: B01, action: off-latched}\n"
    monkeypatch.setattr(service_bench, "RACK", RACK.replace("store:", f"{smoke}store:"))

    async def trips(bench: ServiceBench) -> None:
        fault = bench.world.faults("io-01").begin("input-active", "DI1")
        await asyncio.sleep(3.0)
        bench.world.faults("io-01").end(fault)
        await asyncio.sleep(3.0)

    async def stays(bench: ServiceBench) -> None:
        await asyncio.sleep(5.0)
        assert "latched until it is reset at the rack" in refusal(bench, "B01/A1")
        assert not refusal(bench, "B02/A1")

    in_services(tmp_path, trips, stays)


def test_a_device_that_was_given_up_is_left_alone_but_opened(tmp_path: Path) -> None:
    async def fails(bench: ServiceBench) -> None:
        await bench.running()
        fault = bench.world.faults("c-02").begin("no-reply")
        await asyncio.sleep(120.0)
        bench.world.faults("c-02").end(fault)
        await asyncio.sleep(30.0)
        assert "c-02" in bench.service.running.controller.troubles

    async def is_checked(bench: ServiceBench) -> None:
        await asyncio.sleep(120.0)
        assert list(bench.service.running.controller.troubles) == ["c-02"]
        assert [each.source for each in bench.service.running.controller.alarms.standing if each.is_active] == ["c-02"]
        assert (await bench.ask("reset", {"what": "c-02"}, by=MIA, reason="power was off")).answer == "done"
        await asyncio.sleep(30.0)
        assert not bench.service.running.controller.troubles

    async def is_known(bench: ServiceBench) -> None:
        await asyncio.sleep(5.0)
        assert not bench.service.running.controller.troubles

    in_services(tmp_path, fails, is_checked, is_known)


def test_a_loaded_tray_stands_where_it_stood_and_starts(tmp_path: Path) -> None:
    async def loads(bench: ServiceBench) -> None:
        await bench.released()
        assert (await bench.load()).answer == "done"
        await asyncio.sleep(1.0)

    async def starts(bench: ServiceBench) -> None:
        assert bench.state("B01") == "loaded"
        answer = await bench.ask("start", {"bay": "B01"}, by=ROOT)
        assert answer.result["started"] == 2, answer
        await asyncio.sleep(90.0)
        assert bench.state("B01") == "ended"

    in_services(tmp_path, loads, starts)
