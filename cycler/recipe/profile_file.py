"""CSV files of currents or powers over time, for `profile` steps. What is not understood is refused by its line.

```
# sign: charge-positive        or discharge-positive; without it nobody can know
Time / s,Current / A           or Current / C, or Power / W
0,2.5
10,-5
30,0
```
A value holds until the next row's time. The last row is the end: its value is 0. Other lines that begin with # are
comments.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from cycler.recipe.problems import InvalidFile, Problem, nearest, shown
from cycler.recipe.units import NUMBER, Quantity

Point = tuple[Quantity, Quantity]
"""From when on, in s since the step began; and what flows from then on, positive where it charges."""

FILE_BYTES_MAX = 1 << 20
POINTS_MAX = 10_000

COLUMNS: Mapping[str, str] = {"Current / A": "A", "Current / C": "C", "Power / W": "W"}
SIGNS: Mapping[str, float] = {"charge-positive": 1.0, "discharge-positive": -1.0}
TIME = "Time / s"

_NUMBER = re.compile(NUMBER, re.ASCII)
_SIGN = re.compile(r"#\s*sign\s*:\s*(.*)")


@dataclass(frozen=True, slots=True)
class PointMistake:
    """What is wrong with a point; `place` counts from 0."""

    place: int
    message: str
    hint: str = ""


def check_points(points: Sequence[Point]) -> PointMistake | None:
    """The first thing that is wrong with them together."""
    last = len(points) - 1
    if last < 1:
        return PointMistake(0, "a profile has at least two points", "the last one is its end")
    if last >= POINTS_MAX:
        return PointMistake(POINTS_MAX, f"a profile has at most {POINTS_MAX} points", "use several steps")
    if points[0][0].number != 0:
        return PointMistake(0, f"it begins at {points[0][0]}", "the first point is at 0 s")
    for place, ((time, flow), (before, _)) in enumerate(zip(points[1:], points, strict=False), start=1):
        if time.number <= before.number:
            return PointMistake(place, f"{time} does not lie behind {before}")
        if flow.unit != points[0][1].unit:
            return PointMistake(place, f"{flow} is of another kind than {points[0][1]}", "use one unit throughout")
    if points[last][1].number != 0:
        return PointMistake(
            last, f"the last point is the end, but it has {points[last][1]}",
            "a value holds until the next one's time: add a last point with 0",
        )  # fmt: skip
    return None


def read_profile(path: Path) -> tuple[Point, ...]:
    """The points, positive where they charge. Raises `InvalidFile`."""
    try:
        with path.open("rb") as stream:
            data = stream.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise _refusal(path, 0, "unreadable", error.strerror or str(error)) from None
    return parse_profile(data, path)


def parse_profile(data: bytes, path: Path) -> tuple[Point, ...]:
    """As `read_profile`, of what was read from there."""
    if len(data) > FILE_BYTES_MAX:
        raise _refusal(path, 0, "too-large", f"is larger than {FILE_BYTES_MAX >> 20} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _refusal(path, 0, "encoding", "is no text in UTF-8") from None
    sign: float | None = None
    rows: list[tuple[int, str]] = []
    for number, line in _lines(text):
        if not line.startswith("#"):
            rows.append((number, line))
        elif (stated := _SIGN.fullmatch(line)) is not None:
            if sign is not None:
                raise _refusal(path, number, "sign", "the sign is stated twice")
            sign = _sign(path, number, stated.group(1).strip())
    if not rows:
        raise _refusal(path, 0, "empty", "has no rows", f"the first is like {TIME},Current / A")
    unit = _unit(path, *rows[0])
    if sign is None:
        hint = "add the line `# sign: charge-positive` or `# sign: discharge-positive`"
        raise _refusal(path, rows[0][0], "sign", "does not say what a positive value does", hint)
    points = []
    for number, line in rows[1:]:
        time_s, flow = _row(path, number, line)
        points.append((Quantity(time_s, "s"), Quantity(sign * flow + 0.0, unit)))
    mistake = check_points(points)
    if mistake is not None:
        number = rows[min(mistake.place + 1, len(rows) - 1)][0]
        raise _refusal(path, number, "points", mistake.message, mistake.hint)
    return tuple(points)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """With their numbers; empty ones mean nothing."""
    for number, line in enumerate(text.split("\n"), start=1):
        if stripped := line.strip():
            yield number, stripped


def _sign(path: Path, number: int, word: str) -> float:
    if word not in SIGNS:
        raise _refusal(path, number, "sign", f"{shown(word)} is no sign", nearest(word, SIGNS))
    return SIGNS[word]


def _unit(path: Path, number: int, line: str) -> str:
    columns = [column.strip() for column in line.split(",")]
    example = f"{TIME} and one of: {', '.join(COLUMNS)}, with a comma between them"
    if len(columns) != 2 or columns[0] != TIME:
        raise _refusal(path, number, "header", f"{shown(line)} does not name its two columns", example)
    if columns[1] not in COLUMNS:
        raise _refusal(path, number, "header", f"{shown(columns[1])} is no column", nearest(columns[1], COLUMNS))
    return COLUMNS[columns[1]]


def _row(path: Path, number: int, line: str) -> tuple[float, float]:
    values = [value.strip() for value in line.split(",")]
    if len(values) != 2:
        hint = "decimals are written with a point, columns parted by one comma"
        raise _refusal(path, number, "row", f"{shown(line)} has {len(values)} values instead of 2", hint)
    for value in values:
        if not _NUMBER.fullmatch(value) or not isfinite(float(value)):
            raise _refusal(path, number, "row", f"{shown(value)} is no number", "write it like 12.5, without its unit")
    return float(values[0]), float(values[1])


def _refusal(path: Path, line: int, code: str, message: str, hint: str = "") -> InvalidFile:
    return InvalidFile([Problem(file=str(path), line=line, code=code, message=message, hint=hint)])
