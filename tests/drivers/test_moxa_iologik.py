"""The ioLogik driver against its simulated module, both ends of the wire in one loop."""

import asyncio
import struct
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iologik_subject import CurrentLoopSubject, IologikSubject, JumperedSubject

from cycler.contract.capabilities import Watchdog
from cycler.contract.errors import DeviceFault, LinkError, ProtocolError
from cycler.contract.plugin import DeviceSettings, Resource, Surroundings
from drivers.moxa_iologik.current_loops import current_ma, is_healthy
from drivers.moxa_iologik.driver import DRIVER, MoxaIologik
from sims.network import Address, Direction
from sims.testing.wired import DEVICE, utcnow
from sims.wire.moxa_iologik.device import MODELS


class KeepsCommands(IologikSubject):
    """What comes out of safe status goes where it was last told to go."""

    setup: ClassVar[Mapping[str, Any]] = {"model": "E1214", "watchdog_s": 3.0, "keeps_commands": True}


class OlderSubject(IologikSubject):
    """It does not say its model."""

    setup: ClassVar[Mapping[str, Any]] = {"model": "E1210", "newer": False}
    options: ClassVar[Mapping[str, str]] = {}


def of_model(name: str) -> IologikSubject:
    class OfModel(IologikSubject):
        setup: ClassVar[Mapping[str, Any]] = {"model": name}
        options: ClassVar[Mapping[str, str]] = {"model": name}

    return OfModel()


def requests(subject: IologikSubject) -> list[bytes]:
    """What is asked from now on, from the function code on."""
    asked: list[bytes] = []

    def tap(address: Address, direction: Direction, data: bytes) -> None:
        if direction == "to-server":
            asked.append(data[7:])

    subject.network.taps.append(tap)
    return asked


async def ready(subject: IologikSubject, **options: str) -> MoxaIologik:
    driver = subject.open(**options)
    await driver.connect()
    await driver.commission()
    return driver


async def drop_outputs(subject: IologikSubject, driver: MoxaIologik) -> None:
    """No host is heard until the watchdog has acted."""
    await driver.write({"DO0": True, "DO1": True})
    await asyncio.sleep(4.0)
    assert subject.relays == {"DO0": False, "DO1": False}


# Connecting.


def test_it_says_who_answers_and_which_lines_there_are() -> None:
    subject = IologikSubject()

    async def scenario() -> None:
        asked = requests(subject)
        driver = subject.open()
        identity = await driver.connect()
        assert {request[0] for request in asked} <= {1, 2, 3, 4}
        assert (identity.maker, identity.model) == ("Moxa", "E1214")
        assert (identity.serial, identity.firmware) == ("00:90:E8:00:00:01", "3.1.0.0")
        can = driver.capabilities
        assert can.inputs == ("DI0", "DI1", "DI2", "DI3", "DI4", "DI5")
        assert can.outputs == ("DO0", "DO1", "DO2", "DO3", "DO4", "DO5")
        assert not any(can.outputs_safe.values())
        assert can.watchdog == Watchdog(watches="host", timeout_s=3.0, proven=False)
        await driver.aclose()

    subject.run(scenario())


@pytest.mark.parametrize(
    ("model", "inputs", "outputs"),
    [("E1210", 16, 0), ("E1211", 0, 16), ("E1212", 8, 8), ("E1214", 6, 6), ("E1240", 0, 0), ("E1242", 4, 4)],
)
def test_every_model_has_the_lines_of_its_type_plate(model: str, inputs: int, outputs: int) -> None:
    subject = of_model(model)

    async def scenario() -> None:
        driver = await ready(subject)
        await driver.make_safe()
        reading = await driver.read()
        assert (len(reading.inputs), len(reading.outputs)) == (inputs, outputs)
        await driver.aclose()

    subject.run(scenario())


def test_a_dio_is_an_input_behind_the_inputs_or_an_output_as_its_jumper_says() -> None:
    subject = JumperedSubject()

    async def scenario() -> None:
        driver = await ready(subject)
        assert driver.capabilities.inputs[8:] == ("DI12", "DI13", "DI14", "DI15")
        assert driver.capabilities.outputs == ("DO0", "DO1", "DO2", "DO3")
        await driver.aclose()

    subject.run(scenario())


def test_an_output_that_its_jumper_makes_an_input_is_named() -> None:
    subject = JumperedSubject()

    async def scenario() -> None:
        driver = subject.open(dio_outputs="0 1 2 3 4")
        with pytest.raises(ProtocolError, match=r"DO4 is no output here .*: is it a DIO set as input"):
            await driver.connect()
        await driver.aclose()

    subject.run(scenario())


def test_firmware_that_does_not_say_its_model_needs_to_be_told() -> None:
    subject = OlderSubject()

    async def scenario() -> None:
        told, untold = subject.open(model="E1210"), subject.open()
        assert (await told.connect()).model == "E1210"
        with pytest.raises(ProtocolError, match=r"does not say its model .*: write `model: E1212`"):
            await untold.connect()
        for driver in (told, untold):
            await driver.aclose()

    subject.run(scenario())


def test_another_model_than_the_rack_file_says_is_refused() -> None:
    subject = IologikSubject()

    async def scenario() -> None:
        driver = subject.open(model="E1212")
        with pytest.raises(ProtocolError, match="an E1214 answers, the rack file says E1212"):
            await driver.connect()
        await driver.aclose()

    subject.run(scenario())


def test_another_kind_of_device_is_refused_with_what_it_says() -> None:
    subject = IologikSubject()

    async def scenario() -> None:
        subject.device.setup.model = "ioPAC 8020"
        driver = subject.open()
        with pytest.raises(ProtocolError, match="dut: registers 5000-5009 say 'ioPAC 8020', expected one of E1210"):
            await driver.connect()
        await driver.aclose()

    subject.run(scenario())


def test_another_module_at_the_old_address_is_refused() -> None:
    subject = IologikSubject()

    async def scenario() -> None:
        driver = await ready(subject)
        subject.device.setup.mac = "0090E8000002"
        with pytest.raises(ProtocolError, match="00:90:E8:00:00:02 answers where 00:90:E8:00:00:01 did before"):
            await driver.connect()
        await driver.aclose()

    subject.run(scenario())


def test_a_driver_that_has_not_connected_knows_no_lines() -> None:
    subject = IologikSubject()

    async def scenario() -> None:
        driver = subject.open()
        for call in (driver.read(), driver.write({"DO0": True}), driver.commission()):
            with pytest.raises(LinkError, match="not connected yet"):
                await call
        await driver.aclose()

    subject.run(scenario())


def test_an_off_of_a_module_that_nobody_has_asked_who_it_is_asks_it_nothing_else() -> None:
    subject = IologikSubject()

    async def scenario() -> None:
        asked = requests(subject)
        driver = subject.open()
        await driver.make_safe()
        assert asked == [bytes.fromhex("06 0020 0000"), bytes.fromhex("03 0020 0001")]
        subject.ignore_offs()
        await driver.connect()
        await driver.write({"DO0": True})
        with pytest.raises(DeviceFault, match=r"switched off and register 32 holds 0x0001 0\.5 s later"):
            await subject.open().make_safe()
        await driver.aclose()

    subject.run(scenario())


@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
def test_an_off_of_a_module_without_outputs_has_nothing_to_do(told: bool) -> None:
    subject = of_model("E1240")

    async def scenario() -> None:
        driver = subject.open(**({"model": "E1240"} if told else {}))
        await driver.make_safe()
        await driver.aclose()

    subject.run(scenario())


# Commissioning.


def test_a_counter_that_runs_is_refused() -> None:
    subject = IologikSubject()

    async def scenario() -> None:
        subject.device.counting[2] = True
        driver = subject.open()
        await driver.connect()
        with pytest.raises(DeviceFault, match="DI2 counts: set it to mode DI"):
            await driver.commission()
        await driver.aclose()

    subject.run(scenario())


def test_pulses_that_run_are_refused() -> None:
    subject = IologikSubject()

    async def scenario() -> None:
        subject.device.pulses[5] = True
        driver = subject.open()
        await driver.connect()
        with pytest.raises(DeviceFault, match="DO5 gives pulses: set it to mode DO"):
            await driver.commission()
        await driver.aclose()

    subject.run(scenario())


def test_a_watchdog_is_proven_where_the_rack_file_says_by_what() -> None:
    subject = IologikSubject()

    async def scenario() -> None:
        driver = await ready(subject, watchdog_proof="test sheet 7")
        assert driver.capabilities.watchdog == Watchdog(watches="host", timeout_s=3.0, proven=True)
        await driver.aclose()

    subject.run(scenario())


# Safe status.


@pytest.mark.parametrize("kind", [IologikSubject, KeepsCommands])
def test_outputs_in_safe_status_read_as_off_and_only_a_person_clears_them(kind: type[IologikSubject]) -> None:
    subject = kind()

    async def scenario() -> None:
        driver = await ready(subject)
        await drop_outputs(subject, driver)
        assert not any((await driver.read()).outputs.values())
        with pytest.raises(DeviceFault, match=r"DO0.* in safe status: its watchdog heard no host"):
            await driver.write({"DO0": True})
        await driver.make_safe()
        with pytest.raises(DeviceFault, match=r"in safe status: .* or write `safe_status: clear`"):
            await driver.commission()
        assert subject.device.watchdog_alarm
        await driver.aclose()

    subject.run(scenario())


@pytest.mark.parametrize(("silent_s", "asks"), [(1.0, False), (1.6, True), (4.0, True)])
def test_a_sweep_asks_for_safe_status_after_a_silence_that_may_have_brought_it_about(
    silent_s: float, asks: bool
) -> None:
    subject = IologikSubject()

    async def scenario() -> None:
        driver = await ready(subject)
        await driver.read()
        asked = requests(subject)
        await asyncio.sleep(silent_s)
        await driver.read()
        assert [request[0] for request in asked] == ([4, 3, 2] if asks else [4, 3])
        await driver.aclose()

    subject.run(scenario())


def test_safe_status_that_no_silence_explains_is_seen_within_seconds_and_until_it_ends() -> None:
    subject = IologikSubject()

    async def scenario() -> None:
        driver = await ready(subject)
        await driver.write({"DO0": True})
        await driver.read()
        subject.device.safe.add(0)
        for _ in range(5):
            await asyncio.sleep(1.0)
            reading = await driver.read()
        assert not reading.outputs["DO0"]
        subject.device.safe.clear()
        assert (await driver.read()).outputs["DO0"]
        await driver.aclose()

    subject.run(scenario())


def test_where_nothing_is_known_of_the_watchdog_every_sweep_asks_for_safe_status() -> None:
    class Unwatched(IologikSubject):
        options: ClassVar[Mapping[str, str]] = {"model": "E1214"}

    subject = Unwatched()

    async def scenario() -> None:
        driver = await ready(subject)
        asked = requests(subject)
        for _ in range(2):
            await driver.read()
        assert [request[0] for request in asked] == 2 * [4, 3, 2]
        await driver.aclose()

    subject.run(scenario())


@pytest.mark.parametrize("kind", [IologikSubject, KeepsCommands])
def test_where_the_rack_file_says_so_commissioning_clears_safe_status_and_nothing_comes_on(
    kind: type[IologikSubject],
) -> None:
    subject = kind()

    async def scenario() -> None:
        driver = await ready(subject, safe_status="clear")
        await drop_outputs(subject, driver)
        moved: list[str] = []
        subject.relays = Noting(moved)
        await driver.connect()
        await driver.commission()
        assert moved == []
        assert not subject.device.safe
        await driver.write({"DO1": True})
        assert subject.relays == {"DO1": True}
        await driver.aclose()

    subject.run(scenario())


class Noting(dict[str, bool]):
    """Relays whose moves are noted."""

    def __init__(self, moved: list[str]) -> None:
        super().__init__()
        self._moved = moved

    def __setitem__(self, line: str, closed: bool) -> None:
        self._moved.append(line)
        super().__setitem__(line, closed)


# Writing.


def test_what_goes_off_goes_off_first() -> None:
    subject = IologikSubject()

    async def scenario() -> None:
        driver = await ready(subject)
        await driver.write({"DO0": True})
        asked = requests(subject)
        await driver.write({"DO3": True, "DO0": False})
        writes = [request for request in asked if request[0] == 5]
        assert writes == [bytes.fromhex("0500000000"), bytes.fromhex("050003FF00")]
        await driver.aclose()

    subject.run(scenario())


def test_all_outputs_go_off_in_one_write() -> None:
    subject = IologikSubject()

    async def scenario() -> None:
        driver = await ready(subject)
        await driver.write({"DO0": True, "DO5": True})
        asked = requests(subject)
        await driver.make_safe()
        assert asked[0] == bytes.fromhex("0600200000")
        assert not any(subject.relays.values())
        await driver.aclose()

    subject.run(scenario())


def test_an_off_opens_a_lost_connection_once_more() -> None:
    subject = IologikSubject()

    async def scenario() -> None:
        driver = await ready(subject)
        await driver.write({"DO0": True})
        subject.network.cut(subject.address)
        await driver.make_safe()
        assert not subject.output("DO0")
        await driver.aclose()

    subject.run(scenario())


def test_a_write_that_an_off_overtakes_says_so() -> None:
    subject = IologikSubject()

    async def scenario() -> None:
        driver = await ready(subject)
        writing = asyncio.ensure_future(driver.write(dict.fromkeys(driver.capabilities.outputs, True)))
        await asyncio.sleep(0)
        await driver.make_safe()
        with pytest.raises(DeviceFault, match="it was made safe while this was under way"):
            await writing
        await driver.aclose()

    subject.run(scenario())


def test_a_relay_that_does_not_close_is_named() -> None:
    subject = IologikSubject()

    async def scenario() -> None:
        driver = await ready(subject)
        subject.faults.begin("stuck-open", "DO2")
        await driver.write({"DO1": True})
        with pytest.raises(DeviceFault, match=r"DO2 was switched on and is off 0\.5 s later"):
            await driver.write({"DO2": True})
        await driver.aclose()

    subject.run(scenario())


# Gas detectors.


@pytest.mark.parametrize(
    ("current", "healthy"),
    [(3.5, False), (3.7, True), (4.0, True), (11.9, True), (12.0, False), (20.5, False), (22.0, False)],
)
def test_a_current_loop_is_an_input_that_is_low_in_alarm_and_where_it_is_broken(current: float, healthy: bool) -> None:
    subject = CurrentLoopSubject()

    async def scenario() -> None:
        driver = await ready(subject)
        subject.device.current_ma[3] = current
        inputs = (await driver.read()).inputs
        assert (inputs["AI0"], inputs["AI3"]) == (True, healthy)
        assert "AI1" not in inputs
        await driver.aclose()

    subject.run(scenario())


def test_a_burnt_out_loop_is_low() -> None:
    subject = CurrentLoopSubject()

    async def scenario() -> None:
        driver = await ready(subject)
        subject.device.current_modes[0], subject.device.burn_out_ma[0] = 4, 5.0
        assert not (await driver.read()).inputs["AI0"]
        await driver.aclose()

    subject.run(scenario())


def test_a_current_loop_that_the_model_does_not_have_is_refused() -> None:
    subject = IologikSubject()

    async def scenario() -> None:
        driver = subject.open(AI0="12 mA")
        with pytest.raises(ProtocolError, match="an E1214 has no AI0"):
            await driver.connect()
        await driver.aclose()

    subject.run(scenario())


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.booleans())
def test_a_float_in_two_registers_is_the_float_in_either_word_order(value: float, swapped: bool) -> None:
    words = struct.unpack(">2H", struct.pack(">f", value))
    assert current_ma(words[::-1] if swapped else words, swapped=swapped) == value


@given(st.floats(), st.floats(min_value=4.0, max_value=20.0))
def test_only_a_current_between_broken_and_alarm_is_healthy(current: float, alarm_ma: float) -> None:
    assert is_healthy(current, alarm_ma) is (3.6 <= current < alarm_ma)


# What the rack file says.


def settings(resource: str = IologikSubject.resource, **options: str) -> DeviceSettings:
    return DeviceSettings(device=DEVICE, resource=Resource.parse(resource), options=options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"model": "E1299"}, "model: 'E1299' is none of E1210, E1211"),
        ({"dio_outputs": "0 9"}, "dio_outputs: '0 9' are no DIO channels"),
        ({"dio_outputs": "0 -1"}, "dio_outputs: '0 -1' are no DIO channels"),
        ({"model": "E1242", "dio_outputs": "4"}, "there are 4 from 0"),
        ({"watchdog": "3"}, "watchdog: '3' is no positive quantity in s"),
        ({"watchdog": "0 s"}, "watchdog: '0 s' is no positive quantity in s"),
        ({"safe_status": "maybe"}, "safe_status: 'maybe' is none of refuse, clear"),
        ({"word_order": "middle"}, "word_order: 'middle' is none of high-first, low-first"),
        ({"model": "E1242", "AI4": "12 mA"}, "option 'AI4' is unknown; there are .* AI0 … AI3$"),
        ({"model": "E1212", "AI0": "12 mA"}, "option 'AI0' is unknown; there are .* word_order$"),
        ({"AI0": "12 V"}, "AI0: '12 V' is no positive quantity in mA"),
        ({"wathcdog": "3 s"}, "option 'wathcdog' is unknown; there are model"),
    ],
)
def test_a_slip_in_the_rack_file_is_named(options: dict[str, str], says: str) -> None:
    assert DRIVER.offline is not None
    with pytest.raises(ValueError, match=says):
        DRIVER.offline(settings(**options))


@pytest.mark.parametrize(
    ("resource", "says"),
    [
        ("modbus-tcp:///dev/x", "names no host"),
        ("modbus-tcp://127.0.0.1?uint=2", "'uint' is unknown"),
        ("modbus-tcp://127.0.0.1?unit=256", "unit is a whole number from 0 to 255"),
    ],
)
def test_a_slip_in_the_address_is_named(resource: str, says: str) -> None:
    assert DRIVER.offline is not None
    with pytest.raises(ValueError, match=says):
        DRIVER.offline(settings(resource))


def test_the_rack_file_knows_the_lines_where_it_gives_the_model() -> None:
    assert DRIVER.offline is not None
    facts = DRIVER.offline(settings(model="E1242", dio_outputs="0", AI2="12 mA"))
    assert facts.channels == ("DO0",)
    assert facts.inputs == ("DI0", "DI1", "DI2", "DI3", "DI5", "DI6", "DI7", "AI2")
    assert DRIVER.offline(settings()).channels is None


@given(st.dictionaries(st.sampled_from(["model", "dio_outputs", "watchdog", "safe_status", "AI0", "x"]), st.text()))
def test_whatever_the_options_are_they_are_taken_or_refused(options: dict[str, str]) -> None:
    try:
        MoxaIologik(settings(**options), Surroundings(utcnow=utcnow))
    except ValueError as error:
        assert str(error).startswith(DEVICE)


# Answers that make no sense.


@pytest.mark.parametrize(
    ("swap", "says"),
    [
        (lambda pdu: bytes((pdu[0], 1, 0)), "01 00"),
        (lambda pdu: bytes((pdu[0] | 0x80, 4)), "device failure"),
        (lambda pdu: bytes((0x44,)), "answered with 44"),
    ],
)
def test_a_wrong_answer_is_an_error_that_says_what_came(swap: Callable[[bytes], bytes], says: str) -> None:
    subject = IologikSubject()

    async def scenario() -> None:
        driver = await ready(subject)

        def tap(address: Address, direction: Direction, data: bytes) -> list[tuple[float, bytes]] | None:
            if direction == "to-server":
                return None
            pdu = swap(data[7:])
            return [(0.0, data[:4] + (len(pdu) + 1).to_bytes(2, "big") + data[6:7] + pdu)]

        subject.network.taps.append(tap)
        with pytest.raises((ProtocolError, DeviceFault), match=says):
            await driver.read()
        await driver.aclose()

    subject.run(scenario())


def test_driver_and_simulator_know_the_same_models() -> None:
    assert set(MODELS) == {"E1210", "E1211", "E1212", "E1214", "E1240", "E1242"}
