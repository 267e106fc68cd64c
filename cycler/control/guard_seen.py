"""A reading as the guards see it: beside its values, what was seen before it, and what the device should be doing."""

from typing import NamedTuple

from cycler.contract.sweep import Regulation
from cycler.model.results import Counters
from cycler.recipe.plan import PlanPhase
from cycler.safety.contact_check import FLOWS_RATIO

JUMP_S_MAX = 10.0
"""What lies farther apart than this are not two readings of one movement."""

REGULATED_AFTER_S, SETTLED_AFTER_S = 5.0, 30.0
"""From the begin of a phase: by then its current is regulated; by then the cell has followed it, too."""


class Seen(NamedTuple):
    """`moved` is in the step. The phase is None where no reading has shown yet that the device is in it.

    The charge since the cell was last full or empty: in, since the lowest point; out, since the highest.
    """

    taken_s: float
    voltage_v: float
    current_a: float
    temperature_degc: float
    apart_v: float
    step_time_s: float
    moved: Counters
    in_ah: float
    out_ah: float
    regulation: Regulation
    regulated_before: Regulation
    voltage_before_v: float
    current_before_a: float
    since_s: float  # the reading before
    phase: PlanPhase | None
    phase_time_s: float
    stretch: tuple[int, int]  # order and phase: what changes from one to another is no movement of the cell

    @property
    def along_a(self) -> float:
        """The current in the direction of the phase."""
        return -self.current_a if self.phase is not None and self.phase.direction == "discharge" else self.current_a

    @property
    def is_steady(self) -> bool:
        """Long enough within one phase that this reading and the one before it belong together."""
        return self.phase is not None and self.phase_time_s >= SETTLED_AFTER_S and self.since_s <= JUMP_S_MAX


def holds_current(seen: Seen) -> bool:
    """The device says that it regulates the current that was set."""
    phase = seen.phase
    return seen.regulation == "cc" and phase is not None and phase.power_w is None and phase.resistance_ohm is None


def current_off_a(seen: Seen) -> float:
    """How far the current is above the set one, in CC; 0 where that says nothing. Less than half is a lost contact's
    matter.
    """
    if not holds_current(seen) or seen.phase is None or seen.phase_time_s < REGULATED_AFTER_S:
        return 0.0
    set_a = seen.phase.current_a
    return 0.0 if seen.along_a < FLOWS_RATIO * set_a else seen.along_a - set_a


def voltage_off_v(seen: Seen, *, nothing_a: float) -> float:
    """How far the voltage is above the one that the device says it holds; 0 where that says nothing.

    Without a current, `nothing_a` or less, it holds no cell: that is a lost contact's matter.
    """
    if seen.regulation != "cv" or seen.phase is None or seen.phase_time_s < REGULATED_AFTER_S:
        return 0.0
    if seen.along_a <= nothing_a:
        return 0.0
    return seen.voltage_v - seen.phase.voltage_v
