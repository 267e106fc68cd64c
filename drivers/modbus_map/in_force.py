"""The order that a channel was last seen to hold."""

from dataclasses import dataclass

from cycler.contract.order import Phase

START_S = 2.0


@dataclass(slots=True, kw_only=True)
class InForce:
    """An order that was read back. The device knows set values only, so its number is ours to keep."""

    order_id: int
    phase: Phase  # as achieved
    flow_a: float  # from here on current counts as flowing
    since_s: float
    started_s: float | None = None  # the first reading with current; in a rest the first that shows it open

    @property
    def energises(self) -> bool:
        """Whether its output has to be on."""
        return self.phase.direction != "rest"

    def step_time_s(self, taken_s: float, *, on: bool, current_a: float) -> float:
        """0 as long as nothing of the order is to be seen.

        One that stands at its voltage from the start lets no current flow: then it has begun once it must have.
        """
        if self.started_s is None:
            flows = abs(current_a) >= self.flow_a or taken_s - self.since_s >= START_S
            if (on and flows) if self.energises else not on:
                self.started_s = taken_s
        return 0.0 if self.started_s is None else max(0.0, taken_s - self.started_s)
