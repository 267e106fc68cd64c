"""The latch of a cell in its first charge: passed upwards, once, and for its life."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from machine_bench import CHANNEL, ENVELOPE, Bench, charge, compare, machine_for, plan, rest, started, step, until

from cycler.control.machine_events import LatchPassed, MachineEvent, OrderDue
from cycler.control.order_builder import order_for
from cycler.recipe.plan import Latch, LowerBound, Plan, PlanPhase, PlanStep, RecordRule

LATCH = Latch(formed_v=3.3, arms_v=3.5)
BOUND = LowerBound(before_v=-0.05, armed_v=3.4)
TO_36 = (until(compare("voltage", ">=", 3.6)),)


def first_charge(**more: object) -> PlanStep:
    return charge(2.5, *TO_36, **{"lower_bound": BOUND, "ledger_phase": "filled", **more})  # type: ignore[arg-type]


def with_latch(*program: PlanStep) -> Plan:
    return replace(plan(*program), latch=LATCH)


def passed(events: Sequence[MachineEvent]) -> int:
    return sum(isinstance(event, LatchPassed) for event in events)


def sagging(bench: Bench, voltage_v: float, current_a: float) -> tuple[float, float]:
    """After its first charge the cell shows far too little."""
    return (3.0 if bench.machine.step_count == 2 and bench.order_id else voltage_v), current_a


def test_the_cell_passes_the_latch_once_however_often_it_comes_by() -> None:
    bench = started(with_latch(first_charge(), rest(5.0), first_charge()), soc=0.0).run()
    assert passed(bench.events) == 1


def test_it_is_passed_with_the_first_reading_above_it() -> None:
    bench = started(with_latch(first_charge(record=RecordRule())), soc=0.0)
    below_v = 0.0
    while not passed(bench.events):
        below_v = bench.machine.voltage_v
        bench.tick()
    assert below_v < LATCH.formed_v <= bench.machine.voltage_v
    assert bench.machine.voltage_v - below_v < 0.001


def test_what_sense_wires_show_before_the_contact_check_passes_nothing() -> None:
    early = rest(60.0, contact_proven=False, lower_bound=BOUND, ledger_phase="filled")
    bench = started(with_latch(early, first_charge()), soc=0.5).run(50.0)
    assert passed(bench.events) == 0


def test_entering_a_step_of_formed_cells_means_the_same() -> None:
    early = rest(60.0, lower_bound=BOUND, ledger_phase="filled")
    bench = started(with_latch(early, rest(10.0, lower_bound=BOUND)), soc=0.0).run()
    assert passed(bench.events) == 1


def test_a_recipe_for_formed_cells_has_nothing_to_pass() -> None:
    assert passed(started(plan(charge(2.5, *TO_36)), soc=0.0).run().events) == 0


def test_the_lower_bound_guards_only_once_the_cell_has_had_that_voltage() -> None:
    again = charge(0.5, until(compare("time", ">=", 60.0)), lower_bound=BOUND)
    unarmed = charge(2.5, until(compare("voltage", ">=", 3.45)), lower_bound=BOUND, ledger_phase="filled")
    assert started(with_latch(unarmed, again), soc=0.0, disturb=sagging).run().over.end == "completed"
    assert started(with_latch(first_charge(), again), soc=0.0, disturb=sagging).run().over.code == "TRIP_2"


def test_the_lower_bound_stays_armed_in_a_machine_that_is_restored() -> None:
    again = charge(0.5, until(compare("time", ">=", 60.0)), lower_bound=BOUND)
    the_plan = with_latch(first_charge(), rest(30.0, lower_bound=BOUND), again)
    bench = started(the_plan, soc=0.0)
    while len(bench.results) < 1:
        bench.tick()
    machine = machine_for(the_plan)
    machine.restore(bench.machine.save())
    bench.machine = machine
    bench.disturb = lambda bench, v, i: (3.0 if i > 0.1 else v, i)
    assert bench.run().over.code == "TRIP_2"
    assert passed(bench.events) == 1


def due(of: PlanStep, *, lower_armed: bool) -> OrderDue:
    return OrderDue(step=of, variant=of.variants[0], first_phase=0, rest_v=3.0, lower_armed=lower_armed)


@pytest.mark.parametrize(("armed", "lowest_v"), [(False, -0.1), (True, 3.35)])
def test_the_device_keeps_the_lower_bound_that_is_in_force(armed: bool, lowest_v: float) -> None:
    limits = order_for(due(first_charge(), lower_armed=armed), 1, CHANNEL, phases_max=1).limits
    assert limits.voltage_v_min == pytest.approx(lowest_v)


def test_a_device_at_rest_keeps_no_lower_bound_and_before_the_contact_check_no_upper_one() -> None:
    for proven in (False, True):
        resting = step("rest", PlanPhase(direction="rest"), contact_proven=proven)
        limits = order_for(due(resting, lower_armed=True), 1, CHANNEL, phases_max=1).limits
        assert limits.voltage_v_min is None
        assert limits.voltage_v_max == (ENVELOPE.voltage_v_max + ENVELOPE.trip_margin_v if proven else None)
