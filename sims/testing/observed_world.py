"""A simulated world that is looked at once more when control has let go of it, before its instruments lose power."""

from collections.abc import Mapping

from cycler.model.rack import PositionId
from sims.world import CellTruth, SimulatedWorld


class ObservedWorld(SimulatedWorld):
    """`left` is how every cell stood then, or None as long as control holds on."""

    left: Mapping[PositionId, CellTruth] | None = None

    async def aclose(self) -> None:
        """Look, then stop the instruments."""
        if self.left is None:
            positions = [position for bay in self.rack.bays.values() for position in bay.positions]
            self.left = {position: self.truth(position) for position in positions}
        await super().aclose()
