"""`cycler recipe import · export`: recipes from and to the formats of others."""

import json as json_module
import sys
from pathlib import Path
from typing import Annotated

import typer

from cycler.cli.errors import FAILED, Failure, explained, system_text

SourceFile = Annotated[Path, typer.Argument(help="Unicycler JSON, or PyBaMM strings: one a line, or a JSON list.")]
RecipeFile = Annotated[str, typer.Argument(help="A recipe's file, or the name of one in the library.")]
SourceFormat = Annotated[str | None, typer.Option("--format", help="unicycler or pybamm, not by the file's content.")]
TargetFormat = Annotated[str, typer.Option("--format", help="unicycler or pybamm.")]
ImportedType = Annotated[str | None, typer.Option("--cell-type", help="A cell type's file or name.")]
CellTypeFile = Annotated[str | None, typer.Option(help="A cell type's file or name, not the recipe's own.")]
OutFile = Annotated[Path | None, typer.Option(help="Write to this file, not to stdout.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def import_(
    file: SourceFile,
    format_: SourceFormat = None,
    cell_type: ImportedType = None,
    out: OutFile = None,
    json: AsJson = False,
) -> None:
    """Make a recipe of unicycler JSON or PyBaMM step strings. What a recipe cannot say is refused by name."""
    with explained(as_json=json):
        from cycler.recipe.exchange.formats import import_recipe  # noqa: PLC0415 (help must not wait for it)
        from cycler.recipe.lookup import given_cell_type  # noqa: PLC0415
        from cycler.recipe.yaml_nodes import load_text  # noqa: PLC0415

        given = None if cell_type is None else given_cell_type(cell_type, beside=Path.cwd())
        imported = import_recipe(load_text(file), file=str(file), format_=format_, cell_type=given, beside=file.parent)
        _deliver(imported.text, imported.notes, out, json=json)


def export(
    recipe: RecipeFile,
    format_: TargetFormat,
    out: OutFile = None,
    cell_type: CellTypeFile = None,
    json: AsJson = False,
) -> None:
    """Write a recipe as unicycler JSON or PyBaMM step strings. What they cannot say is refused by name."""
    with explained(as_json=json):
        from cycler.recipe.exchange.formats import export_recipe  # noqa: PLC0415 (help must not wait for it)
        from cycler.recipe.lookup import given_cell_type  # noqa: PLC0415
        from cycler.service.recipes import recipe_named  # noqa: PLC0415

        own = None if cell_type is None else given_cell_type(cell_type, beside=Path.cwd())
        exported = export_recipe(recipe_named(recipe, beside=Path.cwd(), cell_type=own), format_)
        _deliver(exported.text, exported.notes, out, json=json)


def _deliver(text: str, notes: tuple[str, ...], out: Path | None, *, json: bool) -> None:
    if out is not None:
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as error:
            raise Failure(FAILED, "out", f"--out {out} cannot be written: {system_text(error)}") from None
    if json:
        document = {"out": None if out is None else str(out), "text": text, "notes": list(notes)}
        sys.stdout.write(json_module.dumps(document, indent=2) + "\n")
        return
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    if out is None:
        sys.stdout.write(text)
