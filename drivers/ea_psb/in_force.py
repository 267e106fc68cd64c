"""The order that the supply was last seen to hold. It knows set values only, so the order's number is ours to keep."""

from dataclasses import dataclass

from cycler.contract.order import Phase
from cycler.contract.sweep import Regulation
from drivers.ea_psb.instrument import CONFIRM_S, Measured


@dataclass(slots=True, kw_only=True)
class InForce:
    """An order whose set values have been read back, or whose output has been seen open."""

    order_id: int
    phase: Phase  # as achieved
    since_s: float
    flow_a: float  # from here on current counts as flowing
    started_s: float | None = None  # the first reading with current; in a rest the first that shows the relay open

    @property
    def energises(self) -> bool:
        """Whether its output has to be on."""
        return self.phase.direction != "rest"

    def regulation(self, measured: Measured, *, accuracy_v: float) -> Regulation:
        """What the output holds, or `starting` as long as nothing of the order is to be seen at it.

        An output that stands at its voltage from the start lets no current flow: then the order has begun as soon as
        the set values must have taken effect.
        """
        regulation = measured.status.regulation
        if self.started_s is None:
            on = measured.status.output_on
            if on and regulation != "limited" and not self._flows(measured, accuracy_v):
                return "starting"
            if on or not self.energises:
                self.started_s = measured.taken_s
        return regulation

    def step_time_s(self, now_s: float) -> float:
        """0 as long as it is starting."""
        return 0.0 if self.started_s is None else max(0.0, now_s - self.started_s)

    def _flows(self, measured: Measured, accuracy_v: float) -> bool:
        if abs(measured.current_a) >= self.flow_a:
            return True
        short_v = self.phase.voltage_v - measured.voltage_v
        distance_v = short_v if self.phase.direction == "charge" else -short_v
        return distance_v <= accuracy_v and measured.taken_s - self.since_s >= CONFIRM_S
