"""`cycler sim`: only the simulated instruments of a rack, for other people's programs."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cycler.cli.errors import explained, stopped_by_sigterm


def sim(  # noqa: PLR0917 (typer gives them by name)
    config: Annotated[Path, typer.Option(help="The rack file.")],
    world: Annotated[Path | None, typer.Option(help="The world file.")] = None,
    cell_type: Annotated[str | None, typer.Option(help="What stands where the world file says nothing.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**32 - 1, help="Goes before the world file's own.")] = None,
    speed: Annotated[float, typer.Option(min=0.01, max=1000, help="Simulated seconds in a real one.")] = 1.0,
    outputs: Annotated[bool, typer.Option("--outputs", help="Say when each output closes and opens.")] = False,
) -> None:
    """Start a rack's simulated instruments, each at its own loopback address, and run until Ctrl-C or SIGTERM."""
    with explained(), stopped_by_sigterm():
        from cycler.cli.logs import quiet_logs  # noqa: PLC0415 (help must not wait for it)
        from cycler.service.instruments import serve_instruments  # noqa: PLC0415

        def say(line: str) -> None:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

        quiet_logs()
        serve_instruments(config, world, cell_type=cell_type, seed=seed, speed=speed, outputs=outputs, say=say)
