"""The Hioki driver against a simulated tester: what the contract suite does not ask of every meter."""

import asyncio
import math
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hioki_subject import DEVICE, HiokiSubject
from hypothesis import given
from hypothesis import strategies as st

from cycler.contract.errors import DeviceFault, LinkError, ProtocolError
from cycler.contract.plugin import DeviceSettings, Resource, Surroundings
from cycler.contract.sweep import ChannelId
from drivers.hioki_bt3562.driver import DRIVER, KINDS, HiokiBt3562
from drivers.hioki_bt3562.settings import Setting
from drivers.hioki_bt3562.values import parse_pair, parse_value
from sims.faults import Faults
from sims.loop import VirtualLoop, run_on
from sims.testing.wired import utcnow
from sims.wire.hioki_bt3562.device import HiokiDevice
from sims.wire.hioki_bt3562.simulator import HiokiSimulator
from sims.wire.hioki_bt3562.values import RESISTANCE_RANGES, VOLTAGE_RANGES

ONE = ChannelId("1")


async def ready(subject: HiokiSubject, **options: str) -> HiokiBt3562:
    driver = subject.open(**options)
    await driver.connect()
    await driver.commission()
    return driver


def test_it_says_who_it_is_and_what_it_measures() -> None:
    subject = HiokiSubject()

    async def scenario() -> None:
        driver = subject.open()
        identity = await driver.connect()
        assert (identity.maker, identity.model, identity.firmware) == ("HIOKI", "BT3562A", "V1.00")
        assert driver.capabilities.channels == (ONE,)
        assert driver.capabilities.kinds == {"ocv", "acir"}
        assert driver.capabilities.voltage_accuracy_v < 1e-3
        await driver.aclose()

    subject.run(scenario())


@pytest.mark.parametrize(
    "answer", [b"KEITHLEY INSTRUMENTS,MODEL 2450,1,2\r\n", b"HIOKI,RM3542,0,V1.00\r\n", b"HIOKI\r\n", b"\r\n"]
)
def test_another_instrument_at_the_address_is_named(answer: bytes) -> None:
    subject = HiokiSubject()

    async def scenario() -> None:
        subject.simulator.instead = lambda line, reply: answer
        with pytest.raises(ProtocolError, match=r"dut: .* answers, expected a Hioki BT3561A"):
            await subject.open().connect()

    subject.run(scenario())


def test_another_instrument_after_a_loss_is_refused() -> None:
    subject = HiokiSubject()

    async def scenario() -> None:
        driver = subject.open()
        await driver.connect()
        subject.simulator.device.model = "BT3563"
        with pytest.raises(ProtocolError, match="BT3563"):
            await driver.connect()
        await driver.aclose()

    subject.run(scenario())


def test_commissioning_fixes_function_ranges_rate_and_trigger() -> None:
    subject = HiokiSubject()

    async def scenario() -> None:
        subject.simulator.device.settings.headers = True
        subject.simulator.device.settings.function = "VOLTAGE"
        driver = await ready(subject, resistance_range="3 mOhm", voltage_range="60 V", rate="slow")
        settings = subject.simulator.device.settings
        assert not settings.headers
        assert settings.function == "RV"
        assert (settings.resistance_range.name, settings.voltage_range.name) == (3e-3, 60.0)
        assert (settings.rate, settings.auto_range, settings.continuous) == ("SLOW", False, False)
        await driver.aclose()

    subject.run(scenario())


def test_neither_the_zero_adjustment_nor_the_comparator_is_touched() -> None:
    subject = HiokiSubject()

    async def scenario() -> None:
        settings = subject.simulator.device.settings
        settings.resistance_zero_ohm, settings.voltage_zero_v = 1e-4, 2e-4
        subject.simulator.device.set_comparator(True)
        driver = await ready(subject)
        assert settings is subject.simulator.device.settings  # *RST would have made new ones
        assert (settings.resistance_zero_ohm, settings.voltage_zero_v) == (1e-4, 2e-4)
        assert settings.comparator
        await driver.aclose()

    subject.run(scenario())


@pytest.mark.parametrize("headers", ["old", "new"])
def test_either_names_of_the_two_commands_work(headers: str) -> None:
    subject = HiokiSubject()

    async def scenario() -> None:
        driver = await ready(subject, headers=headers)
        assert any(line.strip().startswith(":FUNC") for line in subject.simulator.heard) is (headers == "new")
        await driver.aclose()

    subject.run(scenario())


@pytest.mark.parametrize("rate", ["exfast", "fast", "medium", "slow"])
@pytest.mark.parametrize("trigger", ["single", "free-run"])
def test_at_every_rate_and_trigger_what_is_measured_is_the_cell_of_now(rate: str, trigger: str) -> None:
    subject = HiokiSubject()

    async def scenario() -> None:
        driver = await ready(subject, rate=rate, trigger=trigger)
        for voltage_v in (3.0, 3.7):
            subject.place(ONE, voltage_v=voltage_v, resistance_ohm=0.015)
            shown = await driver.measure(ONE, KINDS)
            assert shown.voltage_v == pytest.approx(voltage_v, abs=1e-3)
            assert shown.resistance_ohm == pytest.approx(0.015, abs=1e-4)
        await driver.aclose()

    subject.run(scenario())


def test_a_reversed_cell_is_measured_as_one() -> None:
    subject = HiokiSubject()

    async def scenario() -> None:
        driver = await ready(subject)
        subject.place(ONE, voltage_v=-3.6512, resistance_ohm=0.015)
        assert (await driver.measure(ONE, {"ocv"})).voltage_v == pytest.approx(-3.6512, abs=5e-4)
        await driver.aclose()

    subject.run(scenario())


def test_a_message_that_it_refuses_is_a_fault_that_says_why() -> None:
    """It does not answer: the event register is asked."""
    subject = HiokiSubject()

    async def scenario() -> None:
        driver = await ready(subject)
        subject.simulator.device.settings.continuous = True  # somebody at its keys
        with pytest.raises(DeviceFault, match=r"':READ\?' is not answered: execution error"):
            await driver.measure(ONE, KINDS)
        await driver.commission()
        subject.place(ONE, voltage_v=3.6, resistance_ohm=0.02)
        assert (await driver.measure(ONE, {"ocv"})).voltage_v == pytest.approx(3.6, abs=1e-3)
        await driver.aclose()

    subject.run(scenario())


def test_silence_without_a_reason_is_a_lost_link() -> None:
    subject = HiokiSubject()

    async def scenario() -> None:
        driver = await ready(subject)
        subject.simulator.instead = lambda line, reply: None if b"READ" in line else reply
        subject.simulator.device.events = 0
        with pytest.raises(LinkError, match="no answer to ':READ"):
            await driver.measure(ONE, KINDS)
        await driver.aclose()

    subject.run(scenario())


def test_a_setting_that_does_not_hold_is_a_fault_that_names_it() -> None:
    subject = HiokiSubject()

    async def scenario() -> None:
        driver = subject.open()
        await driver.connect()
        subject.simulator.instead = lambda line, reply: b"SLOW\r\n" if b"RATE" in line else reply
        with pytest.raises(DeviceFault, match=":SAMP:RATE was set to MEDIUM and reads back 'SLOW'"):
            await driver.commission()
        await driver.aclose()

    subject.run(scenario())


@pytest.mark.parametrize(
    "answer", [b"3.65E+0\r\n", b"volts,ohms\r\n", b"1,2,3\r\n", b"nan,nan\r\n", b"inf,1E+0\r\n", b"\r\n"]
)
def test_an_answer_that_makes_no_sense_is_an_error(answer: bytes) -> None:
    subject = HiokiSubject()

    async def scenario() -> None:
        driver = await ready(subject)
        subject.simulator.instead = lambda line, reply: answer
        with pytest.raises(ProtocolError, match="dut: it measured"):
            await driver.measure(ONE, KINDS)
        await driver.aclose()

    subject.run(scenario())


def test_nothing_is_known_before_it_is_connected() -> None:
    with pytest.raises(LinkError, match="not connected"):
        _ = HiokiSubject().open().capabilities


# on a serial line


class SerialTester(HiokiSimulator):
    """Its adapter can be pulled out and put in again, while it keeps its power."""

    def replug(self) -> None:
        self._port.drop()


def on_serial_line(path: Path, scenario: Callable[[HiokiBt3562, SerialTester], Coroutine[Any, Any, None]]) -> None:
    resource = Resource.parse(f"serial://{path}?baud=9600")

    async def main() -> None:
        simulator = SerialTester(lambda: HiokiDevice(lambda: (3.65, 0.02)), resource, faults=Faults())
        await simulator.start()
        driver = HiokiBt3562(DeviceSettings(device=DEVICE, resource=resource), Surroundings(utcnow=utcnow))
        try:
            await driver.connect()
            await driver.commission()
            await scenario(driver, simulator)
        finally:
            await driver.aclose()
            await simulator.aclose()

    run_on(VirtualLoop(None), main())


def test_on_a_serial_line_it_works_as_on_a_socket(tmp_path: Path) -> None:
    async def scenario(driver: HiokiBt3562, simulator: SerialTester) -> None:
        shown = await driver.measure(ONE, KINDS)
        assert (shown.voltage_v, shown.resistance_ohm) == (pytest.approx(3.65), pytest.approx(0.02))

    on_serial_line(tmp_path / "ttyHioki", scenario)


def test_an_adapter_that_vanishes_and_returns_is_found_again(tmp_path: Path) -> None:
    async def scenario(driver: HiokiBt3562, simulator: SerialTester) -> None:
        simulator.replug()
        with pytest.raises(LinkError):
            await driver.measure(ONE, KINDS)
        await asyncio.sleep(1.0)
        assert (await driver.measure(ONE, {"ocv"})).voltage_v == pytest.approx(3.65)

    on_serial_line(tmp_path / "ttyHioki", scenario)


# the rack file


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"range": "3 mOhm"}, "option 'range' is unknown"),
        ({"resistance_range": "5 mOhm"}, "'5 mOhm' is none of its ranges: 0.003 Ohm"),
        ({"resistance_range": "6 V"}, "none of its ranges"),
        ({"voltage_range": "300 V"}, "none of its ranges: 6 V, 60 V"),
        ({"rate": "quick"}, "'quick' is none of exfast, fast, medium, slow"),
        ({"trigger": "external"}, "'external' is neither single nor free-run"),
        ({"headers": "long"}, "'long' is neither new nor old"),
    ],
)
def test_a_rack_file_that_cannot_be_is_refused(options: dict[str, str], why: str) -> None:
    settings = DeviceSettings(device=DEVICE, resource=Resource.parse("ascii-tcp://127.0.0.1"), options=options)
    with pytest.raises(ValueError, match=why):
        HiokiBt3562(settings, Surroundings(utcnow=utcnow))
    with pytest.raises(ValueError, match=why):
        assert DRIVER.offline is not None
        DRIVER.offline(settings)


def test_an_address_of_another_kind_is_refused() -> None:
    settings = DeviceSettings(device=DEVICE, resource=Resource.parse("scpi-tcp://127.0.0.1"))
    with pytest.raises(ValueError, match="ascii-tcp and serial"):
        HiokiBt3562(settings, Surroundings(utcnow=utcnow))


# values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("    1.36E-3", 1.36e-3),
        ("-   7.51E+0", -7.51),
        (" 300.00E-3", 0.3),
        (" 3.65000E+0", 3.65),
        ("+10.0000E+8", None),
        ("-10.0000E+8", None),
        (" 1000.00E+6", None),
        (" 1.00000E+9", None),
        ("+10.0000E+9", None),
        ("+1.00000E+10", None),
        ("+100.000E+8", None),
    ],
)
def test_values_are_read_as_the_makers_table_has_them(text: str, value: float | None) -> None:
    assert parse_value(text) == (None if value is None else pytest.approx(value))


@given(st.sampled_from([*RESISTANCE_RANGES, *VOLTAGE_RANGES.values()]), st.floats(-1.0, 1.0))
def test_what_the_tester_writes_is_read_as_it_is(measured_in: Any, share: float) -> None:
    value = share * measured_in.full_scale
    step = 10.0 ** (measured_in.exponent - measured_in.decimals)
    assert parse_value(measured_in.format(value, "ok")) == pytest.approx(value, abs=step)


@given(st.sampled_from([*RESISTANCE_RANGES, *VOLTAGE_RANGES.values()]), st.sampled_from([-1.0, 1.0]))
def test_over_range_and_faults_are_no_number_in_any_range(measured_in: Any, sign: float) -> None:
    assert parse_value(measured_in.format(sign * 1e9, "over")) is None
    assert parse_value(measured_in.format(math.nan, "fault")) is None


@given(st.text(max_size=30))
def test_whatever_is_answered_is_a_value_or_no_value(text: str) -> None:
    for parse in (parse_value, parse_pair):
        try:
            parse(text)
        except ValueError as error:
            assert "is" in str(error)
    assert Setting(":A", "OFF").confirms(text) is (text == "OFF")
    assert Setting(":A", "0.03").confirms(text) in (True, False)
