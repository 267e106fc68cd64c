"""The driver of register maps against the simulated devices of its worked examples, both ends in one loop."""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from map_subjects import (
    MapChamberSubject,
    MapCyclerSubject,
    MapIoSubject,
    MapSubject,
    MapTemperatureSubject,
    example,
    map_of,
    map_texts,
)

from cycler.contract.capabilities import Watchdog
from cycler.contract.errors import DeviceFault, LinkError, ProtocolError
from cycler.contract.order import Applied, DeviceLimits, Order, Phase
from cycler.contract.plugin import DeviceSettings, Resource, Surroundings
from cycler.contract.register_map import ExpectedValue, MapError, MapKind, RegisterMap
from cycler.contract.suite.scenario import charge, discharge, rest
from cycler.contract.sweep import ChannelId
from drivers.modbus_map.cycler import MappedCycler
from drivers.modbus_map.driver import DRIVER, open_mapped
from drivers.modbus_map.temperature import MappedTemperatures
from sims.faults import Faults
from sims.loop import VirtualLoop, run_on
from sims.network import Address, Direction
from sims.testing.bench import BenchWorld
from sims.testing.wired import DEVICE, utcnow
from sims.wire.modbus_map.simulator import MapSimulator

ONE, TWO = ChannelId("1"), ChannelId("2")
CHARGE = charge(1, current_a=1.0, voltage_v=4.2)


def requests(subject: MapSubject) -> list[bytes]:
    """What is asked from now on, from the function code on."""
    asked: list[bytes] = []

    def tap(address: Address, direction: Direction, data: bytes) -> None:
        if direction == "to-server":
            asked.append(data[7:])

    subject.network.taps.append(tap)
    return asked


def settings(
    register_map: RegisterMap | None, resource: str = "modbus-tcp://127.0.0.1", **options: str
) -> DeviceSettings:
    return DeviceSettings(device=DEVICE, resource=Resource.parse(resource), options=options, register_map=register_map)


# What the map says of the device.


def test_a_thermometer_is_read_in_as_few_requests_as_there_are_gaps() -> None:
    subject = MapTemperatureSubject()

    async def scenario() -> None:
        driver = subject.open()
        identity = await driver.connect()
        assert (identity.model, identity.serial) == ("TC-8 thermocouple module", "")
        asked = requests(subject)
        await driver.read()
        assert asked == [bytes.fromhex("03 0020 0002"), bytes.fromhex("04 0000 0003")]
        assert driver.capabilities.channels == ("1", "2", "3", "4")
        assert driver.capabilities.accuracy_k == 1.0
        await driver.aclose()

    subject.run(scenario())


@pytest.mark.parametrize("shown_degc", [150.5, -41.0, 9.9e37, math.inf])
def test_a_temperature_outside_the_range_is_none(shown_degc: float) -> None:
    subject = MapTemperatureSubject()

    async def scenario() -> None:
        driver = subject.open()
        await driver.connect()
        subject.set_temperature(ChannelId("4"), shown_degc)
        assert math.isnan((await driver.read()).temperature_degc[3])
        await driver.aclose()

    subject.run(scenario())


def test_another_device_at_the_address_is_refused_with_what_it_holds() -> None:
    subject = MapTemperatureSubject()

    async def scenario() -> None:
        driver = subject.open(expected=(ExpectedValue(function=4, address=100, type="u16", value=1801.0),))
        with pytest.raises(ProtocolError, match=r"register 100 holds 1800, a TC-8 .* has 1801"):
            await driver.connect()
        await driver.aclose()

    subject.run(scenario())


def test_a_device_without_the_registers_of_the_map_is_refused() -> None:
    subject = MapTemperatureSubject()

    async def scenario() -> None:
        (first, *others) = subject.map.registers
        driver = subject.open(registers=(replace(first, address=500), *others))
        with pytest.raises(ProtocolError, match=r"dut: .*500\+1.* code 0x02: address unknown"):
            await driver.connect()
        await driver.aclose()

    subject.run(scenario())


def test_the_unit_of_the_resource_goes_before_that_of_the_map() -> None:
    subject = MapTemperatureSubject(query="?unit=9")

    async def scenario() -> None:
        units: set[int] = set()
        subject.network.taps.append(lambda address, direction, data: units.add(data[6]))
        driver = subject.open()
        await driver.connect()
        assert units == {9}
        await driver.aclose()

    subject.run(scenario())


def test_it_works_over_a_serial_port(tmp_path: Path) -> None:
    register_map = example("temperature")
    resource = Resource.parse(f"modbus-rtu://{tmp_path}/tty?baud=19200&unit=4")
    simulator = MapSimulator(register_map, MapTemperatureSubject().plant(BenchWorld()), resource, Faults())

    async def scenario() -> None:
        await simulator.start()
        driver = open_mapped(replace(settings(register_map), resource=resource), Surroundings(utcnow=utcnow))
        assert isinstance(driver, MappedTemperatures)
        await driver.connect()
        assert (await driver.read()).temperature_degc == [25.0, 25.0, 25.0, 25.0]
        await driver.aclose()
        await simulator.aclose()

    run_on(VirtualLoop(), scenario())


# Lines.


def test_what_can_be_switched_is_an_output() -> None:
    subject = MapIoSubject()

    async def scenario() -> None:
        driver = subject.open()
        await driver.connect()
        assert driver.capabilities.inputs == ("DI0", "DI1", "DI2")
        assert driver.capabilities.outputs == ("DO0", "DO1", "DO2")
        await driver.commission()
        asked = requests(subject)
        await driver.write({"DO2": True, "DO1": False})
        off, watchdog, on = (bytes.fromhex(each) for each in ("05 0001 0000", "03 0010 0001", "06 0008 00FF"))
        assert asked[:3] == [off, watchdog, on]
        await driver.aclose()

    subject.run(scenario())


@pytest.mark.parametrize("commissioned", [True, False])
def test_a_watchdog_is_set_at_commissioning_and_proven_where_the_map_is(commissioned: bool) -> None:
    subject = MapIoSubject()

    async def scenario() -> None:
        driver = subject.open(**({} if commissioned else {"commissioned": None}))
        await driver.connect()
        assert driver.capabilities.watchdog is None
        assert subject.simulator.device.watchdog_s == 0.0
        await driver.commission()
        assert driver.capabilities.watchdog == Watchdog(watches="host", timeout_s=3.0, proven=commissioned)
        assert subject.simulator.device.watchdog_s == 3.0
        await driver.aclose()

    subject.run(scenario())


def test_a_watchdog_that_its_register_cannot_hold_is_refused() -> None:
    subject = MapIoSubject()

    async def scenario() -> None:
        driver = subject.open(watchdog_s=0.04)
        await driver.connect()
        with pytest.raises(DeviceFault, match=r"watchdog was set to 0\.04 s and reads back 0 s: it is off"):
            await driver.commission()
        await driver.aclose()

    subject.run(scenario())


# Chambers.


def test_a_rate_goes_before_the_set_value_and_run_after_it() -> None:
    subject = MapChamberSubject()

    async def scenario() -> None:
        driver = subject.open()
        await driver.connect()
        asked = requests(subject)
        await driver.set_target(temperature_degc=40.0, rate_k_per_min=0.5)
        writes = [request for request in asked if request[0] in (6, 16)]
        assert writes[0] == bytes.fromhex("06 044E 0032")
        assert writes[1][:5] == bytes.fromhex("10 044C 0002")
        assert writes[2] == bytes.fromhex("06 0460 0002")
        assert (subject.chamber.target_degc, subject.chamber.rate_k_per_min) == (40.0, pytest.approx(0.5))
        await driver.set_target(temperature_degc=30.0, rate_k_per_min=None)
        assert subject.chamber.rate_k_per_min is None
        await driver.aclose()

    subject.run(scenario())


@pytest.mark.parametrize(
    ("rate_k_per_min", "says"),
    [
        (0.0, "a rate of 0 K/min is not above 0"),
        (2.5, "a rate of 2.5 K/min is not above 0 and at most 2"),
        (0.004, "less than its register can hold"),
        (math.nan, "a rate of nan K/min"),
    ],
)
def test_a_rate_that_cannot_be_is_refused_before_anything_is_written(rate_k_per_min: float, says: str) -> None:
    subject = MapChamberSubject()

    async def scenario() -> None:
        driver = subject.open()
        await driver.connect()
        before = subject.settings()
        with pytest.raises(DeviceFault, match=says):
            await driver.set_target(temperature_degc=40.0, rate_k_per_min=rate_k_per_min)
        assert subject.settings() == before
        await driver.aclose()

    subject.run(scenario())


def test_what_the_map_does_not_name_a_chamber_cannot_do() -> None:
    subject = MapChamberSubject()
    plain = [register for register in subject.map.registers if register.name in ("air", "target")]

    async def scenario() -> None:
        bits = tuple(bit for bit in subject.map.bits if bit.name == "run")
        driver = subject.open(registers=tuple(plain), bits=bits, ranges={"temperature": (-20.0, 80.0)})
        await driver.connect()
        assert (await driver.read()).door_open is None
        assert driver.capabilities.rate_k_per_min_max == 0.0
        with pytest.raises(DeviceFault, match="names no register for a rate"):
            await driver.set_target(temperature_degc=30.0, rate_k_per_min=1.0)
        with pytest.raises(DeviceFault, match="names no registers for its limits"):
            await driver.set_limits(temperature_degc_min=0.0, temperature_degc_max=60.0)
        await driver.set_target(temperature_degc=30.0, rate_k_per_min=None)
        assert subject.chamber.target_degc == 30.0
        await driver.aclose()

    subject.run(scenario())


def test_a_door_and_a_broken_sensor_are_seen() -> None:
    subject = MapChamberSubject()

    async def scenario() -> None:
        driver = subject.open()
        await driver.connect()
        subject.chamber.door_open = subject.chamber.sensor_broken = True
        reading = await driver.read()
        assert reading.door_open is True
        assert math.isnan(reading.air_degc)
        await driver.aclose()

    subject.run(scenario())


def test_a_target_that_an_off_overtakes_says_so() -> None:
    subject = MapChamberSubject()

    async def scenario() -> None:
        driver = subject.open()
        await driver.connect()
        setting = asyncio.ensure_future(driver.set_target(temperature_degc=40.0, rate_k_per_min=None))
        await asyncio.sleep(0)
        await driver.make_safe()
        with pytest.raises(DeviceFault, match="it was made safe while this was under way"):
            await setting
        assert not subject.chamber.running
        await driver.aclose()

    subject.run(scenario())


# Cyclers.


async def ready(subject: MapCyclerSubject, **changes: object) -> MappedCycler:
    driver = subject.open(**changes)
    assert isinstance(driver, MappedCycler)
    await driver.connect()
    await driver.commission()
    return driver


async def answer(driver: MappedCycler, order: Order) -> object:
    return (await driver.apply({ONE: order}))[ONE]


def test_a_map_that_is_not_commissioned_reads_and_switches_off_and_does_not_energise() -> None:
    subject = MapCyclerSubject()

    async def scenario() -> None:
        before = subject.settings()
        driver = await ready(subject, commissioned=None)
        assert subject.settings() == before
        refused = await answer(driver, CHARGE)
        assert isinstance(refused, DeviceFault)
        assert "map.yaml is not commissioned: prove scales, signs, limits and watchdog on a dummy load" in str(refused)
        assert not subject.output(ONE).closed
        assert isinstance(await answer(driver, rest(2)), Applied)
        assert (await driver.read())[0].voltage_v[0] == pytest.approx(3.5)
        able = driver.capabilities
        assert (able.limit_readback, able.protections) == ("no", frozenset())
        assert able.limits_missing == (f"{subject.map.file} is not commissioned",)
        assert able.watchdog is None
        await driver.make_safe([ONE, TWO])
        await driver.aclose()

    subject.run(scenario())


def test_before_it_is_commissioned_as_a_device_it_does_not_energise_either() -> None:
    subject = MapCyclerSubject()

    async def scenario() -> None:
        driver = subject.open()
        await driver.connect()
        assert driver.capabilities.autonomous
        assert "was not commissioned since it was connected" in str(await answer(driver, CHARGE))
        await driver.aclose()

    subject.run(scenario())


def test_signs_and_scales_are_those_of_the_map() -> None:
    subject = MapCyclerSubject()

    async def scenario() -> None:
        driver = await ready(subject)
        for order, current_a in ((CHARGE, 1.0), (discharge(2, current_a=0.75, voltage_v=2.8), -0.75)):
            assert isinstance(await answer(driver, order), Applied)
            await asyncio.sleep(0.2)
            assert subject.output(ONE).current_a == pytest.approx(current_a)
            sweep = (await driver.read())[0][ONE]
            assert sweep.current_a == pytest.approx(current_a)
        await driver.make_safe([ONE])
        await driver.aclose()

    subject.run(scenario())


def test_the_limits_of_an_order_are_written_first_and_read_back() -> None:
    subject = MapCyclerSubject()
    limits = DeviceLimits(voltage_v_max=4.25, voltage_v_min=2.5, charge_current_a_max=1.5)

    async def scenario() -> None:
        driver = await ready(subject)
        asked = requests(subject)
        applied = await answer(driver, replace(CHARGE, limits=limits))
        assert isinstance(applied, Applied)
        assert applied.limits == limits
        writes = [request for request in asked if request[0] in (5, 6)]
        assert [request[1:3].hex() for request in writes[:3]] == ["00cb", "00cc", "00cd"]
        assert writes[-1][1:3].hex() == "00c9"  # the current comes last
        held = subject.supplies["1"].values
        assert (held["over-voltage"], held["under-voltage"], held["over-charge-current"]) == (4.25, 2.5, 1.5)
        asked.clear()
        await answer(driver, replace(CHARGE, order_id=2, limits=limits))
        assert not [request for request in asked if request[0] == 6]  # nothing is written that stands already
        await driver.make_safe([ONE])
        await driver.aclose()

    subject.run(scenario())


@pytest.mark.parametrize(
    ("order", "says"),
    [
        (replace(CHARGE, dead_man_s=1.0), "it must open 1 s after its host fell silent"),
        (replace(CHARGE, limits=DeviceLimits(voltage_v_max=4.1)), "voltage_v 4.2 lies beyond its own limit 4.1"),
        (replace(CHARGE, limits=DeviceLimits(charge_current_a_max=0.5)), "current_a 1 lies beyond its own limit 0.5"),
        (
            Order(order_id=1, phases=(Phase(direction="charge", voltage_v=4.2, current_a=1.0, power_w=3.0),)),
            "constant power and resistance are not driven",
        ),
        (charge(1, current_a=1e-4, voltage_v=4.2), "so small a current cannot be set"),
    ],
)
def test_an_order_that_it_cannot_keep_is_refused(order: Order, says: str) -> None:
    subject = MapCyclerSubject()

    async def scenario() -> None:
        driver = await ready(subject)
        refused = await answer(driver, order)
        assert isinstance(refused, DeviceFault)
        assert says in str(refused)
        assert not subject.output(ONE).closed
        await driver.aclose()

    subject.run(scenario())


def test_an_alarm_keeps_an_order_from_starting_until_it_is_acknowledged() -> None:
    subject = MapCyclerSubject()

    async def scenario() -> None:
        driver = await ready(subject)
        subject.raise_alarm(ONE)
        assert "channel 1: an alarm stands" in str(await answer(driver, CHARGE))
        await driver.acknowledge([ONE])
        assert isinstance(await answer(driver, CHARGE), Applied)
        await driver.make_safe([ONE])
        await driver.aclose()

    subject.run(scenario())


def test_an_output_that_stands_at_its_voltage_has_begun_all_the_same() -> None:
    subject = MapCyclerSubject()

    async def scenario() -> None:
        driver = await ready(subject)
        subject.place(ONE, 4.2)
        await answer(driver, CHARGE)
        assert (await driver.read())[0][ONE].step_time_s == 0.0
        for _ in range(8):
            await asyncio.sleep(0.5)
            sweep = (await driver.read())[0][ONE]
        assert sweep.step_time_s > 1.0
        await driver.make_safe([ONE])
        await driver.aclose()

    subject.run(scenario())


# What a map has to say.


def text_of(kind: MapKind) -> str:
    return map_texts()[("temperature", "digital-io", "chamber", "cycler").index(kind)]


@pytest.mark.parametrize(
    ("kind", "old", "new", "says"),
    [
        ("temperature", "unit: degC, channel: 1", "unit: V, channel: 1", "cell-1: write `unit: degC`"),
        ("temperature", ", channel: 1", "", "cell-1: write the `channel`"),
        ("temperature", "channel: 2", "channel: 1", "channel 1 is there twice"),
        ("temperature", "range:", "bits: [{name: a, address: 1, function: 1}]\nrange:", "no use for bits"),
        ("temperature", "range:", "watchdog: 3 s\nrange:", "no register named watchdog says where"),
        ("digital-io", "watchdog: 3 s\n", "", "write beside it what to set"),
        ("digital-io", "unit: s}", "unit: s, channel: 1}", "watchdog belongs to the whole device"),
        ("digital-io", "name: watchdog", "name: wachhund", "wachhund means nothing for a digital-io"),
        ("digital-io", "function: 3, type: u16", "function: 4, type: u16", "has to be a holding register"),
        ("chamber", "name: target", "name: set-point", "set-point means nothing for a chamber; there are air, target"),
        ("chamber", "name: limit-low", "name: limit-lowest", "limit-lowest means nothing"),
        ("chamber", "function: 3, on: 2, off: 0", "function: 3, bit: 2", "run is switched: it has to be a coil"),
        ("chamber", "unit: K/min}", "unit: degC}", "rate: write its `unit`, K/min"),
        ("chamber", ", rate: 2 K/min", "", "belong together"),
        ("chamber", "range: {temperature: [-20 degC, 80 degC], rate: 2 K/min}\n", "", "needs `range: {temperature"),
        ("cycler", "watchdog: 2 s\n", "", "write beside it what to set"),
        ("cycler", "name: under-voltage, address: 204", "name: under-volts, address: 204", "under-volts means nothing"),
        ("cycler", "range: {voltage: 6 V, ", "range: {", "a cycler map needs `range: {voltage"),
    ],
)
def test_a_map_that_says_too_little_is_refused(kind: MapKind, old: str, new: str, says: str) -> None:
    assert old in text_of(kind)
    assert DRIVER.offline is not None
    with pytest.raises(MapError, match=says):
        DRIVER.offline(settings(map_of(text_of(kind).replace(old, new, 1))))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("chamber", "air"),
        ("chamber", "run"),
        ("chamber", "limit-high"),
        ("cycler", "watchdog"),
        ("cycler", "over-voltage"),
        ("cycler", "set-charge-current"),
        ("cycler", "output"),
        ("cycler", "alarm"),
    ],
)
def test_each_entry_that_a_kind_needs_is_missed(kind: MapKind, name: str) -> None:
    lines = text_of(kind).splitlines(keepends=True)
    left_out = next(place for place, line in enumerate(lines) if f"name: {name}," in line)
    without = map_of("".join(lines[:left_out] + lines[left_out + 1 :]))
    assert DRIVER.offline is not None
    with pytest.raises(MapError, match=rf"{name}|belong together"):
        DRIVER.offline(settings(without))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda given: replace(given, register_map=None), "it needs a register map"),
        (lambda given: replace(given, options={"scale": "1"}), "option 'scale' is unknown; all is in its map"),
        (
            lambda given: replace(given, resource=Resource.parse("modbus-tcp://h?baud=9600")),
            "'baud' is unknown; there are unit",
        ),
        (lambda given: replace(given, resource=Resource.parse("modbus-rtu:///dev/x?parity=X")), "parity is N, E or O"),
    ],
)
def test_a_slip_in_the_rack_file_is_named(change: Callable[[DeviceSettings], DeviceSettings], says: str) -> None:
    assert DRIVER.offline is not None
    with pytest.raises(ValueError, match=says):
        DRIVER.offline(change(settings(example("temperature"))))


def test_the_rack_file_knows_channels_lines_and_range_from_the_map() -> None:
    assert DRIVER.offline is not None
    assert DRIVER.offline(settings(example("temperature"))).channels == ("1", "2", "3", "4")
    lines = DRIVER.offline(settings(example("digital-io")))
    assert (lines.channels, lines.inputs) == (("DO0", "DO1", "DO2"), ("DI0", "DI1", "DI2"))
    cycler = DRIVER.offline(settings(example("cycler")))
    assert cycler.channels == ("1", "2")
    assert cycler.range is not None
    assert (cycler.range.voltage_v_max, cycler.range.charge_current_a_max) == (6.0, 10.0)


def test_all_channels_are_told_to_open_before_any_is_looked_at() -> None:
    subject = MapCyclerSubject()

    async def scenario() -> None:
        driver = await ready(subject)
        await driver.apply({ONE: CHARGE, TWO: CHARGE})
        asked = requests(subject)
        await driver.make_safe([ONE, TWO])
        functions = [request[0] for request in asked]
        writes = [function for function in functions if function in (5, 6, 16)]
        assert len(writes) == 2
        assert functions[:2] == writes
        assert not subject.output(ONE).closed and not subject.output(TWO).closed
        await driver.aclose()

    subject.run(scenario())


def test_many_channels_that_ignore_their_offs_cost_no_more_time_than_one() -> None:
    subject = MapCyclerSubject()

    async def scenario() -> None:
        driver = await ready(subject)
        await driver.apply({ONE: CHARGE, TWO: CHARGE})
        subject.ignore_offs()
        clock = asyncio.get_running_loop().time
        begin_s = clock()
        with pytest.raises(DeviceFault, match=r"channel 1, 2: output on 0\.5 s after it was switched off"):
            await driver.make_safe([ONE, TWO])
        assert clock() - begin_s <= 0.6
        await driver.aclose()

    subject.run(scenario())


def test_an_off_of_many_channels_over_a_dead_wire_is_given_up_in_time_for_a_contactor() -> None:
    subject = MapCyclerSubject()
    channels = [ChannelId(str(number)) for number in range(1, 17)]

    def many(entries: Sequence[Any]) -> tuple[Any, ...]:
        of_one = [entry for entry in entries if entry.channel == ONE]
        return (
            *(entry for entry in entries if entry.channel is None),
            *(
                replace(entry, channel=channel, address=entry.address + 100 * at)
                for at, channel in enumerate(channels)
                for entry in of_one
            ),
        )

    driver = subject.open(registers=many(subject.map.registers), bits=many(subject.map.bits))

    async def scenario() -> None:
        subject.faults.begin("no-reply")
        clock = asyncio.get_running_loop().time
        begin_s = clock()
        with pytest.raises(LinkError, match="no answer to the write of off"):
            await driver.make_safe(channels)
        assert clock() - begin_s <= subject.call_s_max
        await driver.aclose()

    subject.run(scenario())


def test_a_cycler_whose_watchdog_was_lost_in_a_restart_is_not_driven_before_it_is_commissioned_again() -> None:
    subject = MapCyclerSubject()

    async def scenario() -> None:
        driver = await ready(subject)
        subject.simulator.restart()
        with pytest.raises(LinkError):
            await driver.read()
        refused = await answer(driver, CHARGE)
        assert isinstance(refused, DeviceFault)
        assert "its watchdog is 0 s, 2 s was set at commissioning: commission it again" in str(refused)
        assert not subject.output(ONE).closed
        await driver.commission()
        assert isinstance(await answer(driver, CHARGE), Applied)
        await driver.make_safe([ONE])
        await driver.aclose()

    subject.run(scenario())


def test_outputs_whose_watchdog_was_lost_in_a_restart_are_switched_on_only_after_it_is_commissioned_again() -> None:
    subject = MapIoSubject()

    async def scenario() -> None:
        driver = subject.open()
        await driver.connect()
        await driver.commission()
        line = driver.capabilities.outputs[0]
        subject.simulator.restart()
        with pytest.raises(LinkError):
            await driver.read()
        with pytest.raises(DeviceFault, match="its watchdog is 0 s, 3 s was set at commissioning"):
            await driver.write({line: True})
        assert not subject.output(line)
        await driver.write({line: False})
        await driver.commission()
        await driver.write({line: True})
        assert subject.output(line)
        await driver.aclose()

    subject.run(scenario())
