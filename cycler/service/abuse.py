"""Where abuse tests may run: on a rack declared for them as a whole, one cell at a time."""

from cycler.model.rack import Rack
from cycler.recipe.model import Recipe
from cycler.service.refusal import Refused


def refuse_abuse(rack: Rack, recipe: Recipe) -> None:
    """Raises `Refused` for an abuse test on any other rack: a bay beside production cells is no place for one."""
    if recipe.purpose == "abuse" and rack.purpose != "abuse":
        raise Refused(
            "abuse-rack",
            f"{recipe.recipe} {recipe.version} is an abuse test, and rack {rack.rack} is declared for production",
            "it loads only on a rack that is declared `purpose: abuse` as a whole",
        )


def refuse_company(recipe: Recipe, cells: int) -> None:
    """Raises `Refused` where other cells would be energised beside the one under an abuse test."""
    if recipe.purpose == "abuse" and cells > 1:
        message = f"{recipe.recipe} {recipe.version} is an abuse test, and {cells} cells are to be energised"
        raise Refused("abuse-company", message, "it takes one cell, and nothing else on the rack meanwhile")
