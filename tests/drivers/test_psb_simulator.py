"""The simulated supply against its sheet: frames byte for byte, rules, watchdog, and what it does with rubbish."""

import asyncio
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psb_bench import HOST, PORT, SCPI_PORT, Capacitor, psb_bench

from sims.loop import run_virtual
from sims.wire.ea_psb import modbus, scpi
from sims.wire.ea_psb.device import Interface, PsbDevice, PsbModel, PsbSetup, SetValue
from sims.wire.modbus import crc

ETHERNET, MODBUS_TCP = Interface.ETHERNET, Interface.MODBUS_TCP


def on_a_device(*tests: Callable[[PsbDevice], None], voltage_v: float = 3.6, **how: object) -> None:
    """One after the other, with time between them for set values to take effect. The cell stays where it is."""

    async def main() -> None:
        device = PsbDevice(Capacitor(voltage_v, capacitance_f=1e9), **how)
        for test in tests:
            test(device)
            await asyncio.sleep(0.01)
        device.power_off()

    run_virtual(main())


def ask(device: PsbDevice, request: str, interface: Interface = MODBUS_TCP) -> str:
    return modbus.answer(device, interface, 0, bytes.fromhex(request)).hex(" ")


def full(**how: object) -> dict[str, object]:
    return {"setup": PsbSetup(full_compliance=True), **how}


async def over_the_wire(port: int, data: bytes, expected: int) -> bytes:
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(data)
    reply = await reader.readexactly(expected)
    writer.close()
    await asyncio.sleep(0.01)
    return reply


# The guide's frames.


@pytest.mark.parametrize(
    "request_hex",
    [
        "01 05 01 92 FF 00 2C 2B",
        "01 05 01 92 00 00 6D DB",
        "01 06 01 F5 66 66 33 8E",
        "01 06 01 F5 CC CC CD 51",
        "01 06 01 F6 CC CC 3D 51",
        "01 06 01 F4 61 47 A0 66",
    ],
)
def test_what_is_accepted_is_echoed(request_hex: str) -> None:
    def test(device: PsbDevice) -> None:
        device.take_control(ETHERNET)
        request = bytes.fromhex(request_hex)
        assert modbus.answer_rtu(device, request) == request

    on_a_device(test, **full())


def test_the_same_frame_arrives_over_port_5025() -> None:
    async def main() -> None:
        async with psb_bench(commissioned=False, setup=PsbSetup(full_compliance=True)):
            request = bytes.fromhex("01 05 01 92 FF 00 2C 2B")
            assert await over_the_wire(SCPI_PORT, request, 8) == request

    run_virtual(main())


@pytest.mark.parametrize("nonsense", ["0a", "02 03 01 f9 00 02", "29"])
def test_a_first_byte_that_is_neither_rtu_nor_text_is_answered_as_a_modbus_error(nonsense: str) -> None:
    async def main() -> None:
        async with psb_bench(commissioned=False):
            reader, writer = await asyncio.open_connection(HOST, SCPI_PORT)
            writer.write(bytes.fromhex(nonsense))
            reply = await reader.readexactly(5)
            assert reply[0] == int(nonsense[:2], 16)
            assert reply[1] & 0x80 and reply[3:] == crc(reply[:3])
            writer.write(b"*IDN?\n")
            assert (await reader.readline()).startswith(b"EA Elektro")
            writer.close()
            await asyncio.sleep(0.01)

    run_virtual(main())


def test_remote_control_is_refused_by_a_locked_panel_and_by_another_owner() -> None:
    def test(device: PsbDevice) -> None:
        remote_on = bytes.fromhex("01 05 01 92 FF 00 2C 2B")
        device.local = True
        assert modbus.answer_rtu(device, remote_on) == bytes.fromhex("01 85 17 02 9E")
        device.local = False
        device.take_control(Interface.USB)
        assert modbus.answer_rtu(device, remote_on) == bytes.fromhex("01 85 07 03 52")

    on_a_device(test, **full())


def test_actual_values_come_as_in_the_guide() -> None:
    rated_voltage_v, rated_current_a = 80.0, 120.0
    voltage_v, current_a = rated_voltage_v * 9760 / 52428, rated_current_a * 3227 / 52428
    model = PsbModel(
        rated_voltage_v=rated_voltage_v,
        rated_current_a=rated_current_a,
        rated_power_w=voltage_v * current_a * 52428 / 2331,
        steps=52428,
    )

    def switch_on(device: PsbDevice) -> None:
        device.take_control(ETHERNET)
        device.write_set_value(SetValue.VOLTAGE, 20000, ETHERNET)
        device.write_set_value(SetValue.SOURCE_CURRENT, 3227, ETHERNET)
        device.write_output(True, ETHERNET)

    def test(device: PsbDevice) -> None:
        request = bytes.fromhex("01 03 01 FB 00 03 75 C6")
        assert modbus.answer_rtu(device, request) == bytes.fromhex("01 03 06 26 20 0C 9B 09 1B 93 50")

    on_a_device(switch_on, test, voltage_v=voltage_v, **full(model=model))


def test_the_state_comes_as_in_the_guide() -> None:
    def switch_on(device: PsbDevice) -> None:
        device.take_control(Interface.USB)
        device.write_set_value(SetValue.VOLTAGE, 30000, Interface.USB)
        device.write_set_value(SetValue.SOURCE_CURRENT, 3000, Interface.USB)
        device.write_output(True, Interface.USB)

    def test(device: PsbDevice) -> None:
        reply = modbus.answer_rtu(device, bytes.fromhex("01 03 01 F9 00 02 15 C6"))
        assert reply == bytes.fromhex("01 03 04 00 00 04 83 B9 52")

    on_a_device(switch_on, test, **full(model=PsbModel(reports_remote=False)))


def test_the_state_after_remote_on_comes_as_recorded() -> None:
    def test(device: PsbDevice) -> None:
        device.take_control(Interface.USB)
        assert modbus.state_word(device) == 0x803

    on_a_device(test)


def test_the_rated_voltage_comes_as_in_the_guide() -> None:
    def test(device: PsbDevice) -> None:
        reply = modbus.answer_rtu(device, bytes.fromhex("01 03 00 79 00 02 15 D2"))
        assert reply == bytes.fromhex("01 03 04 42 A0 00 00 EE 69")

    on_a_device(test, **full(model=PsbModel(rated_voltage_v=80.0)))


def test_the_rated_voltage_comes_as_in_the_guide_over_modbus_tcp() -> None:
    async def main() -> None:
        async with psb_bench(commissioned=False, model=PsbModel(rated_voltage_v=500.0)):
            reply = await over_the_wire(PORT, bytes.fromhex("47 11 00 00 00 06 00 03 00 79 00 02"), 13)
            assert reply == bytes.fromhex("47 11 00 00 00 07 00 03 04 43 FA 00 00")

    run_virtual(main())
    run_virtual(main(), loopback=True)


# Rules of access.


@pytest.mark.parametrize(
    ("request_hex", "code"),
    [
        ("04 01 f9 00 02", 0x01),  # there is no function 4
        ("02 01 92 00 01", 0x01),
        ("03 01 92 00 01", 0x01),  # a coil is no register
        ("01 01 f4 00 01", 0x01),  # and the other way round
        ("10 01 f4 00 01 02 00 00", 0x01),  # set values are written one by one
        ("03 03 00 00 01", 0x02),
        ("03 01 fd 00 02", 0x02),  # 510 is nothing
        ("01 03 00 00 01", 0x02),
        ("03 01 f8 00 03", 0x03),  # from the set values into the state
        ("03 01 f9 00 05", 0x03),  # from the state into the actual values
        ("03 01 f4 00 00", 0x03),
        ("03 01 f4 00 7e", 0x03),
        ("01 01 92 00 02", 0x03),
        ("05 01 92 12 34", 0x03),
        ("03 01", 0x03),
        ("06 01 f4", 0x03),
        ("10 00 ab", 0x03),
        ("01 01 9b 00 01", 0x01),  # acknowledging is only written
        ("06 01 fb 00 00", 0x07),  # actual values are read-only
        ("06 01 f4 10 00", 0x07),  # not in remote control
        ("05 01 95 ff 00", 0x07),
        ("05 01 9b ff 00", 0x07),
    ],
)
def test_what_is_refused_is_refused_by_its_code(request_hex: str, code: int) -> None:
    def check(device: PsbDevice) -> None:
        function = int(request_hex[:2], 16)
        assert ask(device, request_hex) == f"{function | 0x80:02x} {code:02x}"

    on_a_device(check)


def test_the_set_values_are_one_group() -> None:
    def test(device: PsbDevice) -> None:
        assert ask(device, "03 01 f2 00 07") == "03 0e cc cc 00 00 00 00 00 00 cc cc 00 69 00 69"

    on_a_device(test)


def test_text_may_be_read_across_a_border_because_both_sides_are_text() -> None:
    def test(device: PsbDevice) -> None:
        reply = modbus.answer(device, MODBUS_TCP, 0, bytes.fromhex("03 00 01 00 28"))
        assert reply[2:].replace(b"\0", b"") == b"PSB 9010-15EA Elektro-Automatik"

    on_a_device(test)


def test_values_above_the_range_or_an_adjustment_limit_are_refused() -> None:
    def test(device: PsbDevice) -> None:
        device.take_control(MODBUS_TCP)
        assert ask(device, "06 01 f4 d0 e5") == "06 01 f4 d0 e5"
        assert ask(device, "06 01 f4 d0 e6") == "86 03"
        assert ask(device, "06 23 28 10 00") == "86 03"  # not past the present set value
        assert ask(device, "06 01 f4 20 00") == "06 01 f4 20 00"
        assert ask(device, "06 23 28 30 00") == "06 23 28 30 00"
        assert ask(device, "06 01 f4 30 01") == "86 03"
        assert ask(device, "06 02 26 e1 48") == "86 03"  # a threshold above 110 %

    on_a_device(test)


def test_coils_are_read_in_the_form_of_the_compliance_mode() -> None:
    def test(device: PsbDevice) -> None:
        assert ask(device, "01 01 92 00 01") == "01 02 00 00"
        device.take_control(MODBUS_TCP)
        assert ask(device, "01 01 92 00 01") == "01 02 ff 00"
        assert ask(device, "06 27 1d 00 01") == "06 27 1d 00 01"
        assert ask(device, "01 01 92 00 01") == "01 01 01"

    on_a_device(test)


def test_an_alarm_opens_the_output_latches_and_goes_only_when_acknowledged_without_its_cause() -> None:
    def test(device: PsbDevice) -> None:
        device.take_control(MODBUS_TCP)
        ask(device, "05 01 95 ff 00")
        device.trip("OT")
        assert modbus.state_word(device) & (1 << 7 | 1 << 15 | 1 << 19) == 1 << 15 | 1 << 19
        assert ask(device, "05 01 95 ff 00") == "85 04"
        ask(device, "05 01 9b ff 00")
        assert device.alarms == {"OT"}
        device.clear_cause("OT")
        assert device.alarms == {"OT"}
        ask(device, "05 01 9b ff 00")
        assert device.alarms == set()
        assert not device.energised

    on_a_device(test, setup=PsbSetup(restart_after_over_temperature=False))


def test_as_it_leaves_the_factory_the_output_comes_back_when_it_has_cooled_down() -> None:
    def test(device: PsbDevice) -> None:
        device.take_control(MODBUS_TCP)
        ask(device, "05 01 95 ff 00")
        device.trip("OT")
        assert not device.energised
        device.clear_cause("OT")
        assert device.energised

    on_a_device(test)


def test_an_over_current_threshold_at_the_set_current_wins() -> None:
    def switch_on(device: PsbDevice) -> None:
        device.take_control(MODBUS_TCP)
        for request in ("06 02 29 10 00", "06 01 f5 10 00", "06 01 f4 80 00", "05 01 95 ff 00"):
            assert ask(device, request) == request

    def look(device: PsbDevice) -> None:
        assert device.measure().current_raw == 0x1000
        assert device.alarms == {"OCP"}
        assert not device.energised

    on_a_device(switch_on, look)


@pytest.mark.parametrize("restores", [False, True])
def test_after_a_power_cycle_nobody_is_in_control_and_the_output_is_as_set(restores: bool) -> None:
    def test(device: PsbDevice) -> None:
        device.take_control(MODBUS_TCP)
        ask(device, "06 01 98 ff fe" if restores else "06 01 98 ff ff")
        ask(device, "05 01 95 ff 00")
        device.restart()
        assert device.owner is None
        assert device.energised is restores

    on_a_device(test)


def test_the_alarm_counters_begin_anew_with_the_power() -> None:
    def test(device: PsbDevice) -> None:
        device.trip("OVP")
        device.trip("OT")
        assert ask(device, "03 02 08 00 05") == "03 0a 00 01 00 00 00 00 00 01 00 00"
        device.restart()
        assert ask(device, "03 02 08 00 05") == "03 0a 00 00 00 00 00 00 00 00 00 00"

    on_a_device(test)


def test_thresholds_end_at_103_percent_on_some_models() -> None:
    def test(device: PsbDevice) -> None:
        device.take_control(MODBUS_TCP)
        assert ask(device, "06 02 26 d2 f1") == "06 02 26 d2 f1"
        assert ask(device, "06 02 26 d2 f2") == "86 03"

    on_a_device(test, model=PsbModel(threshold_raw_max=0xD2F1))


def test_a_pin_keeps_the_output_off_and_says_so_without_an_alarm() -> None:
    def test(device: PsbDevice) -> None:
        device.take_control(MODBUS_TCP)
        ask(device, "05 01 95 ff 00")
        device.shut_off_by_pin(True)
        assert modbus.state_word(device) & (1 << 7 | 1 << 15 | 1 << 30) == 1 << 30
        assert says(device, "STAT:OPER:COND?") == "16"
        device.shut_off_by_pin(False)
        assert device.energised

    on_a_device(test)


def test_after_a_power_failure_a_10000_takes_twelve_seconds_to_acknowledge_and_two_to_switch_on() -> None:
    async def main() -> None:
        device = PsbDevice(Capacitor(3.6), model=PsbModel(power_fail_hold_s=12.0))
        device.take_control(MODBUS_TCP)
        device.trip("PF")
        device.clear_cause("PF")
        await asyncio.sleep(11.9)
        ask(device, "05 01 9b ff 00")
        assert device.alarms == {"PF"}
        await asyncio.sleep(0.2)
        ask(device, "05 01 9b ff 00")
        assert device.alarms == set()
        assert ask(device, "05 01 95 ff 00") == "85 04"
        await asyncio.sleep(2.0)
        assert ask(device, "05 01 95 ff 00") == "05 01 95 ff 00"
        device.power_off()

    run_virtual(main())


# Time.


def test_set_values_read_back_at_once_and_take_effect_a_little_later() -> None:
    async def main() -> None:
        cell = Capacitor(3.6)
        device = PsbDevice(cell)
        device.take_control(MODBUS_TCP)
        ask(device, "06 01 f4 80 00")
        assert ask(device, "03 01 f4 00 01") == "03 02 80 00"
        assert cell.supply.voltage_v == 0.0
        await asyncio.sleep(0.008)
        assert cell.supply.voltage_v == pytest.approx(6.25, abs=1e-3)
        device.power_off()

    run_virtual(main())


def test_its_watchdog_opens_the_output_when_the_host_falls_silent_and_not_before() -> None:
    async def main() -> None:
        cell = Capacitor(3.6)
        device = PsbDevice(cell, setup=PsbSetup(watchdog_on=True, watchdog_s=2.0))
        device.take_control(MODBUS_TCP)
        ask(device, "05 01 95 ff 00")
        for _ in range(10):
            await asyncio.sleep(1.9)
            ask(device, "03 01 f9 00 02")
        assert cell.supply.on
        await asyncio.sleep(1.99)
        assert cell.supply.on
        await asyncio.sleep(0.02)
        assert not cell.supply.on
        assert scpi.answer(device, b"STAT:OPER:COND?") == b"128\n"
        device.power_off()

    run_virtual(main())


def test_an_idle_connection_is_closed_after_five_seconds() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with psb_bench(commissioned=False):
            reader, writer = await asyncio.open_connection(HOST, SCPI_PORT)
            await asyncio.sleep(3.0)
            writer.write(b"*IDN?\n")
            await reader.readline()
            heard_s = loop.time()
            assert await reader.read() == b""
            assert loop.time() - heard_s == pytest.approx(5.0, abs=0.01)
            writer.close()

    run_virtual(main())


# SCPI.


def says(device: PsbDevice, text: str) -> str | None:
    reply = scpi.answer(device, text.encode())
    return None if reply is None else reply.decode().removesuffix("\n")


def test_scpi_speaks_with_units_in_short_and_long_forms_and_up_to_five_at_once() -> None:
    def test(device: PsbDevice) -> None:
        assert says(device, "*idn?").startswith("EA Elektro-Automatik,PSB 9010-15,0000000001,")
        assert says(device, "syst:lock:own?") == "NONE"
        assert says(device, "SYSTem:LOCK 1;SYST:LOCK:OWNer?") == "REMOTE"
        assert says(device, "VOLTage 4.2V;CURR 1.5;SINK:CURR 2500mA;POW 0.1kW") is None
        assert says(device, "VOLT?;CURR?;SINK:CURRent?;POW?") == "4.200V;1.500A;2.500A;100.00W"
        assert says(device, "VOLT MAX;:VOLT?;VOLT MIN;VOLT?") == "10.200V;0.000V"
        assert says(device, "VOLT:PROT 4.5;VOLT:PROT?") == "4.500V"
        assert says(device, "MEAS:ARR?") == "3.600V, 0.000A, 0.00W"
        assert says(device, "SYST:ERR?") == '0,"No error"'

    on_a_device(test)


def test_scpi_shows_sinking_as_negative() -> None:
    def switch_on(device: PsbDevice) -> None:
        assert says(device, "SYST:LOCK ON;VOLT 2.8;SINK:CURR 5;OUTP ON") is None

    def test(device: PsbDevice) -> None:
        assert says(device, "MEAS:CURR?;MEAS:POW?;OUTP?") == "-5.000A;-18.00W;ON"

    on_a_device(switch_on, test)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("NONSENSE 1", -100),
        ("MEAS:VOLT 3", -108),
        ("VOLT? 3", -108),
        ("VOLT", -102),
        ("VOLT nan", -102),
        ("VOLT 1e999", -102),
        ("VOLT 4 A", -224),
        ("VOLT 11", -222),
        ("VOLT -1", -222),
        ("SYST:COMM:MON:TIM 0", -222),
        ("OUTP MAYBE", -224),
        ("1;2;3;4;5;6", -102),
        ("V" * 257, -223),
        ("*IDN?;*IDN?;*IDN?;*IDN?", -225),
    ],
)
def test_scpi_queues_what_is_wrong_and_answers_nothing(text: str, code: int) -> None:
    def test(device: PsbDevice) -> None:
        device.take_control(ETHERNET)
        assert says(device, text) is None
        assert says(device, "SYST:ERR?").startswith(f"{code},")

    on_a_device(test)


def test_scpi_may_not_set_what_another_port_controls() -> None:
    def test(device: PsbDevice) -> None:
        says(device, "VOLT 3")
        device.take_control(MODBUS_TCP)
        says(device, "VOLT 3;SYST:LOCK ON")
        assert says(device, "SYST:ERR:ALL?") == ",".join(['-221,"Settings conflict"'] * 3)
        device.local = True
        says(device, "VOLT 3")
        assert says(device, "SYST:ERR?") == '-201,"Invalid while in local"'

    on_a_device(test)


def test_the_error_queue_holds_five_and_asking_it_acknowledges_alarms() -> None:
    def test(device: PsbDevice) -> None:
        for _ in range(7):
            says(device, "NONSENSE")
        device.trip("OVP")
        device.clear_cause("OVP")
        says(device, "SYST:ERR?")
        assert device.alarms == set()
        assert says(device, "SYST:ERR:ALL?").count("-100") == 4

    on_a_device(test)


# Rubbish.


@given(requests=st.lists(st.binary(min_size=1, max_size=260), min_size=1, max_size=5))
def test_any_modbus_request_is_answered(requests: list[bytes]) -> None:
    def test(device: PsbDevice) -> None:
        device.take_control(MODBUS_TCP)
        for request in requests:
            reply = modbus.answer(device, MODBUS_TCP, 0, request)
            assert reply[0] & 0x7F == request[0] & 0x7F
            assert len(reply) <= 253

    on_a_device(test)


@given(
    function=st.sampled_from([1, 3, 5, 6]),
    address=st.one_of(st.integers(0, 0xFFFF), st.sampled_from([0, 1, 402, 405, 408, 498, 504, 505, 507, 9000, 10013])),
    value=st.integers(0, 0xFFFF),
)
def test_a_modbus_request_succeeds_or_is_refused_by_a_code_of_the_guide(
    function: int, address: int, value: int
) -> None:
    def test(device: PsbDevice) -> None:
        device.take_control(MODBUS_TCP)
        request = struct.pack(">BHH", function, address, value)
        reply = modbus.answer(device, MODBUS_TCP, 1, request)
        if reply[0] & 0x80:
            assert reply[1] in (0x01, 0x02, 0x03, 0x04, 0x07, 0x17)
        elif function in (5, 6):
            assert reply == request
        else:
            assert len(reply) == 2 + reply[1]

    on_a_device(test)


scpi_words = st.lists(
    st.sampled_from(["VOLT", "SYST", ":", "?", " ", ";", "MAX", "1e5", "LOCK", "ON", "*RST", "ERR", "kW", "\0", "é"]),
    max_size=30,
).map("".join)


@given(lines=st.lists(st.one_of(st.binary(max_size=300), scpi_words.map(str.encode)), max_size=8))
def test_any_scpi_line_is_answered_or_ignored(lines: list[bytes]) -> None:
    def test(device: PsbDevice) -> None:
        for line in lines:
            reply = scpi.answer(device, line)
            assert reply is None or (reply.endswith(b"\n") and len(reply) <= 257)
            assert len(device.errors) <= 5

    on_a_device(test)


@pytest.mark.parametrize("port", [PORT, SCPI_PORT], ids=["modbus", "scpi"])
@given(chunks=st.lists(st.binary(min_size=1, max_size=400), min_size=1, max_size=5))
def test_rubbish_on_a_port_hurts_nobody_else(port: int, chunks: list[bytes]) -> None:
    async def main() -> None:
        async with psb_bench(commissioned=False) as bench:
            _, writer = await asyncio.open_connection(HOST, port)
            for chunk in chunks:
                writer.write(chunk)
                await asyncio.sleep(0.001)
            writer.close()
            assert (await bench.driver.connect()).model == "PSB 9010-15"

    run_virtual(main())
