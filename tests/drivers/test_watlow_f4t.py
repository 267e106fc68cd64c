"""The F4T driver against a simulated controller: units, words, keys, profiles, alarms, and what it refuses."""

import asyncio
import math
import struct
from collections.abc import Callable, Coroutine, Mapping
from itertools import pairwise
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_chambers import (
    F4tCascadeSubject,
    F4tLineSubject,
    F4tRtuSubject,
    F4tScpiSubject,
    F4tSubject,
)

from cycler.contract.errors import DeviceFault, ProtocolError
from cycler.contract.plugin import DeviceSettings, Resource, Surroundings
from cycler.contract.suite.scenario import At, commissioned_device
from drivers.watlow_f4t.access import from_words, to_words
from drivers.watlow_f4t.driver import DRIVER, WatlowF4t
from drivers.watlow_f4t.language import sensible_degc
from sims.network import Address
from sims.testing.wired import BEGINNING_UTC
from sims.wire.watlow_f4t.device import Mode, Profile, RampAction

WIRES = [F4tSubject, F4tRtuSubject, F4tScpiSubject, F4tCascadeSubject, F4tLineSubject]
KEYED = [F4tRtuSubject, F4tScpiSubject]


class FirstLoopRtuSubject(F4tRtuSubject):
    """The first loop of unit 1, whose frames are known."""

    resource = "modbus-rtu-tcp://127.0.0.1:4001?unit=1"
    options: ClassVar[Mapping[str, str]] = F4tSubject.options


def on(subject: F4tSubject, test: Callable[[WatlowF4t], Coroutine[Any, Any, None]]) -> None:
    """With a commissioned driver."""

    async def scenario() -> None:
        driver = await commissioned_device(subject.open())
        try:
            await test(driver)
        finally:
            await driver.aclose()

    subject.run(scenario())


async def hold(driver: WatlowF4t, degc: float, rate_k_per_min: float | None = None) -> None:
    await driver.set_target(temperature_degc=degc, rate_k_per_min=rate_k_per_min)


# words and units


@pytest.mark.parametrize(
    "frame",
    [
        "01 03 0B 04 00 02 87 EE",  # the process value of loop 1
        "01 10 0A DE 00 02 04 00 00 42 34 30 A8",  # set point 45.0 to loop 1
    ],
)
def test_it_says_the_frames_that_are_known_to_be_right(frame: str) -> None:
    subject, said = FirstLoopRtuSubject(), []
    subject.network.taps.append(lambda address, direction, data: said.append(data))

    async def test(driver: WatlowF4t) -> None:
        await hold(driver, 45.0)
        await driver.read()

    on(subject, test)
    assert bytes.fromhex(frame) in said


@given(st.floats(width=32, allow_nan=False), st.booleans())
def test_words_become_the_number_that_they_were(value: float, low_word_first: bool) -> None:
    words = to_words(value, low_word_first=low_word_first)
    assert from_words(*words, low_word_first=low_word_first) == value
    assert struct.pack(">HH", *(reversed(words) if low_word_first else words)) == struct.pack(">f", value)


def test_the_low_word_comes_first() -> None:
    assert to_words(25.0, low_word_first=True) == (0x0000, 0x41C8)


@pytest.mark.parametrize("subject_type", [F4tSubject, F4tScpiSubject])
def test_a_controller_in_fahrenheit_is_understood(subject_type: type[F4tSubject]) -> None:
    subject = subject_type()

    async def test(driver: WatlowF4t) -> None:
        before_degc = (await driver.read()).air_degc
        subject.device.setup.unit_tcp = "F"
        assert (await driver.read()).air_degc == pytest.approx(before_degc, abs=0.06)
        await hold(driver, 40.0, 1.0)
        assert subject.device.set_point_degc == pytest.approx(40.0, abs=0.01)
        assert subject.device.ramp_k == pytest.approx(1.0, abs=0.01)
        assert (await driver.read()).target_degc == pytest.approx(40.0, abs=0.01)
        await driver.set_limits(temperature_degc_min=10.0, temperature_degc_max=45.0)
        assert subject.device.limits_degc == pytest.approx((10.0, 45.0), abs=0.01)

    on(subject, test)


def test_each_interface_has_its_own_unit() -> None:
    subject = FirstLoopRtuSubject()

    async def test(driver: WatlowF4t) -> None:
        subject.device.setup.unit_tcp = "F"
        await hold(driver, 40.0)
        assert subject.device.set_point_degc == pytest.approx(40.0)

    on(subject, test)


@pytest.mark.parametrize("subject_type", [F4tSubject, F4tLineSubject])
def test_words_in_the_other_order_are_noticed_before_anything_is_written(subject_type: type[F4tSubject]) -> None:
    subject = subject_type()

    async def scenario() -> None:
        subject.faults.begin("word-order")
        with pytest.raises(ProtocolError, match=r"no number with the (low|high) word first"):
            await subject.open().connect()

    subject.run(scenario())


# who answers


def test_somebody_else_at_the_address_is_named() -> None:
    subject = F4tSubject()

    async def scenario() -> None:
        subject.device.setup.part_number = "PM6C1CA-AAAAAAA"
        driver = subject.open()
        with pytest.raises(ProtocolError, match="'PM6C1CA-AAAAAAA', expected a Watlow F4T"):
            await driver.connect()
        await driver.aclose()

    subject.run(scenario())


def test_a_loop_that_the_controller_does_not_have_is_refused() -> None:
    subject = F4tSubject()

    async def scenario() -> None:
        subject.device.setup.part_number = "F4T1L3AAA1A6AAA"
        driver = subject.open()
        with pytest.raises(ProtocolError, match="has 0 loops and 1 cascades"):
            await driver.connect()
        await driver.aclose()

    subject.run(scenario())


def test_it_says_who_it_is() -> None:
    subject = F4tScpiSubject()

    async def test(driver: WatlowF4t) -> None:
        identity = await driver.connect()
        assert (identity.maker, identity.model, identity.firmware) == ("Watlow", "F4T1L3AAA1A1AAA", "04.07:0002")

    on(subject, test)


@pytest.mark.parametrize("firmware", ["04.04:0009", "03:12:0001"])
def test_scpi_of_an_old_firmware_is_refused(firmware: str) -> None:
    subject = F4tScpiSubject()

    async def scenario() -> None:
        subject.device.setup.firmware = firmware
        driver = subject.open()
        with pytest.raises(ProtocolError, match=r"usable from 04\.05 on"):
            await driver.connect()
        await driver.aclose()

    subject.run(scenario())


def test_a_port_with_other_words_is_no_controller() -> None:
    subject = F4tScpiSubject()

    async def scenario() -> None:
        server = await _talker(5999, b"ACME,Toaster,1,2\n")
        driver = _driver("scpi-tcp://127.0.0.1:5999?modbus=1502")
        with pytest.raises(ProtocolError, match=r"answered by 'ACME,Toaster,1,2', expected Watlow Electric"):
            await driver.connect()
        await driver.aclose()
        server.close()
        await asyncio.sleep(0.01)

    subject.run(scenario())


# set points, ramps, limits


def test_a_target_outside_the_controllers_own_limits_is_refused_before_anything_is_written() -> None:
    subject = F4tSubject()

    async def test(driver: WatlowF4t) -> None:
        await driver.set_limits(temperature_degc_min=10.0, temperature_degc_max=45.0)
        before = subject.settings()
        with pytest.raises(DeviceFault, match=r"60 degC lies outside its set point limits 10.0 ... 45.0 degC"):
            await hold(driver, 60.0)
        assert subject.settings() == before

    on(subject, test)


def test_a_controller_that_takes_another_set_point_is_found_out() -> None:
    subject = F4tSubject()

    async def scenario() -> None:
        take = subject.device.write_set_point
        subject.device.write_set_point = lambda degc: take(degc - 1.0)  # type: ignore[method-assign]
        driver = await commissioned_device(subject.open())
        with pytest.raises(DeviceFault, match=r"its set point is 39.00 degC, 40 degC was ordered"):
            await hold(driver, 40.0)
        await driver.aclose()

    subject.run(scenario())


@pytest.mark.parametrize("subject_type", [F4tSubject, F4tScpiSubject])
def test_a_ramp_is_the_controllers_own_and_ends_with_the_next_target(subject_type: type[F4tSubject]) -> None:
    subject = subject_type()

    async def test(driver: WatlowF4t) -> None:
        subject.device.ramp_in_hours = True
        await hold(driver, 40.0, 0.5)
        device = subject.device
        assert (device.ramp_action, device.ramp_in_hours, device.ramp_k) == (RampAction.SET_POINT, False, 0.5)
        await asyncio.sleep(600.0)
        assert device.active_degc() == pytest.approx(30.0, abs=0.2)
        await hold(driver, 20.0)
        assert device.ramp_action is RampAction.OFF
        assert device.active_degc() == pytest.approx(20.0)

    on(subject, test)


@pytest.mark.parametrize("rate_k_per_min", [0.0, -1.0, 1.6, math.nan, math.inf])
def test_a_rate_that_the_chamber_does_not_have_is_refused(rate_k_per_min: float) -> None:
    subject = F4tSubject()

    async def test(driver: WatlowF4t) -> None:
        before = subject.settings()
        with pytest.raises(DeviceFault, match=r"at most 1.5 K/min"):
            await hold(driver, 40.0, rate_k_per_min)
        assert subject.settings() == before

    on(subject, test)


def test_limits_move_past_each_other_in_either_direction() -> None:
    subject = F4tSubject()

    async def test(driver: WatlowF4t) -> None:
        for limits in ((50.0, 60.0), (0.0, 10.0), (-10.0, 70.0)):
            await driver.set_limits(temperature_degc_min=limits[0], temperature_degc_max=limits[1])
            assert subject.device.limits_degc == limits

    on(subject, test)


@pytest.mark.parametrize("limits", [(10.0, 10.0), (math.nan, 40.0), (10.0, math.nan), (-math.inf, 40.0)])
def test_limits_that_cannot_be_are_refused(limits: tuple[float, float]) -> None:
    subject = F4tSubject()

    async def test(driver: WatlowF4t) -> None:
        before = subject.device.limits_degc
        with pytest.raises(DeviceFault, match="leave nothing between them"):
            await driver.set_limits(temperature_degc_min=limits[0], temperature_degc_max=limits[1])
        assert subject.device.limits_degc == before

    on(subject, test)


def test_limits_that_are_not_taken_are_found_out() -> None:
    subject = F4tSubject()

    async def test(driver: WatlowF4t) -> None:
        subject.faults.begin("not-applied")
        with pytest.raises(DeviceFault, match=r"its limit is -40.00 degC, 10 degC was ordered"):
            await driver.set_limits(temperature_degc_min=10.0, temperature_degc_max=45.0)

    on(subject, test)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("write_ramp_action", "its ramp action is 62, 85 was ordered"),
        ("write_ramp_rate", r"its ramp is 1 K in scale 57"),
    ],
)
def test_a_ramp_that_is_not_taken_is_found_out(broken: str, said: str) -> None:
    subject = F4tScpiSubject()

    async def test(driver: WatlowF4t) -> None:
        setattr(subject.device, broken, lambda value: None)
        with pytest.raises(DeviceFault, match=said):
            await hold(driver, 40.0, 0.5)

    on(subject, test)


# starting and stopping


@pytest.mark.parametrize("state", [149, 146, 1783])
def test_a_profile_in_control_is_left_alone_by_orders_and_ended_by_an_off(state: int) -> None:
    subject = F4tSubject()

    async def test(driver: WatlowF4t) -> None:
        subject.device.profile = Profile(state)
        with pytest.raises(DeviceFault, match=r"a profile .* end it at its panel first"):
            await hold(driver, 40.0)
        assert subject.device.profile is Profile(state)
        await driver.make_safe()
        assert subject.device.profile is Profile.TERMINATED
        assert not subject.device.conditions

    on(subject, test)


def test_what_a_profile_works_towards_is_shown() -> None:
    subject = F4tSubject()

    async def test(driver: WatlowF4t) -> None:
        await hold(driver, 40.0, 0.5)
        subject.device.profile = Profile.RUNNING
        assert (await driver.read()).target_degc < 26.0

    on(subject, test)


def test_a_controller_in_manual_mode_is_taken_back_into_control() -> None:
    subject = F4tSubject()

    async def test(driver: WatlowF4t) -> None:
        subject.device.mode = subject.device.active_mode = Mode.MANUAL
        await hold(driver, 40.0)
        assert subject.device.conditions

    on(subject, test)


@pytest.mark.parametrize("subject_type", WIRES)
def test_a_chamber_that_stands_still_is_started_and_one_that_runs_is_not_started_twice(
    subject_type: type[F4tSubject],
) -> None:
    subject = subject_type()

    async def test(driver: WatlowF4t) -> None:
        await driver.make_safe()
        assert not subject.device.conditions and not subject.chamber.running
        await hold(driver, 40.0)
        await asyncio.sleep(1.0)
        assert subject.device.conditions and subject.chamber.running
        await hold(driver, 45.0)
        await asyncio.sleep(1.0)
        assert subject.device.conditions and subject.chamber.running

    on(subject, test)


@pytest.mark.parametrize("subject_type", KEYED)
def test_many_offs_at_once_press_the_key_once(subject_type: type[F4tSubject]) -> None:
    subject, pressed = subject_type(), []

    async def test(driver: WatlowF4t) -> None:
        device = subject.device
        press = device.press_key
        device.press_key = lambda down: (pressed.append(down), press(down))[1]  # type: ignore[method-assign]
        await asyncio.gather(driver.make_safe(), driver.make_safe(), driver.make_safe())
        await driver.make_safe()
        assert pressed == [subject_type is F4tRtuSubject]  # a momentary key is pressed, a toggle let go
        assert not device.conditions

    on(subject, test)


@pytest.mark.parametrize("subject_type", KEYED)
def test_no_key_is_pressed_twice_within_half_a_second(subject_type: type[F4tSubject]) -> None:
    subject, pressed_s = subject_type(), []

    async def test(driver: WatlowF4t) -> None:
        device, clock = subject.device, asyncio.get_running_loop().time
        press = device.press_key
        device.press_key = lambda down: (pressed_s.append(clock()), press(down))[1]  # type: ignore[method-assign]
        for _ in range(3):
            await driver.make_safe()
            await hold(driver, 40.0)
        assert len(pressed_s) == 6
        assert min(later - earlier for earlier, later in pairwise(pressed_s)) >= 0.5

    on(subject, test)


@pytest.mark.parametrize("subject_type", WIRES[:4])
def test_an_off_at_any_transaction_of_an_order_leaves_the_chamber_off_for_good(subject_type: type[F4tSubject]) -> None:
    counted = subject_type()
    count = At(0, lambda: None)

    async def counting(driver: WatlowF4t) -> None:
        await driver.make_safe()
        counted.watch(count)
        await hold(driver, 40.0)

    on(counted, counting)
    for number in range(1, count.count + 1):
        subject = subject_type()

        async def test(driver: WatlowF4t, subject: F4tSubject = subject, number: int = number) -> None:
            await driver.make_safe()
            offs: list[asyncio.Task[None]] = []
            subject.watch(At(number, lambda: offs.append(asyncio.ensure_future(driver.make_safe()))))
            answers = await asyncio.gather(hold(driver, 40.0), return_exceptions=True)
            await asyncio.gather(*offs)
            await asyncio.sleep(5.0)
            assert not subject.device.conditions and not subject.chamber.running
            assert number == count.count or isinstance(answers[0], DeviceFault)

        on(subject, test)


def test_an_off_goes_before_all_that_waits() -> None:
    subject, said = FirstLoopRtuSubject(), []

    def tap(address: Address, direction: str, data: bytes) -> None:
        if direction == "to-server":
            said.append(data[1:6].hex())

    async def test(driver: WatlowF4t) -> None:
        subject.device.profile = Profile.RUNNING
        others = [asyncio.ensure_future(driver.read()) for _ in range(20)]
        await asyncio.sleep(0.05)
        subject.network.taps.append(tap)
        await driver.make_safe()
        off, profile_state, terminate = "060aaa003e", "0340b80001", "0640b60094"
        assert said[0] == off or said[1] == off
        assert said[said.index(off) :][:4] == [off, profile_state, terminate, off]
        await asyncio.gather(*others)

    on(subject, test)


def test_a_chamber_whose_key_does_nothing_is_told_of() -> None:
    subject = F4tRtuSubject()

    async def test(driver: WatlowF4t) -> None:
        subject.device.press_key = lambda down: None  # type: ignore[method-assign]
        with pytest.raises(DeviceFault, match="it runs, though it was told otherwise"):
            await driver.make_safe()
        assert subject.device.mode is Mode.OFF  # all the same

    on(subject, test)


# what it measures


@pytest.mark.parametrize("subject_type", WIRES)
@pytest.mark.parametrize("fault", ["nan", "out-of-range"])
def test_a_sensor_that_shows_nonsense_shows_nothing(subject_type: type[F4tSubject], fault: str) -> None:
    subject = subject_type()

    async def test(driver: WatlowF4t) -> None:
        subject.faults.begin(fault)
        assert math.isnan((await driver.read()).air_degc)

    on(subject, test)


@given(st.floats())
def test_only_temperatures_of_chambers_are_believed(degc: float) -> None:
    assert math.isnan(sensible_degc(degc)) or -150.0 <= sensible_degc(degc) <= 400.0


def test_the_alarms_that_the_rack_file_names_are_faults_and_others_are_not() -> None:
    class Subject(F4tSubject):
        options: ClassVar[Mapping[str, str]] = {**F4tSubject.options, "alarms": "2, 3"}

    subject = Subject()

    async def test(driver: WatlowF4t) -> None:
        subject.device.alarms[0] = 53
        await driver.read()
        subject.device.alarms[2] = 53
        with pytest.raises(DeviceFault, match="its alarm 3 stands, state 53"):
            await driver.read()
        await driver.make_safe()  # legal all the same
        assert not subject.device.conditions

    on(subject, test)


@pytest.mark.parametrize(("place", "code"), [(0, 28), (1, 32), (2, 65)])
def test_a_limit_module_that_trips_is_a_fault(place: int, code: int) -> None:
    class Subject(F4tSubject):
        options: ClassVar[Mapping[str, str]] = {**F4tSubject.options, "limit_modules": "1"}

    subject = Subject()

    async def test(driver: WatlowF4t) -> None:
        await driver.read()
        subject.device.limit_module[place] = code
        with pytest.raises(DeviceFault, match="its limit module 1 has tripped or failed"):
            await driver.read()

    on(subject, test)


def test_a_set_point_that_is_no_number_is_nonsense() -> None:
    subject = F4tSubject()

    async def test(driver: WatlowF4t) -> None:
        subject.device.set_point_degc = math.nan
        with pytest.raises(ProtocolError, match="hold nan, expected a temperature"):
            await driver.read()

    on(subject, test)


# the wire


def test_an_off_whose_connection_breaks_is_said_once_more() -> None:
    subject = F4tSubject()
    address = Address("127.0.0.1", 1502)

    def cut(at: Address, direction: str, data: bytes) -> None:
        subject.network.taps.remove(cut)
        subject.network.cut(address)

    async def test(driver: WatlowF4t) -> None:
        subject.network.taps.append(cut)
        await driver.make_safe()
        assert not subject.device.conditions

    on(subject, test)


# what the rack file says


@pytest.mark.parametrize(
    ("resource", "options", "said"),
    [
        ("ascii-tcp://h:1", {}, "is none of modbus-tcp"),
        ("modbus-tcp://h?baud=9600", {}, "'baud' is unknown"),
        ("modbus-tcp:///x", {}, "names no host"),
        ("modbus-rtu:///dev/x?baud=fast", {}, "baud is a whole number"),
        ("modbus-tcp://h", {"loops": "1"}, "option 'loops' is unknown"),
        ("modbus-tcp://h", {"loop": "5"}, "'5' is no number from 1 to 4"),
        ("modbus-tcp://h", {"loop": "1", "cascade": "1"}, "not at both"),
        ("modbus-tcp://h", {"words": "big"}, "neither low-high nor high-low"),
        ("modbus-tcp://h", {"temperature_min": "20"}, "no quantity in degC"),
        ("modbus-tcp://h", {"temperature_min": "90 degC"}, "lies below"),
        ("modbus-tcp://h", {"rate_max": "0 K/min"}, "more than 0"),
        ("modbus-tcp://h", {"run": "key 5 toggle"}, "is none of mode, event"),
        ("modbus-tcp://h", {"run": "key 1"}, "is none of mode, event"),
        ("modbus-tcp://h", {"run": "event 9"}, "is none of mode, event"),
        ("modbus-tcp://h", {"running": "output 1.1"}, "only a chamber that is run by a key"),
        ("modbus-tcp://h", {"run": "key 1 toggle", "running": "output 9.1"}, "no output of a module"),
        ("modbus-tcp://h", {"alarms": "15"}, "numbers from 1 to 14"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_opened(resource: str, options: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        _driver(resource, options)


def test_a_rack_file_that_says_nothing_more_is_enough() -> None:
    settings = DeviceSettings(device="ch-01", resource=Resource.parse("modbus-rtu:///dev/ttyUSB0?baud=38400&unit=1"))
    assert DRIVER.offline is not None
    DRIVER.offline(settings)
    able = _driver(settings.resource.text).capabilities
    assert (able.temperature_degc_min, able.temperature_degc_max, able.rate_k_per_min_max) == (-20.0, 80.0, 1.0)


def _driver(resource: str, options: dict[str, str] | None = None) -> WatlowF4t:
    settings = DeviceSettings(device="ch-01", resource=Resource.parse(resource), options=options or {})
    return WatlowF4t(settings, Surroundings(utcnow=lambda: BEGINNING_UTC))


async def _talker(port: int, reply: bytes) -> asyncio.AbstractServer:
    """Somebody who answers every line alike."""

    class Talker(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.write(reply)

    return await asyncio.get_running_loop().create_server(Talker, "127.0.0.1", port)
