"""The demo's work: the rack and world files that ship, the grading recipe, and what the lot comes to."""

from pathlib import Path
from typing import cast

from rich.console import Console

from cycler.cli.errors import WRONG_USE, Failure
from cycler.cli.logs import quiet_logs
from cycler.cli.lot_table import exit_code, show_lot
from cycler.cli.out_folder import prepared
from cycler.cli.progress import shown_progress
from cycler.model.cell import Cell, CellId
from cycler.model.rack import TrayId
from cycler.recipe.compile import load_recipe
from cycler.recipe.lookup import find_recipe
from cycler.service.lot import finish_run
from cycler.service.rack_file import load_configuration
from cycler.service.session import Job, check_start, run_session
from cycler.service.wiring import Wire, open_world
from cycler.service.world_file import load_world

RECIPE = "nmc811-21700-grading"


def run_demo(files: Path, out: Path, *, seed: int, wire: str, strict: bool, as_json: bool) -> int:
    """The exit code."""
    if wire not in {"memory", "loopback"}:
        raise Failure(WRONG_USE, "wire", f"--wire {wire}: there are memory and loopback")
    quiet_logs()
    configuration = load_configuration(files / "rack.yaml")
    recipe = load_recipe(find_recipe(RECIPE, beside=files))
    declaration = load_world(files / "world.yaml", configuration.rack, cell_type=None, seed=seed)
    (bay,) = configuration.rack.bays.values()
    cells = {
        position: Cell(cell_id=CellId(f"demo-{place:04d}"), cell_type=recipe.cell_type.name, state="formed")
        for place, position in enumerate(bay.positions, 1)
    }
    job = Job(bay=bay.bay, tray=TrayId("T-0001"), cells=cells, recipe=recipe)
    check_start(configuration, [job])
    world = open_world(configuration, declaration, wire=cast(Wire, wire))
    store = prepared(out)
    with shown_progress(Console(stderr=True)) as on_progress:
        (run,) = run_session(configuration, world, [job], store=store, seed=seed, on_progress=on_progress)
    types = {recipe.cell_type.name: recipe.cell_type}
    lot = finish_run(store, run.run_id, types, out, config_hash=configuration.content_hash, seed=seed)
    show_lot(lot, out, as_json=as_json)
    return exit_code(lot, strict=strict)
