"""The command line: what there is, and what becomes of errors."""

import sys
from collections.abc import Sequence

import typer

from cycler.cli.demo import demo
from cycler.cli.drivers import app as drivers
from cycler.cli.errors import run_and_explain
from cycler.cli.recipe import app as recipe
from cycler.cli.sim import sim
from cycler.cli.simulate import simulate

app = typer.Typer(
    name="cycler",
    help="Forms, tests and grades lithium-ion cells on a cycler rack, real or simulated.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo)
app.command("simulate")(simulate)
app.command("sim")(sim)
app.add_typer(recipe, name="recipe")
app.add_typer(drivers, name="drivers")


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and end."),
) -> None:
    if version:
        from importlib.metadata import version as installed  # noqa: PLC0415

        typer.echo(f"formation-cycler {installed('formation-cycler')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise typer.Exit(2)


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script. Ends the process with the command's exit code."""
    sys.exit(run_and_explain(app, arguments))
