"""The simulated P-300 against its sheet: commands byte for byte, refusals, stations, and what it does with rubbish."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sims.chamber import Chamber
from sims.faults import Faults
from sims.loop import run_virtual
from sims.wire.espec_p300 import commands
from sims.wire.espec_p300.device import EFFECT_S, P300Device, P300Model, shown


def on_a_device(*tests: Callable[[P300Device], object], model: P300Model | None = None) -> None:
    """One after the other, with time between them for what was ordered to take effect."""

    async def main() -> None:
        device = P300Device(Chamber(ambient_degc=23.5), Faults(), model)
        for test in tests:
            test(device)
            await asyncio.sleep(2.0 * EFFECT_S)
        device.power_off()

    run_virtual(main())


def ask(device: P300Device, line: str, address: int | None = None) -> str | None:
    reply = commands.answer(device, address, line.encode())
    if reply is None:
        return None
    assert reply.endswith(b"\r\n")
    return reply[:-2].decode()


@pytest.mark.parametrize(
    ("query", "reply"),
    [
        ("TYPE?", "T,P300,180.0"),
        ("MODE?", "CONSTANT"),
        ("MODE?,DETAIL", "CONSTANT"),
        ("MON?", "23.5,,CONSTANT,0"),
        ("TEMP?", "23.5,23.5,180.0,-75.0"),
        ("CONSTANT SET?,TEMP", "23.5,ON"),
        ("ALARM?", "0"),
        ("SET?", "REF9"),
        ("RELAY?", "0"),
        ("KEYPROTECT?", "OFF"),
        ("HUMI?", "NA:CONT NOT READY-1"),
        ("PRGM MON?", "NA:CONT NOT READY-2"),
        ("MODE?,LOUD", "NA:PARA ERR"),
        ("WEATHER?", "NA:CMD ERR"),
        ("WEATHER,FINE", "NA:CMD ERR"),
        ("", "NA:CMD ERR"),
    ],
)
def test_a_query_is_answered_by_bare_data_or_by_a_reason(query: str, reply: str) -> None:
    on_a_device(lambda device: _equal(ask(device, query), reply))


@pytest.mark.parametrize(
    ("setting", "reply"),
    [
        ("TEMP, S25.0", "OK:TEMP, S25.0"),
        ("TEMP, S25.0 H120.0 L-40.0", "OK:TEMP, S25.0 H120.0 L-40.0"),
        ("TEMP, S200.0", "NA:DATA OUT OF RANGE"),
        ("TEMP, H181.0", "NA:DATA OUT OF RANGE"),
        ("TEMP, L20.0 H10.0", "NA:DATA OUT OF RANGE"),
        ("TEMP, S25.00", "NA:PARA ERR"),
        ("TEMP, S25.0 S26.0", "NA:PARA ERR"),
        ("TEMP", "NA:PARA ERR"),
        ("MODE,STANDBY", "OK:MODE,STANDBY"),
        ("MODE,RUN3", "OK:MODE,RUN3"),
        ("MODE,RUN41", "NA:DATA NOT READY"),
        ("MODE,FAST", "NA:PARA ERR"),
        ("POWER,OFF", "OK:POWER,OFF"),
        ("SET,REF6", "OK:SET,REF6"),
        ("SET,REF2", "NA:PARA ERR"),
        ("RELAY,ON,1,2", "OK:RELAY,ON,1,2"),
        ("RELAY,ON,13", "NA:PARA ERR"),
        ("KEYPROTECT,ON", "OK:KEYPROTECT,ON"),
        ("PRGM,PAUSE", "NA:CONT NOT READY-2"),
        ("PRGM,RUN,RAM:3,STEP1", "OK:PRGM,RUN,RAM:3,STEP1"),
    ],
)
def test_a_setting_is_echoed_or_refused_with_a_reason(setting: str, reply: str) -> None:
    on_a_device(lambda device: _equal(ask(device, setting), reply))


def test_what_is_set_shows() -> None:
    def test(device: P300Device) -> None:
        for line in ("TEMP, S40.0 H120.0 L-40.0", "SET,REF1", "RELAY,ON,3,1", "RELAY,OFF,1", "KEYPROTECT,ON"):
            ask(device, line)
        assert ask(device, "TEMP?") == "23.5,40.0,120.0,-40.0"
        assert (ask(device, "SET?"), ask(device, "RELAY?"), ask(device, "KEYPROTECT?")) == ("REF1", "1,3", "ON")

    on_a_device(test)


def test_a_controller_that_is_off_takes_neither_mode_nor_lock_before_it_is_switched_on() -> None:
    def test(device: P300Device) -> None:
        ask(device, "MODE,OFF")
        assert ask(device, "MODE,CONSTANT") == "NA:CHB NOT READY"
        assert ask(device, "KEYPROTECT,ON") == "NA:CONT NOT READY-4"
        assert ask(device, "TEMP, S30.0") == "OK:TEMP, S30.0"
        ask(device, "POWER,ON")
        assert ask(device, "MODE?") == "STANDBY"
        ask(device, "MODE,CONSTANT")
        assert ask(device, "MON?") == "23.5,,CONSTANT,0"

    on_a_device(test)


def test_protected_data_is_not_set() -> None:
    def test(device: P300Device) -> None:
        device.data_protect = True
        assert ask(device, "TEMP, S30.0") == "NA:PROTECT ON"
        assert ask(device, "MODE,STANDBY") == "NA:PROTECT ON"
        assert ask(device, "MODE?") == "CONSTANT"

    on_a_device(test)


def test_alarms_are_counted_and_listed() -> None:
    def test(device: P300Device) -> None:
        device.alarms += [0, 7]
        assert ask(device, "MON?") == "23.5,,CONSTANT,2"
        assert ask(device, "ALARM?") == "2,0,7"
        assert ask(device, "SRQ?") == "01000000"

    on_a_device(test)


def test_a_program_runs_until_it_is_ended() -> None:
    def test(device: P300Device) -> None:
        ask(device, "PRGM,RUN,RAM:3,STEP1")
        assert ask(device, "PRGM SET?") == "RAM:3,PROGRAM,END(HOLD)"
        assert ask(device, "PRGM,PAUSE") == "OK:PRGM,PAUSE"
        ask(device, "PRGM,END,STANDBY")
        assert ask(device, "MODE?") == "STANDBY"

    on_a_device(test)


def test_the_older_controller_knows_no_details() -> None:
    def test(device: P300Device) -> None:
        assert ask(device, "TYPE?") == "T,SCP220,150.0"
        assert ask(device, "MON?,DETAIL") == "NA:CONT NOT READY-3"

    on_a_device(test, model=P300Model(name="SCP220", temperature_degc_max=150.0, programs=20))


@pytest.mark.parametrize(
    ("line", "reply"),
    [("2,MODE?", "CONSTANT"), ("1,MODE?", None), ("MODE?", "NA:ADDR ERR"), ("x,MODE?", "NA:ADDR ERR")],
)
def test_a_station_hears_its_own_address(line: str, reply: str | None) -> None:
    on_a_device(lambda device: _equal(ask(device, line, address=2), reply))


def test_after_a_power_failure_it_stands_by() -> None:
    def test(device: P300Device) -> None:
        device.restart()
        assert ask(device, "MODE?") == "STANDBY"

    on_a_device(test)


@pytest.mark.parametrize(
    ("degc", "text"), [(25.0, "25.0"), (-0.04, "0.0"), (-75.0, "-75.0"), (float("nan"), "****.*"), (9.9e37, "****.*")]
)
def test_temperatures_have_one_decimal_and_no_plus(degc: float, text: str) -> None:
    assert shown(degc) == text


WORDS = st.sampled_from(
    ["TEMP", "MODE", "?", ",", " S", " H", " L", "25.0", "-1e3", "CONSTANT", "RUN", "RELAY", "ON", "PRGM", "END", "2,"]
)


@given(
    st.binary(max_size=300) | st.lists(WORDS, max_size=7).map(lambda words: "".join(words).encode()),
    st.none() | st.just(2),
)
def test_any_line_gets_one_line_or_is_for_somebody_else(line: bytes, address: int | None) -> None:
    def test(device: P300Device) -> None:
        reply = commands.answer(device, address, line)
        if reply is None:
            assert address is not None
        else:
            assert reply.endswith(b"\r\n")
        assert device.low_degc < device.high_degc

    on_a_device(test)


def _equal(one: object, other: object) -> None:
    assert one == other
