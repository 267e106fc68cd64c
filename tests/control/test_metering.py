"""Steps that measure at rest, through a meter: of which cell, by whom, and what becomes of what nobody measured."""

import pytest

from cycler.recipe.problems import InvalidFile
from sims.devices.meter import FREQUENCY_HZ, VOLTAGE_ACCURACY_V, MeterHardware
from sims.testing.rack_run import RackRun
from sims.testing.sim_rack import SimRack
from sims.testing.steps import acir, amp_hours, charge, contact, minutes, ocv, pulse, rest

CHARGED = charge(c_rate=0.5, cv_v=4.1, until=(amp_hours(6), minutes(3)))


def loaded(*cells: str) -> SimRack:
    """At states of charge of their own."""
    rack = SimRack()
    for place, cell in enumerate(cells):
        rack.load(cell, state=f"formed@{30 + 10 * place}%")
    return rack


def reasons(run: RackRun, cell: str) -> list[str]:
    return [step.stop_reason for step in run[cell].steps]


def test_cells_that_share_a_meter_are_each_measured_by_their_own_tips() -> None:
    rack = loaded("c1", "c2", "c3").probe("c1", "c2", "c3")
    run = rack.run(CHARGED, rest(minutes=20), ocv(minutes=1), acir())
    for place, cell in enumerate(("c1", "c2", "c3"), start=1):
        *_, voltage, resistance = run[cell].steps
        assert voltage.measured_by == resistance.measured_by == f"hi-01/{place}"
        assert (voltage.quality, voltage.stop_reason) == (("OK",), "completed")
        assert voltage.ocv_v == pytest.approx(rack.truth(cell).voltage_v, abs=VOLTAGE_ACCURACY_V + 1e-3)
        assert voltage.ocv_v != voltage.end_voltage_v
        assert voltage.stop_text == f"{voltage.ocv_v:.6g} V by hi-01/{place}"
        assert resistance.acir_ohm is not None and 0.005 < resistance.acir_ohm < 0.03  # of a 21700
        assert (voltage.acir_ohm, resistance.ocv_v) == (None, None)


def test_a_meter_sees_neither_contacts_nor_what_is_slower_than_its_current() -> None:
    rack = SimRack(ideal=True).load("good").load("bad").load("weak").probe("good", "bad", "weak")
    rack.spoil("bad", "bad-contact", resistance_ohm=0.02).spoil("weak", "high-resistance", factor=2.0)
    run = rack.run(acir(), pulse(c_rate=1.0, seconds=10.0, values_s=[10.0]))
    found = {cell: run[cell].steps[0].acir_ohm or 0.0 for cell in ("good", "bad", "weak")}
    assert found["bad"] == pytest.approx(found["good"], rel=0.05)
    assert found["weak"] == pytest.approx(2 * found["good"], rel=0.05)
    assert found["good"] < run["good"].steps[-1].pulse[-1].resistance_ohm


def test_a_hioki_measures_on_its_wire_in_a_rack() -> None:
    rack = loaded("c1", "c2").probe("c1", driver="hioki_bt3562").probe("c2", meter="hi-02")
    run = rack.run(CHARGED, ocv(minutes=30), acir())
    *_, voltage, resistance = run["c1"].steps
    assert (voltage.measured_by, resistance.measured_by) == ("hi-01/1", "hi-01/1")
    assert voltage.ocv_v == pytest.approx(rack.truth("c1").voltage_v, abs=2e-3)
    assert resistance.acir_ohm == pytest.approx(run["c2"].steps[-1].acir_ohm, rel=0.2)
    assert run["c2"].steps[-1].measured_by == "hi-02/1"


def test_nothing_is_measured_while_a_current_may_flow() -> None:
    rack, energised = loaded("c1").probe("c1"), list[bool]()

    def look() -> None:
        energised.append(not rack.output_is_open("c1"))

    rack.after(0.5, lambda: rack.instrument("hi-01", MeterHardware).cable.taps.append(look))
    rack.run(CHARGED, ocv(minutes=0.05), acir(), CHARGED, acir())
    assert energised == [False] * 3


def test_without_a_meter_the_cycler_measures_the_voltage_and_says_so() -> None:
    run = loaded("c1", "c2").probe("c2").run(CHARGED, ocv(minutes=5))
    voltage = run["c1"].steps[-1]
    assert (voltage.measured_by, voltage.ocv_v, voltage.quality) == ("cycler", voltage.end_voltage_v, ("OK",))
    assert run["c2"].steps[-1].measured_by == "hi-01/1"
    assert not run.happened("meter.bypassed")


def test_a_resistance_that_nothing_measures_is_refused_before_anything_starts() -> None:
    with pytest.raises(InvalidFile) as refused:
        loaded("c1", "c2").probe("c1").run(CHARGED, acir())
    (problem,) = refused.value.problems
    assert (problem.code, problem.step) == ("meter", "2")
    assert problem.message == "step 2 cannot be measured at B01/A2: it has no meter"
    with pytest.raises(InvalidFile, match=r"hi-01 measures at 1 kHz, not at 10 Hz"):
        loaded("c1").probe("c1").run("acir: {frequency: 10 Hz}")
    assert FREQUENCY_HZ == 1000.0


def test_a_meter_that_is_silent_for_a_while_measures_later() -> None:
    rack = loaded("c1", "c2").probe("c1", "c2").unplug("hi-01", after_s=60, for_s=120)
    run = rack.run(ocv(minutes=1.5), acir())
    assert [step.measured_by for cell in ("c1", "c2") for step in run[cell].steps] == [
        "hi-01/1", "hi-01/1", "hi-01/2", "hi-01/2"
    ]  # fmt: skip
    assert len(run.happened("device.lost", device="hi-01")) == 1
    assert len(run.happened("meter.back", device="hi-01")) == 1
    assert run["c1"].steps[0].duration_s > 180


def test_what_a_lost_meter_did_not_measure_has_no_number_and_others_go_on() -> None:
    rack = loaded("c1", "c2", "c3").probe("c1", "c2").probe("c3", meter="hi-02").unplug("hi-01", after_s=10)
    run = rack.run(ocv(minutes=1, tag="ocv1"), acir(), CHARGED)
    for cell in ("c1", "c2"):
        for step in run[cell].steps[:2]:
            assert (step.ocv_v, step.acir_ohm, step.measured_by) == (None, None, None)
            assert (step.stop_reason, step.quality, step.is_valid) == ("device-fault", ("SKIPPED",), False)
            assert step.stop_text == "it was not measured within 600 s"
        assert run[cell].steps[2].stop_reason == "time"
        assert run[cell].outcome is not None and run[cell].outcome.ended == "completed"
    assert [step.measured_by for step in run["c3"].steps] == ["hi-02/1", "hi-02/1", None]
    assert run["c3"].steps[0].duration_s < 70
    (lost,) = run.happened("device.lost")
    assert (lost.device, lost.code) == ("hi-01", "49")
    assert len(run.happened("meter.not_measured")) == 4


def test_a_meter_that_reports_a_fault_again_and_again_is_given_up_at_once() -> None:
    rack = loaded("c1", "c2").probe("c1", "c2").disturb("hi-01", "exception", after_s=10)
    run = rack.run(ocv(minutes=1), acir())
    assert reasons(run, "c1") == reasons(run, "c2") == ["device-fault", "device-fault"]
    assert run["c2"].steps[0].duration_s < 70
    assert len(run.happened("device.latched", device="hi-01")) == 1


def test_a_single_garbled_answer_costs_no_measurement() -> None:
    rack = loaded("c1").probe("c1").disturb("hi-01", "exception", after_s=60, for_s=1.1)
    run = rack.run(ocv(minutes=1), acir())
    assert [step.measured_by for step in run["c1"].steps] == ["hi-01/1", "hi-01/1"]
    assert not run.happened("device.lost")


@pytest.mark.parametrize("fault", ["nan", "out-of-range"])
def test_a_meter_that_shows_no_number_gives_none(fault: str) -> None:
    rack = loaded("c1", "c2").probe("c1", "c2").disturb("hi-01", fault, after_s=10, channel="1")
    run = rack.run(ocv(minutes=1), acir())
    assert [step.quality for step in run["c1"].steps] == [("SKIPPED",), ("SKIPPED",)]
    assert "its probes touch nothing" in run["c1"].steps[1].stop_text
    assert [step.quality for step in run["c2"].steps] == [("OK",), ("OK",)]


def test_a_voltage_that_the_cycler_contradicts_is_not_taken() -> None:
    rack = loaded("c1").probe("c1").disturb("hi-01", "drift", after_s=0, offset_per_s=1e-3, gain_per_s=0.0)
    run = rack.run(ocv(minutes=5), acir())
    voltage, resistance = run["c1"].steps
    assert (voltage.ocv_v, voltage.quality) == (None, ("SKIPPED",))
    assert resistance.acir_ohm is not None
    (doubt,) = run.happened("meter.not_measured")
    assert doubt.code == "21" and "and the cycler 3.5" in doubt.text


def test_a_cycler_that_stays_connected_at_rest_leaves_no_cell_to_a_meter() -> None:
    def rack() -> SimRack:
        return SimRack(driver="keithley_2450").load("c1", state="formed@40%", capacity_ah=1.0).probe("c1")

    outcome = rack().run(acir())["c1"].outcome
    assert outcome is not None and outcome.ended == "not-started"
    assert outcome.detail == (
        "step 1 cannot be measured: the cycler stays connected at rest, and the meter needs the cell for itself"
    )
    run = rack().run(contact(), ocv(minutes=1))
    assert run["c1"].steps[-1].measured_by == "cycler"
    (bypassed,) = run.happened("meter.bypassed")
    assert bypassed.text == "measured by the cycler: its relay is not seen open"


def test_what_was_measured_can_be_reckoned_with() -> None:
    rack = loaded("c1").probe("c1")
    run = rack.run(
        ocv(minutes=1, tag="first"), acir(tag="r"), "set: {twice: r.acir * 2, v: first.ocv}",
        "rest: {time: 1 min, fail: [v < 2 V, twice > 1 Ohm]}",
    )  # fmt: skip
    assert run["c1"].outcome is not None and run["c1"].outcome.ended == "completed"
    (told,) = run.happened("variables.set")
    voltage, resistance = run["c1"].steps[:2]
    assert told.data["twice"] == pytest.approx(2 * (resistance.acir_ohm or 0.0))
    assert told.data["v"] == pytest.approx(voltage.ocv_v)


def test_a_step_that_needs_what_was_not_measured_holds_the_cell() -> None:
    rack = loaded("c1").probe("c1").disturb("hi-01", "nan", after_s=10)
    run = rack.run(acir(tag="r"), ocv(minutes=1), acir(tag="r"), "set: {twice: r.acir * 2}", CHARGED)
    assert [step.is_valid for step in run["c1"].steps[:3]] == [True, False, False]
    assert run["c1"].outcome is not None and run["c1"].outcome.ended == "completed"  # by the first one
    run = (
        loaded("c1").probe("c1").disturb("hi-01", "nan", after_s=0).run(acir(tag="r"), "set: {twice: r.acir}", CHARGED)
    )
    assert reasons(run, "c1") == ["device-fault", "hold"]


@pytest.mark.parametrize("fault", ["restart", "half-open", "truncated", "late-after-reconnect", "refused"])
def test_trouble_on_the_wire_of_a_meter_costs_no_measurement(fault: str) -> None:
    rack = loaded("c1").probe("c1", driver="hioki_bt3562").disturb("hi-01", fault, after_s=59, for_s=30)
    voltage, resistance = rack.run(ocv(minutes=1), acir())["c1"].steps
    assert voltage.ocv_v == pytest.approx(rack.truth("c1").voltage_v, abs=2e-3)
    assert resistance.acir_ohm is not None and 0.005 < resistance.acir_ohm < 0.03
    assert voltage.duration_s < 180
