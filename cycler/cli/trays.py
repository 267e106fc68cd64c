"""`cycler load · start · resume · abort · all-off · status`: the trays of a running service."""

import json as json_module
import sys
from pathlib import Path
from typing import Annotated

import typer

from cycler.cli.errors import explained
from cycler.cli.rack_option import RACK, RackFile

BayName = Annotated[str, typer.Argument(metavar="BAY", help="A bay, like B01.")]
Place = Annotated[str, typer.Argument(metavar="BAY[/POSITION]", help="A bay, or one position of it, like B01/A3.")]
Reason = Annotated[str, typer.Option(help="Why, in a sentence: it goes on record.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def load(  # noqa: PLR0917 (typer makes each of them an option)
    bay: BayName,
    tray: Annotated[str, typer.Option(help="The tray's barcode.")],
    recipe: Annotated[str, typer.Option(help="A recipe's file, or the name of one in the library.")],
    cells: Annotated[Path, typer.Option(help="CSV: position,cell_id, and what else is known of the cells.")],
    reason: Reason = "",
    config: RackFile = RACK,
) -> None:
    """Say which tray stands in a bay, with which cells, and what is to be done to them. Nothing starts yet."""
    with explained():
        from cycler.cli.service_commands import load_tray  # noqa: PLC0415 (help must not wait for it)

        typer.echo(load_tray(config, bay, tray=tray, recipe=recipe, cells=cells, reason=reason))


def start(bay: BayName, reason: Reason = "", config: RackFile = RACK) -> None:
    """Start the tray that was loaded in a bay."""
    with explained():
        from cycler.cli.service_commands import start_bay  # noqa: PLC0415 (help must not wait for it)

        typer.echo(start_bay(config, bay, reason=reason))


def resume(at: Place, reason: Reason = "", config: RackFile = RACK) -> None:
    """Let cells go on that wait for a person, in a `hold` of their recipe."""
    with explained():
        from cycler.cli.service_commands import resume_cells  # noqa: PLC0415 (help must not wait for it)

        typer.echo(resume_cells(config, at, reason=reason))


def abort(at: Place, reason: Reason = "", config: RackFile = RACK) -> None:
    """End what runs in a bay, or at one position, and open its outputs."""
    with explained():
        from cycler.cli.service_commands import stop  # noqa: PLC0415 (help must not wait for it)

        typer.echo(stop(config, "abort", {"at": at}, reason=reason))


def all_off(reason: Reason = "", config: RackFile = RACK) -> None:
    """End everything that runs, and open every output. An operating stop: no substitute for the emergency stop."""
    with explained():
        from cycler.cli.service_commands import stop  # noqa: PLC0415 (help must not wait for it)

        typer.echo(stop(config, "all-off", {}, reason=reason))


def status(json: AsJson = False, config: RackFile = RACK) -> None:
    """Print what a running service does: devices, bays, cells."""
    with explained(as_json=json):
        from cycler.cli.service_commands import status_of  # noqa: PLC0415 (help must not wait for it)
        from cycler.cli.status_table import show_status  # noqa: PLC0415

        found = status_of(config)
        if json:
            sys.stdout.write(json_module.dumps(found, indent=2) + "\n")
        else:
            show_status(found)
