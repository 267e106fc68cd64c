"""`cycler recipe approve · trial · withdraw · approvals · release`: who lets a recipe run on a rack's real cells."""

import json as json_module
import sys
from typing import Annotated

import typer

from cycler.cli.errors import explained
from cycler.cli.rack_option import RACK, RackFile

RecipeFile = Annotated[str, typer.Argument(help="A recipe's file, or the name of one in the library.")]
By = Annotated[str, typer.Option(help="Who decides.")]
Author = Annotated[str, typer.Option(help="Who has written the recipe.")]
Reason = Annotated[str, typer.Option(help="Why, in a sentence.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def approve(recipe: RecipeFile, by: By, author: Author, reason: Reason, config: RackFile = RACK) -> None:
    """Let a recipe run on a rack from now on. Its author cannot."""
    with explained():
        from cycler.cli.recipe_decision import give  # noqa: PLC0415 (help must not wait for it)

        typer.echo(give("approved", recipe, config, by=by, author=author, reason=reason))


def trial(  # noqa: PLR0917 (typer makes each of them an option)
    recipe: RecipeFile,
    by: By,
    author: Author,
    reason: Reason,
    lasts: Annotated[str, typer.Option(help="For how long, like 14 d.")],
    config: RackFile = RACK,
) -> None:
    """Let a recipe run on a rack that nobody has approved, for a time."""
    with explained():
        from cycler.cli.recipe_decision import give  # noqa: PLC0415 (help must not wait for it)

        typer.echo(give("trial", recipe, config, by=by, author=author, reason=reason, lasts=lasts))


def withdraw(recipe: RecipeFile, by: By, reason: Reason, config: RackFile = RACK) -> None:
    """Let a recipe run on a rack no more."""
    with explained():
        from cycler.cli.recipe_decision import give  # noqa: PLC0415 (help must not wait for it)

        typer.echo(give("withdrawn", recipe, config, by=by, reason=reason))


def release(  # noqa: PLR0917 (typer makes each of them an option)
    recipe: RecipeFile,
    cell: Annotated[str, typer.Option(help="The cell that it is done to.")],
    by: Annotated[str, typer.Option(help="Who signs.")],
    reason: Reason,
    lasts: Annotated[str, typer.Option(help="For how long it may begin.")] = "2 h",
    config: RackFile = RACK,
) -> None:
    """Sign one abuse test of one cell. A second person signs too, within ten minutes, from another account."""
    with explained():
        from cycler.cli.recipe_decision import put_name_to  # noqa: PLC0415 (help must not wait for it)

        typer.echo(put_name_to(recipe, config, cell=cell, by=by, reason=reason, lasts=lasts))


def approvals(config: RackFile = RACK, json: AsJson = False) -> None:
    """Print every decision about recipes on a rack: who, what, when, why."""
    with explained(as_json=json):
        from cycler.cli.recipe_decision import documents, lines, on_record  # noqa: PLC0415 (help must not wait for it)

        found = on_record(config)
        if json:
            sys.stdout.write(json_module.dumps({"approvals": documents(found)}, indent=2) + "\n")
        else:
            sys.stdout.write("".join(f"{line}\n" for line in lines(found)))
