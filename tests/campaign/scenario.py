"""What one seed makes: a rack, its cells, their recipes, and all that will go wrong."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from random import Random

from drawn_faults import drawn_defects, drawn_faults
from drawn_rack import MAP, DrawnRack, drawn_rack
from drawn_recipe import DrawnRecipe, drawn_recipe

import cycler.cli
from cycler.model.cell import Cell, CellId
from cycler.model.rack import BayId, TrayId
from cycler.model.world import SimulatedCell, WorldDeclaration
from cycler.service.configuration import Configuration
from cycler.service.rack_file import load_configuration
from cycler.service.recipes import recipe_from, recipe_named
from cycler.service.running_rack import Job
from cycler.service.wiring import simulated_devices

MAPS = Path(next(iter(cycler.cli.__path__))) / "demo_rack"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`disk_fails_s`: from when on no write or sync of the journal succeeds; None for a disk that lasts."""

    seed: int
    drawn: DrawnRack
    recipes: tuple[DrawnRecipe, ...]
    configuration: Configuration
    declaration: WorldDeclaration
    jobs: tuple[Job, ...]
    disk_fails_s: float | None


def scenario(seed: int, folder: Path, *, library: float) -> Scenario:
    """`folder` takes its files. `library`: the share of bays with a recipe of the library, which takes many hours."""
    random = Random(seed)
    drawn = drawn_rack(random)
    shutil.copy(MAPS / MAP, folder / MAP)
    (folder / "rack.yaml").write_text(drawn.text, encoding="utf-8")
    configuration = load_configuration(folder / "rack.yaml")
    recipes, jobs, cells = [], [], {}
    for number, bay in enumerate(configuration.rack.bays.values()):
        recipe = drawn_recipe(random, chamber=drawn.in_chamber[number], library=library)
        loaded = recipe_named(recipe.name, beside=folder) if recipe.name else recipe_from(recipe.text, beside=folder)
        recipes.append(recipe)
        cells |= {position: SimulatedCell(cell_type=loaded.cell_type, state=recipe.start) for position in bay.positions}
        jobs.append(
            Job(
                bay=BayId(bay.bay),
                tray=TrayId(f"T-{bay.bay}"),
                cells={
                    position: Cell(
                        cell_id=CellId(str(position).replace("/", "-")),
                        cell_type=loaded.cell_type.name,
                        state=loaded.recipe.from_state[0],
                    )
                    for position in bay.positions
                },
                recipe=loaded,
            )
        )
    lasts_s = max(recipe.lasts_s for recipe in recipes)
    return Scenario(
        seed=seed,
        drawn=drawn,
        recipes=tuple(recipes),
        configuration=configuration,
        declaration=WorldDeclaration(
            seed=seed,
            ambient_degc=random.choice((18.0, 23.0, 25.0, 28.0)),
            cells=cells,
            defects=drawn_defects(random, configuration.rack, lasts_s=lasts_s),
            faults=drawn_faults(random, configuration.rack, simulated_devices(configuration), lasts_s=lasts_s),
        ),
        jobs=tuple(jobs),
        disk_fails_s=random.uniform(1.0, lasts_s) if random.random() < 0.08 else None,
    )
