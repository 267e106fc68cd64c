"""Protections of how a cell moves, of what the device says that it holds, and of all that a cell has taken."""

from dataclasses import replace

import pytest
from machine_bench import CELL_TYPE, ENVELOPE, Bench, charge, compare, discharge, plan, rest, started, until

from cycler.control.machine_events import Tripped
from cycler.model.cell_type import GuardLimits
from cycler.recipe.plan import LoopEnd, LoopStart, PlanStep

AT_S = 100.0
HOURS = until(compare("time", ">=", 36_000.0))
CHARGING, DISCHARGING, RESTING = charge(2.0, HOURS), discharge(2.0, HOURS), rest(36_000.0)
JUMP_V = GuardLimits().voltage_jump_v


def code_of(step: PlanStep, *, volts: float = 0.0, factor: float = 1.0, for_s: float = 1e9) -> int | None:
    """What trips when voltage and current are so much off, from a time on."""

    def disturb(bench: Bench, voltage_v: float, current_a: float) -> tuple[float, float]:
        off = AT_S <= bench.time_s < AT_S + for_s
        return (voltage_v + volts, current_a * factor) if off else (voltage_v, current_a)

    bench = started(plan(step), capacity_ah=500.0, disturb=disturb).run(300.0)
    return next((event.code.value for event in bench.events if isinstance(event, Tripped)), None)


@pytest.mark.parametrize("step", [CHARGING, DISCHARGING, RESTING], ids=["charge", "discharge", "rest"])
def test_a_voltage_that_drops_at_a_steady_current_is_an_internal_short(step: PlanStep) -> None:
    assert code_of(step, volts=-JUMP_V - 0.01) == 27
    assert code_of(step, volts=-JUMP_V + 0.01) is None


def test_a_voltage_that_rises_at_a_steady_current_is_none_of_the_cell() -> None:
    assert code_of(DISCHARGING, volts=JUMP_V + 0.01) == 28
    assert code_of(DISCHARGING, volts=JUMP_V - 0.01) is None


@pytest.mark.parametrize("volts", [-0.5, 0.5], ids=["down", "up"])
def test_a_single_wrong_reading_and_the_way_back_from_it_are_no_jump(volts: float) -> None:
    assert code_of(CHARGING, volts=volts, for_s=1.0) is None


def test_a_current_that_rises_while_the_voltage_is_held_trips() -> None:
    held = charge(2.0, HOURS, voltage_v=3.62, cv=True)
    assert code_of(held) is None
    assert code_of(held, factor=4.0) == 31


def test_a_current_below_the_one_that_the_device_says_it_holds_trips() -> None:
    assert code_of(CHARGING, factor=0.94) == 23
    assert code_of(CHARGING, factor=0.96) is None


def test_a_voltage_beside_the_one_that_the_device_says_it_holds_trips() -> None:
    held = charge(2.0, HOURS, voltage_v=3.65, cv=True)
    assert code_of(held, volts=-0.03) == 24
    assert code_of(held, volts=-0.005) is None


def test_a_voltage_that_falls_slowly_while_the_cell_is_charged_trips() -> None:
    def fall(bench: Bench, voltage_v: float, current_a: float) -> tuple[float, float]:
        return voltage_v - max(bench.time_s - AT_S, 0.0) * 0.002, current_a

    bench = started(plan(CHARGING), capacity_ah=500.0, disturb=fall).run(400.0)
    assert bench.over.code == "TRIP_29"
    assert bench.time_s == pytest.approx(AT_S + GuardLimits().charge_fall_v / 0.002, abs=20.0)


@pytest.mark.parametrize(("k_per_min", "trips"), [(2.0, False), (10.0, True)], ids=["a chamber", "too fast"])
def test_a_temperature_that_rises_fast_trips_long_before_its_limit(k_per_min: float, trips: bool) -> None:
    bench = started(plan(CHARGING), capacity_ah=500.0)
    while bench.temperature_degc < 44.0 and not bench.machine.over:
        bench.tick()
        bench.temperature_degc = 25.0 + max(bench.time_s - AT_S, 0.0) / 60 * k_per_min
    assert bool(bench.machine.over) == trips
    assert not trips or (bench.over.code == "TRIP_11" and bench.temperature_degc < 36.0)


def test_many_short_charges_count_together() -> None:
    tight = replace(CELL_TYPE, envelopes={"formed": replace(ENVELOPE, capacity_ah=0.5)})
    short = charge(3.6, until(compare("capacity", ">=", 0.1)))
    loop = plan(LoopStart(times=20, end=3), short, rest(5.0), LoopEnd(start=0))
    bench = started(replace(loop, cell_type=tight), capacity_ah=500.0).run(20_000.0)
    assert bench.over.code == "TRIP_7"
    assert bench.machine.counters.charged_nas / 3.6e12 == pytest.approx(0.5, abs=0.01)


def test_charges_and_discharges_in_turn_do_not_count_together() -> None:
    tight = replace(CELL_TYPE, envelopes={"formed": replace(ENVELOPE, capacity_ah=0.5)})
    steps = (charge(3.6, until(compare("capacity", ">=", 0.1))), discharge(3.6, until(compare("capacity", ">=", 0.1))))
    loop = plan(LoopStart(times=10, end=3), *steps, LoopEnd(start=0))
    assert started(replace(loop, cell_type=tight), capacity_ah=500.0).run(20_000.0).over.end == "completed"


def code_with(contact_ohm: float) -> str | None:
    """How a run ends whose contacts become like this in the middle of its charge."""

    def age(bench: Bench, voltage_v: float, current_a: float) -> tuple[float, float]:
        bench.contact_ohm = 0.004 if bench.time_s < AT_S else contact_ohm
        return voltage_v, current_a

    bench = started(plan(CHARGING), capacity_ah=500.0, contact_ohm=0.004, disturb=age).run(AT_S + 5.0)
    return bench.over.code if bench.machine.over else None


@pytest.mark.parametrize(
    ("contact_ohm", "code"),
    [(0.02, None), (0.04, "BAD_CONTACT"), (0.09, "BAD_CONTACT"), (0.2, "SENSE_OPEN"), (-0.2, "SENSE_OPEN")],
)
def test_contacts_that_become_poor_in_a_charge_are_told_from_an_open_sense_wire(
    contact_ohm: float, code: str | None
) -> None:
    assert code_with(contact_ohm) == code
