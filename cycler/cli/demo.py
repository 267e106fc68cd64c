"""`cycler demo`: three trays of cells, behind real instruments' protocols, formed and graded in virtual time."""

from pathlib import Path
from typing import Annotated

import typer

from cycler.cli.errors import explained

FILES = Path(__file__).parent / "demo_rack"
SEED = 7


def demo(
    out: Annotated[Path, typer.Option(help="Where the files of the runs go.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Equal seeds give equal numbers.")] = SEED,
    wire: Annotated[str, typer.Option(help="memory, or loopback for real sockets.")] = "memory",
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 5 if cells were rejected.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """A simulated rack grades a tray of NMC cells and forms one of LCO and one of LFP, over its instruments' wires."""
    with explained(as_json=json):
        from cycler.cli.demo_run import run_demo  # noqa: PLC0415 (help must not wait for it)

        raise typer.Exit(run_demo(FILES, out, seed=seed, wire=wire, strict=strict, as_json=json))
