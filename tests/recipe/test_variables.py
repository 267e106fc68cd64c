"""Variables before anything runs: known names, one dimension each, one canonical text."""

import pytest
from recipe_texts import CHARGE, DISCHARGE, NOWHERE, load, problems

from cycler.recipe.canonical import canonical_text
from cycler.recipe.compile import load_recipe_text
from cycler.recipe.describe import describe

CAP = DISCHARGE.replace("{", "{tag: cap, ")
RIPPLE = "pulse: {tag: both, train: [[1 A, 5 s], [-1 A, 5 s]], times: 3, fail: [capacity > 5 %, time > 5 min]}"
LOOP = "loop: {{times: 3, until: [{until}], steps: [set: {{n: n + 1}}, rest: {{id: pause, time: 1 s}}]}}"


@pytest.mark.parametrize(
    ("steps", "step", "code", "says"),
    [
        (["set: {}"], "1", "empty", "nothing is set"),
        (["set: {voltage: 3 V}"], "1", "reserved", "a word of the condition language"),
        (["set: {X: 3}"], "1", "name", "is no name"),
        (["set: {x: [1, 2]}"], "1", "type", "a list stands where one value is due"),
        (["set: {x: 2 *}"], "1", "expression", "ends where a value is due"),
        ([CAP, "set: {cap: 3 Ah}"], "2", "name", "this is a tag already"),
        ([CAP, "set: {x: cap + 1 V}"], "2", "dimension", "cannot add 1 V and cap: 1 V is in V, cap is in Ah"),
        ([CAP, "set: {x: cap - 1}"], "2", "dimension", "cannot subtract 1 and cap: 1 is a plain number, cap is in Ah"),
        ([CAP, "set: {x: cap}", "set: {x: cap.energy}"], "3", "dimension", "is in Wh, but before it was in Ah"),
        ([CAP, "set: {x: cap.dcir}"], "2", "field", "tagged at a discharge, which has no dcir"),
        (["rest: {time: 1 s, tag: calm}", "set: {x: calm}"], "2", "field", "tagged at a rest, which has no capacity"),
        ([RIPPLE, "set: {x: both.energy}"], "2", "field", "at a pulse that charges and discharges: it has no energy"),
        (["set: {n: 1 / 0}"], "1", "expression", "sets `n = 1 / 0`, which never has a value: it divides by 0"),
        ([CAP, "set: {n: cap / (2 s - 2 s) * 3 s}"], "2", "expression", "never has a value: it divides by 0"),
        (["set: {n: 1e300 * 1e300}"], "1", "expression", "never has a value: it is too large"),
        (["set: {x: cap}", CAP], "1", "unknown-tag", "cap is measured only later"),
        ([CAP, "set: {x: cpa}"], "2", "unknown-name", "cpa is neither a tag nor a variable"),
        (["set: {x: x + 1}"], "1", "unknown-name", "x is neither a tag nor a variable that a step before sets"),
        ([CAP, "set: {x: cap / 0 Ah}"], "2", "expression", "`x = cap / 0 Ah`, which never has a value"),
        ([CAP, "set: {x: 1 Ah, d: x-cap}"], "2", "unknown-name", "x-cap is one name"),
        (["set: {x: 1}", "rest: {time: 1 s, until: [x > 1 V]}"], "2", "dimension", "is in V, but x is a plain number"),
        (["set: {x: 1 s}", "rest: {time: 1 s, until: [x > 3]}"], "2", "dimension", "is a plain number, but x is in s"),
        ([CAP, "set: {x: cap}", "rest: {time: 1 s, until: [x > 80 % of cap]}"], "3", "condition",
         "a `%` of `x` is no part of anything else"),
        (["rest: {time: 1 s, until: [x > 80 %]}", "set: {x: 1}"], "1", "quantity", "no step before sets such"),
        (["set: {retention: 1}", "rest: {time: 1 s, until: [retentoin > 1]}"], "2", "quantity",
         "retentoin is no quantity"),
        (["set: {x: 1, until: [voltage > 3 V]}"], "1", "quantity", "a set is over in an instant: there is no voltage"),
        (["set: {x: 1, until: [x > 1 for 3 s]}"], "1", "window", "a set is over in an instant"),
        (["set: {n: 0}", LOOP.format(until="voltage > 3 V")], "2", "quantity", "a loop asks between two steps"),
        (["set: {n: 0}", LOOP.format(until="n > 3 after 2 h")], "2", "window", "a loop asks once a turn"),
        (["set: {n: 0}", LOOP.format(until="n > 3 -> goto pause")], "2", "goto", "leads to what follows it"),
        (["set: {n: 0}", LOOP.format(until="m > 3")], "2", "quantity", "m is no quantity"),
        (["set: {n: 0}", LOOP.format(until="n > 3 V")], "2", "dimension", "n is a plain number"),
        (["set: {n: 0}", LOOP.format(until="[n > 3]")], "2", "type", "a list stands where one value is due"),
        (["stop: {verdict: fail}"], "1", "mode", "a fail has a reason"),
        (["stop: {code: SHORT}"], "1", "mode", "a pass has no reason code"),
        (["stop: {verdict: perhaps}"], "1", "word", "is not one of its words"),
        (["stop: {verdict: fail, code: SHRT}"], "1", "word", "is not one of its words"),
        (["stop: {until: [time > 1 s]}"], "1", "mode", "nothing follows"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_name(steps: list[str], step: str, code: str, says: str) -> None:
    (problem,) = problems(*steps)
    assert (problem.step, problem.code) == (step, code)
    assert says in problem.message
    assert problem.line == 4 + int(step)


def test_the_nearest_name_is_the_hint() -> None:
    (problem,) = problems("set: {retention: 1}", "rest: {time: 1 s, until: [retentoin > 1]}")
    assert problem.hint == "did you mean retention?"
    (problem,) = problems(CAP, "set: {x: 1 Ah, d: x-cap}")
    assert problem.hint == "to subtract, write blanks: x - cap"


def test_the_canonical_text_keeps_the_order_and_the_meaning() -> None:
    steps = (
        CHARGE,
        CAP,
        "set: {kept: 100%*cap/(5000 mAh), id: judge, lost: -(kept - 1),"
        " fail: [kept<80% -> fail LOW_CAPACITY, kept > 2 -> goto good]}",
        "loop: {until: [kept < 0.5, total_time >= 600 min -> end], times: 3, steps: [rest: {time: 1 s}]}",
        "stop: {code: HIGH_K, verdict: retest}",
        "stop: {id: good}",
    )
    text = canonical_text(load(*steps).recipe)
    assert text.split(" tag: cap}\n")[1] == (
        "  - set: {id: judge, kept: 100 % * cap / 5 Ah, lost: -(kept - 1),"
        " fail: [kept < 80 % -> fail LOW_CAPACITY, kept > 2 -> goto good]}\n"
        "  - loop:\n"
        "      times: 3\n"
        "      until: [kept < 0.5 -> next, total_time >= 10 h -> end]\n"
        "      steps:\n"
        "        - rest: {time: 1 s}\n"
        "  - stop: {verdict: retest, code: HIGH_K}\n"
        "  - stop: {id: good, verdict: pass}\n"
    )
    again = load_recipe_text(text, file="again.yaml", beside=NOWHERE)
    assert again.recipe == load(*steps).recipe
    assert canonical_text(again.recipe) == text


def test_show_tells_what_is_set_and_how_a_loop_is_left() -> None:
    loaded = load(
        CAP,
        "set: {mean: cap.energy / cap}",
        "loop: {times: 3, until: [mean < 3 V], steps: [rest: {time: 1 s}]}",
        "stop: {verdict: fail, code: SHORT}",
    )
    lines = describe(loaded.recipe, loaded.cell_type)
    assert "   mean = cap.energy / cap, in V" in lines
    assert "3  loop: 3 times at most" in lines
    assert "    leaves it when mean < 3 V -> next" in lines
    assert "   ends the recipe: fail for SHORT" in lines


def test_a_fail_may_lead_to_a_set_or_a_stop() -> None:
    discharge = DISCHARGE.replace("time > 3 h", "time > 3 h, temperature > 40 degC -> goto out")
    assert not problems(discharge, "stop: {}", "set: {id: out, x: 1}", "stop: {verdict: fail, code: TIMEOUT}")
