"""What of a phase every device refuses: more than its order's own limits allow, more than it has declared."""

from cycler.contract.capabilities import ChannelRange
from cycler.contract.order import DeviceLimits, Phase


def beyond_limits(phase: Phase, limits: DeviceLimits) -> str | None:
    """Why a phase that energises contradicts the limits of its order."""
    charges = phase.direction == "charge"
    bound_v = limits.voltage_v_max if charges else limits.voltage_v_min
    bound_a = limits.charge_current_a_max if charges else limits.discharge_current_a_max
    if bound_v is not None and (phase.voltage_v > bound_v if charges else phase.voltage_v < bound_v):
        return f"voltage_v {phase.voltage_v:g} lies beyond its own limit {bound_v:g}"
    if bound_a is not None and phase.current_a > bound_a:
        return f"current_a {phase.current_a:g} lies beyond its own limit {bound_a:g}"
    return None


def beyond_range(phase: Phase, able: ChannelRange) -> str | None:
    """Why a phase that energises at a voltage and a current is nothing for a channel of this range."""
    charges = phase.direction == "charge"
    current_a_max = able.charge_current_a_max if charges else able.discharge_current_a_max
    if not able.voltage_v_min <= phase.voltage_v <= able.voltage_v_max or (charges and phase.voltage_v == 0.0):
        return f"voltage_v {phase.voltage_v:g} lies outside {able.voltage_v_min:g} ... {able.voltage_v_max:g}"
    if not 0.0 < phase.current_a <= current_a_max:
        return f"current_a {phase.current_a:g} is not above 0 and at most {current_a_max:g}"
    return None
