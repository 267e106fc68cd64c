"""The arithmetic of `set`: what is written is what is meant, and everything else is a mistake with a reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycler.recipe.condition import RESERVED
from cycler.recipe.dimensions import DIMENSIONS
from cycler.recipe.expression import (
    DEPTH_MAX,
    FIELDS,
    TEXT_MAX,
    Expression,
    FieldOf,
    Name,
    Negative,
    Number,
    Operation,
    leaves,
    parse_expression,
)
from cycler.recipe.problems import MistakeError
from cycler.recipe.units import Quantity

names = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True).filter(lambda name: name not in RESERVED)
numbers = st.builds(
    Number,
    st.builds(
        Quantity, st.floats(0, 1e6).map(lambda number: number + 0.0), st.sampled_from([*DIMENSIONS, "", "", "V", "/s"])
    ),
)
atoms = numbers | st.builds(Name, names) | st.builds(FieldOf, names, st.sampled_from(sorted(FIELDS)))
expressions = st.recursive(
    atoms,
    lambda inner: (
        st.builds(Negative, inner) | st.builds(Operation, st.sampled_from(["+", "-", "*", "/"]), inner, inner)
    ),
    max_leaves=8,
)


@given(expression=expressions)
def test_a_printed_expression_reads_as_itself(expression: Expression) -> None:
    assert parse_expression(str(expression)) == expression


@given(text=st.text(max_size=40) | st.text(alphabet="ab1.5 VAhs/*-+()%Cn_", max_size=40))
def test_any_text_is_an_expression_or_a_mistake(text: str) -> None:
    try:
        expression = parse_expression(text)
    except MistakeError:
        return
    assert parse_expression(str(expression)) == expression


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2*cap", "2 * cap"),
        ("a - (b - c) - d", "a - (b - c) - d"),
        ("(a - b) - c", "a - b - c"),
        ("a/(b*c)*d", "a / (b * c) * d"),
        ("-(a+b)*3", "-(a + b) * 3"),
        ("--a", "--a"),
        ("1500 mAh / 0.5C", "1.5 Ah / C/2"),
        ("C/20/2", "C/20 / 2"),
        ("5 mV/min * t", "5 mV/min * t"),
        ("5 mV / min", "5 mV / min"),
        ("3.5 V-3 V", "3.5 V - 3 V"),
        ("x-y - 3", "x-y - 3"),
        ("80%", "80 %"),
    ],
)
def test_there_is_one_way_to_write_what_is_meant(text: str, canonical: str) -> None:
    assert str(parse_expression(text)) == canonical


def test_all_that_it_takes_from_elsewhere_is_known() -> None:
    found = leaves(parse_expression("-(a + 2 V) * b.energy / (1 - c)"))
    assert [str(leaf) for leaf in found] == ["a", "b.energy", "c"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("2 +", "ends where a value is due"),
        ("a b", "`b` is not expected"),
        ("a ^ 2", "`^` is not expected"),
        ("a % b", "`%` is not expected"),
        ("+3", "`+` is not expected"),
        ("(a", "a closing parenthesis is missing"),
        ("a)", "`)` is not expected"),
        ("voltage * 2", "is a word of the condition language"),
        ("rated * 2", "is a word of the condition language"),
        ("at.energy", "`at` is no tag"),
        ("cap.size", "a result has no size"),
        ("2 foo", "`2 foo` has no unit that is known"),
        ("2 °C", "has no unit that is known"),
        ("5 kg", "has no unit that is known"),
        ("4,2 V", "has a decimal comma"),
        ("1e999", "is too large"),
        ("1e999 V", "is too large"),
        ("C/0", "divides by nothing"),
        ("(" * 30 + "a" + ")" * 30, f"nested deeper than {DEPTH_MAX} levels"),
        ("-" * 30 + "a", f"nested deeper than {DEPTH_MAX} levels"),
        ("1+" * TEXT_MAX + "1", f"longer than {TEXT_MAX} characters"),
        ("__import__('os')", "is not expected"),
    ],
)
def test_what_is_no_arithmetic_is_a_mistake_that_says_why(text: str, says: str) -> None:
    with pytest.raises(MistakeError) as mistake:
        parse_expression(text)
    assert says in mistake.value.message
