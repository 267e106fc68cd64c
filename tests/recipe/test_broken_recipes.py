"""A generator of broken recipes: one step of a good one is broken in one way, and that step is named."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recipe_texts import CHARGE, DISCHARGE, load, problems

GOOD = (
    CHARGE,
    "rest: {time: 30 min, fail: [dv > 50 mV after 5 min -> fail SELF_DISCHARGE]}",
    DISCHARGE.replace("{", "{tag: low, "),
    "set: {kept: low / 5 Ah, mean: low.energy / low, fail: [kept < 40 % -> fail LOW_CAPACITY]}",
    "dcir: {current: 1C, time: 10 s, rest: 1 min}",
    "chamber: {target: 30 degC, wait: 10 min}",
    "soak: {chamber: 25 degC}",
    "rest: {time: 1 min, until: [kept > 90 % and mean < 4 V -> end]}",
)


@dataclass(frozen=True)
class Breakage:
    """A step of the good recipe by its word, and what in it is replaced by what."""

    word: str
    good: str
    bad: str

    def __str__(self) -> str:
        return f"{self.word}: {self.good} -> {self.bad}"

    def applied(self, step: str) -> str:
        assert self.good in step
        return step.replace(self.good, self.bad, 1)


BREAKAGES = [
    Breakage(word, good, bad)
    for word, changes in {
        "charge": {
            "charge:": ["chrage:", "charge", "Charge:"],
            "time > 3 h": [
                "time > 3 h after 1 h", "time < 3 h", "time > 3", "time > -3 h", "time > nan h", "tmie > 3 h",
            ],
            "capacity > 115 %": ["capacity > 300 %", "capacity > 115 %%", "capacity > 115 % of lwo", "capacity >"],
            "voltage: 4.2 V": [
                "voltage: 4.3 V", "voltage: 4.2 A", "voltage: 4.2", "voltage: inf V", "voltage: [4.2 V, 4 V]",
            ],
            "current: C/2": [
                "current: 3C", "current: 10 mA", "current: 0 A", "current: -1 A", "power: 5 W", "curent: 1 A",
            ],
            "current <= C/20": ["current <= 2C", "current <= 5 mA", "voltage < 4 V", "current <= C/20 -> goto nowhere",
                "voltage >= 4.1 V",
            ],
            "until: [": [
                "until: [voltage >= 4.199 V, ", "untill: [", "until: [current <= C/20 or ", "until: [ -> next, ",
            ],
            "{": [
                "{id: voltage, ", "{tag: Cap, ", "{limits: {voltage: [2 V, 5 V]}, ", "{record: {every: 0 s}, ",
                "{window: 1 V, ",
            ],
        },
        "rest": {
            "time: 30 min": ["time: 0 min", "time: 30 mins", "time: [1 min, 2 min]", "tim: 30 min", "time: 40 d"],
            "after 5 min": ["after 50 min", "for 50 min", "before 0 min"],
            "dv > 50 mV": ["dv > 50", "dv < -1 mV", "dx > 50 mV", "dv == 50 mV", "kept > 50 %"],
            "SELF_DISCHARGE": ["SELF_DISCHARG", "self", "kept"],
        },
        "discharge": {
            "voltage <= 2.8 V": ["voltage <= 2.3 V", "voltage >= 2.8 V", "capacity > 5 %", "energy >= 5 Ah"],
            "current: C/2": ["current: 4C", "resistance: 1 mOhm", "power: 1 kW"],
        },
        "set": {
            "low / 5 Ah": [
                "low / 5 Ah + 1 V", "lwo / 5 Ah", "low /", "low.energi", "voltage / 5 V", "low.dcir", "(low",
            ],
            "kept:": ["low:", "capacity:", "Kept:", "kept: 1, kept:"],
            "kept < 40 %": ["kept < 2 V", "kpet < 40 %", "voltage < 3 V", "kept < 40 % for 3 s", "kept < 40 % of low"],
        },
        "dcir": {
            "time: 10 s": ["time: 10 s, values: [20 s]", "time: 2 h", "time: 10 s, base: 1C", "direction: up"],
            "current: 1C": ["current: 5C", "current: 1 mA"],
        },
        "chamber": {
            "target: 30 degC": ["target: 90 degC", "target: 30 C", "rate: 1 K/min"],
            "wait: 10 min": ["wait: 0 s"],
        },
        "soak": {"chamber: 25 degC": ["chamber: -20 degC", "hold: 1 h", "chamber: 25 degC, timeout: 1 min"]},
    }.items()
    for good, bads in changes.items()
    for bad in bads
]  # fmt: skip


NO_STEP_YET = {"syntax", "duplicate-key"}
"""What is no YAML any more is refused before there are steps."""


def place_of(word: str) -> int:
    return next(place for place, step in enumerate(GOOD) if step.startswith(f"{word}:"))


def test_the_good_recipe_is_good() -> None:
    assert not problems(*GOOD)
    assert load(*GOOD)


@pytest.mark.parametrize("breakage", BREAKAGES, ids=str)
def test_a_broken_step_is_refused_by_its_name(breakage: Breakage) -> None:
    place = place_of(breakage.word)
    steps = [*GOOD[:place], breakage.applied(GOOD[place]), *GOOD[place + 1 :]]
    found = [problem for problem in problems(*steps) if problem.line == 5 + place]
    assert found
    for problem in found:
        assert problem.step == str(place + 1) or problem.code in NO_STEP_YET


def test_the_kinds_of_breakage_are_many() -> None:
    assert len({str(breakage) for breakage in BREAKAGES}) == len(BREAKAGES) > 70


@st.composite
def broken(draw: st.DrawFn) -> tuple[list[str], set[str]]:
    """Some breakages at once, in a recipe whose steps stand around or in loops; the paths that must be named."""
    drawn = draw(st.lists(st.sampled_from(BREAKAGES), min_size=1, max_size=3, unique_by=lambda breakage: breakage.word))
    steps = list(GOOD)
    for breakage in drawn:
        steps[place_of(breakage.word)] = breakage.applied(steps[place_of(breakage.word)])
    loops = draw(st.integers(0, 3))
    prefix = "1." * loops
    if loops:
        inside = ", ".join(steps)
        steps = [inside]
        for _ in range(loops):
            steps = [f"loop: {{times: 2, steps: [{', '.join(steps)}]}}"]
    return steps, {f"{prefix}{place_of(breakage.word) + 1}" for breakage in drawn}


@settings(max_examples=60)
@given(broken())
def test_whatever_is_broken_together_at_least_one_of_the_broken_steps_is_named(
    case: tuple[list[str], set[str]],
) -> None:
    steps, paths = case
    found = problems(*steps)
    assert found
    named = {problem.step for problem in found}
    assert named & {*paths, None}


@settings(max_examples=60)
@given(
    text=st.lists(st.sampled_from([*GOOD, "loop: {times: 2, steps: [rest: {time: 1 s}]}"]), min_size=1, max_size=4),
    cut=st.tuples(st.integers(0, 600), st.integers(1, 12)),
    junk=st.sampled_from(["", "{", "]", "- ", ": ", "#", "'", "\t", "set: {x: 1}", "4,2 V", "\u00e4", "&a ", "*a"]),
)
def test_a_damaged_text_is_refused_with_its_place_or_still_is_a_recipe(
    text: list[str], cut: tuple[int, int], junk: str
) -> None:
    whole = "\n  - ".join(text)
    start, length = cut[0] % (len(whole) + 1), cut[1]
    for problem in problems(whole[:start] + junk + whole[start + length :]):
        assert problem.file == "test.yaml"
        assert problem.message
        assert problem.line or problem.step is None
