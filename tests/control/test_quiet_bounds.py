"""The step machine skips readings in which nothing can come true: it must never skip one in which something does."""

from dataclasses import replace
from math import inf, nan
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from machine_bench import CHANNEL, ENVELOPE, Bench, compare, plan, step, until

from cycler.contract.order import Direction
from cycler.control.condition_watch import Quiet
from cycler.control.step_machine import StepMachine
from cycler.recipe.plan import (
    Assignment,
    Comparison,
    Condition,
    LoopEnd,
    LoopStart,
    Plan,
    PlanPhase,
    PlanStep,
    PulseRule,
    RecordRule,
)


class AttentiveMachine(StepMachine):
    """Judges every reading."""

    __slots__ = ()

    def _adopt_bounds(self, quiet: Quiet, direction: Direction) -> None:
        super()._adopt_bounds(Quiet(v_lo=inf, v_hi=-inf), direction)


# What a recipe may ask for, around the values that the bench's cell of 100 mAh comes to within a step.

RISING: dict[str, list[float]] = {
    "voltage": [3.7, 3.9, 4.1, 4.2],
    "current": [1.0, 2.5],
    "power": [4.0, 9.5, 10.4],
    "time": [3.0, 10.0, 20.0],
    "total_time": [7.0, 25.0, 60.0],
    "capacity": [0.002, 0.01, 0.03],
    "energy": [0.001, 0.02, 0.1],
    "temperature": [25.0, 30.0, 44.0],
    "temperature_rise": [0.0, 0.1, 5.0],
    "dv_dt": [0.001, 0.01],
    "di_dt": [0.0, 0.05],
    "dv": [0.0, 0.005, 0.1],
}
FALLING: dict[str, list[float]] = {
    "voltage": [3.1, 3.4, 3.6],
    "current": [0.3, 0.45],
    "power": [2.0, 6.0],
    "capacity": [0.001, 0.005],
    "temperature": [24.95, 20.0],
    "temperature_rise": [-0.05, -1.0],
    "dv_dt": [-0.01, 0.0],
    "di_dt": [-0.05, 0.0],
}


ALWAYS_JUDGED = ["power", "dv_dt", "di_dt", "dv"]  # one of these, and no reading of the step is quiet


def comparisons(relations: list[str], values: dict[str, list[float]]) -> st.SearchStrategy[Comparison]:
    bounded = sorted(set(values) - set(ALWAYS_JUDGED))
    return st.sampled_from(4 * bounded + sorted(set(values) & set(ALWAYS_JUDGED))).flatmap(
        lambda quantity: st.builds(
            compare,
            st.just(quantity),
            st.sampled_from(relations),
            st.sampled_from(values[quantity]),
            window_s=st.sampled_from([3.0, 6.0]),
        )
    )


of_variables = st.builds(
    compare, st.just("variable"), st.sampled_from([">", "<="]), st.sampled_from([0.5, 2.0]), variable=st.just("x")
)
rising, falling = comparisons([">", ">="], RISING), comparisons(["<", "<="], FALLING)
anything = rising | falling | rising | falling | of_variables


@st.composite
def conditions(draw: st.DrawFn, outcomes: list[str]) -> Condition:
    tests = [draw(anything)] if draw(st.booleans()) else [draw(anything), draw(anything)]
    window = draw(st.sampled_from(["always", "always", "after", "before", "at"]))
    return until(
        *tests,
        outcome=draw(st.sampled_from(outcomes)),
        samples=draw(st.integers(1, 3)),
        for_s=draw(st.sampled_from([0.0, 0.0, 2.0, 5.0])),
        window=window,
        window_s=0.0 if window == "always" else draw(st.sampled_from([4.0, 8.0, 15.0])),
    )


def phase(direction: str, current_a: float, voltage_v: float, *, cv: bool, duration_s: float | None) -> PlanPhase:
    if direction == "rest":
        return PlanPhase(direction="rest", duration_s=duration_s)
    return PlanPhase(
        direction=direction,  # type: ignore[arg-type]
        current_a=current_a,
        voltage_v=voltage_v,
        holds_voltage=cv,
        duration_s=duration_s,
    )


@st.composite
def steps(draw: st.DrawFn) -> PlanStep:
    direction = draw(st.sampled_from(["charge", "charge", "discharge", "discharge", "rest"]))
    voltage_v, cv = draw(st.sampled_from([4.2, 4.0] if direction == "charge" else [2.5, 3.6])), draw(st.booleans())
    currents_a = draw(st.sampled_from([[2.5], [2.5], [1.0], [1.0], [0.5, 2.5], [1.0, 0.5, 2.5]]))
    durations_s = [draw(st.sampled_from([5.0, 6.5])) for _ in currents_a[1:]]
    durations_s.append(draw(st.sampled_from([None, 15.0])))
    ends = draw(st.lists(conditions(["next", "next", "end"]), max_size=2))
    if cv and draw(st.booleans()):
        ends.append(until(compare("current", "<=", draw(st.sampled_from([0.4, 0.8]))), samples=draw(st.integers(1, 2))))
    return step(
        direction,
        *(phase(direction, a, voltage_v, cv=cv, duration_s=s) for a, s in zip(currents_a, durations_s, strict=True)),
        ends=[*ends, until(compare("time", ">=", 60.0))],
        fails=draw(st.lists(conditions(["fail", "hold"]), max_size=1)),
        record=RecordRule(
            every_s=draw(st.sampled_from([None, 3.0, 10.0])),
            voltage_v=draw(st.sampled_from([None, 0.01])),
            current_a=draw(st.sampled_from([None, 0.5])),
            temperature_k=draw(st.sampled_from([None, 0.5])),
        ),
        envelope=replace(ENVELOPE, capacity_ah=draw(st.sampled_from([0.02, *[6.0] * 9]))),
        pulse=PulseRule(values_s=(1.0, 4.0)) if draw(st.integers(0, 3)) == 3 else None,
        time_s_max=draw(st.sampled_from([30.0, *[100_000.0] * 9])),
    )


X_IS_1 = step(
    "set",
    PlanPhase(direction="rest", duration_s=0.0),
    assignments=(Assignment(variable="x", terms=(1.0,), unit="", unit_si=1.0, text="x = 1"),),
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    body = draw(st.lists(steps(), min_size=1, max_size=3))
    if draw(st.booleans()):
        return plan(X_IS_1, LoopStart(times=2, end=len(body) + 2), *body, LoopEnd(start=1))
    return plan(X_IS_1, *body)


# What the readings may bring: for how many of them, what is added to the voltage, times the current, the temperature.

Quirk = tuple[int, float, float, float]

mild = st.tuples(
    st.integers(1, 12),
    st.sampled_from([0.0, 0.0, 0.002, -0.002, 0.01, -0.01, 0.03]),
    st.sampled_from([1.0, 1.0, 0.98, 1.004, 0.6, -0.001]),
    st.sampled_from([25.0, 25.0, 24.9, 25.5, 30.1, 44.9]),
)
wild = st.tuples(
    st.integers(1, 2),
    st.sampled_from([0.0, 0.3, -0.3, nan]),
    st.sampled_from([1.0, 0.0, -1.0, 1.2, nan]),
    st.sampled_from([25.0, 45.1, 51.0, nan]),
)
quirks = st.lists(mild, max_size=12) | st.lists(mild | wild, max_size=12)


benches = st.fixed_dictionaries(
    {
        "phases_max": st.integers(1, 3),
        "order_takes": st.integers(1, 4),
        "counter": st.booleans(),
        "reports_cv": st.booleans(),
        "soc": st.sampled_from([0.1, 0.5, 0.9]),
        "contact_ohm": st.sampled_from([None, 0.001]),  # where the output is measured, too
    }
)


def told(kind: type[StepMachine], the_plan: Plan, readings: list[Quirk], *, sensor: bool, **more: Any) -> list[str]:
    """All that a machine says when these come in turn, and then the cell is left to itself."""
    script = iter([quirk for quirk in readings for _ in range(quirk[0])])

    def disturb(bench: Bench, voltage_v: float, current_a: float) -> tuple[float, float]:
        _, offset_v, factor, temperature_degc = next(script, (1, 0.0, 1.0, 25.0))
        bench.temperature_degc = temperature_degc if sensor else nan
        return voltage_v + offset_v, current_a * factor

    machine = kind(the_plan, CHANNEL, temperature_measured=sensor, phases_max=more["phases_max"])
    bench = Bench(machine, capacity_ah=0.1, disturb=disturb, **more).start()
    said = [f"at the start: {event}" for event in bench.events]
    while bench.time_s < 400 and not machine.closed:
        known = len(bench.events)
        bench.tick()
        said += [f"{bench.time_s:g} s: {event}" for event in bench.events[known:]]
    return [*said, str(machine.counters)]


@settings(max_examples=80)
@given(plans(), quirks, st.booleans(), benches)
def test_a_machine_that_judges_every_reading_sees_nothing_more(
    the_plan: Plan, readings: list[Quirk], sensor: bool, bench: dict[str, Any]
) -> None:
    quick, attentive = (
        told(kind, the_plan, readings, sensor=sensor, **bench) for kind in (StepMachine, AttentiveMachine)
    )
    assert quick == attentive
