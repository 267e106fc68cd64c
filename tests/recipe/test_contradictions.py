"""Conditions of one step are held against one another: what can never be, is at once, or is always behind another."""

import pytest
from recipe_texts import CHARGE, DISCHARGE, load

from cycler.recipe.compile import load_recipe
from cycler.recipe.contradictions import contradictions
from cycler.recipe.lookup import LIBRARY
from cycler.recipe.lower import lowering_of, program
from cycler.recipe.problems import PROBLEMS_MAX, InvalidFile, Problem


def refused(*steps: str) -> list[Problem]:
    """Why it does not load."""
    with pytest.raises(InvalidFile) as refusal:
        load(*steps)
    return list(refusal.value.problems)


def doubtful(*steps: str) -> list[Problem]:
    """What is found in one that loads."""
    loaded = load(*steps)
    steps_of = program(loaded.recipe.steps, lowering_of(loaded.recipe, loaded.cell_type, None))
    found = contradictions(steps_of, loaded.cell_type, file="test.yaml")
    assert not any(each.certain for each in found)
    return [each.problem for each in found]


def charge(until: str, fail: str = "", *, own: str = "current: C/2", time: str = "3 h") -> str:
    more = f", {fail}" if fail else ""
    return (
        f"charge: {{id: up, {own}, until: [{until}], fail: [capacity > 115 %, voltage > 4.19 V, time > {time}{more}]}}"
    )


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (
            charge("voltage >= 4.1 V", "voltage > 4.0 V"),
            "ends by `voltage >= 4.1 V -> next`, but `voltage > 4 V -> fail` always comes first: it could only fail",
        ),
        (charge("capacity >= 90 %", "capacity > 50 %"), "`capacity > 50 % of rated -> fail` always comes first"),
        (charge("voltage >= 4.1 V", "voltage >= 4.1 V"), "`voltage >= 4.1 V -> fail` always comes first"),
        ("rest: {time: 3 h, fail: [time > 2 h]}", "lasts 3 h, but `time > 2 h -> fail` always comes first"),
        (
            charge("voltage >= 4.1 V", "voltage < 3 V at 4 h"),
            "tests `voltage < 3 V at 4 h -> fail`, but is over after 3 h at most",
        ),
        (
            charge("voltage >= 4.1 V", "voltage < 3 V for 4 h"),
            "tests `voltage < 3 V for 4 h -> fail`, but is over after 3 h at most",
        ),
        (
            charge("voltage >= 4.1 V", "voltage < 3 V and time > 20 min before 10 min"),
            "which is never true: by then its window is closed",
        ),
        (
            charge("voltage >= 4.1 V", "voltage < 3 V and time < 10 min after 20 min"),
            "which is never true: its window opens later",
        ),
        (
            charge("voltage >= 4.1 V", "voltage > 4 V and voltage < 3 V -> hold"),
            "which is never true: nothing is both > 4 and < 3",
        ),
        (charge("voltage >= 4.1 V", "capacity < 5 %"), "which is true as soon as the step begins"),
        (charge("voltage >= 4.1 V, current > 3 A"), "which is never true: its current is 2.5 A"),
        ("rest: {time: 1 h, fail: [capacity > 1 %]}", "which is never true: nothing flows in it"),
        (
            charge("current <= C/20", "voltage > 4.1 V", own="current: C/2, voltage: 4.15 V"),
            "is to hold 4.15 V, but `voltage > 4.1 V -> fail` always comes first",
        ),
        (
            charge("current <= C/20, voltage >= 4.18 V", own="current: C/2, voltage: 4.1 V"),
            "ends by `voltage >= 4.18 V -> next`, which it never gets to: it holds 4.1 V",
        ),
        (
            charge("capacity >= 80 %", time="1 h"),
            "ends by `capacity >= 80 % of rated -> next`, for which its current needs 1 h 36 min, but is over",
        ),
    ],
)
def test_what_is_certain_is_refused_at_load_and_names_its_step(step: str, says: str) -> None:
    (problem,) = refused(step)
    assert says in str(problem)
    assert problem.step in {"up", "1"}
    assert problem.line == 5
    assert problem.hint


def test_an_end_that_may_be_out_of_reach_is_a_warning() -> None:
    (problem,) = doubtful(charge("current <= C/20", own="current: C/10, voltage: 4.15 V"))
    assert "may never get to `current <= C/20 -> next`: within 3 h its current moves 30% of" in problem.message


@pytest.mark.parametrize("other", ["voltage >= 4.1 V", "time >= 1 h"])
def test_a_charge_that_is_out_of_reach_is_a_warning_where_another_end_leads_on(other: str) -> None:
    (problem,) = doubtful(charge(f"capacity >= 80 %, {other}", time="61 min"))
    assert "ends by `capacity >= 80 % of rated -> next`, for which its current needs 1 h 36 min" in problem.message


def test_of_a_step_that_could_hurt_a_cell_nobody_says_that_it_makes_no_sense_either() -> None:
    (problem,) = refused(charge("capacity >= 80 %", time="1 h", own="current: 2C"))
    assert problem.code == "current"


@pytest.mark.parametrize(
    "step",
    [
        CHARGE,
        DISCHARGE,
        charge("voltage >= 4.1 V", "voltage > 4.15 V"),
        charge("voltage >= 4.1 V", "current > 3 A"),
        charge("voltage >= 4.1 V for 1 s", "voltage > 4.1 V for 10 s"),
        charge("voltage >= 4.1 V", "capacity < 5 % after 1 h"),
        charge("voltage >= 4.1 V", "voltage > 3.9 V before 10 min"),
        "rest: {time: 8 h, until: [dv < 2 mV for 1 h], fail: [time > 9 h]}",
        "rest: {time: 1 h, fail: [temperature_rise > 5 degC, dv > 100 mV after 5 min]}",
        "dcir: {}",
    ],
)
def test_what_makes_sense_is_left_alone(step: str) -> None:
    assert doubtful(step) == []


def test_each_finding_is_told_once_for_all_turns_and_also_for_one_of_them() -> None:
    step = charge("voltage >= 4.1 V", "capacity < 5 %").replace("current: C/2", "current: [C/2, C/3]")
    assert len(refused(f"loop: {{times: 2, steps: [{step}]}}")) == 1
    turns = "rest: {time: [1 h, 3 h], fail: [time > 2 h]}"
    (problem,) = refused(f"loop: {{times: 2, steps: [{turns}]}}")
    assert "lasts 3 h" in problem.message


def test_of_thousands_nobody_is_told_more_than_can_be_read() -> None:
    problems = refused(*1000 * ["rest: {time: 3 h, fail: [time > 2 h]}"])
    assert len(problems) == PROBLEMS_MAX + 1
    assert problems[-1].code == "too-many"


@pytest.mark.parametrize("path", sorted(LIBRARY.glob("*.yaml")), ids=lambda path: path.stem)
def test_nothing_that_ships_contradicts_itself(path: object) -> None:
    loaded = load_recipe(path)  # type: ignore[arg-type]
    steps = program(loaded.recipe.steps, lowering_of(loaded.recipe, loaded.cell_type, None))
    assert contradictions(steps, loaded.cell_type, file="") == []
