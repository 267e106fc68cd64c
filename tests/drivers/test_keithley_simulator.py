"""The simulated Keithley by its documents: raw bytes in, raw bytes out."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycler.contract.plugin import Resource
from sims.faults import Faults
from sims.loop import VirtualLoop, run_on, run_virtual
from sims.network import MemoryNetwork
from sims.testing.bench import BenchCell
from sims.testing.wired import utcnow
from sims.wire.keithley_2450.device import SmuDevice
from sims.wire.keithley_2450.scpi import answer
from sims.wire.keithley_2450.settings import MODELS
from sims.wire.keithley_2450.simulator import SILENT_S, SmuSimulator
from sims.wire.lines import Late

NO_ERROR = b'0,"No error;0;0 0"\n'


class Instrument:
    """One on the table, a cell at its rear terminals."""

    def __init__(self, voltage_v: float = 3.5, **more: Any) -> None:
        self.cell = BenchCell(voltage_v)
        self.device = SmuDevice(self.cell, utcnow=utcnow, **more)

    def say(self, *lines: str) -> bytes | None:
        """The answer to the last of them."""
        reply: bytes | Late | None = None
        for line in lines:
            reply = answer(self.device, line.encode())
        return reply.data if isinstance(reply, Late) else reply

    def events(self) -> list[int]:
        found = []
        while (reply := self.say(":SYST:ERR?")) != NO_ERROR:
            assert reply is not None
            found.append(int(reply.split(b",")[0]))
        return found

    @property
    def flows_a(self) -> float:
        return self.cell.measure().current_a


REAR = ":ROUT:TERM REAR;:OUTP:SMOD HIMP"


def on_table(test: Callable[[], None]) -> None:
    async def main() -> None:
        test()

    run_virtual(main())


def test_it_names_itself_with_a_word_and_a_blank_before_its_model() -> None:
    def test() -> None:
        table = Instrument()
        assert table.say("*IDN?") == b"KEITHLEY INSTRUMENTS,MODEL 2450,04000001,1.7.12b\n"
        assert table.say("*LANG?") == b"SCPI\n"
        assert table.say("*OPC?") == b"1\n"

    on_table(test)


@pytest.mark.parametrize(
    ("header", "written", "read"),
    [
        (":SOUR:FUNC", "CURR", b"CURR\n"),
        (":SOURce1:FUNCtion:MODE", "voltage", b"VOLT\n"),
        (":SENS:FUNC", '"VOLT"', b'"VOLT:DC"\n'),
        (":SENS:FUNC", "'curr:dc'", b'"CURR:DC"\n'),
        (":SENSE:FUNCTION", '"RES"', b'"RES"\n'),
        (":SOUR:CURR:VLIM", "4.2", b"+4.200000E+00\n"),
        (":SOUR:VOLT:ILIM:LEV", "0.5", b"+5.000000E-01\n"),
        (":SOUR:VOLT:RANG", "5", b"+2.000000E+01\n"),
        (":SENS:CURR:RANG", "0.3", b"+1.000000E+00\n"),
        (":SENS:VOLT:NPLC", "0.1", b"+1.000000E-01\n"),
        (":SENS:VOLT:RSEN", "ON", b"1\n"),
        (":SENS:RES:RSENSE", "1", b"1\n"),
        (":SENS:VOLT:AVER", "ON", b"1\n"),
        (":SENS:CURR:AVER:COUNT", "5", b"+5.000000E+00\n"),
        (":SENS:CURR:AVER:TCON", "MOV", b"MOV\n"),
        (":SOUR:CURR:DEL", "0.2", b"+2.000000E-01\n"),
        (":SOUR:CURR:DEL:AUTO", "0", b"0\n"),
        (":SOUR:CURR:READ:BACK", "OFF", b"0\n"),
        (":SOUR:CURR:RANG:AUTO", "0", b"0\n"),
        (":SOUR:VOLT:PROT", "PROT10", b"PROT10\n"),
        (":SOUR:VOLT:PROT", "NONE", b"NONE\n"),
        (":ROUT:TERM", "REAR", b"REAR\n"),
        (":outp:curr:smod", "himp", b"HIMP\n"),
        ("OUTPUT:VOLTAGE:SMODE", "GUARD", b"GUAR\n"),
        (":TRAC:POIN", "50", b"+5.000000E+01\n"),
    ],
)
def test_a_setting_is_answered_as_it_was_written(header: str, written: str, read: bytes) -> None:
    def test() -> None:
        table = Instrument()
        assert table.say(f"{header} {written}") is None
        assert table.say(f"{header}?") == read
        assert table.events() == []

    on_table(test)


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (":BLA", -113),
        (":BLA?", -113),
        (":SOUR:RES 1", -113),
        (":SOUR:VOLT", -109),
        (":SOUR:VOLT 300", -222),
        (":SOUR:VOLT high", -104),
        (":SOUR:VOLT 1,2", -108),
        (":SOUR:VOLT? MIN", -108),
        (":SOUR:VOLT nan", -222),
        (":SOUR:FUNC POW", -224),
        (":OUTP MAYBE", -224),
        (":SENS:FUNC 'POW'", -224),
        (":SENS:VOLT:NPLC 100", -222),
        (":SOUR:VOLT:ILIM 2", -222),
        (":SOUR:VOLT 60", -221),  # without the interlock
        (":SENS:CURR:RANG 1;:SOUR:VOLT:ILIM 0.0005", -221),
        (":SOUR:VOLT:PROT PROT7", -224),
        ("*RST 1", -108),
        (":READ? 'nobuffer'", -224),
        (':READ? "defbuffer1",COLOUR', -224),
        (':TRAC:DATA? 1,2,"defbuffer1"', -222),
        (':TRAC:DATA? a,b,"defbuffer1"', -104),
    ],
)
def test_what_is_wrong_queues_its_event_and_is_not_answered(line: str, event: int) -> None:
    def test() -> None:
        table = Instrument()
        before = table.device.settings.source["VOLT"].level
        assert table.say(line) is None
        assert table.device.settings.source["VOLT"].level == before
        assert table.events() == [event]

    on_table(test)


def test_an_event_carries_its_kind_and_time() -> None:
    def test() -> None:
        table = Instrument()
        table.say(":BLA")
        assert table.say(":SYST:ERR:NEXT?") == b'-113,"Undefined header;1;2026/01/01 00:00:00.000"\n'
        assert table.say(":SYST:ERR?") == NO_ERROR

    on_table(test)


def test_joined_commands_follow_one_another_and_their_answers_come_on_one_line() -> None:
    def test() -> None:
        table = Instrument()
        assert table.say(":SOUR:VOLT 1.5;:SOUR:VOLT?;:SOUR:FUNC?") == b"+1.500000E+00;VOLT\n"
        assert table.say(":SOUR:VOLT:ILIM 0.2;RANG 20;ILIM?") == b"+2.000000E-01\n"  # still below :SOUR:VOLT
        assert table.say(":SENS:FUNC 'VOLT';:SENS:FUNC?") == b'"VOLT:DC"\n'
        assert table.events() == []

    on_table(test)


def test_a_reading_has_what_was_asked_for_and_takes_its_line_periods() -> None:
    def test() -> None:
        table = Instrument(3.5)
        table.say(REAR, ":SENS:FUNC 'CURR';:SENS:CURR:RSEN 1", ":SOUR:VOLT:ILIM 1;:SOUR:VOLT 4.2;:OUTP ON")
        reply = answer(table.device, b':READ? "defbuffer1",SOUR,READ,REL,STAT')
        assert isinstance(reply, Late)
        assert reply.data == b"+3.520000E+00,+1.000000E+00,+0.000000E+00,0\n"
        assert reply.seconds == pytest.approx(0.04)
        assert table.say(":READ?") == b"+1.000000E+00\n"
        assert table.say(":MEAS:VOLT?") == b"+3.520000E+00\n"
        assert table.say(":SENS:FUNC?") == b'"VOLT:DC"\n'
        assert table.say(":TRAC:DATA? 1,2,'defbuffer1',SOUR") == b"+3.520000E+00,+3.520000E+00\n"
        assert table.say(":TRAC:CLE 'defbuffer1'", ":TRAC:DATA? 1,1") is None

    on_table(test)


def test_without_read_back_the_source_is_what_was_programmed() -> None:
    def test() -> None:
        table = Instrument(3.5)
        table.say(REAR, ":SOUR:VOLT:READ:BACK OFF", ":SOUR:VOLT:ILIM 0.1;:SOUR:VOLT 4.2;:OUTP ON")
        assert table.say(':READ? "defbuffer1",SOUR') == b"+4.200000E+00\n"

    on_table(test)


def test_with_its_relay_open_nothing_is_read() -> None:
    def test() -> None:
        table = Instrument()
        table.say(REAR)
        assert table.say(":READ?") == b"+9.900000E+37\n"

    on_table(test)


def test_off_is_0_v_across_the_cell_unless_it_is_high_impedance() -> None:
    def test() -> None:
        table = Instrument(3.5)
        table.say(":ROUT:TERM REAR", ":SOUR:VOLT:ILIM 1;:SENS:CURR:RANG 1;:SOUR:VOLT 3.5", ":OUTP ON", ":OUTP OFF")
        assert table.say(":OUTP?") == b"0\n"
        assert table.flows_a == pytest.approx(-0.1)  # a tenth of the current range
        table.say(":OUTP:VOLT:SMOD HIMP")
        assert table.flows_a == 0.0
        table.say("*RST")
        assert table.flows_a == 0.0  # the relay does not close by itself

    on_table(test)


def test_a_current_source_above_its_voltage_limit_pulls_with_all_its_range() -> None:
    """The reason why the driver charges with a voltage source."""

    def test() -> None:
        table = Instrument(4.3)
        table.say(REAR, ":SOUR:FUNC CURR;:SOUR:CURR:RANG 1;:SOUR:CURR:VLIM 4.2;:SOUR:CURR 0.1", ":OUTP ON")
        assert table.flows_a == pytest.approx(-1.05)
        assert table.say(":SOUR:CURR:VLIM:TRIP?") == b"1\n"

    on_table(test)


@pytest.mark.parametrize(
    ("cell_v", "level", "flows_a", "limited"),
    [(3.5, "4.2", 0.5, b"1\n"), (3.5, "2.8", -0.5, b"1\n"), (3.5, "3.5", 0.0, b"0\n")],
)
def test_a_voltage_source_drives_either_way_up_to_its_limit(
    cell_v: float, level: str, flows_a: float, limited: bytes
) -> None:
    def test() -> None:
        table = Instrument(cell_v)
        table.say(REAR, f":SOUR:VOLT:ILIM 0.5;:SOUR:VOLT {level};:OUTP ON")
        assert table.flows_a == pytest.approx(flows_a)
        assert table.say(":SOUR:VOLT:ILIM:TRIP?") == limited
        assert table.events() == []  # compliance is no event

    on_table(test)


def test_a_negative_current_goes_on_below_0_v() -> None:
    """The reason why the driver discharges with a voltage source."""

    def test() -> None:
        table = Instrument(-1.0)
        table.say(REAR, ":SOUR:FUNC CURR;:SOUR:CURR:RANG 1;:SOUR:CURR:VLIM 4.2;:SOUR:CURR -1", ":OUTP ON")
        assert table.flows_a == pytest.approx(-1.0)

    on_table(test)


def test_the_protection_holds_the_source_down() -> None:
    def test() -> None:
        table = Instrument(3.5)
        table.say(REAR, ":SOUR:VOLT:PROT PROT2", ":SOUR:VOLT:ILIM 0.5;:SOUR:VOLT 4.2;:OUTP ON")
        assert table.flows_a == pytest.approx(-0.5)  # the clamp lies below the cell
        assert table.say(":SOUR:VOLT:PROT:TRIP?") == b"1\n"

    on_table(test)


@pytest.mark.parametrize("change", [":SOUR:FUNC CURR", ":ROUT:TERM FRON"])
def test_another_function_or_terminal_switches_the_output_off(change: str) -> None:
    def test() -> None:
        table = Instrument()
        table.say(REAR, ":SOUR:VOLT:ILIM 0.1;:SOUR:VOLT 3.6;:OUTP ON", change)
        assert table.say(":OUTP?") == b"0\n"
        assert table.flows_a == 0.0

    on_table(test)


def test_another_command_set_takes_a_power_cycle() -> None:
    def test() -> None:
        table = Instrument()
        table.say("*LANG TSP")
        assert table.say("*LANG?") == b"SCPI\n"
        table.device.restart()
        assert table.say("*LANG?") == b"TSP\n"
        assert table.say(":OUTP?") is None
        assert table.say("*LANG SCPI", "*LANG?") == b"TSP\n"

    on_table(test)


def test_too_hot_it_stays_off_until_it_has_cooled_down() -> None:
    def test() -> None:
        table = Instrument()
        table.say(REAR, ":SOUR:VOLT:ILIM 0.1;:SOUR:VOLT 3.6;:OUTP ON")
        table.device.overheat()
        assert table.flows_a == 0.0
        assert table.say(":OUTP ON", ":OUTP?") == b"0\n"
        table.device.cool_down()
        assert table.say(":OUTP?") == b"0\n"
        assert table.say(":OUTP ON", ":OUTP?") == b"1\n"

    on_table(test)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_reaches_its_currents_and_no_further(model: str) -> None:
    def test() -> None:
        table = Instrument(model=MODELS[model])
        most_a = MODELS[model].current_ranges_a[-1]
        assert table.say(f":SOUR:VOLT:ILIM {most_a}", ":SOUR:VOLT:ILIM?") == f"{most_a:+.6E}\n".encode()
        assert table.say(f":SOUR:VOLT:ILIM {1.06 * most_a}") is None
        assert table.events() == [-222]

    on_table(test)


@given(st.binary(max_size=200))
def test_no_message_brings_it_down(line: bytes) -> None:
    def test() -> None:
        table = Instrument()
        reply = answer(table.device, line.replace(b"\n", b""))
        data = reply.data if isinstance(reply, Late) else reply
        assert data is None or data.endswith(b"\n")
        assert table.say("*LANG?") == b"SCPI\n"

    on_table(test)


WORDS = (
    ":SOUR", ":VOLT", ":CURR", ":ILIM", ":VLIM", ":RANG", ":OUTP", ":SMOD", "SENS", "?", " ", ";", '"', "1", "-3", "ON",
    ":READ", "*RST", ",",
)  # fmt: skip


@given(st.lists(st.sampled_from(WORDS), max_size=12).map("".join))
def test_no_half_understood_message_brings_it_down(line: str) -> None:
    def test() -> None:
        table = Instrument()
        table.say(line)
        assert table.say("*IDN?") is not None

    on_table(test)


def test_a_message_that_is_too_long_is_an_event() -> None:
    def test() -> None:
        table = Instrument()
        table.say(":SOUR:VOLT 1" + " " * 5000)
        assert table.events() == [-363]

    on_table(test)


def on_socket(scenario: Callable[[SmuSimulator], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        cell = BenchCell(3.5)
        simulator = SmuSimulator(
            lambda: SmuDevice(cell, utcnow=utcnow), Resource.parse("scpi-tcp://127.0.0.1"), faults=Faults()
        )
        await simulator.start()
        await scenario(simulator)
        await simulator.aclose()
        await asyncio.sleep(1.0)

    run_on(VirtualLoop(MemoryNetwork(seed=1)), main())


def test_one_byte_at_a_time_is_heard_as_one_message() -> None:
    async def scenario(simulator: SmuSimulator) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", 5025)
        for byte in b"*LANG?\n":
            writer.write(bytes([byte]))
            await asyncio.sleep(0.01)
        assert await reader.readline() == b"SCPI\n"
        writer.close()

    on_socket(scenario)


def test_it_has_one_host_at_a_time_until_that_one_falls_silent() -> None:
    async def scenario(simulator: SmuSimulator) -> None:
        first_reader, first = await asyncio.open_connection("127.0.0.1", 5025)
        first.write(b"*LANG?\n")
        assert await first_reader.readline() == b"SCPI\n"
        second_reader, second = await asyncio.open_connection("127.0.0.1", 5025)
        second.write(b"*LANG?\n")
        with pytest.raises(ConnectionError):
            await second_reader.readline()
        await asyncio.sleep(SILENT_S)
        third_reader, third = await asyncio.open_connection("127.0.0.1", 5025)
        third.write(b"*LANG?\n")
        assert await third_reader.readline() == b"SCPI\n"
        with pytest.raises(ConnectionError):
            await first_reader.readline()
        third.close()

    on_socket(scenario)


def test_a_power_cycle_breaks_the_connection_and_leaves_the_output_off() -> None:
    async def scenario(simulator: SmuSimulator) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", 5025)
        writer.write(f"{REAR};:SOUR:VOLT:ILIM 0.1;:SOUR:VOLT 3.6;:OUTP ON;:OUTP?\n".encode())
        assert await reader.readline() == b"1\n"
        simulator.restart()
        with pytest.raises(ConnectionError):
            await reader.readline()
        assert not simulator.device.output_on
        assert simulator.device.settings.terminals == "FRON"

    on_socket(scenario)
