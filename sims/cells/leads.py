"""Several supplies on one cell, each with contacts of its own: what flows through which of them.

Below its set voltage a supply sources what it may, above it it sinks that; so all of them together are steps that fall
with the voltage, and the cell comes to rest on one of the steps or at the edge between two, where one supply regulates.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sims.cells.wiring import LEAD_DROP_V_MAX
from sims.terminal import Supply, TrueRegulation

SAFE_V = 0.1  # power limits divide by no less
SAME_A, SAME_V = 1e-9, 1e-9
RESISTED_V = 1e-3  # so much may the cell have moved since what flows through a resistance was shared out


class Edge(NamedTuple):
    """At this voltage, anything from `low_a` to `high_a` may flow into the cell."""

    voltage_v: float
    high_a: float
    low_a: float


@dataclass(slots=True)
class Lead:
    """One supply's way to the cell. `seen_v`: what its sense wires show, where that is not the cell."""

    contact_ohm: float
    supply: Supply = field(default_factory=Supply)
    breaks: int = 0
    seen_v: float | None = None
    flows_a: float = 0.0
    charged_as: float = 0.0
    discharged_as: float = 0.0

    @property
    def reaches(self) -> bool:
        """On, and its path closed."""
        return self.supply.on and not self.breaks

    def limits(self, cell_v: float) -> tuple[float, float, float]:
        """The voltage that it regulates, and what it then sources and sinks at most."""
        supply, at_v = self.supply, max(abs(cell_v), SAFE_V)
        source_a = min(supply.source_current_a, supply.source_power_w / at_v)
        sink_a = min(supply.sink_current_a, supply.sink_power_w / at_v)
        set_v, seen_v = supply.voltage_v, cell_v if self.seen_v is None else self.seen_v
        if supply.sink_resistance_ohm:
            sink_a = min(sink_a, max(seen_v, 0.0) / supply.sink_resistance_ohm)
        if self.seen_v is not None:
            if self.seen_v < set_v:  # it pushes in vain, as far as its output goes …
                return set_v + LEAD_DROP_V_MAX, source_a, 0.0
            return 0.0, 0.0, sink_a  # … or pulls in vain
        if self.contact_ohm > 0:
            source_a = min(source_a, max(set_v + LEAD_DROP_V_MAX - cell_v, 0.0) / self.contact_ohm)
            sink_a = min(sink_a, max(cell_v, 0.0) / self.contact_ohm)
        return set_v, source_a, sink_a

    def regulation(self, cell_v: float) -> TrueRegulation:
        """What its instrument shows."""
        if not self.supply.on:
            return "off"
        given_a = abs(self.flows_a)
        most_a, most_w = (
            (self.supply.source_current_a, self.supply.source_power_w)
            if self.flows_a > 0
            else (self.supply.sink_current_a, self.supply.sink_power_w)
        )
        if given_a <= SAME_A:
            return "cv"
        if given_a >= most_a - SAME_A:
            return "cc"
        if given_a >= most_w / max(abs(cell_v), SAFE_V) - SAME_A:
            return "cp"
        through_ohm = self.supply.sink_resistance_ohm if self.flows_a < 0 else 0.0
        return "cr" if through_ohm and cell_v - given_a * through_ohm <= RESISTED_V else "cv"


class Leads:
    """All on one cell. Currents are positive into it, as the supplies see it."""

    def __init__(self, leads: Sequence[Lead]) -> None:
        self.leads = tuple(leads)
        self._place: int | None = None  # of the edge in force; None: to be found anew

    @property
    def together(self) -> Supply:
        """One supply that reaches the cell if any of them does, and may do whatever they may do together."""
        reaching = [lead.supply for lead in self.leads if lead.reaches]
        return Supply(
            on=bool(reaching),
            voltage_v=max((supply.voltage_v for supply in reaching), default=0.0),
            source_current_a=sum(supply.source_current_a for supply in reaching),
            sink_current_a=sum(supply.sink_current_a for supply in reaching),
        )

    def drive(self, lead: int, supply: Supply) -> bool:
        """Whether anything changed."""
        if supply == self.leads[lead].supply:
            return False
        self.leads[lead].supply = supply
        self._place = None
        return True

    def break_last(self, *, broken: bool) -> None:
        """One more gap in the path of the last one, or one less."""
        self.last.breaks += 1 if broken else -1
        self._place = None

    @property
    def last(self) -> Lead:
        """The one whose leads may be bad."""
        return self.leads[-1]

    def edges(self, cell_v: float) -> list[Edge]:
        """With rising voltage; none where nothing reaches the cell."""
        limits = sorted(lead.limits(cell_v) for lead in self.leads if lead.reaches)
        flows_a = sum(source_a for _, source_a, _ in limits)
        found = []
        for set_v, source_a, sink_a in limits:
            found.append(Edge(set_v, flows_a, flows_a - source_a - sink_a))
            flows_a = found[-1].low_a
        return found

    def aim(self, cell_v: float) -> Edge:
        """The edge that holds from here on, where the cell is at this voltage and what was shared out last flows."""
        edges = self.edges(cell_v)
        if not edges:
            return Edge(0.0, 0.0, 0.0)
        current_a, place = sum(lead.flows_a for lead in self.leads), self._place
        if place is None or place >= len(edges):
            place = next((n for n, edge in enumerate(edges) if cell_v < edge.voltage_v), len(edges) - 1)
        elif place + 1 < len(edges) and current_a <= edges[place].low_a + SAME_A:
            place += cell_v >= edges[place].voltage_v - SAME_V
        elif place and current_a >= edges[place].high_a - SAME_A:
            place -= cell_v < edges[place - 1].voltage_v
        self._place = place
        return edges[place]

    def share_out(self, cell_v: float, current_a: float) -> None:
        """Who gives what of this current: below its voltage each sources, beginning with the highest."""
        for lead in self.leads:
            lead.flows_a = 0.0
        reaching = sorted(
            ((*lead.limits(cell_v), number) for number, lead in enumerate(self.leads) if lead.reaches), reverse=True
        )
        left_a = current_a + sum(sink_a for _, _, sink_a, _ in reaching)
        for _, source_a, sink_a, number in reaching:
            above_a = min(max(left_a, 0.0), source_a + sink_a)
            self.leads[number].flows_a = above_a - sink_a
            left_a -= above_a

    def pass_time(self, step_s: float, cell_v: float, current_a: float) -> None:
        """Share out what flows, and count it."""
        self.share_out(cell_v, current_a)
        for lead in self.leads:
            if lead.flows_a > 0:
                lead.charged_as += lead.flows_a * step_s
            else:
                lead.discharged_as -= lead.flows_a * step_s
