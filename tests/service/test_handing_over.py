"""Control keeps a list of what its devices end by themselves, and takes off it what they do not."""

import asyncio
from pathlib import Path

import pytest
import service_bench
from service_bench import RACK, RECIPE, ServiceBench, in_service

from cycler.service.handing_over import HandoverKeeper
from cycler.service.handover import Handover, read_handover
from cycler.service.rack_file import load_configuration

ALONE = 'driver: sim_cycler, resource: "sim:c-01", autonomous: true'


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first cycler goes on by itself, and may finish its step."""
    plain = 'driver: sim_cycler, resource: "sim:c-01"'
    asked = f"{ALONE}, on_controller_loss: finish-step, temperature_guard: independent"
    monkeypatch.setattr(service_bench, "RACK", RACK.replace(plain, asked))


def listed(folder: Path, bench: ServiceBench) -> Handover:
    found = load_configuration(folder / "rack.yaml")
    now = bench.service.running.utcnow()
    return read_handover(folder / "run", config_hash=found.content_hash, now_utc=now)


def kept(folder: Path, bench: ServiceBench) -> "asyncio.Task[None]":
    (folder / "run").mkdir()
    keeper = HandoverKeeper(load_configuration(folder / "rack.yaml"), bench.service.running)
    return asyncio.create_task(keeper.keep(), name="handover")


async def ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])


def test_a_charge_that_its_device_bounds_is_on_the_list_until_it_ends(tmp_path: Path, trusted: None) -> None:
    async def scenario(bench: ServiceBench) -> None:
        task = kept(tmp_path, bench)
        await bench.running()
        found = listed(tmp_path, bench)
        orders = {each.channel: each.order_id for each in found.channels}
        assert orders.keys() == {"1", "2"}
        lasts_s = [(each.until_utc - found.written_utc).total_seconds() for each in found.channels]
        assert all(0.0 < each <= 125.0 for each in lasts_s), lasts_s
        await asyncio.sleep(60.0)  # by now both rest, with their relays open
        assert listed(tmp_path, bench).channels == ()
        await ended(task)

    in_service(tmp_path, scenario)


def test_a_stop_in_order_leaves_an_empty_list(tmp_path: Path, trusted: None) -> None:
    async def scenario(bench: ServiceBench) -> None:
        task = kept(tmp_path, bench)
        await bench.running()
        assert listed(tmp_path, bench).channels
        await ended(task)
        assert listed(tmp_path, bench).channels == ()

    in_service(tmp_path, scenario)


def test_a_device_that_is_to_stop_is_never_on_the_list(tmp_path: Path) -> None:
    async def scenario(bench: ServiceBench) -> None:
        task = kept(tmp_path, bench)
        await bench.running()
        assert listed(tmp_path, bench).channels == ()
        await ended(task)

    in_service(tmp_path, scenario)


def test_a_charge_that_may_go_on_for_too_long_is_not_on_the_list(
    tmp_path: Path, trusted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the rated charge could flow with nobody there; the cell type allows 30 %."""
    longer = RECIPE.replace("C/10, until: [time >= 60 s]", "C/2, until: [time >= 1 h]").replace(
        "capacity > 30 %, time > 2 min", "capacity > 60 %, time > 2 h"
    )
    monkeypatch.setattr(service_bench, "RECIPE", longer)

    async def scenario(bench: ServiceBench) -> None:
        task = kept(tmp_path, bench)
        await bench.running()
        assert listed(tmp_path, bench).channels == ()
        await ended(task)

    in_service(tmp_path, scenario)
