"""A discharge through a resistance, in this process and behind a wire: the charge is that of Ohm's law."""

from itertools import pairwise

import pytest

from cycler.model.results import NAS_PER_AH
from sims.testing.layout import CyclerDriverName
from sims.testing.rack_run import CellRun
from sims.testing.sim_rack import SimRack
from sims.testing.steps import rest

OHM = 1.5
TO_CUT_OFF = (
    f"discharge: {{resistance: {OHM} Ohm, until: [voltage <= 2.8 V], fail: [capacity > 115 %, time > 6 h], tag: cap}}"
)


def ohms_law_ah(run: CellRun, resistance_ohm: float) -> float:
    """From the samples of the discharge, by trapezoids."""
    samples = [sample for sample in run.samples if sample.step_count == 2]
    return sum(
        (before.voltage_v + after.voltage_v) / 2 / resistance_ohm * (after.step_time_s - before.step_time_s) / 3600
        for before, after in pairwise(samples)
    )


@pytest.mark.parametrize("driver", ["sim_cycler", "ea_psb"])
def test_a_discharge_through_a_resistance_ends_at_its_voltage_with_the_charge_of_ohms_law(
    driver: CyclerDriverName,
) -> None:
    rack = SimRack(driver=driver, ideal=True).load("c1", state="formed@90%")
    run = rack.run(rest(minutes=1), TO_CUT_OFF)["c1"]
    step = run.steps[1]
    moved_ah = step.moved.discharged_nas / NAS_PER_AH
    assert (run.outcome.ended, step.stop_reason) == ("completed", "voltage")
    assert step.end_current_a == pytest.approx(-step.end_voltage_v / OHM, rel=2e-3)
    assert moved_ah > 3.5
    assert moved_ah == pytest.approx(ohms_law_ah(run, OHM), rel=2e-3)
    assert moved_ah == pytest.approx(rack.truth("c1").discharged_ah, rel=2e-3)
    assert step.moved.charged_nas == 0


def test_a_resistance_and_a_contact_that_opens_is_a_lost_contact() -> None:
    rack = SimRack(ideal=True).load("c1", state="formed@90%")
    rack.spoil("c1", "open-contact", from_s=600.0)
    assert rack.run(rest(minutes=1), TO_CUT_OFF)["c1"].stop_reason == "lost-contact"


def test_the_current_of_the_cell_type_bounds_what_flows_through_a_resistance() -> None:
    """0.3 Ohm would let 12 A flow: the cell gives 2C at most."""
    rack = SimRack(ideal=True).load("c1", state="formed@30%")
    run = rack.run(rest(minutes=1), TO_CUT_OFF.replace(str(OHM), "0.3"))["c1"]
    currents_a = [-sample.current_a for sample in run.samples if sample.step_count == 2]
    assert run.steps[1].stop_reason == "voltage"
    assert max(currents_a) == pytest.approx(10.0, abs=0.02)
