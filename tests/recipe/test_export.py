"""Recipes as unicycler JSON and PyBaMM strings: there and back again, what is left out and said, what is refused."""

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recipe_texts import NOWHERE, load

from cycler.recipe.canonical import canonical_text
from cycler.recipe.compile import LoadedRecipe, load_recipe_text
from cycler.recipe.exchange.formats import Exported, export_recipe, import_recipe
from cycler.recipe.lookup import LIBRARY, load_cell_type
from cycler.recipe.model import DriveStep, LoopStep, Recipe, RestStep, Step
from cycler.recipe.problems import InvalidFile

NMC = load_cell_type(LIBRARY / "cell-types" / "nmc811-21700.yaml")
HEAD = "recipe: there\nversion: 1.0.0\ncell_type: nmc811-21700\n"
BOUNDS = "capacity > 120 %, time > 4 h"
CC_CV = f"charge: {{current: C/2, voltage: 4.2 V, until: [current <= C/20], fail: [{BOUNDS}]}}"
DISCHARGE = f"discharge: {{current: C/2, until: [voltage <= 2.8 V], fail: [{BOUNDS}]}}"


def method(*steps: str) -> list[dict[str, Any]]:
    document: dict[str, list[dict[str, Any]]] = json.loads(export_recipe(load(*steps), "unicycler").text)
    return document["method"]


def strings(*steps: str) -> list[Any]:
    document: list[Any] = json.loads(export_recipe(load(*steps), "pybamm").text)
    return document


def refusals(format_: str, *steps: str) -> list[str]:
    with pytest.raises(InvalidFile) as refused:
        export_recipe(load(*steps), format_)
    return [problem.message for problem in refused.value.problems]


def back(exported: Exported, loaded: LoadedRecipe) -> Recipe:
    """What an import makes of it."""
    return import_recipe(
        exported.text, file=f"{loaded.recipe.recipe}.json", cell_type=loaded.cell_type, beside=NOWHERE
    ).recipe


# What is written.


def test_a_cc_cv_is_two_steps_elsewhere() -> None:
    assert strings(CC_CV) == ["Charge at C/2 until 4.2 V", "Hold at 4.2 V until C/20"]
    assert method(CC_CV) == [
        {"step": "constant_current", "rate_C": 0.5, "until_voltage_V": 4.2},
        {"step": "constant_voltage", "voltage_V": 4.2, "until_rate_C": 0.05},
    ]


def test_a_discharge_is_negative_in_unicycler() -> None:
    (step,) = method(f"discharge: {{current: 1.5 A, until: [voltage <= 2.8 V, time >= 90 min], fail: [{BOUNDS}]}}")
    assert step == {"step": "constant_current", "current_mA": -1500, "until_time_s": 5400, "until_voltage_V": 2.8}


def test_powers_and_resistances_are_strings() -> None:
    power = f"charge: {{power: 1500 W, until: [voltage >= 4.1 V], fail: [{BOUNDS}]}}"
    resistance = f"discharge: {{resistance: 400 mOhm, until: [time >= 90 s], fail: [{BOUNDS}, voltage < 2.6 V]}}"
    wide = replace(NMC, envelopes={"formed": replace(NMC.envelopes["formed"], charge_current_a=2000.0)})
    text = f"{HEAD}steps:\n  - {power}\n  - {resistance}\n"
    loaded = load_recipe_text(text, file="there.yaml", beside=NOWHERE, cell_type=wide)
    assert json.loads(export_recipe(loaded, "pybamm").text) == [
        "Charge at 1500.0 W until 4.1 V",
        "Discharge at 400 mOhm for 1.5 minutes",
    ]


def test_a_loop_is_a_tag_and_a_loop_in_unicycler_and_cycles_in_pybamm() -> None:
    loop = f"loop: {{id: age, times: 3, steps: [{{{CC_CV}}}, {{rest: {{time: 1 h}}}}, {{{DISCHARGE}}}]}}"
    first, *_, last = method(loop)
    assert (first, last) == (
        {"step": "tag", "tag": "age"},
        {"step": "loop", "loop_to": "age", "cycle_count": 3},
    )
    turn = ["Charge at C/2 until 4.2 V", "Hold at 4.2 V until C/20", "Rest for 1 hour", "Discharge at C/2 until 2.8 V"]
    assert strings(loop) == [turn, turn, turn]


def test_turns_that_differ_are_written_out() -> None:
    step = f"discharge: {{id: down, current: [C/5, C/2], until: [voltage <= 2.8 V], fail: [{BOUNDS}]}}"
    loop = f"loop: {{times: 2, steps: [{{{step}}}, {{rest: {{time: 1 h}}}}]}}"
    assert strings(loop) == [
        "Discharge at C/5 until 2.8 V", "Rest for 1 hour", "Discharge at C/2 until 2.8 V", "Rest for 1 hour",
    ]  # fmt: skip
    assert [step.get("rate_C") for step in method(loop)] == [-0.2, None, -0.5, None]


def test_a_steps_own_beat_is_a_period() -> None:
    assert strings("rest: {time: 1 h, record: {every: 10 s}}") == ["Rest for 1 hour (10 second period)"]


def test_a_guard_that_all_steps_share_is_a_safety_limit() -> None:
    guards = "voltage > 4.1 V for 2 s, capacity > 110 %, current > 4 A for 2 s, time > 4 h"
    loaded = load(
        f"charge: {{current: C/2, until: [voltage >= 4 V], fail: [{guards}]}}",
        "rest: {time: 1 h, fail: [voltage > 4.1 V for 2 s]}",
    )
    exported = export_recipe(loaded, "unicycler")
    assert json.loads(exported.text)["safety"] == {"max_voltage_V": 4.1, "max_current_mA": 4000, "delay_s": 2}
    left = "capacity > 110 % of rated -> fail, time > 4 h -> fail"  # the one has no such delay, the other no place
    assert f"step 1: not written, as unicycler has limits for all steps only: {left}" in exported.notes


def test_a_relative_safety_limit_is_written_in_numbers_and_said() -> None:
    exported = export_recipe(load(CC_CV, DISCHARGE), "unicycler")
    assert json.loads(exported.text)["safety"] == {"max_capacity_mAh": 6000}
    assert "safety.max_capacity_mAh is 6000: 120 % of the rated capacity" in exported.notes


def test_what_is_left_out_is_said() -> None:
    exported = export_recipe(load(CC_CV.replace("{", "{id: up, tag: cap, ", 1)), "pybamm")
    assert "step up: id and tag not written: a string has no name" in exported.notes
    left = "capacity > 120 % of rated -> fail, time > 4 h -> fail"
    assert f"step up: not written, as a string guards nothing: {left}" in exported.notes
    assert "not written: the recipe's name and version, and that it takes formed, aged, graded cells" in exported.notes


def test_a_tag_stands_once_in_unicycler() -> None:
    tagged = DISCHARGE.replace("{", "{tag: cap, ", 1)
    exported = export_recipe(load(tagged, tagged), "unicycler")
    assert [step["step"] for step in json.loads(exported.text)["method"]].count("tag") == 1
    assert "step 2: its tag cap is not written: a tag stands once" in exported.notes


# What is refused.


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("contact: {}", "`contact` has no counterpart in PyBaMM's strings"),
        ("soak: {chamber: 25 degC}", "`soak` has no counterpart in PyBaMM's strings"),
        ("chamber: {target: 25 degC}", "`chamber` has no counterpart"),
        ("dcir: {}", "`dcir` has no counterpart"),
        (DISCHARGE.replace("voltage <=", "capacity >= 25 %, voltage <="), "`capacity >= 25 % of rated -> next` cannot"),
        (DISCHARGE.replace("2.8 V]", "2.8 V for 10 s]"), "`voltage <= 2.8 V for 10 s -> next` cannot be said in"),
        (DISCHARGE.replace("2.8 V]", "2.8 V -> end]"), "`voltage <= 2.8 V -> end` cannot be said in"),
        (DISCHARGE.replace("2.8 V]", "2.8 V, voltage > 3 V and time > 1 h -> hold]"), "-> hold` cannot be said in"),
        (DISCHARGE.replace("fail: [", "fail: [voltage > 3 V at 5 min, "), "`voltage > 3 V at 5 min -> fail` cannot"),
        (DISCHARGE.replace("fail: [", "fail: [temperature > 45 degC, "), "`temperature > 45 degC -> fail` cannot"),
        (DISCHARGE.replace("fail: [", "fail: [voltage > 4 V -> hold, "), "`voltage > 4 V -> hold` cannot"),
        (DISCHARGE.replace("2.8 V]", "2.8 V, voltage <= 3 V]"), "`voltage <= 3 V` is its second end by voltage"),
        (DISCHARGE.replace("until", "limits: {discharge_current: 1C}, until"), "has `limits`, which cannot be said in"),
        (CC_CV.replace("C/20]", "C/20, time >= 2 h]"), "is a CC-CV that does not end by its current alone"),
        ("rest: {until: [voltage <= 3 V], fail: [time > 1 h]}", "`voltage <= 3 V -> next` cannot be said in"),
        (
            f"charge: {{voltage: 3.7 V, until: [current <= C/20], fail: [{BOUNDS}]}}",
            "holds 3.7 V, and what comes before does not tell whether that charges or discharges",
        ),
        (
            f"discharge: {{voltage: 4.2 V, until: [time >= 1 h], fail: [{BOUNDS}]}}",
            "holds 4.2 V in discharge, which would be understood as charge",
        ),
    ],
)
def test_what_no_string_can_say_is_refused_by_name(step: str, message: str) -> None:
    assert any(message in refusal for refusal in refusals("pybamm", step))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (f"charge: {{power: 5 W, until: [voltage >= 4 V], fail: [{BOUNDS}]}}", "holds a power, for which unicycler"),
        (f"discharge: {{resistance: 1 Ohm, until: [voltage <= 3 V], fail: [{BOUNDS}]}}", "holds a resistance, for"),
        ("contact: {}", "`contact` has no counterpart in unicycler JSON"),
    ],
)
def test_what_no_unicycler_step_can_say_is_refused_by_name(step: str, message: str) -> None:
    (refusal,) = refusals("unicycler", step)
    assert message in refusal


def test_a_loop_that_would_be_a_book_is_refused() -> None:
    loop = "loop: {times: 65535, steps: [{rest: {time: 1 h}}]}"
    (refusal,) = refusals("pybamm", loop)
    assert refusal == "would be 65535 strings with its loops written out; 10000 are the most"
    assert len(method(loop)) == 3


def test_a_record_without_a_beat_is_refused_by_unicycler() -> None:
    loaded = load("rest: {time: 1 h}", head=HEAD + "record: {voltage: 5 mV}\n")
    with pytest.raises(InvalidFile, match="record: unicycler asks for the time between samples"):
        export_recipe(loaded, "unicycler")


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(InvalidFile, match=r"--format unicyler is no format \(did you mean unicycler\?\)"):
        export_recipe(load("rest: {time: 1 h}"), "unicyler")


def test_all_that_a_recipe_can_say_has_been_thought_of() -> None:
    """A new field of these is written, left out and said, or refused; then it is added here."""
    placed = {"path", "line", "id"}
    executed = placed | {"tag", "until", "fail", "record", "limits", "window"}
    assert {field.name for field in fields(DriveStep)} == executed | {
        "direction", "current", "voltage", "power", "resistance",
    }  # fmt: skip
    assert {field.name for field in fields(RestStep)} == executed | {"time", "outputs"}
    assert {field.name for field in fields(LoopStep)} == placed | {"times", "steps", "until", "origin"}


# There and back again.

rates = st.sampled_from(["C/15", "C/10", "C/3", "C/2", "0.8C"]) | st.integers(300, 2500).map(lambda n: f"{n} mA")
cut_offs = st.sampled_from(["C/50", "C/25"]) | st.integers(50, 200).map(lambda n: f"{n} mA")
times = st.integers(1, 500).map(lambda n: f"{n} min") | st.integers(1, 90).map(lambda n: f"{n} s")
upper = st.integers(380, 419).map(lambda n: f"{n / 100} V")
lower = st.integers(251, 340).map(lambda n: f"{n / 100} V")


@st.composite
def drives(draw: st.DrawFn) -> str:
    """A charge or discharge that both formats can say; a CC never ends where a CV would make a CC-CV of it."""
    charging = draw(st.booleans())
    word, relation, end = ("charge", ">=", draw(upper)) if charging else ("discharge", "<=", draw(lower))
    current = f"current <= {draw(cut_offs)}"
    time = f"time >= {draw(times)}"
    held, ends = draw(
        st.sampled_from(
            [
                (f"current: {draw(rates)}", [f"voltage {relation} {end}"]),
                (f"current: {draw(rates)}", [f"voltage {relation} {end}", time]),
                (f"current: {draw(rates)}", [time]),
                (f"current: {draw(rates)}, voltage: {end}", [current]),
                (f"voltage: {'4.2 V' if charging else '2.5 V'}", [current]),
                (f"voltage: {'4.2 V' if charging else '2.5 V'}", [current, time]),
            ]
        )
    )
    edge = "voltage > 4.2 V" if charging else "voltage < 2.5 V"
    return f"{word}: {{{held}, until: [{', '.join(ends)}], fail: [{edge}, capacity > 6.5 Ah, time > 20 d]}}"


rests = times.map(lambda time: f"rest: {{time: {time}}}")


@st.composite
def bodies(draw: st.DrawFn, deep: int = 2) -> list[str]:
    """Steps in flow style. Loops have names, as unicycler's have."""
    found = draw(st.lists(drives() | rests, min_size=1, max_size=4))
    if deep and draw(st.booleans()):
        inner = ", ".join(f"{{{step}}}" for step in draw(bodies(deep=deep - 1)))
        found.append(f"loop: {{id: loop-{deep}, times: {draw(st.integers(2, 4))}, steps: [{inner}]}}")
    return found


def recipe_of(steps: list[str]) -> LoadedRecipe:
    return load(*steps, head=HEAD + "record: {every: 7 s, voltage: 5 mV, current: 20 mA}\n")


def but_for_guards(recipe: Recipe) -> str:
    """What a cell is put through: all but the bounds that an import writes by its own rules."""

    def bare(steps: tuple[Step, ...]) -> tuple[Step, ...]:
        return tuple(
            replace(step, steps=bare(step.steps)) if isinstance(step, LoopStep) else replace(step, fail=((),))
            for step in steps
        )

    return canonical_text(replace(recipe, steps=bare(recipe.steps)))


@settings(max_examples=80, deadline=None)
@given(steps=bodies())
def test_a_recipe_comes_back_from_unicycler_as_it_was(steps: list[str]) -> None:
    loaded = recipe_of(steps)
    assert but_for_guards(back(export_recipe(loaded, "unicycler"), loaded)) == but_for_guards(loaded.recipe)


@settings(max_examples=80, deadline=None)
@given(steps=st.lists(drives() | rests, min_size=1, max_size=5), times=st.integers(2, 4))
def test_a_recipe_comes_back_from_pybamm_as_it_was(steps: list[str], times: int) -> None:
    loop = f"loop: {{times: {times}, steps: [{', '.join(f'{{{step}}}' for step in steps)}]}}"
    loaded = load(*steps, loop, head=HEAD)
    assert but_for_guards(back(export_recipe(loaded, "pybamm"), loaded)) == but_for_guards(loaded.recipe)


@pytest.mark.parametrize("format_", ["unicycler", "pybamm"])
@settings(max_examples=60, deadline=None)
@given(steps=bodies())
def test_what_was_imported_comes_back_to_the_letter(format_: str, steps: list[str]) -> None:
    loaded = recipe_of(steps)
    once = LoadedRecipe(recipe=back(export_recipe(loaded, format_), loaded), cell_type=loaded.cell_type)
    exported = export_recipe(once, format_)
    assert canonical_text(back(exported, once)) == canonical_text(once.recipe)
    assert json.loads(exported.text) == json.loads(export_recipe(loaded, format_).text)
