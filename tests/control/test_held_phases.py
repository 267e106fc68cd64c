"""Phases that the bay lets go: the machine waits, says so once, and goes on when it is told."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machine_bench import CELL_TYPE, Bench, charge, compare, machine_for, plan, rest, started, step, until

from cycler.control.machine_events import MachineEvent, OrderDue, PhaseHeld
from cycler.control.tagged import fields_of
from cycler.model.cell_type import Band
from cycler.model.results import MeterValue
from cycler.recipe.plan import ContactRule, MeterRule, PlanPhase, PlanStep

WAIT = PlanPhase(direction="rest", duration_s=2.0, held=True, stage="passive")
PUSH = PlanPhase(direction="charge", current_a=0.1, voltage_v=4.2, above_rest_v=0.5, duration_s=30.0, stage="charge")
DECAY = PlanPhase(direction="rest", duration_s=10.0, held=True, stage="decay")


def check(*phases: PlanPhase) -> PlanStep:
    return step("contact", *(phases or (WAIT, PUSH, DECAY)), contact=ContactRule())


def held(events: Sequence[MachineEvent]) -> int:
    return sum(isinstance(event, PhaseHeld) for event in events)


def released(bench: Bench) -> Bench:
    bench.take(bench.machine.release("completed", "go on"))
    return bench


def test_a_held_phase_outlasts_its_time_and_is_announced_once() -> None:
    bench = started(plan(check(), rest(5.0)), phases_max=8).run(2.0)
    assert not bench.machine.held
    bench.run(600.0)
    assert bench.machine.held
    assert held(bench.events) == 1
    assert sum(isinstance(event, OrderDue) for event in bench.events) == 1


def test_a_held_phase_without_a_time_waits_from_its_first_reading_on() -> None:
    soak = step("soak", PlanPhase(direction="rest", held=True))
    bench = started(plan(soak, rest(5.0))).run(3.0)
    assert bench.machine.held
    released(bench).run()
    assert [result.stop_reason for result in bench.results] == ["completed", "time"]


@pytest.mark.parametrize("phases_max", [1, 8])
def test_a_released_phase_is_followed_by_the_next_and_the_last_one_ends_the_step(phases_max: int) -> None:
    bench = started(plan(check(), rest(5.0)), phases_max=phases_max, counter=True).run(10.0)
    released(bench).run(20.0)
    assert (bench.machine.held, bench.machine.phase) == (False, PUSH)
    bench.run(60.0)
    assert (bench.machine.held, bench.machine.phase) == (True, DECAY)
    released(bench).run()
    (result, _) = bench.results
    assert (result.stop_reason, result.stop_text) == ("completed", "go on")
    assert result.moved.charged_nas / 3.6e12 == pytest.approx(0.1 * 30 / 3600, rel=0.1)


def test_an_order_ends_with_the_phase_that_is_held() -> None:
    bench = started(plan(check(), rest(5.0)), phases_max=8).run(10.0)
    released(bench).run(100.0)
    assert [event.first_phase for event in bench.events if isinstance(event, OrderDue)] == [0, 1]


def test_a_micro_charge_is_clamped_above_the_voltage_at_rest() -> None:
    bench = started(plan(check()), phases_max=8).run(10.0)
    due = bench.machine.release("completed", "")[-1]
    assert isinstance(due, OrderDue)
    assert due.variant.phases[due.first_phase].clamp_v(due.rest_v) == pytest.approx(bench.ocv_v + 0.5)


def test_nothing_is_released_that_is_not_held() -> None:
    bench = started(plan(charge(1.0, until(compare("time", ">=", 60.0))))).run(10.0)
    assert not bench.machine.release("completed", "go on")
    assert not bench.machine.repeat("lost-contact", "again")


def test_a_step_that_is_repeated_has_numbers_for_each_time() -> None:
    bench = started(plan(check(), rest(5.0)), phases_max=8).run(10.0)
    released(bench).run(60.0)
    bench.take(bench.machine.repeat("lost-contact", "its contact is open"))
    released(bench.run(10.0)).run(60.0)
    released(bench).run()
    assert [(each.step_count, each.step_type, each.stop_reason) for each in bench.results] == [
        (1, "contact", "lost-contact"),
        (2, "contact", "completed"),
        (3, "rest", "time"),
    ]


def test_a_cell_that_is_too_cold_is_not_released_into_a_charge() -> None:
    bench = started(plan(check()), phases_max=8).run(10.0)
    bench.temperature_degc = -5.0
    released(bench.run(2.0))
    assert bench.over.code == "TRIP_10"


def test_a_machine_that_is_restored_is_held_as_before() -> None:
    the_plan = plan(check(), rest(5.0))
    bench = started(the_plan, phases_max=8).run(10.0)
    again = machine_for(the_plan, phases_max=8)
    again.restore(bench.machine.save())
    bench.machine = again
    assert again.held
    released(bench).run(60.0)
    assert held(bench.events) == 2


def test_a_stop_ends_a_held_step_like_any_other() -> None:
    bench = started(plan(check()), phases_max=8).run(10.0)
    bench.take(bench.machine.stop("abort", "enough"))
    assert not bench.machine.held
    assert not bench.machine.release("completed", "go on")
    assert bench.run().results[0].stop_reason == "abort"


# The contacts at the first real current.

CURRENT = charge(1.0, until(compare("time", ">=", 60.0)))


@pytest.mark.parametrize(("contact_ohm", "code"), [(0.002, None), (0.02, "BAD_CONTACT"), (None, None)])
def test_output_minus_sense_at_a_real_current_is_the_resistance_of_the_contacts(
    contact_ohm: float | None, code: str | None
) -> None:
    bench = started(plan(CURRENT, CURRENT), contact_ohm=contact_ohm).run()
    assert bench.over.code == code
    assert len(bench.results) == (2 if code is None else 1)
    for result in bench.results:
        assert result.contact_ohm == (None if contact_ohm is None else pytest.approx(contact_ohm))


def test_one_reading_alone_makes_no_bad_contact() -> None:
    bench = started(plan(CURRENT), contact_ohm=0.002)
    readings: list[float] = []

    def jolt(bench: Bench, voltage_v: float, current_a: float) -> tuple[float, float]:
        readings.append(current_a)
        return voltage_v - (0.1 if sum(each > 0.5 for each in readings) == 1 and current_a > 0.5 else 0.0), current_a

    bench.disturb = jolt
    assert bench.run().over.end == "completed"
    assert bench.results[0].contact_ohm == pytest.approx(0.002)


def test_a_small_current_tells_nothing_of_the_contacts() -> None:
    small = charge(0.09 * CELL_TYPE.rated_capacity_ah, until(compare("time", ">=", 60.0)))
    assert started(plan(small), contact_ohm=0.02).run().results[0].contact_ohm is None


def test_a_cell_type_may_allow_its_contacts_more() -> None:
    generous = replace(CELL_TYPE, limits={"contact_ohm": Band(high=0.03)})
    the_plan = replace(plan(CURRENT), cell_type=generous)
    assert started(the_plan, contact_ohm=0.02).run().over.end == "completed"


METERED = step("ocv", PlanPhase(direction="rest", duration_s=5.0, held=True), tag="a", meter=MeterRule(kind="ocv"))


@given(cut=st.integers(min_value=0, max_value=12))
def test_what_was_measured_survives_a_restart_at_any_reading(cut: int) -> None:
    the_plan = plan(METERED, rest(5.0))
    bench = started(the_plan)
    for tick in range(40):
        if tick == cut:
            again = machine_for(the_plan)
            again.restore(bench.machine.save())
            bench.machine = again
        bench.tick()
        if tick == 8:
            assert bench.machine.held and bench.machine.is_proven_open
            bench.machine.take_metered(MeterValue(value=3.61234, by="hi-01/1"))
        if tick == 10:
            released(bench)
    (result, _) = bench.results
    assert (result.ocv_v, result.acir_ohm, result.measured_by) == (3.61234, None, "hi-01/1")
    assert (result.stop_text, result.quality) == ("go on", ("OK",))


def test_a_step_that_was_not_measured_says_so_and_gives_later_steps_nothing() -> None:
    bench = started(plan(METERED, rest(5.0, fails=[until(compare("time", ">", 1e6))]))).run(10.0)
    bench.take(bench.machine.release("device-fault", "the meter is lost"))
    bench.run()
    result = bench.results[0]
    assert (result.ocv_v, result.measured_by, result.quality) == (None, None, ("SKIPPED",))
    assert not result.is_valid
    assert fields_of(result).keys().isdisjoint({"ocv", "acir"})


def test_a_value_that_comes_too_late_is_not_taken() -> None:
    bench = started(plan(METERED, rest(50.0))).run(10.0)
    bench.take(bench.machine.release("device-fault", "it took too long"))
    bench.run(5.0)
    bench.machine.take_metered(MeterValue(value=3.6, by="hi-01/1"))
    assert [each.ocv_v for each in bench.run().results] == [None, None]
