"""What a recipe may not ask for: each refusal names its step and says what would happen, or how to mend it."""

from dataclasses import replace

import pytest
from recipe_texts import BOUNDS, CHANNEL, CHARGE, DISCHARGE, HEAD, problems

REST = "rest: {time: 1 min}"
TIME = "time > 3 h"
CHARGE_BOUND = "capacity > 115 %"


def charge(values: str, until: str, fail: str = BOUNDS) -> str:
    return f"charge: {{{values}, until: [{until}], fail: [{fail}]}}"


def discharge(values: str, until: str, fail: str = BOUNDS) -> str:
    return f"discharge: {{{values}, until: [{until}], fail: [{fail}]}}"


@pytest.mark.parametrize(
    ("step", "code", "says"),
    [
        (charge("current: C/2, voltage: 4.2 V", "current <= C/20", CHARGE_BOUND), "no-time",
         "step 2 has no time limit: a dead cell would charge for ever"),
        (charge("current: C/2, voltage: 4.2 V", "current <= C/20", TIME), "no-charge", "step 2 has no charge limit"),
        (charge("current: C/10, voltage: 4.2 V", "current <= C/20", "time > 30 h"), "no-charge", "300% of the rated"),
        (charge("current: C/2, voltage: 4.2 V", "current <= C/20", f"{CHARGE_BOUND}, time > 3 h after 1 h"), "no-time",
         "no time limit"),
        (charge("current: C/2, voltage: 4.2 V", "current <= C/20", f"{CHARGE_BOUND}, time > 3 h and voltage < 4 V"),
         "no-time", "no time limit"),
        (charge("current: C/2, voltage: 4.2 V", "current <= C/20", f"{CHARGE_BOUND}, time > 3 h -> hold"), "no-time",
         "no time limit"),
        (charge("current: C/2, voltage: 4.2 V", "current <= C/20", f"{CHARGE_BOUND}, time < 3 h"), "no-time",
         "no time limit"),
        (charge("current: C/2, voltage: 4.2 V", "current <= C/20", f"{CHARGE_BOUND}, time > 1e9 h"), "time",
         "that is no limit"),
        (discharge("current: C/2", "voltage <= 2.8 V", CHARGE_BOUND), "no-time",
         "step 2 has no time limit: a dead cell would discharge for ever"),
        (discharge("current: C/2", "voltage <= 2.8 V", TIME), "no-charge", "step 2 has no charge limit"),
        ("rest: {}", "no-time", "step 2 has no time limit: it would rest for ever"),
        ("rest: {until: [temperature < 30 degC]}", "no-time", "it would rest for ever"),
        (charge("current: C/2", "capacity >= 20 %", TIME), "no-voltage", "no voltage limit in its direction"),
        (charge("current: C/2", "capacity >= 20 %", f"voltage > 4.1 V for 5 min, {TIME}"), "no-voltage", "no voltage"),
        (discharge("current: C/2", "capacity >= 20 %", TIME), "no-voltage", "step 2 has no voltage limit"),
        (discharge("power: 5 W", "capacity >= 20 %", TIME), "no-voltage", "step 2 has no voltage limit"),
        (discharge("resistance: 1 Ohm", "capacity >= 20 %", TIME), "no-voltage", "step 2 has no voltage limit"),
        (charge("current: C/2", "voltage < 4.1 V", f"voltage > 4.15 V, {BOUNDS}"), "wrong-way", "ends only by"),
        (discharge("current: C/2", "voltage > 3 V", f"voltage < 2.6 V, {BOUNDS}"), "wrong-way", "ends only by"),
        (charge("current: C/2", "voltage >= 4.1 V, current <= C/20"), "wrong-way", "its current is constant"),
        (discharge("power: 5 W", "current <= C/20", f"voltage < 2.6 V, {BOUNDS}"), "wrong-way", "ends only by"),
        ("charge: {current: C/2, voltage: 4.2 V, fail: [capacity > 90 %, time > 3 h]}", "no-end", "no end in `until`"),
        (charge("current: C/2, voltage: 4.3 V", "current <= C/20"), "envelope", "4.3 V, outside of 2.5 to 4.2"),
        (charge("current: C/2", "voltage >= 4.25 V"), "envelope", "`voltage >= 4.25 V -> next`, outside of"),
        (discharge("current: C/2", "voltage <= 2.4 V"), "envelope", "outside of 2.5 to 4.2 V of nmc811-21700"),
        (charge("current: 1.5C, voltage: 4.2 V", "current <= C/20"), "current", "7.5 A, but nmc811-21700 takes 5 A"),
        (discharge("power: 60 W", "voltage <= 2.8 V"), "current", "takes 10 A in discharge"),
        (discharge("resistance: 200 mOhm", "voltage <= 2.8 V"), "current", "takes 10 A in discharge"),
        (charge("current: C/2, voltage: 4.2 V", "current <= C/20", f"capacity > 200 %, {TIME}"), "capacity",
         "a step of nmc811-21700 moves 6.5 Ah at most"),
        (charge("current: C/20, voltage: 4.2 V", "current <= C/10"), "cut-off", "cut-off of 500 mA that is not below"),
        (charge("current: C/2, voltage: 4.2 V", "current <= C/20", f"{BOUNDS}, time > 0 s"), "not-positive", "above 0"),
        (charge("current: C/2, voltage: 4.2 V", "current <= C/20, energy > -1 Wh"), "not-positive", "magnitude"),
        (charge("current: 80 mA, voltage: 4.2 V", "capacity >= 1 %"), "accuracy", "asks for 80 mA: less than 3 times"),
        (charge("current: C/2, voltage: 4.2 V", "current <= 80 mA"), "accuracy", "80 mA: less than 3 times"),
        (discharge("resistance: 280 mOhm", "voltage <= 2.8 V"), "channel", "but the channel holds 0.3 to 500 Ohm"),
        (discharge("resistance: 40 Ohm", "voltage <= 2.8 V"), "accuracy", "62.5 mA: less than 3 times"),
        (charge("current: C/2, voltage: 4.1 V", "current <= C/20", f"{BOUNDS}, voltage > 4.103 V"), "separation",
         "cannot tell from it"),
        (charge("current: C/2, voltage: 4.2 V", "current <= C/20", f"{BOUNDS}, temperature > 80 degC"), "envelope",
         "tests `temperature > 80 degC -> fail`, outside of 10 to 45 degC of nmc811-21700"),
        (discharge("current: C/2", "voltage <= 2.8 V, temperature < -20 degC"), "envelope", "of -10 to 60 degC"),
        ("dcir: {current: 3C}", "current", "asks for 15 A, but nmc811-21700 takes 10 A"),
        ("dcir: {current: 1C, voltage: 2.4 V}", "envelope", "outside of"),
        ("dcir: {current: 1C, time: 90 min}", "no-charge", "could move 150% of the rated capacity in its pulse"),
        ("dcir: {current: 1C, base: 0.99C, base_time: 10 s}", "pulse", "cannot be told from its pulse current"),
        ("charge: {limits: {voltage: [2.5 V, 4.25 V]}, " + CHARGE.removeprefix("charge: {"), "limits", "limits only"),
        ("rest: {time: 1 min, limits: {charge_current: 2C}}", "limits", "wider than the cell type's: charge_current"),
        ("rest: {time: 1 min, limits: {trip_margin: 60 mV}}", "limits", "wider than the cell type's: trip_margin"),
    ],
)  # fmt: skip
def test_a_step_that_could_hurt_is_refused_by_name(step: str, code: str, says: str) -> None:
    found = [problem for problem in problems(REST, step) if problem.code == code]
    assert len(found) == 1
    (problem,) = found
    assert (problem.step, problem.line) == ("2", 6)
    assert says in f"{problem.message} ({problem.hint})"


@pytest.mark.parametrize(
    ("step", "code", "says"),
    [
        ("charge: {until: [time > 3 h]}", "mode", "nothing to regulate"),
        (charge("power: 5 W, voltage: 4.2 V", "current <= C/20"), "mode", "`power` stands alone"),
        (charge("resistance: 1 Ohm", "voltage > 4 V"), "unknown-key", "`resistance` is no key of `charge`"),
        (charge("current: C/2, voltage: 4.2", "current <= C/20"), "no-unit", "voltage: 4.2 has no unit"),
        (charge("current: C/2, voltage: nan V", "current <= C/20"), "not-finite", "must be a finite number"),
        (charge("current: -1 A", "voltage >= 4 V"), "not-positive", "-1 A is not above 0"),
        (charge("current: 0 A", "voltage >= 4 V"), "not-positive", "0 A is not above 0"),
        (charge("curent: C/2", "voltage >= 4 V"), "unknown-key", "did you mean current?"),
        ("rest: {time: 0 s}", "not-positive", "0 s is not above 0"),
        ("rets: {time: 1 s}", "step", "did you mean rest?"),
        ("ramp: {quantity: volts}", "word", "did you mean voltage?"),
        ("{rest: {time: 1 s}, charge: {}}", "step", "not one step word"),
        ("rest: {time: 1 min, tag: voltage}", "reserved", "a word of the condition language"),
        ("rest: {time: 1 min, id: rated}", "reserved", "a word of the condition language"),
        ("rest: {time: 1 min, id: First}", "name", "is no name"),
        ("rest: {time: [1 min, 2 min]}", "turns", "no loop is around the step"),
        ("rest: {time: 1 min, record: {}}", "empty", "nothing says when a sample is kept"),
        ("rest: {time: 1 min, window: 0 s}", "not-positive", "0 s is not above 0"),
        ("rest: {time: 1 min, until: [volage > 4 V]}", "quantity", "did you mean voltage?"),
        ("rest: {time: 1 min, fail: [voltage < 3 V -> fail SHRT]}", "code", "did you mean SHORT?"),
        ("rest: {time: 1 min, fail: [voltage < 3 V -> goto nowhere]}", "goto", "no step has this id"),
        ("rest: {time: 1 min, until: [capacity > 5 % of cap]}", "unknown-tag", "charges or discharges is tagged cap"),
        ("ramp: {quantity: voltage, from: 3500 mV, to: 3.5 V, rate: 1 mV/s}", "ramp",
         "from `3500 mV` to `3.5 V`: nowhere"),
        ("ramp: {quantity: current, from: -C/2, to: C/2, rate: 5 mA/s, tag: both, fail: [capacity > 50 % of both]}",
         "unknown-tag", "capacity > 50 % of both: both is tagged at a ramp that charges and discharges"),
        ("dcir: {base: C/5}", "mode", "belong together"),
        ("dcir: {time: 1 s, values: [0.1 s, 10 s]}", "values", "must lie within the pulse of 1 s"),
        ("rest: {time: 1 min, fail: [voltage > 4 V for 5 s at 10 s]}", "once", "nothing lasts for 5 s in one look"),
        ("ramp: {quantity: current, from: C/2, to: 1C, rate: 1 mV/s}", "unit", "a voltage rate, not a current rate"),
        ("loop: {times: 2.5, steps: [rest: {time: 1 s}]}", "count", "no whole number"),
        ("loop: {times: 70000, steps: [rest: {time: 1 s}]}", "count", "not between 1 and 65535"),
        ("loop: {until: [time > 3 h], steps: [rest: {time: 1 s}]}", "missing-key", "a loop needs `times`"),
        ("loop: {times: 2}", "missing-key", "needs `steps`"),
    ],
)  # fmt: skip
def test_a_step_that_cannot_be_read_is_refused_by_name(step: str, code: str, says: str) -> None:
    found = [problem for problem in problems(REST, step) if problem.code == code]
    assert len(found) == 1
    assert found[0].step in {"2", "first"}
    assert found[0].line == 6
    assert says in f"{found[0].message} ({found[0].hint})"


def test_the_error_speaks_as_its_author_would() -> None:
    (problem,) = problems(REST, charge("id: fill, current: C/2, voltage: 4.2 V", "current <= C/20", CHARGE_BOUND))
    assert str(problem) == (
        "test.yaml:6: step fill has no time limit: a dead cell would charge for ever (add time > 8 h, or so, to `fail`)"
    )


def test_all_problems_of_a_file_are_reported_at_once() -> None:
    found = problems("rest: {}", "rset: {}", charge("curent: C/2", "volage >= 4 V"), "rest: {time: 3}")
    assert [(problem.step, problem.line) for problem in found] == [("1", 5), ("2", 6), ("3", 7), ("3", 7), ("4", 8)]


def test_a_list_has_an_entry_for_each_turn_of_the_innermost_loop() -> None:
    inner = "loop: {times: 2, steps: [rest: {time: [1 min, 2 min, 3 min]}]}"
    (problem,) = problems(f"loop: {{times: 3, steps: [{inner}]}}")
    assert (problem.step, problem.code) == ("1.1.1", "turns")
    assert "3 values, but the loop around the step has 2 turns" in problem.message


def test_each_turn_of_a_list_is_judged() -> None:
    step = CHARGE.replace("C/2,", "[C/2, 3C],")
    (problem,) = problems(f"loop: {{times: 2, steps: [{step}]}}")
    assert (problem.step, problem.code) == ("1.1", "current")


def test_a_bound_may_differ_from_turn_to_turn_but_must_be_there_in_each() -> None:
    fail = "[[capacity > 99 %, time > 3 h], [capacity > 99 %, time > 5 h]]"
    good = f"discharge: {{current: [C/2, C/4], until: [voltage <= 2.8 V], fail: {fail}}}"
    assert problems(f"loop: {{times: 2, steps: [{good}]}}") == []
    (problem,) = problems(f"loop: {{times: 2, steps: [{good.replace(', time > 5 h', '')}]}}")
    assert problem.code == "no-time"


def test_ids_are_unique_over_all_loops() -> None:
    (problem,) = problems("rest: {id: a, time: 1 s}", "loop: {times: 2, steps: [rest: {id: a, time: 1 s}]}")
    assert (problem.code, problem.line) == ("duplicate-id", 6)
    assert "step 2.1 has the id a of step 1" in problem.message


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        (["rest: {id: a, time: 1 min}", "rest: {time: 1 min, until: [voltage < 3 V -> goto a]}"], "back outside"),
        (["rest: {id: a, time: 1 min, until: [voltage < 3 V -> goto a]}"], "back outside of any loop"),
        (["rest: {time: 9 s, until: [voltage < 3 V -> goto a]}", "loop: {times: 2, steps: [rest: {id: a, time: 1 s}]}"],
         "into a loop from outside"),
        (["rest: {time: 1 min, fail: [voltage < 3 V -> goto a]}", CHARGE.replace("{", "{id: a, ")], "from a fail"),
        (["loop: {id: a, times: 2, steps: [rest: {time: 1 s, until: [voltage < 3 V -> goto a]}]}"], "back outside"),
    ],
)  # fmt: skip
def test_goto_leads_forward_or_back_within_a_loop(steps: list[str], says: str) -> None:
    (problem,) = problems(*steps)
    assert problem.code == "goto"
    assert says in problem.message


def test_goto_forward_and_back_within_a_loop_are_fine() -> None:
    there = "rest: {time: 1 min, until: [voltage < 3 V -> goto b]}"
    back = "rest: {id: b, time: 1 min, until: [voltage < 3 V -> goto a]}"
    assert problems(f"loop: {{times: 2, steps: [rest: {{id: a, time: 1 s}}, {there}, {back}]}}") == []


def test_a_tag_is_measured_before_it_is_asked_for() -> None:
    user = charge("current: C/2, voltage: 4.2 V", "current <= C/20, capacity >= 50 % of cap")
    tagged = DISCHARGE.replace("{", "{tag: cap, ")
    assert problems(tagged, user) == []
    (problem,) = problems(user, tagged)
    assert (problem.code, problem.step) == ("unknown-tag", "1")
    (problem,) = problems(f"loop: {{times: 2, steps: [{user}, {tagged}]}}")  # its first turn could only be held
    assert (problem.code, problem.step) == ("unknown-tag", "1.1")


def test_a_tag_of_an_earlier_turn_will_do_where_a_goto_leads_past_its_user_in_the_first_one() -> None:
    first = "rest: {time: 1 min, until: [total_time < 1 h -> goto measure]}"
    user = charge("current: C/2, voltage: 4.2 V", "current <= C/20, capacity >= 50 % of cap")
    tagged = DISCHARGE.replace("{", "{id: measure, tag: cap, ")
    assert problems(f"loop: {{times: 2, steps: [{first}, {user}, {tagged}]}}") == []


def test_what_stands_behind_a_stop_needs_a_goto_that_leads_there() -> None:
    (problem,) = problems("stop: {}", "rest: {time: 1 min}", "rest: {time: 2 min}")
    assert (problem.code, problem.step, problem.line) == ("unreachable", "2", 6)
    assert "step 2 is never reached: step 1 stops the recipe in front of it" in problem.message
    asks = "rest: {time: 1 min, until: [voltage > 4 V -> goto b]}"
    assert problems(asks, "stop: {}", "rest: {id: b, time: 1 min}") == []
    assert problems("loop: {times: 2, steps: [rest: {time: 1 s}]}", "stop: {}") == []


@pytest.mark.parametrize(
    ("head", "line", "says"),
    [
        (HEAD.replace("nmc811-21700", "nmc811-2170"), 3, "did you mean nmc811-21700?"),
        (HEAD.replace("cell_type: nmc811-21700\n", ""), 1, "needs `cell_type`"),
        (HEAD.replace("version: 1.0.0\n", ""), 1, "needs `version`"),
        (HEAD.replace("1.0.0", "one"), 2, "is no version"),
        (HEAD.replace("recipe: test", "recipe: ../test"), 1, "is no name"),
        (HEAD + "from_state: [formed, recycled]\n", 4, "a cell in recycled is never energised again"),
        (HEAD + "to_state: filled\n", 4, "no cell becomes a filled one again"),
        (HEAD + "from_state: [formed, quarantine]\n", 4, "never energised again"),
        (HEAD + "from_state: [formed, formed]\n", 4, "twice"),
        (HEAD + "to_state: done\n", 4, "is not one of its words"),
        (HEAD + "speed: 3\n", 4, "`speed` is no key of a recipe"),
        (HEAD + "record: {every: 10}\n", 4, "10 has no unit"),
        (HEAD + "record: {every: 0 s}\n", 4, "not above 0"),
    ],
)  # fmt: skip
def test_a_head_that_cannot_be_used_is_refused_with_its_line(head: str, line: int, says: str) -> None:
    (problem,) = problems(REST, head=head)
    assert problem.line == line
    assert says in f"{problem.message} ({problem.hint})"


def test_a_channel_must_be_able_to_give_what_is_asked() -> None:
    def refused(**changes: float) -> list[str]:
        return [each.message for each in problems(CHARGE, channel=replace(CHANNEL, **changes))]  # type: ignore[arg-type]

    assert refused() == []
    assert refused(charge_current_a_max=2.0) == ["step 1 asks for 2.5 A, but the channel gives 2 A in charge"]
    assert refused(voltage_v_max=4.0) == ["step 1 needs 4.2 V, but the channel gives 0 to 4 V"]
    assert refused(power_w_max=10.0) == ["step 1 asks for 10.5 W, but the channel gives 10 W"]
    assert "trip margin of 50 mV" in refused(voltage_accuracy_v=0.025)[0]
    assert refused(voltage_accuracy_v=0.024) == []  # with 1 mV of noise: just two guards


def test_without_a_channel_only_the_cell_type_counts() -> None:
    assert problems(charge("current: 10 mA, voltage: 4.2 V", "capacity >= 0.5 %"), channel=None) == []
