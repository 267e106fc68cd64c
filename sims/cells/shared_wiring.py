"""The wiring of a bank where several supplies are in parallel on some of its cells.

What can be wrong with the leads of one supply (its contacts, its sense wires) is so with those of the last one.
"""

from collections.abc import Mapping, Sequence

from sims.cells.circuit import CellPhysics
from sims.cells.leads import Lead, Leads
from sims.cells.tables import Column
from sims.cells.wiring import OPEN_TERMINALS_V, Wiring, refuse_impossible
from sims.terminal import Supply, TerminalReading


class SharedWiring(Wiring):
    """As `Wiring`, which on rows with several supplies sees them as the one that they are together."""

    def __init__(self, cells: Sequence[CellPhysics | None], supplies: Mapping[int, int]) -> None:
        """`supplies`: how many there are on each row that has more than one."""
        super().__init__(cells)
        self.leads = {
            row: Leads([Lead(contact_ohm=float(self.contact_ohm[row])) for _ in range(number)])
            for row, number in supplies.items()
        }
        for row, number in supplies.items():
            self.contact_ohm[row] /= number

    # what is done to it

    def drive_lead(self, row: int, lead: int, supply: Supply) -> bool:
        """Whether anything changed. Raises `ValueError` for a supply that cannot be."""
        refuse_impossible(supply)
        if not self.leads[row].drive(lead, supply):
            return False
        self._connect(row)
        return True

    def break_lead(self, row: int, *, broken: bool) -> None:
        """One more gap between the last supply and the cell, or one less."""
        self.leads[row].break_last(broken=broken)
        self._connect(row)

    def add_contact(self, row: int, ohm: float) -> None:
        """More resistance in the current path, or less; the sense wires do not see it."""
        if row not in self.leads:
            super().add_contact(row, ohm)
        else:
            self.leads[row].last.contact_ohm += ohm
            self._connect(row)

    # what comes of it

    def aim(self, now_s: float, cells_v: Column) -> None:
        """Bring the misled rows up to date, and those with several supplies: which of them regulates now."""
        super().aim(now_s, cells_v)
        for row, leads in self.leads.items():
            if self.path_closed[row]:
                sense = self._senses.get(row)
                leads.last.seen_v = None if sense is None else self._seen_v(sense, now_s, cells_v)
                edge = leads.aim(self.sign(row) * float(cells_v[row]))
                self._bound(row, edge.voltage_v, edge.high_a, -edge.low_a)

    def pass_time(self, step_s: float, cells_v: Column, current_a: Column) -> None:
        """Each supply gives its part of these currents, and counts it."""
        for row, leads in self.leads.items():
            sign = self.sign(row)
            leads.pass_time(step_s, sign * float(cells_v[row]), sign * float(current_a[row]))

    def measure_lead(self, row: int, lead: int, now_s: float, cells_v: Column) -> TerminalReading:
        """What one of the supplies would see now."""
        leads, sense = self.leads[row], self._senses.get(row)
        own = leads.leads[lead]
        cell_v = OPEN_TERMINALS_V if self.absent[row] else self.sign(row) * float(cells_v[row])
        output_v = cell_v + own.flows_a * own.contact_ohm
        if own.breaks or not self.path_closed[row]:
            drives = own.supply.on and own.supply.source_current_a > 0
            output_v = own.supply.voltage_v if drives else OPEN_TERMINALS_V
        return TerminalReading(
            voltage_v=self._seen_v(sense, now_s, cells_v) if sense is not None and own is leads.last else cell_v,
            output_v=output_v,
            current_a=own.flows_a,
            regulation=own.regulation(cell_v),
            charged_ah=own.charged_as / 3600,
            discharged_ah=own.discharged_as / 3600,
        )

    # the machinery

    def _connect(self, row: int) -> None:
        if row in self.leads:
            self._supplies[row] = self.leads[row].together
        super()._connect(row)
        if row in self.leads:
            self._mark(self.misled, row, bool(self.on[row] and self.path_closed[row]))
