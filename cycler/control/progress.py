"""All that a step machine must remember to go on from any reading, apart from the present reading itself."""

import msgspec

from cycler.control.condition_watch import WatchState
from cycler.control.guard_watch import GuardState
from cycler.control.machine_events import RunEnd
from cycler.control.program_cursor import Cursor
from cycler.control.pulse_meter import PulseMeter
from cycler.model.results import Counters, StopReason


class Ended(msgspec.Struct, frozen=True):
    """How the present step's end was seen; its charge still counts until the next order is in force."""

    stop_reason: StopReason
    text: str
    duration_s: float
    voltage_v: float
    current_a: float


class Awaited(msgspec.Struct, frozen=True):
    """The order that comes next; `order_id` is 0 until it has been given out. `first_phase` > 0: the step goes on."""

    cursor: Cursor
    first_phase: int
    since_s: float  # by the loop's clock
    order_id: int = 0


class StepProgress(msgspec.Struct):
    """The present step, from its first reading on."""

    cursor: Cursor
    entry: Counters
    entry_elapsed_s: float
    entry_temperature_degc: float
    entry_host_nas: int
    watches: list[WatchState]
    order_phase: int = 0  # the step's phase with which the order in force began
    phase: int = 0
    phase_started_s: float = 0.0
    highest_v: float = 0.0
    cv_since_s: float | None = None
    bad_readings: int = 0
    gap_s: float = 0.0
    device_counted: bool = True
    pulse: PulseMeter | None = None
    slope_readings: list[tuple[float, float, float]] = msgspec.field(default_factory=list)
    ended: Ended | None = None


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
    guards: dict[int, GuardState] = msgspec.field(default_factory=dict)
    tags: dict[str, tuple[float, float]] = msgspec.field(default_factory=dict)  # last valid Ah and Wh
