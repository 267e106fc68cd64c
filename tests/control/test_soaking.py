"""Cells soak where their recipe says so: in a chamber that they may have to share, or in a room that is as it is."""

from pathlib import Path

import pytest

from cycler.recipe.problems import InvalidFile
from cycler.record.reader import Reader
from sims.devices.chamber import ChamberHardware
from sims.testing.rack_run import RackRun
from sims.testing.sim_rack import SimRack
from sims.testing.steps import amp_hours, chamber, charge, discharge, minutes, rest, soak, voltage

SHORT = charge(c_rate=0.2, until=(voltage(4.1), amp_hours(6), minutes(5)))
GRADED = discharge(c_rate=0.2, until=(voltage(2.9), amp_hours(6), minutes(10)), tag="cap")
HOUR_S = 3600.0


def rack(*bays: str, ambient_degc: float = 25.0) -> SimRack:
    """Two cells in each of these bays, all in one chamber."""
    built = SimRack(ambient_degc=ambient_degc).enclose(*bays)
    for bay in bays:
        built.load(f"{bay}-1", bay=bay).load(f"{bay}-2", bay=bay)
    return built


def ended(run: RackRun) -> dict[str, tuple[str, str | None]]:
    return {name: (cell.outcome.ended, cell.outcome.code) for name, cell in run.cells.items() if cell.outcome}


def seconds_of(run: RackRun, cell: str, step_type: str) -> list[tuple[float, float]]:
    """When the cell's steps of this type began and ended."""
    return [(s.started_s, s.started_s + s.duration_s) for s in run[cell].steps if s.step_type == step_type]


def test_a_tray_goes_on_together_when_its_cells_have_their_temperature() -> None:
    run = rack("B01", ambient_degc=18.0).run(soak(degc=30.0), SHORT)
    ((_, first_s),), ((_, second_s),) = seconds_of(run, "B01-1", "soak"), seconds_of(run, "B01-2", "soak")
    assert first_s == pytest.approx(second_s, abs=3.0)
    assert first_s > 20 * 60.0  # 12 K take the air some minutes and the cells some more; then they hold for ten
    for cell in run.cells.values():
        assert cell.steps[0].stop_reason == "completed"
        begin = next(sample for sample in cell.samples if sample.step_count == 2)
        assert begin.temperature_degc == pytest.approx(30.0, abs=2.5)
    assert set(ended(run).values()) == {("completed", None)}


def test_waiting_and_soaking_keep_the_relay_open() -> None:
    built = rack("B01", "B02", ambient_degc=20.0)
    energised: list[bool] = []
    built.after(600.0, lambda: energised.extend(built.truth(cell).is_energised for cell in ("B01-1", "B02-1")))
    built.assign("B02", soak(degc=40.0), SHORT).run(soak(degc=30.0, minutes=20), SHORT)
    assert energised == [False, False]


def test_trays_that_want_the_same_temperature_share_the_chamber() -> None:
    run = rack("B01", "B02", ambient_degc=22.0).run(soak(degc=30.0), SHORT)
    ends_s = [seconds_of(run, cell, "soak")[0][1] for cell in run.cells]
    assert max(ends_s) - min(ends_s) < 0.25 * HOUR_S  # each bay judges its own cells
    assert not run.happened("chamber.awaited")
    assert set(ended(run).values()) == {("completed", None)}


@pytest.mark.parametrize("bays", [("B01", "B02"), ("B02", "B01")])
def test_a_tray_that_wants_another_temperature_waits_its_turn_in_its_soak(bays: tuple[str, str]) -> None:
    built = rack(*bays, ambient_degc=25.0).assign("B01", soak(degc=30.0), SHORT, rest(minutes=10))
    run = built.assign("B02", soak(degc=40.0), SHORT).run()
    first, second = (f"{bay}-1" for bay in bays)
    first_end_s = run[first].steps[-1].started_s + run[first].steps[-1].duration_s
    assert seconds_of(run, second, "charge")[0][0] > first_end_s
    (waiting,) = run.happened("chamber.awaited")
    assert f"{bays[0]} has it at" in waiting.text
    wanted_degc = {"B01": 30.0, "B02": 40.0}
    for bay in bays:  # what a running tray has is not disturbed
        charged = [s for s in run[f"{bay}-1"].samples if s.step_count == 2]
        assert all(sample.temperature_degc == pytest.approx(wanted_degc[bay], abs=3.0) for sample in charged)
    assert set(ended(run).values()) == {("completed", None)}


def test_waiting_for_a_chamber_is_no_soak_time() -> None:
    built = rack("B01", "B02").assign("B01", soak(degc=30.0), SHORT, rest(minutes=90))
    run = built.assign("B02", soak(degc=28.0, timeout_h=1), SHORT).run()
    ((begin_s, end_s),) = seconds_of(run, "B02-1", "soak")
    assert end_s - begin_s > 1.75 * HOUR_S
    assert set(ended(run).values()) == {("completed", None)}


@pytest.mark.parametrize("starts", [("B01", "B02", "B03"), ("B03", "B01", "B02"), ("B02", "B03", "B01")])
def test_three_trays_with_three_courses_all_come_to_their_end(starts: tuple[str, ...]) -> None:
    built = rack(*starts).assign("B01", soak(degc=25.0), SHORT, soak(degc=35.0), SHORT)
    built.assign("B02", soak(degc=25.0), SHORT, soak(degc=35.0), SHORT, soak(degc=25.0), GRADED)
    run = built.assign("B03", soak(degc=20.0), SHORT).run()
    assert set(ended(run).values()) == {("completed", None)}


def test_trays_that_would_wait_for_each_other_do_not_start_together() -> None:
    built = rack("B01", "B02").assign("B01", soak(degc=25.0), SHORT, soak(degc=40.0), SHORT)
    with pytest.raises(InvalidFile) as refused:
        built.assign("B02", soak(degc=40.0), SHORT, soak(degc=25.0), SHORT).run()
    (problem,) = refused.value.problems
    assert problem.code == "chamber-conflict"
    assert "B01 takes 25 degC before 40 degC, B02 after it" in problem.message


def test_cells_that_are_late_are_waited_for_before_the_chamber_is_set_to_something_else() -> None:
    built = rack("B01").spoil("B01-2", "low-capacity", factor=0.5)
    full = charge(c_rate=0.5, until=(voltage(4.0), amp_hours(6), minutes(240)))
    run = built.run(soak(degc=25.0), full, soak(degc=35.0, minutes=1), SHORT)
    early, late = seconds_of(run, "B01-2", "charge")[0], seconds_of(run, "B01-1", "charge")[0]
    assert early[1] < late[1]
    charging = [sample for sample in run["B01-1"].samples if sample.step_count == 2]
    assert max(sample.temperature_degc for sample in charging) < 33.0
    assert set(ended(run).values()) == {("completed", None)}


def test_a_chamber_step_waits_from_when_the_chamber_is_set() -> None:
    run = rack("B01").run(chamber(degc=30.0, wait_minutes=30), SHORT)
    for cell in run.cells.values():
        assert cell.steps[0].stop_reason == "completed"
        assert cell.steps[0].duration_s == pytest.approx(30 * 60.0, abs=15.0)
    assert run["B01-1"].samples[-1].temperature_degc == pytest.approx(30.0, abs=3.0)


def test_a_soak_that_most_cells_do_not_reach_is_held() -> None:
    built = rack("B01", ambient_degc=25.0).disturb("ch-01", "chamber-fail", after_s=0.0)  # it cannot cool
    run = built.run(soak(degc=15.0, timeout_h=1), SHORT)
    for name, cell in run.cells.items():
        assert cell.stop_reason == "hold"
        assert cell.outcome is not None and cell.outcome.ended == "stopped"
        assert built.output_is_open(name)
    (held,) = run.happened("soak.timed_out")
    assert "the soak timed out" in held.text


def test_a_cell_that_stays_outside_is_left_behind_and_the_others_go_on() -> None:
    built = SimRack().enclose("B01").load("c1").load("c2").load("c3")
    built.disturb("tc-01", "frozen", channel="2", after_s=5.0)
    run = built.run(soak(degc=30.0, timeout_h=1), SHORT)
    assert ended(run) == {
        "c1": ("completed", None),
        "c2": ("not-started", "TEMPERATURE"),  # no current has flowed
        "c3": ("completed", None),
    }
    assert built.output_is_open("c2")


def test_a_chamber_that_falls_silent_leaves_cells_in_their_soak_until_it_times_out() -> None:
    built = rack("B01", ambient_degc=18.0).disturb("ch-01", "no-reply", after_s=5.0)
    run = built.run(soak(degc=25.0, timeout_h=1), SHORT)
    assert {cell.stop_reason for cell in run.cells.values()} == {"hold"}
    assert run.happened("device.lost", device="ch-01")
    ((begin_s, end_s),) = seconds_of(run, "B01-1", "soak")
    assert end_s - begin_s == pytest.approx(HOUR_S, abs=20.0)


def test_a_chamber_that_comes_back_is_set_again_and_the_soak_goes_on() -> None:
    built = rack("B01", ambient_degc=18.0).disturb("ch-01", "no-reply", after_s=5.0, for_s=100.0)
    built.after(110.0, lambda: built.instrument("ch-01", ChamberHardware).chamber.hold(10.0, None))
    run = built.run(soak(degc=25.0), SHORT)
    assert set(ended(run).values()) == {("completed", None)}


def test_energised_steps_outlive_their_chamber_and_the_graded_one_is_marked() -> None:
    built = rack("B01", ambient_degc=25.0).disturb("ch-01", "no-reply", after_s=800.0)
    run = built.run(soak(degc=25.0), SHORT, GRADED)
    for cell in run.cells.values():
        qualities = {step.step_type: step.quality for step in cell.steps}
        assert qualities == {"soak": ("OK",), "charge": ("OK",), "discharge": ("TEMPERATURE",)}
    assert set(ended(run).values()) == {("completed", None)}


def test_an_open_door_marks_the_graded_step_and_fails_no_cell() -> None:
    built = rack("B01", ambient_degc=15.0).disturb("ch-01", "door-open", after_s=1.25 * HOUR_S, for_s=300.0)
    run = built.run(
        soak(degc=30.0),
        rest(minutes=10),
        discharge(c_rate=0.1, until=(voltage(2.9), amp_hours(6), minutes(60)), tag="cap"),
    )
    assert [event.event for event in run.events if event.event.startswith("chamber.door")] == [
        "chamber.door_opened",
        "chamber.door_closed",
    ]
    assert run.happened("chamber.off_temperature")
    assert {cell.steps[-1].quality for cell in run.cells.values()} == {("TEMPERATURE",)}
    assert {cell.steps[1].quality for cell in run.cells.values()} == {("OK",)}
    assert set(ended(run).values()) == {("completed", None)}


def test_a_chamber_that_does_not_feel_its_air_is_an_alarm() -> None:
    built = rack("B01").disturb("ch-01", "sensor-break", after_s=100.0, for_s=100.0)
    run = built.run(soak(degc=25.0), SHORT)
    assert [e.code for e in run.events if e.event in {"chamber.sensor_broken", "chamber.sensor_back"}] == ["78", "78"]
    assert set(ended(run).values()) == {("completed", None)}


def test_a_set_value_that_somebody_else_has_moved_is_set_again() -> None:
    built = rack("B01")
    built.after(300.0, lambda: built.instrument("ch-01", ChamberHardware).chamber.hold(40.0, None))
    run = built.run(soak(degc=25.0), SHORT)
    assert run.happened("chamber.set_value_moved", device="ch-01")
    assert built.instrument("ch-01", ChamberHardware).chamber.target_degc == 25.0


def test_a_chamber_that_stands_still_after_a_power_failure_is_set_again() -> None:
    built = rack("B01", ambient_degc=15.0).disturb("ch-01", "restart", after_s=3500.0, for_s=2.0)
    run = built.run(soak(degc=30.0), rest(minutes=120))
    assert [e.event for e in run.events if "_temperature" in e.event] == [
        "chamber.off_temperature",
        "chamber.on_temperature",
    ]
    assert run["B01-1"].samples[-1].temperature_degc == pytest.approx(30.0, abs=2.0)


def test_the_chamber_gets_the_limits_of_its_cells_and_keeps_its_set_value_when_all_is_over() -> None:
    built = rack("B01")
    built.run(soak(degc=30.0), SHORT)
    hardware = built.instrument("ch-01", ChamberHardware)
    assert hardware.chamber.limits_degc == (-10.0, 60.0)
    assert (hardware.chamber.target_degc, hardware.chamber.running) == (30.0, True)


def test_the_air_around_the_cells_is_on_record(tmp_path: Path) -> None:
    built = SimRack(ambient_degc=20.0, store=tmp_path).enclose("B01").load("c1").load("c2", bay="B02")
    built.assign("B02", SHORT).run(soak(degc=30.0), SHORT)
    with Reader(tmp_path) as reader:
        inside, outside = (reader.curves(run.run_id) for run in reader.runs())
    (warmed,), (plain,) = inside.values(), outside.values()
    assert warmed.air_degc is not None
    assert warmed.air_degc[0] == pytest.approx(20.0, abs=0.5)
    assert warmed.air_degc[-1] == pytest.approx(30.0, abs=0.5)
    assert plain.air_degc is None


def test_a_run_does_not_start_in_a_chamber_that_does_not_answer() -> None:
    run = rack("B01").disturb("ch-01", "no-reply", after_s=0.0).run(soak(degc=25.0), SHORT)
    assert set(ended(run).values()) == {("not-started", None)}


def test_a_room_that_is_warm_enough_needs_no_chamber() -> None:
    run = SimRack(ambient_degc=25.0).load("c1").run(soak(degc=25.0), SHORT)
    assert run["c1"].steps[0].duration_s == pytest.approx(600.0, abs=15.0)
    assert ended(run) == {"c1": ("completed", None)}


def test_cells_that_a_room_will_never_warm_do_not_start() -> None:
    run = SimRack(ambient_degc=18.0).load("c1").run(soak(degc=25.0), SHORT)
    assert ended(run) == {"c1": ("not-started", "TEMPERATURE")}
    (refused,) = run.happened("cell.refused")
    assert "bay B01 has no chamber" in refused.text


@pytest.mark.parametrize(
    "steps", [(chamber(degc=30.0, wait_minutes=10), SHORT), (soak(degc=25.0), soak(degc=30.0), SHORT)]
)
def test_a_room_cannot_be_set(steps: tuple[str, ...]) -> None:
    with pytest.raises(InvalidFile) as refused:
        SimRack().load("c1").run(*steps)
    (problem,) = refused.value.problems
    assert problem.code == "no-chamber"
