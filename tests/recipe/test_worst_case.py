"""How much a run takes at most: every step at its bounds, every loop to its last turn."""

from hypothesis import given
from hypothesis import strategies as st
from pytest import approx
from recipe_texts import CHARGE, DISCHARGE, load

from cycler.contract.capabilities import Keeps, Watchdog
from cycler.recipe.describe import worst_case_s
from cycler.recipe.lower import lowering_of, program
from cycler.recipe.who_watches import who_watches
from cycler.recipe.worst_case import Program, peak_power, worst_case


def steps_of(*steps: str) -> Program:
    loaded = load(*steps)
    return program(loaded.recipe.steps, lowering_of(loaded.recipe, loaded.cell_type, None))


def test_a_charge_is_bounded_by_its_capacity_its_current_and_the_envelope() -> None:
    bound = "charge: {current: C/2, until: [capacity >= 20 %], fail: [voltage > 4.1 V, time > 3 h]}"
    assert worst_case(steps_of(bound)).charge_ah == approx(1.0)
    by_time = "charge: {current: C/2, until: [voltage >= 4.1 V], fail: [capacity > 115 %, time > 1 h]}"
    assert worst_case(steps_of(by_time)).charge_ah == approx(2.5)
    assert worst_case(steps_of(CHARGE.replace("115 %", "130 %").replace("3 h", "30 h"))).charge_ah == approx(6.5)


def test_energy_is_counted_at_the_highest_voltage_or_at_its_own_bound() -> None:
    step = "charge: {current: C/2, voltage: 4.0 V, until: [current <= C/20], fail: [capacity > 100 %, time > 3 h]}"
    assert worst_case(steps_of(step)).charge_wh == approx(5.0 * 4.0)
    assert worst_case(steps_of(step.replace("time", "energy > 10 Wh, time"))).charge_wh == approx(10.0)
    assert worst_case(steps_of(DISCHARGE)).discharge_wh == approx(5.75 * 4.2)


def test_what_each_turn_moves_is_summed_and_every_turn_may_take_the_longest_time() -> None:
    ends = "until: [voltage >= 4.1 V], fail: [capacity > 115 %, time > 1 h]"
    loop = f"loop: {{times: 3, steps: [charge: {{current: [1 A, 2 A, 3 A], {ends}}}, rest: {{time: 1 min}}]}}"
    worst = worst_case(steps_of(f"loop: {{times: 2, steps: [{loop}]}}"))
    assert worst.charge_ah == approx(2 * 6.0)
    assert worst.time_s == 2 * 3 * 3660


@given(turns=st.lists(st.integers(1, 65_535), min_size=1, max_size=5))
def test_the_time_is_what_show_prints_however_many_turns_there_are(turns: list[int]) -> None:
    steps = "rest: {time: 1 s}"
    for times in turns:
        steps = f"loop: {{times: {times}, steps: [{steps}, rest: {{time: 2 s}}]}}"
    loaded = load(steps)
    assert worst_case(steps_of(steps)).time_s == approx(worst_case_s(loaded.recipe, loaded.cell_type))


def test_the_peak_is_that_of_the_strongest_step_in_each_direction() -> None:
    peak = peak_power(steps_of(CHARGE, DISCHARGE, "dcir: {id: pulse}"))
    assert (peak.charge_w, peak.charge_step) == (approx(2.5 * 4.2), "1")
    assert (peak.discharge_w, peak.discharge_step) == (approx(5.0 * 4.2), "pulse")
    powered = "discharge: {power: 9 W, until: [voltage <= 2.8 V], fail: [capacity > 115 %, time > 3 h]}"
    assert peak_power(steps_of(powered)).discharge_w == 9.0
    assert peak_power(steps_of("rest: {time: 1 h}")).charge_step is None


FULL = Keeps(
    phases_max=8,
    ends=frozenset({"time_s"}),
    protections=frozenset({"over_voltage", "under_voltage", "over_current", "over_charge", "time"}),
    watchdog=Watchdog(watches="host", timeout_s=2.0, proven=True),
    limit_readback="yes",
)


def watched(keeps: Keeps) -> dict[str, str]:
    steps = steps_of(CHARGE, "dcir: {base: C/5, base_time: 10 s}")
    return {each.bound: each.by for each in who_watches(steps, keeps)}


def test_a_device_that_keeps_its_limits_shares_the_watch() -> None:
    by = watched(FULL)
    assert by["trip above 4.25 V"] == by["charge of a step, 6.5 Ah"] == "both"
    assert by["edges within a pulse"] == "device"
    assert by["silence of this computer"] == "device, 2 s"
    assert by["ends and fails by capacity, current, time, voltage"] == by["temperature of each cell"] == "software"


def test_a_limit_that_nobody_has_proven_counts_as_none() -> None:
    by = watched(Keeps(protections=FULL.protections, limit_readback="no"))
    assert by["trip above 4.25 V"] == "software (device not proven)"
    assert by["edges within a pulse"] == "software"
    assert by["silence of this computer"] == "nobody: needs a contactor"
    assert list(by) == list(watched(FULL))
