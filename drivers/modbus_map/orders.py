"""Which orders a mapped cycler can execute, and what it declares of itself."""

import math

from cycler.contract.capabilities import Capabilities, ChannelRange, Watchdog
from cycler.contract.order import Order
from cycler.contract.order_check import beyond_limits, beyond_range
from cycler.contract.register_map import RegisterMap
from cycler.contract.sweep import ChannelId
from drivers.modbus_map.mapped import TRANSACTION_S
from drivers.modbus_map.needs import channels_of

ACCURACY_RATIO = 0.005  # of the range, where the map gives none
WRITES_PER_ORDER = 16


def range_of(register_map: RegisterMap) -> ChannelRange:
    """As the map says."""
    ranges, accuracies = register_map.ranges, register_map.accuracies
    voltage_v_min, voltage_v_max = ranges["voltage"]
    charge_a, discharge_a = ranges["charge_current"][1], ranges["discharge_current"][1]
    current_a = max(charge_a, discharge_a)
    return ChannelRange(
        voltage_v_min=voltage_v_min,
        voltage_v_max=voltage_v_max,
        charge_current_a_max=charge_a,
        discharge_current_a_max=discharge_a,
        power_w_max=ranges.get("power", (0.0, voltage_v_max * current_a))[1],
        voltage_accuracy_v=accuracies.get("voltage", ACCURACY_RATIO * voltage_v_max),
        current_accuracy_a=accuracies.get("current", ACCURACY_RATIO * current_a),
        voltage_resolution_v=_resolution(register_map, "voltage"),
        current_resolution_a=_resolution(register_map, "current"),
    )


def capabilities_of(register_map: RegisterMap, *, sweep_transactions: int, watchdog: Watchdog | None) -> Capabilities:
    """`watchdog` is known from commissioning on, as are the limits."""
    missing = _limits_missing(register_map, watchdog)
    return Capabilities(
        channels=tuple(ChannelId(channel) for channel in channels_of(register_map.registers)),
        range=range_of(register_map),
        bipolar_sense=False,
        autonomous=watchdog is None,
        phases_max=1,
        order_time_s=TRANSACTION_S * WRITES_PER_ORDER,
        start_delay_s=0.1,
        sweep_time_s=TRANSACTION_S * sweep_transactions,
        idle_s_max=(register_map.watchdog_s or math.inf) / 3.0,
        rest="relay-open",
        regulation_reported=False,
        charge_counter=False,
        protections=frozenset() if missing else frozenset({"over_voltage", "under_voltage", "over_current"}),
        watchdog=watchdog,
        limit_readback="no" if missing else "yes",
        limits_missing=missing,
    )


def refusal(order: Order, capabilities: Capabilities) -> str | None:
    """Why the device cannot execute it."""
    if len(order.phases) != 1:
        return f"it has {len(order.phases)} phases, this device holds 1"
    watchdog = capabilities.watchdog
    if order.dead_man_s is not None and (watchdog is None or watchdog.timeout_s > order.dead_man_s):
        return f"it must open {order.dead_man_s:g} s after its host fell silent, its watchdog does not"
    (phase,) = order.phases
    if phase.direction == "rest":
        return None
    if phase.power_w is not None or phase.resistance_ohm is not None:
        return "constant power and resistance are not driven over a register map"
    if phase.ends:
        return "it knows no ends of its own"
    return beyond_range(phase, capabilities.range) or beyond_limits(phase, order.limits)


def _limits_missing(register_map: RegisterMap, watchdog: Watchdog | None) -> tuple[str, ...]:
    if register_map.commissioned is None:
        return (f"{register_map.file} is not commissioned",)
    return () if watchdog is not None else ("nothing was set and read back since it was connected",)


def _resolution(register_map: RegisterMap, name: str) -> float:
    return max(abs(register.scale) for register in register_map.registers if register.name == name)
