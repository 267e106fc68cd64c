"""What a sweep says: whole columns, the order once it is being executed, counters that only grow."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import get_args

import pytest

from cycler.contract.order import Applied
from cycler.contract.suite.scenario import (
    CyclerPromises,
    commissioned,
    first,
    live,
    slack_a,
    slack_v,
)
from cycler.contract.sweep import ChannelId, Regulation, Sweep

COLUMNS = (
    "voltage_v", "current_a", "regulation", "order_id", "phase", "step_time_s",
    "temperature_degc", "output_v", "probe_v", "charged_ah", "discharged_ah",
)  # fmt: skip
RUN_S = 4.0


class SweepPromises(CyclerPromises):
    """read."""

    def test_a_sweep_has_a_row_for_each_channel_in_every_column(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned(subject, self.cell)
            loop = asyncio.get_running_loop()
            for order in (None, self.charge(1)):
                if order is not None:
                    await driver.apply({first(driver): order})
                begin_s = loop.time()
                sweeps = await driver.read()
                assert sweeps
                assert begin_s <= sweeps[-1].taken_s <= loop.time()
                for sweep in sweeps:
                    assert sweep.channels == driver.capabilities.channels
                    assert sweep.taken_utc.tzinfo is not None
                    for name in COLUMNS:
                        column = getattr(sweep, name)
                        assert column is None or len(column) == len(sweep.channels), name
                    assert set(sweep.regulation) <= set(get_args(Regulation))
            await driver.make_safe([first(driver)])
            await driver.aclose()

        subject.run(scenario())

    def test_readings_tell_the_truth(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned(subject, self.cell)
            channel = first(driver)
            for order in (self.charge(1), self.discharge(2)):
                subject.place(channel, self.cell.voltage_v_mid)
                await driver.apply({channel: order})
                await live(driver, driver.capabilities.start_delay_s + 0.5)
                reading, output = (await driver.read())[-1][channel], subject.output(channel)
                assert reading.current_a == pytest.approx(output.current_a, abs=slack_a(driver))
                # Between the middle of the transaction and now the cell has moved by some 10 mV/s.
                assert reading.voltage_v == pytest.approx(output.voltage_v, abs=slack_v(driver) + 1e-3)
                assert reading.regulation in ("cc", "unknown")
                assert reading.phase == 0
            await driver.make_safe([channel])
            reading = (await driver.read())[-1][channel]
            assert reading.regulation in ("off", "unknown")
            assert reading.current_a == pytest.approx(0.0, abs=slack_a(driver))
            await driver.aclose()

        subject.run(scenario())

    def test_an_order_shows_only_once_it_is_executed_and_not_after_it_was_switched_off(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned(subject, self.cell)
            channel = first(driver)
            applying = asyncio.ensure_future(driver.apply({channel: self.charge(7)}))
            while not applying.done():
                reading = (await driver.read())[-1][channel]
                assert reading.order_id in (0, 7)
                assert reading.order_id == 0 or subject.output(channel).closed
                await asyncio.sleep(driver.capabilities.sweep_time_s)  # sweeps go first: leave the order some room
            assert isinstance(applying.result()[channel], Applied)
            await live(driver, driver.capabilities.start_delay_s + 0.5)
            assert (await driver.read())[-1][channel].order_id == 7
            await driver.make_safe([channel])
            reading = (await driver.read())[-1][channel]
            assert reading.order_id == 0
            assert reading.phase == 0
            await driver.aclose()

        subject.run(scenario())

    def test_step_time_runs_from_the_first_current_of_the_order(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned(subject, self.cell)
            channel = first(driver)
            for order in (self.charge(1), self.discharge(2)):
                subject.place(channel, self.cell.voltage_v_mid)
                await driver.apply({channel: order})
                begin_s = await self._first_current_s(driver.read, channel)
                await live(driver, RUN_S)
                sweep = (await driver.read())[-1]
                assert sweep[channel].step_time_s == pytest.approx(sweep.taken_s - begin_s, abs=0.3)
            await driver.make_safe([channel])
            await driver.aclose()

        subject.run(scenario())

    def test_charge_counters_only_grow_and_each_in_its_own_direction(self) -> None:
        """Only for devices that declare them."""
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned(subject, self.cell)
            channel = first(driver)
            readings = [(await driver.read())[-1][channel]]
            if driver.capabilities.charge_counter:
                for order in (self.charge(1), self.discharge(2)):
                    await driver.apply({channel: order})
                    await live(driver, RUN_S)
                    readings.append((await driver.read())[-1][channel])
                await driver.make_safe([channel])
                charged_ah = [_number(reading.charged_ah) for reading in readings]
                discharged_ah = [_number(reading.discharged_ah) for reading in readings]
                moved_ah = pytest.approx(self.cell.current_a * RUN_S / 3600.0, rel=0.15)
                assert charged_ah[1] - charged_ah[0] == moved_ah
                assert discharged_ah[2] - discharged_ah[1] == moved_ah
                # Between the orders lies up to one poll.
                assert charged_ah[2] - charged_ah[1] < 0.1 * (charged_ah[1] - charged_ah[0])
                assert discharged_ah[1] == discharged_ah[0]
            else:
                assert readings[0].charged_ah is None and readings[0].discharged_ah is None
            await driver.aclose()

        subject.run(scenario())

    async def _first_current_s(self, read: Callable[[], Awaitable[Sequence[Sweep]]], channel: ChannelId) -> float:
        while True:
            sweep = (await read())[-1]
            if abs(sweep[channel].current_a) > 0.5 * self.cell.current_a:
                return sweep.taken_s
            await asyncio.sleep(0.05)


def _number(value: float | None) -> float:
    assert value is not None and math.isfinite(value)
    return value
