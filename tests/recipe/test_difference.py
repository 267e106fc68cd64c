"""Two versions of a recipe: what changed in what they mean, and which of it touches safety."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recipe_texts import CHARGE, DISCHARGE, HEAD, load

from cycler.recipe.difference import Change, difference

REST = "rest: {time: 30 min}"
FORM = (
    "charge: {id: form, current: C/10, voltage: 4.1 V, until: [current <= C/50],"
    " fail: [voltage < 3 V at 1 h, capacity > 110 %, time > 20 h], limits: {charge_current: C/5}}"
)
EARLY = "fail voltage < 3 V at 1 h"
PLAIN = ["soak: {chamber: 25 degC}", "contact: {}", FORM, REST, DISCHARGE]


def changes(before: list[str], after: list[str]) -> tuple[Change, ...]:
    return difference(load(*before), load(*after)).changes


def told(before: list[str], after: list[str]) -> list[str]:
    return [f"{change.step}: {change.text}" for change in changes(before, after)]


def test_what_is_only_written_in_another_way_means_the_same() -> None:
    spelt = CHARGE.replace("[current <= C/20]", "current <= 0.05C -> next").replace("3 h", "180 min")
    found = difference(load(CHARGE), load(spelt))
    assert found.changes == ()
    assert list(found.lines()) == [f"both mean the same: test 1.0.0 ({found.document()['before']['hash'][:12]})"]  # type: ignore[index]


def test_conditions_are_a_set() -> None:
    turned = CHARGE.replace("capacity > 115 %, time > 3 h", "time > 3 h, capacity > 115 %")
    assert changes([CHARGE], [turned]) == ()


@pytest.mark.parametrize(
    ("old", "new", "text", "safety"),
    [
        ("current: C/10", "current: C/5", "current C/10 (500 mA) -> C/5 (1 A)", True),
        ("current: C/10", "current: C/20", "current C/10 (500 mA) -> C/20 (250 mA)", False),
        ("current: C/10", "current: 0.6 A", "current C/10 (500 mA) -> 600 mA", True),
        ("voltage: 4.1 V", "voltage: 4.15 V", "voltage 4.1 V -> 4.15 V", True),
        ("voltage: 4.1 V", "voltage: 4.05 V", "voltage 4.1 V -> 4.05 V", False),
        ("voltage < 3 V at 1 h, ", "", "fail removed: voltage < 3 V at 1 h", True),
        ("voltage < 3 V at 1 h", "voltage < 3 V after 30 min", f"{EARLY} -> voltage < 3 V after 30 min", True),
        ("voltage < 3 V at 1 h", "voltage < 3.1 V at 1 h", f"{EARLY} -> voltage < 3.1 V at 1 h", False),
        ("time > 20 h", "time > 30 h", "fail time > 20 h -> time > 30 h", True),
        ("time > 20 h", "time > 20 h for 10 s", "fail time > 20 h -> time > 20 h for 10 s", True),
        ("time > 20 h", "time > 15 h", "fail time > 20 h -> time > 15 h", False),
        ("voltage < 3 V at 1 h", "voltage < 3 V at 1 h -> hold", f"{EARLY} -> voltage < 3 V at 1 h -> hold", False),
        ("voltage < 3 V at 1 h", "voltage < 3 V at 1 h -> next", f"{EARLY} -> voltage < 3 V at 1 h -> next", True),
        ("capacity > 110 %", "capacity > 5.5 Ah", "fail capacity > 110 % of rated -> capacity > 5.5 Ah", False),
        ("current <= C/50", "current <= C/20", "until current <= C/50 -> current <= C/20", False),
        ("time > 20 h", "time > 20 h, temperature > 40 degC", "fail added: temperature > 40 degC", False),
        (", limits: {charge_current: C/5}", "", "limits.charge_current removed: C/5", True),
        ("limits: {charge_current: C/5}", "limits: {charge_current: C/8}", "limits.charge_current C/5 -> C/8", False),
        ("id: form", "id: form, record: {every: 1 s}", "record.every added: 1 s", False),
        ("id: form", "id: form, tag: first", "tag added: first", False),
    ],
)  # fmt: skip
def test_a_change_is_told_in_units_and_by_what_it_lets_through(old: str, new: str, text: str, safety: bool) -> None:
    assert old in FORM
    (change,) = changes(PLAIN, [*PLAIN[:2], FORM.replace(old, new), *PLAIN[3:]])
    assert (change.step, change.text, change.safety) == ("3 charge form", text, safety)


def test_a_discharge_lets_more_through_by_a_lower_voltage() -> None:
    (change,) = changes(PLAIN, [*PLAIN[:4], DISCHARGE.replace("2.8 V", "2.6 V")])
    assert (change.text, change.safety) == ("until voltage <= 2.8 V -> voltage <= 2.6 V", True)


def test_steps_come_go_and_move_without_renumbering_the_rest() -> None:
    assert told(PLAIN, [PLAIN[0], *PLAIN[2:]]) == ["contact, was 2: removed"]
    assert changes(PLAIN, [PLAIN[0], *PLAIN[2:]])[0].safety
    assert told(PLAIN, [*PLAIN[:3], REST, "dcir: {}", *PLAIN[4:]]) == [
        "5 dcir: added: direction discharge, current 1C, time 10 s, values [0.1 s, 1 s, 10 s]"
    ]
    assert told(PLAIN, [*PLAIN[:2], *PLAIN[3:], PLAIN[2]]) == ["5 charge form: moved, was 3"]
    assert told(PLAIN, [*PLAIN[:3], "rest: {time: 1 h}", *PLAIN[4:]]) == ["4 rest: time 30 min -> 1 h"]


def test_a_loop_is_told_by_its_turns_and_its_body() -> None:
    body = f"steps: [{CHARGE}, {REST}, {DISCHARGE}]"
    assert told([f"loop: {{times: 2, {body}}}"], [f"loop: {{times: 3, {body}}}"]) == ["1 loop: times 2 -> 3"]
    assert told([f"loop: {{times: 2, {body}}}"], [f"loop: {{times: 2, {body.replace('30 min', '10 min')}}}"]) == [
        "1.2 rest: time 30 min -> 10 min"
    ]
    out = [f"loop: {{times: 2, steps: [{CHARGE}, {DISCHARGE}]}}", REST]
    assert told([f"loop: {{times: 2, {body}}}"], out) == ["2 rest: moved, was 1.2"]


def test_values_of_turns_are_told_turn_by_turn() -> None:
    ends = "until: [[voltage <= 2.8 V], [voltage <= 3 V]], fail: [capacity > 115 %, time > 4 h]"
    step = f"discharge: {{current: [C/2, C/3], {ends}}}"
    before = f"loop: {{times: 2, steps: [{step}]}}"
    assert told([before], [before.replace("<= 3 V", "<= 2.9 V").replace("C/3", "C/4")]) == [
        "1.1 discharge: turn 2: until voltage <= 3 V -> voltage <= 2.9 V",
        "1.1 discharge: current [C/2 (2.5 A), C/3 (1.66667 A)] -> [C/2 (2.5 A), C/4 (1.25 A)]",
    ]


def test_what_touches_safety_comes_first() -> None:
    after = [PLAIN[0], PLAIN[1], FORM.replace("C/10", "C/5"), "rest: {time: 1 h}", DISCHARGE]
    head = HEAD.replace("1.0.0", "1.1.0").replace("cell_type", "from_state: [formed, filled]\ncell_type")
    head_only = difference(load(REST), load(REST, head=head))
    assert [(change.key, change.safety) for change in head_only.changes] == [("from_state", True), ("version", False)]
    lines = list(difference(load(*PLAIN), load(*after)).lines())
    assert lines[3:] == [
        "what lets a cell take more, or watches it less:",
        "  3 charge form: current C/10 (500 mA) -> C/5 (1 A)",
        "",
        "other changes:",
        "  4 rest: time 30 min -> 1 h",
    ]


@given(data=st.data())
def test_steps_that_were_added_to_or_taken_from_a_recipe_are_named_and_no_others(data: st.DataObject) -> None:
    steps = [CHARGE, REST, DISCHARGE, REST, FORM, "rest: {time: 5 min}", CHARGE.replace("C/2", "C/3")]
    kept = data.draw(st.lists(st.sampled_from(range(len(steps))), min_size=1, unique=True).map(sorted))
    before, after = load(*steps), load(*(steps[place] for place in kept))
    removed = difference(before, after).changes
    assert all(change.text.startswith("removed") for change in removed)
    assert len(removed) == len(steps) - len(kept)
    added = difference(after, before).changes
    assert all(change.text.startswith("added") for change in added)
    assert len(added) == len(steps) - len(kept)


def test_a_few_changes_in_a_long_recipe_are_found() -> None:
    many = [CHARGE, REST, DISCHARGE] * 60
    after = [*many[:20], FORM, *many[20:90], *many[93:151], "rest: {time: 1 h}", *many[152:]]
    kinds = [change.text.split(":")[0].split()[0] for change in changes(many, after)]
    assert sorted(kinds) == ["added", "removed", "removed", "removed", "time"]
