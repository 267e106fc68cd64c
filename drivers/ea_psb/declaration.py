"""What the supply declares of itself, from its ratings and from what commissioning found it to keep."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cycler.contract.capabilities import Capabilities, ChannelRange, DeviceProtection, Keeps
from cycler.contract.plugin import DeviceSettings, OfflineFacts
from cycler.contract.sweep import ChannelId
from drivers.ea_psb.commissioning import Kept, expected_of
from drivers.ea_psb.instrument import Pace
from drivers.ea_psb.options import parse_options
from drivers.ea_psb.reach import Reach
from drivers.ea_psb.scale import STEPS, Ratings
from drivers.ea_psb.thresholds import (
    OVER_CURRENT,
    OVER_POWER,
    OVER_VOLTAGE,
    SINK_OVER_CURRENT,
    SINK_OVER_POWER,
    Threshold,
)

CHANNEL = ChannelId("1")
IDLE_S_MAX = 0.66  # a third of the watchdog: one lost reply and a new connection fit in
ACCURACY_VOLTAGE_RATIO, ACCURACY_CURRENT_RATIO = 0.001, 0.002  # of the rating, where the rack file gives none

PROTECTIONS: Mapping[DeviceProtection, frozenset[Threshold]] = {
    "over_voltage": frozenset({OVER_VOLTAGE}),
    "over_current": frozenset({OVER_CURRENT, SINK_OVER_CURRENT}),
    "over_power": frozenset({OVER_POWER, SINK_OVER_POWER}),
}
"""What each takes: a threshold of one direction protects in that direction only."""

NEEDED = (OVER_VOLTAGE, OVER_CURRENT, SINK_OVER_CURRENT)
"""What must stand in the rack file before the device's own limits count: voltage and current bound the power too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Absolute, over the whole range."""

    voltage_v: float
    current_a: float


def accuracy_of(settings: DeviceSettings, ratings: Ratings) -> Accuracy:
    """As the rack file says, else as the maker does."""
    voltage_v, current_a = settings.voltage_accuracy_v, settings.current_accuracy_a
    return Accuracy(
        voltage_v=ACCURACY_VOLTAGE_RATIO * ratings.voltage_v if voltage_v is None else voltage_v,
        current_a=ACCURACY_CURRENT_RATIO * ratings.current_a if current_a is None else current_a,
    )


def offline_facts(settings: DeviceSettings) -> OfflineFacts:
    """Its range is known where the rack file gives all three ratings, to which the device is then held. Adjustment
    limits may narrow it, and resistances have a range of their own: those only the device knows."""
    kept = expected_of(parse_options(settings))
    keeps = Keeps(protections=_protections(kept), watchdog=kept.watchdog, limit_readback=_readback(kept))
    voltage_v, current_a, power_w = settings.rated_voltage_v, settings.rated_current_a, settings.rated_power_w
    if voltage_v is None or current_a is None or power_w is None:
        return OfflineFacts(channels=(CHANNEL,), keeps=keeps)
    resistance_ohm_max = math.inf if settings.resource.scheme.startswith("modbus") else 0.0
    ratings = Ratings(voltage_v=voltage_v, current_a=current_a, power_w=power_w, resistance_ohm_max=resistance_ohm_max)
    return OfflineFacts(
        channels=(CHANNEL,), range=_range(ratings, Reach(), accuracy_of(settings, ratings)), keeps=keeps
    )


def capabilities_of(ratings: Ratings, reach: Reach, accuracy: Accuracy, kept: Kept, pace: Pace) -> Capabilities:
    """A protection is kept where the rack file gives its threshold and the device holds it: one that stands at the
    110 % of the factory lies above anything that a cell bears."""
    return Capabilities(
        channels=(CHANNEL,),
        range=_range(ratings, reach, accuracy),
        bipolar_sense=False,
        autonomous=kept.watchdog is None,  # without its watchdog it goes on for ever
        phases_max=1,
        order_time_s=pace.order_time_s,
        start_delay_s=0.1,
        sweep_time_s=pace.sweep_time_s,
        idle_s_max=IDLE_S_MAX,
        rest="relay-open",
        regulation_reported=True,
        charge_counter=False,
        protections=_protections(kept),
        watchdog=kept.watchdog,
        limit_readback=_readback(kept),
        limits_missing=_limits_missing(kept),
    )


def _protections(kept: Kept) -> frozenset[DeviceProtection]:
    return frozenset(name for name, thresholds in PROTECTIONS.items() if thresholds <= kept.armed)


def _readback(kept: Kept) -> Literal["yes", "no"]:
    return "no" if _limits_missing(kept) else "yes"


def _limits_missing(kept: Kept) -> tuple[str, ...]:
    absent = [threshold.key for threshold in NEEDED if threshold not in kept.armed]
    return (
        *(f"{key} was not configured and read back" for key in absent),
        *(f"{question} was not answered" for question in kept.unanswered),
    )


def _range(ratings: Ratings, reach: Reach, accuracy: Accuracy) -> ChannelRange:
    voltage_v_min, voltage_v_max = reach.voltage_v(ratings)
    return ChannelRange(
        voltage_v_min=voltage_v_min,
        voltage_v_max=voltage_v_max,
        charge_current_a_max=reach.source_current_a(ratings),
        discharge_current_a_max=reach.sink_current_a(ratings),
        power_w_max=reach.power_w(ratings),
        voltage_accuracy_v=accuracy.voltage_v,
        current_accuracy_a=accuracy.current_a,
        voltage_resolution_v=ratings.voltage_v / STEPS,
        current_resolution_a=ratings.current_a / STEPS,
        resistance_ohm_min=ratings.resistance_ohm_min,
        resistance_ohm_max=ratings.resistance_ohm_max,
    )
