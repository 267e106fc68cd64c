"""Thermometers, chambers and digital lines in trouble."""

import asyncio

import pytest

from cycler.contract.devices import DigitalIo, TemperatureInput
from cycler.contract.errors import DeviceError
from cycler.contract.suite.scenario import commissioned_device
from cycler.contract.suite.subject import ChamberSubject, DigitalIoSubject, TemperatureSubject
from cycler.contract.suite.troubles import MOMENTS, ROUNDS, TRIES, Moment, TroublePromises, again, begin, endured

NEW_S = 5.0  # a module may measure in its own rhythm, and a sensor lags
JUMP_K = 10.0
SLACK_K = 1.0  # of a chamber's own thermometer
PAUSE_S = 0.5
SETTLE_S = 900.0


class TemperatureTroubles(TroublePromises):
    """A thermometer module in trouble."""

    def make_subject(self) -> TemperatureSubject:
        """A fresh one with each call."""
        raise NotImplementedError

    def test_a_reading_is_right_or_an_error(self, trouble: str) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            assert await self._look(subject, driver, 1)
            end, number = begin(subject, trouble), 0
            for number in range(ROUNDS):
                await self._look(subject, driver, number)
            end()
            while not await self._look(subject, driver, number):
                number += 1
                assert number < ROUNDS + TRIES, "all is well again, and yet nothing can be read"
            for number in range(ROUNDS):
                assert await self._look(subject, driver, number)
            await driver.aclose()

        subject.run(scenario())

    async def _look(self, subject: TemperatureSubject, driver: TemperatureInput, number: int) -> bool:
        """Whether there was something to see. Every sensor jumps, so that a reading of before would be a wrong one."""
        expected = []
        for row, channel in enumerate(driver.capabilities.channels):
            expected.append(20.0 + row + JUMP_K * (number % 2))
            subject.set_temperature(channel, expected[-1])
        await asyncio.sleep(NEW_S)
        shown = await endured(subject, driver.read())
        if isinstance(shown, DeviceError):
            return False
        assert list(shown.temperature_degc) == pytest.approx(expected, abs=driver.capabilities.accuracy_k)
        return True


class ChamberTroubles(TroublePromises):
    """A chamber in trouble."""

    def make_subject(self) -> ChamberSubject:
        """A fresh one with each call."""
        raise NotImplementedError

    def test_a_reading_is_right_or_an_error(self, trouble: str) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            target_degc = subject.air_degc() + JUMP_K
            await driver.set_target(temperature_degc=target_degc, rate_k_per_min=None)
            await driver.read()
            end = begin(subject, trouble)
            for _ in range(ROUNDS):
                await asyncio.sleep(SETTLE_S / ROUNDS)
                before_degc = subject.air_degc()
                shown = await endured(subject, driver.read())
                if not isinstance(shown, DeviceError):
                    low_degc, high_degc = sorted((before_degc, subject.air_degc()))
                    assert low_degc - SLACK_K <= shown.air_degc <= high_degc + SLACK_K
                    assert shown.target_degc == pytest.approx(target_degc)
            end()
            await again(subject, driver.read)
            assert (await driver.read()).air_degc == pytest.approx(subject.air_degc(), abs=SLACK_K)
            await driver.aclose()

        subject.run(scenario())

    def test_a_target_is_set_or_an_error(self, trouble: str) -> None:
        for number in MOMENTS:
            subject = self.make_subject()
            subject.run(self._set_target_in_trouble(subject, trouble, number))

    def test_an_off_is_confirmed_or_an_error(self, trouble: str) -> None:
        for number in MOMENTS:
            subject = self.make_subject()
            subject.run(self._switch_off_in_trouble(subject, trouble, number))

    async def _set_target_in_trouble(self, subject: ChamberSubject, trouble: str, number: int) -> None:
        driver = await commissioned_device(subject.open())
        before_degc = (await driver.read()).target_degc
        target_degc = subject.air_degc() + JUMP_K
        moment = Moment(subject, trouble, number)
        answer = await endured(subject, driver.set_target(temperature_degc=target_degc, rate_k_per_min=None))
        moment.is_over()
        shown_degc = (await again(subject, driver.read)).target_degc
        if trouble != "restart":
            possible_degc = [target_degc] if answer is None else [target_degc, before_degc]
            assert any(shown_degc == pytest.approx(degc) for degc in possible_degc)
        await again(subject, lambda: driver.set_target(temperature_degc=target_degc, rate_k_per_min=None))
        assert (await driver.read()).target_degc == pytest.approx(target_degc)
        await driver.aclose()

    async def _switch_off_in_trouble(self, subject: ChamberSubject, trouble: str, number: int) -> None:
        driver = await commissioned_device(subject.open())
        target_degc = subject.air_degc() + 3.0 * JUMP_K
        await driver.set_target(temperature_degc=target_degc, rate_k_per_min=None)
        await asyncio.sleep(SETTLE_S / 3.0)
        moment = Moment(subject, trouble, number)
        answer = await endured(subject, driver.make_safe())
        if answer is None:
            warm_degc = subject.air_degc()
            await asyncio.sleep(SETTLE_S)
            assert subject.air_degc() <= warm_degc + SLACK_K
        moment.is_over()
        await again(subject, driver.make_safe)
        await driver.aclose()


class DigitalIoTroubles(TroublePromises):
    """A digital I/O module in trouble."""

    def make_subject(self) -> DigitalIoSubject:
        """A fresh one with each call."""
        raise NotImplementedError

    def test_a_reading_is_right_or_an_error(self, trouble: str) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            assert await self._look(subject, driver, 1)
            end, number = begin(subject, trouble), 0
            for number in range(ROUNDS):
                await self._look(subject, driver, number)
            end()
            while not await self._look(subject, driver, number):
                number += 1
                assert number < ROUNDS + TRIES, "all is well again, and yet nothing can be read"
            for number in range(ROUNDS):
                assert await self._look(subject, driver, number)
            await driver.aclose()

        subject.run(scenario())

    def test_outputs_are_as_written_or_it_is_an_error(self, trouble: str) -> None:
        for number in MOMENTS:
            subject = self.make_subject()
            subject.run(self._write_in_trouble(subject, trouble, number))

    def test_an_off_is_confirmed_or_an_error(self, trouble: str) -> None:
        for number in MOMENTS:
            subject = self.make_subject()
            subject.run(self._switch_off_in_trouble(subject, trouble, number))

    async def _look(self, subject: DigitalIoSubject, driver: DigitalIo, number: int) -> bool:
        """Whether there was something to see. Every input moves, so that a reading of before would be a wrong one."""
        expected = {line: bool(number % 2) for line in driver.capabilities.inputs}
        for line, high in expected.items():
            subject.set_input(line, high)
        await asyncio.sleep(PAUSE_S)
        shown = await endured(subject, driver.read())
        if isinstance(shown, DeviceError):
            return False
        assert shown.inputs == expected
        assert not any(shown.outputs.values())
        return True

    async def _write_in_trouble(self, subject: DigitalIoSubject, trouble: str, number: int) -> None:
        driver = await commissioned_device(subject.open())
        outputs = driver.capabilities.outputs
        moment = Moment(subject, trouble, number)
        answer = await endured(subject, driver.write({outputs[0]: True}))
        if answer is None and trouble != "restart":
            assert subject.output(outputs[0])
        assert not any(subject.output(line) for line in outputs[1:])
        moment.is_over()
        await again(subject, driver.make_safe)
        assert not any(subject.output(line) for line in outputs)
        await driver.aclose()

    async def _switch_off_in_trouble(self, subject: DigitalIoSubject, trouble: str, number: int) -> None:
        driver = await commissioned_device(subject.open())
        outputs = driver.capabilities.outputs
        await driver.write(dict.fromkeys(outputs, True))
        moment = Moment(subject, trouble, number)
        if await endured(subject, driver.make_safe()) is None:
            assert not any(subject.output(line) for line in outputs)
        moment.is_over()
        await again(subject, driver.make_safe)
        assert not any(subject.output(line) for line in outputs)
        await driver.aclose()
