"""A proof test trips what a device keeps by itself, and puts on record only what was seen to open."""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from bt2200_bench import DEVICE, ONE, bt2200_bench
from psb_bench import HOST, SCPI_PORT, psb_bench

from cycler.contract.devices import ApplyResult
from cycler.contract.order import DeviceLimits, Order, Phase
from cycler.contract.sweep import ChannelId
from cycler.service.proof_record import TESTED, WATCHDOG
from cycler.service.proof_test import ProofResult, ProofTest
from cycler.service.refusal import Refused
from drivers.keysight_bt2200.driver import KeysightBt2200
from sims.loop import run_virtual
from sims.wire.keysight_bt2200.traits import Traits

DAY = date(2026, 5, 17)
CHARGE = Phase(direction="charge", voltage_v=4.0, current_a=0.5)


class Forgetful:
    """A mainframe that takes orders with limits, and keeps none but the time."""

    def __init__(self, driver: KeysightBt2200) -> None:
        self._driver = driver

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)

    async def apply(self, orders: Mapping[ChannelId, Order]) -> Mapping[ChannelId, ApplyResult]:
        kept = {
            channel: replace(order, limits=DeviceLimits(time_s_max=order.limits.time_s_max))
            for channel, order in orders.items()
        }
        return await self._driver.apply(kept)


def proof(driver: Any, channel: ChannelId = ONE) -> Coroutine[Any, Any, ProofResult]:
    test = ProofTest(DEVICE, driver, channel, say=lambda line: None)
    return test.run(by="A. Person", today=DAY, current_a=0.5)


def test_every_limit_that_a_mainframe_keeps_is_seen_to_open_its_output() -> None:
    async def main() -> None:
        async with bt2200_bench(traits=Traits(), options={}) as bench:
            result = await proof(bench.driver)
            assert result.failed == {}
            assert set(result.record.tripped) == set(TESTED)
            assert (result.record.device, result.record.channel, result.record.day) == (DEVICE, "101", DAY)
            assert result.record.identity == await bench.driver.connect()
            assert not bench.cell().supply.on

    run_virtual(main())


def test_a_limit_that_does_not_open_is_not_put_on_record() -> None:
    async def main() -> None:
        async with bt2200_bench(traits=Traits(), options={}) as bench:
            result = await proof(Forgetful(bench.driver))
            assert result.record.tripped.keys() == {"time"}
            assert set(result.failed) == set(TESTED) - {"time"}
            assert result.failed["over_voltage"].endswith("its output stayed on")
            assert not bench.cell().supply.on

    run_virtual(main())


def test_a_watchdog_is_seen_to_open_when_nothing_is_said() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            result = await proof(bench.driver, ChannelId("1"))
            assert result.failed == {}
            assert list(result.record.tripped) == [WATCHDOG]
            assert result.record.tripped[WATCHDOG].startswith("nothing was said to it for 3 s")
            assert not bench.device.output_on

    run_virtual(main())


async def chat() -> None:
    """A second client keeps the supply's watchdog quiet, whoever else falls silent."""
    _, writer = await asyncio.open_connection(HOST, SCPI_PORT)
    try:
        while True:
            writer.write(b"MEAS:VOLT?\n")
            await asyncio.sleep(0.5)
    finally:
        writer.close()


def test_a_watchdog_that_does_nothing_is_not_proven() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            chatter = asyncio.create_task(chat())
            result = await proof(bench.driver, ChannelId("1"))
            chatter.cancel()
            assert result.record.tripped == {}
            assert result.failed[WATCHDOG].endswith("its output stayed on")
            assert not bench.device.output_on

    run_virtual(main())


def test_an_output_that_is_on_is_left_alone() -> None:
    async def main() -> None:
        async with bt2200_bench() as bench:
            await bench.must(CHARGE)
            with pytest.raises(Refused, match="output 101 is on"):
                await proof(bench.driver)
            assert bench.cell().supply.on

    run_virtual(main())


def test_without_a_voltage_of_its_own_it_is_no_dummy_load() -> None:
    async def main() -> None:
        async with bt2200_bench(voltage_v=0.1) as bench:
            with pytest.raises(Refused, match=r"shows 0\.100 V: no dummy load that holds a voltage"):
                await proof(bench.driver)

    run_virtual(main())
