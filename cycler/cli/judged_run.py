"""What every command that runs trays does: check, run with progress shown, judge, show the lot."""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from cycler.cli.lot_table import exit_code, show_lot
from cycler.cli.out_folder import prepared
from cycler.cli.progress import shown_progress
from cycler.model.world import WorldDeclaration
from cycler.service.configuration import Configuration
from cycler.service.lot import finish_runs
from cycler.service.running_rack import Job, check_start
from cycler.service.session import run_session
from cycler.service.wiring import Wire, open_world


def run_and_judge(
    configuration: Configuration,
    declaration: WorldDeclaration,
    jobs: Sequence[Job],
    *,
    wire: Wire,
    out: Path | None,
    csv: bool,
    strict: bool,
    as_json: bool,
) -> int:
    """The exit code. Without `out` the files are made for the verdict and thrown away."""
    check_start(configuration, jobs)
    world = open_world(configuration, declaration, wire=wire)
    with ExitStack() as stack:
        folder = out or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = prepared(folder)
        with shown_progress(Console(stderr=True)) as on_progress:
            runs = run_session(configuration, world, jobs, store=store, seed=declaration.seed, on_progress=on_progress)
        lot = finish_runs(
            store,
            [run.run_id for run in runs],
            {job.recipe.cell_type.name: job.recipe.cell_type for job in jobs},
            folder,
            config_hash=configuration.content_hash,
            seed=declaration.seed,
            csv=csv,
        )
        show_lot(lot, out, as_json=as_json)
    return exit_code(lot, strict=strict)
