"""Where the recipe of a job comes from."""

from pathlib import Path

from cycler.model.cell_type import CellType
from cycler.recipe.compile import LoadedRecipe, load_recipe, load_recipe_text
from cycler.recipe.lookup import find_recipe


def recipe_named(name: str, *, beside: Path, cell_type: CellType | None = None) -> LoadedRecipe:
    """A recipe's file, or its name beside this folder or in the library. Raises `InvalidFile`."""
    return load_recipe(find_recipe(name, beside=beside), cell_type=cell_type)


def recipe_from(text: str, *, beside: Path) -> LoadedRecipe:
    """A text at hand; its cell type is looked up beside this folder or in the library. Raises `InvalidFile`."""
    return load_recipe_text(text, file="recipe.yaml", beside=beside)
