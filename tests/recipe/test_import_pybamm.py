"""Recipes from PyBaMM's step strings: what they mean, and what is refused."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recipe_texts import NOWHERE

from cycler.recipe.compile import load_recipe_text
from cycler.recipe.exchange.formats import Imported, import_recipe
from cycler.recipe.lookup import LIBRARY, load_cell_type
from cycler.recipe.model import LoopStep
from cycler.recipe.problems import InvalidFile

NMC = load_cell_type(LIBRARY / "cell-types" / "nmc811-21700.yaml")


def imported(text: str) -> Imported:
    return import_recipe(text, file="x.txt", cell_type=NMC, beside=NOWHERE)


def steps(*lines: str) -> list[str]:
    """The canonical lines of the steps, without their `fail`."""
    found = imported("\n".join(lines)).text.split("steps:\n", 1)[1].splitlines()
    return [line.strip().split(", fail:")[0].rstrip("}") for line in found]


def refusal(text: str) -> str:
    with pytest.raises(InvalidFile) as refused:
        imported(text)
    (problem,) = refused.value.problems
    return str(problem)


# What it means.


@pytest.mark.parametrize(
    ("written", "step"),
    [
        ("Discharge at 1C for 0.5 hours", "discharge: {current: 1C, until: [time >= 30 min -> next]"),
        ("Discharge at C/20 for 1h", "discharge: {current: C/20, until: [time >= 1 h -> next]"),
        ("Charge at 0.5 C for 45 minutes", "charge: {current: C/2, until: [time >= 45 min -> next]"),
        ("Discharge at 1 A for 90 s", "discharge: {current: 1 A, until: [time >= 1.5 min -> next]"),
        ("Charge at 200 mA for 45 m", "charge: {current: 200 mA, until: [time >= 45 min -> next]"),
        ("Discharge at 1W for 0.5 hours", "discharge: {power: 1 W, until: [time >= 30 min -> next]"),
        ("Charge at 200mW for 45 minutes", "charge: {power: 0.2 W, until: [time >= 45 min -> next]"),
        ("Discharge at 4 Ohm until 3 V", "discharge: {resistance: 4 Ohm, until: [voltage <= 3 V -> next]"),
        ("Discharge at 400 mOhm for 10 sec", "discharge: {resistance: 400 mOhm, until: [time >= 10 s -> next]"),
        ("Rest for 10 minutes", "rest: {time: 10 min"),
        ("Charge at 1 C until 4.1V", "charge: {current: 1C, until: [voltage >= 4.1 V -> next]"),
        ("Charge at 1 C until > 4.1V", "charge: {current: 1C, until: [voltage >= 4.1 V -> next]"),
        (
            "Discharge at C/3 for 2 hours or until 2.5 V",
            "discharge: {current: C/3, until: [voltage <= 2.5 V -> next, time >= 2 h -> next]",
        ),
        ("Hold at 4.2 V until 50mA", "charge: {voltage: 4.2 V, until: [current <= 50 mA -> next]"),
        ("Hold at 2.5V until C/50", "discharge: {voltage: 2.5 V, until: [current <= C/50 -> next]"),
        (
            "Hold at 4.2 V for 1 hour or until C/50",
            "charge: {voltage: 4.2 V, until: [current <= C/50 -> next, time >= 1 h -> next]",
        ),
    ],
)
def test_a_string_is_a_step(written: str, step: str) -> None:
    assert steps(written) == [f"- {step}"]


def test_what_is_imported_loads() -> None:
    found = imported("Discharge at C/10 for 10 hours or until 3.3 V\nRest for 1 hour\nCharge at 1 A until 4.1 V")
    assert load_recipe_text(found.text, file="x.yaml", beside=NOWHERE).recipe == found.recipe


def test_a_hold_behind_a_charge_that_ends_there_is_one_cc_cv() -> None:
    assert steps("Charge at 1 A until 4.1 V", "Hold at 4.1 V until 50 mA") == [
        "- charge: {current: 1 A, voltage: 4.1 V, until: [current <= 50 mA -> next]"
    ]


def test_a_step_without_a_time_gets_the_one_after_which_pybamm_gives_up() -> None:
    found = imported("Charge at C/4 until 4.2 V\nDischarge at 1 W until 3 V")
    assert "step 1: `fail` has capacity > 120 % of rated, time > 8 h" in found.notes
    assert "step 2: `fail` has capacity > 120 % of rated, time > 24 h" in found.notes


def test_a_period_is_the_steps_own_record() -> None:
    found = imported("Rest for 1 hour (2 minute period)")
    assert "- rest: {time: 1 h, record: {every: 2 min}}" in found.text


def test_empty_lines_and_comments_say_nothing() -> None:
    assert steps("# up", "", "Rest for 1 hour", "  ") == ["- rest: {time: 1 h"]


def test_equal_cycles_in_a_row_are_a_loop() -> None:
    cycle = ["Charge at C/2 until 4.2 V", "Discharge at C/2 until 3 V"]
    found = imported(json.dumps(["Rest for 1 h", cycle, cycle, cycle, ["Rest for 1 h"], cycle]))
    _, loop, *others = found.recipe.steps
    assert isinstance(loop, LoopStep)
    assert (loop.times, len(loop.steps), len(others)) == (3, 2, 3)


def test_equal_steps_in_a_row_are_as_many_steps() -> None:
    assert len(imported(json.dumps(["Rest for 1 h", "Rest for 1 h"])).recipe.steps) == 2


def test_without_a_cell_type_nothing_is_imported() -> None:
    with pytest.raises(InvalidFile, match=r"does not name the type of its cells \(give --cell-type\)"):
        import_recipe("Rest for 1 hour", file="x.txt", beside=NOWHERE)


# What is refused.


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("Charge at 1 C", "does not say `for` how long or `until` what"),
        ("Chrage at 1 C for 1 h", "`Chrage` is no step (did you mean Charge?)"),
        ("Run US06 for 1 h", "`Run US06` is no step"),
        ("Charge for 1 h", "does not say `at` what"),
        ("Rest until 3 V", "a rest ends by time alone"),
        ("Rest for 1 hour or until 3 V", "a rest ends by time alone"),
        ("Charge at 4.2 V for 1 h", "Charge at 4.2 V is not read (hold a voltage;"),
        ("Hold at 1 A for 1 h", "Hold at 1 A is not read"),
        ("Charge at 4 Ohm for 1 h", "a recipe charges at no resistance"),
        ("Charge at -1 A for 1 h", "`-1 A` is not above 0"),
        ("Charge at 1 kA for 1 h", "`1 kA` is no amount"),
        ("Charge at C/0 for 1 h", "`C/0` divides by nothing"),
        ("Charge at nan A for 1 h", "`nan A` is no amount"),
        ("Charge at 1e999 A for 1 h", "is too large"),
        ("Charge at 1 A for 1 day", "`1 day` is no time"),
        ("Charge at 1 A for 0 s", "`0 s` is not above 0"),
        ("Charge at 1 A until 50 mA", "it ends at a voltage, not at 50 mA (hold the voltage"),
        ("Charge at 1 A until < 3 V", "a recipe has no such end as `< 3 V`"),
        ("Hold at 4.2 V until < 0.1 A", "a recipe has no such end as `< 0.1 A`"),
        ("Hold at 4.2 V until 3 V", "what holds a voltage ends by a current, not at 3 V"),
        ("Hold at 3.7 V until C/50", "what comes before does not tell whether that charges or discharges"),
        ("Charge at 1 A until 4 V for 1 h", "`4 V for 1 h` is no amount"),
        ("Charge at 1 A for 1 h at 25oC", "`1 h at 25oC` is no time"),
        ("Charge at 1 A for 1 h (5 period)", "`5` is no time"),
        ("Charge at " + "9" * 300 + " A for 1 h", "it is longer than 200 characters"),
    ],
)  # fmt: skip
def test_what_a_recipe_cannot_say_is_refused_by_line(written: str, message: str) -> None:
    text = refusal(f"Rest for 1 hour\n\n{written}")
    assert text.startswith("x.txt:3: step 2: ")
    assert message in text


@pytest.mark.parametrize("word", ["Chrage", "charge", "Disharge", "Hodl", "Rset"])
def test_a_single_misspelt_step_is_refused_by_its_line(word: str) -> None:
    with pytest.raises(InvalidFile) as refused:
        import_recipe(f"{word} at 1 A for 1 h", file="x.txt", cell_type=NMC, beside=NOWHERE)
    assert str(refused.value).startswith(f"x.txt:1: step 1: `{word}` is no step (did you mean ")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "has no steps"),
        ([["Rest for 1 h"], []], "step 2: is a cycle without steps"),
        (["Rest for 1 h", ["Rest for 1 h", "Rest for"]], "step 2.2: "),
        (["Rest for 1 h", ["Rest for 1 h", ["Rest for 1 h"]]], "step 2.2: something stands where"),
        (["Rest for 1 h", {"type": "Rest"}], "step 2: a step with keyword arguments stands where"),
        (["Rest for 1 h", 5], "step 2: something stands where"),
        ([["Rest for 1 h"] * 101] * 100, "has more than 10000 steps"),
    ],
    ids=["empty", "empty cycle", "in a cycle", "too deep", "an object", "a number", "too many"],
)
def test_lists_that_hold_something_else_are_refused_by_index(document: list[object], message: str) -> None:
    assert message in refusal(json.dumps(document))


@pytest.mark.parametrize("text", ["", "# only this", "[1, 2", "{}"])
def test_what_is_no_such_file_is_refused(text: str) -> None:
    with pytest.raises(InvalidFile):
        import_recipe(text, file="x.txt", format_="pybamm", cell_type=NMC, beside=NOWHERE)


words = st.sampled_from(
    ["Charge", "Discharge", "Hold", "Rest", " at ", " for ", " until ", " or until ", "C/20", "1 A", "4.2 V", "3 V",
     "50 mA", "1 hour", "(1 minute period)", " ", "\n", "C", "-", "9", "Ohm", "[", '"', "\x85", "\ud800"]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(text=st.lists(words, max_size=14).map("".join))
def test_whatever_comes_is_read_whole_or_refused(text: str) -> None:
    try:
        found = imported(text)
    except InvalidFile as refused:
        assert refused.problems
        return
    if not any("will refuse it" in note for note in found.notes):
        assert load_recipe_text(found.text, file="x.yaml", beside=NOWHERE).recipe == found.recipe
