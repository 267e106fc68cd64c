"""What the in-process devices do beyond the contract: options, ends and limits of their own, errors of measurement."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycler.contract.capabilities import Capabilities
from cycler.contract.errors import DeviceFault
from cycler.contract.order import Applied, DeviceEnd, DeviceLimits, Order, Phase
from cycler.contract.plugin import DeviceSettings, Resource, Surroundings
from cycler.contract.sweep import ChannelId, Reading
from sims.devices.cycler import SimCycler, open_cycler
from sims.devices.cycler_hardware import BEAT_S, CyclerHardware
from sims.devices.digital_io import open_io
from sims.devices.metrology import Metrology, TypicalMetrology, round_down, round_up
from sims.devices.temperature import open_temperature
from sims.loop import run_virtual
from sims.terminal import Column
from sims.testing.bench import BenchWorld

ONE = ChannelId("1")
CHARGE = Phase(direction="charge", current_a=1.0, voltage_v=4.2)
DISCHARGE = Phase(direction="discharge", current_a=1.0, voltage_v=2.8)
PERFECT = {"channels": "1", "errors": "none"}
AUTONOMOUS = {**PERFECT, "autonomous": "true", "counter": "true"}


def settings(options: Mapping[str, str]) -> DeviceSettings:
    return DeviceSettings(device="dut", resource=Resource.parse("sim:cells"), options=options)


def surroundings(world: object) -> Surroundings:
    return Surroundings(utcnow=lambda: datetime(2026, 1, 1, tzinfo=UTC), world=world)


def run_on_bench(
    scenario: Callable[[SimCycler, BenchWorld], Awaitable[None]], options: Mapping[str, str] = PERFECT
) -> None:
    async def main() -> None:
        world = BenchWorld()
        driver = open_cycler(settings(options), surroundings(world))
        await driver.connect()
        await driver.commission()
        await scenario(driver, world)
        await driver.aclose()

    run_virtual(main())


def ending(phase: Phase, quantity: str, relation: str, value: float) -> Phase:
    end = DeviceEnd(quantity=quantity, relation=relation, value=value)  # type: ignore[arg-type]
    return Phase(direction=phase.direction, current_a=phase.current_a, voltage_v=phase.voltage_v, ends=(end,))


async def apply(driver: SimCycler, *phases: Phase, limits: DeviceLimits | None = None, **more: float) -> object:
    order = Order(order_id=1, phases=phases, limits=limits or DeviceLimits(), **more)  # type: ignore[arg-type]
    return (await driver.apply({ONE: order}))[ONE]


async def reading(driver: SimCycler) -> Reading:
    return (await driver.read())[0][ONE]


async def seconds_until_open(driver: SimCycler, world: BenchWorld, *, polls: bool) -> float:
    begin_s = asyncio.get_running_loop().time()
    while world.cell("dut", "1").supply.on:
        await asyncio.sleep(0.05)
        if polls:
            await driver.read()
    return asyncio.get_running_loop().time() - begin_s


@pytest.mark.parametrize(
    ("phase", "seconds"),
    [
        (ending(CHARGE, "voltage_v", ">=", 3.62), 10.0),  # 3.5 V + 1 A x 20 mOhm, then 10 mV/s
        (ending(DISCHARGE, "voltage_v", "<=", 3.38), 10.0),
        (ending(CHARGE, "charge_ah", ">=", 30.0 / 3600.0), 30.0),
        (ending(CHARGE, "time_s", ">=", 12.5), 12.5),
        (ending(Phase(direction="charge", current_a=1.0, voltage_v=3.52), "current_a", "<=", 0.5), 1.4),  # 2 s x ln 2
    ],
)
def test_an_autonomous_device_ends_a_phase_by_itself(phase: Phase, seconds: float) -> None:
    async def scenario(driver: SimCycler, world: BenchWorld) -> None:
        assert isinstance(await apply(driver, phase), Applied)
        took_s = await seconds_until_open(driver, world, polls=False)
        assert seconds - 0.1 <= took_s <= seconds + BEAT_S + 0.1
        assert (await reading(driver)).order_id == 0

    run_on_bench(scenario, AUTONOMOUS)


@pytest.mark.parametrize(
    ("limits", "alarm", "seconds"),
    [
        (DeviceLimits(voltage_v_max=3.57), "over_voltage", 5.0),
        (DeviceLimits(voltage_v_min=3.6), "under_voltage", 0.0),
        (DeviceLimits(charge_current_a_max=0.9), "over_current", 0.0),
        (DeviceLimits(charge_ah_max=7.0 / 3600.0), "over_charge", 7.0),
        (DeviceLimits(time_s_max=3.0), "time", 3.0),
    ],
)
def test_a_limit_switches_off_and_leaves_an_alarm_that_bars_further_orders(
    limits: DeviceLimits, alarm: str, seconds: float
) -> None:
    async def scenario(driver: SimCycler, world: BenchWorld) -> None:
        answer = await apply(driver, CHARGE, limits=limits)
        assert isinstance(answer, Applied)
        assert answer.limits == limits
        assert seconds <= await seconds_until_open(driver, world, polls=True) + 1e-6 <= seconds + 0.2
        barred = await apply(driver, CHARGE)
        assert isinstance(barred, DeviceFault)
        assert alarm in barred.detail
        await driver.acknowledge([ONE])
        assert isinstance(await apply(driver, CHARGE), Applied)

    run_on_bench(scenario)


def test_a_power_limit_holds_the_power_and_is_reported_as_a_limit() -> None:
    async def scenario(driver: SimCycler, world: BenchWorld) -> None:
        await apply(driver, CHARGE, limits=DeviceLimits(power_w_max=1.75))
        supply = world.cell("dut", "1").supply
        assert supply.source_power_w == 1.75

    run_on_bench(scenario)


def test_the_dead_man_of_an_order_stands_in_for_the_watchdog() -> None:
    async def scenario(driver: SimCycler, world: BenchWorld) -> None:
        for dead_man_s in (0.5, 7.0):
            await apply(driver, CHARGE, dead_man_s=dead_man_s)
            assert await seconds_until_open(driver, world, polls=False) == pytest.approx(dead_man_s, abs=0.06)

    run_on_bench(scenario)


@pytest.mark.parametrize(
    "phases",
    [
        (CHARGE, DISCHARGE),  # the first never ends
        (ending(CHARGE, "voltage_v", "<=", 3.0),),
        (ending(CHARGE, "current_a", ">=", 0.5),),
        (ending(Phase(direction="rest"), "voltage_v", ">=", 3.0),),
        (Phase(direction="charge", current_a=1.0, voltage_v=4.2, resistance_ohm=3.0),),
        (Phase(direction="discharge", current_a=1.0, voltage_v=2.8, resistance_ohm=0.0),),
        (Phase(direction="discharge", current_a=1.0, voltage_v=2.8, resistance_ohm=3.0, power_w=2.0),),
        (Phase(direction="charge", current_a=1.0, voltage_v=4.2, power_w=1e6),),
    ],
)
def test_what_the_device_cannot_do_is_refused(phases: tuple[Phase, ...]) -> None:
    async def scenario(driver: SimCycler, world: BenchWorld) -> None:
        assert isinstance(await apply(driver, *phases), DeviceFault)
        assert not world.cell("dut", "1").supply.on

    run_on_bench(scenario, AUTONOMOUS)


def test_a_set_point_device_has_no_ends_but_time() -> None:
    async def scenario(driver: SimCycler, world: BenchWorld) -> None:
        assert isinstance(await apply(driver, ending(CHARGE, "voltage_v", ">=", 4.0)), DeviceFault)

    run_on_bench(scenario)


def test_a_current_below_the_resolution_is_refused_by_name() -> None:
    async def scenario(driver: SimCycler, world: BenchWorld) -> None:
        refused = await apply(driver, Phase(direction="charge", current_a=1e-5, voltage_v=4.2))
        assert isinstance(refused, DeviceFault)
        assert "resolution" in refused.detail

    run_on_bench(scenario, {"channels": "1"})


def test_a_perfect_counter_shows_what_has_really_flowed() -> None:
    async def scenario(driver: SimCycler, world: BenchWorld) -> None:
        await apply(driver, Phase(direction="charge", current_a=1.0, voltage_v=3.6))
        await asyncio.sleep(100.0)
        truth, shown = world.cell("dut", "1").measure(), await reading(driver)
        assert shown.charged_ah == truth.charged_ah > 0.0
        assert shown.voltage_v == truth.voltage_v

    run_on_bench(scenario, AUTONOMOUS)


def shown(metrology: Metrology, voltage_v: Column, current_a: Column) -> Column:
    readings = np.array([voltage_v, current_a])
    metrology.show(readings)
    return readings


def test_noise_is_new_with_every_reading_and_differs_by_channel() -> None:
    declared = capabilities({"channels": "8"}).range
    metrology = TypicalMetrology(declared, 8, np.random.default_rng(3))
    seen = np.array([shown(metrology, np.full(8, 3.7), np.ones(8)) for _ in range(2000)])
    noise = seen - seen.mean(axis=0)
    assert noise[:, 0].std(axis=0) == pytest.approx(np.full(8, declared.voltage_noise_v), rel=0.1)
    assert abs(np.corrcoef(noise[:, 0].T) - np.eye(8)).max() < 0.15
    assert abs(np.corrcoef(noise[1:, 0, 0], noise[:-1, 0, 0])[0, 1]) < 0.1
    assert abs(np.corrcoef(noise[:, 0, 0], noise[:, 1, 0])[0, 1]) < 0.1


def test_typical_errors_stay_within_what_is_declared_and_differ_by_channel() -> None:
    declared = capabilities({"channels": "64"}).range
    metrology = TypicalMetrology(declared, 64, np.random.default_rng(1))
    seen = np.array([shown(metrology, np.full(64, declared.voltage_v_max), np.zeros(64))[0] for _ in range(200)])
    errors = np.abs(seen.mean(axis=0) - declared.voltage_v_max)
    assert errors.max() <= declared.voltage_accuracy_v + declared.voltage_resolution_v
    assert errors.std() > 0.1 * declared.voltage_accuracy_v


@given(row=st.integers(0, 3), value=st.floats(0.0, 5.0))
def test_what_flows_when_the_instrument_shows_a_value_is_shown_as_that_value(row: int, value: float) -> None:
    declared = capabilities({"channels": "4"}).range
    metrology = TypicalMetrology(declared, 4, np.random.default_rng(2))
    seen = float(shown(metrology, np.zeros(4), np.full(4, metrology.true_current_a(row, value)))[1, row])
    noise_a = 6.0 * 0.0001 * declared.charge_current_a_max
    assert seen == pytest.approx(value, abs=noise_a + declared.current_resolution_a)


@given(value=st.floats(0.0, 100.0), resolution=st.floats(1e-6, 1.0))
def test_rounding_goes_to_the_safe_side_by_less_than_a_step(value: float, resolution: float) -> None:
    slack = 1e-6 * resolution
    assert value - resolution - slack <= round_down(value, resolution) <= value
    assert value <= round_up(value, resolution) <= value + resolution + slack


def capabilities(options: Mapping[str, str]) -> Capabilities:
    return open_cycler(settings(options), surroundings(BenchWorld())).capabilities


def test_ratings_and_accuracies_are_those_of_the_rack_file() -> None:
    given = DeviceSettings(
        device="dut",
        resource=Resource.parse("sim:cells"),
        voltage_accuracy_v=0.01,
        rated_voltage_v=6.0,
        rated_current_a=7.5,
    )
    declared = open_cycler(given, surroundings(BenchWorld())).capabilities.range
    assert (declared.voltage_v_max, declared.charge_current_a_max, declared.power_w_max) == (6.0, 7.5, 45.0)
    assert declared.voltage_accuracy_v == 0.01
    assert declared.current_accuracy_a == pytest.approx(0.0002 * 7.5)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"channel": "4"}, "unknown option 'channel'"),
        ({"channels": "0"}, "channels"),
        ({"channels": "9999999"}, "channels"),
        ({"channels": "x"}, "channels"),
        ({"errors": "some"}, "errors"),
        ({"counter": "yes"}, "counter"),
    ],
)
def test_options_that_cannot_be_are_refused_by_name(options: Mapping[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        open_cycler(settings(options), surroundings(BenchWorld()))


@pytest.mark.parametrize("opens", [open_cycler, open_temperature, open_io])
def test_outside_a_simulation_an_in_process_device_is_refused(opens: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match="only inside a simulation"):
        opens(settings({}), surroundings(None))


def test_one_id_is_one_device_of_one_kind() -> None:
    world = BenchWorld()
    open_cycler(settings(PERFECT), surroundings(world))
    device = world.instruments["dut"]
    open_cycler(settings(PERFECT), surroundings(world))
    assert world.instruments["dut"] is device
    assert isinstance(device, CyclerHardware)
    with pytest.raises(ValueError, match="already there"):
        open_io(settings({}), surroundings(world))


def test_lines_are_named_in_the_options_and_move_the_worlds_contactors() -> None:
    async def main() -> None:
        world = BenchWorld()
        driver = open_io(settings({"outputs": "K1, K2", "inputs": "estop"}), surroundings(world))
        await driver.connect()
        assert driver.capabilities.outputs == ("K1", "K2")
        assert (await driver.read()).inputs == {"estop": True}
        await driver.write({"K2": True})
        assert world.contactors == {("dut", "K2"): True}
        await driver.aclose()

    run_virtual(main())
