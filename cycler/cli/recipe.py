"""`cycler recipe …`: check, show, preview, diff, import, export, schema, and who lets a recipe run."""

import json as json_module
import sys
from pathlib import Path
from typing import Annotated

import typer

from cycler.cli.errors import FAILED, WRONG_USE, explained
from cycler.cli.recipe_approval import approvals, approve, release, trial, withdraw
from cycler.cli.recipe_exchange import export, import_

app = typer.Typer(help="Check recipes, and print what they will do.", rich_markup_mode=None)

RecipeFile = Annotated[str, typer.Argument(help="A recipe's file, or the name of one in the library.")]
CellTypeFile = Annotated[str | None, typer.Option(help="A cell type's file or name, not the recipe's own.")]
RackFile = Annotated[Path | None, typer.Option("--config", help="A rack file: check against its channels too.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


@app.command()
def check(recipe: RecipeFile, config: RackFile = None, cell_type: CellTypeFile = None, json: AsJson = False) -> None:
    """Check a recipe against its cell type, and against a rack's channels."""
    with explained(as_json=json):
        from cycler.cli.recipe_check import check_recipe  # noqa: PLC0415 (help must not wait for it)

        found = check_recipe(recipe, config, cell_type)
        if json:
            sys.stdout.write(json_module.dumps(found.document(), indent=2) + "\n")
        else:
            for line in found.lines():
                typer.echo(line, err=bool(found.problems))
        if found.problems:
            raise typer.Exit(WRONG_USE)


@app.command()
def show(recipe: RecipeFile, cell_type: CellTypeFile = None, json: AsJson = False) -> None:
    """Print everything that a recipe will do, its C-rates in ampere, and its canonical form."""
    with explained(as_json=json):
        from cycler.cli.recipe_check import show_recipe  # noqa: PLC0415 (help must not wait for it)

        shown = show_recipe(recipe, cell_type)
        if json:
            sys.stdout.write(json_module.dumps(shown.document(), indent=2) + "\n")
        else:
            sys.stdout.write("\n".join([*shown.lines, "", shown.canonical]))


@app.command()
def preview(  # noqa: PLR0917 (typer makes each of them an option)
    recipe: RecipeFile,
    config: RackFile = None,
    cell_type: CellTypeFile = None,
    start: Annotated[str | None, typer.Option(help="The state the cell comes in, like formed@30%.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to draw it: a file that ends in .svg or .html.")] = None,
    json: AsJson = False,
) -> None:
    """Predict the voltage, current and temperature of one ideal cell: curves, durations, charge and energy."""
    with explained(as_json=json):
        from cycler.cli.recipe_preview import PreviewOptions, preview_recipe  # noqa: PLC0415 (help must not wait for it)

        found = preview_recipe(PreviewOptions(recipe=recipe, cell_type=cell_type, start=start, config=config, out=out))
        if json:
            sys.stdout.write(json_module.dumps(found.document(), indent=2) + "\n")
        else:
            found.show()


@app.command()
def diff(
    before: RecipeFile,
    after: RecipeFile,
    cell_type: CellTypeFile = None,
    json: AsJson = False,
) -> None:
    """Tell in what the second recipe means something else than the first. Exit code 1 where it does, else 0."""
    with explained(as_json=json):
        from cycler.cli.recipe_diff import recipe_difference  # noqa: PLC0415 (help must not wait for it)

        found = recipe_difference(before, after, cell_type)
        if json:
            sys.stdout.write(json_module.dumps(found.document(), indent=2) + "\n")
        else:
            sys.stdout.write("".join(f"{line}\n" for line in found.lines()))
        if found.changes:
            raise typer.Exit(FAILED)


app.command("import")(import_)
app.command()(export)
for command in (approve, trial, withdraw, approvals, release):
    app.command()(command)


@app.command()
def schema() -> None:
    """Print the JSON Schema of recipe files."""
    with explained():
        from cycler.recipe.schema import recipe_schema  # noqa: PLC0415 (help must not wait for it)

        sys.stdout.write(json_module.dumps(recipe_schema(), indent=2) + "\n")
