"""SourceMeters under control: a whole recipe, with the rests and the contact check that read at 0 A."""

import pytest

from sims.testing.sim_rack import SimRack
from sims.testing.steps import amp_hours, charge, discharge, minutes, rest, taper, voltage


def test_a_cell_is_checked_discharged_and_charged() -> None:
    rack = SimRack(driver="keithley_2450", seed=3).load("c1", state="formed@40%", capacity_ah=1.0)
    run = rack.run(
        "contact: {}",
        discharge(c_rate=0.4, until=(voltage(3.0), amp_hours(6), minutes(2))),
        rest(minutes=3),
        charge(c_rate=0.8, cv_v=3.9, until=(taper(0.5), amp_hours(6), minutes(30))),
    )
    cell = run["c1"]
    assert cell.outcome is not None and cell.outcome.ended == "completed", cell.outcome
    assert [step.stop_reason for step in cell.steps] == ["completed", "time", "completed", "current"]
    assert rack.output_is_open("c1")
    truth = rack.truth("c1")
    moved_ah = sum(step.moved.charged_nas - step.moved.discharged_nas for step in cell.steps) / 3.6e12
    assert moved_ah == pytest.approx(truth.charged_ah - truth.discharged_ah, abs=0.002)


def test_a_cell_that_is_missing_is_found_before_any_order_drives_it() -> None:
    rack = SimRack(driver="keithley_2450").load("c1", state="formed@40%").load("c2", bay="B02")
    rack.spoil("c1", "missing")
    run = rack.run("contact: {}", charge(c_rate=0.5, cv_v=4.1, until=(amp_hours(6), minutes(1))))
    assert run["c1"].outcome is not None and run["c1"].outcome.code == "ABSENT"
    assert run["c2"].outcome is not None and run["c2"].outcome.ended == "completed"


def test_without_a_contactor_no_cell_is_started_on_it() -> None:
    """It has no watchdog, and nothing that limits the current beside the set one."""
    rack = SimRack(driver="keithley_2450", contactors=False).load("c1", state="formed@40%")
    run = rack.run("contact: {}", charge(c_rate=0.5, cv_v=4.1, until=(amp_hours(6), minutes(1))))
    outcome = run["c1"].outcome
    assert outcome is not None
    assert outcome.ended == "not-started"
    assert "no proven watchdog, no contactor" in outcome.detail
