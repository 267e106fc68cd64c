"""`TemperatureContract`: every promise of a thermometer module's driver."""

import asyncio
import math

import pytest

from cycler.contract.errors import DeviceError
from cycler.contract.suite.device_troubles import TemperatureTroubles
from cycler.contract.suite.scenario import commissioned_device, timed
from cycler.contract.suite.subject import TemperatureSubject

NEW_S = 5.0  # a module may measure in its own rhythm, and a sensor lags


class TemperatureContract(TemperatureTroubles):
    """Inherit it, name the class `Test…`, and say in `make_subject` how driver and device are made."""

    def make_subject(self) -> TemperatureSubject:
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

    def test_each_input_shows_its_own_sensor(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            channels = driver.capabilities.channels
            for number, channel in enumerate(channels):
                subject.set_temperature(channel, 20.0 + number)
            await asyncio.sleep(NEW_S)
            begin_s = asyncio.get_running_loop().time()
            shown = await driver.read()
            assert begin_s <= shown.taken_s <= asyncio.get_running_loop().time()
            assert shown.taken_utc.tzinfo is not None
            assert shown.channels == channels
            expected = [20.0 + number for number in range(len(channels))]
            assert list(shown.temperature_degc) == pytest.approx(expected, abs=driver.capabilities.accuracy_k)
            await driver.aclose()

        subject.run(scenario())

    def test_a_broken_sensor_shows_no_number_and_the_others_go_on(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            broken, *others = driver.capabilities.channels
            for channel in others:
                subject.set_temperature(channel, 30.0)
            subject.set_temperature(broken, None)
            await asyncio.sleep(NEW_S)
            shown = (await driver.read()).temperature_degc
            assert math.isnan(shown[0])
            assert list(shown[1:]) == pytest.approx([30.0] * len(others), abs=driver.capabilities.accuracy_k)
            await driver.aclose()

        subject.run(scenario())

    @pytest.mark.parametrize("name", ["connect", "commission", "read"])
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
