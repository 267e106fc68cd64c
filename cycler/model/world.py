"""What a simulated world is declared to contain (`world.yaml`). Numbers are SI; nothing is wrong by default."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cycler.model.cell_type import CellType
from cycler.model.rack import PositionId

FAULTS_OF_THE_PC = frozenset({"clock-step"})
"""No device of the rack has them: `Fault.device` is empty."""


class WorldError(ValueError):
    """A declaration that cannot be simulated. `line`: of the entry at fault, as the declaration gives it."""

    def __init__(self, message: str, *, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedCell:
    """What stands at a position. `state` overrides the cell type's own, like `formed@30%`."""

    cell_type: CellType
    state: str | None = None
    line: int = 0  # of the world file, 0 where none says it


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """Something wrong with a cell, its contacts, its wires or its tray: what, where, how much, from when, how long.

    With a `rate_per_s` it comes and goes: it begins so often on average, and stays `for_s` each time.
    """

    at: str  # a position, or a bay with `probability`
    defect: str
    numbers: Mapping[str, float] = field(default_factory=dict)  # factor, resistance_ohm …
    cell: SimulatedCell | None = None  # the cell that is there by mistake
    other: str | None = None  # the position that wires are mixed up with; None: the next one in the bay
    from_s: float = 0.0
    for_s: float | None = None  # None: for good
    rate_per_s: float = 0.0
    probability: float = 1.0
    line: int = 0  # of the world file


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that a device does wrong: what, from when, how long, how often, as `Defect` says it."""

    device: str  # empty for a fault of the PC itself
    channel: str | None = None  # a channel or line of it; None: all, or the device as a whole
    fault: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    from_s: float = 0.0
    for_s: float | None = None
    rate_per_s: float = 0.0
    probability: float = 1.0
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldDeclaration:
    """A whole world. Positions without a cell are empty."""

    file: str = ""  # empty where no file declares it
    seed: int = 1
    ambient_degc: float = 25.0
    ideal: bool = False  # no spread, noise, instrument error or unevenness
    cells: Mapping[PositionId, SimulatedCell]
    defects: tuple[Defect, ...] = ()
    faults: tuple[Fault, ...] = ()
