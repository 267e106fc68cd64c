"""A cell: an identity and a history. Volts cannot tell a fresh cell from a deeply discharged one, history does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NewType, get_args

CellId = NewType("CellId", str)

LedgerState = Literal["filled", "precharged", "formed", "aged", "graded", "shipped", "quarantine", "recycled"]
LEDGER_STATES: tuple[LedgerState, ...] = get_args(LedgerState)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell as it stands at the start of a run."""

    cell_id: CellId
    cell_type: str
    state: LedgerState
    genealogy: Mapping[str, str] = field(default_factory=dict)
