"""How a command finds its rack: `--config FILE`, else `CYCLER_CONFIG`, else `/etc/cycler/rack.yaml`."""

from pathlib import Path
from typing import Annotated

import typer

RackFile = Annotated[Path, typer.Option("--config", envvar="CYCLER_CONFIG", help="The rack file.")]

RACK = Path("/etc/cycler/rack.yaml")
