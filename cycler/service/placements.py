"""Which tray stands in which bay, what is to be done to it, and in which run that is done: kept through restarts."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from cycler.model.cell import Cell
from cycler.model.cell_type import CellType
from cycler.model.rack import BayId, PositionId, TrayId
from cycler.recipe.canonical import canonical_text
from cycler.recipe.compile import load_recipe_text
from cycler.record.memory import Memory
from cycler.record.recorder import Recorder
from cycler.service.running_rack import Job


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """The recipe as it runs, and the cell type as it was: a file that changes meanwhile changes neither.

    `run_id` is None as long as the tray is only loaded.
    """

    bay: BayId
    tray: TrayId
    recipe_text: str
    cell_type: CellType
    cells: Mapping[PositionId, Cell]
    run_id: str | None = None

    def job(self, *, beside: Path) -> Job:
        """What was loaded. Raises `InvalidFile` where this version of the program reads the recipe differently."""
        recipe = load_recipe_text(
            self.recipe_text, file=f"the recipe of tray {self.tray}", beside=beside, cell_type=self.cell_type
        )
        return Job(bay=self.bay, tray=self.tray, cells=self.cells, recipe=recipe)


class Placements:
    """The latest tray of each bay."""

    def __init__(self, recorder: Recorder) -> None:
        self._memory: Memory[Placed] = Memory(recorder, "placed", Placed)
        self.found = tuple(self._memory.values())  # as an earlier process has left them

    def keep(self, job: Job, *, run_id: str | None = None) -> None:
        """From now on."""
        placed = Placed(
            bay=job.bay,
            tray=job.tray,
            recipe_text=canonical_text(job.recipe.recipe),
            cell_type=job.recipe.cell_type,
            cells=job.cells,
            run_id=run_id,
        )
        self._memory.keep(job.bay, placed)
