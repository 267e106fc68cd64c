"""The simulated F4T against its sheet: frames byte for byte, words, access, SCPI, silence, and rubbish."""

import asyncio
import math
import struct
from collections.abc import Callable
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sims.chamber import Chamber
from sims.faults import Faults
from sims.loop import run_virtual
from sims.wire.modbus import MappedUnit, crc
from sims.wire.watlow_f4t import scpi
from sims.wire.watlow_f4t.device import EFFECT_S, F4tDevice, F4tSetup, Mode, Profile, RampAction
from sims.wire.watlow_f4t.registers import F4tRegisters
from sims.wire.watlow_f4t.simulator import FUNCTIONS, SILENCE_S, _Serial


def on_a_device(*tests: Callable[[F4tDevice], object], faults: Faults | None = None, **how: object) -> None:
    """One after the other, with time between them for what was ordered to take effect."""

    async def main() -> None:
        chamber = Chamber(ambient_degc=25.0)
        device = F4tDevice(chamber, faults or Faults(), F4tSetup(**how))  # type: ignore[arg-type]
        for test in tests:
            test(device)
            await asyncio.sleep(2.0 * EFFECT_S)
        device.power_off()

    run_virtual(main())


def ask(device: F4tDevice, request: str, port: Literal["tcp", "rtu"] = "tcp") -> str:
    unit = MappedUnit(F4tRegisters(device, port), functions=FUNCTIONS)
    return unit.respond(bytes.fromhex(request)).hex(" ").upper()


def say(device: F4tDevice, line: str) -> str | None:
    reply = scpi.answer(device, line.encode())
    return None if reply is None else reply.decode()


# registers


def test_the_frames_of_the_sheet_are_answered() -> None:
    for frame in ("01 03 0B 04 00 02 87 EE", "01 10 0A DE 00 02 04 00 00 42 34 30 A8"):
        assert crc(bytes.fromhex(frame)[:-2]) == bytes.fromhex(frame)[-2:]

    def test(device: F4tDevice) -> None:
        assert ask(device, "03 0B 04 00 02") == "03 04 00 00 41 C8"
        assert ask(device, "10 0A DE 00 02 04 00 00 42 34") == "10 0A DE 00 02"
        assert device.set_point_degc == 45.0
        assert ask(device, "04 0A DE 00 02") == "04 04 00 00 42 34"

    on_a_device(test)


def test_the_other_word_order_is_a_setting() -> None:
    def test(device: F4tDevice) -> None:
        assert ask(device, "03 0B 04 00 02") == "03 04 41 C8 00 00"
        ask(device, "10 0A DE 00 02 04 42 34 00 00")
        assert device.set_point_degc == 45.0

    on_a_device(test, low_word_first=False)


def test_neighbours_are_read_in_one_piece_and_what_lies_between_is_not_there() -> None:
    def test(device: F4tDevice) -> None:
        assert ask(device, "03 0A D6 00 04") == "03 08 00 00 C2 20 00 00 43 02"  # -40 and 130 degC
        assert ask(device, "03 0A AA 00 02") == "03 04 00 0A 00 00"
        assert ask(device, "03 0A AC 00 01") == "83 02"
        assert ask(device, "03 0A AA 00 06") == "83 02"

    on_a_device(test)


def test_a_text_has_one_character_in_each_register() -> None:
    def test(device: F4tDevice) -> None:
        words = struct.unpack(">15H", bytes.fromhex(ask(device, "03 00 10 00 0F"))[2:])
        assert "".join(map(chr, words)) == "F4T1L3AAA1A1AAA"

    on_a_device(test)


@pytest.mark.parametrize(
    ("request_hex", "code"),
    [
        ("01 0A AA 00 01", 1),  # it has no coils
        ("05 0A AA FF 00", 1),
        ("03 FF FE 00 01", 2),
        ("06 0B 04 00 01", 2),  # a process value is not written
        ("06 0A AA 00 0B", 3),  # no such mode
        ("06 0A DE 00 0B", 3),  # half a float
        ("10 0A DE 00 02 04 00 00 43 48", 3),  # 200 degC, above its limit
        ("10 0A DE 00 02 04 00 00 7F C0", 3),  # no number
        ("10 0A D6 00 02 04 00 00 43 48", 3),  # a low limit above the high one
        ("06 40 B2 00 01", 3),  # no such command of a profile
        ("06 1A 4A 00 14", 3),  # no such unit
        ("03 83 DE 00 01", 4),  # an output that its module does not have
    ],
)
def test_what_cannot_be_is_an_exception(request_hex: str, code: int) -> None:
    def test(device: F4tDevice) -> None:
        assert ask(device, request_hex) == f"{int(request_hex[:2], 16) | 0x80:02X} {code:02X}"
        assert (device.set_point_degc, device.limits_degc) == (25.0, (-40.0, 130.0))

    on_a_device(test)


def test_a_firmware_may_clamp_what_others_refuse() -> None:
    def test(device: F4tDevice) -> None:
        assert ask(device, "10 0A DE 00 02 04 00 00 43 48") == "10 0A DE 00 02"
        assert device.set_point_degc == 130.0

    on_a_device(test, clamps=True)


def test_a_unit_belongs_to_a_port() -> None:
    def test(device: F4tDevice) -> None:
        assert ask(device, "06 1A 4A 00 1E") == "06 1A 4A 00 1E"
        assert ask(device, "03 0B 04 00 02") == "03 04 00 00 42 9A"  # 77 degF
        assert ask(device, "03 0B 04 00 02", "rtu") == "03 04 00 00 41 C8"

    on_a_device(test)


def test_the_mode_that_is_set_shows_at_once_and_the_active_one_later() -> None:
    def order(device: F4tDevice) -> None:
        assert ask(device, "06 0A AA 00 3E") == "06 0A AA 00 3E"
        assert ask(device, "03 0A AA 00 01") == "03 02 00 3E"
        assert ask(device, "03 0A FE 00 01") == "03 02 00 0A"

    def look(device: F4tDevice) -> None:
        assert ask(device, "03 0A FE 00 01") == "03 02 00 3E"
        assert not device.conditions

    on_a_device(order, look)


def test_a_momentary_key_acts_with_each_press_and_a_toggle_as_it_stands() -> None:
    press, release = "06 1A C2 05 B1", "06 1A C2 05 B0"

    def check(request: str, runs: bool) -> tuple[Callable[[F4tDevice], object], Callable[[F4tDevice], object]]:
        def look(device: F4tDevice) -> None:
            assert ask(device, "03 83 B6 00 01") == ("03 02 00 3F" if runs else "03 02 00 3E")

        return (lambda device: ask(device, request)), look

    on_a_device(*check(press, False), *check(release, False), *check(press, True), run_key="momentary")
    on_a_device(*check(press, True), *check(press, True), *check(release, False), run_key="toggle")


def test_a_profile_is_started_paused_resumed_and_ended() -> None:
    def test(device: F4tDevice) -> None:
        for request, state in (
            ("06 40 B2 06 F6", Profile.RUNNING),
            ("06 40 B6 00 92", Profile.PAUSED),
            ("06 40 B4 00 93", Profile.RUNNING),
            ("06 40 B6 00 94", Profile.TERMINATED),
        ):
            assert ask(device, request) == request
            assert device.profile is state
            assert ask(device, "03 40 B8 00 01") == f"03 02 {state >> 8:02X} {state & 0xFF:02X}"

    on_a_device(test)


def test_a_cascade_has_registers_of_its_own_and_no_loop() -> None:
    def test(device: F4tDevice) -> None:
        assert ask(device, "03 10 56 00 02") == "03 04 00 00 41 C8"
        assert ask(device, "03 0B 04 00 02") == "83 02"

    on_a_device(test, is_cascade=True)


def test_after_a_power_failure_a_chamber_with_a_key_waits_for_it() -> None:
    def test(device: F4tDevice) -> None:
        device.restart()
        assert not device.is_running and device.mode is Mode.AUTO

    on_a_device(test, run_key="momentary")
    on_a_device(lambda device: (device.restart(), device.is_running or pytest.fail("it goes on by itself")))


@given(st.binary(min_size=1, max_size=40))
def test_any_request_gets_an_answer(request: bytes) -> None:
    def test(device: F4tDevice) -> None:
        reply = MappedUnit(F4tRegisters(device, "tcp"), functions=FUNCTIONS).respond(request)
        assert reply[0] & 0x7F == request[0] & 0x7F

    on_a_device(test)


@given(st.sampled_from([2730, 2774, 2776, 2782, 2794, 2796, 2798, 6850, 16594]), st.integers(0, 0xFFFFFFFF))
def test_no_write_leaves_it_with_a_set_point_outside_its_limits(address: int, words: int) -> None:
    def test(device: F4tDevice) -> None:
        for request in (
            struct.pack(">BHHBI", 16, address, 2, 4, words),
            struct.pack(">BHH", 6, address, words & 0xFFFF),
        ):
            MappedUnit(F4tRegisters(device, "tcp"), functions=FUNCTIONS).respond(request)
        low_degc, high_degc = device.limits_degc
        assert low_degc < high_degc
        assert math.isfinite(device.set_point_degc)
        assert device.set_point_degc == 25.0 or low_degc <= device.set_point_degc <= high_degc

    on_a_device(test)


# the serial line


def test_what_comes_within_30_ms_of_its_answer_it_does_not_hear() -> None:
    class Wire(asyncio.Transport):
        def write(self, data: bytes | bytearray | memoryview) -> None:
            replies.append(bytes(data))

    replies: list[bytes] = []

    async def main() -> None:
        device = F4tDevice(Chamber(ambient_degc=25.0), Faults())
        line = _Serial(MappedUnit(F4tRegisters(device, "rtu"), functions=FUNCTIONS), 1)
        line.connection_made(Wire())
        request = bytes.fromhex("01 03 0B 04 00 02 87 EE")
        for pause_s, answers in ((0.0, 1), (0.5 * SILENCE_S, 1), (SILENCE_S, 2)):
            await asyncio.sleep(pause_s)
            line.data_received(request)
            assert len(replies) == answers

    run_virtual(main())


# SCPI


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("*IDN?", "Watlow Electric,F4T Controller,4711,04.07:0002\n"),
        (":UNIT:TEMPERATURE?", "C\n"),
        (":SOURCE:CLOOP1:PVALUE?", "25.0\n"),
        (":source:cloop1:pvalue?\r", "25.0\n"),
        (":SOUR:CLO1:PVAL?", "25.0\n"),
        (":SOURCE:CLOOP1:SPOINT?", "25.0\n"),
        (":SOURCE:CLOOP1:ERROR?", "NONE\n"),
        (":SOURCE:CLOOP2:PVALUE?", None),
        (":SOURCE:CLOOP1:PVALUE", None),
        (":OUTPUT1:STATE?", "OFF\n"),
        (":OUTPUT8:STATE?", None),
        (":PROGRAM:SELECTED:STATE?", "OFF\n"),
        (":SYSTEM:ERROR?", None),
        ("", None),
    ],
)
def test_it_answers_what_it_knows_and_is_silent_else(line: str, reply: str | None) -> None:
    def test(device: F4tDevice) -> None:
        assert say(device, line) == reply

    on_a_device(test)


def test_settings_have_no_reply_and_act() -> None:
    def test(device: F4tDevice) -> None:
        for line in (
            ":SOURCE:CLOOP1:RSCALE HOURS",
            ":SOURCE:CLOOP1:RRATE 12.5",
            ":SOURCE:CLOOP1:RACTION SETPOINT",
            ":SOURCE:CLOOP1:SPOINT 45.0",
            ":OUTPUT3:STATE ON",
            ":UNIT:TEMPERATURE F",
            ":PROGRAM:SELECTED:STATE START",
        ):
            assert say(device, line) is None
        assert (device.ramp_in_hours, device.ramp_k, device.ramp_action) == (True, 12.5, RampAction.SET_POINT)
        assert device.set_point_degc == 45.0 and device.events[2] and device.profile is Profile.RUNNING
        assert say(device, ":SOURCE:CLOOP1:RRATE?") == "22.5\n"

    on_a_device(test)


@pytest.mark.parametrize(
    "line", [":SOURCE:CLOOP1:SPOINT 200", ":SOURCE:CLOOP1:SPOINT x", ":SOURCE:CLOOP1:RACTION NOW", ":SOURCE:CLOOP1"]
)
def test_settings_that_cannot_be_change_nothing(line: str) -> None:
    def test(device: F4tDevice) -> None:
        assert say(device, line) is None
        assert device.set_point_degc == 25.0 and device.ramp_action is RampAction.OFF

    on_a_device(test)


def test_a_cascade_shows_air_and_part() -> None:
    def test(device: F4tDevice) -> None:
        say(device, ":SOURCE:CASCADE1:SPOINT 30")
        assert say(device, ":SOURCE:CASCADE1:INNER:PVALUE?") == "25.0\n"
        assert say(device, ":SOURCE:CASCADE1:OUTER:SPOINT?") == "30.0\n"
        assert say(device, ":SOURCE:CLOOP1:PVALUE?") is None

    on_a_device(test, is_cascade=True)


WORDS = st.sampled_from(
    [
        ":SOURCE",
        ":CLOOP1",
        ":CASCADE1",
        ":SPOINT",
        ":RRATE",
        ":OUTPUT9",
        ":UNIT",
        ":TEMPERATURE",
        "?",
        " 1e9",
        " C",
        "*",
    ]
)


@given(st.binary(max_size=300) | st.lists(WORDS, max_size=6).map(lambda words: "".join(words).encode()))
def test_any_line_gets_one_line_or_none(line: bytes) -> None:
    def test(device: F4tDevice) -> None:
        reply = scpi.answer(device, line)
        assert reply is None or (reply.endswith(b"\n") and reply.count(b"\n") == 1)

    on_a_device(test)
