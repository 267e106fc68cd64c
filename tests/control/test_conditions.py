"""Conditions as a recipe means them: when each kind is judged, what it needs, and which of several decides."""

from dataclasses import replace
from math import nan

import pytest
from machine_bench import CELL_TYPE, Bench, charge, compare, discharge, plan, rest, started, step, until

from cycler.model.cell_type import GuardLimits
from cycler.recipe.plan import PlanPhase

MINUTE = until(compare("time", ">=", 60.0))
JUMPY = replace(CELL_TYPE, guards=GuardLimits(voltage_jump_v=5.0, charge_fall_v=5.0, current_rise_ratio=9.0))
"""A type of cell of which no movement is a trip."""


def ended_s(bench: Bench) -> float:
    """Of the first step."""
    return bench.results[0].duration_s


def with_voltage(*values: float, condition_s: float = 30.0, **condition: object) -> Bench:
    """A charge in which these voltages come from 30 s of the step on, and `voltage < 3` is waited for."""
    waited = until(compare("voltage", "<", 3.0), **condition)  # type: ignore[arg-type]
    script = dict(enumerate(values))

    def disturb(bench: Bench, voltage_v: float, current_a: float) -> tuple[float, float]:
        return script.get(round(bench.time_s - 1.0 - condition_s), voltage_v), current_a

    return started(plan(charge(1.0, waited, MINUTE), cell_type=JUMPY), disturb=disturb).run()


# Samples and times.


def test_consecutive_samples_are_asked_for() -> None:
    assert ended_s(with_voltage(2.9, 2.9, samples=2)) == 31.0
    assert ended_s(with_voltage(2.9, 3.1, 2.9, samples=2)) == 60.0


def test_for_asks_for_that_much_time_without_a_break() -> None:
    assert ended_s(with_voltage(*[2.9] * 10, for_s=5.0)) == 35.0
    assert ended_s(with_voltage(2.9, 2.9, 2.9, 3.1, *[2.9] * 10, for_s=5.0)) == 39.0
    assert ended_s(with_voltage(*[2.9] * 5, for_s=5.0)) == 60.0


def test_a_missing_reading_neither_meets_a_condition_nor_breaks_it() -> None:
    bench = with_voltage(2.9, nan, 2.9, samples=2)
    assert bench.over.end == "completed"
    assert ended_s(bench) == 32.0
    assert bench.results[0].bad_readings == 1


# Windows.


def test_after_waits_for_its_time() -> None:
    assert ended_s(with_voltage(*[2.9] * 20, window="after", window_s=40.0)) == 40.0
    assert ended_s(with_voltage(2.9, window="after", window_s=40.0)) == 60.0


def test_before_forgets_what_comes_later() -> None:
    assert ended_s(with_voltage(2.9, window="before", window_s=30.0)) == 30.0
    assert ended_s(with_voltage(2.9, window="before", window_s=29.0)) == 60.0


def test_before_does_not_go_on_with_what_began_in_time() -> None:
    assert ended_s(with_voltage(*[2.9] * 20, samples=3, window="before", window_s=31.0)) == 60.0


def test_at_is_judged_once_with_the_first_reading_from_its_time_on() -> None:
    assert ended_s(with_voltage(2.9, window="at", window_s=29.5)) == 30.0
    assert ended_s(with_voltage(3.1, 2.9, 2.9, window="at", window_s=29.5)) == 60.0


@pytest.mark.parametrize(("as_fail", "ended"), [(True, "failed"), (False, "held")])
def test_an_at_whose_time_had_no_reading_fails_or_holds(as_fail: bool, ended: str) -> None:
    missed = until(compare("voltage", "<", 3.0), window="at", window_s=30.0, outcome="fail" if as_fail else "next")
    ends = {"fails": [missed]} if as_fail else {}
    bench = started(plan(charge(1.0, *([] if as_fail else [missed]), MINUTE, **ends)))  # type: ignore[arg-type]
    bench.run(29.0)
    bench.dt_s = 5.0
    bench.tick()
    bench.dt_s = 1.0
    bench.run()
    assert bench.over.end == ended


# Several at once.


def test_and_needs_all_of_its_tests_in_one_reading() -> None:
    both = until(compare("voltage", "<", 3.0), compare("time", ">=", 32.0))
    script = {30: 2.9, 31: 2.9}
    bench = started(
        plan(charge(1.0, both, MINUTE)),
        disturb=lambda b, v, i: (script.get(round(b.time_s - 1.0), v), i),
    ).run()
    assert ended_s(bench) == 60.0


def test_hold_beats_until_and_fail_beats_hold() -> None:
    now = compare("time", ">=", 10.0)
    held = started(plan(charge(1.0, until(now), until(now, outcome="hold")))).run()
    assert held.over.end == "held"
    assert held.results[0].stop_reason == "hold"
    failed = started(plan(charge(1.0, until(now, outcome="hold"), fails=[until(now, outcome="fail", code="SHORT")])))
    assert failed.run().over.code == "SHORT"


def test_a_trip_beats_a_fail() -> None:
    fails = [until(compare("voltage", ">", 4.4), outcome="fail", code="FORM_HIGH")]
    bench = started(
        plan(charge(1.0, MINUTE, fails=fails)), disturb=lambda b, v, i: (4.5, i) if b.time_s >= 20 else (v, i)
    ).run()
    assert bench.over.code == "TRIP_1"


@pytest.mark.parametrize(
    ("quantity", "code"),
    [("time", "TIMEOUT"), ("total_time", "TIMEOUT"), ("temperature", "TEMPERATURE"), ("voltage", "FORM_HIGH")],
)
def test_a_bare_fail_has_the_code_that_it_means(quantity: str, code: str | None) -> None:
    bound = {"time": 10.0, "total_time": 10.0, "temperature": 20.0, "voltage": 3.0}[quantity]
    bench = started(plan(charge(1.0, fails=[until(compare(quantity, ">", bound), outcome="fail")]))).run()
    assert (bench.over.end, bench.over.code) == ("failed", code)


def test_end_ends_the_recipe_normally() -> None:
    bench = started(plan(charge(1.0, until(compare("time", ">=", 5.0), outcome="end")), rest(5.0))).run()
    assert bench.over.end == "completed"
    assert len(bench.results) == 1


# Each quantity.


def test_dv_is_the_fall_from_the_highest_voltage_of_the_step() -> None:
    script = {20: 3.8, 21: 3.75, 22: 3.69}
    bench = started(
        plan(rest(60.0), charge(1.0, until(compare("dv", ">", 0.1)), MINUTE)),
        disturb=lambda b, v, i: (script.get(round(b.time_s - 62.0), 3.65 if b.time_s < 62 else 3.7), i),
    ).run()
    assert bench.results[1].stop_reason == "dv"
    assert bench.results[1].duration_s == 22.0


def test_dv_dt_is_a_slope_over_its_window_and_waits_until_that_is_full() -> None:
    rising = until(compare("dv_dt", ">", 0.0009, window_s=20.0))
    bench = started(
        plan(charge(1.0, rising, MINUTE)), disturb=lambda b, v, i: (3.5 + 0.001 * b.time_s, i), capacity_ah=500.0
    ).run()
    assert bench.results[0].stop_reason == "dv_dt"
    assert ended_s(bench) == 20.0


def test_dv_dt_is_signed_as_data_are() -> None:
    falling = until(compare("dv_dt", "<", -0.0009, window_s=10.0))
    bench = started(
        plan(discharge(1.0, falling, MINUTE)), disturb=lambda b, v, i: (3.9 - 0.001 * b.time_s, i), capacity_ah=500.0
    ).run()
    assert bench.results[0].stop_reason == "dv_dt"


def test_di_dt_sees_a_current_that_rises_by_itself() -> None:
    rising = until(compare("di_dt", ">", 0.0005, window_s=10.0))
    bench = started(
        plan(charge(2.5, rising, MINUTE, cv=True)), soc=0.95, disturb=lambda b, v, i: (v, 2.0 + 0.001 * b.time_s)
    ).run()
    assert bench.results[0].stop_reason == "di_dt"


def test_energy_and_power_are_magnitudes_in_either_direction() -> None:
    half_a_wh = until(compare("energy", ">=", 0.05))
    for drive in (charge, discharge):
        moved = started(plan(drive(2.0, half_a_wh)), capacity_ah=500.0).run().results[0].moved
        assert (moved.charged_nws + moved.discharged_nws) / 3.6e12 == pytest.approx(0.05, rel=0.06)
        above = started(plan(drive(2.0, until(compare("power", ">", 6.5)), MINUTE)), capacity_ah=500.0).run()
        assert above.results[0].stop_reason == "power"


def test_temperature_rise_counts_from_the_steps_own_start() -> None:
    bench = started(
        plan(rest(30.0), charge(1.0, until(compare("temperature_rise", ">=", 2.0)), MINUTE)), temperature_degc=20.0
    )
    bench.run(20.0)
    bench.temperature_degc = 30.0  # while it rests
    bench.run(30.0)
    bench.temperature_degc = 32.0
    bench.run()
    assert bench.results[1].stop_reason == "temperature_rise"


def test_total_time_counts_over_steps() -> None:
    bench = started(plan(rest(30.0), charge(1.0, until(compare("total_time", ">=", 50.0)), MINUTE))).run()
    assert bench.results[1].stop_reason == "total_time"
    assert bench.machine.elapsed_s == pytest.approx(51.0, abs=1.0)


def test_a_fall_of_capacity_below_a_bound_is_judged_at_its_time() -> None:
    slow = until(compare("capacity", "<", 0.1), window="at", window_s=40.0, outcome="fail", code="FORM_LOW")
    assert started(plan(charge(1.0, MINUTE, fails=[slow]))).run().over.code == "FORM_LOW"
    assert started(plan(charge(5.0, MINUTE, fails=[slow])), soc=0.1).run().over.code == "FORM_LOW"
    quick = until(compare("capacity", "<", 0.01), window="at", window_s=40.0, outcome="fail", code="FORM_LOW")
    assert started(plan(charge(1.0, MINUTE, fails=[quick]))).run().over.end == "completed"


# CV and CP.


def test_a_taper_counts_in_cv_only_and_after_five_seconds_of_it() -> None:
    taper = until(compare("current", "<=", 2.0))
    dips = {20, 21}  # in CC, and away from the set voltage
    bench = started(
        plan(charge(2.5, taper, MINUTE, cv=True)),
        soc=0.1,
        disturb=lambda b, v, i: (v, 1.5) if round(b.time_s - 1.0) in dips else (v, i),
    ).run()
    assert bench.results[0].stop_reason == "time"


@pytest.mark.parametrize("reports_cv", [True, False])
def test_a_device_that_does_not_report_cv_tapers_by_the_band_of_its_set_voltage(reports_cv: bool) -> None:
    bench = started(
        plan(charge(2.5, until(compare("current", "<=", 0.5)), cv=True)), soc=0.8, reports_cv=reports_cv
    ).run()
    assert bench.results[0].stop_reason == "current"
    assert bench.results[0].end_voltage_v == pytest.approx(4.2, abs=0.005)


def test_a_cp_step_ends_by_its_energy() -> None:
    phase = PlanPhase(direction="discharge", current_a=5.0, voltage_v=2.5, power_w=7.0)
    bench = started(plan(step("discharge", phase, ends=[until(compare("energy", ">=", 0.05))]))).run()
    assert bench.results[0].stop_reason == "energy"
