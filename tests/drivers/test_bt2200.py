"""The BT2200 driver against a simulated mainframe: what goes over the wire, and what comes of it."""

import asyncio
import itertools
import math
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from bt2200_bench import (
    DEVICE,
    HERE,
    LIMITS,
    NO_DELAY,
    ONE,
    REST,
    TWO,
    Bench,
    bt2200_bench,
    charge,
    discharge,
    driver_for,
)
from scripted_device import on_tcp

from cycler.contract.errors import DeviceFault, LinkError, ProtocolError
from cycler.contract.order import Applied, DeviceEnd, DeviceLimits, Order, Overtaken, Phase
from cycler.contract.plugin import DeviceSettings, Resource
from cycler.contract.sweep import ChannelId
from drivers.keysight_bt2200.driver import DRIVER
from drivers.links.scpi import ScpiLink
from sims.loop import run_virtual
from sims.wire.keysight_bt2200.traits import Traits

ALL = tuple(100 * card + number for card in range(1, 9) for number in range(1, 33))


def after(seconds: float) -> DeviceEnd:
    return DeviceEnd(quantity="time_s", relation=">=", value=seconds)


def on_bench(test: Callable[[Bench], Coroutine[Any, Any, None]], **more: Any) -> None:
    async def main() -> None:
        async with bt2200_bench(**more) as bench:
            await test(bench)

    run_virtual(main())


# Starting many.


def test_256_equal_orders_start_within_a_second_of_wire_time_and_sweeps_go_on() -> None:
    async def test(bench: Bench) -> None:
        loop = asyncio.get_running_loop()
        orders = {ChannelId(str(at)): Order(order_id=at, phases=(charge(),), limits=LIMITS) for at in ALL}
        swept_s: list[float] = []

        async def sweep() -> None:
            while True:
                swept_s.append((await bench.driver.read())[-1].taken_s)

        sweeping = asyncio.create_task(sweep())
        began_s = loop.time()
        answers = await bench.driver.apply(orders)
        took_s = loop.time() - began_s
        sweeping.cancel()
        await asyncio.wait([sweeping])
        assert all(isinstance(answer, Applied) for answer in answers.values())
        assert all(cell.running for cell in bench.device.cells.values())
        assert took_s <= 1.0
        assert len(swept_s) >= 3
        assert max(later - earlier for earlier, later in zip([began_s, *swept_s], swept_s, strict=False)) <= 0.25

    on_bench(test, channels=ALL, traits=Traits(reply_s=0.02, charge_check_s=0.0))


def test_equal_orders_share_a_sequence_and_others_get_their_own() -> None:
    async def test(bench: Bench) -> None:
        orders = {
            ChannelId(str(101 + at)): Order(order_id=1 + at, phases=(charge(1.0 if at < 3 else 2.0),))
            for at in range(4)
        }
        await bench.driver.apply(orders)
        assert [bench.state(1001 + at).sequence for at in range(4)] == [1, 1, 1, 2]
        assert bench.said.count("CELL:INIT (@1001:1003)") == 1

    on_bench(test, channels=(101, 102, 103, 104))


def test_a_sequence_that_is_there_is_not_defined_again() -> None:
    async def test(bench: Bench) -> None:
        await bench.must(charge(), order_id=1)
        await bench.driver.make_safe([ONE])
        bench.said.clear()
        await bench.must(charge(), order_id=2)
        assert not any(line.startswith(("SEQ:STEP:DEF ", "SEQ:CLE")) for line in bench.said)
        assert bench.state().running

    on_bench(test)


def test_the_longest_unused_sequence_makes_room_and_one_that_runs_never_does() -> None:
    async def test(bench: Bench) -> None:
        await bench.must(charge(1.0), channel=TWO)
        for order_id in range(2, 6):
            await bench.must(charge(order_id / 10.0), order_id=order_id)
            assert len(bench.device.sequences.steps) <= 2
            assert bench.device.sequences.steps[bench.state(1002).sequence][1].current_a == 1.0

    on_bench(test, options={**NO_DELAY, "sequences": "2"})


def test_more_different_orders_than_sequences_are_refused_by_name_and_the_others_start() -> None:
    async def test(bench: Bench) -> None:
        orders = {
            channel: Order(order_id=number, phases=(charge(number / 10.0),))
            for number, channel in enumerate((ONE, TWO), 1)
        }
        answers = await bench.driver.apply(orders)
        assert isinstance(answers[ONE], Applied)
        assert isinstance(answers[TWO], DeviceFault)
        assert "all its 1 sequences are in use" in str(answers[TWO])

    on_bench(test, options={**NO_DELAY, "sequences": "1"})


# What an order becomes.


def test_every_step_has_voltage_bounds_at_which_it_fails_and_a_finite_duration() -> None:
    async def test(bench: Bench) -> None:
        await bench.must(replace_ends(charge(), after(10.0)), replace_ends(REST, after(5.0)), discharge())
        steps = bench.device.sequences.steps[1]
        assert [step.mode for step in steps.values()] == ["CHARGE", "REST", "DISCHARGE"]
        for step in steps.values():
            fails = {test.kind: test.value for test in step.tests.values() if test.action == "FAIL"}
            assert fails["VOLT_GE"] == pytest.approx(5.1)
            assert fails["VOLT_LE"] == pytest.approx(-0.1)
            assert all(test.when == "BEFORE" and test.time_s == step.duration_s for test in step.tests.values())
        assert sum(step.duration_s for step in steps.values()) == 24 * 3600.0

    on_bench(test)


def replace_ends(phase: Phase, *ends: DeviceEnd) -> Phase:
    return Phase(direction=phase.direction, voltage_v=phase.voltage_v, current_a=phase.current_a, ends=ends)


def test_the_limits_of_an_order_become_tests_and_only_its_time_is_said_to_be_read_back() -> None:
    async def test(bench: Bench) -> None:
        limits = DeviceLimits(
            voltage_v_max=4.25, voltage_v_min=2.5, charge_current_a_max=1.05, discharge_current_a_max=0.02,
            power_w_max=6.0, charge_ah_max=2.5, time_s_max=100.0,
        )  # fmt: skip
        answer = await bench.must(charge(), limits=limits)
        step = bench.device.sequences.steps[1][1]
        assert {test.kind: test.value for test in step.tests.values()} == {
            "VOLT_GE": 4.25, "VOLT_LE": 2.5, "CURR_GE": 1.05, "CURR_LE": -1.05, "POWER_GE": 6.0, "POWER_LE": -6.0,
            "AMPH_GE": 2.5, "AMPH_LE": -2.5,
        }  # fmt: skip
        assert step.duration_s == 100.0
        assert answer.limits == DeviceLimits(time_s_max=100.0)

    on_bench(test)


def test_a_charge_to_a_low_voltage_is_a_precharge() -> None:
    async def test(bench: Bench) -> None:
        await bench.must(charge(0.1, 1.5))
        assert bench.device.sequences.steps[1][1].mode == "PRECHARGE"

    on_bench(test, voltage_v=0.3)


@pytest.mark.parametrize(
    ("order", "why"),
    [
        (Order(order_id=1, phases=(charge(power_w=3.0),)), "regulates current and voltage only"),
        (Order(order_id=1, phases=(discharge(resistance_ohm=3.0),)), "regulates current and voltage only"),
        (Order(order_id=1, phases=(charge(), discharge())), "more than one of its phases has no time"),
        (Order(order_id=1, phases=(charge(),), dead_man_s=3.0), "goes on for 86400 s"),
        (Order(order_id=1, phases=(charge(voltage_v=4.3),), limits=LIMITS, dead_man_s=3600.0), None),
        (Order(order_id=1, phases=(charge(voltage_v=4.31),), limits=LIMITS), "beyond its own limit 4.3"),
        (Order(order_id=1, phases=(charge(1.2),), limits=LIMITS), "beyond its own limit 1.1"),
        (Order(order_id=1, phases=(charge(0.00005),)), "below 0.0001 A"),
        (Order(order_id=1, phases=(charge(),), limits=DeviceLimits(power_w_max=math.nan)), "power_w_max is nan"),
        (
            Order(order_id=1, phases=(charge(ends=(after(30.0),)),), limits=DeviceLimits(time_s_max=20.0)),
            "longer than the 20 s",
        ),
        (
            Order(
                order_id=1,
                phases=(discharge(ends=(DeviceEnd(quantity="current_a", relation="<=", value=0.1),)),),
            ),
            "a discharge does not end by current",
        ),
        (
            Order(
                order_id=1,
                phases=(
                    charge(ends=(after(5.0),)),
                    charge(ends=(DeviceEnd(quantity="charge_ah", relation=">=", value=0.1),)),
                ),
            ),
            "only the first phase with current can end by charge",
        ),
    ],
)
def test_an_order_that_it_cannot_execute_is_refused_with_the_reason(order: Order, why: str | None) -> None:
    async def test(bench: Bench) -> None:
        bench.said.clear()
        answer = (await bench.driver.apply({ONE: order}))[ONE]
        if why is None:
            assert isinstance(answer, Applied)
        else:
            assert isinstance(answer, DeviceFault)
            assert why in str(answer)
            assert bench.said == []

    on_bench(test)


def test_a_step_that_reads_back_as_something_else_is_not_started() -> None:
    async def test(bench: Bench) -> None:
        answer = await bench.order(charge(1.4))
        assert isinstance(answer, DeviceFault)
        assert "SEQ:STEP:DEF? 1,1 says CHARGE,86400,1,4, sent was SEQ:STEP:DEF 1,1,CHARGE,86400,1.4,4.2" in str(answer)
        assert not bench.state().running

    on_bench(test, traits=Traits(number="{:.0f}".format))


def test_ends_by_voltage_charge_and_current_are_the_instruments_own() -> None:
    async def test(bench: Bench) -> None:
        by_voltage = DeviceEnd(quantity="voltage_v", relation=">=", value=3.6)
        by_charge = DeviceEnd(quantity="charge_ah", relation=">=", value=1.0 / 360)
        by_current = DeviceEnd(quantity="current_a", relation="<=", value=0.2)
        orders = {
            ChannelId(str(101 + at)): Order(order_id=1 + at, phases=(charge(2.0, 3.7, ends=(end,)),))
            for at, end in enumerate((by_voltage, by_charge, by_current))
        }
        await bench.driver.apply(orders)
        bench.network.unplug(HERE)
        await asyncio.sleep(60.0)
        ended_s = [bench.state(1001 + at).digit for at in range(3)]
        assert ended_s == ["4", "4", "4"]
        assert [bench.cell(channel).measure().voltage_v for channel in orders] == pytest.approx(
            [3.6, 3.6, 3.697], abs=0.05
        )

    on_bench(test, channels=(101, 102, 103))


# Sweeps.


def test_an_order_is_starting_until_its_checks_are_over_and_its_time_counts_from_the_current() -> None:
    async def test(bench: Bench) -> None:
        await bench.must(charge())
        await asyncio.sleep(14.5)
        reading = await bench.reading()
        assert (reading.regulation, reading.order_id, reading.step_time_s) == ("starting", 1, 0.0)
        await asyncio.sleep(1.0)
        assert (await bench.reading()).regulation == "cc"
        await asyncio.sleep(2.0)
        assert (await bench.reading()).step_time_s == pytest.approx(2.0, abs=0.1)

    on_bench(test, traits=Traits(), options={})


def test_a_timed_charge_lasts_longer_by_its_checks() -> None:
    async def test(bench: Bench) -> None:
        answer = await bench.must(charge(ends=(after(10.0),)))
        await asyncio.sleep(24.5)
        assert (await bench.reading()).regulation == "cc"
        await asyncio.sleep(1.0)
        reading = await bench.reading()
        assert (reading.regulation, reading.order_id) == ("off", 0)
        assert answer.limits.time_s_max == 10.0

    on_bench(test, traits=Traits(), options={})


def test_a_charge_after_a_rest_is_starting_while_it_is_checked() -> None:
    async def test(bench: Bench) -> None:
        await bench.must(discharge(ends=(after(5.0),)), replace_ends(REST, after(5.0)), charge())
        shown = []
        for _ in range(30):
            await asyncio.sleep(1.0)
            reading = await bench.reading()
            shown.append((reading.phase, reading.regulation))
        assert list(dict.fromkeys(shown)) == [(0, "cc"), (1, "off"), (2, "starting"), (2, "cc")]
        assert shown.count((2, "starting")) == pytest.approx(15, abs=1)

    on_bench(test, traits=Traits(), options={})


def test_a_cell_at_its_voltage_is_in_cv_and_one_that_stood_there_has_started() -> None:
    async def test(bench: Bench) -> None:
        bench.cell().place(4.19)
        await bench.must(charge())
        await asyncio.sleep(1.5)
        reading = await bench.reading()
        assert reading.regulation == "cv"
        assert reading.step_time_s >= 0.0
        bench.cell(TWO).place(4.2)
        await bench.must(charge(), order_id=2, channel=TWO)
        assert (await bench.reading(TWO)).regulation == "starting"
        await asyncio.sleep(1.5)
        assert (await bench.reading(TWO)).regulation == "cv"

    on_bench(test)


@pytest.mark.parametrize("positive", [False, True])
def test_a_discharge_shows_negative_whatever_sign_the_instrument_gives(positive: bool) -> None:
    async def test(bench: Bench) -> None:
        await bench.must(discharge(), limits=DeviceLimits(charge_current_a_max=0.01, discharge_current_a_max=1.1))
        await asyncio.sleep(2.0)
        reading = await bench.reading()
        assert reading.current_a == pytest.approx(-1.0, abs=1e-3)
        assert reading.regulation == "cc"

    on_bench(test, traits=Traits(charge_check_s=0.0, discharge_reads_positive=positive))


def test_what_the_instrument_has_no_number_for_is_nan_in_its_row_alone() -> None:
    async def test(bench: Bench) -> None:
        bench.faults.begin("out-of-range", "101")
        await asyncio.sleep(0.1)
        reading = await bench.reading()
        assert math.isnan(reading.voltage_v)
        assert math.isnan(reading.current_a)
        assert (await bench.reading(TWO)).voltage_v == pytest.approx(3.5)

    on_bench(test)


def test_phases_follow_the_step_times_and_long_states_are_asked_only_where_those_leave_it_open() -> None:
    async def test(bench: Bench) -> None:
        await bench.must(
            charge(ends=(after(4.0),)), discharge(ends=(after(4.0),)), charge(ends=(after(4.0),)), discharge()
        )
        for expected in (0, 1):
            await asyncio.sleep(2.0)
            assert (await bench.reading()).phase == expected
            await asyncio.sleep(2.0)
            await bench.driver.read()
        assert not any(line.startswith("STAT:CELL:VERB?") for line in bench.said)
        await asyncio.sleep(5.0)  # through the third and into the last
        assert (await bench.reading()).phase == 3

    on_bench(test)


def test_phases_that_were_passed_unseen_are_asked_for() -> None:
    async def test(bench: Bench) -> None:
        await bench.must(
            charge(ends=(after(3.0),)), discharge(ends=(after(1.0),)), charge(ends=(after(9.0),)), discharge()
        )
        await bench.driver.read()
        await asyncio.sleep(5.0)
        assert (await bench.reading()).phase == 2
        assert bench.said.count("STAT:CELL:VERB? 1001") == 1

    on_bench(test)


def test_a_step_that_its_sequence_does_not_have_is_an_error() -> None:
    async def test(bench: Bench) -> None:
        await bench.must(*(charge(ends=(after(1.0),)) for _ in range(3)), discharge())
        bench.network.taps.append(lambda _, __, data: [(0.0, data.replace(b"RUNNING,1,3,", b"RUNNING,1,9,"))])
        await asyncio.sleep(2.5)
        with pytest.raises(ProtocolError, match="101: it is in step 9 of a sequence that has 4"):
            await bench.driver.read()

    on_bench(test)


def test_the_log_fills_the_gap_that_a_lost_wire_leaves() -> None:
    async def test(bench: Bench) -> None:
        limits = DeviceLimits(time_s_max=8.5)
        await bench.must(charge(), order_id=1)
        await bench.must(charge(2.0), order_id=2, channel=TWO, limits=limits)
        for _ in range(5):
            await asyncio.sleep(1.0)
            last = (await bench.driver.read())[-1]
        bench.network.unplug(HERE)
        await asyncio.sleep(10.0)
        bench.network.cut(HERE)
        bench.network.plug(HERE)
        sweeps = await bench.driver.read()
        times_s = [sweep.taken_s for sweep in sweeps]
        assert 9 <= len(sweeps) <= 12
        assert last.taken_s < times_s[0]
        assert all(0.04 < later - earlier < 1.3 for earlier, later in itertools.pairwise(times_s))
        assert [sweep[ONE].order_id for sweep in sweeps] == [1] * len(sweeps)
        assert [sweep[ONE].phase for sweep in sweeps] == [0] * len(sweeps)
        ran = [sweep[TWO].order_id == 2 for sweep in sweeps]
        assert ran == [sweep[TWO].current_a > 1.0 for sweep in sweeps]
        assert sum(ran) == pytest.approx(3, abs=1)
        expected_v = [3.5 + 0.02 + 0.01 * sweep[ONE].step_time_s for sweep in sweeps]
        assert [sweep[ONE].voltage_v for sweep in sweeps] == pytest.approx(expected_v, abs=0.015)

    on_bench(test)


def test_current_that_stays_in_an_idle_cell_shows() -> None:
    async def test(bench: Bench) -> None:
        await bench.must(charge())
        bench.faults.begin("off-ignored")
        with pytest.raises(DeviceFault, match="channel 101 not seen off"):
            await bench.driver.make_safe([ONE])
        await bench.driver.read()
        assert (await bench.reading()).regulation == "unknown"
        assert (await bench.reading(TWO)).regulation == "off"

    on_bench(test)


# Off, failures, restarts.


def test_an_off_of_all_reaches_the_whole_mainframe_and_one_of_some_reaches_no_other() -> None:
    async def test(bench: Bench) -> None:
        for number, channel in enumerate((ONE, TWO), 1):
            await bench.must(charge(), order_id=number, channel=channel)
        bench.said.clear()
        await bench.driver.make_safe([ONE])
        assert bench.said[0] == "CELL:ABORT (@1001)"
        assert bench.state(1002).running
        bench.said.clear()
        await bench.driver.make_safe([ONE, TWO])
        assert bench.said[:2] == ["SEQ:ABORT", "CELL:ABORT 0"]
        assert not bench.state(1002).running

    on_bench(test)


def test_without_its_host_it_goes_on_and_ends_by_its_own_tests() -> None:
    async def test(bench: Bench) -> None:
        await bench.must(charge(), limits=DeviceLimits(voltage_v_max=4.25, time_s_max=600.0))
        bench.network.unplug(HERE)
        await asyncio.sleep(60.0)
        assert bench.cell().measure().current_a > 0.0
        bench.cell().place(4.3)
        await asyncio.sleep(1.5)
        assert bench.state().verdict.result == "FAIL"
        assert bench.cell().measure().regulation == "off"

    on_bench(test)


def test_a_cell_that_failed_refuses_orders_with_its_reason_until_it_is_acknowledged() -> None:
    async def test(bench: Bench) -> None:
        await bench.must(charge(), limits=LIMITS)
        await bench.driver.read()
        bench.cell().place(4.4)
        await asyncio.sleep(1.5)
        reading = await bench.reading()
        assert (reading.regulation, reading.order_id) == ("off", 0)
        bench.cell().place(3.5)
        answer = await bench.order(charge(), order_id=2)
        assert isinstance(answer, DeviceFault)
        assert "cell 1001 ended with FAIL in step 1: test 1, VOLT_GE 4.300000, measured 4.4" in str(answer)
        assert "acknowledge it first" in str(answer)
        await bench.driver.acknowledge([ONE])
        assert bench.state().verdict.result == "NONE"
        await bench.must(charge(), order_id=3)

    on_bench(test)


def test_a_cell_that_fails_at_once_is_an_error_with_its_reason() -> None:
    async def test(bench: Bench) -> None:
        bench.cell().place(4.35)
        answer = await bench.order(discharge(), limits=LIMITS)
        assert isinstance(answer, DeviceFault)
        assert "FAIL in step 1: test 1, VOLT_GE" in str(answer)
        assert (await bench.reading()).order_id == 0

    on_bench(test)


def test_after_a_restart_sweeps_go_on_and_orders_wait_for_commissioning() -> None:
    async def test(bench: Bench) -> None:
        await bench.must(charge())
        bench.simulator.restart()
        for _ in range(6):
            try:
                reading = await bench.reading()
            except LinkError:
                await asyncio.sleep(1.0)
        assert (reading.regulation, reading.order_id) == ("off", 0)
        assert reading.voltage_v > 3.0
        answer = await bench.order(charge(), order_id=2)
        assert isinstance(answer, DeviceFault)
        assert "commission it first" in str(answer)
        await bench.driver.make_safe([ONE])
        await bench.driver.commission()
        await bench.must(charge(), order_id=3)

    on_bench(test)


def test_commissioning_is_refused_while_a_channel_carries_current_that_the_rack_does_not_use() -> None:
    async def test(bench: Bench) -> None:
        await bench.must(charge(), channel=TWO)
        alone = driver_for({"channels": "101"})
        await alone.connect()
        with pytest.raises(DeviceFault, match="1 of its channels carry current"):
            await alone.commission()
        await alone.aclose()

    on_bench(test)


# Who answers, and what the rack file says.


def test_channels_in_parallel_appear_as_one() -> None:
    async def test(bench: Bench) -> None:
        alone = driver_for({**NO_DELAY, "channels": "101..104", "parallel": "2"})
        assert alone.capabilities.channels == ("101", "103")
        assert alone.capabilities.parallel_groups == {"101": ("101", "102"), "103": ("103", "104")}
        assert alone.capabilities.range.charge_current_a_max == 12.0
        await alone.connect()
        await alone.commission()
        assert bench.device.cells[1001].channels == (101, 102)
        answers = await alone.apply({ONE: Order(order_id=1, phases=(charge(8.0),))})
        assert isinstance(answers[ONE], Applied)
        await asyncio.sleep(1.0)
        assert (await alone.read())[-1][ONE].current_a == pytest.approx(8.0, abs=1e-4)
        await alone.make_safe([ONE])
        await alone.aclose()

    on_bench(test, commissioned=False, channels=(101, 103))


@pytest.mark.parametrize(
    ("replies", "named"),
    [
        ({b"*IDN?": b"KEITHLEY INSTRUMENTS,MODEL 2450,04412345,1.7.3b"}, "'KEITHLEY INSTRUMENTS,MODEL 2450"),
        ({b"*IDN?": b"hello"}, "'hello' answers"),
        ({b"*IDN?": b"Keysight Technologies,BT2202A,MY1,1.0", b"SYST:CARD:DET:BOOT? 0": b"0,1,1,1,1,1,1,1"}, "slot 1"),
        ({b"*IDN?": b"Keysight Technologies,BT2202A,MY1,1.0", b"SYST:CARD:DET:BOOT? 0": b"yes"}, "'yes'"),
    ],
)
def test_another_device_at_the_address_is_an_error_that_names_it(replies: dict[bytes, bytes], named: str) -> None:
    async def main() -> None:
        async with on_tcp(lambda data: replies[data.strip()] + b"\n", HERE.port):
            driver = driver_for({"channels": "101"})
            with pytest.raises(ProtocolError, match=f"{DEVICE}: .*{named}"):
                await driver.connect()
            await driver.aclose()

    run_virtual(main())


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (b"MEAS:VOLT? 0000", b"3.5,3.5"),
        (b"MEAS:CURR? 0000", b",".join([b"much"] * 256)),
        (b"STAT:CELL:REP? (@1001)", b"1,1"),
        (b"DATA:LOG?", b"#15hello"),
    ],
)
def test_an_answer_that_makes_no_sense_is_an_error(question: bytes, answer: bytes) -> None:
    async def main() -> None:
        replies = {
            b"*IDN?": b"Keysight Technologies,BT2203A,MY1,1.0",
            b"SYST:CARD:DET:BOOT? 0": b"1",
            b"STAT:CELL:REP? (@1001)": b"0",
            b"MEAS:VOLT? 0000": b",".join([b"3.5"] * 256),
            b"MEAS:CURR? 0000": b",".join([b"+0.0000E+00"] * 256),
        }

        def script(data: bytes) -> bytes | None:
            return replies.get(data.strip(), b"#14\0\0\0\0") + b"\n"

        async with on_tcp(script, HERE.port):
            driver = driver_for({"channels": "101"})
            await driver.connect()
            assert (await driver.read())[0][ONE].voltage_v == 3.5
            await asyncio.sleep(4.0)
            replies[question] = answer
            with pytest.raises(ProtocolError):
                await driver.read()
            await driver.aclose()

    run_virtual(main())


def test_another_serial_number_than_before_is_an_error() -> None:
    async def test(bench: Bench) -> None:
        object.__setattr__(bench.device, "traits", Traits(serial="ANOTHER"))
        with pytest.raises(ProtocolError, match="ANOTHER answers where SIM0000001 did before"):
            await bench.driver.connect()

    on_bench(test)


@pytest.mark.parametrize(
    ("options", "more", "named"),
    [
        ({"chanels": "101"}, {}, "'chanels' is unknown"),
        ({"channels": "133"}, {}, "01 to 32"),
        ({"channels": "101..201"}, {}, "01 to 32"),
        ({"channels": "101 101"}, {}, "twice"),
        ({"channels": "1"}, {}, "'1' is no channel"),
        ({"channels": "101..103", "parallel": "2"}, {}, "no group"),
        ({"start_delay": "soon"}, {}, "'soon' is no time"),
        ({"precharge_below": "2"}, {}, "no quantity in V"),
        ({"sequences": "0"}, {}, "1 to 255"),
        ({"bipolar_sense": "yes"}, {}, "true, false"),
        ({}, {"resource": "scpi-tcp://127.0.0.1:5025?unit=1"}, "'unit' is unknown"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anybody_connects(
    options: dict[str, str], more: dict[str, Any], named: str
) -> None:
    rated = {"rated_voltage_v": 5.0, "rated_current_a": 6.0, **more}
    resource = Resource.parse(rated.pop("resource", f"scpi-tcp://{HERE}"))
    settings = DeviceSettings(device=DEVICE, resource=resource, options=options, **rated)
    assert DRIVER.offline is not None
    with pytest.raises(ValueError, match=named) as refused:
        DRIVER.offline(settings)
    assert DEVICE in str(refused.value)


def test_a_mainframe_whose_cards_nobody_has_rated_is_known_and_energises_nothing() -> None:
    async def test(bench: Bench) -> None:
        await bench.driver.aclose()
        stranger = driver_for({}, rated_voltage_v=None, rated_current_a=None)
        assert (await stranger.connect()).model == "BT2202A"
        with pytest.raises(DeviceFault, match="write `rated"):
            await stranger.commission()
        await stranger.make_safe(stranger.capabilities.channels)
        await stranger.aclose()

    on_bench(test)


def test_limits_that_cannot_be_read_back_count_as_not_proven() -> None:
    async def main() -> None:
        assert driver_for({}).capabilities.limit_readback == "no"
        assert driver_for({}).capabilities.limits_missing

    run_virtual(main())


def test_an_off_without_a_connect_believes_no_cell_that_is_still_at_its_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """No current flows yet: its state alone tells that the abort did not reach it."""

    async def main() -> None:
        async with bt2200_bench(traits=Traits(), options={}) as bench:
            await bench.must(charge(0.5))
            monkeypatch.setattr(bench.device, "abort", lambda numbers: None)
            other = driver_for({})
            with pytest.raises(DeviceFault, match="channel 101 not seen off"):
                await other.make_safe([ONE])
            await other.aclose()

    run_virtual(main())


def test_an_off_in_between_leaves_no_trace_in_others_orders() -> None:
    """Aborting an idle cell may put an error into the queue that an order looks at."""

    async def test(bench: Bench) -> None:
        for order_id in range(1, 20):
            applying = asyncio.ensure_future(bench.order(charge(order_id / 10.0), order_id=order_id))
            await asyncio.sleep(0.003 * order_id)
            await bench.driver.make_safe([TWO])
            assert isinstance(await applying, Applied)

    on_bench(test, traits=Traits(charge_check_s=0.0, minds_idle_aborts=True))


def test_an_off_between_a_start_and_its_being_known_leaves_no_order_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over VISA a thread carries a message, and the loop goes on before it is known to be sent."""
    write = ScpiLink.write

    async def slowly(link: ScpiLink, *args: Any, **more: Any) -> None:
        await write(link, *args, **more)
        await asyncio.sleep(0.01)

    monkeypatch.setattr(ScpiLink, "write", slowly)

    async def test(bench: Bench) -> None:
        offs: list[asyncio.Task[None]] = []

        def off_after_start(address: object, direction: str, data: bytes) -> None:
            if data.startswith(b"CELL:INIT"):
                offs.append(asyncio.ensure_future(bench.driver.make_safe([ONE])))

        bench.network.taps.append(off_after_start)
        assert isinstance(await bench.order(charge(1.0)), Overtaken)
        await asyncio.gather(*offs)
        bench.network.taps.remove(off_after_start)
        await bench.must(charge(0.5), order_id=2)  # there is one sequence, and nobody uses it

    on_bench(test, options={**NO_DELAY, "sequences": "1"})
