"""How the simulated cycler takes an order: what it refuses, and what it makes of the rest by its own resolution."""

import math
from dataclasses import replace

from cycler.contract.capabilities import Capabilities, ChannelRange
from cycler.contract.order import DeviceEnd, DeviceLimits, Order, Phase
from sims.devices.metrology import round_down, round_up


def achieve(order: Order, capabilities: Capabilities) -> Order:
    """The order as the device will execute it: never more current, never a wider voltage than was ordered.

    Raises `ValueError` for what the device cannot do.
    """
    if not 1 <= len(order.phases) <= capabilities.phases_max:
        raise ValueError(f"{len(order.phases)} phases; the device holds 1 to {capabilities.phases_max}")
    if order.dead_man_s is not None and not order.dead_man_s > 0.0:
        raise ValueError(f"a dead-man of {order.dead_man_s} s")
    for phase in order.phases[:-1]:
        if not phase.ends:
            raise ValueError("a phase before the last never ends")
    _check_limits(order.limits)
    return replace(order, phases=tuple(_achieve_phase(phase, capabilities) for phase in order.phases))


def _achieve_phase(phase: Phase, capabilities: Capabilities) -> Phase:
    for end in phase.ends:
        _check_end(end, phase, capabilities)
    if phase.direction == "rest":
        return Phase(direction="rest", ends=phase.ends)
    limits = capabilities.range
    if phase.resistance_ohm is not None:
        if phase.direction == "charge":
            raise ValueError("it charges at no resistance")
        if phase.power_w is not None:
            raise ValueError("it holds a power or a resistance, not both")
        _check_within("resistance", phase.resistance_ohm, limits.resistance_ohm_min, limits.resistance_ohm_max, "Ohm")
    current_a_max = limits.charge_current_a_max if phase.direction == "charge" else limits.discharge_current_a_max
    _check_within("current", phase.current_a, 0.0, current_a_max, "A")
    _check_within("voltage", phase.voltage_v, limits.voltage_v_min, limits.voltage_v_max, "V")
    if phase.power_w is not None:
        _check_within("power", phase.power_w, 0.0, limits.power_w_max, "W")
    return replace(
        phase, voltage_v=_achieve_voltage_v(phase, limits), current_a=_achieve_current_a(phase.current_a, limits)
    )


def _achieve_voltage_v(phase: Phase, limits: ChannelRange) -> float:
    to_step = round_down if phase.direction == "charge" else round_up
    return to_step(phase.voltage_v, limits.voltage_resolution_v)


def _achieve_current_a(current_a: float, limits: ChannelRange) -> float:
    achieved_a = round_down(current_a, limits.current_resolution_a)
    if achieved_a == 0.0 and current_a > 0.0:
        raise ValueError(f"current {current_a:g} A is below its resolution of {limits.current_resolution_a:g} A")
    return achieved_a


def _check_within(name: str, value: float, low: float, high: float, unit: str) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{name} {value:g} {unit} is outside {low:g} to {high:g} {unit}")


def _check_end(end: DeviceEnd, phase: Phase, capabilities: Capabilities) -> None:
    if end.quantity not in capabilities.ends or (phase.direction == "rest" and end.quantity != "time_s"):
        raise ValueError(f"it cannot end a {phase.direction} by {end.quantity}")
    falling = end.quantity == "current_a" or (end.quantity == "voltage_v" and phase.direction == "discharge")
    if end.relation != ("<=" if falling else ">="):
        raise ValueError(f"it cannot end a {phase.direction} by {end.quantity} {end.relation}")
    if not math.isfinite(end.value):
        raise ValueError(f"an end at {end.value}")


def _check_limits(limits: DeviceLimits) -> None:
    for name in DeviceLimits.__dataclass_fields__:
        value: float | None = getattr(limits, name)
        if value is not None and not math.isfinite(value):
            raise ValueError(f"limit {name} is {value}")
