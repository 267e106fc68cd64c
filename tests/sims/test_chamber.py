"""A chamber warms and cools as chambers do, and the cells in it feel it, each other, and what happens to it."""

import asyncio
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world_bench import CHARGE, HOUR_S, at, opened, run, world

from cycler.contract.suite.scenario import commissioned_device
from cycler.model.world import Fault
from sims.air import UNEVEN_K
from sims.chamber import COOLING_K_PER_S, DEAD_S, HEATING_K_PER_S, STEP_S, Chamber
from sims.devices.chamber import open_chamber
from sims.devices.temperature import open_temperature

AMBIENT_DEGC = 23.0


def course(chamber: Chamber, *, from_s: float, for_s: float) -> list[float]:
    """The air, step by step."""
    return [chamber.air_degc(from_s + STEP_S * number) for number in range(1, round(for_s / STEP_S) + 1)]


@pytest.mark.parametrize(("target_degc", "fastest_k_per_s"), [(45.0, HEATING_K_PER_S), (5.0, COOLING_K_PER_S)])
def test_the_air_waits_then_moves_at_its_rate_then_settles(target_degc: float, fastest_k_per_s: float) -> None:
    chamber = Chamber(ambient_degc=AMBIENT_DEGC)
    chamber.hold(target_degc, None)
    air = np.array([AMBIENT_DEGC, *course(chamber, from_s=0.0, for_s=2 * HOUR_S)])
    rates = abs(np.diff(air)) / STEP_S
    assert rates[: round(DEAD_S / STEP_S)].max() == 0.0
    assert rates.max() == pytest.approx(fastest_k_per_s, rel=0.01)
    to_go_k = abs(target_degc - AMBIENT_DEGC)
    assert abs(air[round(0.5 * to_go_k / fastest_k_per_s / STEP_S)] - AMBIENT_DEGC) > 0.4 * to_go_k
    assert air[-1] == pytest.approx(target_degc, abs=0.05)
    assert abs(air - AMBIENT_DEGC).max() <= to_go_k + 0.3


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(-20.0, 80.0), st.floats(0.0, 3000.0), st.booleans(), st.booleans()), max_size=8))
def test_whatever_is_done_to_it_the_air_stays_between_what_was_asked_for_and_the_room(
    plan: list[tuple[float, float, bool, bool]],
) -> None:
    chamber = Chamber(ambient_degc=AMBIENT_DEGC)
    now_s, seen = 0.0, [AMBIENT_DEGC]
    for target_degc, for_s, door_open, failed in plan:
        chamber.hold(target_degc, None)
        chamber.door_open, chamber.cooling_failed = door_open, failed
        seen.append(target_degc)
        now_s += for_s
        assert min(seen) - 0.5 <= chamber.air_degc(now_s) <= max(seen) + 0.5


def test_an_open_door_pulls_the_air_to_the_room_within_minutes_and_the_walls_bring_it_back() -> None:
    chamber = Chamber(ambient_degc=AMBIENT_DEGC)
    chamber.hold(60.0, None)
    chamber.advance(4 * HOUR_S)
    chamber.set_fault("door-open", present=True)
    first = course(chamber, from_s=4 * HOUR_S, for_s=60.0)[-1]
    assert first < 60.0 - 0.5 * (1 - 1 / math.e) * 37.0
    opened_degc = course(chamber, from_s=4 * HOUR_S + 60.0, for_s=600.0)[-1]
    assert opened_degc < 45.0
    chamber.set_fault("door-open", present=False)
    assert course(chamber, from_s=4 * HOUR_S + 660.0, for_s=HOUR_S)[-1] == pytest.approx(60.0, abs=0.5)


def test_without_its_compressor_a_cold_chamber_warms_up_through_its_walls() -> None:
    chamber = Chamber(ambient_degc=AMBIENT_DEGC)
    chamber.hold(5.0, None)
    chamber.advance(4 * HOUR_S)
    chamber.set_fault("chamber-fail", present=True)
    after_an_hour = course(chamber, from_s=4 * HOUR_S, for_s=HOUR_S)[-1]
    assert 6.0 < after_an_hour < 15.0
    assert course(chamber, from_s=5 * HOUR_S, for_s=24 * HOUR_S)[-1] == pytest.approx(AMBIENT_DEGC, abs=0.5)


def test_with_a_broken_sensor_it_shows_nothing_and_lets_the_air_drift() -> None:
    chamber = Chamber(ambient_degc=AMBIENT_DEGC)
    chamber.hold(45.0, None)
    chamber.advance(HOUR_S)
    chamber.set_fault("sensor-break", present=True)
    assert math.isnan(chamber.shown_degc(HOUR_S + 60.0))
    assert chamber.air_degc(5 * HOUR_S) < 40.0


def test_a_chamber_whose_sensor_drifts_shows_its_set_value_while_the_air_goes_elsewhere() -> None:
    drift = Fault(device="ch-01", fault="drift", from_s=HOUR_S, numbers={"offset_per_s": 1.0 / HOUR_S})
    built = world(drift, chamber="ch-01", ideal=True)

    async def test() -> None:
        driver = await commissioned_device(opened(open_chamber, built, "ch-01"))
        await asyncio.sleep(6 * HOUR_S)
        assert (await driver.read()).air_degc == pytest.approx(AMBIENT_DEGC, abs=0.3)
        assert built.chamber("ch-01").air_degc(6 * HOUR_S) == pytest.approx(AMBIENT_DEGC - 5.0, abs=0.3)
        assert built.truth(at("A1")).temperature_degc < AMBIENT_DEGC - 4.0
        await driver.aclose()

    run(built, test)


def test_its_own_limits_stop_the_heating() -> None:
    chamber = Chamber(ambient_degc=AMBIENT_DEGC)
    chamber.hold(60.0, None)
    chamber.limits_degc = (0.0, 40.0)
    assert max(course(chamber, from_s=0.0, for_s=4 * HOUR_S)) < 42.0


def test_cells_follow_the_chamber_slowly_and_not_all_alike() -> None:
    built = world(positions=16, chamber="ch-01")

    async def test() -> None:
        driver = await commissioned_device(opened(open_chamber, built, "ch-01"))
        await driver.set_target(temperature_degc=45.0, rate_k_per_min=None)
        await asyncio.sleep(900)
        air_degc = (await driver.read()).air_degc
        assert built.cell_temperature_degc(at("A1")) < air_degc - 3.0
        await asyncio.sleep(4 * HOUR_S)
        settled = [built.truth(at(f"A{n}")).temperature_degc for n in range(1, 17)]
        assert np.mean(settled) == pytest.approx(45.0, abs=0.6)
        assert 0.3 < max(settled) - min(settled) <= 2.5 * UNEVEN_K
        await driver.aclose()

    run(built, test)


def test_two_bays_share_one_chamber_and_what_happens_to_it() -> None:
    built = world(Fault(device="ch-01", fault="door-open", from_s=3 * HOUR_S), bays=2, chamber="ch-01", ideal=True)

    async def test() -> None:
        driver = await commissioned_device(opened(open_chamber, built, "ch-01"))
        await driver.set_target(temperature_degc=45.0, rate_k_per_min=None)
        await asyncio.sleep(3 * HOUR_S - 10.0)
        warm = [built.truth(at(place)).temperature_degc for place in ("B01/A1", "B02/A4")]
        assert warm == pytest.approx([45.0, 45.0], abs=0.3)
        assert (await driver.read()).door_open is False
        await asyncio.sleep(1800.0)
        assert (await driver.read()).door_open is True
        cooled = [built.truth(at(place)).temperature_degc for place in ("B01/A1", "B02/A4")]
        assert max(cooled) < 40.0
        await driver.aclose()

    run(built, test)


def test_a_warm_cell_warms_its_neighbours_more_than_those_further_off() -> None:
    built = world(ideal=True)

    async def test() -> None:
        clamps = built.bank("cyc-01", ["1"])
        clamps.drive(0, CHARGE)
        await asyncio.sleep(HOUR_S)
        excess = [built.truth(at(f"A{n}")).temperature_degc - AMBIENT_DEGC for n in range(1, 5)]
        assert excess[0] > 1.0
        assert 0.02 * excess[0] < excess[1] < 0.2 * excess[0]
        assert excess[3] < excess[2] < 0.3 * excess[1]

    run(built, test)


def test_the_heat_of_cells_reaches_a_chamber_that_cannot_cool() -> None:
    built = world(Fault(device="ch-01", fault="chamber-fail"), positions=64, chamber="ch-01", ideal=True)

    async def test() -> None:
        clamps = built.bank("cyc-01", [f"{n}" for n in range(1, 65)])
        for row in range(64):
            clamps.drive(row, CHARGE)
        for _ in range(60):
            await asyncio.sleep(60)
            clamps.measure()
        assert built.chamber("ch-01").air_degc(HOUR_S) > AMBIENT_DEGC + 0.2

    run(built, test)


@pytest.mark.parametrize(("sensor", "accuracy_k"), [("pt100", 0.3), ("thermocouple", 1.0)])
def test_sensors_err_within_their_kind_and_show_tenths(sensor: str, accuracy_k: float) -> None:
    built = world(positions=40)

    async def test() -> None:
        driver = await commissioned_device(opened(open_temperature, built, "tc-01", channels="40", sensor=sensor))
        error_k = np.array((await driver.read()).temperature_degc) - AMBIENT_DEGC
        assert driver.capabilities.accuracy_k == accuracy_k
        assert 0.5 * accuracy_k < abs(error_k).max() <= accuracy_k
        assert error_k * 10 == pytest.approx(np.rint(error_k * 10))
        await driver.aclose()

    run(built, test)
