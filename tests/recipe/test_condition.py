"""The condition language: the whole grammar, printed and read again, and nothing beyond it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycler.recipe.condition import (
    OUTCOMES,
    QUANTITY_UNITS,
    RESERVED,
    Consequence,
    RecipeCondition,
    RecipeTest,
    parse_condition,
)
from cycler.recipe.dimensions import DIMENSIONS
from cycler.recipe.problems import MistakeError
from cycler.recipe.units import Quantity

names = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True).filter(lambda name: name not in RESERVED)
codes = st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True)
numbers = st.floats(min_value=-1e6, max_value=1e6).map(lambda number: number + 0.0)
times = st.floats(min_value=0, max_value=1e6).map(lambda number: Quantity(number + 0.0, "s"))


@st.composite
def comparisons(draw: st.DrawFn) -> RecipeTest:
    quantity = draw(st.one_of(st.sampled_from(sorted(QUANTITY_UNITS)), names))
    units = QUANTITY_UNITS.get(quantity, tuple(DIMENSIONS))
    value = Quantity(draw(numbers), draw(st.sampled_from(units)))
    of = draw(st.one_of(st.just("rated"), names)) if value.unit == "%" and quantity in QUANTITY_UNITS else None
    return RecipeTest(quantity, draw(st.sampled_from([">", ">=", "<", "<="])), value, of)


@st.composite
def conditions(draw: st.DrawFn) -> RecipeCondition:
    window = draw(st.sampled_from([None, "after", "before", "at"]))
    kind = draw(st.sampled_from([None, *OUTCOMES]))
    word = draw(names) if kind == "goto" else draw(st.one_of(st.none(), codes)) if kind == "fail" else None
    return RecipeCondition(
        tests=tuple(draw(st.lists(comparisons(), min_size=1, max_size=3))),
        for_=draw(st.one_of(st.none(), times)),
        window=window,
        window_time=draw(times) if window else None,
        outcome=Consequence(kind, word) if kind else None,
    )


@given(condition=conditions())
def test_a_printed_condition_reads_as_itself(condition: RecipeCondition) -> None:
    assert parse_condition(str(condition)) == condition


@given(text=st.text(max_size=60))
def test_any_text_is_a_condition_or_a_mistake(text: str) -> None:
    try:
        condition = parse_condition(text)
    except MistakeError:
        return
    assert parse_condition(str(condition)) == condition


words = st.sampled_from(
    [
        *QUANTITY_UNITS,
        *RESERVED,
        ">=",
        "<",
        "->",
        "4.2",
        "V",
        "%",
        "C/20",
        "C",
        "/",
        "-50",
        "mV",
        "cap",
        "or",
        ",",
        "SHORT",
    ]
)


@given(parts=st.lists(words, max_size=12), glue=st.sampled_from([" ", ""]))
def test_the_words_of_the_grammar_in_any_order_are_a_condition_or_a_mistake(parts: list[str], glue: str) -> None:
    try:
        condition = parse_condition(glue.join(parts))
    except MistakeError:
        return
    assert parse_condition(str(condition)) == condition


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("voltage>=4.2V", "voltage >= 4.2 V"),
        ("current<=C/50 for 10s", "current <= C/50 for 10 s"),
        ("capacity >= 25 %", "capacity >= 25 % of rated"),
        ("capacity >= 25 % of rated", "capacity >= 25 % of rated"),
        ("energy > 90 % of cap", "energy > 90 % of cap"),
        ("voltage < 2.4 V at 20 min -> fail SHORT", "voltage < 2.4 V at 20 min -> fail SHORT"),
        ("dv > 50 mV after 5 min->fail SELF_DISCHARGE", "dv > 50 mV after 5 min -> fail SELF_DISCHARGE"),
        ("voltage > 4 V and dv_dt < 1 mV/min for 30 s after 1 h -> goto rest-2",
         "voltage > 4 V and dv_dt < 1 mV/min for 30 s after 1 h -> goto rest-2"),
        ("temperature_rise > 5 degC -> hold", "temperature_rise > 5 degC -> hold"),
        ("my_count >= 3 V -> end", "my_count >= 3 V -> end"),
        ("voltage > -50 mV", "voltage > -50 mV"),
    ],
)  # fmt: skip
def test_the_forms_of_the_language_have_one_canonical_text(text: str, canonical: str) -> None:
    assert str(parse_condition(text)) == canonical


def test_windows_bind_to_the_whole_condition() -> None:
    condition = parse_condition("voltage > 3 V and current < 1 A for 5 s before 10 min")
    assert [test.quantity for test in condition.tests] == ["voltage", "current"]
    assert (condition.for_, condition.window, condition.window_time) == (
        Quantity(5.0, "s"),
        "before",
        Quantity(600.0, "s"),
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("voltage >= 4.2", "4.2 has no unit"),
        ("voltage >= 4,2 V", "decimal comma"),
        ("voltage => 4.2 V", "where > >= < <= is due"),
        ("voltage == 4.2 V", "where > >= < <= is due"),
        ("Voltage > 4.2 V", "is no quantity"),
        ("voltage > 4.2 V before", "a time is due"),
        ("voltage > 4.2 V before 10 min for 5 s", "`for` is not expected"),
        ("voltage > 4.2 V or time > 3 h", "`or` is not expected"),
        ("voltage > 4.2 V -> stop", "is no outcome"),
        ("voltage > 4.2 V -> fail short", "is no code"),
        ("voltage > 4.2 V -> goto", "needs the id"),
        ("voltage > 4.2 V -> goto next", "needs the id"),
        ("voltage > 4.2 V -> next SHORT", "`SHORT` is not expected"),
        ("capacity > 5 % of", "a tag is missing"),
        ("capacity > 5 % of for", "is no tag"),
        ("voltage > 5 % of cap", "is a percentage, not a voltage"),
        ("voltage > 4.2 V of cap", "`of` is not expected"),
        ("time > 5 min at -3 s", "negative time"),
        ("for > 5 V", "is no quantity"),
        ("", "stands where a quantity is due"),
        ("4.2 V < voltage", "stands where a quantity is due"),
    ],
)  # fmt: skip
def test_what_the_grammar_does_not_know_is_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(MistakeError) as refused:
        parse_condition(text)
    assert says in refused.value.message
