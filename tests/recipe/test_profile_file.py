"""CSV files of profiles: strict, bounded, and never a traceback."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cycler.recipe.problems import InvalidFile
from cycler.recipe.profile_file import FILE_BYTES_MAX, POINTS_MAX, parse_profile

SIGN, HEADER = "# sign: charge-positive\n", "Time / s,Current / A\n"
PATH = Path("cycle.csv")


def parsed(text: str) -> list[tuple[float, float]]:
    return [(time.number, flow.number) for time, flow in parse_profile(text.encode(), PATH)]


def refusal(text: str | bytes) -> tuple[str, int]:
    with pytest.raises(InvalidFile) as refused:
        parse_profile(text if isinstance(text, bytes) else text.encode(), PATH)
    (problem,) = refused.value.problems
    return problem.code, problem.line


def test_positive_values_charge_where_the_file_says_so() -> None:
    assert parsed(SIGN + HEADER + "0,1.5\n10,-2\n20,0\n") == [(0.0, 1.5), (10.0, -2.0), (20.0, 0.0)]


def test_positive_values_discharge_where_the_file_says_so() -> None:
    assert parsed("# sign: discharge-positive\n" + HEADER + "0,1.5\n10,-2\n20,0\n") == [
        (0.0, -1.5),
        (10.0, 2.0),
        (20.0, 0.0),
    ]


def test_comments_empty_lines_line_ends_and_a_byte_order_mark_mean_nothing() -> None:
    lines = ["\ufeff# WLTC", "", "#sign:charge-positive", "Time / s , Current / A", "0 , 1", "# pause", "1,0", "", ""]
    assert parsed("\r\n".join(lines)) == [(0.0, 1.0), (1.0, 0.0)]


@pytest.mark.parametrize(("column", "unit"), [("Current / A", "A"), ("Current / C", "C"), ("Power / W", "W")])
def test_the_header_says_what_flows(column: str, unit: str) -> None:
    points = parse_profile(f"{SIGN}Time / s,{column}\n0,1\n1,0\n".encode(), PATH)
    assert {flow.unit for _, flow in points} == {unit}


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        pytest.param(HEADER + "0,1\n1,0\n", "sign", 1, id="no-sign"),
        pytest.param("# sign: positive\n" + HEADER + "0,1\n1,0\n", "sign", 1, id="an-unknown-sign"),
        pytest.param(SIGN + SIGN + HEADER + "0,1\n1,0\n", "sign", 2, id="two-signs"),
        pytest.param(SIGN, "empty", 0, id="no-rows"),
        pytest.param(SIGN + "time,current\n0,1\n1,0\n", "header", 2, id="a-header-without-units"),
        pytest.param(SIGN + "Time / s,Current / mA\n0,1\n1,0\n", "header", 2, id="an-unknown-unit"),
        pytest.param(SIGN + "Time / s;Current / A\n0;1\n1;0\n", "header", 2, id="semicolons"),
        pytest.param(SIGN + HEADER + "0,1,2\n1,0\n", "row", 3, id="three-values"),
        pytest.param(SIGN + HEADER + "0,1,5\n1,0\n", "row", 3, id="a-decimal-comma"),
        pytest.param(SIGN + HEADER + "0,1\n1,nan\n2,0\n", "row", 4, id="not-a-number"),
        pytest.param(SIGN + HEADER + "0,1\n1,1e999\n2,0\n", "row", 4, id="infinite"),
        pytest.param(SIGN + HEADER + "0,1\n1,2 A\n2,0\n", "row", 4, id="a-unit"),
        pytest.param(SIGN + HEADER + "0,1\n1,\n2,0\n", "row", 4, id="an-empty-value"),
        pytest.param(SIGN + HEADER, "points", 2, id="no-points"),
        pytest.param(SIGN + HEADER + "0,1\n", "points", 3, id="one-point"),
        pytest.param(SIGN + HEADER + "5,1\n6,0\n", "points", 3, id="not-from-the-beginning"),
        pytest.param(SIGN + HEADER + "0,1\n5,1\n5,2\n6,0\n", "points", 5, id="no-time-between"),
        pytest.param(SIGN + HEADER + "0,1\n5,1\n", "points", 4, id="no-end"),
        pytest.param(b"\xff\xfe\x00", "encoding", 0, id="no-text"),
        pytest.param(b"0" * (FILE_BYTES_MAX + 1), "too-large", 0, id="too-large"),
    ],
)
def test_what_is_not_understood_is_refused_by_its_line(text: str | bytes, code: str, line: int) -> None:
    assert refusal(text) == (code, line)


def test_a_profile_has_an_end_to_its_length() -> None:
    rows = "".join(f"{place},1\n" for place in range(POINTS_MAX + 1))
    assert refusal(SIGN + HEADER + rows)[0] == "points"


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_whatever_a_file_holds_it_is_read_or_refused(data: bytes) -> None:
    try:
        parse_profile((SIGN + HEADER).encode() + data, PATH)
    except InvalidFile as refused:
        assert refused.problems


values = st.floats(-1e6, 1e6)


@given(st.lists(st.tuples(st.floats(1e-3, 1e4), values), min_size=1, max_size=30), values)
def test_what_is_written_is_read_to_the_last_bit(rows: list[tuple[float, float]], first: float) -> None:
    time_s, points = 0.0, [(0.0, first)]
    for apart_s, value in rows:
        time_s += apart_s
        points.append((time_s, value))
    points[-1] = (points[-1][0], 0.0)
    text = SIGN + HEADER + "".join(f"{at_s!r},{value!r}\n" for at_s, value in points)
    assert parsed(text) == points
