"""The host falls silent, or the device does."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from cycler.contract.devices import CyclerDriver
from cycler.contract.errors import DeviceError
from cycler.contract.order import Direction, Order
from cycler.contract.suite.scenario import (
    Bounds,
    CyclerPromises,
    commissioned,
    first,
    live,
    pass_silently,
    slack_a,
    slack_v,
    timed,
)

EDGE_V = 0.03
AT_CLAMP_S = 8.0  # by then the cell has reached it
SILENT_S = 120.0
WATCHDOG_SLACK_S = 0.5

CALLS: dict[str, Callable[[CyclerDriver, Order], Coroutine[Any, Any, object]]] = {
    "connect": lambda driver, order: driver.connect(),
    "adopt": lambda driver, order: driver.adopt(),
    "commission": lambda driver, order: driver.commission(),
    "read": lambda driver, order: driver.read(),
    "make_safe": lambda driver, order: driver.make_safe([first(driver)]),
    "acknowledge": lambda driver, order: driver.acknowledge([first(driver)]),
}


class SilencePromises(CyclerPromises):
    """What happens when nobody answers."""

    @pytest.mark.parametrize("direction", ["charge", "discharge"])
    def test_with_a_silent_host_the_cell_never_passes_its_clamp(self, direction: Direction) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned(subject, self.cell)
            channel = first(driver)
            order, edge_v = self._order(direction)
            subject.place(channel, edge_v)
            await driver.apply({channel: order})
            bounds = Bounds.of(order)

            def look() -> None:
                bounds.check(subject.output(channel), slack_a=slack_a(driver), slack_v=slack_v(driver))

            await live(driver, AT_CLAMP_S, look)
            subject.unplug()
            await pass_silently(SILENT_S, look)
            await driver.aclose()

        subject.run(scenario())

    @pytest.mark.parametrize("direction", ["charge", "discharge"])
    def test_the_host_watchdog_opens_the_output_in_its_time_and_not_before(self, direction: Direction) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned(subject, self.cell)
            channel = first(driver)
            watchdog = driver.capabilities.watchdog
            await driver.apply({channel: self._order(direction)[0]})
            if watchdog is not None and watchdog.watches == "host":
                await live(driver, 3.0 * watchdog.timeout_s, lambda: _check_closed(subject.output(channel).closed))
                await driver.read()
                subject.unplug()
                await asyncio.sleep(0.5 * watchdog.timeout_s)
                assert subject.output(channel).closed
                await asyncio.sleep(0.5 * watchdog.timeout_s + WATCHDOG_SLACK_S)
                assert not subject.output(channel).closed
            elif driver.capabilities.autonomous:
                subject.unplug()
                await asyncio.sleep(SILENT_S / 4.0)
                assert subject.output(channel).closed
            await driver.aclose()

        subject.run(scenario())

    @pytest.mark.parametrize("name", CALLS)
    def test_a_call_that_nobody_answers_ends_in_its_time_with_an_error(self, name: str) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned(subject, self.cell)
            subject.unplug()
            took_s, error = await timed(CALLS[name](driver, self._order("charge")[0]))
            assert took_s <= subject.call_s_max
            assert isinstance(error, DeviceError)
            await driver.aclose()

        subject.run(scenario())

    def test_an_order_that_nobody_answers_ends_in_its_time_with_an_error_for_each_channel(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned(subject, self.cell)
            subject.unplug()
            order = self._order("charge")[0]
            begin_s = asyncio.get_running_loop().time()
            answers = await driver.apply(dict.fromkeys(driver.capabilities.channels, order))
            assert asyncio.get_running_loop().time() - begin_s <= subject.call_s_max
            assert answers.keys() == set(driver.capabilities.channels)
            assert all(isinstance(answer, DeviceError) for answer in answers.values())
            await driver.aclose()

        subject.run(scenario())

    def test_a_driver_whose_wire_comes_back_works_again_and_nothing_comes_on_by_itself(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned(subject, self.cell)
            channel = first(driver)
            await driver.apply({channel: self._order("charge")[0]})
            await driver.make_safe([channel])
            subject.unplug()
            await timed(driver.apply({channel: self._order("charge")[0]}))
            subject.plug()
            await _until_it_answers(driver)
            await live(driver, 3.0, lambda: _check_closed(not subject.output(channel).closed))
            await driver.make_safe([channel])
            await driver.aclose()

        subject.run(scenario())

    def _order(self, direction: Direction) -> tuple[Order, float]:
        """The order, and the voltage of a cell that soon reaches its clamp."""
        if direction == "charge":
            return self.charge(1), self.cell.voltage_v_max - EDGE_V
        return self.discharge(1), self.cell.voltage_v_min + EDGE_V


def _check_closed(closed: bool) -> None:
    assert closed


async def _until_it_answers(driver: CyclerDriver) -> None:
    """A driver may need some tries after a loss, each of them an error."""
    for _ in range(10):
        _, error = await timed(driver.read())
        if error is None:
            return
        await asyncio.sleep(1.0)
    pytest.fail("the wire is whole again, the driver does not answer")
