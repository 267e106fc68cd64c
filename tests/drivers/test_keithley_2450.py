"""The Keithley driver against a simulated instrument: what the contract suite does not ask of every cycler."""

import asyncio
import contextlib
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keithley_subject import DEVICE, KeithleySubject, Reply

from cycler.contract.capabilities import Capabilities
from cycler.contract.devices import ApplyResult, CyclerDriver
from cycler.contract.errors import DeviceError, DeviceFault, LinkError, ProtocolError
from cycler.contract.order import Applied, DeviceEnd, DeviceLimits, Order, Phase
from cycler.contract.plugin import DeviceSettings, Resource, Surroundings
from cycler.contract.suite.scenario import At
from cycler.contract.sweep import ChannelId, Reading
from drivers.keithley_2450 import commands as cmd
from drivers.keithley_2450.declaration import Scale, offline_facts
from drivers.keithley_2450.driver import DRIVER, Keithley2450
from drivers.keithley_2450.settings import Number, Range, Word
from sims.testing.wired import utcnow
from sims.wire.keithley_2450.settings import MODELS

ONE = ChannelId("1")
REST = Phase(direction="rest")


def charge(current_a: float = 1.0, voltage_v: float = 4.2, **more: Any) -> Phase:
    return Phase(direction="charge", current_a=current_a, voltage_v=voltage_v, **more)


def discharge(current_a: float = 1.0, voltage_v: float = 2.8, **more: Any) -> Phase:
    return Phase(direction="discharge", current_a=current_a, voltage_v=voltage_v, **more)


async def order(driver: CyclerDriver, phase: Phase, order_id: int = 1, **more: Any) -> ApplyResult:
    return (await driver.apply({ONE: Order(order_id=order_id, phases=(phase,), **more)}))[ONE]


async def must(driver: CyclerDriver, phase: Phase, order_id: int = 1) -> Applied:
    answer = await order(driver, phase, order_id)
    assert isinstance(answer, Applied), answer
    return answer


async def ready(subject: KeithleySubject, voltage_v: float = 3.5, **settings: Any) -> CyclerDriver:
    driver = subject.open(**settings)
    await driver.connect()
    subject.place(ONE, voltage_v)
    await driver.commission()
    return driver


async def reading(driver: CyclerDriver) -> Reading:
    return (await driver.read())[-1][ONE]


def overheard(subject: KeithleySubject) -> list[str]:
    """Every message that the device gets from now on."""
    subject.simulator.heard.clear()
    return subject.simulator.heard


# who answers


def test_it_says_who_it_is_and_what_it_can_do() -> None:
    subject = KeithleySubject()

    async def scenario() -> None:
        driver = subject.open()
        identity = await driver.connect()
        assert (identity.maker, identity.model) == ("KEITHLEY INSTRUMENTS", "2450")
        able = driver.capabilities
        assert able.channels == (ONE,)
        assert able.autonomous and able.watchdog is None
        assert able.limit_readback == "no" and able.limits_missing
        assert able.protections == frozenset()
        assert able.rest == "zero-current"
        assert able.bipolar_sense
        assert (able.range.voltage_v_max, able.range.charge_current_a_max) == (5.0, 1.0)
        await driver.aclose()

    subject.run(scenario())


def test_a_2460_has_more_current() -> None:
    subject = KeithleySubject(model=MODELS["2460"])

    async def scenario() -> None:
        driver = await ready(subject, rated_current_a=7.0)
        assert driver.capabilities.range.charge_current_a_max == 7.0
        await must(driver, charge(current_a=6.5))
        assert subject.output(ONE).current_a == pytest.approx(6.5, abs=0.02)
        await driver.make_safe([ONE])
        await driver.aclose()

    subject.run(scenario())


def test_a_small_channel_is_limited_and_measured_in_a_small_range() -> None:
    subject = KeithleySubject()

    async def scenario() -> None:
        driver = await ready(subject, rated_current_a=0.05)
        assert driver.capabilities.range.current_accuracy_a < 2e-4
        await must(driver, charge(current_a=0.02))
        assert subject.device.settings.sense["CURR"].range == 0.1
        assert subject.output(ONE).current_a == pytest.approx(0.02, abs=2e-4)
        await driver.make_safe([ONE])
        await driver.aclose()

    subject.run(scenario())


@pytest.mark.parametrize("language", ["TSP", "SCPI2400"])
def test_another_command_set_is_refused_and_named_with_what_mends_it(language: str) -> None:
    subject = KeithleySubject(language=language)

    async def scenario() -> None:
        with pytest.raises(ProtocolError, match=rf"dut.*{language}.*LANG SCPI"):
            await subject.open().connect()

    subject.run(scenario())


def test_another_instrument_at_the_address_is_named() -> None:
    subject = KeithleySubject(model=replace(MODELS["2450"], name="DMM6500"))

    async def scenario() -> None:
        with pytest.raises(ProtocolError, match=r"dut: .*MODEL DMM6500.*expected a Keithley 2450, 2460, 2461"):
            await subject.open().connect()

    subject.run(scenario())


def test_another_serial_number_after_a_loss_is_refused() -> None:
    subject = KeithleySubject()

    async def scenario() -> None:
        driver = subject.open()
        await driver.connect()
        subject.device.model = replace(subject.device.model, serial="04999999")
        with pytest.raises(ProtocolError, match="04999999 answers where 04000001 did before"):
            await driver.connect()
        await driver.aclose()

    subject.run(scenario())


def test_a_rated_current_that_the_model_does_not_have_is_refused() -> None:
    subject = KeithleySubject()

    async def scenario() -> None:
        with pytest.raises(ProtocolError, match=r"a 2450 has 1\.05 A, the rack file says 3 A"):
            await subject.open(rated_current_a=3.0).connect()

    subject.run(scenario())


def test_nothing_is_known_before_it_is_connected() -> None:
    subject = KeithleySubject()

    async def scenario() -> None:
        driver = subject.open()
        with pytest.raises(LinkError, match="not connected"):
            _ = driver.capabilities
        with pytest.raises(LinkError, match="not connected"):
            await driver.read()
        assert isinstance(await order(driver, charge()), LinkError)

    subject.run(scenario())


@pytest.mark.parametrize(
    ("answer", "of"),
    [
        (b"2\n", ":OUTP?"),
        (b"\n", ":OUTP?"),
        (b"RES\n", ":SOUR:FUNC?"),
        (b"+3.6E+00\n", ":READ?"),
        (b"+3.6E+00,CURR\n", ":READ?"),
        (b"+3.6E+00,+1,+2\n", ":READ?"),
        (b"maybe\n", ":SOUR:VOLT:ILIM:TRIP?"),
    ],
)
def test_an_answer_that_makes_no_sense_is_an_error_that_quotes_it(answer: bytes, of: str) -> None:
    subject = KeithleySubject()

    async def scenario() -> None:
        driver = await ready(subject)
        await must(driver, charge())
        subject.simulator.instead = lambda line, reply: answer if line.startswith(of.encode()) else reply
        with pytest.raises(ProtocolError, match=r"dut: answered .*expected"):
            await driver.read()
        subject.simulator.instead = lambda line, reply: reply
        await driver.make_safe([ONE])
        await driver.aclose()

    subject.run(scenario())


# commissioning


def test_a_fresh_instrument_is_set_up_for_four_wires_and_a_relay_that_opens() -> None:
    subject = KeithleySubject()

    async def scenario() -> None:
        driver = await ready(subject)
        settings = subject.device.settings
        assert {source.off_state for source in settings.source.values()} == {"HIMP"}
        assert settings.sense["VOLT"].four_wire
        assert settings.terminals == "REAR"
        assert settings.protection_v == 10.0  # the next step above the 5 V of the channel
        assert not subject.device.events
        await driver.aclose()

    subject.run(scenario())


def test_what_somebody_else_has_left_behind_is_gone_after_commissioning() -> None:
    subject = KeithleySubject()

    async def scenario() -> None:
        settings = subject.device.settings
        settings.sense["CURR"].averages, settings.sense["CURR"].average_count = True, 100
        settings.source["VOLT"].read_back = False
        subject.device.queue((-113, "Undefined header"))
        driver = await ready(subject)
        await must(driver, charge())
        assert not subject.device.settings.sense["CURR"].averages
        assert (await reading(driver)).voltage_v == pytest.approx(subject.output(ONE).voltage_v, abs=0.01)
        await driver.make_safe([ONE])
        await driver.aclose()

    subject.run(scenario())


def test_an_instrument_that_does_not_take_a_setting_is_a_fault_that_names_it() -> None:
    subject = KeithleySubject()

    async def scenario() -> None:
        driver = subject.open()
        await driver.connect()
        subject.device.set_terminals = lambda terminals: None  # type: ignore[method-assign, assignment]
        with pytest.raises(DeviceFault, match=r":ROUT:TERM was set to REAR and reads back 'FRON'"):
            await driver.commission()
        await driver.aclose()

    subject.run(scenario())


def test_a_cell_at_the_front_is_found_where_the_rack_file_says_so() -> None:
    subject = KeithleySubject(wired_to="FRON")

    async def scenario() -> None:
        driver = await ready(subject, options={"terminals": "front"})
        await must(driver, charge())
        assert subject.output(ONE).current_a > 0.9
        await driver.make_safe([ONE])
        await driver.aclose()

    subject.run(scenario())


def test_a_cell_at_the_other_terminals_is_not_driven_blindly() -> None:
    subject = KeithleySubject(wired_to="FRON")

    async def scenario() -> None:
        driver = await ready(subject)
        answer = await order(driver, charge())
        assert isinstance(answer, DeviceFault)
        assert "no valid voltage" in str(answer)
        assert not subject.device.output_on
        await driver.aclose()

    subject.run(scenario())


# off


def test_off_opens_the_relay_of_an_instrument_that_was_never_set_up_for_it() -> None:
    """The factory's off is 0 V across the cell."""
    subject = KeithleySubject()

    async def scenario() -> None:
        device = subject.device
        device.set_terminals("REAR")
        device.set_level("VOLT", 3.6)
        device.switch(on=True)
        device.switch(on=False)
        assert subject.output(ONE).closed
        assert subject.output(ONE).current_a < 0.0
        driver = subject.open()
        await driver.connect()
        await driver.make_safe([ONE])
        assert not subject.output(ONE).closed
        await driver.aclose()

    subject.run(scenario())


def test_an_off_state_that_cannot_be_set_is_a_fault() -> None:
    subject = KeithleySubject()

    async def scenario() -> None:
        driver = subject.open()
        await driver.connect()
        subject.device.set_off_state = lambda function, state: None  # type: ignore[method-assign, assignment]
        with pytest.raises(DeviceFault, match="NORM and not HIMP: off, it is still connected to the cell"):
            await driver.make_safe([ONE])
        await driver.aclose()

    subject.run(scenario())


def test_an_off_that_is_ignored_once_is_repeated() -> None:
    subject = KeithleySubject()

    async def scenario() -> None:
        driver = await ready(subject)
        await must(driver, charge())
        subject.faults.begin("off-ignored", numbers={"times": 1})
        await driver.make_safe([ONE])
        assert not subject.output(ONE).closed
        await driver.aclose()

    subject.run(scenario())


def test_an_off_is_the_first_message_that_goes_out() -> None:
    subject = KeithleySubject()

    async def scenario() -> None:
        driver = await ready(subject)
        await must(driver, charge())
        lines = overheard(subject)
        await driver.make_safe([ONE])
        assert lines[0] == ":OUTP OFF"
        await driver.aclose()

    subject.run(scenario())


# orders


def test_it_is_a_voltage_source_with_a_current_limit_in_both_directions() -> None:
    subject = KeithleySubject()

    async def scenario() -> None:
        driver = await ready(subject)
        for phase, level_v in ((charge(), 4.2), (discharge(), 2.8)):
            await must(driver, phase)
            settings = subject.device.settings
            assert settings.function == "VOLT"
            assert (settings.source["VOLT"].level, settings.source["VOLT"].limit) == (level_v, 1.0)
        await driver.make_safe([ONE])
        await driver.aclose()

    subject.run(scenario())


@pytest.mark.parametrize(
    ("phase", "cell_v", "words"),
    [(charge(), 4.3, "above the 4.2 V"), (discharge(), 2.7, "below the 2.8 V")],
    ids=["charge", "discharge"],
)
@pytest.mark.parametrize("running", [False, True], ids=["from off", "while it runs"])
def test_a_cell_beyond_its_clamp_is_refused_and_no_current_ever_flows(
    phase: Phase, cell_v: float, words: str, running: bool
) -> None:
    """The limit holds both ways: the cell would be driven back to its clamp."""
    subject = KeithleySubject()

    async def scenario() -> None:
        driver = await ready(subject, cell_v if not running else 3.5)
        if running:
            await must(driver, discharge() if phase.direction == "charge" else charge())
            subject.place(ONE, cell_v)
        flowed_a: list[float] = []
        allowed_a = 1.01 if running else 1e-5
        subject.watch(lambda: flowed_a.append(subject.output(ONE).current_a))
        answer = await order(driver, phase, 2)
        assert isinstance(answer, DeviceFault)
        assert words in str(answer)
        assert not subject.output(ONE).closed
        wrong_way = [a for a in flowed_a if abs(a) > allowed_a]
        assert not wrong_way
        assert (await reading(driver)).order_id == 0
        await driver.aclose()

    subject.run(scenario())


def test_a_clamp_that_moves_past_the_cell_is_refused_while_it_runs() -> None:
    subject = KeithleySubject()

    async def scenario() -> None:
        driver = await ready(subject, 3.9)
        await must(driver, charge())
        answer = await order(driver, charge(voltage_v=3.6), 2)
        assert isinstance(answer, DeviceFault)
        assert not subject.output(ONE).closed
        await driver.aclose()

    subject.run(scenario())


def test_a_change_in_the_same_direction_does_not_open_the_relay() -> None:
    subject = KeithleySubject()

    async def scenario() -> None:
        driver = await ready(subject)
        await must(driver, charge(current_a=1.0))
        lines = overheard(subject)
        await must(driver, charge(current_a=0.5, voltage_v=4.1), 2)
        await must(driver, charge(current_a=0.8, voltage_v=4.15), 3)
        assert not {":OUTP ON", ":OUTP OFF"} & set(lines)
        assert subject.output(ONE).current_a == pytest.approx(0.8, abs=0.01)
        await driver.make_safe([ONE])
        await driver.aclose()

    subject.run(scenario())


def test_settings_are_rounded_to_the_safe_side() -> None:
    subject = KeithleySubject()

    async def scenario() -> None:
        driver = await ready(subject)
        achieved = (await must(driver, charge(current_a=0.333333, voltage_v=4.19987))).phases[0]
        assert (achieved.current_a, achieved.voltage_v) == (pytest.approx(0.3333), pytest.approx(4.1995))
        achieved = (await must(driver, discharge(current_a=0.333333, voltage_v=2.80013))).phases[0]
        assert (achieved.current_a, achieved.voltage_v) == (pytest.approx(0.3333), pytest.approx(2.8005))
        await driver.make_safe([ONE])
        await driver.aclose()

    subject.run(scenario())


def test_a_set_value_that_is_not_applied_is_a_fault_and_the_output_stays_off() -> None:
    subject = KeithleySubject()

    async def scenario() -> None:
        driver = await ready(subject)
        subject.device.set_limit = lambda function, limit: None  # type: ignore[method-assign, assignment]
        answer = await order(driver, charge())
        assert isinstance(answer, DeviceFault)
        assert ":SOUR:VOLT:ILIM was set to 1 and reads back" in str(answer)
        assert not subject.output(ONE).closed
        await driver.aclose()

    subject.run(scenario())


def test_an_output_that_does_not_come_on_is_a_fault() -> None:
    subject = KeithleySubject()

    async def scenario() -> None:
        driver = await ready(subject)
        subject.device.overheat()
        answer = await order(driver, charge())
        assert isinstance(answer, DeviceFault)
        assert "to be on and is off; its event log says why" in str(answer)
        assert subject.has_alarm(ONE)
        await driver.aclose()

    subject.run(scenario())


def test_an_output_that_goes_off_by_itself_while_an_order_is_on_its_way_is_never_called_applied() -> None:
    for number in range(1, 30):
        subject = KeithleySubject()
        assert subject.run(overheat_on_the_way(subject, number)) or number > 15


async def overheat_on_the_way(subject: KeithleySubject, number: int) -> bool:
    """Whether it happened at that message of an order for more current."""
    driver = await ready(subject)
    await must(driver, charge(current_a=0.5))
    happening = At(number, subject.device.overheat)
    subject.watch(happening)
    answer = await order(driver, charge(current_a=0.8), 2)
    happened = happening.count >= number
    assert isinstance(answer, DeviceFault if happened and number < happening.count else Applied | DeviceFault)
    await driver.make_safe([ONE])
    await driver.aclose()
    return happened


@pytest.mark.parametrize(
    ("phase", "more", "why"),
    [
        (charge(power_w=1.0), {}, "constant power"),
        (charge(resistance_ohm=1.0), {}, "constant resistance"),
        (charge(ends=(DeviceEnd(quantity="time_s", relation=">=", value=1.0),)), {}, "ends no phase"),
        (charge(), {"dead_man_s": 10.0}, "no watchdog"),
        (charge(current_a=0.001), {}, "outside 0.00105"),
        (charge(current_a=1.1), {}, "current_a 1.1 lies outside"),
        (charge(voltage_v=5.5), {}, "voltage_v 5.5 lies outside"),
        (charge(voltage_v=0.0), {}, "voltage_v 0 lies outside"),
        (charge(voltage_v=4.2), {"limits": DeviceLimits(voltage_v_max=4.1)}, "beyond its own limit 4.1"),
        (discharge(current_a=0.9), {"limits": DeviceLimits(discharge_current_a_max=0.5)}, "beyond its own limit 0.5"),
    ],
)
def test_what_it_cannot_do_is_refused_by_name_and_nothing_is_sent(phase: Phase, more: dict[str, Any], why: str) -> None:
    subject = KeithleySubject()

    async def scenario() -> None:
        driver = await ready(subject)
        lines = overheard(subject)
        answer = await order(driver, phase, **more)
        assert isinstance(answer, DeviceFault)
        assert why in str(answer)
        assert not lines
        await driver.aclose()

    subject.run(scenario())


def test_a_power_cycle_takes_nothing_away_that_an_order_rests_on() -> None:
    """Four wires, the off state, terminals and ranges come back to the factory's: each order sets them again."""
    subject = KeithleySubject()

    async def scenario() -> None:
        driver = await ready(subject)
        await subject.restart()
        answer: ApplyResult = LinkError(DEVICE, "not asked yet")
        while isinstance(answer, LinkError):
            answer = await order(driver, charge())
        assert isinstance(answer, Applied)
        assert subject.device.settings.sense["CURR"].four_wire
        assert subject.device.off_state == "HIMP"
        await driver.make_safe([ONE])
        await driver.aclose()

    subject.run(scenario())


# readings


def test_a_rest_shows_the_open_circuit_voltage_at_no_current_to_speak_of() -> None:
    subject = KeithleySubject()

    async def scenario() -> None:
        driver = await ready(subject, 3.7)
        await must(driver, REST, 4)
        await asyncio.sleep(600.0)
        shown = await reading(driver)
        assert (shown.order_id, shown.regulation) == (4, "cc")
        assert shown.voltage_v == pytest.approx(3.7, abs=0.003)
        assert shown.current_a == pytest.approx(0.0, abs=1e-6)
        assert subject.output(ONE).voltage_v == pytest.approx(3.7, abs=1e-4)
        await driver.make_safe([ONE])
        await driver.aclose()

    subject.run(scenario())


def test_off_shows_no_voltage_for_there_is_none_to_be_seen() -> None:
    subject = KeithleySubject()

    async def scenario() -> None:
        driver = await ready(subject)
        shown = await reading(driver)
        assert math.isnan(shown.voltage_v)
        assert (shown.current_a, shown.regulation, shown.order_id) == (0.0, "off", 0)
        await driver.aclose()

    subject.run(scenario())


def test_compliance_tells_the_regulation() -> None:
    subject = KeithleySubject()

    async def scenario() -> None:
        driver = await ready(subject, 4.15)
        await must(driver, charge())
        assert (await reading(driver)).regulation == "cc"
        await asyncio.sleep(20.0)
        shown = await reading(driver)
        assert shown.regulation == "cv"
        assert shown.voltage_v == pytest.approx(4.2, abs=0.002)
        await driver.make_safe([ONE])
        await driver.aclose()

    subject.run(scenario())


@pytest.mark.parametrize("fault", ["nan", "out-of-range"])
def test_what_is_no_reading_is_no_number(fault: str) -> None:
    subject = KeithleySubject()

    async def scenario() -> None:
        driver = await ready(subject)
        await must(driver, charge())
        subject.faults.begin(fault)
        shown = await reading(driver)
        assert math.isnan(shown.voltage_v) and math.isnan(shown.current_a)
        await driver.make_safe([ONE])
        await driver.aclose()

    subject.run(scenario())


def test_a_hand_at_the_front_panel_that_switches_off_is_noticed() -> None:
    subject = KeithleySubject()

    async def scenario() -> None:
        driver = await ready(subject)
        await must(driver, charge(), 9)
        subject.device.switch(on=False)
        shown = await reading(driver)
        assert (shown.order_id, shown.regulation) == (0, "off")
        await driver.aclose()

    subject.run(scenario())


def test_a_sense_function_that_somebody_has_changed_is_not_taken_for_a_current() -> None:
    subject = KeithleySubject()

    async def scenario() -> None:
        driver = await ready(subject)
        await must(driver, charge())
        subject.device.settings.sensed = "VOLT"
        shown = await reading(driver)
        assert shown.voltage_v == pytest.approx(3.52, abs=0.01)
        assert math.isnan(shown.current_a)
        await driver.make_safe([ONE])
        await driver.aclose()

    subject.run(scenario())


def test_sweeps_while_orders_switch_the_function_never_mix_up_volts_and_amperes() -> None:
    subject = KeithleySubject()

    async def scenario() -> None:
        driver = await ready(subject)
        for order_id, phase in enumerate((charge(), REST, discharge(), REST, charge()), 1):
            subject.place(ONE, 3.5)
            applying = asyncio.ensure_future(order(driver, phase, order_id))
            while not applying.done():
                shown = await reading(driver)
                assert math.isnan(shown.voltage_v) or 3.4 < shown.voltage_v < 3.6
                assert math.isnan(shown.current_a) or abs(shown.current_a) < 1.01
            assert isinstance(applying.result(), Applied)
        await driver.make_safe([ONE])
        await driver.aclose()

    subject.run(scenario())


# alarms


def test_acknowledging_empties_the_event_queue_and_says_what_comes_back_at_once() -> None:
    subject = KeithleySubject()

    async def scenario() -> None:
        driver = await ready(subject)
        subject.raise_alarm(ONE)
        await driver.acknowledge([ONE])
        assert not subject.has_alarm(ONE)

        def returning(line: bytes, reply: Reply) -> Reply:
            if line == b"*CLS":
                subject.device.queue((5066, "Over temperature"))
            return reply

        subject.simulator.instead = returning
        with pytest.raises(DeviceFault, match="5066 Over temperature"):
            await driver.acknowledge([ONE])
        await driver.aclose()

    subject.run(scenario())


# the rack file


def settings_of(resource: str = "scpi-tcp://127.0.0.1", **more: Any) -> DeviceSettings:
    return DeviceSettings(device=DEVICE, resource=Resource.parse(resource), **more)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (settings_of(options={"terminal": "rear"}), "option 'terminal' is unknown"),
        (settings_of(options={"terminals": "side"}), "'side' is neither front nor rear"),
        (settings_of(rated_voltage_v=30.0), "a rated voltage of 30 V is outside"),
        (settings_of(rated_voltage_v=float("nan")), "a rated voltage of nan V"),
        (settings_of(rated_current_a=1e-6), "a rated current of 1e-06 A is below"),
        (
            settings_of(rated_current_a=20.0),
            "no model gives a rated current of 20 A: a 2450 has 1.05 A, a 2460 has 7.35 A",
        ),
        (settings_of("modbus-tcp://127.0.0.1"), "schemes are scpi-tcp"),
    ],
)
def test_a_rack_file_that_cannot_be_is_refused(settings: DeviceSettings, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Keithley2450(settings, Surroundings(utcnow=utcnow))


@pytest.mark.parametrize(
    "resource", ["scpi-tcp://192.168.0.31", "visa:TCPIP0::192.168.0.31::inst0::INSTR", "visa:GPIB0::18::INSTR"]
)
def test_it_is_reached_over_a_socket_or_over_visa(resource: str) -> None:
    settings = settings_of(resource)
    assert settings.resource.scheme in DRIVER.schemes
    DRIVER.opens(settings, Surroundings(utcnow=utcnow))


def test_the_rack_file_alone_tells_the_range_where_it_gives_the_current() -> None:
    assert offline_facts(settings_of()).range is None
    facts = offline_facts(settings_of(rated_voltage_v=4.5, rated_current_a=0.1))
    assert facts.channels == ("1",)
    assert facts.range is not None
    assert (facts.range.voltage_v_max, facts.range.charge_current_a_max) == (4.5, 0.1)


def test_what_is_declared_offline_is_what_the_instrument_declares() -> None:
    subject = KeithleySubject()

    async def scenario() -> Capabilities:
        driver = subject.open(rated_current_a=0.5)
        await driver.connect()
        await driver.aclose()
        return driver.capabilities

    assert subject.run(scenario()).range == offline_facts(settings_of(rated_current_a=0.5)).range
    assert DRIVER.offline is offline_facts


# codecs


@given(st.text(max_size=40))
def test_whatever_is_answered_is_a_value_or_an_error_of_the_device(text: str) -> None:
    for parse in (cmd.number, cmd.flag):
        try:
            parse(DEVICE, "?", text)
        except DeviceError as error:
            assert DEVICE in str(error)
    for count in (1, 2):
        with contextlib.suppress(ProtocolError):
            assert len(cmd.numbers(DEVICE, "?", text, count=count)) == count
    with contextlib.suppress(ProtocolError):
        assert cmd.event(DEVICE, text) != ""
    for setting in (Word(":A", "B"), Number(":A", 1.0, 0.1), Range(":A", 1.0)):
        assert setting.confirms(text) in (True, False)


@given(st.floats(-1e30, 1e30))
def test_a_number_that_the_instrument_writes_is_read_as_it_is(value: float) -> None:
    assert cmd.number(DEVICE, "?", f"{value:+.6E}") == pytest.approx(value, rel=1e-6)


def test_an_overflow_is_no_number() -> None:
    assert math.isnan(cmd.number(DEVICE, "?", "9.9E37"))
    assert math.isnan(cmd.number(DEVICE, "?", "-9.900000E+37"))


@given(st.floats(1e-3, 5.0), st.floats(0.0011, 1.05))
def test_rounding_goes_to_the_safe_side_and_reads_back_as_set(voltage_v: float, current_a: float) -> None:
    scale = Scale(terminals="REAR", voltage_v_max=5.0, current_a_max=1.05, power_w_max=20.0, current_range_a=1.0)
    down_v, up_v = scale.voltage(voltage_v, upwards=False), scale.voltage(voltage_v, upwards=True)
    assert voltage_v - scale.voltage_step_v < down_v <= voltage_v + 1e-9
    assert voltage_v - 1e-9 <= up_v < voltage_v + scale.voltage_step_v
    rounded_a = scale.current(current_a)
    assert current_a - scale.current_step_a < rounded_a <= current_a + 1e-9
    setting = Number(":SOUR:VOLT:ILIM", rounded_a, scale.current_step_a / 2)
    assert setting.confirms(f"{float(setting.value):+.6E}")
