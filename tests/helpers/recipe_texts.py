"""Recipes for tests: one step, or some, in the text that an author would write."""

from pathlib import Path

from cycler.contract.capabilities import ChannelRange
from cycler.recipe.compile import LoadedRecipe, check, load_recipe_text
from cycler.recipe.problems import InvalidFile, Problem

NOWHERE = Path("/nonexistent")  # so cell types come from the library

CHANNEL = ChannelRange(
    voltage_v_min=0.0,
    voltage_v_max=10.0,
    charge_current_a_max=15.0,
    discharge_current_a_max=15.0,
    power_w_max=150.0,
    voltage_accuracy_v=0.01,
    current_accuracy_a=0.03,
    voltage_noise_v=0.001,
    voltage_resolution_v=0.001,
    current_resolution_a=0.001,
    resistance_ohm_min=0.3,
    resistance_ohm_max=500.0,
)
"""A 10 V, 15 A supply, good to 0.1 % of its voltage and 0.2 % of its current."""

HEAD = "recipe: test\nversion: 1.0.0\ncell_type: nmc811-21700\n"
BOUNDS = "capacity > 115 %, time > 3 h"
CHARGE = f"charge: {{current: C/2, voltage: 4.2 V, until: [current <= C/20], fail: [{BOUNDS}]}}"
DISCHARGE = f"discharge: {{current: C/2, until: [voltage <= 2.8 V], fail: [{BOUNDS}]}}"


def load(*steps: str, head: str = HEAD) -> LoadedRecipe:
    """Each step is the text behind its dash."""
    text = head + "steps:\n" + "".join(f"  - {step}\n" for step in steps)
    return load_recipe_text(text, file="test.yaml", beside=NOWHERE)


def problems(*steps: str, head: str = HEAD, channel: ChannelRange | None = CHANNEL) -> list[Problem]:
    """What loading refuses, else what the check against the channel finds."""
    try:
        loaded = load(*steps, head=head)
    except InvalidFile as refused:
        return list(refused.problems)
    return check(loaded.recipe, loaded.cell_type, channel)
