"""`ChamberContract`: every promise of a thermal chamber's driver."""

import asyncio

import pytest

from cycler.contract.errors import DeviceError
from cycler.contract.suite.device_troubles import ChamberTroubles
from cycler.contract.suite.scenario import At, commissioned_device, timed
from cycler.contract.suite.subject import ChamberSubject

SLACK_K = 1.0  # of the air around its set value
STEP_K = 10.0
FOLLOW_S = 3600.0  # within which the air has followed a step, far slower chambers included
SETTLE_S = 900.0


class ChamberContract(ChamberTroubles):
    """Inherit it, name the class `Test…`, and say in `make_subject` how driver and device are made."""

    def make_subject(self) -> ChamberSubject:
        """A fresh one with each call."""
        raise NotImplementedError

    def test_connecting_reading_and_closing_change_nothing(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            before = subject.settings()
            driver = subject.open()
            await driver.connect()
            await driver.read()
            await driver.aclose()
            await driver.aclose()
            assert subject.settings() == before

        subject.run(scenario())

    def test_the_air_follows_a_target_which_is_read_back(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            begin_degc = (await driver.read()).air_degc
            target_degc = begin_degc + STEP_K
            await driver.set_target(temperature_degc=target_degc, rate_k_per_min=None)
            begin_s = asyncio.get_running_loop().time()
            shown = await driver.read()
            assert shown.target_degc == pytest.approx(target_degc)
            assert begin_s <= shown.taken_s <= asyncio.get_running_loop().time()
            assert shown.taken_utc.tzinfo is not None
            await asyncio.sleep(FOLLOW_S)
            assert (await driver.read()).air_degc == pytest.approx(target_degc, abs=SLACK_K)
            assert subject.air_degc() == pytest.approx(target_degc, abs=SLACK_K)
            await driver.aclose()

        subject.run(scenario())

    def test_a_rate_is_kept_or_refused(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            begin_degc, rate_k_per_min = subject.air_degc(), driver.capabilities.rate_k_per_min_max / 4.0
            if not rate_k_per_min:
                before = subject.settings()
                with pytest.raises(DeviceError):
                    await driver.set_target(temperature_degc=begin_degc + STEP_K, rate_k_per_min=0.5)
                assert subject.settings() == before
                await driver.aclose()
                return
            await driver.set_target(temperature_degc=begin_degc + STEP_K, rate_k_per_min=rate_k_per_min)
            half_way_s = 30.0 * STEP_K / rate_k_per_min
            await asyncio.sleep(half_way_s)
            assert subject.air_degc() <= begin_degc + STEP_K / 2.0 + SLACK_K
            await asyncio.sleep(half_way_s + SETTLE_S)
            assert subject.air_degc() == pytest.approx(begin_degc + STEP_K, abs=SLACK_K)
            await driver.aclose()

        subject.run(scenario())

    def test_a_target_outside_its_range_is_an_error_and_nothing_moves(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            before = subject.settings()
            able = driver.capabilities
            for target_degc in (able.temperature_degc_max + 1.0, able.temperature_degc_min - 1.0, float("nan")):
                with pytest.raises(DeviceError):
                    await driver.set_target(temperature_degc=target_degc, rate_k_per_min=None)
            assert subject.settings() == before
            await driver.aclose()

        subject.run(scenario())

    def test_its_own_limits_are_what_was_ordered(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            air_degc = subject.air_degc()
            await driver.set_limits(temperature_degc_min=air_degc - 15.0, temperature_degc_max=air_degc + 15.0)
            assert subject.limits_degc() == pytest.approx((air_degc - 15.0, air_degc + 15.0), abs=0.1)
            with pytest.raises(DeviceError):
                await driver.set_limits(temperature_degc_min=air_degc, temperature_degc_max=air_degc - 5.0)
            assert subject.limits_degc() == pytest.approx((air_degc - 15.0, air_degc + 15.0), abs=0.1)
            await driver.aclose()

        subject.run(scenario())

    def test_an_order_that_the_chamber_does_not_carry_out_is_an_error(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            subject.ignore_orders()
            with pytest.raises(DeviceError):
                await driver.set_target(temperature_degc=subject.air_degc() + STEP_K, rate_k_per_min=None)
            with pytest.raises(DeviceError):
                await driver.make_safe()
            await driver.aclose()

        subject.run(scenario())

    def test_an_off_at_any_transaction_of_a_target_leaves_the_chamber_off_for_good(self) -> None:
        transactions = self._count_transactions()
        for number in range(transactions + 2):
            subject = self.make_subject()
            overtaken = subject.run(self._overtake(subject, number))
            assert overtaken or number >= transactions, f"off at transaction {number} of {transactions}"

    def test_off_is_legal_in_every_state_and_ends_the_heating(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            await driver.make_safe()
            await driver.set_target(temperature_degc=subject.air_degc() + 3.0 * STEP_K, rate_k_per_min=None)
            await asyncio.sleep(SETTLE_S / 3.0)
            warm_degc = subject.air_degc()
            await driver.make_safe()
            await driver.make_safe()
            await asyncio.sleep(SETTLE_S)
            assert subject.air_degc() <= warm_degc + SLACK_K
            await driver.aclose()

        subject.run(scenario())

    def test_a_new_host_finds_the_target_as_it_was_left_and_the_chamber_running(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            target_degc = subject.air_degc() + STEP_K
            await driver.set_target(temperature_degc=target_degc, rate_k_per_min=None)
            await driver.aclose()
            before = subject.settings()
            successor = await commissioned_device(subject.open())
            assert (await successor.read()).target_degc == pytest.approx(target_degc)
            assert subject.settings() == before
            await asyncio.sleep(FOLLOW_S)
            assert subject.air_degc() == pytest.approx(target_degc, abs=SLACK_K)
            await successor.aclose()

        subject.run(scenario())

    @pytest.mark.parametrize("name", ["connect", "commission", "read", "make_safe"])
    def test_a_call_that_nobody_answers_ends_in_its_time_with_an_error(self, name: str) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            subject.unplug()
            took_s, error = await timed(getattr(driver, name)())
            assert took_s <= subject.call_s_max
            assert isinstance(error, DeviceError)
            await driver.aclose()

        subject.run(scenario())

    def _count_transactions(self) -> int:
        subject = self.make_subject()

        async def scenario() -> int:
            driver = await commissioned_device(subject.open())
            counter = At(0, lambda: None)
            subject.watch(counter)
            await driver.set_target(temperature_degc=subject.air_degc() + 3.0 * STEP_K, rate_k_per_min=None)
            await driver.aclose()
            return counter.count

        return subject.run(scenario())

    async def _overtake(self, subject: ChamberSubject, number: int) -> bool:
        """Whether the target was answered with an error."""
        driver = await commissioned_device(subject.open())
        begin_degc = subject.air_degc()
        offs: list[asyncio.Task[None]] = []

        def off() -> None:
            offs.append(asyncio.ensure_future(driver.make_safe()))

        subject.watch(At(number, off))
        target_degc = begin_degc + 3.0 * STEP_K
        setting = asyncio.ensure_future(timed(driver.set_target(temperature_degc=target_degc, rate_k_per_min=None)))
        if number == 0:
            off()  # it begins first, and nothing of it has been answered
        _, error = await setting
        if not offs:
            off()
        await asyncio.gather(*offs)
        await asyncio.sleep(SETTLE_S)
        assert subject.air_degc() <= begin_degc + SLACK_K
        await driver.aclose()
        return error is not None
