"""The demo's work: the rack and world files that ship, the grading recipe, and what the lot comes to."""

from pathlib import Path
from typing import cast

from cycler.cli.errors import WRONG_USE, Failure
from cycler.cli.judged_run import run_and_judge
from cycler.cli.logs import quiet_logs
from cycler.model.cell import Cell, CellId
from cycler.model.rack import TrayId
from cycler.service.rack_file import load_configuration
from cycler.service.recipes import recipe_named
from cycler.service.session import Job
from cycler.service.wiring import Wire
from cycler.service.world_file import load_world

RECIPE = "nmc811-21700-grading"


def run_demo(files: Path, out: Path, *, seed: int, wire: str, strict: bool, as_json: bool) -> int:
    """The exit code."""
    if wire not in {"memory", "loopback"}:
        raise Failure(WRONG_USE, "wire", f"--wire {wire}: there are memory and loopback")
    quiet_logs()
    configuration = load_configuration(files / "rack.yaml")
    recipe = recipe_named(RECIPE, beside=files)
    declaration = load_world(files / "world.yaml", configuration.rack, cell_type=None, seed=seed)
    (bay,) = configuration.rack.bays.values()
    cells = {
        position: Cell(cell_id=CellId(f"demo-{place:04d}"), cell_type=recipe.cell_type.name, state="formed")
        for place, position in enumerate(bay.positions, 1)
    }
    job = Job(bay=bay.bay, tray=TrayId("T-0001"), cells=cells, recipe=recipe)
    return run_and_judge(
        configuration,
        declaration,
        job,
        wire=cast(Wire, wire),
        out=out,
        csv=False,
        strict=strict,
        as_json=as_json,
    )
