"""The work of `cycler simulate`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, cast

from cycler.cli.errors import WRONG_USE, Failure
from cycler.cli.judged_run import run_and_judge
from cycler.cli.logs import quiet_logs
from cycler.cli.out_folder import JOURNAL
from cycler.model.cell import LEDGER_STATES, Cell, CellId, LedgerState
from cycler.model.rack import PositionId, TrayId
from cycler.model.world import SimulatedCell, WorldDeclaration
from cycler.recipe.compile import LoadedRecipe
from cycler.recipe.lookup import given_cell_type
from cycler.recipe.problems import nearest
from cycler.service.bench_rack import BAY, bench_configuration
from cycler.service.cells_file import CellList, cells_at, read_cells
from cycler.service.configuration import Configuration
from cycler.service.ledger import KnownCell, known_cells
from cycler.service.recipes import recipe_named
from cycler.service.running_rack import Job
from cycler.service.world_file import everywhere, load_world

SEED = 1
CELLS_MAX = 1024
UNFORMED_FIRST: Final[tuple[LedgerState, ...]] = ("filled", "formed")
_START = re.compile(r"([a-z]+)(?:@(\d{1,3}(?:\.\d{1,3})?)\s*%)?", re.ASCII)
_POSITION = re.compile(rf"(?:{BAY}/)?([1-9]\d{{0,8}})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateOptions:
    """The command line, as given."""

    recipe: str
    cell_type: str | None
    cells: int | None
    cells_file: Path | None
    history: Path | None
    seed: int | None  # before the world file's own; 1 without either
    start: str | None
    ideal: bool
    world: Path | None
    out: Path | None
    csv: bool


def run_simulate(options: SimulateOptions, *, strict: bool, as_json: bool) -> int:
    """The exit code."""
    quiet_logs()
    cell_type = None if options.cell_type is None else given_cell_type(options.cell_type, beside=Path.cwd())
    recipe = recipe_named(options.recipe, beside=Path.cwd(), cell_type=cell_type)
    if options.cells_file is None:
        configuration, declaration, cells = _unlisted(options, recipe)
    else:
        configuration, declaration, cells = _listed(options, options.cells_file, recipe)
    job = Job(bay=BAY, tray=TrayId("simulated"), cells=cells, recipe=recipe)
    return run_and_judge(
        configuration,
        declaration,
        [job],
        wire="memory",
        out=options.out,
        csv=options.csv,
        strict=strict,
        as_json=as_json,
    )


def _unlisted(
    options: SimulateOptions, recipe: LoadedRecipe
) -> tuple[Configuration, WorldDeclaration, Mapping[PositionId, Cell]]:
    """Cells of which nothing is told but the state they come in."""
    if options.history is not None:
        raise Failure(WRONG_USE, "history", "--history tells of listed cells only", "list them with --cells-file")
    configuration = bench_configuration(options.cells or 1, recipe.cell_type, recipe.recipe.purpose)
    state, start = start_state(options.start, recipe)
    declaration = _declaration(options, configuration, recipe, start)
    cells = {
        position: Cell(
            cell_id=CellId(f"sim-{number:04d}"),
            cell_type=recipe.cell_type.name,
            state=state if declaration.cells[position].state == start else _ledger(declaration.cells[position]),
        )
        for number, position in enumerate(configuration.rack.bays[BAY].positions, 1)
    }
    return configuration, declaration, cells


def _listed(
    options: SimulateOptions, file: Path, recipe: LoadedRecipe
) -> tuple[Configuration, WorldDeclaration, Mapping[PositionId, Cell]]:
    """The file promises, `--start` and the world file say what is really there: without them, what is promised.

    A position that the file leaves out is empty.
    """
    listed = read_cells(file, recipe.cell_type)
    configuration = bench_configuration(options.cells or _places(listed), recipe.cell_type, recipe.recipe.purpose)
    known = {} if options.history is None else _known(options.history)
    cells = cells_at(listed, configuration.rack.bays[BAY], recipe, known)
    _, start = start_state(options.start, recipe)
    declaration = _declaration(options, configuration, recipe, None if options.start is None else start)
    real = {
        position: replace(declaration.cells[position], state=declaration.cells[position].state or promised)
        for position, cell in cells.items()
        for promised in (start if cell.state_source == "assumed" else _simulated(cell.state, "0")[1],)
    }
    return configuration, replace(declaration, cells=real), cells


def _places(listed: CellList) -> int:
    """How many positions the bay has: up to the highest that is listed."""
    numbers = [int(match[1]) for cell in listed.cells if (match := _POSITION.fullmatch(cell.position))]
    return min(max(numbers, default=1), CELLS_MAX)


def _known(history: Path) -> Mapping[CellId, KnownCell]:
    if not (history / JOURNAL).exists():
        message = f"--history {history}: no run has left this folder by --out"
        raise Failure(WRONG_USE, "history", message, "name the folder that `simulate --out` was given")
    return known_cells(history / JOURNAL)


def _declaration(
    options: SimulateOptions, configuration: Configuration, recipe: LoadedRecipe, start: str | None
) -> WorldDeclaration:
    if options.world is None:
        seed = SEED if options.seed is None else options.seed
        return everywhere(configuration.rack, recipe.cell_type, seed=seed, state=start, ideal=options.ideal)
    declaration = load_world(options.world, configuration.rack, cell_type=recipe.cell_type, seed=options.seed)
    cells = {position: replace(cell, state=cell.state or start) for position, cell in declaration.cells.items()}
    return replace(declaration, cells=cells, ideal=options.ideal)


def start_state(text: str | None, recipe: LoadedRecipe) -> tuple[LedgerState, str]:
    """The ledger state of the cells, and `formed@30%` for the world. By default as the recipe takes them, and empty.

    Unformed, where it takes those.
    """
    if text is None:
        states = recipe.recipe.from_state
        return _simulated(next((word for word in UNFORMED_FIRST if word in states), states[0]), "0")
    match = _START.fullmatch(text)
    if match is None:
        raise Failure(WRONG_USE, "start", f"--start {text!r} is no state", "write it like formed@30%")
    if match[1] not in LEDGER_STATES:
        hint = "the ledger calls them filled" if match[1] == "unformed" else nearest(match[1], LEDGER_STATES)
        raise Failure(WRONG_USE, "start", f"--start: {match[1]!r} is no state", hint)
    if match[2] is not None and float(match[2]) > 100:
        raise Failure(WRONG_USE, "start", f"--start: a cell is never {match[2]} % full", "at most 100 %")
    return _simulated(cast(LedgerState, match[1]), match[2] or "0")


def _simulated(state: LedgerState, soc_pct: str) -> tuple[LedgerState, str]:
    """What the ledger says of a cell beyond its first charge makes it no other one."""
    if state == "filled":
        return state, "filled"
    return state, f"{'precharged' if state == 'precharged' else 'formed'}@{soc_pct}%"


def _ledger(cell: SimulatedCell) -> LedgerState:
    """What is promised of a cell of the world file: the word before its charge. Defects may break that promise."""
    word = (cell.state or "").partition("@")[0].strip()
    return word if word in LEDGER_STATES else "formed"
