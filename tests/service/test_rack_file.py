"""A rack file is read whole: what it names must be there, of the right kind, and nothing may be named twice."""

from pathlib import Path

import pytest

from cycler.contract.plugin import Resource
from cycler.model.alarm import AlarmCode
from cycler.model.rack import ChannelRef, CommonCause, PositionId, ResetInput
from cycler.recipe.problems import InvalidFile, Problem
from cycler.service.configuration import Configuration
from cycler.service.rack_file import load_configuration

DEMO = Path(__file__).parents[2] / "cycler" / "cli" / "demo_rack"

DOCUMENTED = """
rack: {id: R1, purpose: production}
devices:
  - {id: psb-01, driver: ea_psb, resource: "modbus-tcp://127.0.0.1:1502", on_controller_loss: stop}
  - {id: bt-01, driver: keysight_bt2200, resource: "scpi-tcp://127.0.0.1:5025", on_controller_loss: finish-step, proof_test: bt-01-proof.yaml, temperature_guard: independent}
  - {id: ch-01, driver: watlow_f4t, resource: "modbus-rtu:///dev/ttyUSB0?baud=38400&unit=1"}
  - {id: io-01, driver: moxa_iologik, resource: "modbus-tcp://127.0.0.1:1503"}
  - {id: tc-01, driver: modbus_map, map: tc-module.yaml, resource: "modbus-tcp://127.0.0.1:1504"}
bays:
  - id: B01
    chamber: ch-01
    contactor: io-01/DO0
    positions:
      A1: {channel: psb-01/1, temperature: tc-01/1}
      A2..A33: {channel: bt-01/101..132, temperature: tc-01/2}
interlocks:
  - {id: estop, input: io-01/DI0, active: low, scope: rack, action: off-latched}
store: {path: /var/lib/cycler}
scada: {endpoint: "opc.tcp://0.0.0.0:4840"}
hmi: {listen: "127.0.0.1:8080"}
"""  # noqa: E501 (as it is documented)

TC_MODULE = """
device: TC-4
registers:
  - {name: one, address: 0, function: 4, type: i16, scale: 0.1, unit: degC, channel: 1}
  - {name: two, address: 1, function: 4, type: i16, scale: 0.1, unit: degC, channel: 2}
"""

BT_PROOF = """
device: bt-01
channel: 101
maker: Keysight
model: BT2202A
serial: MY1
firmware: 1.4
date: 2026-05-17
by: A. Person
tripped: {over_voltage: opened, under_voltage: opened, over_current: opened, over_charge: opened, time: opened}
"""

DEVICES = """\
  - {id: bt-01, driver: sim_cycler, resource: "sim:bt-01", channels: 4}
  - {id: tc-01, driver: sim_temperature, resource: "sim:tc-01", channels: 4}
  - {id: io-01, driver: sim_io, resource: "sim:io-01"}
"""
SIM = 'driver: sim_cycler, resource: "sim:x"'
PSB = 'driver: ea_psb, resource: "modbus-tcp://127.0.0.1'
POSITIONS = "{A1: {channel: bt-01/1, temperature: tc-01/1}}"


def loaded(folder: Path, text: str) -> Configuration:
    file = folder / "rack.yaml"
    file.write_text(text)
    (folder / "tc-module.yaml").write_text(TC_MODULE)
    (folder / "bt-01-proof.yaml").write_text(BT_PROOF)
    return load_configuration(file)


def rack(
    positions: str = POSITIONS, *, devices: str = DEVICES, bay: str = "", more: str = "", purpose: str = ""
) -> str:
    """One line for the rack, one a device from line 3 on, one for the bay's keys and one for its positions."""
    return (
        f"rack: {{id: R1{purpose}}}\ndevices:\n{devices}bays:\n"
        f"  - {{id: B01, contactor: io-01/DO0{bay},\n     positions: {positions}}}\n{more}"
    )


def problems(folder: Path, text: str) -> tuple[Problem, ...]:
    with pytest.raises(InvalidFile) as refused:
        loaded(folder, text)
    return refused.value.problems


def problem(folder: Path, text: str) -> Problem:
    """The one and only."""
    (found,) = problems(folder, text)
    return found


# What loads.


def test_the_documented_rack_loads(tmp_path: Path) -> None:
    configuration = loaded(tmp_path, DOCUMENTED)
    (bay,) = configuration.rack.bays.values()
    assert len(bay.positions) == 33
    assert configuration.store == Path("/var/lib/cycler")
    assert [device.settings.device for device in configuration.devices] == [
        "psb-01",
        "bt-01",
        "ch-01",
        "io-01",
        "tc-01",
    ]
    assert bay.chamber == "ch-01"
    (interlock,) = configuration.rack.interlocks
    assert (interlock.interlock, interlock.alarm) == ("estop", AlarmCode.EMERGENCY_STOP)
    assert interlock.positions == tuple(bay.positions)


def test_a_row_of_positions_takes_a_row_of_channels_and_may_share_a_sensor(tmp_path: Path) -> None:
    bay = loaded(tmp_path, DOCUMENTED).rack.bays
    (positions,) = (each.positions for each in bay.values())
    for number in (2, 17, 33):
        position = positions[PositionId(f"B01/A{number}")]
        assert position.channels == (ChannelRef(device="bt-01", channel=str(99 + number)),)
        assert position.temperature == ChannelRef(device="tc-01", channel="2")


def test_drivers_that_are_not_installed_are_each_named_with_their_line_and_nothing_else_is(tmp_path: Path) -> None:
    found = problems(tmp_path, DOCUMENTED.replace("watlow_f4t", "acme_t4").replace("moxa_iologik", "acme_io"))
    assert [(each.line, each.message.split(": ", 1)[1]) for each in found] == [
        (6, "`acme_t4` is not one of its words"),
        (7, "`acme_io` is not one of its words"),
    ]
    assert all(each.hint for each in found)


def test_a_misspelt_driver_gets_the_nearest_one(tmp_path: Path) -> None:
    assert problem(tmp_path, rack(devices=DEVICES.replace("sim_io", "sim_oi"))).hint == "did you mean sim_io?"


def test_ratings_and_accuracies_become_numbers_and_percentages_are_of_the_rating(tmp_path: Path) -> None:
    keys = "rated: {voltage: 10 V, current: 15 A, power: 150 W}, accuracy: {voltage: 5 mV, current: 0.2 %}"
    text = rack(devices=DEVICES.replace("channels: 4}", f"channels: 4, {keys}}}", 1))
    settings = loaded(tmp_path, text).devices[0].settings
    assert (settings.rated_voltage_v, settings.rated_current_a, settings.rated_power_w) == (10.0, 15.0, 150.0)
    assert (settings.voltage_accuracy_v, settings.current_accuracy_a) == (0.005, pytest.approx(0.03))
    assert settings.options == {"channels": "4"}


def test_a_relative_store_lies_beside_the_rack_file(tmp_path: Path) -> None:
    assert loaded(tmp_path, rack(more="store: {path: record}\n")).store == tmp_path / "record"


def test_the_hash_of_a_configuration_is_that_of_its_file(tmp_path: Path) -> None:
    first = loaded(tmp_path, rack()).content_hash
    assert loaded(tmp_path, rack()).content_hash == first
    assert loaded(tmp_path, rack() + "# a word\n").content_hash != first


# What is refused, whoever loads it.


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        ("{A1: {channel: bt-02/1}}", "channel: there is no device `bt-02`"),
        ("{A1: {channel: bt-01}}", "channel: `bt-01` is no channel of a device"),
        ("{A1: {channel: bt-01/5}}", "channel: bt-01 has no channel 5"),
        ("{A1: {channel: tc-01/1}}", "channel: tc-01 is a temperature input, a cycler is due here"),
        (
            "{A1: {channel: bt-01/1, temperature: bt-01/2}}",
            "temperature: bt-01 is a cycler, a temperature input is due here",
        ),
        ("{A1: {channel: bt-01/1, temperature: tc-01/9}}", "temperature: tc-01 has no channel 9"),
        ("{A1: {channel: bt-01/1}, A2: {channel: bt-01/1}}", "the channel bt-01/1 is at B01/A1 and at B01/A2"),
        ("{A1: {channel: bt-01/1+bt-01/1}}", "channel: a channel is there twice"),
        ("{A1: {channel: bt-01/1}, A1..A2: {channel: bt-01/2..3}}", "the position B01/A1 is there twice"),
        ("{A1..A3: {channel: bt-01/1..2}}", "channel: `bt-01/1..2` names 2 channels for 3 positions"),
        ("{A1..A3: {channel: bt-01/3..1}}", "channel: `bt-01/3..1` names 0 channels for 3 positions"),
        ("{A1..A2: {channel: bt-01/1}}", "channel: 2 positions cannot share a channel"),
        ("{A1..A4: {channel: bt-01/2..5}}", "channel: bt-01 has no channel 5"),
        ("{A3..A1: {channel: bt-01/1}}", "`A3..A1` is no range upwards of at most 1024 positions"),
        ("{A1..A9999999: {channel: bt-01/1}}", "`A1..A9999999` is no range upwards of at most 1024 positions"),
        ("{A1/2: {channel: bt-01/1}}", "`A1/2` is no position"),
        ("{A1: {temperature: tc-01/1}}", "a position needs `channel`"),
        ("{A1: {channel: bt-01/1, chanel: bt-01/2}}", "`chanel` is no key of a position"),
        ("{A1: bt-01/1}", "a position is `key: value` entries, not one value"),
        ("{A1: {channel: bt-01/1, empty: yes}}", "empty: `yes` is not one of its words"),
        ("{}", "the bay B01 has no positions"),
    ],
)  # fmt: skip
def test_a_position_that_cannot_be_is_refused(tmp_path: Path, positions: str, message: str) -> None:
    found = problem(tmp_path, rack(positions))
    assert (found.line, found.message) == (8, message)


def test_two_devices_at_one_address_are_refused_but_not_two_units_on_one_wire(tmp_path: Path) -> None:
    psb = f'  - {{id: x, {PSB}"}}\n'
    found = problem(tmp_path, rack(devices=DEVICES + psb + psb.replace("id: x", "id: y")))
    assert (found.line, found.message) == (7, "y: x is at that address already")
    f4t = '  - {id: ch-1, driver: watlow_f4t, resource: "modbus-rtu:///dev/ttyUSB7?unit=1"}\n'
    loaded(tmp_path, rack(devices=DEVICES + f4t + f4t.replace("ch-1", "ch-2").replace("unit=1", "unit=2")))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("ea_psb, resource: modbus-tcp://10.0.0.7?scpi=5026", "keithley_2450, resource: scpi-tcp://10.0.0.7:5026"),
        ("ea_psb, resource: modbus-tcp://10.0.0.7?scpi=5025", "keithley_2450, resource: scpi-tcp://10.0.0.7"),
        ("ea_psb, resource: modbus-tcp://10.0.0.7", "ea_psb, resource: modbus-tcp://10.0.0.7:502"),
        ("watlow_f4t, resource: scpi-tcp://10.0.0.7?modbus=1502", "watlow_f4t, resource: modbus-tcp://10.0.0.7:1502"),
        ("ea_psb, resource: modbus-tcp://10.0.0.7:1502?scpi=1503", "ea_psb, resource: modbus-tcp://10.0.0.7:1504?scpi=1503"),
    ],
)  # fmt: skip
def test_one_port_cannot_be_two_devices_whichever_way_it_is_named(tmp_path: Path, first: str, second: str) -> None:
    devices = "".join(f"  - {{id: {name}, driver: {text}}}\n" for name, text in (("x", first), ("y", second)))
    assert problem(tmp_path, rack(devices=DEVICES + devices)).message == "y: x is at that address already"
    devices = "".join(f"  - {{id: {name}, driver: {text}}}\n" for name, text in (("x", second), ("y", first)))
    assert problem(tmp_path, rack(devices=DEVICES + devices)).message == "y: x is at that address already"


def test_one_line_has_one_language(tmp_path: Path) -> None:
    psb = '  - {id: psb, driver: ea_psb, resource: "modbus-rtu:///dev/ttyUSB7?unit=1&baud=9600"}\n'
    espec = '  - {id: ch, driver: espec_p300, resource: "serial:///dev/ttyUSB7?baud=9600"}\n'
    found = problem(tmp_path, rack(devices=DEVICES + psb + espec))
    assert (found.line, found.message) == (7, "ch: on /dev/ttyUSB7 it speaks serial, and psb speaks modbus-rtu")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("&baud=19200", "on /dev/ttyUSB7 it says baud=19200, and ch-1 says no baud"),
        ("&parity=E", "on /dev/ttyUSB7 it says parity=E, and ch-1 says no parity"),
    ],
)
def test_all_devices_on_one_line_talk_alike(tmp_path: Path, query: str, says: str) -> None:
    f4t = '  - {id: ch-%d, driver: watlow_f4t, resource: "modbus-rtu:///dev/ttyUSB7?unit=%d%s"}\n'
    found = problem(tmp_path, rack(devices=DEVICES + f4t % (1, 1, "") + f4t % (2, 2, query)))
    assert (found.line, found.message) == (7, f"ch-2: {says}")
    loaded(tmp_path, rack(devices=DEVICES + f4t % (1, 1, query) + f4t % (2, 2, query.lower())))


@pytest.mark.parametrize(
    ("device", "message"),
    [
        (f'{PSB}:1", colour: red', "x: option 'colour' is unknown; there are "),
        (f'{PSB}:1?unit=300"', "x: 'modbus-tcp://127.0.0.1:1?unit=300': unit is a whole number from 0 to 1"),
        (f'{PSB}:70000"', "resource: 'modbus-tcp://127.0.0.1:70000': Port out of range"),
        (f'{PSB}:0"', "resource: 'modbus-tcp://127.0.0.1:0': nothing can be reached at port 0"),
        (f'{PSB}:1?unit=0&unit=1"', "resource: 'modbus-tcp://127.0.0.1:1?unit=0&unit=1' gives an option twice"),
        (
            'driver: watlow_f4t, resource: "modbus-tcp://127.0.0.1:1?unit=999"',
            "'modbus-tcp://127.0.0.1:1?unit=999': unit",
        ),
        ('driver: keithley_2450, resource: "scpi-tcp://h?unit=1"', "'scpi-tcp://h?unit=1': 'unit' is unknown"),
        ('driver: ea_psb, resource: "ascii-tcp://127.0.0.1:1"', "x: its driver does not open ascii-tcp addresses"),
        ('driver: ea_psb, resource: "127.0.0.1:1502"', "resource: '127.0.0.1:1502'"),
        ("driver: ea_psb", "a device needs `resource`"),
        (f"{SIM}, channels: 0", "x: channels: '0' is no whole number from 1 to 1024"),
        (f"{SIM}, channels: [1, 2]", "channels: a driver's option is one value"),
        (f"{SIM}, channels: {{a: 1}}", "channels: a driver's option is one value"),
        (f"{SIM}, rated: {{voltage: 0 V}}", "voltage: 0 V is not above 0"),
        (f"{SIM}, rated: {{voltage: 10 A}}", "voltage: `10 A` is a current, not a voltage"),
        (f"{SIM}, rated: {{volts: 10 V}}", "`volts` is no key of `rated`"),
        (f"{SIM}, accuracy: {{voltage: 0.1 %}}", "voltage: 0.1 % of what?"),
        (f"{SIM}, on_controller_loss: pray", "on_controller_loss: `pray` is not one of its words"),
    ],
)
def test_a_device_that_cannot_be_is_refused(tmp_path: Path, device: str, message: str) -> None:
    found = problem(tmp_path, rack(devices=f"{DEVICES}  - {{id: x, {device}}}\n"))
    assert found.line == 6
    assert found.message.startswith(message)


def test_a_device_stands_in_the_file_once(tmp_path: Path) -> None:
    found = problem(tmp_path, rack(devices=f"{DEVICES}  - {{id: bt-01, {SIM}}}\n"))
    assert (found.line, found.message) == (6, "the device bt-01 is there twice")


def test_a_device_is_entries(tmp_path: Path) -> None:
    message = "a device is `key: value` entries, not one value"
    assert problem(tmp_path, rack(devices=DEVICES + "  - sim_io\n")).message == message


def test_a_press_that_is_the_bays_contactor_is_refused(tmp_path: Path) -> None:
    found = problem(tmp_path, rack(bay=", press: io-01/DO0"))
    assert (found.line, found.message) == (7, "press: io-01/DO0 is the bay's contactor")


def test_what_hangs_on_a_device_that_was_refused_is_not_refused_once_more(tmp_path: Path) -> None:
    found = problem(tmp_path, rack(devices=DEVICES.replace("channels: 4}", "channels: four}", 1)))
    assert found.line == 3


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("tc-01/1", "contactor: tc-01 is a temperature input, a digital I/O is due here"),
        ("io-01/DO9", "contactor: io-01 has no output DO9"),
        ("io-01/DI0", "contactor: io-01 has no output DI0"),
        ("io-02/DO0", "contactor: there is no device `io-02`"),
    ],
)
def test_a_contactor_must_be_an_output_that_is_there(tmp_path: Path, reference: str, message: str) -> None:
    assert problem(tmp_path, rack().replace("io-01/DO0", reference)).message == message


def test_an_interlock_must_be_an_input_that_is_there(tmp_path: Path) -> None:
    more = "interlocks: [{id: estop, input: io-01/DO0, active: low, scope: rack, action: off-latched}]\n"
    found = problem(tmp_path, rack(more=more))
    assert (found.line, found.message, found.hint) == (9, "input: io-01 has no input DO0", "did you mean DI0?")


INTERLOCK = "id: lid, input: io-01/DI0, active: low"


@pytest.mark.parametrize(
    ("scope", "positions"),
    [
        ("channel, at: B01/A2", ["B01/A2"]),
        ("bay, at: B01", ["B01/A1", "B01/A2"]),
        ("zone, at: Z1", ["B01/A1", "B01/A2"]),
        ("device, at: bt-01", ["B01/A1", "B01/A2"]),
        ("rack", ["B01/A1", "B01/A2"]),
    ],
)
def test_an_interlock_knows_the_positions_in_its_scope(tmp_path: Path, scope: str, positions: list[str]) -> None:
    more = f"interlocks: [{{{INTERLOCK}, scope: {scope}, action: off}}]\n"
    cells = "{A1..A2: {channel: bt-01/1..2, temperature: tc-01/1..2}}"
    (interlock,) = loaded(tmp_path, rack(cells, bay=", zone: Z1", more=more)).rack.interlocks
    assert list(interlock.positions) == positions


@pytest.mark.parametrize(
    ("entry", "message", "hint"),
    [
        (f"{INTERLOCK}, scope: bay, action: off", "a scope of one bay needs `at`", "write at: B01"),
        (f"{INTERLOCK}, scope: rack, at: B01, action: off", "the whole rack has no `at`", "leave it out"),
        (
            f"{INTERLOCK}, scope: bay, at: B02, action: off",
            "no position belongs to the bay `B02`",
            "did you mean B01?",
        ),
        (f"{INTERLOCK}, scope: zone, at: Z1, action: off", "no position belongs to the zone `Z1`", "no bay has a zone"),
        (
            f"{INTERLOCK}, kind: smoke, scope: rack, action: off",
            "after this alarm (62) nothing may go on because its input is healthy again",
            "write off-latched",
        ),
        (f"{INTERLOCK}, kind: fog, scope: rack, action: off", "kind: `fog` is not one of its words", None),
    ],
)
def test_an_interlock_that_would_not_act_as_meant_is_refused(
    tmp_path: Path, entry: str, message: str, hint: str | None
) -> None:
    found = problem(tmp_path, rack(more=f"interlocks: [{{{entry}}}]\n"))
    assert (found.line, found.message) == (9, message)
    assert hint is None or found.hint == hint


def test_all_problems_come_together_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = rack("{A1: {channel: bt-01/9}}", devices=DEVICES.replace("sim_io", "sim_oi"), more="colour: red\n")
    assert [each.line for each in problems(tmp_path, text)] == [5, 8, 9]


# What is understood, but stands in the way of a run.


def test_the_demo_rack_asks_for_nothing_that_control_cannot_do() -> None:
    assert load_configuration(DEMO / "rack.yaml").not_yet == ()


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (rack(bay=", power_limit: 5 kW"), 7, "bay B01: power_limit"),
        (rack(more="power_limit: 10 kW\n"), 9, "power_limit"),
    ],
)
def test_what_control_cannot_do_yet_is_on_record_with_its_line(
    tmp_path: Path, text: str, line: int, message: str
) -> None:
    (found,) = loaded(tmp_path, text).not_yet
    assert (found.line, found.message) == (line, f"{message}: not available in this version")
    assert found.hint


def test_the_documented_rack_asks_for_nothing_that_control_cannot_do(tmp_path: Path) -> None:
    assert loaded(tmp_path, DOCUMENTED).not_yet == ()


def test_a_resource_is_taken_apart() -> None:
    resource = Resource.parse("modbus-tcp://127.0.0.1:1502?unit=1&scpi=5101")
    assert (resource.scheme, resource.host, resource.port) == ("modbus-tcp", "127.0.0.1", 1502)
    assert resource.query == {"unit": "1", "scpi": "5101"}


def test_what_follows_a_trip_has_defaults_that_a_rack_may_narrow(tmp_path: Path) -> None:
    usual = loaded(tmp_path, rack()).rack
    assert (usual.reset, usual.watch_s, usual.common_cause) == (None, 3600.0, CommonCause(trips=3, within_s=60.0))
    more = (
        "reset: {input: io-01/DI1, active: high}\npost_trip_watch: 2 h\ncommon_cause: {trips: 5, within: 10 min}\n"
        f"interlocks: [{{{INTERLOCK}, scope: rack, action: off, debounce: 0.5 s}}]\n"
    )
    asked = loaded(tmp_path, rack(more=more)).rack
    assert asked.reset == ResetInput(input=ChannelRef(device="io-01", channel="DI1"), active="high")
    assert (asked.watch_s, asked.common_cause) == (7200.0, CommonCause(trips=5, within_s=600.0))
    assert asked.interlocks[0].debounce_s == 0.5


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("post_trip_watch: 30 min\n", "post_trip_watch: 30 min is shorter than 1 h"),
        ("common_cause: {trips: 1}\n", "trips: 1 is not between 2 and 1024"),
        ("common_cause: {within: 2 h}\n", "within: 2 h is not above 0 and at most 1 h"),
        ("reset: {input: io-01/DO0, active: low}\n", "input: io-01 has no input DO0"),
        ("reset: {input: io-01/DI1}\n", "`reset` needs `active`"),
        (
            f"reset: {{input: io-01/DI0, active: low}}\ninterlocks: [{{{INTERLOCK}, scope: rack, action: off}}]\n",
            "io-01/DI0 is the input of the interlock lid",
        ),
        (
            f"interlocks: [{{{INTERLOCK}, scope: rack, action: off, debounce: 1 min}}]\n",
            "debounce: 1 min is not 0 s to 5 s",
        ),
    ],
)
def test_what_would_weaken_what_follows_a_trip_is_refused(tmp_path: Path, more: str, message: str) -> None:
    assert problem(tmp_path, rack(more=more)).message == message
