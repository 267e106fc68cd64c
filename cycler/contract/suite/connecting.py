"""Coming and going: connect, adopt and aclose change nothing, and nothing switches on by itself."""

import asyncio

import pytest

from cycler.contract.devices import CyclerDriver
from cycler.contract.errors import DeviceError, DeviceFault
from cycler.contract.order import Applied
from cycler.contract.suite.scenario import CyclerPromises, commissioned, first, live, slack_a, timed
from cycler.contract.suite.subject import CyclerSubject

RUN_S = 1.0
AFTER_RESTART_S = 5.0


class ConnectingPromises(CyclerPromises):
    """connect, adopt, commission, acknowledge, aclose."""

    def test_a_fresh_device_is_left_as_it_is_by_connecting(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            before = subject.settings()
            driver = subject.open()
            await driver.connect()
            await driver.adopt()
            await driver.read()
            assert subject.settings() == before
            await driver.aclose()
            await asyncio.sleep(0.1)
            assert subject.settings() == before

        subject.run(scenario())

    def test_a_new_host_finds_a_running_channel_and_leaves_it_running(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await self._running(subject)
            channel = first(driver)
            before, flowing_a = subject.settings(), subject.output(channel).current_a
            await driver.aclose()
            successor = subject.open()
            await successor.connect()
            running = (await successor.adopt())[channel]
            await successor.read()
            assert subject.settings() == before
            assert subject.output(channel).closed
            assert abs(subject.output(channel).current_a - flowing_a) <= slack_a(driver)
            assert running.energised
            assert running.regulation != "off"
            assert running.order_id == (1 if driver.capabilities.order_id_kept else 0)
            # A device that ends its orders by itself knows how long they run; one that only holds set values does not.
            if driver.capabilities.autonomous and driver.capabilities.ends:
                assert running.step_time_s is not None and running.step_time_s >= 0.9 * RUN_S
            await successor.make_safe([channel])
            assert not subject.output(channel).closed
            await successor.aclose()

        subject.run(scenario())

    def test_alarms_stay_set_until_they_are_acknowledged(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await self._running(subject)
            channel = first(driver)
            subject.raise_alarm(channel)
            await asyncio.sleep(0.1)
            await driver.aclose()
            successor = subject.open()
            await successor.connect()
            await successor.adopt()
            await live(successor, 1.0)
            await successor.make_safe([channel])
            assert subject.has_alarm(channel)
            await successor.acknowledge([channel])
            assert not subject.has_alarm(channel)
            assert not subject.output(channel).closed
            await successor.aclose()

        subject.run(scenario())

    def test_closing_leaves_the_device_as_it_is_and_may_be_repeated(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            await subject.open().aclose()  # never connected
            driver = await self._running(subject)
            before = subject.settings()
            await driver.aclose()
            await driver.aclose()
            await asyncio.sleep(0.1)
            assert subject.settings() == before
            assert subject.output(first(driver)).closed

        subject.run(scenario())

    def test_commissioning_is_refused_while_an_output_is_on(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await self._running(subject)
            with pytest.raises(DeviceFault):
                await driver.commission()
            assert subject.output(first(driver)).closed
            await driver.make_safe([first(driver)])
            await driver.aclose()

        subject.run(scenario())

    def test_after_the_device_restarted_everything_stays_off(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await self._running(subject)
            channel = first(driver)
            await subject.restart()
            assert not subject.output(channel).closed
            await timed(driver.read())  # its connection may have broken
            await driver.aclose()
            await self._come_back(subject)

        subject.run(scenario())

    def test_after_the_watchdog_opened_it_an_output_stays_off(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await self._running(subject)
            watchdog = driver.capabilities.watchdog
            if watchdog is not None and watchdog.watches == "host":
                subject.unplug()
                await asyncio.sleep(2.0 * watchdog.timeout_s)
                subject.plug()
                await driver.aclose()
                await self._come_back(subject)
            await driver.aclose()

        subject.run(scenario())

    def test_a_setting_that_switches_on_by_itself_is_refused(self) -> None:
        for name in self.make_subject().reenergising():
            subject = self.make_subject()
            subject.run(self._refuse(subject, name))

    async def _running(self, subject: CyclerSubject) -> CyclerDriver:
        driver = await commissioned(subject, self.cell)
        answer = (await driver.apply({first(driver): self.charge(1)}))[first(driver)]
        assert isinstance(answer, Applied)
        await live(driver, RUN_S)
        assert subject.output(first(driver)).closed
        return driver

    async def _come_back(self, subject: CyclerSubject) -> None:
        """Everything that a host does when it has lost a device, short of an order."""
        driver = subject.open()
        await driver.connect()
        channel = first(driver)

        def look() -> None:
            assert not subject.output(channel).closed

        running = (await driver.adopt())[channel]
        look()
        assert not running.energised
        assert running.order_id == 0
        await live(driver, 1.0, look)
        await driver.make_safe([channel])
        look()
        await timed(driver.acknowledge([channel]))  # a device may refuse it before it is commissioned
        look()
        await driver.commission()
        await live(driver, AFTER_RESTART_S, look)
        await driver.aclose()

    async def _refuse(self, subject: CyclerSubject, name: str) -> None:
        subject.reenergising()[name]()
        driver = subject.open()
        await driver.connect()
        try:
            await driver.commission()
        except DeviceError:
            assert not subject.output(first(driver)).closed
        else:
            pytest.fail(f"commission accepts {name}")
        finally:
            await driver.aclose()
