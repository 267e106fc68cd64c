"""All that a step machine must remember to go on from any reading, apart from the present reading itself."""

from typing import NamedTuple

import msgspec

from cycler.contract.order import Direction
from cycler.control.condition_watch import WatchState
from cycler.control.guard_watch import GuardState
from cycler.control.machine_events import RunEnd
from cycler.control.program_cursor import Cursor
from cycler.control.pulse_meter import PulseMeter, TrainMeter
from cycler.control.tagged import fields_of
from cycler.model.results import Counters, MeterValue, StepResult, StopReason


class Ended(msgspec.Struct, frozen=True):
    """How the present step's end was seen; its charge still counts until the next order is in force."""

    stop_reason: StopReason
    text: str
    duration_s: float
    voltage_v: float
    current_a: float


class LastSeen(NamedTuple):
    """The reading before the present one; when it was taken by the loop's clock, and what had flowed by then."""

    voltage_v: float
    current_a: float
    taken_s: float
    counters: Counters


class Awaited(msgspec.Struct, frozen=True):
    """The order that comes next; `order_id` is 0 until it has been given out. `first_phase` > 0: the step goes on."""

    cursor: Cursor
    first_phase: int
    since_s: float  # by the loop's clock
    before: LastSeen  # when it was asked for
    order_id: int = 0
    goes_on: bool = False  # the present step, from where it was interrupted


class StepProgress(msgspec.Struct):
    """The present step, from its first reading on."""

    cursor: Cursor
    entry: Counters
    entry_elapsed_s: float
    entry_temperature_degc: float
    entry_host_nas: int
    watches: list[WatchState]
    current: WatchState = msgspec.field(default_factory=WatchState)  # of the phase, if it should flow
    order_phase: int = 0  # the step's phase with which the order in force began
    phase: int = 0
    phase_started_s: float = 0.0
    timed_from_s: float = 0.0  # when its duration began: in a train at its time in the table, however late it was
    waited_s: float = 0.0  # for turns to pulse, in the phases before this one
    held: bool = False  # the phase has lasted long enough, and waits for the bay to let it go
    highest_v: float = 0.0
    cv_since_s: float | None = None
    bad_readings: int = 0
    gap_s: float = 0.0
    interrupted: bool = False  # control was lost in it
    charge_unknown: bool = False  # … and nobody knows what flowed meanwhile
    device_counted: bool = True
    pulse: PulseMeter | None = None
    pulse_began_order: bool = True  # the host timed its edge, by an order
    train: TrainMeter = msgspec.field(default_factory=TrainMeter)
    metered: MeterValue | None = None
    contact_ohm: float | None = None
    contact_looks: int = 0  # how many readings of a current may still be asked for the contacts
    slope_readings: list[tuple[float, float, float]] = msgspec.field(default_factory=list)
    air_was_off: bool = False  # the chamber's, at least once
    ended: Ended | None = None


class Climate(msgspec.Struct, frozen=True):
    """What the chamber of a cell is to keep, and whether it does."""

    low_degc: float
    high_degc: float
    air_is_off: bool


class RunProgress(msgspec.Struct):
    """A channel's run."""

    started_s: float
    step_count: int = 0
    cycle: int = 1
    discharged_since_charge: bool = False
    step: StepProgress | None = None
    awaited: Awaited | None = None
    over: RunEnd | None = None
    closed: bool = False
    precharged: bool = False  # the cell has passed the plan's latch, or a step has taken it for granted
    lower_armed: bool = True  # the formed envelope's lower bound guards; for a plan with a latch, from a voltage on
    guards: dict[int, GuardState] = msgspec.field(default_factory=dict)
    lowest_nas: int = 0  # net charge at the lowest point since the cell was last empty …
    highest_nas: int = 0  # … and at the highest one since it was last full
    climate: Climate | None = None  # None: nobody keeps one
    timed_s: float = 0.0  # of all closed steps whose time is bounded
    tags: dict[str, dict[str, float]] = msgspec.field(default_factory=dict)  # what the last valid step with each gave
    variables: dict[str, float] = msgspec.field(default_factory=dict)  # in V, A, s, K and their products

    def count_cycle(self, direction: Direction) -> None:
        """A step begins that counts, and as a whole goes in this direction; `rest` for one that does not count."""
        if direction == "charge":
            self.cycle += self.discharged_since_charge
            self.discharged_since_charge = False
        elif direction == "discharge":
            self.discharged_since_charge = True

    def turn(self, net_nas: int, *, is_full: bool, is_empty: bool) -> None:
        """A step has ended with this net charge since the run began: full and empty are known points."""
        self.lowest_nas = net_nas if is_empty else min(self.lowest_nas, net_nas)
        self.highest_nas = net_nas if is_full else max(self.highest_nas, net_nas)

    def remember(self, result: StepResult) -> None:
        """What later steps may refer to by the step's tag."""
        if result.tag is None or not result.is_valid:
            return
        self.tags[result.tag] = fields_of(result)
