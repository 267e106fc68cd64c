"""`cycler config check`."""

import json as json_module
import sys
from pathlib import Path
from typing import Annotated

import typer

from cycler.cli.errors import explained

app = typer.Typer(help="Rack files.", rich_markup_mode=None)


@app.callback()
def _config() -> None:
    """Rack files."""


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The rack file.")],
    world: Annotated[Path | None, typer.Option(help="A world file for it: checked too.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Check a rack file, and say what would keep a run from starting on it."""
    with explained(as_json=json):
        from cycler.service.config_check import check_configuration  # noqa: PLC0415 (help must not wait for it)

        found = check_configuration(file, world)
        if json:
            sys.stdout.write(json_module.dumps(found.document(), indent=2) + "\n")
        else:
            sys.stdout.write("".join(f"{line}\n" for line in found.lines()))
