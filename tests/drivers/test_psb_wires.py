"""The EA PSB driver over SCPI, and over Modbus RTU beside SCPI on one port."""

import asyncio
import contextlib
import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psb_bench import ONE, REST, RTU_RESOURCE, SCPI, SCPI_RESOURCE, Bench, charge, discharge, driver_at, psb_bench
from psb_wires import PsbRtuLineSubject

from cycler.contract.capabilities import Watchdog
from cycler.contract.errors import DeviceError, DeviceFault, LinkError, ProtocolError
from cycler.contract.order import Applied, Overtaken
from drivers.ea_psb import commands
from drivers.ea_psb.instrument import Status
from drivers.ea_psb.scale import FULL_SCALE, raw_nearest, real
from drivers.ea_psb.set_values import Held, SetValues
from sims.loop import run_virtual
from sims.network import Address, Direction
from sims.wire.ea_psb.device import Interface, PsbModel, PsbSetup

BOTH = pytest.mark.parametrize("resource", [SCPI_RESOURCE, RTU_RESOURCE], ids=["scpi", "rtu"])
THRESHOLDS = {"over_voltage": "4.5 V", "over_current": "8 A", "sink_over_current": "9 A"}


class Heard:
    """A tap that remembers the lines that the device was sent on its second port."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        asyncio.get_running_loop().network.taps.append(self)

    def __call__(self, address: Address, direction: Direction, data: bytes) -> None:
        if direction == "to-server" and address == SCPI and data[0] >= ord("*"):
            self.lines += data.decode("ascii").split("\n")[:-1]


def say(bench: Bench, question: bytes, answer: bytes) -> None:
    """From now on a question is answered so."""
    asked: list[bool] = []

    def tap(_: Address, direction: Direction, data: bytes) -> list[tuple[float, bytes]] | None:
        if direction == "to-server":
            asked[:] = [data.startswith(question)]
            return None
        return [(0.0, answer)] if asked == [True] else None

    bench.network.taps.append(tap)


@pytest.mark.parametrize("loopback", [False, True])
@BOTH
def test_it_says_who_answers_and_what_it_can_do(resource: str, loopback: bool) -> None:
    async def main() -> None:
        async with psb_bench(resource=resource, options=THRESHOLDS) as bench:
            identity = await bench.driver.connect()
            assert (identity.maker, identity.model) == ("EA Elektro-Automatik", "PSB 9010-15")
            assert identity.serial == "0000000001"
            assert identity.firmware.startswith("V2.31 (simulated)")
            can = bench.driver.capabilities
            assert (can.range.voltage_v_max, can.range.charge_current_a_max, can.range.power_w_max) == (10, 15, 150)
            assert can.watchdog == Watchdog(watches="host", timeout_s=2.0, proven=False)
            assert (can.limit_readback, can.limits_missing) == ("yes", ())
            assert can.protections == {"over_voltage", "over_current"}
            if not loopback:
                assert bench.network.connections[SCPI] == 1  # one wire, whatever is spoken on it

    run_virtual(main(), loopback=loopback)


def test_an_order_over_scpi_is_these_lines() -> None:
    async def main() -> None:
        async with psb_bench(resource=SCPI_RESOURCE) as bench:
            wire = Heard()
            await bench.must(charge(current_a=5.0, voltage_v=4.2))
            assert [line for line in wire.lines if "?" not in line] == [
                "VOLT 3.599985", "OUTP ON", "VOLT 4.199664", "CURR 5.000000",
            ]  # fmt: skip
            await bench.driver.read()
            assert wire.lines[-3:] == ["MEAS:ARR?", "STAT:QUES:COND?", "STAT:OPER:COND?"]
            await bench.driver.make_safe([ONE])
            assert wire.lines[-3:] == ["OUTP OFF", "STAT:QUES:COND?", "STAT:OPER:COND?"]

    run_virtual(main())


def test_the_error_queue_is_asked_for_only_to_acknowledge() -> None:
    async def main() -> None:
        async with psb_bench(resource=SCPI_RESOURCE) as bench:
            wire = Heard()
            await bench.driver.commission()
            await bench.must(charge(), 1)
            await bench.must(discharge(), 2)
            await bench.must(REST, 3)
            bench.device.trip("OVP")
            bench.device.clear_cause("OVP")
            await asyncio.sleep(0.1)
            assert isinstance(answer := await bench.order(charge(), 4), DeviceFault)
            assert "OVP stands: find its cause and acknowledge it first" in str(answer)
            await bench.driver.make_safe([ONE])
            assert not any(line.startswith(("SYST:ERR", "*CLS", "*RST")) for line in wire.lines)
            await bench.driver.acknowledge([ONE])
            assert [line for line in wire.lines if line.startswith("SYST:ERR")] == ["SYST:ERR:ALL?"]
            await bench.must(charge(), 5)

    run_virtual(main())


@BOTH
def test_a_reading_has_its_direction_and_what_is_held(resource: str) -> None:
    async def main() -> None:
        async with psb_bench(resource=resource) as bench:
            for phase, current_a, regulation in (
                (charge(3.0), 3.0, "cc"),
                (discharge(2.0), -2.0, "cc"),
                (charge(5.0, power_w=9.0), 2.5, "cp"),
                (REST, 0.0, "off"),
            ):
                await bench.must(phase)
                await asyncio.sleep(0.2)
                reading = await bench.reading()
                assert reading.current_a == pytest.approx(current_a, abs=0.01)
                assert reading.voltage_v == pytest.approx(bench.cell.voltage_v, abs=0.002)
                assert reading.regulation == regulation

    run_virtual(main())


def test_another_kind_of_device_behind_scpi_is_refused() -> None:
    async def main() -> None:
        async with psb_bench(resource=SCPI_RESOURCE, commissioned=False, model=PsbModel(name="PS 5080-20")) as bench:
            with pytest.raises(ProtocolError, match=r"psb-01: \*IDN\? was answered .*PS 5080-20.*, expected a PSB"):
                await bench.driver.connect()

    run_virtual(main())


@BOTH
def test_a_supply_in_local_is_refused_by_name(resource: str) -> None:
    async def main() -> None:
        async with psb_bench(resource=resource, commissioned=False) as bench:
            await bench.driver.connect()
            bench.device.local = True
            with pytest.raises(DeviceFault, match='it is in "local": release it at its front panel'):
                await bench.driver.commission()

    run_virtual(main())


@BOTH
def test_a_supply_that_another_interface_controls_is_not_taken_from_it(resource: str) -> None:
    async def main() -> None:
        async with psb_bench(resource=resource, commissioned=False) as bench:
            await bench.driver.connect()
            bench.device.take_control(Interface.MODBUS_TCP)
            with pytest.raises(DeviceFault):
                await bench.driver.commission()
            assert bench.device.owner is Interface.MODBUS_TCP

    run_virtual(main())


@BOTH
def test_settings_that_would_energise_by_themselves_are_refused(resource: str) -> None:
    async def main() -> None:
        for key in ("restore_output", "restart_after_over_temperature", "keep_after_remote"):
            setup = PsbSetup(**{"restart_after_over_temperature": False, key: True})
            async with psb_bench(resource=resource, commissioned=False, setup=setup) as bench:
                await bench.driver.connect()
                with pytest.raises(DeviceFault, match=r"To mend it|comes on with the power"):
                    await bench.driver.commission()

    run_virtual(main())


def test_an_off_takes_control_back_that_nobody_has() -> None:
    async def main() -> None:
        async with psb_bench(resource=SCPI_RESOURCE) as bench:
            await bench.must(charge())
            bench.device.owner = None
            await bench.driver.make_safe([ONE])
            assert not bench.cell.supply.on

    run_virtual(main())


def test_a_set_value_that_the_device_refuses_in_silence_is_seen() -> None:
    async def main() -> None:
        async with psb_bench(resource=SCPI_RESOURCE) as bench:
            bench.device.limit_raw[0] = raw_nearest(4.0, 10.0)  # a person has lowered it since commissioning
            answer = await bench.order(charge(voltage_v=4.2))
            assert isinstance(answer, DeviceFault)
            assert "0.5 s after an order its set values are" in str(answer)
            assert not any(supply.on and supply.source_current_a for supply in bench.cell.supplies)

    run_virtual(main())


@pytest.mark.parametrize(
    ("question", "answer", "says"),
    [
        (b"MEAS:ARR", b"3.600V, 5.000A\n", "MEAS:ARR[?] was answered with '3.600V, 5.000A', expected three values"),
        (b"MEAS:ARR", b"nanV, 5.000A, 18W\n", "'nanV' is no quantity in V"),
        (b"MEAS:ARR", b"3.600A, 5.000A, 18W\n", "'3.600A' is no quantity in V"),
        (b"STAT:QUES", b"on\n", "STAT:QUES:COND[?] was answered with 'on', expected a number"),
    ],
)
def test_an_answer_that_makes_no_sense_is_a_protocol_error(question: bytes, answer: bytes, says: str) -> None:
    async def main() -> None:
        async with psb_bench(resource=SCPI_RESOURCE) as bench:
            say(bench, question, answer)
            with pytest.raises(ProtocolError, match=f"^psb-01: .*{says}"):
                await bench.driver.read()

    run_virtual(main())


def test_ratings_that_cannot_be_are_refused() -> None:
    async def main() -> None:
        async with psb_bench(resource=SCPI_RESOURCE, commissioned=False) as bench:
            say(bench, b"SYST:NOM:VOLT", b"0.000V\n")
            with pytest.raises(ProtocolError, match="it gives a rated voltage_v of 0"):
                await bench.driver.connect()

    run_virtual(main())


@given(lines=st.lists(st.text("0123456789.;,VAWk ONF-+E", max_size=60), min_size=1, max_size=8))
def test_whatever_a_device_says_only_device_errors_come_out(lines: list[str]) -> None:
    async def main() -> None:
        async with psb_bench(resource=SCPI_RESOURCE) as bench:
            replies = iter(lines * 2)

            def lie(_: Address, way: Direction, data: bytes) -> list[tuple[float, bytes]] | None:
                if way == "to-server" or (line := next(replies, None)) is None:
                    return None
                return [(0.0, line.encode() + b"\n")]

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


@pytest.mark.parametrize(
    "resource",
    [
        "modbus-tcp://127.0.0.1",
        "modbus-rtu-tcp://127.0.0.1",
        "modbus-rtu:///nowhere",
        "scpi-tcp://127.0.0.1",
        "serial:///nowhere",
    ],
)
def test_nobody_there_is_a_link_error_on_every_wire(resource: str) -> None:
    async def main() -> None:
        driver = driver_at(resource)
        with pytest.raises(LinkError, match="psb-01: no connection to"):
            await driver.connect()
        with pytest.raises(LinkError, match="psb-01: no connection to"):
            await driver.make_safe([ONE])
        await driver.aclose()

    run_virtual(main())


@pytest.mark.parametrize(
    ("resource", "says"),
    [
        ("opc.tcp://h", "is none of modbus-tcp, modbus-rtu-tcp, modbus-rtu, scpi-tcp, serial"),
        ("scpi-tcp://h?unit=1", "'unit' is unknown; there are none"),
        ("modbus-rtu:///dev/ttyS0?scpi=5025", "'scpi' is unknown; there are unit, baud, parity, stopbits"),
        ("modbus-rtu-tcp://h?unit=2", "unit is a whole number from 0 to 1"),
        ("serial://ttyS0", "names no port"),
    ],
)
def test_a_resource_that_cannot_be_is_refused_by_name(resource: str, says: str) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match=f"^psb-01: .*{says}"):
            driver_at(resource)

    run_virtual(main())


# What the replies say.


@given(
    value=st.integers(-(10**6), 10**6),
    decimals=st.integers(0, 4),
    unit=st.sampled_from("VAW"),
    kilo=st.booleans(),
)
def test_a_quantity_is_its_value_and_its_last_decimal(value: int, decimals: int, unit: str, kilo: bool) -> None:
    text = f"{value / 10**decimals:.{decimals}f}{'k' * kilo}{unit}"
    factor = 1000.0 if kilo else 1.0
    found, last_decimal = commands.quantity(text, unit)
    assert found == pytest.approx(factor * value / 10**decimals)
    assert last_decimal == pytest.approx(factor * 10.0**-decimals)


@given(text=st.text(max_size=12))
def test_anything_else_is_none(text: str) -> None:
    with contextlib.suppress(ValueError):
        value, last_decimal = commands.quantity(text, "V")
        assert text.strip().endswith("V")
        assert last_decimal > 0.0
        assert math.isfinite(value)


@given(questionable=st.integers(0, 0xFFFF), operation=st.integers(0, 0xFFFF))
def test_an_output_is_on_only_where_the_status_says_so_and_has_then_a_regulation(
    questionable: int, operation: int
) -> None:
    status = commands.status(questionable, operation)
    assert status.output_on is bool(questionable & 2048)
    assert (status.regulation == "off") is not status.output_on
    assert set(filter(None, status.alarms.split(", "))) <= set(status.events.split(", "))


@pytest.mark.parametrize(
    ("questionable", "operation", "status"),
    [
        (1 << 10, 0, Status(output_on=False, regulation="off")),
        (1 << 10 | 1 << 11, 1 << 8, Status(output_on=True, regulation="cv")),
        (1 << 10 | 1 << 11, 0, Status(output_on=True, regulation="unknown")),
        (1 << 10 | 1 << 11 | 1 << 3, 1 << 9, Status(output_on=True, regulation="limited", alarms="OT", events="OT")),
        (1 << 10 | 1 << 4, 1 << 4, Status(output_on=False, regulation="off", events="OVD, REM-SB")),
        (1 << 9, 0, Status(output_on=False, regulation="off", other_owner="the front panel")),
        (0, 1 << 7, Status(output_on=False, regulation="off", events="CTO", other_owner="nobody")),
    ],
)
def test_both_conditions_together_say_what_the_supply_does(questionable: int, operation: int, status: Status) -> None:
    assert commands.status(questionable, operation) == status


def test_on_a_serial_port_it_leaves_the_longer_gap_and_says_how_long_things_take() -> None:
    async def main() -> None:
        subject = PsbRtuLineSubject()
        clock, heard_s = asyncio.get_running_loop().time, []
        subject.watch(lambda: heard_s.append(clock()))
        await subject.simulator.start()
        driver = subject.open()
        await driver.connect()
        await driver.commission()
        assert min(later - earlier for earlier, later in itertools.pairwise(heard_s)) >= 0.015
        began_s = clock()
        for _ in range(10):
            await driver.read()
        assert (clock() - began_s) / 10 <= driver.capabilities.sweep_time_s < 0.05
        assert driver.capabilities.order_time_s > driver.capabilities.sweep_time_s
        await driver.aclose()
        await subject.simulator.aclose()

    run_virtual(main())


def test_the_status_of_the_guides_example_is_remote_and_on() -> None:
    status = commands.status(3072, 1 << 9)
    assert (status.output_on, status.other_owner, status.regulation) == (True, None, "cc")


@given(
    raw=st.integers(1, FULL_SCALE // 2).map(lambda half: 2 * half), rated=st.sampled_from([10.0, 80.0, 360.0, 1500.0])
)
def test_set_values_shown_with_few_decimals_still_confirm_and_others_do_not(raw: int, rated: float) -> None:
    decimals = 3 if rated < 100.0 else 2 if rated < 1000.0 else 0
    value, last_decimal = commands.quantity(f"{real(raw, rated):.{decimals}f}V", "V")
    rounding = int(last_decimal / 2 / real(1, rated)) + 1
    held = Held(SetValues(0, 0, raw_nearest(value, rated), 0, 0), rounding=SetValues(0, 0, rounding, 0, 0))
    assert held.confirms(SetValues(0, 0, raw, 0, 0))
    assert not held.confirms(SetValues(0, 0, raw + 2 * rounding + 2, 0, 0))
