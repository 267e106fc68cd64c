"""`pulse`, `ramp` and `profile`: what they are lowered to, what they must have, and what is refused."""

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recipe_texts import CHANNEL, HEAD, load, problems

from cycler.recipe.canonical import canonical_text
from cycler.recipe.compile import check, compile_plan, load_recipe, load_recipe_text
from cycler.recipe.describe import describe
from cycler.recipe.plan import PlanStep
from cycler.recipe.problems import InvalidFile
from cycler.recipe.steps.pulse import PULSES_MAX

HPPC = (
    "pulse: {train: [[-1C, 30 s], [0 A, 40 s], [0.75C, 10 s]], times: 3,"
    " fail: [capacity > 5 %, time > 10 min, voltage < 2.5 V, voltage > 4.2 V]}"
)
BOUNDS = "fail: [capacity > 20 %, time > 10 min]"
PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"


def lowered(step: str) -> PlanStep:
    loaded = load(step)
    (plan_step,) = compile_plan(loaded.recipe, loaded.cell_type, CHANNEL).program
    assert isinstance(plan_step, PlanStep)
    return plan_step


def codes(*steps: str) -> list[str]:
    return [problem.code for problem in problems(*steps)]


def flows(step: PlanStep) -> list[tuple[float, float | None]]:
    signs = {"charge": 1.0, "discharge": -1.0, "rest": 0.0}
    return [(signs[phase.direction] * phase.current_a, phase.duration_s) for phase in step.variants[0].phases]


# Trains of pulses.


def test_the_references_train_is_three_times_its_pulses() -> None:
    step = lowered(HPPC)
    assert flows(step) == 3 * [(-5.0, 30.0), (0.0, 40.0), (3.75, 10.0)]
    assert step.time_s_max == 600.0  # where orders come between its pulses it takes longer than their sum


def test_each_direction_has_its_own_clamp_halfway_to_its_trip() -> None:
    discharge, _, charge = lowered(HPPC).variants[0].different
    assert (discharge.voltage_v, charge.voltage_v) == pytest.approx((2.475, 4.225))
    narrow = lowered(HPPC.replace("voltage < 2.5 V", "voltage < 2.9 V").replace("> 4.2 V", "> 4.0 V"))
    discharge, _, charge = narrow.variants[0].different
    assert (discharge.voltage_v, charge.voltage_v) == pytest.approx(((2.9 + 2.45) / 2, (4.0 + 4.25) / 2))


def test_a_train_fails_at_the_envelopes_voltages_where_it_gives_none_of_its_own() -> None:
    both = lowered(f"pulse: {{train: [[-1C, 30 s], [1C, 10 s]], {BOUNDS}}}")
    assert [c.text for c in both.variants[0].fail[2:]] == ["voltage >= 4.2 V -> fail", "voltage <= 2.5 V -> fail"]
    one = lowered(f"pulse: {{train: [[-1C, 30 s], [0 A, 10 s]], {BOUNDS}}}")
    assert [c.text for c in one.variants[0].fail[2:]] == ["voltage <= 2.5 V -> fail"]


def test_negative_c_rates_are_written_back_as_they_are() -> None:
    text = canonical_text(load(f"pulse: {{train: [[-C/3, 1 min], [0.75C, 10 s]], {BOUNDS}}}").recipe)
    assert "train: [[-C/3, 1 min], [0.75C, 10 s]], times: 1" in text


@pytest.mark.parametrize(
    ("step", "code"),
    [
        pytest.param("pulse: {train: [[-1C, 30 s]], fail: [capacity > 5 %]}", "no-time", id="no-bound-in-time"),
        pytest.param("pulse: {train: [[-1C, 30 s]], fail: [time > 5 min]}", "no-charge", id="no-bound-in-charge"),
        pytest.param(f"pulse: {{train: [[0 A, 30 s]], {BOUNDS}}}", "pulse", id="only-rests"),
        pytest.param(f"pulse: {{train: [-1C, 30 s], {BOUNDS}}}", "train", id="not-in-pairs"),
        pytest.param(f"pulse: {{train: [[-1C, 0 s]], {BOUNDS}}}", "not-positive", id="no-time"),
        pytest.param(f"pulse: {{train: [[-1C, 30]], {BOUNDS}}}", "no-unit", id="a-time-without-unit"),
        pytest.param(f"pulse: {{train: [[2 V, 30 s]], {BOUNDS}}}", "unit", id="a-voltage"),
        pytest.param(f"pulse: {{train: [], {BOUNDS}}}", "empty", id="empty"),
        pytest.param(f"pulse: {{times: 2, {BOUNDS}}}", "missing-key", id="no-train"),
        pytest.param(f"pulse: {{train: [[-1C, 1 s]], times: 0, {BOUNDS}}}", "count", id="never"),
        pytest.param(f"pulse: {{train: [[-1C, 1 s], [0 A, 1 s]], times: 40000, {BOUNDS}}}", "too-many", id="too-many"),
        pytest.param(f"pulse: {{train: [[1.5C, 30 s]], {BOUNDS}}}", "current", id="more-than-the-cell-takes-in-charge"),
        pytest.param(f"pulse: {{train: [[-10 mA, 30 s]], {BOUNDS}}}", "accuracy", id="less-than-the-channel-sees"),
        pytest.param(
            f"pulse: {{train: [[-1C, 30 s]], until: [voltage >= 4.1 V], {BOUNDS}}}", "wrong-way", id="away-from-its-end"
        ),
        pytest.param("ramp: {quantity: current, from: 0 A, to: 2 V, rate: 1 A/s}", "unit", id="a-ramp-to-volts"),
        pytest.param("ramp: {quantity: current, from: 1 A, to: 1 A, rate: 1 A/s}", "ramp", id="a-ramp-to-nowhere"),
        pytest.param("ramp: {quantity: current, from: 1 A, to: 2 A, rate: 1 A/s}", "ramp", id="a-jump"),
        pytest.param("ramp: {quantity: current, from: 1 A, to: 2 A, rate: 0 A/s}", "not-positive", id="no-rate"),
        pytest.param("ramp: {quantity: current, from: 1 A, to: 2 A, rate: 1 V/s}", "unit", id="a-rate-of-another-kind"),
        pytest.param("ramp: {quantity: power, from: 1 W, to: 2 W, rate: 1 A/s}", "word", id="a-ramp-of-power"),
        pytest.param("ramp: {from: 1 A, to: 2 A, rate: 1 A/s}", "missing-key", id="a-ramp-of-what"),
        pytest.param(
            "ramp: {quantity: voltage, from: 3.5 V, to: 3.7 V, rate: 1 mV/s}", "no-charge", id="a-ramp-without-bound"
        ),
        pytest.param(
            "ramp: {quantity: voltage, from: 3.5 V, to: 4.3 V, rate: 1 mV/s, fail: [capacity > 80 %]}", "envelope",
            id="a-ramp-beyond-the-envelope",
        ),
        pytest.param("ramp: {quantity: current, from: 0 A, to: -1C, rate: 0.5 mA/s}", "no-charge", id="a-slow-ramp"),
        pytest.param(f"profile: {{{BOUNDS}}}", "mode", id="a-profile-of-nothing"),
        pytest.param(f"profile: {{file: nowhere.csv, {BOUNDS}}}", "file", id="no-such-file"),
        pytest.param(f"profile: {{file: ../secret.csv, {BOUNDS}}}", "file", id="a-file-elsewhere"),
        pytest.param(f"profile: {{file: /etc/passwd, {BOUNDS}}}", "file", id="no-profile"),
        pytest.param(f"profile: {{points: [[0 s, 1 A]], {BOUNDS}}}", "points", id="one-point"),
        pytest.param(f"profile: {{points: [[1 s, 1 A], [2 s, 0 A]], {BOUNDS}}}", "points", id="not-from-the-beginning"),
        pytest.param(f"profile: {{points: [[0 s, 1 A], [0 s, 0 A]], {BOUNDS}}}", "points", id="no-time-between"),
        pytest.param(f"profile: {{points: [[0 s, 1 A], [9 s, 1 W], [10 s, 0 A]], {BOUNDS}}}", "points", id="two-kinds"),
        pytest.param(f"profile: {{points: [[0 s, 1 A], [10 s, 1 A]], {BOUNDS}}}", "points", id="no-end"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(step: str, code: str) -> None:
    assert code in codes(step)


def test_a_train_of_the_most_pulses_is_checked_and_described_at_once() -> None:
    step = f"pulse: {{train: [[-1C, 1 s]], times: {PULSES_MAX}, fail: [capacity > 20 %, time > 20 h]}}"
    began_s = time.process_time()
    loaded = load(step)
    assert any("65535" in line for line in describe(loaded.recipe, loaded.cell_type, CHANNEL))
    assert len(lowered(step).variants[0].phases) == PULSES_MAX
    assert time.process_time() - began_s < 2.0


# Ramps.


def test_a_ramp_is_a_staircase_that_reaches_both_ends_and_keeps_the_charge() -> None:
    stairs = flows(lowered("ramp: {quantity: current, from: 1 A, to: -1C, rate: 100 mA/s}"))
    assert stairs[0] == (1.0, 1.0) and stairs[-1] == (-5.0, 1.0)
    assert sum(time_s or 0.0 for _, time_s in stairs) == pytest.approx(60.0)
    assert sum(current_a * (time_s or 0.0) for current_a, time_s in stairs) == pytest.approx((1 - 5) / 2 * 60, abs=0.1)
    assert min(time_s or 0.0 for _, time_s in stairs) >= 1.0


def test_a_ramp_passes_zero_with_an_open_relay() -> None:
    """What the channel cannot tell from nothing is not asked of it."""
    step = lowered("ramp: {quantity: current, from: 1 A, to: -1 A, rate: 10 mA/s}")
    assert {phase.direction for phase in step.variants[0].phases} == {"charge", "rest", "discharge"}
    assert min(p.current_a for p in step.variants[0].phases if p.direction != "rest") >= 3 * CHANNEL.current_accuracy_a


def test_a_voltage_ramp_charges_upwards_and_discharges_downwards() -> None:
    up = lowered(f"ramp: {{quantity: voltage, from: 3.5 V, to: 3.6 V, rate: 1 mV/s, {BOUNDS}}}").variants[0].phases
    assert {phase.direction for phase in up} == {"charge"}
    assert (up[0].voltage_v, up[-1].voltage_v) == pytest.approx((3.5, 3.6))
    down = lowered(f"ramp: {{quantity: voltage, from: 3.6 V, to: 3.5 V, rate: 1 mV/s, {BOUNDS}}}").variants[0].phases
    assert {phase.direction for phase in down} == {"discharge"}


def test_no_stair_is_finer_than_the_channel_and_there_are_not_too_many() -> None:
    coarse = lowered("ramp: {quantity: voltage, from: 3.5 V, to: 3.51 V, rate: 0.02 mV/s, fail: [capacity > 20 %]}")
    assert len(coarse.variants[0].phases) == 11
    long = lowered("ramp: {quantity: voltage, from: 2.6 V, to: 4.1 V, rate: 0.1 mV/s, fail: [capacity > 115 %]}")
    assert len(long.variants[0].phases) == 1001


def test_the_canonical_text_of_a_ramp_says_from_where() -> None:
    text = canonical_text(load("ramp: {quantity: current, from: C/2, to: -1C, rate: 1 A/min}").recipe)
    assert "ramp: {quantity: current, from: C/2, to: -1C, rate: 1 A/min}" in text


# Profiles.


def test_a_value_holds_until_the_next_points_time() -> None:
    step = lowered(f"profile: {{points: [[0 s, 1 A], [10 s, -2C], [25 s, 0 A]], {BOUNDS}}}".replace("-2C", "-2 A"))
    assert flows(step) == [(1.0, 10.0), (-2.0, 15.0)]


def test_powers_are_held_at_no_more_than_the_envelopes_current() -> None:
    step = lowered(f"profile: {{points: [[0 s, 10 W], [10 s, -20 W], [25 s, 0 W]], {BOUNDS}}}")
    assert [(p.direction, p.power_w, p.current_a) for p in step.variants[0].phases] == [
        ("charge", 10.0, 5.0),
        ("discharge", 20.0, 10.0),
    ]


def test_a_profile_from_a_file_is_frozen_into_the_canonical_text(tmp_path: Path) -> None:
    (tmp_path / "cycle.csv").write_text("# sign: discharge-positive\nTime / s,Current / C\n0,0.5\n10,-0.25\n20,0\n")
    recipe = tmp_path / "drive.yaml"
    recipe.write_text(f"{HEAD}steps:\n  - profile: {{file: cycle.csv, {BOUNDS}}}\n")
    loaded = load_recipe(recipe)
    text = canonical_text(loaded.recipe)
    assert "points: [[0 s, -C/2], [10 s, C/4], [20 s, 0C]]" in text
    assert "cycle.csv" not in text
    again = load_recipe_text(text, file="frozen.yaml", beside=Path("/nonexistent"))
    assert again.recipe == loaded.recipe


def test_what_is_wrong_with_a_profiles_file_is_told_by_its_own_line(tmp_path: Path) -> None:
    (tmp_path / "cycle.csv").write_text("# sign: charge-positive\nTime / s,Current / A\n0,1\n10,much\n20,0\n")
    recipe = tmp_path / "drive.yaml"
    recipe.write_text(f"{HEAD}steps:\n  - profile: {{file: cycle.csv, {BOUNDS}}}\n")
    with pytest.raises(InvalidFile) as refused:
        load_recipe(recipe)
    of_recipe, of_file = refused.value.problems
    assert (of_recipe.code, of_recipe.line) == ("file", 5)
    assert (Path(of_file.file).name, of_file.line, of_file.message) == ("cycle.csv", 4, "`much` is no number")


def test_the_steps_of_the_documentation_are_accepted(tmp_path: Path) -> None:
    section = PAGE.read_text().split("## Pulses, ramps and profiles")[1].split("## Preview")[0]
    steps = re.search(r"```yaml\n(.*?)```", section, re.DOTALL)
    profile = re.search(r"```csv\n(.*?)```", section, re.DOTALL)
    assert steps and profile
    (tmp_path / "cycle.csv").write_text(profile[1])
    text = f"{HEAD}steps:\n{steps[1]}- profile: {{file: cycle.csv, {BOUNDS}}}\n"
    loaded = load_recipe_text(text, file="documented.yaml", beside=tmp_path)
    assert not check(loaded.recipe, loaded.cell_type, CHANNEL)
    assert len(loaded.recipe.steps) == 5


currents = st.floats(-5.0, 5.0).filter(lambda current_a: abs(current_a) > 0.1 or current_a == 0.0)


@given(st.lists(st.tuples(currents, st.integers(1, 1000)), min_size=1, max_size=20), st.integers(1, 50))
def test_a_train_comes_back_from_its_canonical_text(stretches: list[tuple[float, int]], times: int) -> None:
    train = ", ".join(f"[{current_a!r} A, {time_s / 10} s]" for current_a, time_s in [(1.0, 1), *stretches])
    loaded = load(f"pulse: {{train: [{train}], times: {times}, fail: [capacity > 115 %, time > 30 h]}}")
    again = load_recipe_text(canonical_text(loaded.recipe), file="again.yaml", beside=Path("/nonexistent"))
    assert again.recipe == loaded.recipe
