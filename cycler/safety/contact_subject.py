"""Which cell a contact check should find at a position, and how a good one would answer there."""

from dataclasses import dataclass
from math import exp

from cycler.contract.capabilities import ChannelRange
from cycler.model.cell import LedgerState
from cycler.model.cell_type import CellType
from cycler.recipe.plan import ContactRule
from cycler.safety.contact_measures import Charged

FILM_V = 2.7
FILL_RATIO = 0.00121
"""The first charge of a graphite cell: V(q) = FILM_V - (FILM_V - V1) exp(-q / (FILL_RATIO × rated)).

From the first-charge table of NMC811 on graphite (0.24 V, 0.62 V after 0.02 % of rated, 1.63 V after 0.1 %), whose
rises it meets within 3 % up to 2.2 V. Graphite's first lithium shapes it, so other cathodes differ little.
"""
OHM_AH = 0.2
"""A cell's resistance times its capacity where its type has no limit: 20 to 36 mOhm at 5 Ah."""
UNFORMED_FACTOR = 2.0
"""Before formation resistance is 1.3 to 2 times that of the formed cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactSubject:
    """Which cell should be there, and how it is measured."""

    cell_type: CellType
    state: LedgerState
    channel: ChannelRange
    rule: ContactRule
    bipolar_sense: bool
    last_ocv_v: float | None = None
    polarity_proven: bool = False  # by ACIR, a camera or a person

    @property
    def filled(self) -> bool:
        """Never charged before."""
        return self.state == "filled"

    @property
    def tolerance_v(self) -> float:
        """Differences of one channel's readings below this mean nothing."""
        return 3 * self.channel.voltage_noise_v + self.channel.voltage_resolution_v

    @property
    def resistance_ohm(self) -> float:
        """The most that a good cell of this type and state has."""
        band = self.cell_type.limits.get("dcir_ohm")
        formed_ohm = OHM_AH / self.cell_type.rated_capacity_ah if band is None or band.high is None else band.high
        return formed_ohm * UNFORMED_FACTOR if self.filled else formed_ohm

    def expected_rise_v(self, rest_v: float, charged: Charged) -> float:
        """What the micro-charge should have done to a good cell, of the sort that is easily told from nothing."""
        if not self.filled:
            return charged.current_a * self.resistance_ohm / 2
        share = charged.moved_ah / self.cell_type.rated_capacity_ah
        return (FILM_V - rest_v) * (1 - exp(-share / FILL_RATIO))
