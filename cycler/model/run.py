"""One execution of one frozen recipe on one placement."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cycler.model.approval import ReleasedAs
from cycler.model.cell import Cell
from cycler.model.rack import Placement, PositionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """`run_id` is `YYYYMMDD-NNN`, per rack. The recipe is kept as it ran: its canonical text and the hash of that."""

    run_id: str
    started_utc: datetime
    placement: Placement
    recipe_name: str
    recipe_version: str
    recipe_hash: str
    recipe_text: str
    released_as: ReleasedAs
    cells: Mapping[PositionId, Cell]
