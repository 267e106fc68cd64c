"""The demo's work: the rack and world files that ship, a recipe for each bay, and what the lot comes to."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

from cycler.cli.errors import WRONG_USE, Failure
from cycler.cli.judged_run import run_and_judge
from cycler.cli.logs import quiet_logs
from cycler.model.cell import Cell, CellId
from cycler.model.rack import Bay, BayId, TrayId
from cycler.service.rack_file import load_configuration
from cycler.service.recipes import recipe_named
from cycler.service.running_rack import Job
from cycler.service.wiring import Wire
from cycler.service.world_file import load_world

RECIPES: Final[Mapping[BayId, str]] = {
    BayId("B01"): "nmc811-21700-grading",
    BayId("B02"): "lco-pouch-formation",
    BayId("B03"): "lfp-26650-formation",
}


def run_demo(files: Path, out: Path, *, seed: int, wire: str, strict: bool, as_json: bool) -> int:
    """The exit code."""
    if wire not in {"memory", "loopback"}:
        raise Failure(WRONG_USE, "wire", f"--wire {wire}: there are memory and loopback")
    quiet_logs()
    configuration = load_configuration(files / "rack.yaml")
    declaration = load_world(files / "world.yaml", configuration.rack, cell_type=None, seed=seed)
    return run_and_judge(
        configuration,
        declaration,
        [demo_job(bay, beside=files) for bay in configuration.rack.bays.values()],
        wire=cast(Wire, wire),
        out=out,
        csv=False,
        strict=strict,
        as_json=as_json,
    )


def demo_job(bay: Bay, *, beside: Path) -> Job:
    """A full tray, of cells as its recipe takes them."""
    recipe = recipe_named(RECIPES[bay.bay], beside=beside)
    cells = {
        position: Cell(
            cell_id=CellId(f"{bay.bay}-{place:04d}"),
            cell_type=recipe.cell_type.name,
            state=recipe.recipe.from_state[0],
        )
        for place, position in enumerate(bay.positions, 1)
    }
    return Job(bay=bay.bay, tray=TrayId(f"T-{bay.bay}"), cells=cells, recipe=recipe)
