"""The P-300 driver against a simulated controller: modes, limits, refusals, alarms, stations on one line."""

import asyncio
import math
from collections.abc import Callable, Coroutine, Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_chambers import P300LineSubject, P300Subject

from cycler.contract.errors import DeviceError, DeviceFault, LinkError, ProtocolError
from cycler.contract.plugin import DeviceSettings, Resource, Surroundings
from cycler.contract.suite.scenario import At, commissioned_device
from drivers.espec_p300 import commands as cmd
from drivers.espec_p300.driver import DRIVER, EspecP300
from sims.network import Address
from sims.testing.wired import BEGINNING_UTC
from sims.wire.espec_p300.device import P300Model

WIRES = [P300Subject, P300LineSubject]


def on(subject: P300Subject, test: Callable[[EspecP300], Coroutine[Any, Any, None]]) -> None:
    """With a commissioned driver."""

    async def scenario() -> None:
        driver = await commissioned_device(subject.open())
        try:
            await test(driver)
        finally:
            await driver.aclose()

    subject.run(scenario())


async def hold(driver: EspecP300, degc: float) -> None:
    await driver.set_target(temperature_degc=degc, rate_k_per_min=None)


# who answers


def test_it_says_who_it_is_and_what_it_reaches() -> None:
    subject = P300Subject()

    async def test(driver: EspecP300) -> None:
        identity = await driver.connect()
        assert (identity.maker, identity.model) == ("ESPEC", "P300")
        assert identity.firmware == "JFP300-01 V2.04"
        able = driver.capabilities
        assert (able.temperature_degc_min, able.temperature_degc_max, able.rate_k_per_min_max) == (-40.0, 150.0, 0.0)

    on(subject, test)


def test_it_reaches_no_further_than_the_controller_says() -> None:
    subject = P300Subject()

    async def scenario() -> None:
        subject.device.model = P300Model(name="SCP220", temperature_degc_max=100.0)
        driver = subject.open()
        await driver.connect()
        assert driver.capabilities.temperature_degc_max == 100.0
        await driver.aclose()

    subject.run(scenario())


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (b"T,GLC-320,180.0\r\n", r"a 'GLC-320' answers, expected a P300 or SCP220"),
        (b"hello\r\n", r"'TYPE\?' was answered by 'hello', expected sensors"),
        (b"NA:CMD ERR\r\n", r"'TYPE\?' was answered by 'NA:CMD ERR': it does not know this command"),
    ],
)
def test_somebody_else_at_the_address_is_named(reply: bytes, said: str) -> None:
    subject = P300Subject()

    async def scenario() -> None:
        subject.simulator._answer = lambda line: reply
        driver = subject.open()
        with pytest.raises(ProtocolError, match=said):
            await driver.connect()
        with pytest.raises(LinkError, match="not connected yet"):
            _ = driver.capabilities
        await driver.aclose()

    subject.run(scenario())


def test_a_station_answers_to_its_own_address_only() -> None:
    subject = P300LineSubject()

    async def scenario() -> None:
        path = subject.where.path
        other = _driver(f"serial://{path}?baud=19200&address=5")
        with pytest.raises(LinkError, match=r"no answer to '5,TYPE\?'"):
            await other.connect()
        await other.aclose()
        without = _driver(f"serial://{path}?baud=19200")
        with pytest.raises(ProtocolError, match="expects another address"):
            await without.connect()
        await without.aclose()

    subject.run(scenario())


# set points and limits


@pytest.mark.parametrize("subject_type", WIRES)
def test_a_target_is_taken_in_tenths(subject_type: type[P300Subject]) -> None:
    subject = subject_type()

    async def test(driver: EspecP300) -> None:
        await hold(driver, -10.04)
        assert subject.device.set_degc == -10.0
        assert (await driver.read()).target_degc == -10.0
        await hold(driver, 37.96)
        assert subject.device.set_degc == 38.0

    on(subject, test)


def test_a_target_outside_the_controllers_own_limits_is_refused_before_anything_is_written() -> None:
    subject = P300Subject()

    async def test(driver: EspecP300) -> None:
        await driver.set_limits(temperature_degc_min=10.0, temperature_degc_max=45.0)
        before = subject.settings()
        with pytest.raises(DeviceFault, match=r"60 degC lies outside its limits 10 ... 45 degC"):
            await hold(driver, 60.0)
        assert subject.settings() == before

    on(subject, test)


def test_limits_move_past_each_other_in_either_direction_and_are_rounded_inwards() -> None:
    subject = P300Subject()

    async def test(driver: EspecP300) -> None:
        for low, high in ((50.0, 60.0), (0.0, 10.0), (-10.0, 70.0)):
            await driver.set_limits(temperature_degc_min=low, temperature_degc_max=high)
            assert (subject.device.low_degc, subject.device.high_degc) == (low, high)
        await driver.set_limits(temperature_degc_min=9.91, temperature_degc_max=45.09)
        assert (subject.device.low_degc, subject.device.high_degc) == (10.0, 45.0)

    on(subject, test)


@pytest.mark.parametrize(
    "limits", [(10.0, 10.0), (math.nan, 40.0), (10.0, math.nan), (-math.inf, 40.0), (20.01, 20.04), (20.01, 20.14)]
)
def test_limits_that_cannot_be_are_refused(limits: tuple[float, float]) -> None:
    subject = P300Subject()

    async def test(driver: EspecP300) -> None:
        before = subject.settings()
        with pytest.raises(DeviceFault, match="leave nothing between them"):
            await driver.set_limits(temperature_degc_min=limits[0], temperature_degc_max=limits[1])
        assert subject.settings() == before

    on(subject, test)


def test_limits_that_are_not_taken_are_found_out() -> None:
    subject = P300Subject()

    async def test(driver: EspecP300) -> None:
        subject.faults.begin("not-applied")
        with pytest.raises(DeviceFault, match=r"high_degc=180.0.* ordered was limits 10 ... 45 degC"):
            await driver.set_limits(temperature_degc_min=10.0, temperature_degc_max=45.0)

    on(subject, test)


# modes


def test_a_program_in_control_is_left_alone_by_orders_and_ended_by_an_off() -> None:
    subject = P300Subject()

    async def test(driver: EspecP300) -> None:
        subject.device.run_program(3)
        with pytest.raises(DeviceFault, match="its mode is RUN: a program is in control"):
            await hold(driver, 40.0)
        assert subject.device.mode == "RUN"
        await driver.make_safe()
        await asyncio.sleep(1.0)
        assert subject.device.mode == "STANDBY" and not subject.chamber.running

    on(subject, test)


def test_a_controller_that_a_person_has_switched_off_stays_off() -> None:
    subject = P300Subject()

    async def test(driver: EspecP300) -> None:
        subject.device.write_mode("OFF")
        before = subject.settings()
        with pytest.raises(DeviceFault, match="switched off at its panel"):
            await hold(driver, 40.0)
        assert subject.settings() == before

    on(subject, test)


def test_an_off_is_legal_where_the_controller_refuses_it_being_off_already() -> None:
    subject = P300Subject()

    async def test(driver: EspecP300) -> None:
        subject.device.write_mode("OFF")
        subject.device.data_protect = True
        await driver.make_safe()
        assert subject.device.mode == "OFF"

    on(subject, test)


def test_an_off_that_is_refused_is_told_with_the_reply() -> None:
    subject = P300Subject()

    async def test(driver: EspecP300) -> None:
        subject.device.data_protect = True
        with pytest.raises(DeviceFault, match=r"answered by 'NA:PROTECT ON'; MODE\? says CONSTANT"):
            await driver.make_safe()

    on(subject, test)


def test_settings_locked_at_the_panel_are_a_fault_that_says_so() -> None:
    subject = P300Subject()

    async def test(driver: EspecP300) -> None:
        subject.device.data_protect = True
        with pytest.raises(DeviceFault, match=r"'TEMP, S40.0' .* data protection is switched on at its panel"):
            await hold(driver, 40.0)

    on(subject, test)


def test_a_chamber_that_stands_by_is_started() -> None:
    subject = P300Subject()

    async def test(driver: EspecP300) -> None:
        await driver.make_safe()
        assert subject.device.mode == "STANDBY"
        await hold(driver, 40.0)
        await asyncio.sleep(1.0)
        assert subject.device.mode == "CONSTANT" and subject.chamber.running

    on(subject, test)


@pytest.mark.parametrize(("runs", "transactions"), [(False, 6), (True, 4)])
def test_an_off_at_any_transaction_of_an_order_leaves_the_chamber_off_for_good(runs: bool, transactions: int) -> None:
    """MODE?, TEMP?, TEMP, TEMP?, and where it stood by MODE and MODE?."""
    for number in range(1, transactions + 1):
        subject = P300Subject()

        async def test(driver: EspecP300, subject: P300Subject = subject, number: int = number) -> None:
            if not runs:
                await driver.make_safe()
            count, offs = At(0, lambda: None), list[asyncio.Task[None]]()
            subject.watch(count)
            subject.watch(At(number, lambda: offs.append(asyncio.ensure_future(driver.make_safe()))))
            answers = await asyncio.gather(hold(driver, 40.0), return_exceptions=True)
            assert isinstance(answers[0], DeviceFault) or (number == transactions and count.count == transactions)
            await asyncio.gather(*offs)
            await asyncio.sleep(5.0)
            assert subject.device.mode == "STANDBY" and not subject.chamber.running

        on(subject, test)


def test_an_off_goes_before_all_that_waits() -> None:
    subject, said = P300Subject(), list[bytes]()

    def tap(address: Address, direction: str, data: bytes) -> None:
        if direction == "to-server":
            said.append(data)

    async def test(driver: EspecP300) -> None:
        others = [asyncio.ensure_future(driver.read()) for _ in range(5)]
        await asyncio.sleep(0.6)
        subject.network.taps.append(tap)
        await driver.make_safe()
        assert said[:2] == [b"MODE,STANDBY\r\n", b"MODE?\r\n"]
        await asyncio.gather(*others)

    on(subject, test)


def test_an_off_whose_connection_breaks_is_said_once_more() -> None:
    subject = P300Subject()

    def cut(address: Address, direction: str, data: bytes) -> None:
        subject.network.taps.remove(cut)
        subject.network.cut(Address("127.0.0.1", 10001))

    async def test(driver: EspecP300) -> None:
        subject.network.taps.append(cut)
        await driver.make_safe()
        assert subject.device.mode == "STANDBY"

    on(subject, test)


# what it measures


@pytest.mark.parametrize("fault", ["nan", "out-of-range", "sensor-break"])
def test_a_sensor_that_shows_nonsense_shows_nothing(fault: str) -> None:
    subject = P300Subject()

    async def test(driver: EspecP300) -> None:
        subject.faults.begin(fault)
        assert math.isnan((await driver.read()).air_degc)

    on(subject, test)


def test_alarms_are_a_fault_with_their_codes_and_an_off_is_legal_all_the_same() -> None:
    subject = P300Subject()

    async def test(driver: EspecP300) -> None:
        subject.device.alarms += [0, 7]
        with pytest.raises(DeviceFault, match="codes 0, 7 of this chamber"):
            await driver.read()
        await driver.make_safe()
        assert subject.device.mode == "STANDBY"

    on(subject, test)


# parsers

replies = st.text(st.characters(max_codepoint=0x7F), max_size=40) | st.lists(
    st.sampled_from(["23.5", "-40.0", "", "CONSTANT", "RUN", "OFF", "1", "P300", "nan", "inf", "1e5", "OK:"]),
    max_size=6,
).map(",".join)


@pytest.mark.parametrize(
    "parse", [cmd.plate, cmd.temperatures, cmd.monitor, cmd.mode, cmd.alarms], ids=lambda parse: parse.__name__
)
@given(reply=replies)
def test_a_reply_is_understood_or_unexpected(parse: Callable[[str], object], reply: str) -> None:
    try:
        parse(reply)
    except cmd.Unexpected as expected:
        assert str(expected)


@given(degc=st.floats(-99.9, 399.9), set_degc=st.floats(-99.9, 399.9))
def test_temperatures_are_what_was_printed(degc: float, set_degc: float) -> None:
    shown = cmd.temperatures(f"{degc:.1f},{set_degc:.1f},180.0,-75.0")
    assert shown.actual_degc == pytest.approx(degc, abs=0.051)
    assert shown.set_degc == pytest.approx(set_degc, abs=0.051)
    assert (shown.high_degc, shown.low_degc) == (180.0, -75.0)


@pytest.mark.parametrize(
    ("reply", "mode"),
    [("23.5,,CONSTANT,0", "CONSTANT"), ("23.5,40,RMT RUN END HOLD,0", "RMT RUN END HOLD"), ("23.5,,OFF,2", "OFF")],
)
def test_a_monitor_reply_has_its_mode_in_third_place(reply: str, mode: str) -> None:
    assert cmd.monitor(reply).mode == mode


@pytest.mark.parametrize(
    ("reply", "controller"), [("T,P300,180.0", "P300"), ("T,H,SCP220,150.0", "SCP220"), ("T, P300 ,180.0", "P300")]
)
def test_a_plate_has_its_controller_before_the_last_place(reply: str, controller: str) -> None:
    assert cmd.plate(reply).controller == controller


@pytest.mark.parametrize("reason", [*cmd.REFUSALS, "PRGM WRITE ERR-5", ""])
def test_every_refusal_is_an_error_that_quotes_it(reason: str) -> None:
    error = cmd.refusal("ch-01", "MODE,CONSTANT", f"NA:{reason}")
    assert isinstance(error, DeviceError)
    assert f"'MODE,CONSTANT' was answered by 'NA:{reason}'" in str(error)


# the wire


def test_commands_are_half_a_second_apart() -> None:
    subject, said_s = P300Subject(), []

    def tap(address: Address, direction: str, data: bytes) -> None:
        if direction == "to-server":
            said_s.append(asyncio.get_running_loop().time())

    subject.network.taps.append(tap)

    async def test(driver: EspecP300) -> None:
        await asyncio.gather(driver.read(), hold(driver, 40.0), driver.read())

    on(subject, test)
    assert min(later - earlier for earlier, later in pairwise(said_s)) >= 0.5


# what the rack file says


@pytest.mark.parametrize(
    ("resource", "options", "said"),
    [
        ("modbus-tcp://h", {}, "neither serial"),
        ("ascii-tcp://h?baud=9600", {}, "'baud' is unknown"),
        ("ascii-tcp://h?address=100", {}, "no whole number from 1 to 99"),
        ("ascii-tcp:///x", {}, "names no host"),
        ("serial:///dev/x?parity=X", {}, "parity is N, E or O"),
        ("ascii-tcp://h", {"loop": "1"}, "option 'loop' is unknown"),
        ("ascii-tcp://h", {"temperature_min": "-40"}, "no quantity in degC"),
        ("ascii-tcp://h", {"temperature_max": "-40 degC"}, "lies below"),
        ("ascii-tcp://h", {"gap": "5 s"}, "lie 0 s to 2 s"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_opened(
    resource: str, options: Mapping[str, str], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        _driver(resource, options)


def test_a_rack_file_that_says_nothing_more_is_enough() -> None:
    settings = DeviceSettings(device="ch-01", resource=Resource.parse("serial:///dev/ttyUSB0"))
    assert DRIVER.offline is not None
    DRIVER.offline(settings)


def _driver(resource: str, options: Mapping[str, str] | None = None) -> EspecP300:
    settings = DeviceSettings(device="ch-01", resource=Resource.parse(resource), options=options or {})
    return EspecP300(settings, Surroundings(utcnow=lambda: BEGINNING_UTC))
