"""Which orders the device can execute as they are, and which of their limits it keeps by itself."""

from cycler.contract.errors import DeviceFault
from cycler.contract.order import DeviceLimits, Order, Phase
from drivers.ea_psb.commissioning import Kept, Thresholds
from drivers.ea_psb.registers import STEPS, Ratings, raw_at_most


def acceptable_phase(device: str, order: Order, ratings: Ratings, kept: Kept) -> Phase:
    """The one phase of the order. Raises `DeviceFault` saying why the device cannot execute it."""
    why = _refusal(order, ratings, kept)
    if why is not None:
        raise DeviceFault(device, f"order {order.order_id} refused: {why}")
    return order.phases[0]


def limits_kept(asked: DeviceLimits, thresholds: Thresholds) -> DeviceLimits:
    """Of the limits asked for those that a protection threshold keeps, as read back at commissioning.

    The thresholds are the device's, not the order's: over Modbus their registers are not documented well enough to
    rest on, and SCPI has no say while Modbus is in control.
    """

    def within(threshold: float | None, limit: float | None) -> float | None:
        return threshold if threshold is not None and limit is not None and threshold <= limit else None

    powers_w = (thresholds.source_power_w, thresholds.sink_power_w)
    return DeviceLimits(
        voltage_v_max=within(thresholds.over_voltage_v, asked.voltage_v_max),
        charge_current_a_max=within(thresholds.source_current_a, asked.charge_current_a_max),
        discharge_current_a_max=within(thresholds.sink_current_a, asked.discharge_current_a_max),
        power_w_max=within(None if None in powers_w else max(w for w in powers_w if w is not None), asked.power_w_max),
    )


def _refusal(order: Order, ratings: Ratings, kept: Kept) -> str | None:
    if len(order.phases) != 1:
        return f"it has {len(order.phases)} phases, this device holds 1"
    phase, limits, thresholds = order.phases[0], order.limits, kept.thresholds
    if order.dead_man_s is not None and (kept.watchdog_s is None or kept.watchdog_s > order.dead_man_s):
        has = "is not known to be on" if kept.watchdog_s is None else f"takes {kept.watchdog_s:g} s"
        return f"it must open {order.dead_man_s:g} s after its host fell silent, the device's watchdog {has}"
    if phase.direction == "rest":
        return None
    if phase.resistance_ohm is not None:
        return "constant resistance is not driven on this device"
    charges = phase.direction == "charge"
    bound_v = limits.voltage_v_max if charges else limits.voltage_v_min
    bound_a = limits.charge_current_a_max if charges else limits.discharge_current_a_max
    opens_a = thresholds.source_current_a if charges else thresholds.sink_current_a
    opens_w = thresholds.source_power_w if charges else thresholds.sink_power_w
    if bound_v is not None and (phase.voltage_v > bound_v if charges else phase.voltage_v < bound_v):
        return f"voltage_v {phase.voltage_v:g} lies beyond its own limit {bound_v:g}"
    if bound_a is not None and phase.current_a > bound_a:
        return f"current_a {phase.current_a:g} lies beyond its own limit {bound_a:g}"
    return (
        _out_of_range("voltage_v", phase.voltage_v, ratings.voltage_v, thresholds.over_voltage_v)
        or _out_of_range("current_a", phase.current_a, ratings.current_a, opens_a)
        or (phase.power_w is not None and _out_of_range("power_w", phase.power_w, ratings.power_w, opens_w))
        or (
            limits.power_w_max is not None
            and _out_of_range("power_w_max", min(limits.power_w_max, ratings.power_w), ratings.power_w, None)
        )
        or None
    )


def _out_of_range(name: str, value: float, rated: float, opens_at: float | None) -> str | None:
    if not 0.0 < value <= rated or raw_at_most(value, rated) == 0:
        return f"{name} {value:g} lies outside {rated / STEPS:.3g} ... {rated:g}"
    if opens_at is not None and value >= opens_at:
        return f"{name} {value:g} reaches the protection that opens the output at {opens_at:g}"
    return None
