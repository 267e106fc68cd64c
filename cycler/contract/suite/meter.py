"""`MeterContract`: every promise of a battery tester's driver."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

import pytest

from cycler.contract.devices import Measurement, Meter
from cycler.contract.errors import DeviceError, ProtocolError
from cycler.contract.suite.scenario import commissioned_device, timed
from cycler.contract.suite.subject import MeterSubject
from cycler.contract.suite.troubles import ROUNDS, TroublePromises, again, begin, endured
from cycler.contract.sweep import ChannelId

NOWHERE = ChannelId("no such channel")
PAUSE_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofReadings:
    """What is measured to prove a driver: well within its ranges, and far beyond them."""

    voltage_v: float = 3.6
    resistance_ohm: float = 0.02
    voltage_v_beyond: float = 1e3
    resistance_ohm_beyond: float = 1e6


class MeterContract(TroublePromises):
    """Inherit it, name the class `Test…`, and say in `make_subject` how driver and device are made."""

    readings = ProofReadings()

    def make_subject(self) -> MeterSubject:
        """A fresh one with each call."""
        raise NotImplementedError

    def test_connecting_and_closing_change_nothing(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            before = subject.settings()
            await subject.open().aclose()  # never connected
            driver = subject.open()
            await driver.connect()
            await driver.aclose()
            await driver.aclose()
            await asyncio.sleep(0.1)
            assert subject.settings() == before

        subject.run(scenario())

    def test_each_channel_shows_its_own_cell(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            channels = driver.capabilities.channels
            for number, channel in enumerate(channels):
                self._place(subject, channel, number)
            for number, channel in enumerate(channels):
                begin_s = asyncio.get_running_loop().time()
                shown = await driver.measure(channel, driver.capabilities.kinds)
                assert begin_s <= shown.taken_s <= asyncio.get_running_loop().time()
                assert shown.taken_utc.tzinfo is not None
                self._check(driver, shown, driver.capabilities.kinds, number)
            await driver.aclose()

        subject.run(scenario())

    def test_only_what_was_asked_for_is_told(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            channel = driver.capabilities.channels[0]
            self._place(subject, channel, 0)
            for kind in sorted(driver.capabilities.kinds):
                self._check(driver, await driver.measure(channel, {kind}), {kind}, 0)
            await driver.aclose()

        subject.run(scenario())

    def test_each_measurement_is_a_new_one(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            channel = driver.capabilities.channels[0]
            for number in range(4):
                self._place(subject, channel, number)
                kinds = driver.capabilities.kinds
                self._check(driver, await driver.measure(channel, kinds), kinds, number)
            await driver.aclose()

        subject.run(scenario())

    @pytest.mark.parametrize("beyond", ["ocv", "acir"])
    def test_what_lies_over_the_range_is_no_number(self, beyond: str) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            channel, readings = driver.capabilities.channels[0], self.readings
            subject.place(
                channel,
                voltage_v=readings.voltage_v_beyond if beyond == "ocv" else readings.voltage_v,
                resistance_ohm=readings.resistance_ohm_beyond if beyond == "acir" else readings.resistance_ohm,
            )
            shown = await driver.measure(channel, driver.capabilities.kinds)
            assert (shown.voltage_v is None) is (beyond == "ocv" or "ocv" not in driver.capabilities.kinds)
            assert (shown.resistance_ohm is None) is (beyond == "acir" or "acir" not in driver.capabilities.kinds)
            await driver.aclose()

        subject.run(scenario())

    def test_probes_that_touch_nothing_give_no_number(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            channel = driver.capabilities.channels[0]
            self._place(subject, channel, 0)
            await driver.measure(channel, driver.capabilities.kinds)
            subject.lift(channel)
            shown = await driver.measure(channel, driver.capabilities.kinds)
            assert shown.voltage_v is None and shown.resistance_ohm is None
            await driver.aclose()

        subject.run(scenario())

    def test_between_measurements_the_cells_are_at_rest(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            assert not subject.measuring_current_flows()
            await driver.measure(driver.capabilities.channels[0], driver.capabilities.kinds)
            assert not subject.measuring_current_flows()
            await driver.aclose()
            assert not subject.measuring_current_flows()

        subject.run(scenario())

    def test_a_channel_or_kind_that_is_not_there_is_an_error(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            with pytest.raises(ProtocolError):
                await driver.measure(NOWHERE, driver.capabilities.kinds)
            with pytest.raises(ProtocolError):
                await driver.measure(driver.capabilities.channels[0], {"colour"})  # type: ignore[arg-type]
            await driver.aclose()

        subject.run(scenario())

    def test_a_new_host_finds_the_instrument_as_it_was_left(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            before = subject.settings()
            await driver.aclose()
            successor = await commissioned_device(subject.open())
            assert subject.settings() == before
            await self._measures(subject, successor)
            await successor.aclose()

        subject.run(scenario())

    def test_after_the_device_restarted_it_measures_again_once_it_is_commissioned(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            await subject.restart()
            await timed(driver.measure(driver.capabilities.channels[0], driver.capabilities.kinds))
            await driver.aclose()
            successor = await commissioned_device(subject.open())
            await self._measures(subject, successor)
            await successor.aclose()

        subject.run(scenario())

    @pytest.mark.parametrize("name", ["connect", "commission", "measure"])
    def test_a_call_that_nobody_answers_ends_in_its_time_with_an_error(self, name: str) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            channel, kinds = driver.capabilities.channels[0], driver.capabilities.kinds
            subject.unplug()
            call = driver.measure(channel, kinds) if name == "measure" else getattr(driver, name)()
            took_s, error = await timed(call)
            assert took_s <= subject.call_s_max
            assert isinstance(error, DeviceError)
            await driver.aclose()

        subject.run(scenario())

    def test_a_driver_whose_wire_comes_back_works_again(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            channel, kinds = driver.capabilities.channels[0], driver.capabilities.kinds
            subject.unplug()
            await timed(driver.measure(channel, kinds))
            subject.plug()
            self._place(subject, channel, 1)
            self._check(driver, await again(subject, lambda: driver.measure(channel, kinds)), kinds, 1)
            await driver.aclose()

        subject.run(scenario())

    def test_in_trouble_a_measurement_tells_the_truth_or_is_an_error(self, trouble: str) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            channel, kinds = driver.capabilities.channels[0], driver.capabilities.kinds
            await self._measures(subject, driver)
            end = begin(subject, trouble)
            for number in range(ROUNDS):
                await asyncio.sleep(PAUSE_S)
                self._place(subject, channel, number)
                shown = await endured(subject, driver.measure(channel, kinds))
                if not isinstance(shown, DeviceError):
                    self._check(driver, shown, kinds, number)
            end()
            await again(subject, driver.connect)
            await again(subject, driver.commission)
            for number in range(ROUNDS):
                self._place(subject, channel, number)
                self._check(driver, await again(subject, lambda: driver.measure(channel, kinds)), kinds, number)
            await driver.aclose()

        subject.run(scenario())

    def _place(self, subject: MeterSubject, channel: ChannelId, number: int) -> None:
        """Cells that are told apart, one by one."""
        voltage_v, resistance_ohm = self._cell(number)
        subject.place(channel, voltage_v=voltage_v, resistance_ohm=resistance_ohm)

    def _cell(self, number: int) -> tuple[float, float]:
        share = 1.0 + 0.05 * number
        return self.readings.voltage_v * share, self.readings.resistance_ohm * share

    def _check(self, driver: Meter, shown: Measurement, kinds: Collection[str], number: int) -> None:
        voltage_v, resistance_ohm = self._cell(number)
        able = driver.capabilities
        if "ocv" in kinds:
            assert shown.voltage_v == pytest.approx(voltage_v, abs=able.voltage_accuracy_v)
        else:
            assert shown.voltage_v is None
        if "acir" in kinds:
            assert shown.resistance_ohm == pytest.approx(resistance_ohm, abs=able.resistance_accuracy_ohm)
        else:
            assert shown.resistance_ohm is None

    async def _measures(self, subject: MeterSubject, driver: Meter) -> None:
        channel, kinds = driver.capabilities.channels[0], driver.capabilities.kinds
        self._place(subject, channel, 2)
        self._check(driver, await driver.measure(channel, kinds), kinds, 2)
