"""The first charge of filled cells: what they show, what their film takes, and that they become formed cells."""

from pathlib import Path

import numpy as np
import pytest

from cycler.model.world import SimulatedCell, WorldError
from cycler.recipe.lookup import find_cell_type
from sims.cells.bank import CellBank
from sims.cells.circuit import CellPhysics, Circuits
from sims.cells.population import draw
from sims.terminal import Supply

HOUR_S = 3600.0
NMC, LFP, LCO = "nmc811-21700", "lfp-26650", "lco-pouch"


def drawn(name: str, state: str, *, seed: int = 1, ideal: bool = True) -> CellPhysics:
    cell = SimulatedCell(cell_type=find_cell_type(name, beside=Path()), state=state)
    return draw(cell, np.random.default_rng(seed), ideal=ideal)


def flow(cells: Circuits, current_a: float, duration_s: float, step_s: float = 1.0) -> list[float]:
    """The first cell's voltage after each step, under one current for all."""
    cells.set_currents(np.full(len(cells.soc), current_a))
    seen_v = []
    for _ in range(round(duration_s / step_s)):
        cells.refresh()
        cells.aim(step_s)
        cells.project()
        cells.take()
        seen_v.append(float(cells.voltage_v[0]))
    return seen_v


def cycle(names: list[str], *, cycles: int) -> tuple[list[np.ndarray], CellBank]:
    """Filled cells charged at C/5 and emptied at C/4; what each cycle put in and took out, in Ah."""
    types = [find_cell_type(name, beside=Path()) for name in names]
    bank = CellBank([drawn(name, "filled") for name in names], ambient_degc=25.0)
    turns, now_s = [], 0.0
    for _ in range(cycles):
        before = bank.measure()
        for sign, hours in ((1, 6.5), (0, 0.5), (-1, 4.5), (0, 0.5)):
            for row, one in enumerate(types):
                rated_ah, formed = one.rated_capacity_ah, one.envelopes["formed"]
                charge = Supply(on=True, voltage_v=formed.voltage_v_max, source_current_a=rated_ah / 5)
                discharge = Supply(on=True, voltage_v=formed.voltage_v_min, sink_current_a=rated_ah / 4)
                bank.drive(row, {1: charge, 0: Supply(), -1: discharge}[sign])
            for _ in range(round(hours * 60)):
                now_s += 60.0
                bank.advance(now_s)
        after = bank.measure()
        turns.append(np.array([after.charged_ah - before.charged_ah, after.discharged_ah - before.discharged_ah]))
    return turns, bank


def test_a_contact_check_s_micro_charge_lifts_a_filled_cell_as_its_table_says() -> None:
    cells = Circuits([drawn(NMC, "filled")], ambient_degc=25.0)
    assert cells.voltage_v[0] == pytest.approx(0.24, abs=0.001)
    flow(cells, 5.0 / 50, 36.0)  # C/50, to 0.02 % of rated
    assert cells.voltage_v[0] == pytest.approx(0.62, abs=0.01)
    flow(cells, 0.0, 60.0)
    assert cells.voltage_v[0] == pytest.approx(0.617, abs=0.005)  # and it stays there


@pytest.mark.parametrize(("name", "intercalates_v"), [(NMC, 3.4), (LFP, 3.2), (LCO, 3.4)])
def test_the_first_charge_climbs_without_a_dip_over_the_film_s_shoulder(name: str, intercalates_v: float) -> None:
    physics = drawn(name, "filled")
    seen_v = flow(Circuits([physics], ambient_degc=25.0), physics.capacity_ah / 20, 9 * HOUR_S, 20.0)
    assert np.diff(seen_v).min() > -1e-5  # the plateau of LFP is flat to less than its resistance moves
    charge = np.arange(1, len(seen_v) + 1) * 20 / HOUR_S / 20
    assert charge[np.argmax(np.array(seen_v) > 2.0)] < 0.004
    shoulder = charge[np.argmax(np.array(seen_v) > 3.1)] - charge[np.argmax(np.array(seen_v) > 2.6)]
    assert shoulder > 0.02
    assert 0.03 < charge[np.argmax(np.array(seen_v) > intercalates_v)] < 0.36


def test_the_first_cycle_loses_a_film_and_later_ones_almost_nothing() -> None:
    turns, bank = cycle([NMC, LFP, LCO], cycles=3)
    first, second, third = (out_ah / in_ah for in_ah, out_ah in turns)
    assert 0.84 < first[0] < 0.91
    assert 0.86 < first[1] < 0.92
    assert 0.88 < first[2] < 0.93
    assert all((second > 0.985) & (second < 0.995))
    assert all((third > 0.995) & (third < 0.999))
    # The film's charge is in the counter and not in the soc.
    lost_ah = turns[0][0] - turns[0][1]
    assert lost_ah == pytest.approx([0.75, 0.26, 0.23], rel=0.1)
    assert [bank.soc(row) for row in range(3)] == pytest.approx([0.0, 0.0, 0.0], abs=0.02)


def test_at_45_degrees_the_film_takes_a_tenth_more() -> None:
    def film_ah(ambient_degc: float, current_a: float = 0.25) -> float:
        physics = drawn(NMC, "filled")
        cells = Circuits([physics], ambient_degc=ambient_degc)
        flow(cells, current_a, 2.5 / current_a * HOUR_S, 10.0 / current_a)
        settled = 2.5 * physics.charge_loss_ratio
        return float(cells.moved_as[0, 0]) / 3600 - (cells.soc[0] - physics.soc) * physics.capacity_ah - settled

    assert film_ah(45.0) / film_ah(25.0) == pytest.approx(1.10, abs=0.015)
    assert film_ah(25.0, current_a=1.0) < film_ah(25.0) * 0.999


def first_instant_ohm(cells: Circuits) -> float:
    before_v = float(cells.voltage_v[0])
    return flow(cells, 1.0, 1e-3, 1e-3)[0] - before_v


def test_an_unformed_cell_resists_more_until_its_film_has_formed() -> None:
    filled, precharged, formed = (
        first_instant_ohm(Circuits([drawn(NMC, state)], ambient_degc=25.0))
        for state in ("filled", "precharged@20%", "formed@50%")
    )
    assert 1.3 < filled / formed < 2.0
    assert formed * 0.95 < precharged < filled


def test_a_precharged_cell_stands_where_its_first_charge_would_have_brought_it() -> None:
    charged = Circuits([drawn(NMC, "filled")], ambient_degc=25.0)
    while charged.soc[0] < 0.3:
        flow(charged, 0.25, 10.0, 10.0)
    flow(charged, 0.0, 6 * HOUR_S, 60.0)
    start = Circuits([drawn(NMC, "precharged@30%")], ambient_degc=25.0)
    assert start.soc[0] == pytest.approx(0.3, abs=1e-3)
    assert start.voltage_v[0] == pytest.approx(charged.voltage_v[0], abs=2e-3)


def test_a_filled_cell_forced_the_wrong_way_stays_where_copper_dissolves() -> None:
    cells = Circuits([drawn(NMC, "filled")], ambient_degc=25.0)
    seen_v = flow(cells, -0.1, HOUR_S)
    assert seen_v[-1] == pytest.approx(-1.41, abs=0.02)
    assert seen_v[-1] == pytest.approx(seen_v[1800], abs=5e-3)
    assert min(np.diff(seen_v)) > -0.05


def test_filled_cells_differ_in_what_they_show_and_how_much_their_film_takes() -> None:
    type_ = find_cell_type(NMC, beside=Path())
    cells = [
        draw(SimulatedCell(cell_type=type_, state="filled"), np.random.default_rng(seed), ideal=False)
        for seed in range(1500)
    ]
    shown_v = np.concatenate([Circuits([cell], ambient_degc=25.0).voltage_v for cell in cells[:300]])
    assert shown_v.mean() == pytest.approx(0.24, abs=0.006)
    assert shown_v.std() == pytest.approx(0.030, rel=0.15)
    capacity_ah = np.array([cell.capacity_ah for cell in cells])
    efficiency = -np.array([cell.film_scale for cell in cells])
    resistance = np.array([cell.resistance_factor for cell in cells])
    assert capacity_ah.std() / capacity_ah.mean() == pytest.approx(0.004, rel=0.1)
    assert np.corrcoef(capacity_ah, efficiency)[0, 1] == pytest.approx(0.5, abs=0.06)
    assert np.corrcoef(capacity_ah, resistance)[0, 1] == pytest.approx(-0.3, abs=0.07)


def test_cells_without_spread_are_all_alike() -> None:
    assert drawn(NMC, "filled", seed=1) == drawn(NMC, "filled", seed=2)


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("filled@30%", "no charge yet"),
        ("precharged", "how far"),
        ("quarantine", "not simulated"),
        ("formed@130%", "no state"),
        ("fromed@30%", "did you mean 'formed'"),
    ],
)
def test_a_state_that_no_cell_begins_in_is_refused(state: str, says: str) -> None:
    with pytest.raises(WorldError, match=says):
        drawn(NMC, state)
