"""Every recipe of the library, run once: all on one ideal simulated rack, side by side, each in a bay of its own."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cycler.model.cell import Cell, CellId
from cycler.model.rack import Bay, BayId, PositionId, TrayId
from cycler.model.results import NAS_PER_AH, CellOutcome, StepResult
from cycler.model.world import SimulatedCell, WorldDeclaration
from cycler.recipe.compile import LoadedRecipe, load_recipe, load_recipe_text
from cycler.recipe.lookup import LIBRARY
from cycler.service.bench_rack import BAY, bench_configuration
from cycler.service.configuration import Configuration
from cycler.service.running_rack import Job
from cycler.service.session import run_session
from cycler.service.story import stories
from cycler.service.wiring import simulated_devices
from sims.testing.observed_world import ObservedWorld

STARTS: Mapping[str, str] = {
    "nmc811-pouch-form-B": "precharged@22.5%",
    "nmc811-21700-storage-recovery": "formed@48%",
    "lfp-26650-cycle-life": "formed@0%",
}
"""What the recipe before leaves behind. Others take cells as they are filled, or formed ones with 30 % in them."""

SHORTENED: Mapping[str, Mapping[str, str]] = {
    "lfp-26650-cycle-life": {"times: 100": "times: 1", "times: 30": "times: 3", "health < 80 %": "health < 99.99 %"}
}
"""Recipes that take a year: with fewer turns, and content with less wear."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryRun:
    """What a recipe did to its cell. `soc`: how full the cell really was at the end, of the capacity it really has."""

    loaded: LoadedRecipe
    start: str
    steps: tuple[StepResult, ...]
    outcome: CellOutcome
    soc: float

    @property
    def duration_s(self) -> float:
        """To the end of the last step."""
        return self.steps[-1].started_s + self.steps[-1].duration_s

    @property
    def charged_ah(self) -> float:
        """Over all steps, as the next ones."""
        return sum(step.moved.charged_nas for step in self.steps) / NAS_PER_AH

    @property
    def discharged_ah(self) -> float:
        return sum(step.moved.discharged_nas for step in self.steps) / NAS_PER_AH

    @property
    def charged_wh(self) -> float:
        return sum(step.moved.charged_nws for step in self.steps) / NAS_PER_AH

    @property
    def discharged_wh(self) -> float:
        return sum(step.moved.discharged_nws for step in self.steps) / NAS_PER_AH

    def named(self, step_id: str) -> tuple[StepResult, ...]:
        """All executions of one step."""
        return tuple(step for step in self.steps if step.step_id == step_id)


def library() -> dict[str, LoadedRecipe]:
    """By name, in the order of the files."""
    return {path.stem: load_recipe(path) for path in sorted(LIBRARY.glob("*.yaml"))}


def start_of(loaded: LoadedRecipe) -> str:
    """The state that the world gives the cell."""
    recipe = loaded.recipe
    return STARTS.get(recipe.recipe, "filled" if "filled" in recipe.from_state else "formed@30%")


def run_library(names: tuple[str, ...] | None = None) -> dict[str, LibraryRun]:
    """All recipes, or some."""
    loaded = {name: each for name, each in library().items() if names is None or name in names}
    configuration = _rack(loaded)
    jobs = [_job(bay, loaded[name]) for bay, name in zip(configuration.rack.bays.values(), loaded, strict=True)]
    cells = {
        position: SimulatedCell(cell_type=job.recipe.cell_type, state=start_of(job.recipe))
        for job in jobs
        for position in job.cells
    }
    world = ObservedWorld(
        WorldDeclaration(seed=1, ideal=True, cells=cells),
        configuration.rack,
        simulated_devices(configuration),
        wire="memory",
    )
    with tempfile.TemporaryDirectory() as folder:
        run_session(configuration, world, jobs, store=Path(folder), seed=1)
        told = {story.run.placement.bay: story for story in stories(Path(folder))}
    assert world.left is not None
    runs = {}
    for name, job in zip(loaded, jobs, strict=True):
        (position,) = job.cells
        story = told[job.bay]
        runs[name] = LibraryRun(
            loaded=loaded[name],
            start=start_of(job.recipe),
            steps=story.steps.get(position, ()),
            outcome=story.outcomes[position],
            soc=world.left[position].soc,
        )
    return runs


def _job(bay: Bay, loaded: LoadedRecipe) -> Job:
    recipe = loaded.recipe
    if changes := SHORTENED.get(recipe.recipe):
        text = (LIBRARY / f"{recipe.recipe}.yaml").read_text()
        for one, other in changes.items():
            assert one in text
            text = text.replace(one, other)
        loaded = load_recipe_text(text, file=recipe.recipe, beside=LIBRARY)
    state = "formed" if "formed" in recipe.from_state else recipe.from_state[0]
    (position,) = bay.positions
    cell = Cell(cell_id=CellId(recipe.recipe), cell_type=recipe.cell_type, state=state)
    return Job(bay=bay.bay, tray=TrayId(f"T-{bay.bay}"), cells={position: cell}, recipe=loaded)


def _rack(recipes: Mapping[str, LoadedRecipe]) -> Configuration:
    """The bench of `cycler simulate`, with a bay for each recipe in one chamber, and channels for the largest cell."""
    largest = max((each.cell_type for each in recipes.values()), key=lambda cell_type: cell_type.rated_capacity_ah)
    bench = bench_configuration(len(recipes), largest)
    bays = {}
    for number, place in enumerate(bench.rack.bays[BAY].positions.values(), 1):
        bay, position = BayId(f"B{number:02d}"), PositionId(f"B{number:02d}/1")
        bays[bay] = Bay(bay=bay, positions={position: replace(place, position=position)}, chamber="chamber")
    return replace(bench, rack=replace(bench.rack, bays=bays))
