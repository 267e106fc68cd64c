"""What the numbers of a step depend on: the recipe's cell type and channel, and the turn it is executed in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Literal

from cycler.contract.capabilities import ChannelRange
from cycler.model.cell_type import CellType, Envelope
from cycler.recipe.bounds import trip_v
from cycler.recipe.dimensions import Dimension
from cycler.recipe.ledger_phase import StartOfLife
from cycler.recipe.model import PerTurn, RecordKeys
from cycler.recipe.plan import Condition, ContactGroup
from cycler.recipe.units import Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowering:
    """Of a whole recipe. Without a channel, nothing narrows the envelope but the recipe."""

    cell_type: CellType
    channel: ChannelRange | None
    record: RecordKeys
    targets: Mapping[str, int]  # where in the program a `goto` to this id leads
    life: StartOfLife
    group: ContactGroup
    variables: Mapping[str, Dimension] = field(default_factory=dict)  # all that the recipe sets


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Of one turn of a step, whose conditions are known."""

    lowering: Lowering
    envelope: Envelope
    turn: int
    until: tuple[Condition, ...]
    fail: tuple[Condition, ...]

    @property
    def cell_type(self) -> CellType:
        """Of the recipe."""
        return self.lowering.cell_type

    def at(self, values: PerTurn) -> Quantity | None:
        """The one of this turn; None where the step has none."""
        if not values:
            return None
        return values[self.turn] if len(values) > 1 else values[0]

    def ampere(self, current: Quantity) -> float:
        """A current, or a C-rate of the rated capacity."""
        return ampere(current, self.cell_type.rated_capacity_ah)

    def clamp_v(self, end_v: float, direction: Literal["charge", "discharge"]) -> float:
        """Halfway between the end and the trip: at the end itself a CC would regulate just short of it for ever."""
        return (end_v + trip_v(self.envelope, direction)) / 2

    def limit_a(self, direction: Literal["charge", "discharge"]) -> float:
        """The most that may flow where the recipe states no current."""
        channel = self.lowering.channel
        if direction == "charge":
            return min(self.envelope.charge_current_a, channel.charge_current_a_max if channel else inf)
        return min(self.envelope.discharge_current_a, channel.discharge_current_a_max if channel else inf)


def ampere(current: Quantity, rated_ah: float) -> float:
    """A current, or a C-rate of the rated capacity."""
    return current.number * (rated_ah if current.unit == "C" else 1.0)
