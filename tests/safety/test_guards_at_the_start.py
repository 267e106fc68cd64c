"""Which guards a cell has before its contact is proven, in the check, through its first charge, and in pulses."""

from math import inf

import pytest
from recipe_texts import CHANNEL, DISCHARGE, HEAD, load

from cycler.model.alarm import AlarmCode
from cycler.recipe.compile import compile_plan
from cycler.recipe.plan import PlanStep
from cycler.safety.protections import Guard, guards_for, lower_bound_v

PRECHARGE = "charge: {current: C/50, until: [capacity >= 2 %], fail: [voltage > 3.6 V, time > 2 h]}"
SHIP = "charge: {current: C/3, until: [capacity >= 25 %], fail: [voltage > 4.0 V, time > 2 h]}"
STEPS = ("soak: {chamber: 25 degC}", "contact: {}", PRECHARGE, "rest: {time: 1 min}", SHIP, DISCHARGE)
SOAK, CONTACT, FIRST, REST, CHARGE, EMPTY = range(6)


@pytest.fixture(scope="module")
def steps() -> list[PlanStep]:
    loaded = load(*STEPS, head=f"{HEAD}from_state: filled\n")
    program = compile_plan(loaded.recipe, loaded.cell_type, CHANNEL).program
    return [step for step in program if isinstance(step, PlanStep)]


def guards(step: PlanStep, *, armed: bool = False, first_phase: int = 0) -> dict[AlarmCode, Guard]:
    found = guards_for(
        step, step.variants[0], CHANNEL, temperature_measured=True, lower_armed=armed, first_phase=first_phase
    )
    return {guard.code: guard for guard in found}


def low_v(step: PlanStep, *, armed: bool) -> float | None:
    guard = guards(step, armed=armed).get(AlarmCode.UNDER_VOLTAGE)
    return None if guard is None else guard.low


def test_no_voltage_is_guarded_before_contact_is_proven(steps: list[PlanStep]) -> None:
    voltage = {AlarmCode.OVER_VOLTAGE, AlarmCode.UNDER_VOLTAGE}
    assert not voltage & set(guards(steps[SOAK]))
    assert not voltage & set(guards(steps[CONTACT], first_phase=0))
    assert voltage & set(guards(steps[REST])) == {AlarmCode.OVER_VOLTAGE}


def test_current_and_temperature_are_guarded_from_the_beginning(steps: list[PlanStep]) -> None:
    always = {AlarmCode.CHARGE_OVER_CURRENT, AlarmCode.DISCHARGE_OVER_CURRENT, AlarmCode.OVER_TEMPERATURE}
    assert all(always <= set(guards(step)) for step in steps)


def test_the_micro_charge_is_guarded_upwards_and_in_its_charge(steps: list[PlanStep]) -> None:
    found = guards(steps[CONTACT], first_phase=1)
    assert found[AlarmCode.OVER_VOLTAGE].high == pytest.approx(4.25)
    assert AlarmCode.UNDER_VOLTAGE not in found
    assert found[AlarmCode.CHARGE_OVER_CURRENT].high == pytest.approx(0.1 + 0.09)
    assert found[AlarmCode.STEP_OVER_CAPACITY].high == pytest.approx(0.002)
    assert AlarmCode.UNDER_TEMPERATURE in found
    for resting in (0, 3):
        assert guards(steps[CONTACT], first_phase=resting)[AlarmCode.CHARGE_OVER_CURRENT].high == pytest.approx(0.09)


def test_the_lower_bound_is_armed_once_and_stays(steps: list[PlanStep]) -> None:
    assert low_v(steps[FIRST], armed=False) == pytest.approx(-0.05 - 0.05)
    assert low_v(steps[FIRST], armed=True) == pytest.approx(2.5 - 0.05)
    assert low_v(steps[CHARGE], armed=False) == pytest.approx(-0.1)
    assert low_v(steps[CHARGE], armed=True) == pytest.approx(2.45)


def test_nothing_is_discharged_below_the_formed_bound_armed_or_not(steps: list[PlanStep]) -> None:
    assert low_v(steps[EMPTY], armed=False) == low_v(steps[EMPTY], armed=True) == pytest.approx(2.45)


def test_the_device_keeps_the_same_lower_bound(steps: list[PlanStep]) -> None:
    def bounds(step: PlanStep) -> list[float | None]:
        return [lower_bound_v(step, step.variants[0], armed=armed) for armed in (False, True)]

    assert bounds(steps[CONTACT]) == [None, None]
    assert bounds(steps[FIRST]) == [-0.05, 2.5]
    assert bounds(steps[EMPTY]) == [2.5, 2.5]


def test_waiting_for_a_chamber_is_no_step_time(steps: list[PlanStep]) -> None:
    assert guards(steps[SOAK])[AlarmCode.STEP_TIMEOUT].high == inf
    assert guards(steps[CHARGE])[AlarmCode.STEP_TIMEOUT].high == pytest.approx(1.02 * 2 * 3600 + 10)


def test_an_order_that_charges_and_discharges_has_the_temperature_that_suits_both() -> None:
    pulse = "pulse: {train: [[-0.5C, 10 s], [0.5C, 10 s]], times: 3, fail: [capacity > 5 %, time > 10 min]}"
    loaded = load(pulse, head=f"{HEAD}from_state: formed\n")
    (step,) = [s for s in compile_plan(loaded.recipe, loaded.cell_type, CHANNEL).program if isinstance(s, PlanStep)]
    charge_degc, discharge_degc = step.envelope.charge_temperature_degc, step.envelope.discharge_temperature_degc
    assert charge_degc[0] > discharge_degc[0]
    for phases_max, low_degc in ((1, discharge_degc[0]), (2, charge_degc[0])):
        found = guards_for(step, step.variants[0], CHANNEL, temperature_measured=True, phases_max=phases_max)
        lowest = next(guard.low for guard in found if guard.code is AlarmCode.UNDER_TEMPERATURE)
        assert lowest == low_degc
