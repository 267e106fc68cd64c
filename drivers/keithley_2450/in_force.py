"""The order that the instrument was last seen to hold. It knows set values only: the order's number is ours to keep."""

from dataclasses import dataclass

from cycler.contract.order import Phase
from cycler.contract.sweep import Regulation
from drivers.keithley_2450.measuring import Measured

SETTLED_S = 0.5  # by then an output that lets no current flow stands at its voltage


@dataclass(slots=True, kw_only=True)
class InForce:
    """An order whose settings have been read back, with the output seen on."""

    order_id: int
    phase: Phase  # as achieved
    since_s: float
    flow_a: float  # from here on current counts as flowing
    started_s: float | None = None  # the first reading with current; in a rest the first of all

    def regulation(self, measured: Measured) -> Regulation:
        """What the output holds, or `starting` as long as nothing of the order is to be seen at it."""
        if self.started_s is None:
            if measured.on and not self._has_begun(measured):
                return "starting"
            if measured.on:
                self.started_s = measured.taken_s
        return measured.regulation

    def step_time_s(self, now_s: float) -> float:
        """0 as long as it is starting."""
        return 0.0 if self.started_s is None else max(0.0, now_s - self.started_s)

    def _has_begun(self, measured: Measured) -> bool:
        if self.phase.direction == "rest" or abs(measured.current_a) >= self.flow_a:
            return True
        # A cell that stands at the voltage from the beginning lets none flow.
        return measured.regulation == "cv" and measured.taken_s - self.since_s >= SETTLED_S
