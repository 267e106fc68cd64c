"""A declared world: its cells, defects, contactors and clamps, and that a seed says it all."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from world_bench import CELL_TYPE, CHARGE, HOUR_S, at, cells_of, rack, run, world

from cycler.contract.plugin import Resource
from cycler.contract.sweep import ChannelId
from cycler.contract.world import SimulatedDevice, World
from cycler.model.cell_type import SimulationNames
from cycler.model.world import Defect, WorldDeclaration
from sims.loop import LeftBehind
from sims.terminal import Supply
from sims.world import SimulatedWorld, open_world


def voltages(built: SimulatedWorld) -> list[float]:
    found: list[float] = []

    async def test() -> None:
        for n in range(1, 5):
            built.terminal("cyc-01", f"{n}").drive(CHARGE)
        await asyncio.sleep(600)
        found.extend(built.truth(at(f"A{n}")).voltage_v for n in range(1, 5))

    run(built, test)
    return found


def test_it_is_what_the_contract_calls_a_world() -> None:
    built: World = world()

    async def test() -> None:
        await asyncio.sleep(1.5)
        assert built.utcnow() == datetime(2026, 1, 1, 0, 0, 1, 500000, tzinfo=UTC)

    built.run(test())


def test_physics_is_brought_up_to_the_present_by_whoever_looks() -> None:
    built = world(ideal=True)

    async def test() -> None:
        clamps = built.terminal("cyc-01", "1")
        clamps.drive(CHARGE)
        await asyncio.sleep(HOUR_S / 2)
        assert clamps.measure().charged_ah == pytest.approx(1.25)
        truth = built.truth(at("A1"))
        assert truth.soc == pytest.approx(0.30 + 1.25 / 5.0, abs=0.002)
        assert truth.is_energised
        clamps.drive(Supply())
        assert clamps.measure().current_a == 0.0
        assert not built.truth(at("A1")).is_energised

    run(built, test)


def test_equal_seeds_make_equal_worlds_and_other_seeds_others() -> None:
    assert voltages(world(seed=5)) == voltages(world(seed=5))
    assert voltages(world(seed=5)) != voltages(world(seed=6))


def test_one_more_cell_changes_no_other() -> None:
    few, many = world(positions=2), world(positions=4)
    for built in (few, many):
        built.run(asyncio.sleep(0))
    for place in ("A1", "A2"):
        assert few.truth(at(place)) == many.truth(at(place))


def test_cells_of_a_good_line_differ_a_little_and_ideal_ones_do_not() -> None:
    def drops(built: SimulatedWorld) -> list[float]:
        found: list[float] = []

        async def test() -> None:
            clamps = built.bank("cyc-01", [f"{n}" for n in range(1, 41)])
            rested_v = clamps.measure().voltage_v
            for row in range(40):
                clamps.drive(row, CHARGE)
            found.extend((clamps.measure().voltage_v - rested_v).tolist())

        run(built, test)
        return found

    real = drops(world(positions=40))
    assert 0.005 < np.std(real) / np.mean(real) < 0.04
    assert len(set(drops(world(positions=40, ideal=True)))) == 1


def test_a_low_capacity_cell_moves_its_charge_state_faster() -> None:
    built = world(Defect(at="B01/A2", defect="low-capacity", numbers={"factor": 0.8}), ideal=True)

    async def test() -> None:
        clamps = built.bank("cyc-01", ["1", "2"])
        clamps.drive(0, CHARGE)
        clamps.drive(1, CHARGE)
        await asyncio.sleep(HOUR_S / 2)
        moved = [built.truth(at(place)).soc - 0.30 for place in ("A1", "A2")]
        assert moved[1] / moved[0] == pytest.approx(1 / 0.8, abs=1e-3)

    run(built, test)


def test_a_high_resistance_cell_drops_more() -> None:
    built = world(Defect(at="B01/A2", defect="high-resistance", numbers={"factor": 2.0}), ideal=True)

    async def test() -> None:
        clamps = built.bank("cyc-01", ["1", "2"])
        rested_v = clamps.measure().voltage_v
        for row in (0, 1):
            clamps.drive(row, Supply(on=True, voltage_v=4.2, source_current_a=0.05))
        drop_v = clamps.measure().voltage_v - rested_v
        assert drop_v[1] / drop_v[0] == pytest.approx(2.0, rel=0.01)

    run(built, test)


def test_a_micro_short_begins_when_it_is_declared_to() -> None:
    defect = Defect(at="B01/A1", defect="micro-short", numbers={"resistance_ohm": 100.0}, from_s=3 * HOUR_S)
    built = world(defect, ideal=True)

    async def test() -> None:
        await asyncio.sleep(3 * HOUR_S)
        assert built.truth(at("A1")).soc == pytest.approx(built.truth(at("A2")).soc, abs=1e-12)
        await asyncio.sleep(10 * HOUR_S)
        lost_ah = (built.truth(at("A2")).soc - built.truth(at("A1")).soc) * 5.0
        assert lost_ah == pytest.approx(10 * 3.55 / 100, rel=0.02)

    run(built, test)


def test_a_missing_cell_takes_no_current_and_its_sensor_sees_the_air() -> None:
    built = world(Defect(at="B01/A1", defect="missing"))

    async def test() -> None:
        clamps = built.terminal("cyc-01", "1")
        clamps.drive(CHARGE)
        await asyncio.sleep(60)
        assert (clamps.measure().voltage_v, clamps.measure().current_a) == (4.2, 0.0)
        assert built.thermometers("tc-01", ["1"])()[0] == pytest.approx(23.0)

    run(built, test)


def test_a_defect_of_a_bay_strikes_its_share_of_cells_the_same_for_a_seed() -> None:
    defect = Defect(at="B01", defect="missing", probability=0.25)

    def struck(seed: int) -> list[int]:
        built = world(defect, positions=80, seed=seed)
        found: list[int] = []

        async def test() -> None:
            clamps = built.bank("cyc-01", [f"{n}" for n in range(1, 81)])
            found.extend(np.flatnonzero(clamps.measure().voltage_v < 1.0).tolist())

        run(built, test)
        return found

    assert struck(1) == struck(1) != struck(2)
    assert 8 <= len(struck(1)) <= 35


def test_contactors_start_open_and_close_the_path_of_all_their_cells() -> None:
    built = world(contactor=True)

    async def test() -> None:
        clamps = built.bank("cyc-01", ["1", "2", "3", "4"])
        for row in range(4):
            clamps.drive(row, CHARGE)
        assert clamps.measure().current_a.tolist() == [0.0] * 4
        built.set_contactor("io-01", "DO0", True)
        await asyncio.sleep(1)
        assert clamps.measure().current_a.tolist() == [2.5] * 4
        built.set_contactor("io-01", "lamp", False)
        assert clamps.measure().current_a.tolist() == [2.5] * 4
        built.set_contactor("io-01", "DO0", False)
        assert clamps.measure().current_a.tolist() == [0.0] * 4

    run(built, test)


def test_sensors_follow_their_cells_and_those_that_see_nothing_say_so() -> None:
    built = world()

    async def test() -> None:
        look = built.thermometers("tc-01", ["2", "1", "99"])
        assert look()[:2].tolist() == pytest.approx([23.0, 23.0])
        built.terminal("cyc-01", "1").drive(CHARGE)
        await asyncio.sleep(1200)
        cool_degc, warm_degc, nothing = look()
        assert warm_degc > cool_degc + 1.0
        assert warm_degc == pytest.approx(built.truth(at("A1")).temperature_degc, abs=0.2)
        assert warm_degc == pytest.approx(built.cell_temperature_degc(at("A1")), abs=0.2)
        assert np.isnan(nothing)

    run(built, test)


def test_a_channel_that_the_rack_wires_to_nothing_has_open_clamps() -> None:
    built = world()

    async def test() -> None:
        clamps = built.bank("cyc-01", ["7", "2", "8"])
        for row in range(3):
            clamps.drive(row, CHARGE)
        await asyncio.sleep(1)
        assert clamps.measure().current_a.tolist() == [0.0, 2.5, 0.0]
        assert clamps.measure().voltage_v[[0, 2]].tolist() == [4.2, 4.2]
        assert built.terminal("cyc-01", "7").measure().voltage_v == 4.2

    run(built, test)


def test_generators_are_equal_for_equal_names_only() -> None:
    built = world()
    assert built.rng("cyc-01").random() == built.rng("cyc-01").random()
    assert built.rng("cyc-01").random() != built.rng("cyc-02").random()
    assert built.rng("cyc-01").random() != world(seed=2).rng("cyc-01").random()


def test_what_is_left_running_fails_the_worlds_run() -> None:
    kept: list[asyncio.Task[None]] = []

    async def main() -> None:
        kept.append(asyncio.create_task(asyncio.sleep(99)))

    with pytest.raises(LeftBehind):
        world().run(main())


@pytest.mark.parametrize(
    ("simulation", "message"),
    [
        (SimulationNames(ocv="ocv_nmc811_grafite"), "ocv_nmc811_graphite"),
        (SimulationNames(state="formed at 30"), "no state"),
        (SimulationNames(state="formed@130%"), "no state"),
        (SimulationNames(state="filled@0%"), "no charge yet"),
    ],
)
def test_a_cell_that_cannot_be_simulated_is_refused(simulation: SimulationNames, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        world(cell_type=replace(CELL_TYPE, simulation=simulation))


def test_a_cell_where_the_rack_has_no_position_is_refused() -> None:
    with pytest.raises(ValueError, match="B01/A5"):
        open_world(WorldDeclaration(cells=cells_of(rack(5))), rack(4), (), wire="memory")


def test_a_device_that_nothing_simulates_is_refused() -> None:
    device = SimulatedDevice(
        device="x-01",
        driver="no_such_driver",
        resource=Resource.parse("modbus-tcp://127.0.0.1:1502"),
        channels=(ChannelId("1"),),
    )
    with pytest.raises(ValueError, match="x-01: there is no simulator"):
        open_world(WorldDeclaration(cells={}), rack(1), (device,), wire="memory")
