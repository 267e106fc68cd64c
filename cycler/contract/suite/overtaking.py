"""Off comes first: whatever is under way when make_safe is called, its channels end open and stay open."""

import asyncio

import pytest

from cycler.contract.devices import CyclerDriver
from cycler.contract.errors import DeviceError
from cycler.contract.order import Applied, Order, Overtaken
from cycler.contract.suite.scenario import At, CyclerPromises, commissioned, first, live
from cycler.contract.suite.subject import CyclerSubject

SETTLE_S = 3.0


class OvertakingPromises(CyclerPromises):
    """make_safe."""

    @pytest.mark.parametrize("running", [False, True], ids=["from off", "from charge"])
    def test_an_off_at_any_transaction_of_an_order_leaves_the_output_open_for_good(self, running: bool) -> None:
        transactions = self._count_transactions(running)
        for number in range(transactions + 2):
            subject = self.make_subject()
            overtaken = subject.run(self._overtake(subject, number, running))
            assert overtaken or number >= transactions, f"off at transaction {number} of {transactions}"

    def test_an_off_of_one_channel_leaves_the_others_of_its_batch_alone(self) -> None:
        for number in range(12):
            subject = self.make_subject()
            subject.run(self._overtake_one_of_many(subject, number))

    def test_off_is_legal_in_every_state_and_as_often_as_you_like(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = subject.open()
            await driver.connect()
            channels = driver.capabilities.channels
            await driver.make_safe(channels)  # not commissioned yet
            await driver.commission()
            await driver.make_safe(channels)  # off already
            await driver.make_safe([])
            for order_id in (1, 2):
                subject.place(first(driver), self.cell.voltage_v_mid)
                answers = await driver.apply({first(driver): self.charge(order_id)})
                assert isinstance(answers[first(driver)], Applied)
                await asyncio.gather(driver.read(), *(driver.make_safe(channels) for _ in range(3)), driver.read())
                assert not subject.output(first(driver)).closed
            await driver.make_safe(channels)
            await driver.aclose()

        subject.run(scenario())

    def test_an_off_needs_no_connect_before_it(self) -> None:
        """Whoever opens what a dead host has left on may find a device that answers little else."""
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned(subject, self.cell)
            channels = driver.capabilities.channels
            await driver.apply({channel: self.charge(number) for number, channel in enumerate(channels, 1)})
            assert all(subject.output(channel).closed for channel in channels)
            await driver.aclose()
            successor = subject.open()
            await successor.make_safe(channels[:1])
            assert [subject.output(channel).closed for channel in channels] == [False] + [True] * (len(channels) - 1)
            await successor.make_safe(channels)
            assert not any(subject.output(channel).closed for channel in channels)
            await successor.aclose()

        subject.run(scenario())

    def test_an_off_that_the_device_does_not_carry_out_is_an_error(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned(subject, self.cell)
            await driver.apply({first(driver): self.charge(1)})
            subject.ignore_offs()
            with pytest.raises(DeviceError):
                await driver.make_safe([first(driver)])
            assert subject.output(first(driver)).closed
            await driver.aclose()

        subject.run(scenario())

    def test_an_off_that_nobody_answers_is_an_error(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned(subject, self.cell)
            await driver.apply({first(driver): self.charge(1)})
            subject.unplug()
            with pytest.raises(DeviceError):
                await driver.make_safe([first(driver)])
            await driver.aclose()

        subject.run(scenario())

    def test_an_order_that_is_cancelled_on_its_way_can_still_be_switched_off(self) -> None:
        for number in range(1, self._count_transactions(running=False) + 1):
            subject = self.make_subject()
            subject.run(self._cancel(subject, number))

    async def _prepare(self, subject: CyclerSubject, running: bool) -> tuple[CyclerDriver, Order]:
        driver = await commissioned(subject, self.cell)
        if not running:
            return driver, self.charge(1)
        answers = await driver.apply({first(driver): self.charge(1)})
        assert isinstance(answers[first(driver)], Applied)
        return driver, self.discharge(2)

    def _count_transactions(self, running: bool) -> int:
        subject = self.make_subject()

        async def scenario() -> int:
            driver, order = await self._prepare(subject, running)
            counter = At(0, lambda: None)
            subject.watch(counter)
            answers = await driver.apply({first(driver): order})
            assert isinstance(answers[first(driver)], Applied)
            await driver.aclose()
            return counter.count

        return subject.run(scenario())

    async def _overtake(self, subject: CyclerSubject, number: int, running: bool) -> bool:
        driver, order = await self._prepare(subject, running)
        channel = first(driver)
        offs: list[asyncio.Task[None]] = []

        def off() -> None:
            offs.append(asyncio.ensure_future(driver.make_safe([channel])))

        subject.watch(At(number, off))
        applying = asyncio.ensure_future(driver.apply({channel: order}))
        if number == 0:
            await asyncio.sleep(0.0)  # the order has begun, nothing of it has arrived
            off()
        answer = (await applying)[channel]
        if not offs:
            off()
        await asyncio.gather(*offs)
        assert not subject.output(channel).closed
        await live(driver, SETTLE_S)
        assert not subject.output(channel).closed
        assert (await driver.read())[-1][channel].order_id == 0
        assert isinstance(answer, Applied | Overtaken) and answer.order_id == order.order_id
        await driver.aclose()
        return isinstance(answer, Overtaken)

    async def _overtake_one_of_many(self, subject: CyclerSubject, number: int) -> None:
        driver = await commissioned(subject, self.cell)
        channels = driver.capabilities.channels
        victim, others = channels[0], channels[1:]
        offs: list[asyncio.Task[None]] = []
        subject.watch(At(number, lambda: offs.append(asyncio.ensure_future(driver.make_safe([victim])))))
        answers = await driver.apply({channel: self.charge(n) for n, channel in enumerate(channels, 1)})
        await asyncio.gather(*offs)
        assert answers.keys() == set(channels)
        assert isinstance(answers[victim], Applied | Overtaken)
        assert not (offs and subject.output(victim).closed)
        for channel in others:
            assert isinstance(answers[channel], Applied)
            assert subject.output(channel).closed
        await driver.make_safe(channels)
        await asyncio.gather(*offs)  # it may come as late as this
        await driver.aclose()

    async def _cancel(self, subject: CyclerSubject, number: int) -> None:
        driver = await commissioned(subject, self.cell)
        channel = first(driver)
        applying = asyncio.ensure_future(driver.apply({channel: self.charge(1)}))

        def cancel() -> None:
            applying.cancel()

        subject.watch(At(number, cancel))
        await asyncio.wait([applying])
        await driver.make_safe([channel])
        await live(driver, SETTLE_S)
        assert not subject.output(channel).closed
        await driver.aclose()
