"""What there is to judge a cell by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cycler.model.cell import Cell
from cycler.model.cell_type import CellType
from cycler.model.rack import PositionId
from cycler.model.results import CellOutcome, StepResult
from cycler.model.run import Run

Floats = NDArray[np.float64]


class Samples(Protocol):
    """One cell's samples, as columns in the order of time; `step_count` never falls. NaN where a value is missing."""

    @property
    def elapsed_s(self) -> Floats: ...
    @property
    def step_count(self) -> NDArray[np.int64]: ...
    @property
    def step_time_s(self) -> Floats: ...
    @property
    def voltage_v(self) -> Floats: ...
    @property
    def current_a(self) -> Floats: ...
    @property
    def temperature_degc(self) -> Floats: ...
    @property
    def charged_ah(self) -> Floats: ...
    @property
    def discharged_ah(self) -> Floats: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRecord:
    """One cell of one run. `samples` is None for a cell that was never energised.

    `earlier`: the steps of other recipes on this cell since it was filled, where its first cycle began in them.
    """

    run: Run
    position: PositionId
    cell_type: CellType
    outcome: CellOutcome
    steps: Sequence[StepResult]
    samples: Samples | None = None
    earlier: Sequence[StepResult] = ()

    @property
    def cell(self) -> Cell:
        """As it stood at the start."""
        return self.run.cells[self.position]

    def rows(self, step_count: int) -> slice:
        """Of `samples`, those of one executed step."""
        if self.samples is None:
            return slice(0, 0)
        first, after = np.searchsorted(self.samples.step_count, [step_count, step_count + 1])
        return slice(int(first), int(after))
