"""The EA PSB driver against its simulated device, both ends of the wire in one loop."""

import asyncio
import contextlib
import itertools
import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psb_bench import (
    HOST,
    MODBUS,
    MODBUS_RESOURCE,
    ONE,
    PORT,
    REST,
    SCPI,
    SCPI_RESOURCE,
    Bench,
    charge,
    discharge,
    driver_for,
    psb_bench,
)

from cycler.contract.capabilities import Watchdog
from cycler.contract.errors import DeviceError, DeviceFault, LinkError, ProtocolError
from cycler.contract.order import Applied, DeviceLimits, Order, Overtaken, Phase
from cycler.contract.sweep import ChannelId
from sims.loop import run_virtual
from sims.network import Address, Direction
from sims.wire.ea_psb.device import Interface, PsbModel, PsbSetup, SetValue

OFF = bytes.fromhex("05 01 95 00 00")
PREPARED = {"restart_after_over_temperature": False}
THRESHOLDS = {"over_voltage": "4.5 V", "over_current": "8 A", "sink_over_current": "9 A"}


class Recorder:
    """A tap that remembers what was asked, and when."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.modbus: list[tuple[float, bytes]] = []
        self.scpi: list[str] = []
        self.loop.network.taps.append(self)

    def __call__(self, address: Address, direction: Direction, data: bytes) -> None:
        if direction == "to-server" and address == MODBUS:
            self.modbus.append((self.loop.time(), data[7:]))
        elif direction == "to-server":
            self.scpi += data.decode().split("\n")[:-1]

    @property
    def functions(self) -> set[int]:
        return {request[0] for _, request in self.modbus}


def swallow(bench: Bench, which: Callable[[Address, Direction, bytes], bool]) -> None:
    """From now on these chunks get lost."""
    bench.network.taps.append(lambda address, way, data: () if which(address, way, data) else None)


# Connecting.


@pytest.mark.parametrize("loopback", [False, True])
def test_it_says_who_answers_and_what_it_can_do(loopback: bool) -> None:
    async def main() -> None:
        async with psb_bench(commissioned=False) as bench:
            identity = await bench.driver.connect()
            assert (identity.maker, identity.model) == ("EA Elektro-Automatik", "PSB 9010-15")
            assert (identity.serial, identity.firmware) == ("0000000001", "V2.31 (simulated)")
            can = bench.driver.capabilities
            assert can.channels == (ONE,)
            assert (can.range.voltage_v_max, can.range.charge_current_a_max, can.range.power_w_max) == (10, 15, 150)
            assert (can.range.voltage_accuracy_v, can.range.current_accuracy_a) == pytest.approx((0.01, 0.03))
            assert can.range.voltage_resolution_v == pytest.approx(10 / 26214)
            # Nothing has been read back yet, so nothing is claimed.
            assert (can.watchdog, can.limit_readback, can.protections) == (None, "no", frozenset())
            assert can.autonomous

    run_virtual(main(), loopback=loopback)


def test_connecting_adopting_and_reading_changes_nothing_on_a_running_device() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            await bench.must(charge())
            bench.device.alarms.add("OT")  # a warning that left the output on
            await asyncio.sleep(0.1)
            wire, other = Recorder(), driver_for()
            await other.connect()
            running = (await other.adopt())[ONE]
            reading = (await other.read())[0][ONE]
            await other.aclose()
            assert wire.functions <= {1, 3}
            assert wire.scpi == []
            assert (running.energised, running.order_id, running.step_time_s) == (True, 0, None)
            assert (reading.order_id, reading.regulation, reading.current_a) == (0, "limited", pytest.approx(5.0))
            assert math.isnan(reading.step_time_s)
            assert bench.cell.supply.on
            assert bench.device.alarms == {"OT"}

    run_virtual(main())


def test_a_reconnect_of_the_same_driver_still_knows_its_order() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            await bench.must(charge(), 7)
            await bench.reading()
            bench.network.cut(MODBUS)
            await asyncio.sleep(0.5)
            await bench.driver.connect()
            running = (await bench.driver.adopt())[ONE]
            assert (running.energised, running.order_id) == (True, 7)
            assert running.step_time_s == pytest.approx(0.5, abs=0.2)

    run_virtual(main())


def test_another_kind_of_device_is_refused() -> None:
    async def main() -> None:
        async with psb_bench(commissioned=False, model=PsbModel(name="PS 5080-20")) as bench:
            with pytest.raises(ProtocolError, match="psb-01: register 1 says 'PS 5080-20', expected a PSB or PSBE"):
                await bench.driver.connect()
            with pytest.raises(LinkError, match="not connected yet"):
                _ = bench.driver.capabilities
            with pytest.raises(LinkError, match="not connected yet"):
                await bench.driver.read()

    run_virtual(main())


def test_another_device_at_the_old_address_is_refused() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            bench.device.model = PsbModel(serial="0000000002")
            with pytest.raises(ProtocolError, match="0000000002 answers where 0000000001 did before"):
                await bench.driver.connect()

    run_virtual(main())


def test_ratings_other_than_those_of_the_rack_file_are_refused() -> None:
    async def main() -> None:
        async with psb_bench(commissioned=False):
            driver = driver_for(rated_voltage_v=80.0)
            with pytest.raises(ProtocolError, match="its rated voltage_v is 10, the rack file says 80"):
                await driver.connect()
            await driver.aclose()

    run_virtual(main())


@pytest.mark.parametrize(
    ("query", "options", "says"),
    [
        ("unit=2", {}, "unit is a whole number from 0 to 1"),
        ("scpi=x", {}, "scpi is a whole number from 1 to 65535"),
        ("baud=9600", {}, "'baud' is unknown"),
        ("", {"ovp": "4.5 V"}, "option 'ovp' is unknown; there are over_voltage"),
        ("", {"over_voltage": "4.5"}, "no positive quantity in V, like 4.5 V"),
        ("", {"over_voltage": "4.5 A"}, "no positive quantity in V"),
        ("", {"over_current": "nan A"}, "no positive quantity in A"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(query: str, options: dict[str, str], says: str) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match=says) as caught:
            driver_for(query, options=options)
        assert str(caught.value).startswith("psb-01: ")

    run_virtual(main())


# Commissioning.


@pytest.mark.parametrize("loopback", [False, True])
def test_commissioning_arms_the_device_and_reads_back_what_it_keeps(loopback: bool) -> None:
    async def main() -> None:
        async with psb_bench(options=THRESHOLDS) as bench:
            device, can = bench.device, bench.driver.capabilities
            assert (device.setup.watchdog_on, device.setup.watchdog_s) == (True, 2.0)
            assert device.thresholds["OVP"] == round(52428 * 0.45)
            assert device.thresholds["OCP"] == round(52428 * 8 / 15)
            assert device.thresholds["sink OCP"] == round(52428 * 9 / 15)
            assert device.owner is Interface.MODBUS_TCP
            assert can.watchdog == Watchdog(watches="host", timeout_s=2.0, proven=False)
            assert can.protections == {"over_voltage", "over_current"}
            assert can.limit_readback == "yes"
            assert not can.autonomous

    run_virtual(main(), loopback=loopback)


def test_a_watchdog_whose_action_nobody_has_seen_is_not_called_proven() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            assert bench.driver.capabilities.watchdog == Watchdog(watches="host", timeout_s=2.0, proven=False)

    run_virtual(main())


def test_commissioning_may_be_repeated_and_sends_nothing_that_acknowledges_alarms() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            bench.device.trip("OT")
            bench.device.clear_cause("OT")
            wire = Recorder()
            await bench.driver.commission()
            assert not [text for text in wire.scpi if "ERR" in text or "*RST" in text or "*CLS" in text]
            assert bench.device.alarms == {"OT"}
            assert not bench.device.errors
            assert bench.network.connections[SCPI] == 2  # one a commissioning

    run_virtual(main())


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        (
            "keep_after_remote",
            'POW:STAG:AFT:REM is AUTO: the output stays on .* send "SYST:LOCK ON", "POW:STAG:AFT:REM OFF" and',
        ),
        ("restore_output", "register 408 holds 0xFFFE: the output comes on with the power. Write 0xFFFF"),
        ("restart_after_power_fail", "SYST:ALAR:ACT:PFA is AUTO"),
        ("restart_after_over_temperature", "SYST:ALAR:ACT:OTEM is AUTO"),
    ],
)
def test_a_setting_that_energises_by_itself_is_refused_with_the_way_to_mend_it(setting: str, says: str) -> None:
    async def main() -> None:
        async with psb_bench(commissioned=False, setup=PsbSetup(**{**PREPARED, setting: True})) as bench:
            await bench.driver.connect()
            with pytest.raises(DeviceFault, match=says):
                await bench.driver.commission()
            assert bench.device.owner is None
            assert not bench.device.setup.watchdog_on

    run_virtual(main())


def test_an_output_that_is_on_is_not_commissioned() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            await bench.must(charge())
            with pytest.raises(DeviceFault, match="its output is on"):
                await bench.driver.commission()
            assert bench.cell.supply.on

    run_virtual(main())


def test_a_device_in_other_hands_is_not_commissioned() -> None:
    async def main() -> None:
        async with psb_bench(commissioned=False) as bench:
            await bench.driver.connect()
            bench.device.local = True
            with pytest.raises(DeviceFault, match='it is in "local"'):
                await bench.driver.commission()
            bench.device.local = False
            bench.device.take_control(Interface.USB)
            with pytest.raises(DeviceFault, match="code 0x07: access denied"):
                await bench.driver.commission()
            assert bench.device.owner is Interface.USB

    run_virtual(main())


def test_without_its_scpi_port_it_works_and_claims_nothing() -> None:
    async def main() -> None:
        async with psb_bench(commissioned=False) as bench:
            driver = driver_for("scpi=15099")
            await driver.connect()
            await driver.commission()
            assert (driver.capabilities.watchdog, driver.capabilities.limit_readback) == (None, "no")
            answer = (await driver.apply({ONE: Order(order_id=1, phases=(charge(),))}))[ONE]
            assert isinstance(answer, Applied)
            assert bench.cell.supply.on
            await driver.aclose()

    run_virtual(main())


@pytest.mark.parametrize(
    ("question", "watchdog", "readback"),
    [
        ("SYST:COMM:MON:ACT?", None, "no"),
        ("SYST:COMM:MON:TIM?", None, "no"),
        ("VOLT:PROT?", 2.0, "no"),
        ("SINK:CURR:PROT?", 2.0, "no"),
        ("SINK:POW:PROT?", 2.0, "yes"),  # the rack file does not give it
        ("SYST:ALAR:ACT:OTEM?", 2.0, "no"),
        ("SYST:LOCK:OWN?", 2.0, "no"),
        ("*IDN?", None, "no"),
    ],
)
def test_what_is_not_answered_counts_as_absent(question: str, watchdog: float | None, readback: str) -> None:
    async def main() -> None:
        async with psb_bench(commissioned=False, options=THRESHOLDS) as bench:
            await bench.driver.connect()
            swallow(bench, lambda address, way, data: data == question.encode() + b"\n")
            await bench.driver.commission()
            can = bench.driver.capabilities
            assert (can.watchdog and can.watchdog.timeout_s, can.limit_readback) == (watchdog, readback)

    run_virtual(main())


def test_a_threshold_that_is_accepted_but_not_taken_is_a_fault() -> None:
    async def main() -> None:
        async with psb_bench(commissioned=False, options={"over_voltage": "4.5 V"}) as bench:
            await bench.driver.connect()
            bench.device.write_threshold = lambda *_: None  # type: ignore[method-assign]
            with pytest.raises(DeviceFault, match=r"VOLT:PROT was set to 4.500 and reads back 11.000"):
                await bench.driver.commission()
            assert bench.device.owner is None

    run_virtual(main())


def test_a_second_port_that_belongs_to_another_device_is_refused() -> None:
    async def main() -> None:
        async with psb_bench(commissioned=False) as bench:
            await bench.driver.connect()
            bench.device.model = PsbModel(serial="0000000002")
            with pytest.raises(ProtocolError, match=r"its SCPI port belongs to .*0000000002"):
                await bench.driver.commission()

    run_virtual(main())


# Orders and sweeps.


@pytest.mark.parametrize("loopback", [False, True])
@pytest.mark.parametrize("phase", [charge(), discharge()])
def test_an_order_starts_flows_ends_in_its_clamp_and_rests(phase: Phase, loopback: bool) -> None:
    async def main() -> None:
        async with psb_bench(capacitance_f=50.0) as bench:
            sign = 1 if phase.direction == "charge" else -1
            applied = await bench.must(phase, 1)
            assert applied.order_id == 1
            assert 0 <= sign * (phase.voltage_v - applied.phases[0].voltage_v) <= 10 / 26214
            first = await bench.reading()
            assert (first.order_id, first.regulation, first.step_time_s) == (1, "cc", 0.0)
            assert first.current_a == pytest.approx(sign * 5.0)
            for _ in range(10):
                await asyncio.sleep(0.9)
                last = await bench.reading()
            assert (last.regulation, last.current_a, last.order_id) == ("cv", 0.0, 1)
            assert last.voltage_v == pytest.approx(phase.voltage_v, abs=1e-3)
            assert last.step_time_s == pytest.approx(last.taken_s - first.taken_s)
            await bench.must(REST, 2)
            resting = await bench.reading()
            assert (resting.regulation, resting.order_id, resting.current_a) == ("off", 2, 0.0)
            assert resting.step_time_s == 0.0  # a rest begins with the first reading that shows the relay open
            assert not bench.cell.supply.on

    run_virtual(main(), loopback=loopback)


def test_sweeps_and_orders_respect_the_devices_gap_between_messages() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            wire = Recorder()

            async def sweeps() -> None:
                for _ in range(20):
                    await bench.driver.read()

            await asyncio.gather(sweeps(), bench.must(charge()))
            times_s = [at_s for at_s, _ in wire.modbus]
            assert min(b - a for a, b in itertools.pairwise(times_s)) >= 0.010

    run_virtual(main())


def test_the_set_values_of_a_direction_that_is_not_ordered_stay_closed_through_every_change() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            for order_id, phase in enumerate([charge(), discharge(), charge(2.0, 4.0), charge(3.0, 4.1), REST], 1):
                await bench.must(phase, order_id)
                await asyncio.sleep(0.1)
            assert all(not (s.source_current_a and s.sink_current_a) for s in bench.cell.supplies if s.on)
            assert all(s.voltage_v <= 4.2 for s in bench.cell.supplies if s.source_current_a)
            assert all(s.voltage_v >= 2.8 for s in bench.cell.supplies if s.sink_current_a)

    run_virtual(main())


def test_until_current_flows_it_is_starting() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            bench.device._effect_delay_s = (0.3, 0.3)
            applying = asyncio.create_task(bench.must(charge(), 1))
            seen = []
            while not applying.done() or seen[-1].regulation in ("off", "starting"):
                await asyncio.sleep(0.05)
                seen.append(await bench.reading())
            assert next(reading.regulation for reading in seen if reading.order_id) == "starting"
            assert all(r.step_time_s == 0.0 for r in seen if r.regulation == "starting" and r.order_id)
            assert seen[-1].regulation == "cc"
            await applying

    run_virtual(main())


def test_an_output_that_stands_at_its_voltage_has_started_without_current() -> None:
    async def main() -> None:
        async with psb_bench(4.21) as bench:
            await bench.must(charge())
            assert (await bench.reading()).regulation == "starting"
            await asyncio.sleep(0.6)
            assert (await bench.reading()).regulation == "cv"

    run_virtual(main())


def test_constant_power_is_held_by_the_power_limit() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            applied = await bench.must(discharge(current_a=10.0, power_w=18.0))
            reading = await bench.reading()
            assert applied.phases[0].power_w == pytest.approx(18.0, abs=0.01)
            assert reading.regulation == "cp"
            assert reading.current_a * reading.voltage_v == pytest.approx(-18.0, abs=0.02)

    run_virtual(main())


def test_a_resistance_is_held_in_resistance_mode_which_the_next_order_leaves_with_both_currents_closed() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            await bench.must(discharge(), 1)
            applied = await bench.must(discharge(resistance_ohm=2.4), 2)
            reading = await bench.reading()
            assert bench.device.resistance_mode
            assert applied.phases[0].resistance_ohm == pytest.approx(2.4, abs=1e-3)
            assert (reading.order_id, reading.regulation) == (2, "cr")
            assert reading.current_a == pytest.approx(-reading.voltage_v / 2.4, abs=0.002)
            await bench.must(charge(), 3)
            await asyncio.sleep(0.1)
            assert not bench.device.resistance_mode
            assert (await bench.reading()).current_a == pytest.approx(5.0, abs=0.002)
            modes = [bool(supply.sink_resistance_ohm) for supply in bench.cell.supplies]
            switched = [place for place, (before, after) in enumerate(itertools.pairwise(modes), 1) if before != after]
            assert len(switched) == 2
            for place in switched:
                supply = bench.cell.supplies[place]
                assert (supply.source_current_a, supply.sink_current_a) == (0.0, 0.0)

    run_virtual(main())


def test_a_resistance_that_does_not_read_back_is_no_order() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            bench.device.write_resistance_mode = lambda *_: None  # type: ignore[method-assign]
            answer = await bench.order(discharge(resistance_ohm=2.4))
            assert isinstance(answer, DeviceFault)
            assert "its set values are" in answer.detail
            assert bench.cell.supply.sink_current_a == 0.0

    run_virtual(main())


@pytest.mark.parametrize("swapped", [False, True])
def test_the_range_of_its_resistances_is_declared_whichever_end_comes_first(swapped: bool) -> None:
    async def main() -> None:
        model = PsbModel()
        if swapped:
            ends = tuple(reversed(model.resistance_ohm))
            model = type("Swapped", (PsbModel,), {"resistance_ohm": ends})()
        async with psb_bench(commissioned=False, model=model) as bench:
            await bench.driver.connect()
            able = bench.driver.capabilities.range
            assert (able.resistance_ohm_min, able.resistance_ohm_max) == pytest.approx((0.04, 20.0))

    run_virtual(main())


@pytest.mark.parametrize(
    ("resource", "has_mode"), [(MODBUS_RESOURCE, False), (SCPI_RESOURCE, True)], ids=["model without", "scpi"]
)
def test_where_its_resistances_are_not_known_it_declares_none_and_refuses_them(resource: str, has_mode: bool) -> None:
    async def main() -> None:
        async with psb_bench(model=PsbModel(has_resistance_mode=has_mode), resource=resource) as bench:
            assert bench.driver.capabilities.range.resistance_ohm_max == 0.0
            answer = await bench.order(discharge(resistance_ohm=2.4))
            assert isinstance(answer, DeviceFault)
            assert "resistance is regulated over Modbus only, by models that tell its range" in answer.detail
            assert not bench.cell.supply.on

    run_virtual(main())


@pytest.mark.parametrize(
    ("order", "says"),
    [
        (Order(order_id=3, phases=(charge(), discharge())), "it has 2 phases, this device holds 1"),
        (Order(order_id=3, phases=(charge(resistance_ohm=1.0),)), "a resistance is held by a discharge, and alone"),
        (Order(order_id=3, phases=(discharge(resistance_ohm=0.03),)), "resistance_ohm 0.03 lies outside 0.04"),
        (Order(order_id=3, phases=(discharge(resistance_ohm=21.0),)), "resistance_ohm 21 lies outside 0.0404 ... 20"),
        (Order(order_id=3, phases=(charge(voltage_v=11.0),)), "voltage_v 11 lies outside"),
        (Order(order_id=3, phases=(charge(voltage_v=math.nan),)), "voltage_v nan lies outside"),
        (Order(order_id=3, phases=(charge(current_a=15.1),)), "current_a 15.1 lies outside"),
        (Order(order_id=3, phases=(charge(current_a=1e-4),)), "current_a 0.0001 lies outside 0.000572"),
        (Order(order_id=3, phases=(charge(power_w=151.0),)), "power_w 151 lies outside"),
        (Order(order_id=3, phases=(charge(voltage_v=4.6),)), "reaches the protection that opens the output at 4.5"),
        (Order(order_id=3, phases=(charge(),), limits=DeviceLimits(voltage_v_max=4.1)), "beyond its own limit 4.1"),
        (Order(order_id=3, phases=(discharge(),), limits=DeviceLimits(voltage_v_min=3.0)), "beyond its own limit 3"),
        (Order(order_id=3, phases=(charge(),), dead_man_s=1.0), "the device's watchdog takes 2 s"),
    ],
)
def test_an_order_that_the_device_cannot_execute_is_refused_by_name_and_leaves_the_old_one(
    order: Order, says: str
) -> None:
    async def main() -> None:
        async with psb_bench(options={"over_voltage": "4.5 V"}) as bench:
            await bench.must(charge(), 1)
            answer = (await bench.driver.apply({ONE: order}))[ONE]
            assert isinstance(answer, DeviceFault)
            assert str(answer).startswith("psb-01: order 3 refused: ")
            assert says in answer.detail
            assert (await bench.reading()).order_id == 1

    run_virtual(main())


def test_a_channel_that_it_does_not_have_is_answered_without_touching_the_one_it_has() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            two = ChannelId("2")
            order = Order(order_id=1, phases=(charge(),))
            answers = await bench.driver.apply({two: order, ONE: order})
            assert isinstance(answers[two], ProtocolError)
            assert isinstance(answers[ONE], Applied)

    run_virtual(main())


def test_the_limits_it_claims_are_thresholds_that_lie_within_those_asked_for() -> None:
    async def main() -> None:
        async with psb_bench(options={"over_voltage": "4.25 V", "over_current": "8 A"}) as bench:
            asked = DeviceLimits(voltage_v_max=4.3, charge_current_a_max=6.0, charge_ah_max=5.0)
            answer = await bench.order(charge(), limits=asked)
            assert isinstance(answer, Applied)
            assert answer.limits == DeviceLimits(voltage_v_max=pytest.approx(4.25, abs=1e-3))

    run_virtual(main())


def test_a_value_that_the_device_refuses_is_named_with_its_code() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            bench.device.limit_raw[2] = 1000
            answer = await bench.order(charge())
            assert isinstance(answer, DeviceFault)
            assert "refused the write of 0x4444 to register 501 with code 0x03: value above the range" in str(answer)

    run_virtual(main())


def test_a_set_value_that_is_accepted_but_not_taken_is_seen_before_current_flows() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            written = bench.device.write_set_value

            def deaf(which: SetValue, raw: int, interface: Interface) -> None:
                if which is not SetValue.VOLTAGE:
                    written(which, raw, interface)

            bench.device.write_set_value = deaf  # type: ignore[method-assign]
            answer = await bench.order(charge())
            assert isinstance(answer, DeviceFault)
            assert "0.5 s after an order its set values are SetValues" in str(answer)
            assert not any(supply.on and supply.source_current_a for supply in bench.cell.supplies)
            assert (await bench.reading()).order_id == 0

    run_virtual(main())


def test_an_order_that_fails_half_way_leaves_no_order_in_force() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            await bench.must(charge(), 1)
            bench.device.write_set_value = lambda *_: None  # type: ignore[method-assign]
            assert isinstance(await bench.order(charge(current_a=2.0), 2), DeviceFault)
            assert (await bench.reading()).order_id == 0

    run_virtual(main())


def test_an_alarm_that_stands_is_named_when_an_order_comes_and_goes_when_a_person_acknowledges_it() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            await bench.must(charge(), 1)
            bench.device.trip("OT")
            reading = await bench.reading()
            assert (reading.regulation, reading.order_id) == ("off", 0)
            answer = await bench.order(charge(), 2)
            assert isinstance(answer, DeviceFault)
            assert "OT stands: find its cause and acknowledge it first" in str(answer)
            with pytest.raises(DeviceFault, match="OT was acknowledged and still stands"):
                await bench.driver.acknowledge([ONE])
            bench.device.clear_cause("OT")
            await bench.driver.acknowledge([ONE])
            await bench.must(charge(), 3)

    run_virtual(main())


def test_an_output_opened_at_the_front_panel_is_seen() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            await bench.must(charge(), 1)
            assert (await bench.reading()).order_id == 1
            bench.device.switch_off_by_hand()
            reading = await bench.reading()
            assert (reading.regulation, reading.order_id) == ("off", 0)
            assert math.isnan(reading.step_time_s)

    run_virtual(main())


def test_readings_of_an_order_on_its_way_belong_to_the_order_before() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            await bench.must(REST, 1)
            applying = asyncio.create_task(bench.must(charge(), 2))
            ids = []
            while not applying.done():
                ids.append((await bench.reading()).order_id)
            ids.append((await bench.reading()).order_id)
            assert ids == sorted(ids)
            assert ids[0] == 1
            assert ids[-1] == 2

    run_virtual(main())


@pytest.mark.parametrize("flip_s", [at / 1000 for at in range(0, 60, 3)])
def test_a_current_that_turns_between_values_and_sign_never_gets_the_wrong_sign(flip_s: float) -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            await bench.must(charge(), 1)
            await bench.reading()
            device = bench.device

            def flip() -> None:  # the sheet's two motions in one instant
                device.set_raw[SetValue.SOURCE_CURRENT], device.set_raw[SetValue.SINK_CURRENT] = 0, 17476
                device.set_raw[SetValue.VOLTAGE] = 14680
                bench.cell.drive(device._supply())

            asyncio.get_running_loop().call_later(flip_s, flip)
            began_s = asyncio.get_running_loop().time()
            for _ in range(6):
                reading = await bench.reading()
                expected = 5.0 if reading.taken_s < began_s + flip_s else -5.0
                assert reading.current_a == pytest.approx(expected)

    run_virtual(main())


# Off.


@pytest.mark.parametrize("loopback", [False, True])
def test_make_safe_opens_the_output_and_sees_that_it_is_open(loopback: bool) -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            await bench.must(discharge(), 1)
            await bench.driver.make_safe([ONE])
            assert not bench.cell.supply.on
            await bench.driver.make_safe([ONE])
            assert (await bench.reading()).order_id == 0

    run_virtual(main(), loopback=loopback)


@pytest.mark.parametrize("before", [None, charge(), discharge()])
@pytest.mark.parametrize("sweeping", [False, True])
def test_an_off_overtakes_an_order_at_every_message(before: Phase | None, sweeping: bool) -> None:
    async def at(message: int) -> bool:
        """Whether the order was through before that message."""
        async with psb_bench() as bench:
            if before is not None:
                await bench.must(before, 1)

            async def sweep() -> None:
                while sweeping:
                    await bench.driver.read()

            sent, offs = 0, []
            was_applied: list[bool] = []

            def count(address: Address, way: Direction, data: bytes) -> None:
                nonlocal sent
                sent += 1
                if sent == message:
                    was_applied.append(applying.done())
                    offs.append(asyncio.create_task(bench.driver.make_safe([ONE])))

            sweeps = asyncio.create_task(sweep())
            applying = asyncio.create_task(bench.order(charge(3.0), 2))
            bench.network.taps.append(count)
            answer = await applying
            if not offs:
                offs.append(asyncio.create_task(bench.driver.make_safe([ONE])))
                was_applied.append(True)
            await offs[0]
            sweeps.cancel()
            assert not bench.cell.supply.on
            await asyncio.sleep(0.2)
            assert isinstance(answer, Applied if was_applied[0] else Overtaken), answer
            assert not bench.cell.supply.on
            assert (await bench.reading()).order_id == 0
            return was_applied[0]

    outcomes = []
    while not any(outcomes):
        outcomes.append(run_virtual(at(len(outcomes) + 1)))
    assert len(outcomes) > 10


def test_an_off_waits_for_one_transaction_and_one_gap_whatever_else_is_queued() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            await bench.must(charge(), 1)
            loop, wire = asyncio.get_running_loop(), Recorder()
            async with asyncio.TaskGroup() as group:
                for _ in range(10):
                    group.create_task(bench.driver.read())
                await asyncio.sleep(0.0)
                began_s = loop.time()
                off = group.create_task(bench.driver.make_safe([ONE]))
                await off
                opened_s = next(at_s for at_s, request in wire.modbus if request == OFF)
                assert opened_s - began_s < 0.015

    run_virtual(main())


def test_make_safe_opens_a_lost_connection_once_more() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            await bench.must(charge(), 1)
            lost = bench.network.connections[MODBUS]
            swallow(bench, lambda address, way, data: bench.network.connections[MODBUS] == lost)
            await bench.driver.make_safe([ONE])
            assert not bench.cell.supply.on

    run_virtual(main())


def test_make_safe_says_so_when_nobody_answers() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            await bench.must(charge(), 1)
            bench.network.unplug(MODBUS)
            began_s = asyncio.get_running_loop().time()
            with pytest.raises(LinkError):
                await bench.driver.make_safe([ONE])
            assert asyncio.get_running_loop().time() - began_s < 2.5
            bench.network.plug(MODBUS)

    run_virtual(main())


def test_make_safe_repeats_an_off_that_was_ignored_and_raises_when_it_always_is() -> None:
    async def main(ignored: int) -> None:
        async with psb_bench() as bench:
            await bench.must(charge(), 1)
            offs, obeyed = 0, bench.device.write_output

            def deaf(on: bool, interface: Interface) -> None:
                nonlocal offs
                offs += 1
                if offs > ignored:
                    obeyed(on, interface)

            bench.device.write_output = deaf  # type: ignore[method-assign]
            await bench.driver.make_safe([ONE])

    run_virtual(main(3))
    with pytest.raises(DeviceFault, match=r"its output is on 0.5 s after it was switched off"):
        run_virtual(main(10**6))


def test_make_safe_is_legal_without_remote_control_and_takes_it_where_the_output_is_on() -> None:
    async def main() -> None:
        async with psb_bench(commissioned=False) as bench:
            await bench.driver.make_safe([ONE])  # off as it is
            assert bench.device.owner is None
            bench.device.output_on = bench.device.energised = True  # somebody at the front panel
            await bench.driver.make_safe([ONE])
            assert not bench.device.energised
            bench.device.output_on = bench.device.energised = True
            bench.device.local = True
            with pytest.raises(DeviceFault, match='code 0x17: the device is in "local"'):
                await bench.driver.make_safe([ONE])

    run_virtual(main())


@pytest.mark.parametrize("phase", [charge(), discharge()])
def test_when_the_host_falls_silent_the_device_opens_and_the_cell_stays_within_its_clamp(phase: Phase) -> None:
    async def main() -> None:
        async with psb_bench(capacitance_f=5.0) as bench:
            await bench.must(phase, 1)
            for _ in range(3):
                await asyncio.sleep(0.5)
                await bench.reading()
            await asyncio.sleep(1.9)
            assert bench.cell.supply.on
            await asyncio.sleep(0.2)
            assert not bench.cell.supply.on
            assert 2.8 <= bench.cell.measure().voltage_v <= 4.2
            assert (await bench.reading()).order_id == 0

    run_virtual(main())


@pytest.mark.parametrize(("before", "then"), [(None, charge()), (charge(), discharge()), (discharge(), charge())])
@pytest.mark.parametrize("messages", range(1, 22))
def test_a_wire_cut_after_any_message_leaves_the_cell_within_its_limits(
    before: Phase | None, then: Phase, messages: int
) -> None:
    async def main() -> None:
        async with psb_bench(capacitance_f=2.0) as bench:
            if before is not None:
                await bench.must(before, 1)
            sent = 0

            def is_lost(address: Address, way: Direction, data: bytes) -> bool:
                nonlocal sent
                sent += way == "to-server"
                return sent > messages

            swallow(bench, is_lost)
            await bench.order(then, 2)
            await asyncio.sleep(5.0)
            assert 2.8 <= bench.cell.measure().voltage_v <= 4.2
            assert not bench.cell.supply.on  # its watchdog

    run_virtual(main())


# Trouble on the wire.


def test_a_lost_reply_is_a_link_error_and_the_next_sweep_is_sound() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            await bench.must(charge(), 1)
            lost = []
            swallow(bench, lambda address, way, data: way == "to-client" and not lost and not lost.append(data))
            with pytest.raises(LinkError, match="psb-01: no answer to the read of registers 507"):
                await bench.driver.read()
            reading = await bench.reading()
            assert (reading.order_id, reading.current_a) == (1, pytest.approx(5.0))

    run_virtual(main())


def test_a_power_cycle_shows_as_an_output_that_is_off_and_an_order_is_refused_until_commissioned() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            await bench.must(charge(), 1)
            bench.simulator.restart()
            await asyncio.sleep(0.1)
            reading = await bench.reading()
            assert (reading.regulation, reading.order_id) == ("off", 0)
            answer = await bench.order(charge(), 2)
            assert isinstance(answer, DeviceFault)
            assert "control lies with nobody" in str(answer)
            await bench.driver.connect()
            await bench.driver.commission()
            await bench.must(charge(), 3)

    run_virtual(main())


@given(chunks=st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=6), honest=st.booleans())
def test_whatever_a_device_says_only_device_errors_come_out(chunks: list[bytes], honest: bool) -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            replies = iter(chunks * 3)

            def lie(address: Address, way: Direction, data: bytes) -> list[tuple[float, bytes]] | None:
                if way == "to-server" or (chunk := next(replies, None)) is None:
                    return None
                return [(0.0, data[:8] + chunk if honest else chunk)]

            bench.network.taps.append(lie)
            for _ in range(3):
                with contextlib.suppress(DeviceError):
                    await bench.driver.read()
                assert isinstance(await bench.order(charge()), Applied | Overtaken | DeviceError)
                with contextlib.suppress(DeviceError):
                    await bench.driver.make_safe([ONE])
                with contextlib.suppress(DeviceError):
                    await bench.driver.commission()
                with contextlib.suppress(DeviceError):
                    await bench.driver.connect()

    run_virtual(main())


def test_letting_go_leaves_the_device_as_it_is() -> None:
    async def main() -> None:
        async with psb_bench() as bench:
            await bench.must(charge(), 1)
            wire = Recorder()
            await bench.driver.aclose()
            await bench.driver.aclose()
            assert wire.modbus == []
            assert bench.cell.supply.on
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(HOST, PORT + 1)

    run_virtual(main())
