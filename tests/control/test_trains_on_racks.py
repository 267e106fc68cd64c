"""HPPC, drive cycles and ramps on simulated cells: what was recorded is what flowed; resistances by turns."""

import pytest

from cycler.model.results import NAS_PER_AH
from sims.testing.rack_run import CellRun
from sims.testing.sim_rack import SimRack
from sims.testing.steps import pulse, rest

HPPC = (
    "pulse: {train: [[-1C, 30 s], [0 A, 40 s], [0.75C, 10 s]], times: 3,"
    " fail: [capacity > 5 %, time > 10 min, voltage < 2.5 V, voltage > 4.2 V]}"
)
DRIVE = (
    "profile: {points: [[0 s, -12 W], [8 s, -30 W], [11 s, 9 W], [15 s, 0 W], [19 s, -4.5 W], [30 s, 6 W], [34 s, 0 W]]"
    ", fail: [capacity > 5 %, time > 2 min]}"
)
CURRENT_RAMP = "ramp: {quantity: current, from: C/2, to: -1C, rate: 50 mA/s}"
VOLTAGE_RAMP = "ramp: {quantity: voltage, from: 3.5 V, to: 3.6 V, rate: 0.25 mV/s, fail: [capacity > 80 %, time > 1 h]}"
ALL = (HPPC, rest(minutes=1), DRIVE, rest(minutes=1), CURRENT_RAMP, rest(minutes=1), VOLTAGE_RAMP)


def moved_ah(run: CellRun, place: int) -> tuple[float, float]:
    moved = run.steps[place].moved
    return moved.charged_nas / NAS_PER_AH, moved.discharged_nas / NAS_PER_AH


def test_trains_move_what_they_say_and_the_charge_is_the_physics_own() -> None:
    rack = (
        SimRack(ideal=True, options={"counter": "true"}).load("c1", state="formed@25%").load("c2", state="formed@60%")
    )
    run = rack.run(*ALL)
    for cell in ("c1", "c2"):
        assert run[cell].stop_reason == "completed"
        assert moved_ah(run[cell], 0) == pytest.approx((3 * 3.75 * 10 / 3600, 3 * 5 * 30 / 3600), rel=0.02)
        truth, moved = rack.truth(cell), run[cell].moved
        assert moved.charged_nas / NAS_PER_AH == pytest.approx(truth.charged_ah, abs=1e-6)
        assert moved.discharged_nas / NAS_PER_AH == pytest.approx(truth.discharged_ah, abs=1e-6)
        assert [step.cycle for step in run[cell].steps][0::2] == [1, 1, 1, 2]


def test_a_current_ramp_moves_the_charge_of_its_straight_line() -> None:
    """From 2.5 A down to -5 A in 150 s: 50 s of charge, 100 s of discharge."""
    run = SimRack(ideal=True).load("c1", state="formed@50%").run(rest(minutes=1), CURRENT_RAMP)["c1"]
    assert moved_ah(run, 1) == pytest.approx((2.5 * 50 / 2 / 3600, 5 * 100 / 2 / 3600), rel=0.02)
    assert run.steps[1].duration_s == pytest.approx(150.0, abs=1.5)


def test_later_steps_take_the_charge_of_a_train_that_goes_one_way() -> None:
    """100 s up to C/2 and back to nothing move 34.7 mAh: half of it is taken back by its share, half by arithmetic."""
    up = "ramp: {quantity: current, from: 0 A, to: C/2, rate: 25 mA/s, tag: up}"
    share = (
        "discharge: {current: C/5, until: [capacity >= 50 % of up],"
        " fail: [voltage < 2.6 V, time > 1 h, capacity > 5 %]}"
    )
    run = (
        SimRack(ideal=True)
        .load("c1", state="formed@50%")
        .run(rest(minutes=1), up, share, "set: {kept: up / 1 Ah, lost: up.energy / 1 Wh}", rest(minutes=1))["c1"]
    )
    charged_ah = moved_ah(run, 1)[0]
    assert run.outcome.ended == "completed"
    assert charged_ah == pytest.approx(2.5 / 2 * 100 / 3600, rel=0.02)
    assert moved_ah(run, 2)[1] == pytest.approx(charged_ah / 2, abs=1.5e-3)


def test_a_voltage_ramp_leads_the_cell_to_its_end_and_takes_nothing_out_of_it() -> None:
    run = SimRack(ideal=True).load("c1", state="formed@20%").run(rest(minutes=1), VOLTAGE_RAMP)["c1"]
    assert run.stop_reason == "completed"
    assert run.steps[1].end_voltage_v == pytest.approx(3.6, abs=2e-3)
    charged_ah, discharged_ah = moved_ah(run, 1)
    assert charged_ah > 0.05 and discharged_ah == 0.0


def test_trains_behind_a_wire_are_timed_by_the_host_and_keep_their_time() -> None:
    rack = SimRack(driver="ea_psb", ideal=True).load("c1", state="formed@50%")
    run = rack.run(rest(minutes=1), HPPC, rest(minutes=1), DRIVE)["c1"]
    assert run.stop_reason == "completed"
    for place, duration_s in ((1, 240.0), (3, 34.0)):
        assert run.steps[place].quality == ("HOST_TIMED",)
        assert run.steps[place].duration_s == pytest.approx(duration_s, abs=1.0)
    assert moved_ah(run, 1) == pytest.approx((3 * 3.75 * 10 / 3600, 3 * 5 * 30 / 3600), rel=0.05)
    points = run.steps[1].train
    assert [point.stretch for point in points] == [1, 3, 4, 6, 7, 9]
    assert all(0.01 < point.resistance_ohm < 0.06 for point in points)


def test_a_train_writes_no_event_for_each_of_its_orders() -> None:
    run = SimRack(driver="ea_psb").load("c1", state="formed@50%").run(rest(minutes=1), DRIVE)
    told = [event for event in run.events if event.event in {"order.given", "order.applied"}]
    assert len(told) == 4  # of the rest, and of the profile's first stretch


def test_where_only_one_channel_may_pulse_the_others_rest_meanwhile() -> None:
    """Two cells pulse by turns; a third one's discharge waits for neither of them, and its next step for their end."""
    dcir = pulse(c_rate=1.0, seconds=10, values_s=(1.0, 10.0))
    rack = SimRack(ideal=True, options={"pulse_exclusive": "true"})
    rack.load("c1", state="formed@50%").load("c2", state="formed@50%").load("c3", bay="B02", state="formed@50%")
    rack.assign(
        "B02",
        "discharge: {current: C/2, until: [time >= 200 s], fail: [voltage < 3 V, capacity > 10 %]}",
        "rest: {time: 5 s}",
        "discharge: {current: C/2, until: [time >= 20 s], fail: [voltage < 3 V, time > 1 min, capacity > 10 %]}",
    )
    run = rack.run(
        rest(minutes=1), dcir, "charge: {current: C/5, until: [time >= 30 s], fail: [voltage > 4.1 V, capacity > 5 %]}"
    )
    spans = {}
    for cell in ("c1", "c2", "c3"):
        assert run[cell].stop_reason == "time"
        energised = run[cell].samples
        spans[cell] = [(s.elapsed_s, s.step_count) for s in energised if abs(s.current_a) > 0.1]
    pulses = {cell: [at_s for at_s, step in spans[cell] if step == 2] for cell in ("c1", "c2")}
    first, second = sorted(pulses.values())
    assert first[-1] <= second[0]
    others = [at_s for at_s, _ in spans["c3"]] + [
        at_s for cell in ("c1", "c2") for at_s, step in spans[cell] if step == 3
    ]
    assert first[0] >= 200.0
    assert not any(first[0] < at_s < second[-1] for at_s in others)
    assert all(len(run[cell].steps[1].pulse) == 2 for cell in ("c1", "c2"))


EXCLUSIVE = {"pulse_exclusive": "true"}


def three_cells(**options: str) -> SimRack:
    rack = SimRack(ideal=True, options=options)
    return rack.load("c1", state="formed@50%").load("c2", state="formed@50%").load("c3", state="formed@50%")


def test_the_time_of_a_train_does_not_count_the_waiting_for_a_turn() -> None:
    """Each takes 100 s; the last one waits for 200 s."""
    train = "pulse: {train: [[-1C, 30 s], [0 A, 70 s]], fail: [time > 150 s, capacity > 5 %]}"
    run = three_cells(**EXCLUSIVE).run(rest(minutes=1), train)
    for cell in ("c1", "c2", "c3"):
        assert run[cell].stop_reason == "completed"
        assert [point.stretch for point in run[cell].steps[1].train] == [1]


def test_a_time_that_comes_within_the_pulses_themselves_still_fails() -> None:
    early = "time > 50 s and voltage > 3 V -> fail TIMEOUT"
    train = f"pulse: {{train: [[-1C, 30 s], [0 A, 70 s]], fail: [{early}, time > 150 s, capacity > 5 %]}}"
    run = three_cells(**EXCLUSIVE).run(rest(minutes=1), train)
    for cell in ("c1", "c2", "c3"):
        outcome = run[cell].outcome
        assert outcome is not None and (outcome.ended, outcome.code) == ("failed", "TIMEOUT")
        pulsed_s = [sample.elapsed_s for sample in run[cell].samples if sample.current_a < -0.1]
        assert pulsed_s[-1] - pulsed_s[0] > 25.0


@pytest.mark.parametrize("lead", ["", "[0 A, 10 s], "], ids=["at once", "after a rest"])
def test_stretches_are_numbered_alike_where_cells_take_turns(lead: str) -> None:
    train = f"pulse: {{train: [{lead}[-1C, 10 s], [0 A, 10 s]], times: 2, fail: [capacity > 5 %, time > 10 min]}}"
    together, by_turns = (
        [point.stretch for point in three_cells(**options).run(rest(minutes=1), train)["c1"].steps[1].train]
        for options in ({}, EXCLUSIVE)
    )
    assert together == by_turns == ([2, 5] if lead else [1, 3])
