"""The simulated Hioki by its documents: raw bytes in, raw bytes out."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sims.faults import Faults
from sims.loop import run_virtual
from sims.wire.hioki_bt3562.device import COMMAND_ERROR, EXECUTION_ERROR, PON, QUERY_ERROR, HiokiDevice
from sims.wire.hioki_bt3562.messages import answer
from sims.wire.lines import Late

OPEN = (math.nan, math.nan)


class Instrument:
    """One on the table, with its event register read."""

    def __init__(self, voltage_v: float = 3.65, resistance_ohm: float = 0.0213, **more: Any) -> None:
        self.cell = voltage_v, resistance_ohm
        self.device = HiokiDevice(lambda: self.cell, **more)
        self.device.events = 0

    def say(self, *lines: str) -> bytes | None:
        """The answer to the last of them."""
        reply: bytes | Late | None = None
        for line in lines:
            reply = answer(self.device, line.encode())
        return reply.data if isinstance(reply, Late) else reply


SINGLE = (":RES:RANG 30E-3", ":VOLT:RANG 6", ":INIT:CONT OFF")


def test_it_names_itself_without_a_serial_number() -> None:
    table = Instrument()
    assert table.say("*IDN?") == b"HIOKI,BT3562A,0,V1.00\r\n"
    assert table.say(":SYST:HEAD ON", "*IDN?") == b"HIOKI,BT3562A,0,V1.00\r\n"


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (":RES:RANG 250E-3;:RES:RANG?", b"300.00E-3\r\n"),
        (":RESISTANCE:RANGE 3000;:RES:RANG?", b"3.0000E+3\r\n"),
        (":VOLT:RANG 50;:VOLTAGE:RANGE?", b"60.0000E+0\r\n"),
        (":VRANGE 6;:VRAN?", b"6.00000E+0\r\n"),
        (":samp:rate med;:samp:rate?", b"MEDIUM\r\n"),
        (":FUNC RES;:FUNC?", b"RESISTANCE\r\n"),
        (":MOD RV;:MODE?", b"RV\r\n"),
        (":AUT OFF;:AUT?", b"OFF\r\n"),
        (":CALC:AVER:STAT ON;:CALC:AVER:STAT?", b"ON\r\n"),
        (":CALC:AVER 16;:CALC:AVER?", b"16\r\n"),
        (":TRIG:SOUR EXT;:TRIG:SOUR?", b"EXTERNAL\r\n"),
        (":INIT:CONT OFF;:INIT:CONT?", b"OFF\r\n"),
        (":SYST:LFR 50;:SYST:LFR?", b"50\r\n"),
        (":SYST:KLOC ON;:SYST:KLOC?", b"ON\r\n"),
        ("*OPC;*OPC?", b"1\r\n"),
        ("*TST?", b"0\r\n"),
    ],
)
def test_a_setting_is_answered_as_it_was_written(line: str, reply: bytes) -> None:
    table = Instrument()
    assert table.say(line) == reply
    assert table.device.events == 0


def test_with_headers_on_answers_begin_with_the_long_form() -> None:
    table = Instrument()
    assert table.say(":SYST:HEAD ON", ":RES:RANG 300E-3;:RES:RANG?") == b":RESISTANCE:RANGE 300.00E-3\r\n"
    assert table.say(*SINGLE, ":READ?") == b"  21.300E-3, 3.65000E+0\r\n"


@pytest.mark.parametrize(
    ("line", "events"),
    [
        (":BLA?", COMMAND_ERROR),
        (":BLA", COMMAND_ERROR),
        (":RES:RANG", COMMAND_ERROR),
        (":RES:RANG HIGH", COMMAND_ERROR),
        (":RESI:RANG?", COMMAND_ERROR),  # neither the short nor the long form
        (":FUNC POWER", COMMAND_ERROR),
        (":RES:RANG 4000", EXECUTION_ERROR),
        (":VOLT:RANG 300", EXECUTION_ERROR),  # this model ends at 100 V
        (":CALC:AVER 17", EXECUTION_ERROR),
        ("*ESE 300", EXECUTION_ERROR),
        (":READ?", EXECUTION_ERROR),  # it runs freely
        ("*IDN?;*CLS", QUERY_ERROR),
        (":SYST:RES 1", COMMAND_ERROR),
    ],
)
def test_an_error_is_not_answered_and_shows_in_the_event_register(line: str, events: int) -> None:
    table = Instrument()
    assert table.say(line) is None
    assert table.say("*ESR?") == f"{events}\r\n".encode()
    assert table.say("*ESR?") == b"0\r\n"


def test_an_error_ends_its_message() -> None:
    table = Instrument()
    assert table.say(":BLA;:SYST:HEAD ON;*IDN?") is None
    assert not table.device.settings.headers


def test_automatic_ranging_is_refused_while_the_comparator_is_on() -> None:
    table = Instrument()
    assert table.say(":CALC:LIM:STAT ON;:AUT?") == b"OFF\r\n"
    assert table.say(":AUT ON") is None
    assert table.device.events == EXECUTION_ERROR


def test_a_single_measurement_takes_its_time_and_stays_the_newest() -> None:
    table = Instrument()
    table.say(*SINGLE, ":SAMP:RATE MED")
    reply = answer(table.device, b":READ?")
    assert isinstance(reply, Late)
    assert (reply.seconds, reply.data) == (0.084, b"  21.300E-3, 3.65000E+0\r\n")
    table.cell = 3.7, 0.02
    assert table.say(":FETC?") == b"  21.300E-3, 3.65000E+0\r\n"
    assert table.say(":INIT:CONT ON", ":FETC?") == b"  20.000E-3, 3.70000E+0\r\n"


@pytest.mark.parametrize(
    ("function", "reply"),
    [("RV", b"  21.300E-3, 3.65000E+0\r\n"), ("RES", b"  21.300E-3\r\n"), ("VOLT", b" 3.65000E+0\r\n")],
)
def test_each_function_has_its_values(function: str, reply: bytes) -> None:
    assert Instrument().say(*SINGLE, f":FUNC {function}", ":READ?") == reply


@pytest.mark.parametrize(
    ("cell", "reply"),
    [
        ((-3.65, -0.00136), b"-  1.360E-3,-3.65000E+0\r\n"),
        ((7.0, 0.5), b" 100.000E+7, 1.00000E+9\r\n"),
        ((-7.0, -0.5), b"-100.000E+7,-1.00000E+9\r\n"),
        (OPEN, b" 100.000E+8, 1.00000E+10\r\n"),
    ],
)
def test_signs_over_range_and_faults_are_written_as_in_the_makers_table(
    cell: tuple[float, float], reply: bytes
) -> None:
    table = Instrument(*cell)
    assert table.say(*SINGLE, ":READ?") == reply


def test_automatic_ranging_takes_the_lowest_range_that_holds_the_cell() -> None:
    table = Instrument(48.0, 0.0021)
    assert table.say(":AUT ON", ":FETC?") == b"  2.1000E-3, 48.0000E+0\r\n"


def test_zero_is_adjusted_with_shorted_tips_only() -> None:
    table = Instrument()
    table.say(":RES:RANG 30E-3", ":VOLT:RANG 6")
    assert table.say(":ADJ?") == b"1\r\n"
    table.cell = 0.0001, 0.0002
    assert table.say(":ADJ?") == b"0\r\n"
    assert table.say(":FETC?") == b"   0.000E-3, 0.00000E+0\r\n"
    assert table.say(":ADJ:CLEA", ":FETC?") == b"   0.200E-3, 0.00010E+0\r\n"


def test_rst_brings_the_factory_back_and_drops_the_zero_adjustment() -> None:
    table = Instrument(0.0, 0.0002)
    table.say(":RES:RANG 30E-3", ":VOLT:RANG 6", ":ADJ?", ":INIT:CONT OFF", "*RST")
    assert table.device.settings.continuous and table.device.settings.auto_range
    assert table.device.settings.resistance_zero_ohm == 0.0


def test_a_power_cycle_shows_in_the_event_register_and_ends_headers() -> None:
    table = Instrument()
    table.say(":SYST:HEAD ON", ":RES:RANG 3E-3")
    table.device.restart()
    assert table.device.events == PON
    assert table.say(":RES:RANG?") == b"3.0000E-3\r\n"


@pytest.mark.parametrize("fault", ["nan", "out-of-range", "scale-10"])
def test_a_fault_of_its_readings_shows_in_them(fault: str) -> None:
    expected = {"nan": b" 100.000E+8, 1.00000E+10\r\n"}.get(fault, b" 100.000E+7, 1.00000E+9\r\n")

    async def main() -> None:
        faults = Faults()
        table = Instrument(faults=faults)
        faults.wire(("1",))
        faults.begin(fault)
        assert table.say(*SINGLE, ":READ?") == expected

    run_virtual(main())


def test_a_message_that_is_too_long_is_an_error() -> None:
    table = Instrument()
    assert table.say("*IDN?" + " " * 300) is None
    assert table.device.events == COMMAND_ERROR


@given(st.binary(max_size=120))
def test_no_message_brings_it_down(line: bytes) -> None:
    table = Instrument()
    reply = answer(table.device, line)
    data = reply.data if isinstance(reply, Late) else reply
    assert data is None or data.endswith(b"\r\n")
    assert table.say("*IDN?") is not None


WORDS = (
    ":RES", ":RANG", ":VOLT", ":SAMP", ":RATE", ":CALC", ":AVER", "?", " ", ";", ",", "1", "-3E-3", "ON", "RV", ":FUNC",
    ":ADJ", "*RST", ":FETC",
)  # fmt: skip


@given(st.lists(st.sampled_from(WORDS), max_size=12).map("".join))
def test_no_half_understood_message_brings_it_down(line: str) -> None:
    table = Instrument()
    table.say(line)
    assert table.say("*IDN?") is not None
