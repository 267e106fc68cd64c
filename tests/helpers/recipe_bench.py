"""Recipes as an author writes them, on the bench of the step machine: its toy cell, its channel."""

from machine_bench import CELL_TYPE, CHANNEL, Bench, started
from recipe_texts import NOWHERE

from cycler.recipe.compile import LoadedRecipe, compile_plan, load_recipe_text
from cycler.recipe.plan import Plan

HEAD = "recipe: toy\nversion: 1.0.0\ncell_type: toy\n"
BOUNDS = "capacity > 115 %, time > 3 h"
CHARGE = f"charge: {{current: C/2, until: [voltage >= 4.1 V], fail: [{BOUNDS}]}}"
DISCHARGE = f"discharge: {{current: C/2, until: [voltage <= 3.2 V], fail: [{BOUNDS}], tag: cap}}"


def loaded(*steps: str) -> LoadedRecipe:
    """Each step is the text behind its dash."""
    text = HEAD + "steps:\n" + "".join(f"  - {step}\n" for step in steps)
    return load_recipe_text(text, file="toy.yaml", beside=NOWHERE, cell_type=CELL_TYPE)


def plan_of(*steps: str) -> Plan:
    recipe = loaded(*steps)
    return compile_plan(recipe.recipe, recipe.cell_type, CHANNEL)


def bench_of(*steps: str, capacity_ah: float = 0.1, **more: object) -> Bench:
    """A cell of a fiftieth of the capacity that its type says: what takes hours takes minutes."""
    return started(plan_of(*steps), capacity_ah=capacity_ah, **more)  # type: ignore[arg-type]
