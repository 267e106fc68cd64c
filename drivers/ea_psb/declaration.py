"""What the supply declares of itself, from its ratings and from what commissioning found it to keep."""

import math
from dataclasses import dataclass

from cycler.contract.capabilities import Capabilities, ChannelRange, DeviceProtection, Watchdog
from cycler.contract.errors import ProtocolError
from cycler.contract.plugin import DeviceSettings, OfflineFacts
from cycler.contract.sweep import ChannelId
from drivers.ea_psb.commissioning import Kept
from drivers.ea_psb.registers import STEPS, Ratings

CHANNEL = ChannelId("1")
IDLE_S_MAX = 1.0  # the device closes an idle connection after 5 s, and its watchdog fires after 2 s
ACCURACY_VOLTAGE_RATIO, ACCURACY_CURRENT_RATIO = 0.001, 0.002  # of the rating, where the rack file gives none
RATING_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Absolute, over the whole range."""

    voltage_v: float
    current_a: float


def check_ratings(settings: DeviceSettings, ratings: Ratings) -> None:
    """Raises `ProtocolError` for ratings that no supply has, or that the rack file contradicts."""
    for what, found, expected in (
        ("voltage_v", ratings.voltage_v, settings.rated_voltage_v),
        ("current_a", ratings.current_a, settings.rated_current_a),
        ("power_w", ratings.power_w, settings.rated_power_w),
    ):
        if not (math.isfinite(found) and found > 0.0):
            raise ProtocolError(settings.device, f"registers 121-126 give a rated {what} of {found:g}")
        if expected is not None and abs(found - expected) > RATING_TOLERANCE * expected:
            raise ProtocolError(settings.device, f"its rated {what} is {found:g}, the rack file says {expected:g}")


def accuracy_of(settings: DeviceSettings, ratings: Ratings) -> Accuracy:
    """As the rack file says, else as the maker does."""
    voltage_v, current_a = settings.voltage_accuracy_v, settings.current_accuracy_a
    return Accuracy(
        voltage_v=ACCURACY_VOLTAGE_RATIO * ratings.voltage_v if voltage_v is None else voltage_v,
        current_a=ACCURACY_CURRENT_RATIO * ratings.current_a if current_a is None else current_a,
    )


def offline_facts(settings: DeviceSettings) -> OfflineFacts:
    """Its range is known where the rack file gives all three ratings; `check_ratings` then holds the device to them."""
    voltage_v, current_a, power_w = settings.rated_voltage_v, settings.rated_current_a, settings.rated_power_w
    if voltage_v is None or current_a is None or power_w is None:
        return OfflineFacts(channels=(CHANNEL,))
    ratings = Ratings(voltage_v=voltage_v, current_a=current_a, power_w=power_w)
    return OfflineFacts(channels=(CHANNEL,), range=_range(ratings, accuracy_of(settings, ratings)))


def capabilities_of(ratings: Ratings, accuracy: Accuracy, kept: Kept, *, watchdog_proof: str) -> Capabilities:
    """Before commissioning nothing is known to be kept."""
    thresholds = kept.thresholds
    protections: set[DeviceProtection] = set()
    if thresholds.over_voltage_v is not None:
        protections.add("over_voltage")
    if thresholds.source_current_a is not None and thresholds.sink_current_a is not None:
        protections.add("over_current")
    if thresholds.source_power_w is not None and thresholds.sink_power_w is not None:
        protections.add("over_power")
    watchdog = None
    if kept.watchdog_s is not None:
        # The maker documents the timer and a status bit. That the output opens is its described purpose, no more.
        watchdog = Watchdog(watches="host", timeout_s=kept.watchdog_s, proven=bool(watchdog_proof))
    return Capabilities(
        channels=(CHANNEL,),
        range=_range(ratings, accuracy),
        bipolar_sense=False,
        autonomous=watchdog is None,  # without its watchdog it goes on for ever
        phases_max=1,
        order_time_s=0.3,
        start_delay_s=0.1,
        sweep_time_s=0.03,
        idle_s_max=IDLE_S_MAX,
        rest="relay-open",
        regulation_reported=True,
        charge_counter=False,
        protections=frozenset(protections),
        watchdog=watchdog,
        limit_readback="yes" if kept.complete and len(protections) == 3 else "no",
    )


def _range(ratings: Ratings, accuracy: Accuracy) -> ChannelRange:
    return ChannelRange(
        voltage_v_min=0.0,
        voltage_v_max=ratings.voltage_v,
        charge_current_a_max=ratings.current_a,
        discharge_current_a_max=ratings.current_a,
        power_w_max=ratings.power_w,
        voltage_accuracy_v=accuracy.voltage_v,
        current_accuracy_a=accuracy.current_a,
        voltage_resolution_v=ratings.voltage_v / STEPS,
        current_resolution_a=ratings.current_a / STEPS,
    )
