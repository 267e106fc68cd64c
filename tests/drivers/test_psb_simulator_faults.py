"""What a simulated supply itself does wrong, as its ports show it, and the supply at the end of a serial line."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from psb_bench import Capacitor

from cycler.contract.plugin import Resource
from sims.faults import Faults
from sims.loop import run_virtual
from sims.wire.ea_psb import modbus, scpi
from sims.wire.ea_psb.device import Interface, PsbDevice, SetValue
from sims.wire.ea_psb.simulator import PsbSimulator
from sims.wire.modbus import crc

MODBUS_TCP = Interface.MODBUS_TCP
EFFECT_S = 0.01
RATINGS, STATE, ACTUAL = "03 00 79 00 06", "03 01 f9 00 02", "03 01 fb 00 03"


def on_a_device(*tests: Callable[[PsbDevice, Faults], None]) -> None:
    """One after the other, with time between them for set values to take effect."""

    async def main() -> None:
        faults = Faults()
        device = PsbDevice(Capacitor(3.6, capacitance_f=1000.0), faults=faults)
        device.take_control(MODBUS_TCP)
        for test in tests:
            test(device, faults)
            await asyncio.sleep(EFFECT_S)
        device.power_off()

    run_virtual(main())


def ask(device: PsbDevice, request: str) -> str:
    return modbus.answer(device, MODBUS_TCP, 0, bytes.fromhex(request)).hex(" ")


def charge(device: PsbDevice, faults: Faults) -> None:
    device.write_set_value(SetValue.VOLTAGE, 30000, MODBUS_TCP)
    device.write_set_value(SetValue.SOURCE_CURRENT, 20000, MODBUS_TCP)
    device.write_output(True, MODBUS_TCP)


def test_a_supply_may_answer_with_exceptions_and_do_nothing() -> None:
    def test(device: PsbDevice, faults: Faults) -> None:
        fault = faults.begin("exception")
        assert ask(device, "06 01 f4 10 00") == "86 04"
        assert ask(device, ACTUAL) == "83 04"
        assert scpi.answer(device, b"MEAS:VOLT?") is None
        faults.end(fault)
        assert device.set_raw[SetValue.VOLTAGE] == 0
        assert scpi.answer(device, b"SYST:ERR?") == b'-200,"Execution error"\n'

    on_a_device(test)


def test_a_set_value_may_be_confirmed_and_not_be_taken() -> None:
    def test(device: PsbDevice, faults: Faults) -> None:
        faults.begin("not-applied", numbers={"times": 1})
        assert ask(device, "06 01 f4 10 00") == "06 01 f4 10 00"
        assert ask(device, "03 01 f4 00 01") == "03 02 00 00"
        ask(device, "06 01 f4 10 00")
        assert ask(device, "03 01 f4 00 01") == "03 02 10 00"

    on_a_device(test)


def test_an_off_may_be_confirmed_and_ignored() -> None:
    def test(device: PsbDevice, faults: Faults) -> None:
        faults.begin("off-ignored", numbers={"times": 1})
        assert ask(device, "05 01 95 00 00") == "05 01 95 00 00"

    def still_on(device: PsbDevice, faults: Faults) -> None:
        assert device.energised
        ask(device, "05 01 95 00 00")

    def off(device: PsbDevice, faults: Faults) -> None:
        assert not device.energised

    on_a_device(charge, test, still_on, off)


def test_frozen_actual_values_stay_and_protections_go_on() -> None:
    shown: list[str] = []

    def freeze(device: PsbDevice, faults: Faults) -> None:
        faults.begin("frozen")
        shown.append(ask(device, ACTUAL))
        device.write_set_value(SetValue.SOURCE_CURRENT, 10000, MODBUS_TCP)

    def test(device: PsbDevice, faults: Faults) -> None:
        assert ask(device, ACTUAL) == shown[0]
        device.thresholds["OCP"] = 5000
        assert ask(device, ACTUAL) == shown[0]
        assert device.alarms == {"OCP"}
        faults.end(faults.active[0])
        assert ask(device, ACTUAL) != shown[0]

    on_a_device(charge, freeze, test)


def test_words_in_the_wrong_order_change_what_has_two_of_them() -> None:
    def test(device: PsbDevice, faults: Faults) -> None:
        sound, actual = ask(device, RATINGS), ask(device, ACTUAL)
        faults.begin("word-order")
        words, swapped = sound.split(), sound.split()[:2]
        for at in (2, 6, 10):
            swapped += words[at + 2 : at + 4] + words[at : at + 2]
        assert ask(device, RATINGS).split() == swapped
        assert ask(device, ACTUAL) == actual
        assert ask(device, STATE) == "03 04 08 07 00 00"

    on_a_device(test)


def test_a_second_master_writes_back_what_it_wants() -> None:
    def test(device: PsbDevice, faults: Faults) -> None:
        fault = faults.begin("two-masters")
        assert ask(device, "06 01 f4 10 00") == "06 01 f4 10 00"
        assert ask(device, "03 01 f4 00 01") == "03 02 00 00"
        faults.end(fault)
        ask(device, "06 01 f4 10 00")
        assert ask(device, "03 01 f4 00 01") == "03 02 10 00"

    on_a_device(test)


async def exchange(path: Path, request: bytes, count: int) -> bytes:
    file, loop, got = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK), asyncio.get_running_loop(), b""
    os.write(file, request)
    while len(got) < count:
        readable = loop.create_future()
        loop.add_reader(file, readable.set_result, None)
        await readable
        loop.remove_reader(file)
        got += os.read(file, count - len(got))
    os.close(file)
    return got


@pytest.mark.parametrize("scheme", ["serial", "modbus-rtu"])
def test_on_a_serial_line_it_speaks_both_and_is_controlled_from_usb(tmp_path: Path, scheme: str) -> None:
    async def main() -> None:
        path = tmp_path / "psb"
        resource = Resource.parse(f"{scheme}://{path}")
        simulator = PsbSimulator(lambda: PsbDevice(Capacitor(3.6)), resource, faults=Faults())
        await simulator.start()
        assert await exchange(path, b"SYST:LOCK ON;SYST:LOCK:OWN?\n", 7) == b"REMOTE\n"
        assert simulator.device.owner is Interface.USB
        body = bytes.fromhex("00 03 01 f9 00 02")
        state = bytes.fromhex("00 03 04 00 00 08 03")
        assert await exchange(path, body + crc(body), 9) == state + crc(state)
        await asyncio.sleep(60.0)  # a line has no idle time
        simulator.restart()
        assert await exchange(path, b"SYST:LOCK:OWN?\n", 5) == b"NONE\n"
        await simulator.aclose()

    run_virtual(main())
