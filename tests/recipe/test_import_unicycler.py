"""Recipes from aurora-unicycler's JSON: what they mean, and what is refused."""

import json
from pathlib import Path
from typing import Any

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
CHARGE = {"step": "constant_current", "rate_C": 0.5, "until_voltage_V": 4.2}
HOLD = {"step": "constant_voltage", "voltage_V": 4.2, "until_rate_C": 0.05}
DISCHARGE = {"step": "constant_current", "rate_C": -0.5, "until_voltage_V": 2.8}
REST = {"step": "open_circuit_voltage", "until_time_s": 1800}


def protocol(*method: object, **sections: object) -> str:
    return json.dumps({"record": {"time_s": 10}, "method": method} | sections)


def imported(*method: object, **sections: object) -> Imported:
    return import_recipe(protocol(*method, **sections), file="x.json", cell_type=NMC, beside=NOWHERE)


def steps(*method: object, **sections: object) -> list[str]:
    """The canonical lines of the steps."""
    return imported(*method, **sections).text.split("steps:\n", 1)[1].splitlines()


def refusals(*method: object, **sections: object) -> list[str]:
    with pytest.raises(InvalidFile) as refused:
        imported(*method, **sections)
    return [str(problem) for problem in refused.value.problems]


# What it means.


def test_a_positive_current_charges_and_a_negative_one_discharges() -> None:
    assert steps(CHARGE, DISCHARGE) == [
        "  - charge: {current: C/2, until: [voltage >= 4.2 V -> next],"
        " fail: [capacity > 120 % of rated -> fail, time > 4 h -> fail]}",
        "  - discharge: {current: C/2, until: [voltage <= 2.8 V -> next],"
        " fail: [capacity > 120 % of rated -> fail, time > 4 h -> fail]}",
    ]


def test_what_is_imported_loads() -> None:
    found = imported(CHARGE, HOLD, REST, DISCHARGE)
    loaded = load_recipe_text(found.text, file="x.yaml", beside=NOWHERE)
    assert loaded.recipe == found.recipe


@pytest.mark.parametrize(
    ("rate", "written"),
    [
        (0.5, "charge: {current: C/2"),
        ("C/3", "charge: {current: C/3"),
        ("D/2", "discharge: {current: C/2"),
        ("1/5", "charge: {current: C/5"),
        ("-1/5", "discharge: {current: C/5"),
        ("3D/2", "discharge: {current: 1.5C"),
        (" 2 C / 4 ", "charge: {current: C/2"),
        ("-0.25", "discharge: {current: C/4"),
    ],
)
def test_a_rate_may_be_a_number_a_text_or_a_fraction(rate: object, written: str) -> None:
    (line,) = steps({"step": "constant_current", "rate_C": rate, "until_time_s": 600})
    assert written in line


def test_a_current_in_milliampere_keeps_its_value() -> None:
    (line,) = steps({"step": "constant_current", "current_mA": "-1500", "until_voltage_V": 3})
    assert "discharge: {current: 1.5 A, until: [voltage <= 3 V -> next]" in line
    assert "time > 6 h 40 min" in line or "time > 400 min" in line  # twice the 3 h 20 min of 5 Ah at 1.5 A


def test_a_rate_goes_before_a_current_and_that_is_said() -> None:
    found = imported(CHARGE | {"current_mA": 7})
    assert "current: C/2" in found.text
    assert "step 1: current_mA is not written: rate_C goes before it" in found.notes


def test_an_empty_text_is_no_value() -> None:
    assert steps(CHARGE | {"current_mA": "", "until_time_s": " "}) == steps(CHARGE)


def test_a_time_beside_a_voltage_is_one_more_end() -> None:
    (line,) = steps(CHARGE | {"until_time_s": 5400})
    assert "until: [voltage >= 4.2 V -> next, time >= 1.5 h -> next]" in line
    assert "fail: [capacity > 120 % of rated -> fail]" in line


def test_a_current_without_a_voltage_is_bounded_by_the_cell_types_own() -> None:
    up, down = steps(*({"step": "constant_current", "rate_C": rate, "until_time_s": 60} for rate in (0.1, -0.1)))
    assert "voltage > 4.2 V -> fail" in up
    assert "voltage < 2.5 V -> fail" in down


def test_a_voltage_held_where_the_current_ended_is_one_cc_cv() -> None:
    (line,) = steps(CHARGE, HOLD)
    assert line == (
        "  - charge: {current: C/2, voltage: 4.2 V, until: [current <= C/20 -> next],"
        " fail: [capacity > 120 % of rated -> fail, time > 28 h -> fail]}"
    )


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (CHARGE | {"until_time_s": 9000}, HOLD),
        (CHARGE, HOLD | {"until_time_s": 3600}),
        (CHARGE | {"until_voltage_V": 4.1}, HOLD),
        (CHARGE, HOLD | {"id": "cv"}),
    ],
    ids=["charge ends by time", "hold ends by time", "another voltage", "hold has a name"],
)
def test_what_is_more_than_a_cc_cv_stays_two_steps(first: dict[str, Any], then: dict[str, Any]) -> None:
    assert len(steps(first, then)) == 2


@pytest.mark.parametrize(
    ("before", "hold", "direction"),
    [
        ([CHARGE, REST], HOLD, "charge"),
        ([DISCHARGE, REST], HOLD | {"voltage_V": 2.8, "until_rate_C": -0.05}, "discharge"),
        ([DISCHARGE], {"step": "constant_voltage", "voltage_V": 2.8, "until_time_s": 60}, "discharge"),
        ([], {"step": "constant_voltage", "voltage_V": 4.2, "until_time_s": 60}, "charge"),
        ([], {"step": "constant_voltage", "voltage_V": 3.7, "until_rate_C": -0.05}, "discharge"),
        (
            [CHARGE | {"until_voltage_V": 3.8}, DISCHARGE | {"until_voltage_V": 3.0}],
            HOLD | {"voltage_V": 3.8},
            "charge",
        ),
    ],
    ids=["after a charge", "after a discharge", "by time", "the highest voltage", "by sign", "below what was reached"],
)
def test_a_held_voltage_goes_where_the_cell_comes_from(
    before: list[object], hold: dict[str, Any], direction: str
) -> None:
    line = steps(*before, hold)[-1]
    assert line.startswith(f"  - {direction}: {{voltage: ")


def test_the_first_turn_of_a_loop_comes_from_elsewhere_than_the_others() -> None:
    hold = {"step": "constant_voltage", "voltage_V": 3.8, "until_time_s": 60}
    loop = {"step": "loop", "loop_to": 2, "cycle_count": 3}
    low = DISCHARGE | {"until_voltage_V": 3.0}
    (refusal,) = refusals(CHARGE | {"until_voltage_V": 3.8}, hold, CHARGE | {"until_voltage_V": 4.1}, low, loop)
    assert "step 2: holds 3.8 V, and what comes before does not tell whether that charges or discharges" in refusal


def test_loops_lead_to_tags_and_numbers_and_nest() -> None:
    found = imported(
        {"step": "tag", "tag": "Formation cycles"},
        CHARGE,
        {"step": "tag", "tag": "inner"},
        REST,
        DISCHARGE,
        {"step": "loop", "loop_to": "inner", "cycle_count": 2},
        {"step": "loop", "loop_to": "Formation cycles", "cycle_count": 5},
        REST,
        REST,
        {"step": "loop", "loop_to": 8, "cycle_count": "7"},
    )
    outer, last = found.recipe.steps
    assert isinstance(outer, LoopStep) and isinstance(last, LoopStep)
    assert (outer.id, outer.times, len(outer.steps)) == ("formation-cycles", 5, 2)
    inner = outer.steps[1]
    assert isinstance(inner, LoopStep) and (inner.id, inner.times, len(inner.steps)) == ("inner", 2, 2)
    assert (last.id, last.times, len(last.steps)) == (None, 7, 2)
    assert "step 7: the id `Formation cycles` is written formation-cycles" in found.notes


def test_two_loops_that_lead_to_one_place_are_one_in_the_other() -> None:
    found = imported(
        {"step": "tag", "tag": "start"}, CHARGE, DISCHARGE,
        {"step": "loop", "loop_to": "start", "cycle_count": 24}, REST,
        {"step": "loop", "loop_to": "start", "cycle_count": 20},
    )  # fmt: skip
    (outer,) = found.recipe.steps
    assert isinstance(outer, LoopStep) and (outer.id, outer.times) == ("start", 20)
    assert isinstance(outer.steps[0], LoopStep) and (outer.steps[0].id, outer.steps[0].times) == (None, 24)


def test_a_tag_that_no_loop_leads_to_is_the_next_steps() -> None:
    (line,) = steps({"step": "tag", "tag": "cap"}, DISCHARGE)
    assert line.endswith("tag: cap}")


def test_safety_limits_concern_every_step() -> None:
    safety = {
        "max_voltage_V": 4.1, "min_voltage_V": 2.6, "max_current_mA": 3000, "min_current_mA": -4000,
        "max_capacity_mAh": 5500, "delay_s": 2,
    }  # fmt: skip
    up, down, rest = steps(CHARGE | {"until_voltage_V": 4.0}, DISCHARGE, REST, safety=safety)
    voltages = "voltage > 4.1 V for 2 s -> fail, voltage < 2.6 V for 2 s -> fail"
    assert f"fail: [{voltages}, current > 3 A for 2 s -> fail, capacity > 5.5 Ah for 2 s -> fail, time > 4 h" in up
    assert f"fail: [{voltages}, current > 4 A for 2 s -> fail, capacity > 5.5 Ah for 2 s -> fail, time > 4 h" in down
    assert rest == f"  - rest: {{time: 30 min, fail: [{voltages}]}}"


def test_a_safety_limit_that_a_protection_comes_before_is_said_and_not_written() -> None:
    found = imported(CHARGE, safety={"max_voltage_V": 5, "min_voltage_V": -0.1})
    assert "5 V" not in found.text and "-100 mV" not in found.text
    assert "voltage above 5 V: not written, since nmc811-21700 trips at 4.25 V" in found.notes
    assert "voltage below -100 mV: not written, since nmc811-21700 trips at 2.45 V" in found.notes


def test_the_record_is_taken_over() -> None:
    found = imported(CHARGE, record={"time_s": 30, "voltage_V": 0.005, "current_mA": 20})
    assert "\nrecord: {every: 30 s, voltage: 5 mV, current: 20 mA}\n" in found.text


def test_another_capacity_of_the_sample_is_said() -> None:
    found = imported(CHARGE, sample={"name": "$NAME", "capacity_mAh": 123})
    assert "C-rates are of 5 Ah, what nmc811-21700 is rated, not of the sample's 123 mAh" in found.notes


def test_what_was_added_is_said_of_each_step() -> None:
    found = imported(CHARGE, REST, DISCHARGE | {"until_time_s": 60})
    assert "step 1: `fail` has capacity > 120 % of rated, time > 4 h" in found.notes
    assert "step 3: `fail` has capacity > 120 % of rated" in found.notes


def test_a_sample_that_is_named_after_a_cell_type_tells_it() -> None:
    text = protocol(CHARGE, sample={"name": "lfp-26650"})
    assert import_recipe(text, file="x.json", beside=NOWHERE).recipe.cell_type == "lfp-26650"


@pytest.mark.parametrize("name", ["$NAME", "cell 17", "lfp-26560", None])
def test_without_a_cell_type_nothing_is_imported(name: str | None) -> None:
    with pytest.raises(InvalidFile, match=r"x.json: does not name the type of its cells \(give --cell-type"):
        import_recipe(protocol(CHARGE, sample={"name": name}), file="x.json", beside=NOWHERE)


def test_what_the_cell_type_does_not_allow_is_for_the_check_to_refuse() -> None:
    found = imported(CHARGE | {"until_voltage_V": 4.9})
    assert any("`cycler recipe check` will refuse it: x.yaml:" in note and "4.9 V" in note for note in found.notes)


# What is refused.


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"step": "impedance_spectroscopy", "amplitude_V": 0.01}, "`impedance_spectroscopy` has no counterpart"),
        ({"step": "voltage_scan", "start_voltage_V": 3}, "`voltage_scan` has no counterpart in a recipe"),
        ({"step": "constant_curent"}, "`constant_curent` is no step (did you mean constant_current?)"),
        ({"step": None}, "is no object with a `step`"),
        ("Rest for 1 hour", "is no object with a `step`"),
        (CHARGE | {"until_volts": 4}, "until_volts: is no key of `constant_current` (did you mean until_voltage_V?)"),
        (CHARGE | {"rate_C": 0}, "rate_C: 0 is no value here (write null where there is none)"),
        (CHARGE | {"rate_C": "1C"}, "rate_C: `1C` is no number"),
        (CHARGE | {"rate_C": "C/0"}, "rate_C: 1/0 is no rate (write it like C/5)"),
        (CHARGE | {"rate_C": None}, "rate_C: is missing"),
        (CHARGE | {"rate_C": True}, "rate_C: `True` is no number"),
        (CHARGE | {"until_voltage_V": None}, "until_time_s: is missing, and nothing else ends the step"),
        (CHARGE | {"until_time_s": -5}, "until_time_s: -5 s is not above 0"),
        (CHARGE | {"until_voltage_V": [4.2]}, "until_voltage_V: `['4.2']` is no number"),
        (HOLD | {"voltage_V": ""}, "voltage_V: is missing"),
        (HOLD | {"voltage_V": 3.7, "until_rate_C": None, "until_time_s": 9}, "holds 3.7 V, and what comes before does"),
        ({"step": "open_circuit_voltage"}, "until_time_s: is missing"),
        ({"step": "loop", "cycle_count": 3}, "loop_to: leads forward"),
        ({"step": "loop", "loop_to": "x", "cycle_count": 3}, "loop_to: no tag is named `x`"),
        ({"step": "tag", "tag": " "}, "tag: is empty"),
        ({"step": "tag", "tag": "cap"}, "the tag cap names no step"),
    ],
)  # fmt: skip
def test_what_a_recipe_cannot_say_is_refused_by_step_and_key(step: object, message: str) -> None:
    found = refusals(step)
    assert len(found) == 1
    assert message in found[0]


def test_a_hold_against_its_sign_is_refused() -> None:
    (refusal,) = refusals(CHARGE, HOLD | {"until_rate_C": -0.05})
    assert refusal == "x.json: step 2: holds 4.2 V in discharge, but after what comes before that is a charge"


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ([REST, REST, {"step": "loop", "cycle_count": 0}], "step 3: cycle_count: `0` is no whole number from 1 to"),
        ([REST, REST, {"step": "loop", "loop_to": 3, "cycle_count": 2}], "step 3: loop_to: leads forward"),
        (
            [REST, REST, REST, *({"step": "loop", "loop_to": start, "cycle_count": 2} for start in (2, 3))],
            "step 5: loop_to: leads into the middle of another loop",
        ),
        ([REST, {"step": "tag", "tag": "a"}, {"step": "loop", "loop_to": "a", "cycle_count": 2}], "or to no step"),
        ([{"step": "tag", "tag": "a"}, REST, {"step": "tag", "tag": "a"}, REST], "step 3: tag: `a` stands twice"),
        ([{"step": "tag", "tag": "a"}, {"step": "tag", "tag": "b"}, REST], "step 2: tag: a second tag before one"),
        ([REST | {"id": "a"}, REST | {"id": "a"}], "step 2: id: `a` is the id of another step as well"),
        ([{"step": "tag", "tag": "a", "id": "b"}, REST], "step 1: id: is no key of `tag`"),
        ([REST | {"id": "!"}], "step 1: id: `!` has no letter or digit"),
        ([], "method: a list of one step or more is due here"),
        ([REST] * 10_001, "method: has 10001 steps; 10000 are read at most"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_loops_and_names_that_do_not_fit_are_refused(method: list[object], message: str) -> None:
    assert any(message in refusal for refusal in refusals(*method))


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"record": {}}, "record.time_s"),
        ({"record": {"time_s": 0}}, "record.time_s: 0 is no value here"),
        ({"record": [1]}, "record: an object is due here"),
        ({"safety": {"max_volts": 4}}, "safety.max_volts: is no key of safety"),
        ({"safety": {"min_current_mA": 5}}, "safety.min_current_mA: a least current has no counterpart"),
        ({"safety": {"max_current_mA": -5}}, "safety.max_current_mA: -5 mA is not above 0"),
        ({"sample": {"capacity_mAh": 0}}, "sample.capacity_mAh: 0 is no value here"),
        ({"extra": 1}, "extra: is no key of a unicycler protocol"),
    ],
)
def test_sections_are_as_strict(sections: dict[str, object], message: str) -> None:
    assert any(message in refusal for refusal in refusals(REST, **sections))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"method": [], "method": []}', "the key `method` stands twice"),
        ('{"record": {"time_s": NaN}, "method": []}', "NaN is no value"),
        ('{"method": [{"x": -Infinity}]}', "-Infinity is no value"),
        ('{"method": ' + "[" * 5000, "is nested more than 16 deep"),
        ('{"method": \n[1,}', "x.json:2: is not JSON"),
        ('{"steps": []}', "is neither unicycler JSON, which has a `method`, nor PyBaMM's step strings"),
        ("recipe: x\n", "is neither unicycler JSON"),
        ("", "is neither unicycler JSON"),
        ("7", "is neither unicycler JSON"),
    ],
    ids=["key twice", "nan", "infinity", "deep", "cut off", "other json", "a recipe", "nothing", "a number"],
)
def test_what_is_no_such_file_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidFile) as refused:
        import_recipe(text, file="x.json", cell_type=NMC, beside=NOWHERE)
    assert message in str(refused.value)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["C/5", "D/2", "tag", "", "a"])
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
keys = st.sampled_from(
    ["step", "id", "rate_C", "current_mA", "until_time_s", "until_voltage_V", "voltage_V", "until_rate_C", "loop_to",
     "cycle_count", "tag", "until_current_mA"]
)  # fmt: skip
broken_steps = st.builds(
    lambda step, changes: {**step, **changes},
    st.sampled_from([CHARGE, HOLD, DISCHARGE, REST, {"step": "loop", "loop_to": 1, "cycle_count": 2}, {"step": "tag"}]),
    st.dictionaries(keys, json_values, max_size=2),
)


@settings(max_examples=150, deadline=None)
@given(method=st.lists(broken_steps, max_size=6), file=st.sampled_from(["x.json", "….json", "--"]))
def test_whatever_comes_is_read_whole_or_refused(method: list[object], file: str) -> None:
    text = json.dumps({"record": {"time_s": 10}, "method": method})
    try:
        found = import_recipe(text, file=file, cell_type=NMC, beside=Path())
    except InvalidFile as refused:
        assert refused.problems
        return
    doubts = [note for note in found.notes if "will refuse it" in note]
    if not doubts:
        assert load_recipe_text(found.text, file="x.yaml", beside=NOWHERE).recipe == found.recipe
