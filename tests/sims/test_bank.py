"""The cells' physics against closed forms, their own tables, and conservation of charge and energy."""

import csv
import math
from importlib.resources import files
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sims.cells.bank import CellBank
from sims.cells.circuit import CellPhysics
from sims.cells.tables import CircuitTable, OcvTable, circuit_table, ocv_table
from sims.cells.wiring import OpenSense
from sims.terminal import REGULATIONS, Supply

NMC = ocv_table("ocv_nmc811_graphite")
CIRCUIT = circuit_table("ecm_nmc811_graphite")
HOUR_S = 3600.0
GAS, FARADAY = 8.314462618, 96485.33212


def cell(*, soc: float = 0.5, capacity_ah: float = 5.15, **more: float) -> CellPhysics:
    return CellPhysics(ocv=NMC, circuit=CIRCUIT, capacity_ah=capacity_ah, soc=soc, **more)


def bank(*cells: CellPhysics | None, ambient_degc: float = 25.0) -> CellBank:
    return CellBank(cells or (cell(),), ambient_degc=ambient_degc)


def charging(current_a: float, *, voltage_v: float = 4.2) -> Supply:
    return Supply(on=True, voltage_v=voltage_v, source_current_a=current_a)


def discharging(current_a: float, *, voltage_v: float = 2.5) -> Supply:
    return Supply(on=True, voltage_v=voltage_v, sink_current_a=current_a)


def steps(one: CellBank, duration_s: float, step_s: float = 1.0) -> list[float]:
    """Advance as a poll would, and return the times."""
    beginning_s = one.now_s
    return [beginning_s + step_s * number for number in range(1, round(duration_s / step_s) + 1)]


def at_half() -> dict[str, float]:
    """The circuit at 50 % soc and 25 °C, from the file itself."""
    text = (files("sims.cells") / "data" / "ecm_nmc811_graphite.csv").read_text()
    for row in csv.DictReader(line for line in text.splitlines() if not line.startswith("#")):
        if float(row["soc"]) == 0.5:
            return {name: float(value) for name, value in row.items()}
    raise AssertionError("no row at 50 %")


@pytest.mark.parametrize("name", ["nmc811", "nmc111", "lfp", "lco"])
def test_a_rested_cell_shows_its_table_at_every_knot(name: str) -> None:
    text = (files("sims.cells") / "data" / f"ocv_{name}_graphite.csv").read_text()
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    table = ocv_table(f"ocv_{name}_graphite")
    cells = [CellPhysics(ocv=table, circuit=CIRCUIT, capacity_ah=5.0, soc=float(row["soc"])) for row in rows]
    voltages_v = bank(*cells).measure().voltage_v
    assert voltages_v == pytest.approx([float(row["ocv_v"]) for row in rows], abs=1e-12)


def test_between_knots_and_beyond_the_ends_the_table_is_linear() -> None:
    low, high = bank(cell(soc=-0.01)), bank(cell(soc=1.01))
    assert low.measure_row(0).voltage_v == pytest.approx(2.5 - 10 * (2.524512 - 2.5), abs=1e-9)
    assert high.measure_row(0).voltage_v > 4.2


def test_cells_of_several_chemistries_share_a_bank() -> None:
    lfp = CellPhysics(ocv=ocv_table("ocv_lfp_graphite"), circuit=CIRCUIT, capacity_ah=2.3, soc=0.5)
    mixed = bank(cell(), lfp, cell())
    assert mixed.measure().voltage_v == pytest.approx([3.77, 3.29, 3.77], abs=0.1)


@pytest.mark.parametrize("current_a", [0.515, -1.7, 5.15])
def test_the_first_instants_resistance_is_the_ohmic_part_and_the_logarithm(current_a: float) -> None:
    one = bank(cell(capacity_ah=CIRCUIT.capacity_ah))
    rested_v = one.measure_row(0).voltage_v
    one.drive(0, charging(current_a) if current_a > 0 else discharging(-current_a))
    half = at_half()
    transfer_v = 2 * GAS * 298.15 / FARADAY * math.asinh(current_a / (2 * half["i0_a"]))
    expected_v = current_a * half["r_ohm_ohm"] + transfer_v
    assert one.measure_row(0).voltage_v - rested_v == pytest.approx(expected_v, abs=1e-9)


@given(st.lists(st.floats(0.001, 40.0), min_size=1, max_size=12))
def test_the_rc_pair_is_exact_whatever_the_steps(steps_s: list[float]) -> None:
    # A huge cell of the same circuit keeps its soc, its surface and its temperature, so that only the pair moves.
    huge_ah = CIRCUIT.capacity_ah * 1e6
    one = bank(cell(capacity_ah=huge_ah, resistance_factor=1e6, heat_capacity_j_per_k=1e12))
    rested_v = one.measure_row(0).voltage_v
    one.drive(0, charging(1.0, voltage_v=5.0))
    first_v = one.measure_row(0).voltage_v
    passed_s = 0.0
    r1_ohm, tau1_s = at_half()["r1_ohm"], at_half()["tau1_s"]
    for step_s in steps_s:
        passed_s += step_s
        one.advance(passed_s)
        risen_v = r1_ohm * (1 - math.exp(-passed_s / tau1_s))
        assert one.measure_row(0).voltage_v - first_v == pytest.approx(risen_v, abs=1e-6)
    one.drive(0, Supply())
    assert one.measure_row(0).voltage_v - rested_v == pytest.approx(risen_v, abs=1e-6)
    one.advance(passed_s + 60.0)
    left_v = risen_v * math.exp(-60 / tau1_s)
    assert one.measure_row(0).voltage_v - rested_v == pytest.approx(left_v, abs=1e-6)


@given(st.lists(st.floats(0.001, 40.0), min_size=1, max_size=12))
def test_the_surface_runs_ahead_of_the_mean_exactly_whatever_the_steps(steps_s: list[float]) -> None:
    # A circuit of nothing but the lag, and a straight open-circuit voltage: 1 V from empty to full.
    lag_s, lag_tau_s = 500.0, 90.0
    values = np.array([[1e-12], [1e6], [0.0], [1.0], [lag_s], [lag_tau_s]]) * np.ones(2)
    only_lag = CircuitTable(capacity_ah=1.0, soc=np.array([0.0, 1.0]), values=values, slopes=np.zeros((6, 1)))
    straight = OcvTable(soc=np.array([0.0, 1.0]), ocv_v=np.array([3.0, 4.0]), docv_dt=np.zeros(2), slope_v=np.ones(3))
    one = bank(CellPhysics(ocv=straight, circuit=only_lag, capacity_ah=1.0, soc=0.5, heat_capacity_j_per_k=1e12))
    one.drive(0, charging(0.1, voltage_v=5.0))
    passed_s = 0.0
    for step_s in steps_s:
        passed_s += step_s
        one.advance(passed_s)
        ahead = lag_s * 0.1 / HOUR_S * (1 - math.exp(-passed_s / lag_tau_s))
        assert one.measure_row(0).voltage_v == pytest.approx(3.5 + 0.1 * passed_s / HOUR_S + ahead, abs=1e-6)
    one.drive(0, Supply())
    one.advance(passed_s + 60.0)
    ahead *= math.exp(-60 / lag_tau_s)
    assert one.measure_row(0).voltage_v == pytest.approx(3.5 + 0.1 * passed_s / HOUR_S + ahead, abs=1e-6)


def ten_second_ohm(ambient_degc: float) -> float:
    one = bank(ambient_degc=ambient_degc)
    rested_v = one.measure_row(0).voltage_v
    one.drive(0, discharging(5.15 / 3))  # the logarithm makes the factor depend on the current
    one.advance(10.0)
    return (rested_v - one.measure_row(0).voltage_v) / (5.15 / 3)


@pytest.mark.parametrize(("ambient_degc", "factor"), [(10.0, 1.52), (45.0, 0.61)])
def test_the_ten_second_resistance_follows_the_published_temperature_factors(
    ambient_degc: float, factor: float
) -> None:
    assert ten_second_ohm(ambient_degc) / ten_second_ohm(25.0) == pytest.approx(factor, abs=0.02)


def test_a_smaller_cell_of_the_same_kind_resists_in_proportion() -> None:
    half = cell(capacity_ah=5.15 / 2, heat_capacity_j_per_k=43 / 2, heat_loss_w_per_k=0.053 / 2)
    pair = bank(cell(), half)
    rested_v = pair.measure().voltage_v
    pair.drive(0, discharging(4.0))
    pair.drive(1, discharging(2.0))
    for at_s in steps(pair, 30):
        pair.advance(at_s)
    fallen_v = rested_v - pair.measure().voltage_v
    assert fallen_v[0] == pytest.approx(fallen_v[1], abs=1e-9)


def test_a_cell_warms_towards_its_balance_of_heat_and_cools_back() -> None:
    # At 50 % and a huge capacity the heat is constant: the end temperature is ambient + heat / hA.
    one = bank(cell(capacity_ah=5.15e6, resistance_factor=1e6))
    one.drive(0, discharging(5.15))
    one.advance(4 * HOUR_S)
    over_v = one.measure_row(0).voltage_v - float(NMC.voltage_v(np.array([0.5]))[0])
    entropic_w = -5.15 * (one.temperatures_degc()[0] + 273.15) * float(NMC.entropy_v_per_k(np.array([0.5]))[0])
    expected_degc = 25 + (-5.15 * over_v + entropic_w) / 0.053
    assert one.temperatures_degc()[0] == pytest.approx(expected_degc, abs=0.05)
    one.drive(0, Supply())
    warm_k = one.temperatures_degc()[0] - 25
    one.advance(one.now_s + 43 / 0.053)
    assert one.temperatures_degc()[0] - 25 == pytest.approx(warm_k / math.e, rel=1e-3)


def test_energy_in_less_energy_out_is_the_heat_and_what_the_cell_holds() -> None:
    """A charge and discharge back to the start: the difference left the cell as heat."""
    one = bank(cell(heat_capacity_j_per_k=1e9))  # keeps all heat, hardly warms: its rise measures the heat
    energy_j = 0.0
    for supply, duration_s in ((charging(2.0), HOUR_S), (discharging(2.0), HOUR_S), (Supply(), 12 * HOUR_S)):
        one.drive(0, supply)
        before = one.measure_row(0)
        for at_s in steps(one, duration_s):
            one.advance(at_s)
            after = one.measure_row(0)
            energy_j += (before.voltage_v + after.voltage_v) / 2 * after.current_a
            before = after
    heat_j = (one.temperatures_degc()[0] - 25) * 1e9
    assert one.soc(0) == pytest.approx(0.5, abs=1e-12)
    assert energy_j > 500
    assert heat_j == pytest.approx(energy_j, rel=0.01)


@given(
    st.lists(
        st.tuples(st.floats(-5.0, 5.0), st.integers(1, 40), st.sampled_from([0.05, 0.7, 1.0, 10.0, 133.0])),
        min_size=1,
        max_size=5,
    )
)
def test_charge_is_neither_lost_nor_made_whatever_is_done(plan: list[tuple[float, int, float]]) -> None:
    one = bank(cell(soc=0.5))
    for current_a, count, step_s in plan:
        one.drive(0, charging(current_a) if current_a > 0 else discharging(-current_a))
        for at_s in steps(one, count * step_s, step_s):
            one.advance(at_s)
    last = one.measure_row(0)
    assert (one.soc(0) - 0.5) * 5.15 == pytest.approx(last.charged_ah - last.discharged_ah, abs=1e-9)


def test_over_48_hours_the_charge_counter_keeps_to_a_microampere_hour() -> None:
    one = bank(cell(capacity_ah=1e4, resistance_factor=1e3))
    one.drive(0, charging(5.0, voltage_v=4.5))
    for at_s in steps(one, 48 * HOUR_S, 5.0):
        one.advance(at_s)
    assert one.measure_row(0).charged_ah == pytest.approx(240.0, abs=1e-7)


@pytest.mark.parametrize(
    ("step_s", "duration_s", "soc"), [(0.1, 400.0, 0.985), (1.0, 3600.0, 0.93), (7.0, 7200.0, 0.9), (30.0, 7200.0, 0.9)]
)
@pytest.mark.parametrize("current_a", [0.7, 2.5, 10.0])
def test_cc_goes_over_into_cv_without_overshoot_and_tapers(
    step_s: float, duration_s: float, soc: float, current_a: float
) -> None:
    one = bank(cell(soc=soc))
    one.drive(0, charging(current_a))
    highest_v, seen, currents_a = 0.0, [], []
    for at_s in steps(one, duration_s, step_s):
        one.advance(at_s)
        now = one.measure_row(0)
        highest_v = max(highest_v, now.voltage_v)
        seen.append(now.regulation)
        currents_a.append(now.current_a)
        if now.regulation == "cv":
            assert now.voltage_v == pytest.approx(4.2, abs=1e-3)
    assert highest_v < 4.201
    turn = seen.index("cv")
    assert set(seen[:turn]) <= {"cc"} and set(seen[turn:]) == {"cv"}
    assert currents_a[:turn] == [current_a] * turn
    assert all(later < earlier + 0.5e-3 for earlier, later in pairwise(currents_a[turn:]))
    assert currents_a[-1] < current_a / 2


def test_a_discharge_goes_over_into_cv_at_its_lower_voltage() -> None:
    one = bank(cell(soc=0.05))
    one.drive(0, discharging(5.0, voltage_v=2.8))
    lowest_v = 9.0
    for at_s in steps(one, HOUR_S):
        one.advance(at_s)
        lowest_v = min(lowest_v, one.measure_row(0).voltage_v)
    last = one.measure_row(0)
    assert lowest_v > 2.799
    assert last.regulation == "cv" and -1.0 < last.current_a < 0


def test_constant_power_is_kept_while_the_voltage_moves() -> None:
    one = bank(cell(soc=0.3))
    one.drive(0, Supply(on=True, voltage_v=4.2, source_current_a=10, source_power_w=8.0))
    for at_s in steps(one, 600):
        now = one.measure_row(0)
        assert now.regulation == "cp"
        assert now.voltage_v * now.current_a == pytest.approx(8.0, rel=1e-4)
        one.advance(at_s)
    one.drive(0, Supply(on=True, voltage_v=2.5, sink_current_a=10, sink_power_w=5.0))
    now = one.measure_row(0)
    assert now.regulation == "cp"
    assert now.voltage_v * now.current_a == pytest.approx(-5.0, rel=1e-4)


def through(ohm: float, current_a: float = 10.0, voltage_v: float = 2.5) -> Supply:
    return Supply(on=True, voltage_v=voltage_v, sink_current_a=current_a, sink_resistance_ohm=ohm)


def test_through_a_resistance_flows_what_the_voltage_at_the_sense_wires_drives() -> None:
    one = bank(cell(soc=0.9, contact_ohm=0.02))
    one.drive(0, through(1.5))
    for at_s in steps(one, HOUR_S, 60.0):
        now = one.measure_row(0)
        assert now.regulation == "cr"
        assert now.current_a == pytest.approx(-now.voltage_v / 1.5, rel=1e-4)
        one.advance(at_s)
    assert one.measure_row(0).discharged_ah == pytest.approx(3.7 / 1.5, rel=0.05)


def test_a_resistance_ends_at_the_current_of_the_supply_and_at_its_voltage() -> None:
    full = bank(cell(soc=0.9))
    full.drive(0, through(0.5, current_a=5.0))
    assert (full.measure_row(0).current_a, full.measure_row(0).regulation) == (-5.0, "cc")
    empty = bank(cell(soc=0.05))
    empty.drive(0, through(0.8, voltage_v=3.0))
    for at_s in steps(empty, HOUR_S):
        empty.advance(at_s)
        assert empty.measure_row(0).voltage_v > 2.999
    last = empty.measure_row(0)
    assert last.regulation == "cv" and -3.0 / 0.8 < last.current_a < 0.0


def test_a_power_and_a_resistance_hold_whichever_lets_less_flow() -> None:
    pair = bank(cell(soc=0.5), cell(soc=0.5))
    pair.drive(0, Supply(on=True, voltage_v=2.5, sink_current_a=10, sink_power_w=2.0, sink_resistance_ohm=1.0))
    pair.drive(1, Supply(on=True, voltage_v=2.5, sink_current_a=10, sink_power_w=50.0, sink_resistance_ohm=2.0))
    now = pair.measure()
    assert [REGULATIONS[code] for code in now.regulation] == ["cp", "cr"]
    assert now.current_a * now.voltage_v == pytest.approx([-2.0, -(float(now.voltage_v[1]) ** 2) / 2.0], rel=1e-4)


def test_a_resistance_is_none_to_a_cell_that_is_the_wrong_way_round_or_gone() -> None:
    pair = bank(cell(soc=0.5), None)
    pair.reverse(0)
    for row in (0, 1):
        pair.drive(row, through(1.0))
    pair.advance(60.0)
    assert pair.measure().current_a.tolist() == [0.0, 0.0]


def test_a_floating_sense_wire_tells_the_resistance_what_flows() -> None:
    one = bank(cell(soc=0.5))
    one.set_sense(0, OpenSense(from_s=0.0, voltage_v=3.0))
    one.drive(0, through(2.0))
    one.advance(1.0)
    assert one.measure_row(0).current_a == pytest.approx(-1.5)


def test_a_power_limit_that_cannot_bind_changes_nothing() -> None:
    limited, free = bank(cell(soc=0.8)), bank(cell(soc=0.8))
    limited.drive(0, Supply(on=True, voltage_v=4.2, source_current_a=5, source_power_w=21.0))
    free.drive(0, charging(5.0))
    for at_s in steps(free, HOUR_S):
        limited.advance(at_s)
        free.advance(at_s)
        assert limited.measure_row(0) == free.measure_row(0)


def test_a_two_sided_supply_pulls_the_cell_to_its_voltage_from_either_side() -> None:
    pair = bank(cell(soc=0.3), cell(soc=0.7))
    for row in (0, 1):
        pair.drive(row, Supply(on=True, voltage_v=3.7, source_current_a=2.0, sink_current_a=1.5))
    first = pair.measure()
    assert first.current_a.tolist() == [2.0, -1.5]
    for at_s in steps(pair, 5 * HOUR_S, 5.0):
        pair.advance(at_s)
    last = pair.measure()
    assert last.voltage_v == pytest.approx([3.7, 3.7], abs=1e-4)
    assert abs(last.current_a).max() < 0.02


def test_charging_towards_a_voltage_below_the_cell_moves_nothing() -> None:
    one = bank(cell(soc=0.9))
    one.drive(0, charging(2.0, voltage_v=3.5))
    one.advance(100.0)
    now = one.measure_row(0)
    assert (now.current_a, now.regulation) == (0.0, "cv")


def test_the_sense_wires_do_not_see_the_contact() -> None:
    pair = bank(cell(contact_ohm=0.0), cell(contact_ohm=0.02))
    for row in (0, 1):
        pair.drive(row, charging(2.0))
    now = pair.measure()
    assert now.voltage_v[0] == now.voltage_v[1]
    assert now.output_v - now.voltage_v == pytest.approx([0.0, 0.04])


def test_an_open_contactor_stops_the_current_and_leaves_the_sense() -> None:
    one = bank()
    one.drive(0, charging(2.0))
    one.set_path(0, closed=False)
    now = one.measure_row(0)
    assert (now.current_a, now.output_v, one.is_energised(0)) == (0.0, 4.2, False)
    assert now.voltage_v == pytest.approx(3.77, abs=0.1)
    one.set_path(0, closed=True)
    assert one.measure_row(0).current_a == 2.0
    assert one.is_energised(0)


def test_a_channel_without_a_cell_jumps_to_its_voltage_and_carries_no_current() -> None:
    two = bank(cell(), None)
    assert abs(two.measure().voltage_v[1]) < 0.01
    two.drive(1, charging(2.0))
    two.advance(10.0)
    row = two.measure_row(1)
    assert (row.voltage_v, row.output_v, row.current_a) == (4.2, 4.2, 0.0)
    assert two.measure().voltage_v[1] == 4.2


@pytest.mark.parametrize(("short_ohm", "expected_mv_per_day"), [(1e3, 17.7), (1e4, 1.8)])
def test_a_micro_short_drains_as_the_k_table_says(short_ohm: float, expected_mv_per_day: float) -> None:
    pair = bank(cell(soc=0.30, leak_a=5.15 * 5e-6), cell(soc=0.30, leak_a=5.15 * 5e-6))
    pair.alter(1, short_ohm=short_ohm)
    before_v = pair.measure().voltage_v
    pair.advance(24 * HOUR_S)
    fallen_mv = (before_v - pair.measure().voltage_v) * 1000
    assert fallen_mv[0] == pytest.approx(0.13, rel=0.15)
    assert fallen_mv[1] - fallen_mv[0] == pytest.approx(expected_mv_per_day, rel=0.15)


def test_neighbours_in_a_bank_do_not_touch_one_another() -> None:
    """A cell beside 30 busy others follows the same course as alone, within what shared step sizes allow."""
    alone = bank(cell(soc=0.85))
    crowd = bank(cell(soc=0.85), *(cell(soc=0.3 + 0.02 * number) for number in range(30)))
    alone.drive(0, charging(2.5))
    crowd.drive(0, charging(2.5))
    for row in range(1, 31):
        crowd.drive(row, charging(1.0 + 0.1 * row, voltage_v=3.8))
    for at_s in steps(alone, HOUR_S):
        alone.advance(at_s)
        crowd.advance(at_s)
    assert alone.measure_row(0).voltage_v == pytest.approx(crowd.measure_row(0).voltage_v, abs=5e-4)
    assert alone.soc(0) == pytest.approx(crowd.soc(0), abs=1e-4)


@pytest.mark.parametrize(
    "supply",
    [
        Supply(on=True, voltage_v=float("nan")),
        Supply(on=True, voltage_v=4.2, source_current_a=-1.0),
        Supply(on=True, voltage_v=4.2, source_current_a=1.0, sink_power_w=float("nan")),
    ],
)
def test_a_supply_that_cannot_be_is_refused(supply: Supply) -> None:
    with pytest.raises(ValueError, match="no supply"):
        bank().drive(0, supply)


def test_an_unknown_table_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="ocv_nmc811_graphite"):
        ocv_table("ocv_nmc811_grafite")
