"""The work of `cycler recipe diff`."""

from pathlib import Path

from cycler.recipe.difference import Difference, difference
from cycler.recipe.lookup import given_cell_type
from cycler.service.recipes import recipe_named


def recipe_difference(before: str, after: str, cell_type: str | None) -> Difference:
    """Of two files, or names in the library. Raises `InvalidFile`."""
    here = Path.cwd()
    own = None if cell_type is None else given_cell_type(cell_type, beside=here)
    old, new = (recipe_named(name, beside=here, cell_type=own) for name in (before, after))
    return difference(old, new)
