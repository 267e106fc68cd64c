"""Each declared defect does to a cell, its contacts and its wires what the field knows of it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from world_bench import CELL_TYPE, CHARGE, DISCHARGE, HOUR_S, at, run, world

from cycler.model.cell_type import SimulationNames
from cycler.model.world import Defect, Fault, SimulatedCell, WorldError
from sims.cells.wiring import LEAD_DROP_V_MAX
from sims.terminal import BankReading, Supply
from sims.world import SimulatedWorld

LFP = replace(CELL_TYPE, name="lfp", simulation=SimulationNames(ocv="ocv_lfp_graphite"))


def defect(name: str, place: str = "A1", **more: object) -> Defect:
    return Defect(at=place if place.startswith("B") else f"B01/{place}", defect=name, **more)  # type: ignore[arg-type]


def shown(built: SimulatedWorld) -> BankReading:
    return built.bank("cyc-01", ["1", "2", "3", "4"]).measure()


def drive(built: SimulatedWorld, supply: Supply, *rows: int) -> None:
    clamps = built.bank("cyc-01", ["1", "2", "3", "4"])
    for row in rows or range(4):
        clamps.drive(row, supply)


async def charged(built: SimulatedWorld, for_s: float, *rows: int, step_s: float = 10.0) -> None:
    """As an instrument would: looked at all the while."""
    drive(built, CHARGE, *rows)
    for _ in range(round(for_s / step_s)):
        await asyncio.sleep(step_s)
        shown(built)


# sense


@pytest.mark.parametrize("reading_v", [0.0, 2.0])
def test_a_charge_against_an_open_sense_overcharges_the_cell_and_the_reading_does_not_move(reading_v: float) -> None:
    built = world(defect("open-sense", numbers={"voltage_v": reading_v}), ideal=True, state="formed@95%")

    async def test() -> None:
        await charged(built, HOUR_S)
        seen = shown(built)
        assert seen.voltage_v[0] == reading_v
        assert seen.output_v[0] > built.truth(at("A1")).voltage_v > 4.4
        assert built.truth(at("A1")).voltage_v <= 4.2 + LEAD_DROP_V_MAX + 0.01
        assert built.truth(at("A2")).voltage_v == pytest.approx(4.2, abs=0.002)
        assert built.truth(at("A1")).soc > 1.1

    run(built, test)


def test_an_open_sense_at_full_scale_lets_no_charge_flow_and_a_discharge_never_end() -> None:
    built = world(defect("open-sense", numbers={"voltage_v": 5.0}), ideal=True)

    async def test() -> None:
        drive(built, CHARGE)
        await asyncio.sleep(60)
        assert shown(built).current_a.tolist() == [0.0, 2.5, 2.5, 2.5]
        drive(built, DISCHARGE)
        for _ in range(600):
            await asyncio.sleep(10)
            shown(built)
        assert shown(built).voltage_v[0] == 5.0
        assert built.truth(at("A1")).voltage_v < 2.0
        assert built.truth(at("A2")).voltage_v > 2.79

    run(built, test)


def test_a_drifting_sense_leaves_the_cell_behind() -> None:
    built = world(defect("drifting-sense", from_s=60.0, numbers={"drift_v_per_s": -0.02}), ideal=True)

    async def test() -> None:
        await asyncio.sleep(60)
        before_v = float(shown(built).voltage_v[1])
        assert shown(built).voltage_v[0] == pytest.approx(before_v, abs=1e-6)
        await asyncio.sleep(50)
        assert shown(built).voltage_v[0] == pytest.approx(before_v - 1.0, abs=1e-6)
        await asyncio.sleep(500)
        assert shown(built).voltage_v[0] == 0.0
        assert built.truth(at("A1")).voltage_v == pytest.approx(before_v, abs=1e-3)

    run(built, test)


def test_with_crossed_sense_wires_each_supply_follows_the_others_cell() -> None:
    fuller = SimulatedCell(cell_type=CELL_TYPE, state="formed@90%")
    built = world(defect("crossed-sense"), defect("wrong-chemistry", "A2", cell=fuller), ideal=True)

    async def test() -> None:
        rested_v = [built.truth(at(place)).voltage_v for place in ("A1", "A2")]
        assert shown(built).voltage_v[:2].tolist() == rested_v[::-1]
        drive(built, CHARGE, 0)
        await asyncio.sleep(1)
        moved_v = [built.truth(at(place)).voltage_v for place in ("A1", "A2")]
        assert moved_v[0] > rested_v[0] + 0.01 and moved_v[1] == pytest.approx(rested_v[1], abs=1e-6)
        assert shown(built).voltage_v[1] == moved_v[0]  # an idle position answers
        await charged(built, HOUR_S, 0, 1)
        assert built.truth(at("A2")).voltage_v > 4.25  # nobody saw it getting full
        assert built.truth(at("A1")).voltage_v < 4.1

    run(built, test)


def test_wires_can_cross_on_one_device_only() -> None:
    with pytest.raises(WorldError, match="B01/A1: crossed-sense: B02/A1 is on another device"):
        world(defect("crossed-sense", other="B02/A1"), bays=2)


# contacts


def test_a_bad_contact_shows_between_output_and_sense_and_warms_the_cell() -> None:
    built = world(defect("bad-contact", numbers={"resistance_ohm": 0.1}), ideal=True)

    async def test() -> None:
        await charged(built, HOUR_S)
        seen = shown(built)
        drop_v = seen.output_v - seen.voltage_v
        assert drop_v[0] - drop_v[1] == pytest.approx(0.25, abs=1e-3)
        assert seen.current_a[0] == seen.current_a[1]
        warm = [built.truth(at(place)).temperature_degc for place in ("A1", "A4")]
        assert warm[0] > warm[1] + 2.0

    run(built, test)


def test_a_contact_that_hardly_conducts_starves_the_current_while_the_sense_stays_at_rest() -> None:
    built = world(defect("bad-contact", numbers={"resistance_ohm": 10.0}), ideal=True)

    async def test() -> None:
        drive(built, CHARGE)
        for _ in range(30):
            await asyncio.sleep(1)
            seen = shown(built)
        rested_v = built.truth(at("A1")).voltage_v
        assert seen.current_a[0] == pytest.approx((4.2 + LEAD_DROP_V_MAX - rested_v) / 10.0, rel=0.01)
        assert seen.output_v[0] == pytest.approx(4.2 + LEAD_DROP_V_MAX, abs=0.01)
        assert seen.regulation.tolist() == [2, 1, 1, 1]  # it holds its own voltage, not the cell's

    run(built, test)


def test_an_open_contact_comes_and_goes_as_it_is_declared_to() -> None:
    built = world(defect("open-contact", from_s=100.0, for_s=50.0), contactor=True, ideal=True)

    async def test() -> None:
        built.set_contactor("io-01", "DO0", True)
        drive(built, CHARGE)
        currents_a = []
        for _ in range(4):
            await asyncio.sleep(49)
            currents_a.append(shown(built).current_a[0])
        assert currents_a == [2.5, 2.5, 0.0, 2.5]
        built.set_contactor("io-01", "DO0", False)
        assert shown(built).current_a[0] == 0.0

    run(built, test)


def test_an_intermittent_contact_opens_about_as_often_as_declared_and_the_same_for_a_seed() -> None:
    def opened(seed: int) -> list[bool]:
        built = world(defect("open-contact", rate_per_s=60 / HOUR_S, for_s=5.0), ideal=True, seed=seed)
        found: list[bool] = []

        async def test() -> None:
            drive(built, Supply(on=True, voltage_v=4.2, source_current_a=0.1))
            for _ in range(3600):
                await asyncio.sleep(1)
                found.append(shown(built).current_a[0] == 0.0)

        run(built, test)
        return found

    assert opened(1) == opened(1) != opened(2)
    assert 0.04 < np.mean(opened(1)) < 0.13


# what stands there


def test_a_reversed_cell_shows_its_voltage_upside_down_and_a_charge_empties_it() -> None:
    built = world(defect("reversed"), ideal=True)

    async def test() -> None:
        rested = shown(built).voltage_v
        assert rested[0] == pytest.approx(-rested[1], abs=1e-6)
        drive(built, CHARGE)
        await asyncio.sleep(600)
        seen = shown(built)
        assert seen.current_a[0] == 2.5
        assert seen.charged_ah[0] == pytest.approx(2.5 / 6)
        assert built.truth(at("A1")).soc < 0.30 < built.truth(at("A2")).soc
        assert seen.output_v[0] > seen.voltage_v[0]

    run(built, test)


def test_a_missing_cell_jumps_to_the_set_voltage_when_charged_and_to_nothing_when_discharged() -> None:
    built = world(defect("missing"))

    async def test() -> None:
        assert abs(shown(built).voltage_v[0]) < 0.01
        drive(built, CHARGE, 0)
        assert (shown(built).voltage_v[0], shown(built).current_a[0]) == (4.2, 0.0)
        drive(built, DISCHARGE, 0)
        assert abs(shown(built).voltage_v[0]) < 0.01

    run(built, test)


def test_an_unexpected_cell_stands_where_nothing_should() -> None:
    built = world(defect("unexpected", "A3"), empty=("A3", "A4"), ideal=True)

    async def test() -> None:
        seen = shown(built).voltage_v
        assert seen[2] == pytest.approx(seen[0], abs=1e-6)
        assert seen[3] < 0.01

    run(built, test)


def test_a_wrong_chemistry_shows_its_own_voltage() -> None:
    built = world(defect("wrong-chemistry", cell=SimulatedCell(cell_type=LFP)), ideal=True)

    async def test() -> None:
        seen = shown(built).voltage_v
        assert seen[0] == pytest.approx(3.22, abs=0.05)
        assert seen[1] > 3.45

    run(built, test)


def test_two_cells_at_one_place_take_twice_the_charge_and_resist_half() -> None:
    built = world(defect("double-loaded"), ideal=True)

    async def test() -> None:
        rested_v = shown(built).voltage_v
        drive(built, Supply(on=True, voltage_v=4.2, source_current_a=0.1))
        drop_v = shown(built).voltage_v - rested_v
        assert drop_v[0] / drop_v[1] == pytest.approx(0.5, rel=0.01)
        drive(built, CHARGE)
        await asyncio.sleep(HOUR_S / 2)
        moved = [built.truth(at(place)).soc - 0.30 for place in ("A1", "A2")]
        assert moved[0] / moved[1] == pytest.approx(0.5, rel=0.01)

    run(built, test)


def test_in_a_rotated_tray_each_place_holds_the_cell_of_the_opposite_one() -> None:
    def capacities(*defects: Defect) -> list[float]:
        built = world(*defects, empty=("A4",))
        found: list[float] = []

        async def test() -> None:
            drive(built, Supply(on=True, voltage_v=4.2, source_current_a=0.5))
            await asyncio.sleep(60)
            seen = shown(built)
            found.extend(np.where(seen.current_a > 0, seen.voltage_v, 0.0).tolist())

        run(built, test)
        return found

    straight, rotated = capacities(), capacities(defect("rotated-tray", "B01"))
    assert straight[3] == 0.0 and len(set(straight)) == 4
    assert rotated == pytest.approx(straight[::-1], abs=1e-4)


def test_a_sensor_on_the_wrong_cell_feels_that_ones_warmth_and_the_other_way_round() -> None:
    built = world(defect("wrong-sensor", "A1", other="B01/A4"), ideal=True)

    async def test() -> None:
        await charged(built, HOUR_S, 0)
        felt = built.thermometers("tc-01", ["1", "2", "3", "4"])()
        assert felt.argmax() == 3
        assert felt[0] < felt[3] - 0.5

    run(built, test)


# in the cell


@pytest.mark.parametrize(
    ("wrong", "look", "taken_back"),
    [
        (defect("extra-heat", for_s=HOUR_S), lambda truth: truth.temperature_degc - 23.0, True),
        (defect("micro-short", for_s=HOUR_S), lambda truth: 0.30 - truth.soc, False),
        (defect("hard-short", for_s=60.0, numbers={"resistance_ohm": 5.0}), lambda truth: 0.30 - truth.soc, False),
    ],
)
def test_what_ends_again_leaves_the_cell_as_it_then_is(
    wrong: Defect, look: Callable[[object], float], taken_back: bool
) -> None:
    built = world(wrong, ideal=True)

    async def test() -> None:
        await asyncio.sleep(HOUR_S)
        then, sound = look(built.truth(at("A1"))), look(built.truth(at("A3")))
        assert then > 10 * abs(sound)
        await asyncio.sleep(5 * HOUR_S)
        later = look(built.truth(at("A1"))) - look(built.truth(at("A3")))
        assert later == pytest.approx(0.0 if taken_back else then - sound, abs=0.02 * then)

    run(built, test)


def test_a_gassing_cell_gives_back_less_than_it_took() -> None:
    built = world(defect("gassing", numbers={"loss_ratio": 0.05}), ideal=True)

    async def test() -> None:
        await charged(built, HOUR_S)
        gained = [built.truth(at(place)).soc - 0.30 for place in ("A1", "A3")]
        assert gained[0] / gained[1] == pytest.approx(0.95, abs=0.01)

    run(built, test)


def test_nothing_is_wrong_with_the_neighbours_of_a_defect() -> None:
    def course(*defects: Defect) -> list[float]:
        built = world(*defects)
        found: list[float] = []

        async def test() -> None:
            await charged(built, 600)
            found.extend(shown(built).voltage_v[2:].tolist())

        run(built, test)
        return found

    wrong = (defect("open-sense"), defect("bad-contact", "A2", numbers={"resistance_ohm": 1.0}))
    assert course(*wrong) == pytest.approx(course(), abs=1e-3)  # a little of their warmth


# declarations


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (defect("micro-shrot"), "B01/A1: no defect 'micro-shrot' is simulated: did you mean 'micro-short'"),
        (defect("lost-subchannel"), "it has one channel only, none in parallel"),
        (Defect(at="B01/A9", defect="missing"), "no 'B01/A9': did you mean 'B01/A"),
        (defect("low-capacity", numbers={"factor": 0.9, "depth": 1.0}), "takes only factor, not depth"),
        (defect("low-capacity", numbers={"factor": 1.2}), "factor must lie between 0.01 and 1, not at 1.2"),
        (defect("micro-short", numbers={"resistance_ohm": float("nan")}), "between 20 and 1e"),
        (defect("drifting-sense", numbers={"drift_v_per_s": 0.0}), "not at 0"),
        (defect("missing", from_s=60.0), "from the beginning or not at all"),
        (defect("reversed", rate_per_s=1.0), "from the beginning or not at all"),
        (defect("missing", "B01", probability=1.5), "a probability of 1.5 cannot be"),
        (defect("wrong-chemistry"), "needs the `cell_type`"),
        (defect("missing", cell=SimulatedCell(cell_type=LFP)), "takes no `cell_type`"),
        (defect("missing", other="B01/A2"), "takes no `other` position"),
        (defect("crossed-sense", other="B01/A1"), "B01/A1 is no other position"),
        (defect("crossed-sense", "B01"), "strikes one position, like B01/A1"),
        (defect("rotated-tray"), "strikes a whole bay, like B01"),
        (defect("unexpected"), "a cell is expected there: give the position `empty: true`"),
        (defect("nonsense", "B01", probability=0.0), "nonsense"),
    ],
)
def test_a_defect_that_cannot_be_is_refused(wrong: Defect, message: str) -> None:
    with pytest.raises(WorldError, match=message):
        world(replace(wrong, line=7))


def test_a_refusal_knows_its_line() -> None:
    with pytest.raises(WorldError) as refused:
        world(Fault(device="cyc-01", fault="crc", line=9))
    assert refused.value.line == 9
