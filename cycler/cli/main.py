"""The command line: what there is, and what becomes of errors."""

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper

import typer

from cycler.cli.alarm_commands import ack, in_service, out_of_service, reset, shelve, unshelve
from cycler.cli.alarms import alarms
from cycler.cli.config import app as config
from cycler.cli.demo import demo
from cycler.cli.doctor import doctor
from cycler.cli.drivers import app as drivers
from cycler.cli.errors import TRACEBACK, WRONG_USE, ending_in_order, explain_bug, run_and_explain
from cycler.cli.recipe import app as recipe
from cycler.cli.safe_off import safe_off
from cycler.cli.serve import serve
from cycler.cli.sim import sim
from cycler.cli.simulate import simulate
from cycler.cli.store import backup, seal
from cycler.cli.trays import abort, all_off, load, resume, start, status

app = typer.Typer(
    name="cycler",
    help="Forms, tests and grades lithium-ion cells on a cycler rack, real or simulated.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo)
app.command("simulate")(simulate)
app.command("sim")(sim)
app.command("alarms")(alarms)
app.command("safe-off")(safe_off)
app.command("serve")(serve)
app.command("load")(load)
app.command("start")(start)
app.command("resume")(resume)
app.command("abort")(abort)
app.command("all-off")(all_off)
app.command("status")(status)
app.command("doctor")(doctor)
app.command("seal")(seal)
app.command("backup")(backup)
app.command("ack")(ack)
app.command("shelve")(shelve)
app.command("unshelve")(unshelve)
app.command("out-of-service")(out_of_service)
app.command("in-service")(in_service)
app.command("reset")(reset)
app.add_typer(recipe, name="recipe")
app.add_typer(config, name="config")
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
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(WRONG_USE)


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script. Ends the process with the command's exit code."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started us
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 (open to the end)
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no Ω is no reason to fail
    if not os.environ.get(TRACEBACK):
        sys.excepthook = explain_bug
    with ending_in_order() as ended:
        code = ended(run_and_explain(app, arguments))
    sys.exit(code)
