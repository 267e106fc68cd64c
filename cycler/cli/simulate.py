"""`cycler simulate`: a recipe on simulated cells, as fast as it goes."""

from pathlib import Path
from typing import Annotated

import typer

from cycler.cli.errors import explained


def simulate(  # noqa: PLR0917 (typer makes each of them an option)
    recipe: Annotated[str, typer.Argument(help="A recipe's file, or the name of one in the library.")],
    cell_type: Annotated[str | None, typer.Option(help="A cell type's file or name, not the recipe's own.")] = None,
    cells: Annotated[
        int | None, typer.Option(min=1, max=1024, help="How many cells; 1, or as many as are listed.")
    ] = None,
    cells_file: Annotated[Path | None, typer.Option(help="A CSV that lists them: position,cell_id,state …")] = None,
    history: Annotated[Path | None, typer.Option(help="What an earlier run left with --out, for listed cells.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**32 - 1, help="Equal seeds give equal numbers.")] = None,
    start: Annotated[str | None, typer.Option(help="The state they come in, like formed@30%.")] = None,
    ideal: Annotated[bool, typer.Option("--ideal", help="No spread, noise or instrument error.")] = False,
    world: Annotated[Path | None, typer.Option(help="A world file, with defects at S01/1 …")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the files of the run go.")] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Curves as CSV instead of Parquet.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 5 if cells were rejected.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Run a recipe on simulated cells, and judge them."""
    with explained(as_json=json):
        from cycler.cli.simulate_run import SimulateOptions, run_simulate  # noqa: PLC0415 (help must not wait for it)

        options = SimulateOptions(
            recipe=recipe,
            cell_type=cell_type,
            cells=cells,
            cells_file=cells_file,
            history=history,
            seed=seed,
            start=start,
            ideal=ideal,
            world=world,
            out=out,
            csv=csv,
        )
        raise typer.Exit(run_simulate(options, strict=strict, as_json=json))
