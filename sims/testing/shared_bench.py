"""A bench cell on which several instruments, or channels of one, are in parallel."""

import asyncio

from sims.cells.leads import Lead, Leads
from sims.terminal import Supply, TerminalReading
from sims.testing.bench import RESISTANCE_OHM, SLOPE_V_PER_C, BenchCell

STEP_S = 0.02


class SharedCell:
    """`leads` are its terminals. Time goes on in short steps, within which what flows does not change."""

    def __init__(self, supplies: int, voltage_v: float = 3.5) -> None:
        self.leads = tuple(BenchLead(self, number) for number in range(supplies))
        self._supplies = Leads([Lead(contact_ohm=0.0) for _ in range(supplies)])
        self._ocv_v = voltage_v
        self._now_s: float | None = None

    def drive(self, lead: int, supply: Supply) -> None:
        """Takes effect now."""
        self._advance()
        self._supplies.drive(lead, supply)

    def measure(self, lead: int) -> TerminalReading:
        """What a perfect instrument would see there now."""
        voltage_v = self.voltage_v()
        own = self._supplies.leads[lead]
        return TerminalReading(
            voltage_v=voltage_v,
            output_v=voltage_v,
            current_a=own.flows_a,
            regulation=own.regulation(voltage_v),
            charged_ah=own.charged_as / 3600.0,
            discharged_ah=own.discharged_as / 3600.0,
        )

    def place(self, voltage_v: float) -> None:
        """Swap the cell for one with this open-circuit voltage."""
        self._advance()
        self._ocv_v = voltage_v

    def voltage_v(self) -> float:
        """Of the cell, now."""
        self._advance()
        current_a = self._current_a()
        voltage_v = self._ocv_v + current_a * RESISTANCE_OHM
        self._supplies.share_out(voltage_v, current_a)
        return voltage_v

    def current_a(self) -> float:
        """Through all of them together, now."""
        self._advance()
        return self._current_a()

    @property
    def is_closed(self) -> bool:
        """Whether any relay is."""
        return any(lead.supply.on for lead in self._supplies.leads)

    def would_flow_a(self, cell_v: float) -> float:
        """The current into a stiff cell of this voltage, as the supplies stand now."""
        return sum(BenchCell.limit_a(lead.supply, cell_v) for lead in self._supplies.leads)

    def _current_a(self) -> float:
        current_a = 0.0
        for edge in self._supplies.edges(self._ocv_v):
            to_voltage_a = (edge.voltage_v - self._ocv_v) / RESISTANCE_OHM
            current_a = min(max(to_voltage_a, edge.low_a), edge.high_a)
            if current_a > edge.low_a:
                break
        return current_a

    def _advance(self) -> None:
        now_s = asyncio.get_running_loop().time()
        left_s = now_s - (now_s if self._now_s is None else self._now_s)
        self._now_s = now_s
        while left_s > 0.0 and (current_a := self._current_a()) != 0.0:
            step_s = min(left_s, STEP_S)
            self._supplies.pass_time(step_s, self._ocv_v + current_a * RESISTANCE_OHM, current_a)
            self._ocv_v += current_a * step_s * SLOPE_V_PER_C
            left_s -= step_s


class BenchLead(BenchCell):
    """One of its terminals."""

    def __init__(self, cell: SharedCell, number: int) -> None:
        super().__init__()
        self.shared = cell
        self._number = number

    def drive(self, supply: Supply) -> None:
        """Set the supply; it takes effect now."""
        self.supply = supply
        self.shared.drive(self._number, supply)

    def measure(self) -> TerminalReading:
        """What a perfect instrument would see now."""
        return self.shared.measure(self._number)

    def place(self, voltage_v: float) -> None:
        """Swap the cell."""
        self.shared.place(voltage_v)
