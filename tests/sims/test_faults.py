"""Each declared fault of a device shows at its driver as the field knows it, when and for as long as declared."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from ports import free_port
from world_bench import opened, run, world

from cycler.contract.devices import ApplyResult
from cycler.contract.errors import DeviceFault, LinkError
from cycler.contract.order import Applied, Order, Phase
from cycler.contract.plugin import Opener, Resource
from cycler.contract.suite.scenario import commissioned_device
from cycler.contract.sweep import ChannelId, Reading
from cycler.contract.world import SimulatedDevice
from cycler.model.rack import Rack
from cycler.model.world import Fault, WorldDeclaration, WorldError
from sims.devices.chamber import open_chamber
from sims.devices.cycler import SimCycler, open_cycler
from sims.devices.digital_io import open_io
from sims.devices.temperature import open_temperature
from sims.faults import OVERFLOW
from sims.world import SimulatedWorld, open_world

ONE, TWO = ChannelId("1"), ChannelId("2")
OPENS: Mapping[str, Opener] = {
    "cyc-01": open_cycler, "tc-01": open_temperature, "io-01": open_io, "ch-01": open_chamber,
}  # fmt: skip


def watched(*faults: Fault, test: Callable[[Any], Awaitable[None]], device: str = "cyc-01", **options: str) -> None:
    """The test gets the device's driver, ready for use, at 0 s."""
    built = world(*faults, contactor=False, ideal=True)

    async def main() -> None:
        driver = await commissioned_device(opened(OPENS[device], built, device, **options))
        await test(driver)
        await driver.aclose()

    run(built, main)


async def at_s(moment_s: float, driver: Any, step_s: float = 0.5) -> None:
    """Goes there, reading all the while as a host does; what cannot be read cannot be read."""
    while (now_s := asyncio.get_running_loop().time()) < moment_s:
        await asyncio.sleep(min(step_s, moment_s - now_s))
        try:
            await driver.read()
        except (LinkError, DeviceFault):
            continue


async def charge(driver: SimCycler, channel: ChannelId = ONE, order_id: int = 1) -> ApplyResult:
    phase = Phase(direction="charge", current_a=1.0, voltage_v=4.2)
    return (await driver.apply({channel: Order(order_id=order_id, phases=(phase,))}))[channel]


async def reading(driver: SimCycler, channel: ChannelId = ONE) -> Reading:
    return (await driver.read())[0][channel]


def test_a_device_that_does_not_reply_is_silent_for_as_long_as_declared_and_its_watchdog_opens() -> None:
    async def test(driver: SimCycler) -> None:
        await charge(driver)
        await at_s(9.5, driver)
        assert (await reading(driver)).current_a > 0.0
        await at_s(10.5, driver)
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(LinkError, match="no answer"):
            await driver.read()
        assert asyncio.get_running_loop().time() > began_s
        await at_s(15.5, driver)
        assert (await reading(driver)).regulation == "off"

    watched(Fault(device="cyc-01", fault="no-reply", from_s=10.0, for_s=5.0), test=test)


@pytest.mark.parametrize(("fault", "error"), [("refused", LinkError), ("exception", DeviceFault)])
@pytest.mark.parametrize("device", list(OPENS))
def test_a_device_that_refuses_or_errs_says_so_at_once(device: str, fault: str, error: type[Exception]) -> None:
    async def test(driver: Any) -> None:
        await asyncio.sleep(10.0)
        with pytest.raises(error):
            await driver.read()
        assert asyncio.get_running_loop().time() == 10.0

    watched(Fault(device=device, fault=fault, from_s=5.0), test=test, device=device)


@pytest.mark.parametrize(("fault", "shown_v"), [("nan", np.nan), ("out-of-range", OVERFLOW), ("scale-10", 36.3)])
def test_readings_go_wrong_on_the_declared_channel_only(fault: str, shown_v: float) -> None:
    async def test(driver: SimCycler) -> None:
        sound_v = (await reading(driver)).voltage_v
        await asyncio.sleep(20.0)
        assert (await reading(driver)).voltage_v == pytest.approx(shown_v, rel=0.05, nan_ok=True)
        assert (await reading(driver, TWO)).voltage_v == pytest.approx(sound_v, abs=1e-3)

    watched(Fault(device="cyc-01", channel="1", fault=fault, from_s=10.0), test=test)


def test_a_frozen_device_shows_the_same_with_fresh_time_stamps() -> None:
    async def test(driver: SimCycler) -> None:
        await charge(driver)
        await at_s(11.0, driver)
        before = (await driver.read())[0]
        await at_s(100.0, driver)
        after = (await driver.read())[0]
        assert (after.voltage_v, after.current_a) == (before.voltage_v, before.current_a)
        assert after.taken_s > before.taken_s
        await driver.make_safe([ONE])
        assert (await reading(driver)).current_a == before.current_a[0]
        await at_s(201.0, driver)
        assert (await reading(driver)).current_a == 0.0

    watched(Fault(device="cyc-01", fault="frozen", from_s=10.0, for_s=190.0), test=test)


def test_a_drift_moves_the_reading_by_its_offset_and_its_gain() -> None:
    async def test(driver: SimCycler) -> None:
        sound = await reading(driver)
        await asyncio.sleep(1000.0)
        drifted = await reading(driver)
        assert drifted.voltage_v - sound.voltage_v == pytest.approx(0.01 + sound.voltage_v * 0.001, abs=1e-4)

    numbers = {"offset_per_s": 1e-5, "gain_per_s": 1e-6}
    watched(Fault(device="cyc-01", fault="drift", numbers=numbers), test=test)


def test_a_drifted_instrument_regulates_to_what_it_shows() -> None:
    async def test(driver: SimCycler) -> None:
        await asyncio.sleep(1000.0)
        phase = Phase(direction="charge", current_a=10.0, voltage_v=3.7)
        await driver.apply({ONE: Order(order_id=1, phases=(phase,))})
        await at_s(1010.0, driver)
        held = await reading(driver)
        assert held.regulation == "cv"
        assert held.voltage_v == pytest.approx(3.7, abs=0.002)

    watched(Fault(device="cyc-01", fault="drift", numbers={"offset_per_s": 1e-4}), test=test)


def test_an_ignored_off_is_an_error_and_the_output_stays_on() -> None:
    async def test(driver: SimCycler) -> None:
        for channel in (ONE, TWO):
            await charge(driver, channel)
        with pytest.raises(DeviceFault, match="still on"):
            await driver.make_safe([ONE, TWO])
        assert (await reading(driver)).current_a > 0.0
        assert (await reading(driver, TWO)).regulation == "off"

    watched(Fault(device="cyc-01", channel="1", fault="off-ignored"), test=test)


def test_an_order_that_is_not_applied_is_answered_as_if_it_were() -> None:
    async def test(driver: SimCycler) -> None:
        assert isinstance(await charge(driver), Applied)
        shown = await reading(driver)
        assert (shown.order_id, shown.regulation) == (0, "off")

    watched(Fault(device="cyc-01", fault="not-applied"), test=test)


def test_a_device_that_restarts_is_off_and_comes_back_after_its_time() -> None:
    async def test(driver: SimCycler) -> None:
        await charge(driver)
        await at_s(10.5, driver)
        with pytest.raises(LinkError):
            await driver.read()
        await at_s(14.0, driver)
        assert (await reading(driver)).order_id == 0

    watched(Fault(device="cyc-01", fault="restart", from_s=10.0, for_s=3.0), test=test)


def test_a_stuck_contactor_stays_where_it_is_and_the_module_says_so() -> None:
    async def closed(driver: Any) -> None:
        await driver.write({"DO0": True})
        with pytest.raises(DeviceFault, match="DO0 is closed, open was ordered"):
            await driver.make_safe()

    async def opened_again(driver: Any) -> None:
        with pytest.raises(DeviceFault, match="DO0 is open, closed was ordered"):
            await driver.write({"DO0": True})

    watched(Fault(device="io-01", channel="DO0", fault="stuck-closed"), test=closed, device="io-01")
    watched(Fault(device="io-01", channel="DO0", fault="stuck-open"), test=opened_again, device="io-01")


def test_a_broken_sensor_shows_nothing_and_a_drifting_one_too_much() -> None:
    async def test(driver: Any) -> None:
        await asyncio.sleep(3600.0)
        shown = (await driver.read()).temperature_degc
        assert np.isnan(shown[0])
        assert list(shown[1:]) == pytest.approx([25.0, 23.0, 23.0], abs=0.01)

    faults = (
        Fault(device="tc-01", channel="1", fault="sensor-break", from_s=60.0),
        Fault(device="tc-01", channel="2", fault="drift", numbers={"offset_per_s": 2.0 / 3600.0}),
    )
    watched(*faults, test=test, device="tc-01", channels="4")


def test_a_fault_at_a_rate_recurs_and_the_same_for_a_seed() -> None:
    def broken(rate_per_h: float) -> list[bool]:
        found: list[bool] = []

        async def test(driver: Any) -> None:
            for _ in range(1000):
                await asyncio.sleep(10.0)
                found.append(bool(np.isnan((await driver.read()).temperature_degc[0])))

        fault = Fault(device="tc-01", channel="1", fault="nan", rate_per_s=rate_per_h / 3600.0)
        watched(fault, test=test, device="tc-01")
        return found

    assert broken(6.0) == broken(6.0)
    assert 0.03 < np.mean(broken(6.0)) < 0.2  # a minute each
    assert not any(broken(1e-6))


def test_a_chamber_whose_order_is_not_applied_says_so() -> None:
    async def test(driver: Any) -> None:
        with pytest.raises(DeviceFault, match="its set value is 23 degC, 45 degC was ordered"):
            await driver.set_target(temperature_degc=45.0, rate_k_per_min=None)

    watched(Fault(device="ch-01", fault="not-applied"), test=test, device="ch-01")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(device="cyc-09", fault="nan"), "nan: the rack has no device 'cyc-09': did you mean 'cyc-01'"),
        (Fault(device="cyc-01", fault="crc"), "cyc-01: crc: this fault is not simulated on it: possible are drift, "),
        (
            Fault(device="cyc-01", fault="frzen"),
            "cyc-01: frzen: this fault is not simulated on it: did you mean 'frozen'",
        ),
        (Fault(device="tc-01", fault="restart"), "tc-01: restart: this fault is not simulated on it"),
        (Fault(device="cyc-01", channel="9", fault="nan"), "no position of the rack uses its channel 9"),
        (Fault(device="cyc-01", channel="1", fault="no-reply"), "it strikes the whole device: write cyc-01"),
        (Fault(device="io-01", fault="stuck-closed"), "name the contactor, like io-01/DO0"),
        (Fault(device="cyc-01", fault="nan", numbers={"factor": 2.0}), "takes no numbers, not factor"),
        (Fault(device="cyc-01", fault="drift", numbers={"factor": 2.0}), "takes only offset_per_s, gain_per_s"),
        (Fault(device="cyc-01", fault="nan", probability=-0.1), "a probability of -0.1 cannot be"),
        (
            Fault(device="io-01", channel="DO0", fault="pressure-loss"),
            "pressure-loss: name a bay's press: no bay has one",
        ),
        (Fault(device="io-01", fault="pressure-loss"), "pressure-loss: name a bay's press"),
        (Fault(device="cyc-01", fault="pressure-loss"), "cyc-01: pressure-loss: this fault is not simulated on it"),
        (Fault(device="cyc-01", fault="clock-step"), "it strikes the PC and no device of the rack: leave `device` out"),
        (
            Fault(device="", fault="clock-step", numbers={"over_s": 1.0}),
            "the PC: clock-step: takes only step_s, not over_s",
        ),
        (Fault(device="", fault="clock-step", probability=2.0), "the PC: clock-step: a probability of 2 cannot be"),
    ],
)
def test_a_fault_that_cannot_be_is_refused(fault: Fault, message: str) -> None:
    with pytest.raises(WorldError, match=message):
        world(fault)


PSB = SimulatedDevice(
    device="psb-01",
    driver="ea_psb",
    resource=Resource.parse(f"modbus-tcp://127.0.0.1:{free_port()}?scpi={free_port()}"),
    channels=(ONE,),
)
PSB_ON_A_LINE = replace(PSB, resource=Resource.parse("modbus-rtu:///dev/ttyUSB0?unit=0"))


def behind_a_wire(
    fault: Fault, *, wire: Literal["memory", "loopback"] = "memory", device: SimulatedDevice = PSB
) -> SimulatedWorld:
    rack = Rack(rack="R1", purpose="production", bays={})
    return open_world(WorldDeclaration(cells={}, faults=(fault,)), rack, (device,), wire=wire)


async def says(question: str, *, within_s: float) -> str:
    """`nothing`, `nobody` or `reset` where no answer comes."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(PSB.resource.query["scpi"]))
    except ConnectionRefusedError:
        return "nobody"
    writer.write(f"{question}\n".encode())
    try:
        async with asyncio.timeout(within_s):
            return (await reader.readline()).decode("latin-1").strip()
    except TimeoutError:
        return "nothing"
    except ConnectionResetError:
        return "reset"
    finally:
        writer.close()


@pytest.mark.parametrize("wire", ["memory", "loopback"])
@pytest.mark.parametrize(
    ("fault", "numbers", "said"),
    [
        ("no-reply", {}, "nothing"),
        ("late", {}, "nothing"),
        ("late", {"delay_s": 0.3}, "NONE"),
        ("refused", {}, "nobody"),
        ("reset", {}, "reset"),
        ("byte-by-byte", {}, "NONE"),
        ("exception", {}, "nothing"),
        ("restart", {}, "nothing"),
    ],
)
def test_what_a_wire_suffers_is_declared_in_the_world(
    wire: Literal["memory", "loopback"], fault: str, numbers: dict[str, float], said: str
) -> None:
    declared = Fault(device="psb-01", fault=fault, numbers=numbers, from_s=10.0, for_s=3.0)
    built = behind_a_wire(declared, wire=wire)

    async def main() -> None:
        await built.start()
        await asyncio.sleep(9.0)
        assert await says("SYST:LOCK:OWN?", within_s=0.5) == "NONE"
        await asyncio.sleep(1.1)
        assert await says("SYST:LOCK:OWN?", within_s=0.5) == said
        await asyncio.sleep(3.0)
        assert await says("SYST:LOCK:OWN?", within_s=0.5) == "NONE"
        await built.aclose()

    built.run(main())


@pytest.mark.parametrize(
    ("fault", "device", "message"),
    [
        ("crc", PSB, "psb-01: crc: this fault is not simulated on it: possible are byte-by-byte, "),
        ("reset", PSB_ON_A_LINE, "psb-01: reset: this fault is not simulated on it: possible are byte-by-byte, crc, "),
        ("tuncated", PSB, "psb-01: tuncated: this fault is not simulated on it: did you mean 'truncated'"),
        ("sensor-break", PSB, "psb-01: sensor-break: this fault is not simulated on it"),
    ],
)
def test_what_a_wire_cannot_suffer_is_refused(fault: str, device: SimulatedDevice, message: str) -> None:
    with pytest.raises(WorldError, match=message):
        behind_a_wire(Fault(device="psb-01", fault=fault), device=device)


def test_a_reply_before_its_question_is_refused() -> None:
    with pytest.raises(WorldError, match="nothing is answered before it is asked"):
        behind_a_wire(Fault(device="psb-01", fault="late", numbers={"delay_s": -1.0}))


def test_an_off_may_be_ignored_once_and_obeyed_then() -> None:
    async def test(driver: SimCycler) -> None:
        await charge(driver)
        with pytest.raises(DeviceFault, match="still on"):
            await driver.make_safe([ONE])
        await driver.make_safe([ONE])
        assert (await reading(driver)).regulation == "off"

    watched(Fault(device="cyc-01", fault="off-ignored", numbers={"times": 1}), test=test)
