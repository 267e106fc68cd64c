"""Which orders the instrument can execute as they are."""

import math

from cycler.contract.capabilities import ChannelRange
from cycler.contract.order import DeviceEnd, DeviceLimits, Order, Phase
from cycler.contract.order_check import beyond_limits, beyond_range
from drivers.keysight_bt2200.declaration import PHASES_MAX
from drivers.keysight_bt2200.options import Options
from drivers.keysight_bt2200.step_times import checks_of, phase_times_s, time_end_s, time_s_max


def refusal(order: Order, channel: ChannelRange, options: Options) -> str | None:
    """Why not; None where it can."""
    if not 1 <= len(order.phases) <= PHASES_MAX:
        return f"it has {len(order.phases)} phases, a sequence takes 1 to {PHASES_MAX}"
    for name in DeviceLimits.__dataclass_fields__:
        limit: float | None = getattr(order.limits, name)
        if limit is not None and not math.isfinite(limit):
            return f"its limit {name} is {limit}"
    for phase in order.phases:
        if (why := _phase_refusal(phase, order.limits, channel)) is not None:
            return why
    moves = [phase for phase in order.phases if phase.direction != "rest"]
    if any(end.quantity == "charge_ah" for phase in moves[1:] for end in phase.ends):
        return "only the first phase with current can end by charge: whether a step counts from 0 is not known"
    if sum(time_end_s(phase) is None for phase in order.phases) > 1:
        return "more than one of its phases has no time: a step of a sequence always lasts a finite time"
    times_s = phase_times_s(order, options)
    if times_s is None:
        return f"its phases take longer than the {time_s_max(order, options):g} s that it may last"
    lasts_s = sum(times_s) + sum(checks_of(order.phases, options))
    if order.dead_man_s is not None and not lasts_s <= order.dead_man_s:
        return (
            f"it must open {order.dead_man_s:g} s after its host fell silent; this instrument does not notice that, "
            f"and goes on for {lasts_s:g} s"
        )
    return None


def _phase_refusal(phase: Phase, limits: DeviceLimits, channel: ChannelRange) -> str | None:
    for end in phase.ends:
        if (why := _end_refusal(end, phase)) is not None:
            return why
    if phase.direction == "rest":
        return None
    if phase.power_w is not None or phase.resistance_ohm is not None:
        return "it regulates current and voltage only"
    return beyond_range(phase, channel) or beyond_limits(phase, limits)


def _end_refusal(end: DeviceEnd, phase: Phase) -> str | None:
    if not (math.isfinite(end.value) and end.value >= 0.0):
        return f"an end at {end.quantity} {end.value}"
    if end.quantity == "time_s":
        return None if end.relation == ">=" and end.value > 0.0 else f"an end at time_s {end.relation} {end.value:g}"
    if phase.direction == "rest":
        return f"a rest does not end by {end.quantity}"
    if phase.direction == "discharge" and end.quantity == "current_a":
        return "a discharge does not end by current: with which sign the instrument compares it is not known"
    falls = end.quantity == "current_a" or (end.quantity == "voltage_v" and phase.direction == "discharge")
    if end.relation != ("<=" if falls else ">="):
        return f"a {phase.direction} does not end by {end.quantity} {end.relation}"
    return None
