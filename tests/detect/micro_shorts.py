"""From which size on a micro-short is found: one shorted cell at a time in a lot of a dozen."""

from collections import Counter
from typing import Final

from trays import ran

from cycler.model.cell import Cell, CellId
from cycler.model.rack import TrayId
from cycler.model.world import Defect, SimulatedCell, WorldDeclaration
from cycler.recipe.compile import LoadedRecipe
from cycler.results.verdict import judged
from cycler.service.bench_rack import BAY, bench_configuration
from cycler.service.running_rack import Job

SIZES_OHM: Final = (500.0, 1000.0, 2000.0, 3000.0, 5000.0, 10_000.0)
GOOD: Final = 11
COPIES: Final = 4
"""Of each size: cells do not know of each other, so many share a tray and are then judged each with the good ones."""

Rejected = Counter[tuple[float, bool]]
"""How many cells with a short of this size were rejected, and how many not."""


def find_shorts(recipe: LoadedRecipe, *, seed: int) -> Rejected:
    """All sizes, on one tray."""
    cell_type = recipe.cell_type
    sizes = [None] * GOOD + [size for size in SIZES_OHM for _ in range(COPIES)]
    configuration = bench_configuration(len(sizes), cell_type)
    shorted = dict(zip(configuration.rack.bays[BAY].positions, sizes, strict=True))
    declaration = WorldDeclaration(
        seed=seed,
        cells=dict.fromkeys(shorted, SimulatedCell(cell_type=cell_type, state="filled")),
        defects=tuple(
            Defect(at=position, defect="micro-short", numbers={"resistance_ohm": size})
            for position, size in shorted.items()
            if size is not None
        ),
    )
    cells = {at: Cell(cell_id=CellId(at), cell_type=cell_type.name, state="filled") for at in shorted}
    trays = ran(configuration, declaration, [Job(bay=BAY, tray=TrayId("shorts"), cells=cells, recipe=recipe)])
    records = {cell.record.position: cell.record for cell in trays.cells}
    good = [records[position] for position, size in shorted.items() if size is None]
    found: Rejected = Counter()
    for position, size in shorted.items():
        if size is not None:
            (cell,) = (each for each in judged([*good, records[position]]) if each.record.position == position)
            found[size, cell.result.verdict != "pass"] += 1
    return found
