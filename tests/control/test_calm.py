"""A cell at rest is looked at rarely: after its first minute, until something is due, and not if more is asked for."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from loop_bench import loop_bench
from machine_bench import Bench, charge, compare, plan, rest, started, until

from cycler.contract.capabilities import Capabilities
from cycler.contract.devices import CyclerDriver
from cycler.control.patience import Patience
from cycler.recipe.plan import RecordRule
from sims.loop import run_virtual

REST = rest(600.0, record=RecordRule(every_s=10.0))


class Counting:
    """Bears silence, and tells when it was read."""

    def __init__(self, driver: CyclerDriver) -> None:
        self._driver = driver
        self.reads_s: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)

    @property
    def capabilities(self) -> Capabilities:
        return replace(self._driver.capabilities, idle_s_max=10.0)

    async def read(self) -> Any:
        self.reads_s.append(asyncio.get_running_loop().time())
        return await self._driver.read()


def at(bench: Bench, seconds: int) -> float:
    """How long nothing is expected from then on; negative where something is."""
    bench.run(seconds)
    return bench.machine.calm_until_s - bench.time_s


def test_a_rest_is_calm_after_its_first_minute_until_its_end() -> None:
    bench = started(plan(REST))
    assert at(bench, 50) < 0.0
    assert at(bench, 50) == pytest.approx(500.0, abs=3.0)
    assert at(bench, 400) == pytest.approx(100.0, abs=3.0)


def test_a_step_with_current_is_not_calm() -> None:
    bench = started(plan(charge(1.0, until(compare("time", ">=", 600.0)))))
    assert at(bench, 100) < 0.0


def test_a_rest_that_records_every_second_is_looked_at_every_second() -> None:
    bench = started(plan(rest(600.0, record=RecordRule(every_s=1.0))))
    assert at(bench, 100) < 0.0


def test_a_rest_with_a_slope_to_watch_is_not_calm() -> None:
    slope = until(compare("dv_dt", "<=", -1.0, window_s=60.0))
    bench = started(plan(rest(600.0, fails=[slope])))
    assert at(bench, 100) < 0.0


def test_the_device_is_read_rarely_at_rest_and_the_rest_ends_in_time(tmp_path: Path) -> None:
    drivers: list[Counting] = []

    def author(driver: CyclerDriver) -> CyclerDriver:
        drivers.append(Counting(driver))
        return drivers[0]  # type: ignore[return-value]

    async def main() -> None:
        clock = asyncio.get_running_loop().time
        async with loop_bench(tmp_path / "store", author=author, autonomous=True) as bench:
            began_s = clock()
            controller = bench.start("1", plan(REST))
            await bench.closed(controller, within_s=700.0)
            assert clock() - began_s == pytest.approx(600.0, abs=3.0)
            (counting,) = drivers
            calm = [read_s for read_s in counting.reads_s if 100.0 < read_s - began_s < 580.0]
            assert len(calm) == pytest.approx(480 / 5, abs=2)
            lively = [read_s for read_s in counting.reads_s if read_s - began_s < 50.0]
            assert len(lively) >= 45

    run_virtual(main())


def test_a_device_that_falls_silent_as_it_is_energised_is_stale_by_the_usual_beat() -> None:
    async def main() -> None:
        clock = asyncio.get_running_loop().time
        patience = Patience("x", sweep_s=1.0)
        patience.expect_every(5.0)
        patience.heard_s = clock()
        await asyncio.sleep(4.9)
        patience.expect_sooner(1.0)  # the order has been applied
        assert not patience.is_over
        assert patience.ends_s - clock() == pytest.approx(3.0)
        await asyncio.sleep(1.0)
        patience.expect_sooner(1.0)  # another one gives no more time
        assert patience.ends_s - clock() == pytest.approx(2.0)

    run_virtual(main())
