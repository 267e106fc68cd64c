"""`DigitalIoContract`: every promise of a digital I/O module's driver."""

import asyncio

import pytest

from cycler.contract.errors import DeviceError, DeviceFault, ProtocolError
from cycler.contract.suite.device_troubles import DigitalIoTroubles
from cycler.contract.suite.scenario import At, commissioned_device, timed
from cycler.contract.suite.subject import DigitalIoSubject

WATCHDOG_SLACK_S = 0.5
SETTLE_S = 3.0
NOWHERE = "no such line"


class DigitalIoContract(DigitalIoTroubles):
    """Inherit it, name the class `Test…`, and say in `make_subject` how driver and device are made."""

    def make_subject(self) -> DigitalIoSubject:
        """A fresh one with each call."""
        raise NotImplementedError

    def test_an_output_follows_and_is_read_back(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            line, *others = driver.capabilities.outputs
            for closed in (True, False):
                await driver.write({line: closed})
                assert subject.output(line) is closed
                shown = await driver.read()
                assert shown.outputs[line] is closed
                assert not any(shown.outputs[other] for other in others)
                assert shown.outputs.keys() == set(driver.capabilities.outputs)
            await driver.aclose()

        subject.run(scenario())

    def test_inputs_are_what_is_driven(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            for line in driver.capabilities.inputs:
                for high in (True, False):
                    subject.set_input(line, high)
                    assert (await driver.read()).inputs[line] is high
            await driver.aclose()

        subject.run(scenario())

    def test_a_line_that_is_not_there_is_an_error_and_nothing_moves(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            line = driver.capabilities.outputs[0]
            with pytest.raises(ProtocolError):
                await driver.write({line: True, NOWHERE: True})
            assert not subject.output(line)
            await driver.aclose()

        subject.run(scenario())

    def test_an_off_at_any_transaction_of_a_write_leaves_the_outputs_safe_for_good(self) -> None:
        for number in range(6):
            subject = self.make_subject()
            subject.run(self._overtake(subject, number))

    def test_an_off_needs_no_connect_before_it(self) -> None:
        """Whoever opens what a dead host has left closed may find a device that answers little else."""
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            outputs = driver.capabilities.outputs
            await driver.write(dict.fromkeys(outputs, True))
            assert all(subject.output(line) for line in outputs)
            await driver.aclose()
            successor = subject.open()
            await successor.make_safe()
            assert not any(subject.output(line) for line in outputs)
            await successor.aclose()

        subject.run(scenario())

    def test_an_off_that_the_device_does_not_carry_out_is_an_error(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            await driver.write({driver.capabilities.outputs[0]: True})
            subject.ignore_offs()
            with pytest.raises(DeviceError):
                await driver.make_safe()
            await driver.aclose()

        subject.run(scenario())

    def test_a_new_host_finds_the_outputs_as_they_were_left(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            line = driver.capabilities.outputs[0]
            await driver.write({line: True})
            before = subject.settings()
            await driver.aclose()
            await driver.aclose()
            successor = subject.open()
            await successor.connect()
            assert (await successor.read()).outputs[line]
            assert subject.output(line)
            assert subject.settings() == before
            with pytest.raises(DeviceFault):
                await successor.commission()
            assert subject.output(line)
            await successor.make_safe()
            await successor.make_safe()
            assert not subject.output(line)
            await successor.aclose()

        subject.run(scenario())

    def test_after_the_device_restarted_every_output_is_safe_and_stays_so(self) -> None:
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            line = driver.capabilities.outputs[0]
            await driver.write({line: True})
            await subject.restart()
            await timed(driver.read())  # its connection may have broken
            await driver.aclose()
            successor = await commissioned_device(subject.open())
            assert not subject.output(line)
            assert not (await successor.read()).outputs[line]
            await successor.aclose()

        subject.run(scenario())

    def test_the_watchdog_makes_the_outputs_safe_in_its_time(self) -> None:
        """Only for devices that declare one."""
        subject = self.make_subject()

        async def scenario() -> None:
            driver = await commissioned_device(subject.open())
            line, watchdog = driver.capabilities.outputs[0], driver.capabilities.watchdog
            if watchdog is not None and watchdog.watches == "host":
                await driver.write({line: True})
                for _ in range(12):
                    await asyncio.sleep(0.25 * watchdog.timeout_s)
                    await driver.read()
                assert subject.output(line)
                subject.unplug()
                await asyncio.sleep(0.5 * watchdog.timeout_s)
                assert subject.output(line)
                await asyncio.sleep(0.5 * watchdog.timeout_s + WATCHDOG_SLACK_S)
                assert not subject.output(line)
            await driver.aclose()

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

    async def _overtake(self, subject: DigitalIoSubject, number: int) -> None:
        driver = await commissioned_device(subject.open())
        outputs = driver.capabilities.outputs
        offs: list[asyncio.Task[None]] = []

        def off() -> None:
            offs.append(asyncio.ensure_future(driver.make_safe()))

        subject.watch(At(number, off))
        writing = asyncio.ensure_future(timed(driver.write(dict.fromkeys(outputs, True))))
        if number == 0:
            await asyncio.sleep(0.0)
            off()
        await writing
        if not offs:
            off()
        await asyncio.gather(*offs)
        for _ in range(4):
            assert not any(subject.output(line) for line in outputs)
            await asyncio.sleep(SETTLE_S / 4.0)
        await driver.aclose()
