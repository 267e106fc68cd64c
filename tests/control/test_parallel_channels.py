"""Channels in parallel are one channel: a cell goes through a recipe on them, and the loss of one opens all."""

from collections.abc import Callable

import pytest

from sims.testing.rack_run import CellRun
from sims.testing.sim_rack import SimRack
from sims.testing.steps import amp_hours, charge, contact, discharge, hours, minutes, rest, taper, voltage

LOST_S = 100.0
TEN_MINUTES = charge(c_rate=0.5, until=(voltage(4.1), amp_hours(6), minutes(10)))


def ended(cell: CellRun) -> tuple[str, str | None]:
    assert cell.outcome is not None
    return cell.outcome.ended, cell.outcome.code


def detail(cell: CellRun) -> str:
    assert cell.outcome is not None
    return cell.outcome.detail


def test_a_cell_is_formed_over_two_supplies_and_ends_at_its_voltage() -> None:
    shares_a: list[tuple[float, float]] = []
    rack = SimRack(driver="ea_psb", seed=3).load("c1", state="formed@90%", parallel=2)

    def look() -> None:
        clamps = [rack.world.terminal(device, "1").measure() for device in ("psb-01", "psb-02")]
        shares_a.append((clamps[0].current_a, clamps[1].current_a))

    for after_s in range(5, 600, 15):
        rack.after(float(after_s), look)
    run = rack.run(
        charge(c_rate=0.5, cv_v=4.2, until=(taper(0.2), amp_hours(6), hours(3))),
        rest(minutes=1),
        discharge(c_rate=0.5, until=(voltage(3.2), amp_hours(6), minutes(3))),
    )
    cell, truth = run["c1"], rack.truth("c1")
    assert ended(cell) == ("completed", None)
    assert [step.stop_reason for step in cell.steps] == ["current", "completed", "time"]
    assert shares_a[0] == pytest.approx((1.25, 1.25), abs=0.03)
    assert max(map(max, shares_a)) <= 1.28, "none takes over what the other does not give"
    assert any(min(pair) < 0.01 and max(pair) > 0.9 for pair in shares_a), "in CV one of them holds the voltage"
    assert cell.steps[0].end_voltage_v == pytest.approx(4.2, abs=0.01)
    assert cell.steps[0].end_current_a == pytest.approx(1.0, abs=0.04)
    assert cell.moved.charged_nas / 3.6e12 == pytest.approx(truth.charged_ah, rel=0.01)
    assert cell.moved.discharged_nas / 3.6e12 == pytest.approx(truth.discharged_ah, rel=0.01)
    assert rack.output_is_open("c1")


def test_channels_of_one_device_are_joined_like_those_of_two() -> None:
    rack = SimRack().load("c1", parallel=2).load("c2", parallel=2)
    run = rack.run(contact(), charge(c_rate=0.5, until=(voltage(4.1), amp_hours(6), minutes(3))))
    for name in ("c1", "c2"):
        assert ended(run[name]) == ("completed", None)
        contact_ohm = run[name].steps[1].contact_ohm
        assert contact_ohm is not None and 0.0005 < contact_ohm < 0.003, "of each channel, not of all in parallel"


def test_a_sub_channel_that_is_lost_on_the_way_opens_all() -> None:
    opened: list[bool] = []
    rack = SimRack(driver="ea_psb").load("lost", parallel=2).load("other", bay="B02", parallel=2)
    rack.spoil("lost", "lost-subchannel", from_s=LOST_S).after(
        LOST_S + 4.0, lambda: opened.append(rack.output_is_open("lost"))
    )
    run = rack.run(TEN_MINUTES)
    assert run["lost"].stop_reason == "device-fault"
    assert "psb-02/1 carries" in detail(run["lost"])
    assert run["lost"].steps[0].duration_s < LOST_S + 4.0
    assert opened == [True]
    assert ended(run["other"]) == ("completed", None)


def test_where_outputs_are_measured_a_lost_sub_channel_shows_there_at_once() -> None:
    rack = SimRack().load("c1", parallel=2).spoil("c1", "lost-subchannel", from_s=LOST_S)
    run = rack.run(TEN_MINUTES)
    assert ended(run["c1"]) == ("tripped", "SENSE_OPEN")
    assert run["c1"].steps[0].duration_s < LOST_S + 2.0


def test_a_supply_that_falls_silent_takes_the_other_with_it() -> None:
    currents_a: list[float] = []
    rack = SimRack(driver="ea_psb").load("c1", parallel=2).unplug("psb-02", after_s=LOST_S)
    rack.after(LOST_S + 2.0, lambda: currents_a.append(rack.world.terminal("psb-01", "1").measure().current_a))
    run = rack.run(TEN_MINUTES)
    assert ended(run["c1"]) == ("tripped", "TRIP_49")
    assert currents_a == [0.0]
    assert rack.output_is_open("c1")


def test_sense_wires_that_begin_to_disagree_open_all() -> None:
    rack = SimRack().load("c1", parallel=2).spoil("c1", "drifting-sense", from_s=LOST_S)
    run = rack.run(TEN_MINUTES)
    assert run["c1"].stop_reason == "device-fault"
    assert "at one cell: a sense lead is open" in detail(run["c1"])


@pytest.mark.parametrize(
    ("spoil", "code", "text"),
    [
        (lambda rack: rack.spoil("c1", "open-sense"), "SENSE_OPEN", "the probe"),
        (lambda rack: rack.spoil("c1", "lost-subchannel"), "BAD_CONTACT", "cyc-01/2 carries"),
        (lambda rack: rack.spoil("c1", "bad-contact", resistance_ohm=0.01), "BAD_CONTACT", "contacts of 11."),
    ],
    ids=["sense", "power", "poor"],
)
def test_the_contact_check_finds_the_bad_contact_of_one(
    spoil: Callable[[SimRack], SimRack], code: str, text: str
) -> None:
    run = spoil(SimRack().load("c1", parallel=2)).run(contact(), TEN_MINUTES)
    assert run["c1"].outcome is not None and run["c1"].outcome.code == code
    assert text in detail(run["c1"])
