"""Steps that wait: for the other cells of the run, or for a person, who is not there in simulation."""

from sims.testing.rack_run import RackRun
from sims.testing.sim_rack import SimRack
from sims.testing.steps import amp_hours, charge, minutes, rest, voltage

TO_4_V = charge(c_rate=0.5, until=(voltage(4.0), amp_hours(5), minutes(120)))


def unequal_cells() -> SimRack:
    """The first one is soon where the other one comes much later."""
    return SimRack(ideal=True).load("soon", state="formed@70%").load("late", state="formed@30%")


def began_s(run: RackRun, cell: str, step_type: str) -> float:
    return next(step.started_s for step in run[cell].steps if step.step_type == step_type)


def test_cells_of_a_group_go_on_together() -> None:
    run = unequal_cells().run(TO_4_V, "hold: {group: full, timeout: 3 h}", rest(minutes=1))
    assert began_s(run, "soon", "hold") < began_s(run, "late", "hold") - 1800.0
    assert abs(began_s(run, "soon", "rest") - began_s(run, "late", "rest")) <= 3.0
    assert [step.stop_reason for step in run["soon"].steps] == ["voltage", "completed", "completed"]


def test_nobody_waits_for_a_cell_whose_run_is_over() -> None:
    fails = TO_4_V.replace("}", ", fail: [voltage > 4.1 V before 1 min -> fail WRONG_CHEMISTRY]}")
    run = unequal_cells().load("full", state="formed@100%").run(fails, "hold: {group: full, timeout: 3 h}")
    ends = {name: cell.outcome.ended for name, cell in run.cells.items() if cell.outcome}
    assert ends == {"soon": "completed", "late": "completed", "full": "failed"}


def test_who_has_waited_for_too_long_needs_a_person() -> None:
    run = unequal_cells().run(TO_4_V, "hold: {group: full, timeout: 10 min}", rest(minutes=1))
    held = run["soon"]
    assert held.stop_reason == "hold"
    assert held.outcome is not None
    assert held.outcome.detail.startswith("time >= 10 min")
    assert run["late"].outcome is not None
    assert run["late"].outcome.ended == "completed"


def test_a_barrier_in_a_loop_keeps_the_cells_together_in_every_turn() -> None:
    turn = "[{rest: {time: 1 min, until: [voltage < 3.9 V]}}, {hold: {group: turn, timeout: 1 h}}]"
    run = unequal_cells().run(f"loop: {{times: 3, steps: {turn}}}")
    holds = {name: [step.started_s for step in run[name].steps if step.step_type == "hold"] for name in run.cells}
    assert len(holds["soon"]) == len(holds["late"]) == 3
    assert all(cell.outcome.ended == "completed" for cell in run.cells.values() if cell.outcome)


def test_what_a_person_is_asked_is_on_record_and_that_nobody_was_there() -> None:
    run = unequal_cells().run("hold: {message: Is the valve open?, timeout: 1 h}", rest(minutes=1))
    assert [event.text for event in run.happened("hold.asked")] == ["Is the valve open?"] * 2
    assert {event.text for event in run.happened("hold.released")} == {
        "answered by the simulation: nobody is there to be asked"
    }


def test_the_person_is_asked_when_the_group_is_there() -> None:
    run = unequal_cells().run(TO_4_V, "hold: {group: full, message: Degas now, timeout: 3 h}")
    asked_s = {event.elapsed_s for event in run.happened("hold.asked")}
    assert min(asked_s) >= began_s(run, "late", "hold") - 3.0


def test_two_ways_that_lead_to_holds_of_one_group_meet_there() -> None:
    parting = "rest: {time: 1 min, until: [voltage < 3.7 V -> goto low]}"
    ways = (parting, "hold: {group: both, timeout: 1 h}", rest(minutes=1), "hold: {id: low, group: both, timeout: 1 h}")
    run = unequal_cells().run(*ways)
    assert [cell.outcome.ended for cell in run.cells.values() if cell.outcome] == ["completed", "completed"]
    assert sum(step.duration_s for step in run["late"].steps) < 600.0
