"""Where recipes and cell types are found: beside the file that names them, then in the library that ships."""

from pathlib import Path

from cycler.model.cell_type import CellType
from cycler.recipe.cell_type_file import read_cell_type
from cycler.recipe.problems import InvalidFile, Problem, nearest
from cycler.recipe.yaml_nodes import load_file

LIBRARY = Path(__file__).parent / "library"


def load_cell_type(path: Path) -> CellType:
    """One file. Raises `InvalidFile`."""
    return read_cell_type(load_file(path), str(path))


def find_cell_type(name: str, *, beside: Path) -> CellType:
    """By name: in `cell-types/` of the folder `beside`, then in the library.

    Raises `LookupError` with a hint where there is none, `InvalidFile` where there is one that cannot be used.
    """
    for folder in (beside, LIBRARY):
        path = folder / "cell-types" / f"{name}.yaml"
        if not path.exists():
            continue
        cell_type = load_cell_type(path)
        if cell_type.name != name:
            message = f"the file describes {cell_type.name}"
            raise InvalidFile([Problem(file=str(path), line=1, code="name", message=message, hint="name both alike")])
        return cell_type
    raise LookupError(nearest(name, cell_type_names(beside)))


def given_cell_type(name: str, *, beside: Path) -> CellType:
    """A cell type's file, else a name as for `find_cell_type`. Raises `InvalidFile`."""
    path = Path(name)
    if path.exists() or path.name != name or path.suffix in {".yaml", ".yml"}:
        return load_cell_type(path)
    try:
        return find_cell_type(name, beside=beside)
    except LookupError as error:
        message = "is neither a file nor the name of a cell type"
        raise InvalidFile([Problem(file=name, line=0, code="unreadable", message=message, hint=str(error))]) from None


def cell_type_names(beside: Path) -> list[str]:
    """All that `find_cell_type` would find, sorted."""
    return sorted({path.stem for folder in (beside, LIBRARY) for path in (folder / "cell-types").glob("*.yaml")})


def find_recipe(name: str, *, beside: Path) -> Path:
    """A recipe's file: a path, else a name looked up in `recipes/` of the folder `beside`, then in the library.

    Raises `InvalidFile` where there is none.
    """
    path = Path(name)
    if path.exists() or path.name != name or path.suffix in {".yaml", ".yml"}:
        return path  # whoever opens it says what is wrong with it
    folders = (beside / "recipes", LIBRARY)
    for folder in folders:
        found = folder / f"{name}.yaml"
        if found.is_file():
            return found
    hint = nearest(name, {known.stem for folder in folders for known in folder.glob("*.yaml")})
    message = "is neither a file nor the name of a recipe"
    raise InvalidFile([Problem(file=name, line=0, code="unreadable", message=message, hint=hint)])


def find_subrecipe(name: str, *, beside: Path) -> Path:
    """The file of a recipe that another one names: in `recipes/` of the folder `beside` or in it, then in the library.

    Raises `LookupError` with a hint where there is none.
    """
    folders = (beside / "recipes", beside, LIBRARY)
    for folder in folders:
        found = folder / f"{name}.yaml"
        if found.is_file():
            return found
    raise LookupError(nearest(name, {known.stem for folder in folders for known in folder.glob("*.yaml")}))


def find_profile(name: str, *, beside: Path) -> Path:
    """A profile's file: a path below the folder `beside`, else below the library.

    Raises `LookupError` with a hint where there is none.
    """
    for folder in (beside, LIBRARY):
        if (folder / name).is_file():
            return folder / name
    raise LookupError(f"it is looked up below {beside}, then in the library")
