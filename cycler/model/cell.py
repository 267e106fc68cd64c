"""A cell: an identity and a history. Volts cannot tell a fresh cell from a deeply discharged one, history does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NewType, get_args

CellId = NewType("CellId", str)

LedgerState = Literal["filled", "precharged", "formed", "aged", "graded", "shipped", "quarantine", "recycled"]
LEDGER_STATES: tuple[LedgerState, ...] = get_args(LedgerState)


StateSource = Literal["declared", "history", "assumed"]
"""Who says so: whoever brought the cell, what this store knows of it, or nobody."""

PolarityEvidence = Literal["acir", "vision", "operator"]
POLARITY_EVIDENCE: tuple[PolarityEvidence, ...] = get_args(PolarityEvidence)
"""What has shown which way round a cell stands whose voltage is too near to 0 V to show it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell as it stands at the start of a run."""

    cell_id: CellId
    cell_type: str
    state: LedgerState
    state_source: StateSource = "declared"
    last_ocv_v: float | None = None  # at rest, when it was last measured
    polarity: PolarityEvidence | None = None
    genealogy: Mapping[str, str] = field(default_factory=dict)
