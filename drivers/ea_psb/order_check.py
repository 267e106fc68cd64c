"""Which orders the device can execute as they are, and which of their limits it keeps by itself."""

from collections.abc import Callable

from cycler.contract.errors import DeviceFault
from cycler.contract.order import DeviceLimits, Order, Phase
from cycler.contract.order_check import beyond_limits
from drivers.ea_psb.connected import Connected
from drivers.ea_psb.reach import highest
from drivers.ea_psb.scale import FULL_SCALE, Ratings, raw_at_least, raw_at_most, real
from drivers.ea_psb.set_values import VOLTAGE_ROUNDING
from drivers.ea_psb.thresholds import (
    OVER_CURRENT,
    OVER_POWER,
    OVER_VOLTAGE,
    SINK_OVER_CURRENT,
    SINK_OVER_POWER,
    Thresholds,
)

SMALLEST = 2  # the first count above 0 that the device can hold


def acceptable_phase(device: str, order: Order, connected: Connected) -> Phase:
    """The one phase of the order. Raises `DeviceFault` saying why the device cannot execute it."""
    why = _refusal(order, connected)
    if why is not None:
        raise DeviceFault(device, f"order {order.order_id} refused: {why}")
    return order.phases[0]


def limits_kept(asked: DeviceLimits, standing: Thresholds) -> DeviceLimits:
    """Of the limits asked for those that a protection threshold keeps, as read back at commissioning.

    The thresholds are the device's, not the order's: over Modbus their registers are not documented well enough to
    rest on, and SCPI has no say while Modbus is in control.
    """

    def within(threshold: float | None, limit: float | None) -> float | None:
        return threshold if threshold is not None and limit is not None and threshold <= limit else None

    powers_w = [standing[power] for power in (OVER_POWER, SINK_OVER_POWER) if power in standing]
    return DeviceLimits(
        voltage_v_max=within(standing.get(OVER_VOLTAGE), asked.voltage_v_max),
        charge_current_a_max=within(standing.get(OVER_CURRENT), asked.charge_current_a_max),
        discharge_current_a_max=within(standing.get(SINK_OVER_CURRENT), asked.discharge_current_a_max),
        power_w_max=within(max(powers_w) if len(powers_w) == 2 else None, asked.power_w_max),
    )


def _refusal(order: Order, connected: Connected) -> str | None:
    if len(order.phases) != 1:
        return f"it has {len(order.phases)} phases, this device holds 1"
    phase, limits = order.phases[0], order.limits
    watchdog = connected.kept.watchdog
    if order.dead_man_s is not None and (watchdog is None or watchdog.timeout_s > order.dead_man_s):
        has = "is not known to be on" if watchdog is None else f"takes {watchdog.timeout_s:g} s"
        return f"it must open {order.dead_man_s:g} s after its host fell silent, the device's watchdog {has}"
    if phase.direction == "rest":
        return None
    return (
        _beyond_resistances(phase, connected.ratings)
        or beyond_limits(phase, limits)
        or _beyond_device(phase, limits, connected)
    )


def _beyond_resistances(phase: Phase, ratings: Ratings) -> str | None:
    ohm, rated_ohm = phase.resistance_ohm, ratings.resistance_ohm_max
    if ohm is None:
        return None
    if phase.direction == "charge" or phase.power_w is not None:
        return "a resistance is held by a discharge, and alone"
    if not rated_ohm:
        return "resistance is regulated over Modbus only, by models that tell its range in registers 127 and 129"
    span = (raw_at_least(ratings.resistance_ohm_min, rated_ohm), FULL_SCALE)
    return _outside("resistance_ohm", ohm, rated_ohm, span, raw_at_least)


def _beyond_device(phase: Phase, limits: DeviceLimits, connected: Connected) -> str | None:
    ratings, reach, standing = connected.ratings, connected.reach, connected.kept.standing
    if phase.direction == "charge":
        current_span, power_span, opens_a, opens_w = reach.source_current, reach.source_power, OVER_CURRENT, OVER_POWER
    else:
        current_span, power_span, opens_a, opens_w = (
            reach.sink_current, reach.sink_power, SINK_OVER_CURRENT, SINK_OVER_POWER,
        )  # fmt: skip
    power_w, power_w_max = phase.power_w, limits.power_w_max
    rounding = VOLTAGE_ROUNDING[phase.direction]
    return (
        _outside("voltage_v", phase.voltage_v, ratings.voltage_v, reach.voltage, rounding)
        or _opens("voltage_v", phase.voltage_v, standing.get(OVER_VOLTAGE))
        or _outside("current_a", phase.current_a, ratings.current_a, current_span)
        or _opens("current_a", phase.current_a, standing.get(opens_a))
        or (power_w is not None and _outside("power_w", power_w, ratings.power_w, power_span))
        or (power_w is not None and _opens("power_w", power_w, standing.get(opens_w)))
        or (
            power_w_max is not None
            and _outside("power_w_max", min(power_w_max, ratings.power_w), ratings.power_w, (0, FULL_SCALE))
        )
        or None
    )


def _outside(
    name: str,
    value: float,
    rated: float,
    span: tuple[int, int],
    rounding: Callable[[float, float], int] = raw_at_most,
) -> str | None:
    low, high = max(span[0], SMALLEST), span[1]
    if 0.0 < value <= rated and low <= rounding(value, rated) <= high:
        return None
    whose = "" if span == (0, FULL_SCALE) or name == "resistance_ohm" else ", the adjustment limits set at the device"
    return f"{name} {value:g} lies outside {real(low, rated):.3g} ... {highest(high, rated):.4g}{whose}"


def _opens(name: str, value: float, opens_at: float | None) -> str | None:
    if opens_at is not None and value >= opens_at:
        return f"{name} {value:g} reaches the protection that opens the output at {opens_at:g}"
    return None
