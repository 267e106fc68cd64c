"""Recipes in and out: which format a file has, what is read of it and written for it, and all that is to be said."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from re import ASCII, sub
from typing import Any

from cycler.model.cell_type import CellType
from cycler.recipe.canonical import canonical_text
from cycler.recipe.compile import LoadedRecipe, load_recipe_text
from cycler.recipe.exchange.from_recipe import protocol_of
from cycler.recipe.exchange.into_recipe import recipe_of
from cycler.recipe.exchange.protocol import Protocol
from cycler.recipe.exchange.pybamm_in import VERBS, read_pybamm_lines, read_pybamm_list
from cycler.recipe.exchange.pybamm_out import write_pybamm
from cycler.recipe.exchange.strict_json import parse_json
from cycler.recipe.exchange.unicycler_in import read_unicycler
from cycler.recipe.exchange.unicycler_out import write_unicycler
from cycler.recipe.lookup import find_cell_type
from cycler.recipe.model import Recipe
from cycler.recipe.problems import InvalidFile, Problem, nearest

WRITERS: Mapping[str, Callable[[Protocol, CellType, str, list[str]], str]] = {
    "unicycler": write_unicycler,
    "pybamm": write_pybamm,
}
FORMATS = tuple(WRITERS)
_IN_WORDS = {"unicycler": "unicycler JSON", "pybamm": "PyBaMM's strings"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A recipe, its canonical text, and what a person should know of how it came about."""

    recipe: Recipe
    text: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A file in another format, and what of the recipe is not in it."""

    text: str
    notes: tuple[str, ...]


def import_recipe(
    text: str, *, file: str, format_: str | None = None, cell_type: CellType | None = None, beside: Path
) -> Imported:
    """Read a file in one of `FORMATS`, known by its content where it is not given.

    Without a cell type the file must name one, which is looked up beside this folder or in the library.
    Raises `InvalidFile` with what has no counterpart in a recipe. That the cell type allows what the recipe asks for
    is not asked here; where it does not, the notes say so.
    """
    notes: list[str] = []
    protocol = _read(text, file, format_, notes)
    if cell_type is None:
        cell_type = _named_cell_type(protocol, file, beside)
    recipe = recipe_of(protocol, cell_type, name=_name(file), file=file, notes=notes)
    canonical = canonical_text(recipe)
    try:
        load_recipe_text(canonical, file=f"{recipe.recipe}.yaml", beside=beside, cell_type=cell_type)
    except InvalidFile as refused:
        notes += [f"`cycler recipe check` will refuse it: {problem}" for problem in refused.problems]
    return Imported(recipe=recipe, text=canonical, notes=tuple(notes))


def export_recipe(loaded: LoadedRecipe, format_: str) -> Exported:
    """Write a recipe in one of `FORMATS`. Raises `InvalidFile` with what that cannot say."""
    recipe = loaded.recipe
    if format_ not in WRITERS:
        raise _unknown_format(recipe.file, format_)
    if recipe.purpose == "abuse":
        message = f"{recipe.recipe} is an abuse test, which {_IN_WORDS[format_]} cannot say"
        raise InvalidFile([Problem(file=recipe.file, line=0, code="abuse", message=message)])
    notes = [f"not written: the recipe's name and version, {_states(recipe)}"]
    protocol = protocol_of(recipe, _IN_WORDS[format_], notes)
    return Exported(text=WRITERS[format_](protocol, loaded.cell_type, recipe.file, notes), notes=tuple(notes))


def _states(recipe: Recipe) -> str:
    becomes = f" and becomes {recipe.to_state}" if recipe.to_state else ""
    return f"and that it takes {', '.join(recipe.from_state)} cells{becomes}"


def _read(text: str, file: str, format_: str | None, notes: list[str]) -> Protocol:
    if format_ not in {None, *FORMATS}:
        raise _unknown_format(file, format_ or "")
    looks_like_json = text.lstrip().startswith(("{", "["))
    document: Any = parse_json(text, file) if looks_like_json or format_ == "unicycler" else None
    if isinstance(document, dict) and format_ != "pybamm" and (format_ or "method" in document):
        return read_unicycler(document, file, notes)
    if isinstance(document, list) and format_ != "unicycler":
        return read_pybamm_list(document, file)
    if document is None and (format_ == "pybamm" or _has_a_verb(text)):
        return read_pybamm_lines(text, file)
    expected = {
        "unicycler": "is not unicycler JSON: an object with `method` is due",
        "pybamm": "holds no PyBaMM strings: a list of them is due, or one a line",
        None: "is neither unicycler JSON, which has a `method`, nor PyBaMM's step strings",
    }
    raise InvalidFile([Problem(file=file, line=0, code="format", message=expected[format_])])


def _has_a_verb(text: str) -> bool:
    """Also a misspelt one: then its line is named."""
    first_words = (line.split(maxsplit=1)[0] for line in text.splitlines() if line.strip())
    return any(get_close_matches(word[:64], VERBS, n=1, cutoff=0.7) for word in first_words)


def _named_cell_type(protocol: Protocol, file: str, beside: Path) -> CellType:
    hint = "give --cell-type"
    if protocol.sample is not None and _title(protocol.sample) == protocol.sample:
        try:
            return find_cell_type(protocol.sample, beside=beside)
        except LookupError as error:
            hint = f"{hint}; for the sample's name {protocol.sample}: {error.args[0]}"
    message = "does not name the type of its cells"
    raise InvalidFile([Problem(file=file, line=0, code="cell-type", message=message, hint=hint)])


def _name(file: str) -> str:
    return _title(Path(file).stem) or "imported"


def _title(text: str) -> str:
    return sub(r"[^A-Za-z0-9._-]+", "-", text, flags=ASCII).lstrip(".-_")[:100]


def _unknown_format(file: str, format_: str) -> InvalidFile:
    message = f"--format {format_} is no format"
    return InvalidFile([Problem(file=file, line=0, code="format", message=message, hint=nearest(format_, FORMATS))])
