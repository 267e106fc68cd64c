"""`hold` as it is written, refused and told."""

import pytest
from recipe_texts import NOWHERE, load, problems

from cycler.recipe.canonical import canonical_text
from cycler.recipe.compile import load_recipe_text
from cycler.recipe.describe import describe, worst_case_s
from cycler.recipe.model import HoldStep


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("hold: {message: Go on?}", "no-time"),
        ("hold: {timeout: 1 h}", "mode"),
        ("hold: {group: a, timeout: 0 s}", "not-positive"),
        ("hold: {group: voltage, timeout: 1 h}", "reserved"),
        ("hold: {group: a, timeout: 1 h, until: [time > 1 min]}", "mode"),
        ("hold: {message: [a, b], timeout: 1 h}", "type"),
        (f"hold: {{message: {'x' * 201}, timeout: 1 h}}", "message"),
        ('hold: {message: "two\\nlines", timeout: 1 h}', "message"),
    ],
)
def test_a_hold_that_waits_for_nobody_or_for_ever_is_refused(step: str, code: str) -> None:
    assert [problem.code for problem in problems(step)] == [code]


@pytest.mark.parametrize("message", ['"', "a: b", "# no comment", "{x}", "Öffnen?", " ' \\", "yes"])
def test_any_message_survives_the_canonical_form(message: str) -> None:
    quoted = message.replace("\\", "\\\\").replace('"', '\\"')
    loaded = load(f'hold: {{message: "{quoted}", timeout: 1 h}}')
    (step,) = loaded.recipe.steps
    assert isinstance(step, HoldStep)
    assert step.message == message
    again = load_recipe_text(canonical_text(loaded.recipe), file="again.yaml", beside=NOWHERE)
    assert again.recipe == loaded.recipe


def test_show_tells_whom_it_waits_for_and_how_long() -> None:
    loaded = load("hold: {group: full, message: Degas now, timeout: 90 min}")
    text = "\n".join(describe(loaded.recipe, loaded.cell_type))
    assert "goes on when all cells of the group full have come, in 1 h 30 min" in text
    assert "asks a person, for 1 h 30 min: Degas now" in text
    assert worst_case_s(loaded.recipe, loaded.cell_type) == 5400.0
