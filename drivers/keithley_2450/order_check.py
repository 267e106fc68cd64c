"""Which orders the instrument can execute as they are."""

from cycler.contract.errors import DeviceFault
from cycler.contract.order import Order, Phase
from cycler.contract.order_check import beyond_limits
from drivers.keithley_2450.declaration import Scale


def acceptable_phase(device: str, order: Order, scale: Scale) -> Phase:
    """The one phase of the order. Raises `DeviceFault` saying why the instrument cannot execute it."""
    why = _refusal(order, scale)
    if why is not None:
        raise DeviceFault(device, f"order {order.order_id} refused: {why}")
    return order.phases[0]


def _refusal(order: Order, scale: Scale) -> str | None:
    if len(order.phases) != 1:
        return f"it has {len(order.phases)} phases, this device holds 1"
    if order.dead_man_s is not None:
        return f"it must open {order.dead_man_s:g} s after its host fell silent, this device has no watchdog"
    phase = order.phases[0]
    if phase.direction == "rest":
        return None
    if phase.power_w is not None:
        return "constant power is not driven on this device"
    if phase.resistance_ohm is not None:
        return "constant resistance is not driven on this device"
    if phase.ends:
        return "this device ends no phase by itself"
    return beyond_limits(phase, order.limits) or _beyond_device(phase, scale)


def _beyond_device(phase: Phase, scale: Scale) -> str | None:
    lowest_v = scale.voltage_step_v if phase.direction == "charge" else 0.0
    if not lowest_v <= phase.voltage_v <= scale.voltage_v_max:
        return f"voltage_v {phase.voltage_v:g} lies outside {lowest_v:g} ... {scale.voltage_v_max:g}"
    if not scale.current_a_min <= phase.current_a <= scale.current_a_max:
        return f"current_a {phase.current_a:g} lies outside {scale.current_a_min:.3g} ... {scale.current_a_max:.4g}"
    # Sinking, it sees the whole cell, which may stand anywhere in the channel's range.
    power_w = phase.current_a * (phase.voltage_v if phase.direction == "charge" else scale.voltage_v_max)
    if power_w > scale.power_w_max:
        return f"up to {power_w:.3g} W lie above the {scale.power_w_max:g} W of this model"
    return None
