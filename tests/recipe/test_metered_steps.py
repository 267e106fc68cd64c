"""`ocv` and `acir`: how they are written, how long they may take, and what they cannot have."""

import pytest
from recipe_texts import load, problems

from cycler.recipe.canonical import canonical_text
from cycler.recipe.compile import compile_plan
from cycler.recipe.describe import describe
from cycler.recipe.expectation import expected_time_s
from cycler.recipe.plan import MEASURED_WITHIN_S, MeterRule, PlanStep
from cycler.recipe.worst_case import worst_case


def lowered(step: str) -> PlanStep:
    found = load(step)
    (only,) = compile_plan(found.recipe, found.cell_type, None).program
    assert isinstance(only, PlanStep)
    return only


def test_an_ocv_rests_for_its_time_and_is_held_until_it_is_measured() -> None:
    step = lowered("ocv: {time: 30 min, tag: ocv1}")
    (phase,) = step.variants[0].phases
    assert (phase.direction, phase.duration_s, phase.held) == ("rest", 1800.0, True)
    assert step.meter is not None and step.meter.kind == "ocv"
    assert step.time_s_max == 1800.0 + MEASURED_WITHIN_S


@pytest.mark.parametrize(
    ("written", "hertz"), [("{}", 1000.0), ("{frequency: 1 kHz}", 1000.0), ("{frequency: 0.1 Hz}", 0.1)]
)
def test_an_acir_is_held_from_the_beginning_and_means_1_khz(written: str, hertz: float) -> None:
    step = lowered(f"acir: {written}")
    (phase,) = step.variants[0].phases
    assert (phase.direction, phase.duration_s, phase.held) == ("rest", None, True)
    assert step.meter == MeterRule(kind="acir", frequency_hz=hertz)
    assert step.time_s_max == MEASURED_WITHIN_S


def test_a_time_for_each_turn_of_a_loop() -> None:
    found = load("loop: {times: 2, steps: [ocv: {time: [1 h, 2 h]}]}")
    plan = compile_plan(found.recipe, found.cell_type, None)
    step = plan.program[1]
    assert isinstance(step, PlanStep)
    assert [variant.phases[0].duration_s for variant in step.variants] == [3600.0, 7200.0]
    assert expected_time_s(plan) == 3 * 3600.0
    assert worst_case(plan.program).time_s == 2 * (7200.0 + MEASURED_WITHIN_S)


def test_the_canonical_form_says_the_frequency() -> None:
    assert "  - acir: {frequency: 1 kHz}\n" in canonical_text(load("acir: {}").recipe)


def test_people_are_told_who_measures() -> None:
    found = load("ocv: {time: 1 h}", "acir: {}")
    told = "\n".join(describe(found.recipe, found.cell_type))
    assert "by the meter of the position, or by its cycler where it has none" in told
    assert "measures the resistance at 1 kHz by the meter of the position" in told


@pytest.mark.parametrize(
    ("step", "code", "says"),
    [
        ("ocv: {}", "no-time", "ocv does not say for how long the cell rests before it"),
        ("ocv: {time: 0 s}", "not-positive", "0 s is not above 0"),
        ("ocv: {time: 1 h, until: [dv_dt > -1 mV/h]}", "mode", "ocv ends with its measurement"),
        ("ocv: {time: 40 d}", "time", "that is no limit"),
        ("acir: {until: [time > 1 min]}", "mode", "acir ends with its measurement"),
        ("acir: {frequency: 0 Hz}", "not-positive", "0 Hz is not above 0"),
        ("acir: {frequency: 1000}", "no-unit", "has no unit"),
        ("acir: {frequency: 1 s}", "unit", "is a time, not a frequency"),
    ],
)
def test_what_they_cannot_have_is_refused(step: str, code: str, says: str) -> None:
    (found,) = problems(step)
    assert found.code == code
    assert says in f"{found.message} {found.hint}"


def test_an_expression_takes_from_each_what_it_measured() -> None:
    assert not problems("ocv: {time: 1 h, tag: a}", "acir: {tag: r}", "set: {x: a.ocv / r.acir}")
    (found,) = problems("ocv: {time: 1 h, tag: a}", "set: {x: a.acir}")
    assert "a is tagged at a ocv, which has no acir" in found.message
