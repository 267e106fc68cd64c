"""A tray from end to end: what the recipe asked for is what happened, and what was recorded is what flowed."""

from collections.abc import Callable

import pytest

from cycler.model.results import NAS_PER_AH, StepResult
from sims.testing.rack_run import CellRun
from sims.testing.sim_rack import SimRack
from sims.testing.steps import amp_hours, charge, discharge, hours, minutes, pulse, rest, taper, voltage

CC_CV = charge(c_rate=0.8, cv_v=4.2, until=(taper(0.1), amp_hours(6), hours(3)))
EMPTY = discharge(c_rate=1.0, until=(voltage(3.0), amp_hours(6), hours(2)), tag="cap")
FIVE_MINUTES = charge(c_rate=0.5, until=(voltage(4.15), amp_hours(6), minutes(5)))


def psb_rack(*, ideal: bool = False) -> SimRack:
    return SimRack(driver="ea_psb", ideal=ideal).load("c1", state="formed@60%").load("c2", state="formed@62%")


def test_a_charge_behind_a_wire_ends_at_its_voltage() -> None:
    rack = psb_rack()
    run = rack.run(charge(c_rate=0.9, until=(voltage(4.1), amp_hours(6), hours(3))))
    for cell in ("c1", "c2"):
        assert run[cell].stop_reason == "voltage"
        assert run[cell].last_sample.voltage_v == pytest.approx(4.1, abs=2e-3)
        assert rack.output_is_open(cell)


def test_a_cc_cv_charge_behind_a_wire_tapers_at_its_voltage() -> None:
    run = psb_rack().run(charge(c_rate=0.9, cv_v=4.1, until=(taper(0.5), amp_hours(6), hours(3))))
    for cell in ("c1", "c2"):
        (step,) = run[cell].steps
        assert step.stop_reason == "current"
        assert step.end_current_a <= 2.5
        assert step.end_voltage_v == pytest.approx(4.1, abs=2e-3)


def test_the_librarys_recipe_grades_a_cell() -> None:
    run = SimRack().load("c1").run("nmc811-21700-grading")
    assert run["c1"].outcome is not None
    assert run["c1"].outcome.ended == "completed"
    assert [step.step_type for step in run["c1"].steps].count("rest") == 4
    assert run["c1"].steps[-1].pulse


def test_counted_by_an_ideal_instrument_the_charge_is_the_physics_own() -> None:
    rack = SimRack(ideal=True, options={"counter": "true"})
    rack.load("c1").load("c2", state="formed@60%").load("c3", capacity_ah=4.0)
    run = rack.run(
        CC_CV,
        rest(minutes=10),
        EMPTY,
        rest(minutes=10),
        charge(c_rate=0.5, until=(amp_hours(1), voltage(4.1), hours(1))),
        rest(minutes=5),
        pulse(c_rate=1.0, seconds=10, values_s=(0.1, 1.0, 10.0)),
    )
    for cell in ("c1", "c2", "c3"):
        assert [step.charge_source for step in run[cell].steps] == ["device"] * 7
        moved, truth = run[cell].moved, rack.truth(cell)
        assert moved.charged_nas / NAS_PER_AH == pytest.approx(truth.charged_ah, abs=1e-6)
        assert moved.discharged_nas / NAS_PER_AH == pytest.approx(truth.discharged_ah, abs=1e-6)


STEPS_OF_A_PSB = 26214
RATED_A = 15.0
SWEEP_S = 1.05  # a sweep, and the wire


def could_be_wrong_by_ah(run: CellRun, *, instrument_a: float) -> float:
    """How far trapezoids over a sampled, rounded and wrongly measured current may lie from the charge that flowed.

    Between two readings a current that only rises or only falls encloses an area that a trapezoid misses by at most
    half of its change times their distance. Each step rises once from 0, and falls back to it, by taper or at its edge.
    """
    resolution_a = RATED_A / STEPS_OF_A_PSB

    def of_step(step: StepResult, highest_a: float) -> float:
        steady_a = instrument_a + resolution_a / 2
        return steady_a * (step.duration_s + 2 * SWEEP_S) + 2 * highest_a * SWEEP_S / 2

    def highest_a(step: StepResult) -> float:
        return max(abs(sample.current_a) for sample in run.samples if sample.step_count == step.step_count)

    return sum(of_step(step, highest_a(step)) for step in run.steps) / 3600


@pytest.mark.parametrize(("ideal", "instrument_a"), [(True, 0.0), (False, 0.002 * RATED_A)])
def test_integrated_over_a_wire_the_charge_is_the_physics_own_within_the_bound(
    ideal: bool, instrument_a: float
) -> None:
    rack = psb_rack(ideal=ideal)
    run = rack.run(
        charge(c_rate=0.9, cv_v=4.1, until=(taper(0.5), amp_hours(6), hours(3))),
        rest(minutes=1),
        discharge(c_rate=1.0, until=(minutes(10), voltage(2.8), amp_hours(6))),
        rest(minutes=1),
    )
    for cell in ("c1", "c2"):
        assert {step.charge_source for step in run[cell].steps} == {"host"}
        bound_ah = could_be_wrong_by_ah(run[cell], instrument_a=instrument_a)
        moved, truth = run[cell].moved, rack.truth(cell)
        assert moved.charged_nas / NAS_PER_AH == pytest.approx(truth.charged_ah, abs=bound_ah)
        assert moved.discharged_nas / NAS_PER_AH == pytest.approx(truth.discharged_ah, abs=bound_ah)
        assert bound_ah < (0.01 if ideal else 0.05) * truth.charged_ah  # so that it says something


def counting_rack() -> SimRack:
    return SimRack(options={"counter": "true"}).load("c1", state="formed@60%")


@pytest.mark.parametrize("rack", [psb_rack, counting_rack], ids=["set points behind a wire", "a counter"])
def test_every_step_has_a_sample_at_both_of_its_edges_and_they_tell_what_it_moved(rack: Callable[[], SimRack]) -> None:
    run = rack().run(FIVE_MINUTES, rest(minutes=1), EMPTY)
    assert len(run["c1"].steps) == 3
    for step in run["c1"].steps:
        samples = [sample for sample in run["c1"].samples if sample.step_count == step.step_count]
        assert samples[0].step_time_s == pytest.approx(0.0, abs=0.2)
        assert samples[-1].step_time_s >= step.duration_s - 1e-6
        assert samples[-1].counters - samples[0].counters == step.moved


def test_the_charge_of_the_samples_never_falls_and_ends_where_the_steps_end() -> None:
    run = SimRack().load("c1").run(FIVE_MINUTES, EMPTY)
    charged = [sample.counters.charged_nas for sample in run["c1"].samples]
    assert charged == sorted(charged)
    assert run["c1"].moved.charged_nas == pytest.approx(charged[-1], rel=1e-6)


def test_a_defective_cell_gives_less() -> None:
    rack = SimRack(ideal=True).load("good", state="formed@100%").load("poor", state="formed@100%")
    rack.spoil("poor", "low-capacity", factor=0.8)
    run = rack.run(discharge(c_rate=0.5, until=(voltage(2.6), amp_hours(6), hours(3))))
    ratio = run["poor"].moved.discharged_nas / run["good"].moved.discharged_nas
    assert ratio == pytest.approx(0.8, abs=0.02)
