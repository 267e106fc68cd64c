"""How long the steps of an order last: always a finite time, because the instrument goes on without its host."""

from collections.abc import Sequence

from cycler.contract.order import Order, Phase
from drivers.keysight_bt2200.commands import TIME_RESOLUTION_S, Mode
from drivers.keysight_bt2200.options import Options


def mode_of(phase: Phase, options: Options) -> Mode:
    """What a step is called that holds the phase."""
    match phase.direction:
        case "rest":
            return "REST"
        case "discharge":
            return "DISCHARGE"
        case "charge":
            return "PRECHARGE" if phase.voltage_v <= options.precharge_below_v else "CHARGE"


def time_end_s(phase: Phase) -> float | None:
    """After which time it is to end."""
    return min((end.value for end in phase.ends if end.quantity == "time_s"), default=None)


def time_s_max(order: Order, options: Options) -> float:
    """How long current may flow in it."""
    return options.time_s_max if order.limits.time_s_max is None else order.limits.time_s_max


def phase_times_s(order: Order, options: Options) -> list[float] | None:
    """Of each phase, without checks. One without a time of its own gets what the others leave; None where they leave
    nothing, or take too long themselves."""
    timed_s = [time_end_s(phase) for phase in order.phases]
    left_s = time_s_max(order, options) - sum(time_s for time_s in timed_s if time_s is not None)
    if left_s < 0.0 or (None in timed_s and left_s < TIME_RESOLUTION_S):
        return None
    return [left_s if time_s is None else time_s for time_s in timed_s]


def checks_of(phases: Sequence[Phase], options: Options) -> list[float]:
    """How long each begins with checks, before its current flows: a CHARGE does that nothing flowed before."""
    flowed = [False, *(phase.direction != "rest" for phase in phases)]
    return [
        options.start_delay_s if mode_of(phase, options) == "CHARGE" and not before else 0.0
        for phase, before in zip(phases, flowed, strict=False)
    ]
