"""What cells do beside their circuit: hysteresis, self-discharge, shorts, wear, plating, and heat of their own."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cycler.model.world import SimulatedCell
from cycler.recipe.lookup import LIBRARY, find_cell_type
from sims.cells.bank import CellBank
from sims.cells.chemistry import Chemistry, chemistry
from sims.cells.circuit import ZERO_DEGC_K, CellPhysics, Circuits
from sims.cells.population import draw
from sims.cells.tables import circuit_table, ocv_table

HOUR_S, DAY_S = 3600.0, 86400.0
CAPACITY_AH = {"nmc811": 5.15, "lfp": 2.30, "lco": 2.47}


def cell(kind: str = "nmc811", *, soc: float = 0.5, **more: object) -> CellPhysics:
    plain = CellPhysics(
        ocv=ocv_table(f"ocv_{kind}_graphite"),
        circuit=circuit_table(f"ecm_{kind}_graphite"),
        capacity_ah=CAPACITY_AH[kind],
        soc=soc,
    )
    return replace(plain, **more)  # type: ignore[arg-type]


def one(physics: CellPhysics, *, ambient_degc: float = 25.0) -> Circuits:
    return Circuits([physics], ambient_degc=ambient_degc)


def flow(cells: Circuits, current_a: float, duration_s: float, step_s: float = 10.0) -> None:
    """One current for all, looked up as often as a bank does."""
    cells.set_currents(np.full(len(cells.soc), current_a))
    left_s = duration_s
    while left_s > 1e-9:
        if cells.age > 0:
            cells.refresh()
        length_s = min(left_s, step_s, 1 / cells.ageing_per_s)
        cells.aim(length_s)
        cells.project()
        cells.take()
        left_s -= length_s


def degc(cells: Circuits) -> float:
    return float(cells.temperature_k[0]) - ZERO_DEGC_K


# hysteresis


def rested_v(kind: str, *, charged: bool) -> float:
    """At 50 % soc, reached by a charge or a discharge over a third of the capacity."""
    capacity_ah = CAPACITY_AH[kind]
    sign = 1 if charged else -1
    cells = one(cell(kind, soc=0.5 - sign / 3, chemistry=chemistry(f"{kind}_graphite")))
    flow(cells, sign * capacity_ah / 3, HOUR_S)
    flow(cells, 0.0, 12 * HOUR_S, 60.0)
    assert cells.soc[0] == pytest.approx(0.5, abs=0.01)
    return float(cells.voltage_v[0] - ocv_table(f"ocv_{kind}_graphite").voltage_v(cells.soc)[0])


def test_lfp_rests_higher_after_a_charge_than_after_a_discharge() -> None:
    gap_v = rested_v("lfp", charged=True) - rested_v("lfp", charged=False)
    assert 0.010 < gap_v < 0.020
    assert abs(rested_v("nmc811", charged=True) - rested_v("nmc811", charged=False)) < 0.002


def test_lfp_changes_its_branch_with_moved_charge_and_not_with_time() -> None:
    cells = one(cell("lfp", chemistry=chemistry("lfp_graphite")))
    flow(cells, 1.0, HOUR_S / 2)
    flow(cells, 0.0, 6 * HOUR_S, 60.0)
    high_v = float(cells.voltage_v[0])
    flow(cells, 0.0, 24 * HOUR_S, 60.0)
    assert cells.voltage_v[0] == pytest.approx(high_v, abs=1e-4)
    flow(cells, -1.0, HOUR_S / 2)
    flow(cells, 0.0, 6 * HOUR_S, 60.0)
    assert high_v - cells.voltage_v[0] > 0.010


# self-discharge

K_MV_PER_DAY = {  # of a cell at a soc: healthy at 5 uA/Ah, then beside 10 kOhm, 1 kOhm and 100 Ohm
    ("nmc811", 0.30): (0.13, 1.8, 17.7, 177),
    ("nmc811", 0.50): (0.12, 1.7, 16.8, 168),
    ("lco", 0.50): (0.04, 1.3, 13.1, 131),
    ("lfp", 0.50): (0.006, 0.17, 1.7, 17),
    ("lfp", 0.15): (0.26, 7.0, 70, 703),
}


@pytest.mark.parametrize(("kind", "soc"), K_MV_PER_DAY)
def test_cells_and_micro_shorts_drain_as_the_published_table_says(kind: str, soc: float) -> None:
    """Of the open-circuit voltage: what the short's own current polarises comes on top, and only once."""
    ocv = ocv_table(f"ocv_{kind}_graphite")
    leak_a = 5e-6 * CAPACITY_AH[kind]
    cells = Circuits([cell(kind, soc=soc, leak_a=leak_a) for _ in range(4)], ambient_degc=25.0)
    for row, short_ohm in enumerate((10e3, 1e3, 100.0), start=1):
        cells.alter(row, short_ohm=short_ohm)
    before_v = ocv.voltage_v(cells.soc)
    flow(cells, 0.0, HOUR_S / 4)
    k_mv_per_day = (before_v - ocv.voltage_v(cells.soc)) * 1000 * 96
    k_mv_per_day[1:] -= k_mv_per_day[0]
    assert k_mv_per_day == pytest.approx(K_MV_PER_DAY[kind, soc], rel=0.25)


def test_a_hard_short_pulls_the_voltage_at_once_and_heats_the_cell() -> None:
    cells = one(cell(soc=0.8))
    before_v = float(cells.voltage_v[0])
    cells.alter(0, short_ohm=0.2)
    flow(cells, 0.0, 1.0, 1.0)
    assert before_v * 0.7 < cells.voltage_v[0] < before_v * 0.95
    soc = float(cells.soc[0])
    flow(cells, 0.0, 60.0, 1.0)
    assert (soc - cells.soc[0]) * 5.15 * 60 == pytest.approx(float(cells.voltage_v[0]) / 0.2, rel=0.1)
    assert degc(cells) > 60
    flow(cells, 0.0, 0.5 * HOUR_S, 1.0)
    assert cells.voltage_v[0] < 0.5


def test_a_hard_short_that_is_taken_back_leaves_no_trace() -> None:
    cells, untouched = one(cell(soc=0.8)), one(cell(soc=0.8))
    cells.alter(0, short_ohm=0.2)
    cells.alter(0, short_ohm=-0.2)
    flow(cells, 1.0, 10.0, 1.0)
    flow(untouched, 1.0, 10.0, 1.0)
    assert cells.voltage_v[0] == pytest.approx(untouched.voltage_v[0], abs=1e-9)


def test_a_shorted_filled_cell_does_not_answer_a_contact_check() -> None:
    type_ = find_cell_type("nmc811-21700", beside=Path())
    cells = one(draw(SimulatedCell(cell_type=type_, state="filled"), np.random.default_rng(1), ideal=True))
    cells.alter(0, short_ohm=1.0)
    flow(cells, 0.0, HOUR_S, 1.0)
    assert abs(cells.voltage_v[0]) < 0.02
    flow(cells, 0.1, 36.0, 1.0)
    assert cells.voltage_v[0] < 0.11


@pytest.mark.parametrize("state", ["filled", "precharged@1%", "formed@2%"])
@pytest.mark.parametrize("kind", ["nmc811-21700", "lfp-26650", "lco-pouch"])
def test_a_hard_short_drains_a_resting_cell_smoothly_to_nothing(kind: str, state: str) -> None:
    simulated = SimulatedCell(cell_type=find_cell_type(kind, beside=Path()), state=state)
    bank = CellBank([draw(simulated, np.random.default_rng(1), ideal=True)], ambient_degc=25.0)
    bank.alter(0, short_ohm=0.2)
    seen_v = [bank.cell_v(0)]
    for half_minute in range(1, 121):
        bank.advance(half_minute * 30.0)
        seen_v.append(bank.cell_v(0))
    assert min(seen_v) > -0.01
    assert max(np.diff(seen_v)) < 0.005
    assert seen_v[-1] == pytest.approx(0.0, abs=0.02)


# wear


def test_a_cell_fades_and_resists_more_with_the_charge_it_moved() -> None:
    fading = Chemistry(fade_per_cycle=0.02, growth_per_cycle=0.05)
    aged, fresh = one(cell(chemistry=fading)), one(cell())
    for current_a in (2.575, -2.575) * 5:
        flow(aged, current_a, 0.5 * HOUR_S)  # a quarter of the capacity: 2.5 cycles in all
        flow(fresh, current_a, 0.5 * HOUR_S)
    for cells in (aged, fresh):
        flow(cells, 0.0, 6 * HOUR_S, 60.0)
    rested_v = aged.voltage_v.copy(), fresh.voltage_v.copy()
    before_soc = float(aged.soc[0]), float(fresh.soc[0])
    for cells in (aged, fresh):
        flow(cells, -2.0, 10.0, 1.0)
    moved = before_soc[0] - aged.soc[0], before_soc[1] - fresh.soc[0]
    assert moved[0] / moved[1] == pytest.approx(1 / 0.975, rel=2e-3)  # the same charge is more of a faded cell
    dropped_v = rested_v[0] - aged.voltage_v, rested_v[1] - fresh.voltage_v
    assert dropped_v[0][0] / dropped_v[1][0] == pytest.approx(1.08, abs=0.015)  # 1.09 but for the logarithm


def test_plated_lithium_shows_as_a_plateau_in_the_rest_and_is_lost_in_part() -> None:
    cells = Circuits([cell(soc=0.4), cell(soc=0.4)], ambient_degc=25.0)
    cells.alter(1, plating_ratio=0.02)
    flow(cells, 2.5, HOUR_S)
    charged = cells.soc.copy()
    excess_v = []
    for _ in range(12):
        flow(cells, 0.0, 300.0)
        own_v = ocv_table("ocv_nmc811_graphite").voltage_v(cells.soc)
        excess_v.append((cells.voltage_v - own_v)[1] - (cells.voltage_v - own_v)[0])
    assert 0.02 < excess_v[1] < 0.05  # within ten minutes
    assert excess_v[-1] < 0.005  # dissolved within the hour
    assert charged[0] - charged[1] == pytest.approx(0.02 * 2.5 / 5.15, rel=0.02)
    assert cells.soc[0] - cells.soc[1] == pytest.approx(0.01 * 2.5 / 5.15, rel=0.05)


# heat


def test_the_air_around_each_cell_is_its_own_and_may_change() -> None:
    cells = Circuits([cell(), cell()], ambient_degc=25.0)
    cells.set_ambient(np.array([25.0, 45.0]) + ZERO_DEGC_K)
    flow(cells, 0.0, 4 * HOUR_S, 60.0)
    assert cells.temperature_k - ZERO_DEGC_K == pytest.approx([25.0, 45.0], abs=0.01)


def test_heat_within_a_cell_warms_it_to_its_balance() -> None:
    cells = one(cell())
    cells.alter(0, heat_w=0.53)
    flow(cells, 0.0, 4 * HOUR_S, 60.0)
    assert degc(cells) == pytest.approx(35.0, abs=0.1)


def warming_k_per_min(start_degc: float) -> float:
    """Of a cell from which no heat escapes."""
    cells = one(cell(heat_loss_w_per_k=1e-6), ambient_degc=start_degc)
    flow(cells, 0.0, 60.0, 1.0)
    return degc(cells) - start_degc


def test_from_90_degrees_a_cell_heats_itself_ever_faster() -> None:
    assert warming_k_per_min(75.0) == pytest.approx(0.0, abs=1e-6)
    assert warming_k_per_min(90.0) == pytest.approx(0.2, rel=0.1)
    assert 0.5 < warming_k_per_min(130.0) < 1.5
    assert warming_k_per_min(170.0) > 15


def test_a_cell_that_is_heated_too_far_runs_away_once_and_is_dead() -> None:
    cells = one(cell(soc=0.9))
    cells.alter(0, heat_w=6.0)
    hottest_degc = 25.0
    for _ in range(360):
        flow(cells, 0.0, 10.0, 1.0)
        hottest_degc = max(hottest_degc, degc(cells))
    assert 400 < hottest_degc < 900
    assert cells.voltage_v[0] < 0.5
    flow(cells, 0.0, 3 * HOUR_S)
    assert degc(cells) == pytest.approx(25 + 6.0 / 0.053, abs=8)  # nothing is left to burn


@pytest.mark.parametrize("name", sorted(path.stem for path in (LIBRARY / "cell-types").glob("*.yaml")))
def test_every_cell_type_of_the_library_can_be_simulated(name: str) -> None:
    type_ = find_cell_type(name, beside=Path())
    envelope = type_.envelopes["formed"]
    for state in ("formed@50%", "aged@20%", "filled", "precharged@30%"):
        physics = draw(SimulatedCell(cell_type=type_, state=state), np.random.default_rng(1), ideal=False)
        voltage_v = one(physics).voltage_v[0]
        assert (voltage_v < 0.5) if state == "filled" else (envelope.voltage_v_min < voltage_v < envelope.voltage_v_max)
