"""A recipe's prediction: the recipe run on one ideal simulated cell, by the same control that runs real ones."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path

from cycler.model.cell import Cell, CellId, LedgerState
from cycler.model.rack import TrayId
from cycler.recipe.canonical import content_hash
from cycler.recipe.compile import LoadedRecipe
from cycler.recipe.lower import lowering_of, program
from cycler.recipe.model import LoopStep, Recipe, Step
from cycler.recipe.plan import LoopEnd, LoopStart, PlanStep
from cycler.recipe.units import Quantity
from cycler.recipe.worst_case import Program
from cycler.record.reader import Reader
from cycler.results.prediction import PredictedStep, Prediction
from cycler.service.bench_rack import BAY, bench_configuration
from cycler.service.running_rack import Job, check_start
from cycler.service.session import OnProgress, run_session
from cycler.service.wiring import open_world
from cycler.service.world_file import everywhere

SEED = 1  # an ideal world draws nothing from it that shows
SAMPLES_MIN = 400  # of each step that lasts as long as it may
EVERY_S_MIN = 0.1


class NothingToPredict(Exception):
    """Nobody knows how such a cell behaves, or it cannot be started so. `hint` says how to mend it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def predict(
    loaded: LoadedRecipe, *, state: LedgerState, start: str, on_progress: OnProgress | None = None
) -> Prediction:
    """`state` is the ledger's word for the cell, `start` what the world makes it: `formed@30%`.

    Raises `NothingToPredict`, and what `run_session` raises.
    """
    recipe, cell_type = loaded.recipe, loaded.cell_type
    if cell_type.simulation.ocv is None or cell_type.simulation.circuit is None:
        hint = "add `simulation: {ocv: …, circuit: …}` to it, as the library's cell types have it"
        raise NothingToPredict(f"the cell type {cell_type.name} does not say how its cells behave", hint)
    configuration = bench_configuration(1, cell_type, recipe.purpose)
    (position,) = configuration.rack.bays[BAY].positions
    cell = Cell(cell_id=CellId("sim-0001"), cell_type=cell_type.name, state=state)
    steps = program(recipe.steps, lowering_of(recipe, cell_type, None))
    finely = replace(loaded, recipe=_finely_recorded(recipe, steps))
    job = Job(bay=BAY, tray=TrayId("simulated"), cells={position: cell}, recipe=finely)
    check_start(configuration, [job])
    declaration = everywhere(configuration.rack, cell_type, seed=SEED, state=start, ideal=True)
    world = open_world(configuration, declaration, wire="memory")
    with tempfile.TemporaryDirectory() as folder:
        (run,) = run_session(configuration, world, [job], store=Path(folder), seed=SEED, on_progress=on_progress)
        with Reader(Path(folder)) as reader:
            record, curve = reader.record(run.run_id), reader.curves(run.run_id, [position]).get(position)
    results, outcome = record.steps.get(position, ()), record.outcomes.get(position)
    if curve is None:
        why = outcome.detail if outcome is not None else "nothing is known of it"
        raise NothingToPredict(f"the cell was not started: {why}", "give --start as the recipe takes its cells")
    place_of = {step.step_id: place for place, step in enumerate(steps) if isinstance(step, PlanStep)}
    places = [place_of[result.step_id] for result in results]
    trouble = None
    if outcome is None or outcome.ended != "completed":
        trouble = "the run was cut short" if outcome is None else f"{outcome.ended}: {outcome.detail}"
    return Prediction(
        recipe=recipe.recipe,
        version=recipe.version,
        recipe_hash=content_hash(recipe),
        cell_type=cell_type.name,
        rated_capacity_ah=cell_type.rated_capacity_ah,
        start=start,
        steps=[
            PredictedStep(result=result, path=_path(steps, place), turns=turns)
            for result, place, turns in zip(results, places, turns_of(steps, places), strict=True)
        ],
        samples=curve,
        air_degc=curve.air_degc,
        trouble=trouble,
    )


def _finely_recorded(recipe: Recipe, program: Program) -> Recipe:
    """The same recipe, which keeps so many samples of each step that short ones can be drawn, too."""
    longest_s = {step.path: step.time_s_max for step in program if isinstance(step, PlanStep)}

    def finer(step: Step) -> Step:
        if isinstance(step, LoopStep):
            return replace(step, steps=tuple(finer(each) for each in step.steps))
        keys = step.record or recipe.record
        own_s = keys.every.number if keys.every is not None else inf
        every_s = min(own_s, max(longest_s[step.path] / SAMPLES_MIN, EVERY_S_MIN))
        return replace(step, record=replace(keys, every=Quantity(every_s, "s"))) if every_s < own_s else step

    return replace(recipe, steps=tuple(finer(step) for step in recipe.steps))


def turns_of(steps: Program, places: Sequence[int]) -> Iterator[tuple[tuple[int, int], ...]]:
    """For steps of the program in the order in which they were executed: of each, which turn of the loops around it.

    Going back is the next turn of the innermost loop around both steps that has one left.
    """
    around = _around(steps)
    turns: dict[int, int] = {}
    before = -1
    for place in places:
        loops = around[place]
        shared = [loop for loop in loops if before >= 0 and loop in around[before]]
        if place <= before and shared:
            while len(shared) > 1 and turns[shared[-1]] >= _times(steps, shared[-1]):
                shared.pop()
            turns[shared[-1]] += 1
        for loop in loops:
            if loop not in shared:
                turns[loop] = 1
        yield tuple((turns[loop], _times(steps, loop)) for loop in loops)
        before = place


def _around(steps: Program) -> list[tuple[int, ...]]:
    """For each instruction, where the loops around it start, outermost first."""
    found, inside = [], list[int]()
    for place, instruction in enumerate(steps):
        if isinstance(instruction, LoopEnd):
            inside.pop()
        found.append(tuple(inside))
        if isinstance(instruction, LoopStart):
            inside.append(place)
    return found


def _times(steps: Program, loop: int) -> int:
    start = steps[loop]
    assert isinstance(start, LoopStart)  # noqa: S101 (a loop begins with its start)
    return start.times


def _path(steps: Program, place: int) -> str:
    step = steps[place]
    assert isinstance(step, PlanStep)  # noqa: S101 (only steps are executed)
    return step.path
