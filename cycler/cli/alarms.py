"""`cycler alarms`."""

import json as json_module
import sys
from pathlib import Path
from typing import Annotated

import typer

from cycler.cli.errors import explained
from cycler.cli.rack_option import RACK, RackFile


def alarms(
    config: RackFile = RACK,
    store: Annotated[
        Path | None, typer.Option(help="A store itself, or the folder that a simulation has left.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """List a rack's alarms, whether control runs or not: what is wrong, since when, with whom, and what to do."""
    with explained(as_json=json):
        from cycler.cli.alarm_table import read_alarms, show_alarms  # noqa: PLC0415 (help must not wait for it)

        found = read_alarms(config, store, everything=everything)
        if json:
            sys.stdout.write(json_module.dumps(found.document(), indent=2) + "\n")
        else:
            show_alarms(found, everything=everything)
