"""A cycler in trouble."""

import asyncio
import math

from cycler.contract.devices import CyclerDriver
from cycler.contract.errors import DeviceError
from cycler.contract.order import Applied
from cycler.contract.suite.scenario import (
    LOOK_S,
    Bounds,
    CyclerPromises,
    commissioned,
    first,
    live,
    rest,
    slack_a,
    slack_v,
)
from cycler.contract.suite.subject import CyclerSubject, Output
from cycler.contract.suite.troubles import MOMENTS, ROUNDS, TRIES, Moment, TroublePromises, again, begin, endured
from cycler.contract.sweep import ChannelId, Reading

STATES = ("off", "charging", "at the clamp", "discharging", "resting")
JUMP_V = 0.2
EDGE_V = 0.02
AT_CLAMP_S = 6.0  # by then the cell has reached it
PAUSE_S = 0.5
STARTS_S = 3.0  # within which an order that was carried out shows at the output


class CyclerTroubles(CyclerPromises, TroublePromises):
    """A cycler in trouble."""

    def test_a_sweep_tells_the_truth_or_is_an_error(self, trouble: str) -> None:
        for state in STATES:
            subject = self.make_subject()
            subject.run(self._sweep_in_trouble(subject, trouble, state))

    def test_an_off_is_confirmed_or_an_error(self, trouble: str) -> None:
        for place, state in enumerate(STATES):
            subject = self.make_subject()
            subject.run(self._switch_off_in_trouble(subject, trouble, state, MOMENTS[place % len(MOMENTS)]))

    def test_an_order_is_carried_out_or_an_error_and_can_be_switched_off(self, trouble: str) -> None:
        for place, state in enumerate(STATES):
            subject = self.make_subject()
            subject.run(self._order_in_trouble(subject, trouble, state, MOMENTS[-1 - place % len(MOMENTS)]))

    def test_a_host_that_comes_finds_the_same_device_or_an_error(self, trouble: str) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned(subject, self.cell)
            capabilities, identity = driver.capabilities, await driver.connect()
            await driver.aclose()
            end = begin(subject, trouble)
            successor = subject.open()
            for _ in range(ROUNDS):
                found = await endured(subject, successor.connect())
                if not isinstance(found, DeviceError):
                    assert found == identity
                    assert successor.capabilities.range == capabilities.range
                    await endured(subject, successor.adopt())
                    await endured(subject, successor.commission())
            end()
            assert await again(subject, successor.connect) == identity
            await again(subject, successor.commission)
            assert successor.capabilities.range == capabilities.range
            assert not subject.output(first(successor)).closed
            await successor.aclose()

        subject.run(scenario())

    async def _in_state(self, subject: CyclerSubject, state: str) -> CyclerDriver:
        """A driver whose first channel does that."""
        driver = await commissioned(subject, self.cell)
        channel, wait_s = first(driver), driver.capabilities.start_delay_s + PAUSE_S
        if state == "at the clamp":
            subject.place(channel, self.cell.voltage_v_max - EDGE_V)
            wait_s += AT_CLAMP_S
        if state in ("charging", "at the clamp", "resting"):
            await driver.apply({channel: self.charge(1)})
        if state == "discharging":
            await driver.apply({channel: self.discharge(1)})
        if state == "resting":
            await driver.apply({channel: rest(2)})
        await live(driver, wait_s)
        return driver

    async def _sweep_in_trouble(self, subject: CyclerSubject, trouble: str, state: str) -> None:
        driver = await self._in_state(subject, state)
        end, number = begin(subject, trouble), 0
        for number in range(ROUNDS):
            await self._look(subject, driver, number)
        end()
        while not await self._look(subject, driver, number):
            number += 1
            assert number < ROUNDS + TRIES, "all is well again, and yet nothing can be read"
        for number in range(ROUNDS):
            assert await self._look(subject, driver, number)
        await driver.make_safe([first(driver)])
        await driver.aclose()

    async def _look(self, subject: CyclerSubject, driver: CyclerDriver, number: int) -> bool:
        """Whether there was something to see. The cell jumps, so that a reading of before would be a wrong one."""
        channel = first(driver)
        subject.place(channel, self.cell.voltage_v_mid + JUMP_V * (number % 2 - 0.5))
        await asyncio.sleep(PAUSE_S)
        before = subject.output(channel)
        sweeps = await endured(subject, driver.read())
        if isinstance(sweeps, DeviceError):
            return False
        _check(driver, sweeps[-1][channel], before, subject.output(channel))
        return True

    async def _switch_off_in_trouble(self, subject: CyclerSubject, trouble: str, state: str, number: int) -> None:
        driver = await self._in_state(subject, state)
        channel = first(driver)
        moment = Moment(subject, trouble, number)
        if await endured(subject, driver.make_safe([channel])) is None:
            assert not subject.output(channel).closed
        moment.is_over()
        await self._stays_off(subject, driver)

    async def _order_in_trouble(self, subject: CyclerSubject, trouble: str, state: str, number: int) -> None:
        driver = await self._in_state(subject, state)
        channel, order = first(driver), self.charge(3)
        bounds = Bounds.of(order, self.discharge(1) if state == "discharging" else None)
        moment = Moment(subject, trouble, number)
        began_s = asyncio.get_running_loop().time()
        answer = (await driver.apply({channel: order}))[channel]
        assert asyncio.get_running_loop().time() - began_s <= subject.call_s_max
        assert isinstance(answer, Applied | DeviceError)
        closed = await _closes(subject, channel)
        bounds.check(subject.output(channel), slack_a=slack_a(driver), slack_v=slack_v(driver))
        sweeps = await endured(subject, driver.read())
        if not isinstance(sweeps, DeviceError) and sweeps[-1][channel].order_id == order.order_id:
            assert isinstance(answer, Applied)
            assert closed
        moment.is_over()
        await self._stays_off(subject, driver)

    async def _stays_off(self, subject: CyclerSubject, driver: CyclerDriver) -> None:
        """All is well again: it can be switched off, and nothing comes on by itself."""
        channel = first(driver)
        await again(subject, lambda: driver.make_safe([channel]))
        assert not subject.output(channel).closed
        await again(subject, driver.read)
        await live(driver, STARTS_S)
        assert not subject.output(channel).closed
        await driver.aclose()


async def _closes(subject: CyclerSubject, channel: ChannelId) -> bool:
    """Within the time that an order may take to show."""
    for _ in range(int(STARTS_S / LOOK_S)):
        if subject.output(channel).closed:
            return True
        await asyncio.sleep(LOOK_S)
    return False


def _check(driver: CyclerDriver, shown: Reading, before: Output, now: Output) -> None:
    """It lies between what was true before and what is true now."""
    if math.isnan(shown.voltage_v):
        assert driver.capabilities.rest != "relay-open"  # else it reads with the relay open too
        assert not (before.closed and now.closed)
        return
    low_v, high_v = sorted((before.voltage_v, now.voltage_v))
    low_a, high_a = sorted((before.current_a, now.current_a))
    assert low_v - slack_v(driver) <= shown.voltage_v <= high_v + slack_v(driver)
    assert low_a - slack_a(driver) <= shown.current_a <= high_a + slack_a(driver)
