"""A press that loses its force: every cell of its bay is stopped for its contacts, and no cell elsewhere."""

import pytest

from cycler.results.reasons import reason
from sims.testing.sim_rack import SimRack
from sims.testing.steps import amp_hours, charge, discharge, minutes, rest, voltage

CONTACT_CODES = {"BAD_CONTACT", "SENSE_OPEN", "LOST_CONTACT"}
BEGINS_S, LOST_S = 300.0, 1200.0
LONG = charge(c_rate=0.5, until=(voltage(4.15), amp_hours(6), minutes(60)))
MANY = [
    step
    for _ in range(6)
    for step in (
        charge(c_rate=0.3, until=(voltage(4.15), amp_hours(6), minutes(5))),
        rest(minutes=1),
        discharge(c_rate=0.3, until=(voltage(2.9), amp_hours(6), minutes(5))),
        rest(minutes=1),
    )
]


def two_bays() -> SimRack:
    """Only the first bay's press leaks."""
    rack = SimRack(press=True)
    for cell in ("a", "b", "c"):
        rack.load(cell, bay="B01", device="cyc-01")
    rack.load("other", bay="B02", device="cyc-02")
    return rack.disturb("io-01", "pressure-loss", channel="DO3", after_s=BEGINS_S, over_s=LOST_S)


@pytest.mark.parametrize("steps", [[LONG], MANY], ids=["one-long-charge", "many-short-steps"])
def test_all_cells_of_the_bay_are_stopped_for_their_contacts_and_no_others(steps: list[str]) -> None:
    rack = two_bays()
    run = rack.run(*steps)
    for cell in ("a", "b", "c"):
        outcome = run[cell].outcome
        assert outcome is not None
        assert outcome.code in CONTACT_CODES
        assert reason(outcome.code).verdict == "retest"
        assert rack.output_is_open(cell)
        assert run[cell].last_sample.elapsed_s < BEGINS_S + LOST_S + 30.0
    assert run["other"].outcome is not None
    assert run["other"].outcome.ended == "completed"


def test_a_press_that_has_its_force_back_before_a_current_is_as_good_as_before() -> None:
    rack = SimRack(press=True).load("a").load("b")
    rack.disturb("io-01", "pressure-loss", channel="DO3", after_s=60.0, for_s=600.0, over_s=300.0)
    run = rack.run(rest(minutes=20), charge(c_rate=0.3, until=(voltage(4.15), amp_hours(6), minutes(10))))
    for cell in ("a", "b"):
        outcome = run[cell].outcome
        assert outcome is not None
        assert outcome.ended == "completed"
        contact_ohm = run[cell].steps[-1].contact_ohm
        assert contact_ohm is not None and contact_ohm < 0.003
