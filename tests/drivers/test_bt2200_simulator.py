"""The simulated BT2200, spoken to in raw bytes, by the notes that it was written from."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycler.contract.plugin import Resource
from cycler.contract.sweep import ChannelId
from cycler.contract.world import SimulatedDevice
from cycler.model.rack import Bay, BayId, ChannelRef, Position, PositionId, Rack
from cycler.recipe.lookup import LIBRARY, find_cell_type
from cycler.service.world_file import everywhere
from sims.loop import run_virtual
from sims.testing.bench import BenchWorld
from sims.wire.keysight_bt2200 import scpi
from sims.wire.keysight_bt2200.device import Bt2200
from sims.wire.keysight_bt2200.simulator import Bt2200Simulator
from sims.wire.keysight_bt2200.traits import Traits
from sims.world import SimulatedWorld, open_world

DEVICE = "bt-01"
RESOURCE = Resource.parse("scpi-tcp://127.0.0.1:5025")
CHANNELS = (101, 102, 201)
RECORD_BYTES = 6152


class Wire:
    """A raw socket to the instrument."""

    def __init__(self, device: Bt2200, world: BenchWorld, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.device = device
        self._world = world
        self._reader = reader
        self._writer = writer

    def write(self, text: str) -> None:
        self._writer.write(text.encode("ascii") + b"\n")

    async def ask(self, text: str) -> str:
        self.write(text)
        return (await self._reader.readline()).decode("ascii").removesuffix("\n")

    async def is_silent(self, text: str) -> bool:
        self.write(text)
        try:
            await asyncio.wait_for(self._reader.readline(), 2.0)
        except TimeoutError:
            return True
        return False

    async def block(self, text: str) -> bytes:
        self.write(text)
        head = await self._reader.readexactly(11)
        assert head[:2] == b"#9"
        data = await self._reader.readexactly(int(head[2:]))
        assert await self._reader.readexactly(1) == b"\n"
        return data

    async def errors(self) -> list[str]:
        found = []
        while (error := await self.ask("SYST:ERR?")) != '+0,"No error"':
            found.append(error)
        return found

    def place(self, channel: int, voltage_v: float) -> None:
        self._world.cell(DEVICE, str(channel)).place(voltage_v)

    def flows_a(self, channel: int) -> float:
        return self._world.cell(DEVICE, str(channel)).measure().current_a


@contextlib.asynccontextmanager
async def powered(traits: Traits | None = None) -> AsyncIterator[Wire]:
    world = BenchWorld()
    names = [str(channel) for channel in CHANNELS]
    simulator = Bt2200Simulator(
        lambda: Bt2200(world.bank(DEVICE, names), CHANNELS, traits=traits, faults=world.faults(DEVICE)),
        RESOURCE,
        faults=world.faults(DEVICE),
    )
    await simulator.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", 5025, limit=1 << 20)
    try:
        yield Wire(simulator.device, world, reader, writer)
    finally:
        writer.close()
        await simulator.aclose()
        await asyncio.sleep(6.0)


def on_wire(test: Callable[[Wire], Coroutine[Any, Any, None]], traits: Traits | None = None) -> None:
    async def main() -> None:
        async with powered(traits) as wire:
            await test(wire)

    run_virtual(main())


def define(wire: Wire, *steps: str, tests: tuple[str, ...] = ()) -> None:
    wire.write("CELL:DEF:QUICK 1")
    for number, step in enumerate(steps, 1):
        wire.write(f"SEQ:STEP:DEF 1,{number},{step}")
    for test in tests:
        wire.write(f"SEQ:TEST:DEF 1,{test}")


def start(wire: Wire, cells: str = "(@1001)") -> None:
    wire.write(f"CELL:ENABLE {cells},1")
    wire.write(f"CELL:INIT {cells}")


def test_it_says_who_it_is() -> None:
    async def test(wire: Wire) -> None:
        fields = (await wire.ask("*IDN?")).split(",")
        assert fields[:2] == ["Keysight Technologies", "BT2202A"]
        assert len(fields) == 4

    on_wire(test)


@pytest.mark.parametrize(
    "question",
    ["STAT:CELL:VERB? 1001", "stat:cell:verbose? 1001", "STATUS:CELL:VERBOSE?  1001 ", ":STAT:CELL:VERB? 1001\r"],
)
def test_long_and_short_words_in_any_case_with_blanks_are_the_same(question: str) -> None:
    async def test(wire: Wire) -> None:
        define(wire)
        assert (await wire.ask(question)).startswith("IDLE,")

    on_wire(test)


def test_many_commands_come_in_one_write_and_the_last_may_ask_for_errors() -> None:
    async def test(wire: Wire) -> None:
        answer = await wire.ask(
            "CELL:DEF:QUICK 1\nSEQ:STEP:DEF 1, 1, REST, 300\nSEQ:TEST:DEF 1,1,1, VOLT_GE, 4.3, BEFORE, 300, FAIL\n"
            "CELL:ENABLE (@1001:1032, 2001:2032),1\nSYST:ERR?"
        )
        assert answer == '+0,"No error"'
        assert wire.device.cells[2032].sequence == 1

    on_wire(test)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("CELL:JUMP 1", -113),
        ("CELL:ENABLE (@1001)", -109),
        ("CELL:ABORT 0,0", -108),
        ("CELL:ENABLE 1001,1", -104),
        ("CELL:ENABLE (@1001),7", -221),
        ("CELL:ENABLE (@1033),1", -222),
        ("CELL:INIT (@1002)", -221),
        ("CELL:DEF:QUICK 3", -224),
        ("CELL:DEFINE 9001,(@901)", -222),
        ("CELL:DEFINE 9001,(@101)", -221),
        ("SEQ:STEP:DEF 1,1,WALK,10,1,1", -224),
        ("SEQ:STEP:DEF 1,1,CHARGE,10", -109),
        ("SEQ:STEP:DEF 1,1,CHARGE,-10,1,4", -222),
        ("SEQ:TEST:DEF 1,9,1,VOLT_GE,4,BEFORE,10,FAIL", -221),
        ("SEQ:TEST:DEF 1,1,1,VOLT_EQ,4,BEFORE,10,FAIL", -224),
        ("SEQ:TEST:DEF 1,1,1,VOLT_GE,4,DURING,10,FAIL", -224),
        ("SEQ:CLE 9", -221),
        ("MEAS:VOLT? 101", -222),
        ("(((", -113),
    ],
)
def test_a_wrong_command_is_not_answered_and_waits_in_the_error_queue(command: str, code: int) -> None:
    async def test(wire: Wire) -> None:
        define(wire, "REST,10")
        assert await wire.errors() == []
        wire.write(command)
        (error,) = await wire.errors()
        assert error.startswith(f"{code},")

    on_wire(test)


def test_a_wrong_question_is_answered_by_silence_until_it_is_known_to_be_answered() -> None:
    async def silent(wire: Wire) -> None:
        assert await wire.is_silent("STAT:CELL:REP? (@1001)")
        wire.write("*CLS")
        assert await wire.errors() == []

    async def answered(wire: Wire) -> None:
        assert await wire.ask("STAT:CELL:REP? (@1001)") == ""

    on_wire(silent)
    on_wire(answered, Traits(answers_wrong_queries=True))


def test_an_answer_takes_its_time() -> None:
    async def test(wire: Wire) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        await wire.ask("*IDN?\n*IDN?")
        await wire.ask("")
        assert loop.time() - began_s == pytest.approx(0.1, abs=1e-3)

    on_wire(test, Traits(reply_s=0.05))


def test_resetting_takes_five_seconds_and_forgets_everything() -> None:
    async def test(wire: Wire) -> None:
        define(wire, "DISCHARGE,100,1,3")
        start(wire)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        wire.write("*RST")
        assert await wire.ask("SEQ:CAT?") == ""
        assert loop.time() - began_s == pytest.approx(5.0, abs=0.1)
        assert wire.device.cells == {}
        assert wire.flows_a(101) == 0.0

    on_wire(test)


def test_cards_are_one_value_where_all_are_alike() -> None:
    async def alike(wire: Wire) -> None:
        assert await wire.ask("SYST:CARD:DET:BOOT? 0") == "1"

    async def different(wire: Wire) -> None:
        assert await wire.ask("SYST:CARD:DET:BOOT? 0") == "1,1,0,0,0,0,0,0"
        wire.write("CELL:DEF:QUICK 4")
        assert await wire.ask("STAT:CELL:REP? (@1001:8032)") == ",".join("0" * 16)
        assert wire.device.cells[2008].channels == (229, 230, 231, 232)

    on_wire(alike)
    on_wire(different, Traits(cards=(True, True, *[False] * 6)))


def test_all_channels_are_measured_whether_cells_are_defined_or_not() -> None:
    async def test(wire: Wire) -> None:
        wire.place(201, 3.25)
        values = [float(text) for text in (await wire.ask("MEAS:VOLT? 0000")).split(",")]
        assert len(values) == 256
        assert values[32] == pytest.approx(3.25)
        assert values[255] == pytest.approx(0.002)
        assert len((await wire.ask("MEAS:CURR? 0000")).split(",")) == 256

    on_wire(test)


def test_a_step_reads_back_and_its_sequence_is_in_the_catalog() -> None:
    async def test(wire: Wire) -> None:
        define(wire, "CHARGE,600,1.5,4.2", "REST,300")
        assert await wire.ask("SEQ:STEP:DEF? 1,1") == "CHARGE,600.000000,1.500000,4.200000"
        assert (await wire.ask("SEQ:STEP:DEF? 1,2")).startswith("REST,300.000000,")
        assert await wire.ask("SEQ:CAT?") == "1"
        wire.write("SEQ:CLE 1")
        assert await wire.ask("SEQ:CAT?") == ""

    on_wire(test)


@pytest.mark.parametrize(("mode", "delay_s"), [("CHARGE", 15.0), ("PRECHARGE2", 7.0), ("PRECHARGE", 0.0)])
def test_current_flows_when_the_checks_are_over(mode: str, delay_s: float) -> None:
    async def test(wire: Wire) -> None:
        define(wire, f"{mode},100,1,4.2")
        start(wire)
        assert await wire.ask("STAT:CELL:REP? (@1001,1002)") == "1,0"
        if delay_s:
            await asyncio.sleep(delay_s - 0.1)
            assert wire.flows_a(101) == 0.0
            await asyncio.sleep(0.2)
        assert wire.flows_a(101) == pytest.approx(1.0)
        assert float(await wire.ask("CELL:STEP:TIME? (@1001)")) == pytest.approx(delay_s, abs=0.2)

    on_wire(test)


def test_steps_follow_without_a_gap_and_without_checks_and_the_sequence_ends_well() -> None:
    async def test(wire: Wire) -> None:
        define(wire, "DISCHARGE,10,1,3", "CHARGE,10,2,4.2", "REST,10")
        start(wire)
        await asyncio.sleep(5.0)
        assert wire.flows_a(101) == pytest.approx(-1.0)
        assert float(await wire.ask("MEAS:CELL:CURR? (@1001)")) == pytest.approx(-1.0)
        await asyncio.sleep(5.5)
        assert wire.flows_a(101) == pytest.approx(2.0)
        times = await wire.ask("CELL:TIME? (@1001)"), await wire.ask("CELL:STEP:TIME? (@1001)")
        assert [float(time) for time in times] == pytest.approx([10.5, 0.5], abs=0.1)
        await asyncio.sleep(10.0)
        assert wire.flows_a(101) == 0.0
        assert (await wire.ask("STAT:CELL:VERB? 1001")).split(",")[:3] == ["RUNNING", "1", "3"]
        await asyncio.sleep(10.0)
        assert await wire.ask("STAT:CELL:REP? (@1001)") == "4"
        assert (await wire.ask("STAT:CELL:VERB? 1001")).split(",")[5:8] == ["OK", "0", "NONE"]
        assert float(await wire.ask("MEAS:CELL:CAP:AHR? (@1001)")) == pytest.approx(10.0 / 3600, abs=1e-4)

    on_wire(test)


def test_a_charge_goes_over_to_constant_voltage() -> None:
    async def test(wire: Wire) -> None:
        define(wire, "CHARGE,200,2,3.6")
        start(wire)
        await asyncio.sleep(60.0)
        assert 0.0 < wire.flows_a(101) < 0.1
        assert float(await wire.ask("MEAS:CELL:VOLT? (@1001)")) == pytest.approx(3.6, abs=1e-4)

    on_wire(test)


@pytest.mark.parametrize(("low_at_s", "digit"), [(50.0, "3"), (100.0, "1")])
def test_an_early_test_counts_only_within_its_time(low_at_s: float, digit: str) -> None:
    """The example that real lines use: step 2 must not show 0.1 V or less within the first 90 s."""

    async def test(wire: Wire) -> None:
        define(wire, "REST,1", "PRECHARGE,300,0.01,2", tests=("2,1,VOLT_LE,0.1,BEFORE,90,FAIL",))
        start(wire)
        await asyncio.sleep(1.0 + low_at_s)
        wire.place(101, 0.05)
        await asyncio.sleep(2.0)
        assert await wire.ask("STAT:CELL:REP? (@1001)") == digit
        fields = (await wire.ask("STAT:CELL:VERB? 1001")).split(",")
        assert len(fields) == 10
        if digit == "3":
            assert fields[5:8] == ["FAIL", "1", "VOLT_LE"]
            assert float(fields[8]) == pytest.approx(0.1)
            assert wire.flows_a(101) == 0.0

    on_wire(test)


def test_a_small_current_leads_to_the_next_step() -> None:
    async def test(wire: Wire) -> None:
        define(wire, "CHARGE,3600,2,3.6", "REST,3600", tests=("1,1,CURR_LE,0.1,AFTER,20,NEXT",))
        start(wire)
        await asyncio.sleep(60.0)
        assert (await wire.ask("STAT:CELL:VERB? 1001")).split(",")[:3] == ["RUNNING", "1", "2"]

    on_wire(test)


@pytest.mark.parametrize("when", ["AT,20", "BEFORE_START,0"])
def test_a_test_may_look_at_one_instant(when: str) -> None:
    async def test(wire: Wire) -> None:
        define(wire, "REST,300", tests=(f"1,1,VOLT_LE,3.0,{when},FAIL",))
        wire.place(101, 2.9)
        start(wire, "(@1001,1002)")
        await asyncio.sleep(5.0)
        assert (await wire.ask("STAT:CELL:REP? (@1001,1002)")).split(",")[0] == ("1" if "AT" in when else "3")
        wire.place(102, 2.9)
        await asyncio.sleep(30.0)
        wire.place(102, 3.5)
        assert await wire.ask("STAT:CELL:REP? (@1001,1002)") == ("3,3" if "AT" in when else "3,1")

    on_wire(test)


def test_a_finished_cell_has_to_be_enabled_again_and_a_running_one_is_not_started_twice() -> None:
    async def test(wire: Wire) -> None:
        define(wire, "DISCHARGE,10,1,3")
        start(wire)
        wire.write("CELL:INIT (@1001)")
        assert len(await wire.errors()) == 1
        await asyncio.sleep(11.0)
        wire.write("CELL:INIT (@1001)")
        assert len(await wire.errors()) == 1
        start(wire)
        assert await wire.errors() == []
        assert await wire.ask("STAT:CELL:REP? (@1001)") == "1"

    on_wire(test)


@pytest.mark.parametrize("command", ["CELL:ABORT (@1001)", "CELL:ABORT 0", "SEQ:ABORT"])
def test_an_abort_opens_the_output(command: str) -> None:
    async def test(wire: Wire) -> None:
        define(wire, "DISCHARGE,100,1,3")
        start(wire)
        wire.write(command)
        assert await wire.ask("STAT:CELL:REP? (@1001)") == "2"
        assert wire.flows_a(101) == 0.0
        assert "ABORTED" in await wire.ask("STAT:CELL:VERB? 1001")

    on_wire(test)


def test_what_runs_is_not_taken_away() -> None:
    async def test(wire: Wire) -> None:
        define(wire, "DISCHARGE,100,1,3")
        start(wire)
        for command in ("CELL:CLEAR 0", "SEQ:CLEAR 0", "SEQ:STEP:DEF 1,1,DISCHARGE,5,9,1"):
            wire.write(command)
        assert len(await wire.errors()) == 3
        assert wire.flows_a(101) == pytest.approx(-1.0)

    on_wire(test)


def test_it_goes_on_without_a_host() -> None:
    async def test(wire: Wire) -> None:
        define(wire, "DISCHARGE,30,1,3")
        start(wire)
        wire._writer.close()
        await asyncio.sleep(29.0)
        assert wire.flows_a(101) == pytest.approx(-1.0)
        await asyncio.sleep(2.0)
        assert wire.flows_a(101) == 0.0

    on_wire(test)


def test_the_log_has_a_record_a_second_little_endian_and_is_taken_ten_at_a_time() -> None:
    async def test(wire: Wire) -> None:
        define(wire, "DISCHARGE,300,1,3")
        start(wire, "(@2001)")
        await asyncio.sleep(12.5)
        assert await wire.ask("DATA:LOG:RECORDS:AVAILABLE?") == "12"
        data = await wire.block("DATA:LOG?")
        assert len(data) == 4 + 10 * RECORD_BYTES
        assert struct.unpack_from("<i", data) == (10,)
        starts = range(4, len(data), RECORD_BYTES)
        assert [struct.unpack_from("<Q", data, at)[0] for at in starts] == [1000 * n for n in range(1, 11)]
        last = starts[-1] + 8
        currents, sense, _, resistance = (
            struct.unpack_from("<256f", data, last + column * 1024) for column in range(4)
        )
        assert currents[32] == pytest.approx(-1.0)
        assert currents[0] == 0.0
        assert sense[32] == pytest.approx(3.5 - 0.02 - 0.1, abs=0.02)
        assert resistance[0] > 1000.0
        cells = struct.unpack_from("<256H", data, last + 5 * 1024)
        assert (cells[0], cells[32], cells[255]) == (1001, 2001, 8032)
        assert struct.unpack_from("<i", await wire.block("DATA:LOG?")) == (2,)
        assert await wire.block("DATA:LOG?") == b"\0\0\0\0"
        await asyncio.sleep(3.0)
        wire.write("DATA:LOG:CLE")
        assert await wire.ask("DATA:LOG:RECORDS:AVAILABLE?") == "0"

    on_wire(test)


def test_channels_in_parallel_share_the_current() -> None:
    async def test(wire: Wire) -> None:
        wire.write("CELL:DEFINE 1001,(@101,102)")
        wire.write("SEQ:STEP:DEF 1,1,DISCHARGE,100,3,3")
        start(wire)
        values = [float(text) for text in (await wire.ask("MEAS:CURR? 0000")).split(",")]
        assert values[:3] == pytest.approx([-1.5, -1.5, 0.0])
        assert float(await wire.ask("MEAS:CELL:CURR? (@1001)")) == pytest.approx(-3.0)

    on_wire(test)


def simulated_rack(options: dict[str, str], **rated: float) -> SimulatedWorld:
    """Two formed cells on the first two channels."""
    named = tuple(ChannelId(str(channel)) for channel in CHANNELS[:2])
    positions = {
        PositionId(f"B01/A{number}"): Position(
            position=PositionId(f"B01/A{number}"), channels=(ChannelRef(device=DEVICE, channel=channel),)
        )
        for number, channel in enumerate(named, 1)
    }
    rack = Rack(rack="R1", purpose="production", bays={BayId("B01"): Bay(bay=BayId("B01"), positions=positions)})
    device = SimulatedDevice(
        device=DEVICE, driver="keysight_bt2200", resource=RESOURCE, channels=named, options=options, **rated
    )
    cells = everywhere(rack, find_cell_type("nmc811-21700", beside=LIBRARY), seed=1, state="formed@30%")
    return open_world(cells, rack, [device], wire="memory")


def test_in_a_rack_it_is_as_the_rack_file_says_and_its_cells_are_those_of_the_world() -> None:
    world = simulated_rack({"start_delay": "3 s"}, rated_voltage_v=5.0, rated_current_a=6.0)

    async def main() -> None:
        await world.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", 5025, limit=1 << 20)
        for line in (
            "CELL:DEF:QUICK 1",
            "SEQ:STEP:DEF 1,1,CHARGE,60,1,4.2",
            "CELL:ENABLE (@1002),1",
            "CELL:INIT (@1002)",
        ):
            writer.write(line.encode() + b"\n")
        await asyncio.sleep(2.5)
        assert world.truth(PositionId("B01/A2")).current_a == 0.0
        await asyncio.sleep(1.0)
        truth = world.truth(PositionId("B01/A2"))
        assert truth.current_a == pytest.approx(1.0, abs=0.01)
        assert world.truth(PositionId("B01/A1")).current_a == 0.0
        writer.write(b"MEAS:VOLT? 0000\n")
        shown = [float(text) for text in (await reader.readline()).split(b",")]
        assert shown[1] == pytest.approx(truth.voltage_v, abs=0.006)
        writer.close()
        await world.aclose()
        await asyncio.sleep(1.0)

    world.run(main())


@pytest.mark.parametrize(
    ("options", "rated", "named"),
    [({"start_delay": "soon"}, {"rated_voltage_v": 5.0, "rated_current_a": 6.0}, "'soon'")],
)
def test_a_rack_that_does_not_say_what_it_is_cannot_be_simulated(
    options: dict[str, str], rated: dict[str, float], named: str
) -> None:
    world = simulated_rack(options, **rated)

    async def main() -> None:
        with pytest.raises(ValueError, match=named):
            await world.start()
        await world.aclose()

    world.run(main())


LINES = st.one_of(
    st.binary(max_size=60),
    st.builds(
        lambda header, arguments: f"{header} {','.join(arguments)}".encode("latin-1"),
        st.sampled_from([*scpi._QUERIES, *scpi._COMMANDS]),
        st.lists(
            st.one_of(
                st.sampled_from(["0", "1", "-1", "1e9", "(@1001)", "(@1001:8032)", "(@101:104)", "CHARGE", "FAIL"]),
                st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=8),
            ),
            max_size=8,
        ),
    ),
)


@given(st.lists(LINES, max_size=12))
def test_no_line_whatever_breaks_it(lines: list[bytes]) -> None:
    async def main() -> None:
        device = Bt2200(BenchWorld().bank(DEVICE, ["101"]), (101,))
        for line in lines:
            scpi.answer(device, line)
        device.errors.clear()
        device.reset()
        assert scpi.answer(device, b"SYST:ERR?").data == b'+0,"No error"\n'  # type: ignore[union-attr]
        device.power_off()

    run_virtual(main())
