"""What the mainframe declares of itself. What its cards can do is known to the rack file alone: it cannot be asked."""

from collections.abc import Mapping
from dataclasses import dataclass

from cycler.contract.capabilities import Capabilities, ChannelRange, Keeps
from cycler.contract.plugin import DeviceSettings, OfflineFacts
from cycler.contract.sweep import ChannelId
from drivers.keysight_bt2200.commands import RESOLUTION, cell_of, place_of
from drivers.keysight_bt2200.options import Options, parse_options

PHASES_MAX = 8
ACCURACY_RATIO = 0.001  # of the rating, where the rack file gives none
UNRATED_V, UNRATED_ACCURACY_A = 5.0, 0.05  # of a mainframe that is read and switched off, and no more
QUERY_S = 0.02  # wire time of one question, for planning
IDLE_S_MAX = 5.0  # its log gives about ten records at once

NOT_RATED = (
    "what its cards can do cannot be asked of it: write `rated: {voltage: ..., current: ...}` as on their type plates"
)
NOT_READ_BACK = "its FAIL tests have no query"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A channel as the rack sees it: a cell of the instrument, and where its card channels are among the 256."""

    channel: ChannelId
    cell: int
    places: tuple[int, ...]


def places_of(options: Options) -> Mapping[ChannelId, Place]:
    """In ascending order. A group of channels in parallel goes by the name of its first."""
    return {
        ChannelId(str(group[0])): Place(
            channel=ChannelId(str(group[0])), cell=cell_of(group[0]), places=tuple(map(place_of, group))
        )
        for group in options.groups
    }


def offline_facts(settings: DeviceSettings) -> OfflineFacts:
    """Everything, but the range where nobody has said what its cards can do."""
    options = parse_options(settings)
    return OfflineFacts(
        channels=tuple(places_of(options)),
        range=range_of(settings, options) if is_rated(settings) else None,
        keeps=Keeps.of(capabilities_of(settings, options)),
    )


def is_rated(settings: DeviceSettings) -> bool:
    """Whether the rack file says what one card channel can do."""
    return settings.rated_voltage_v is not None and settings.rated_current_a is not None


def range_of(settings: DeviceSettings, options: Options) -> ChannelRange:
    """`rated` is that of one card channel; those in parallel add up. Where it is missing no current is allowed."""
    voltage_v, current_a = settings.rated_voltage_v or UNRATED_V, settings.rated_current_a or 0.0
    width = len(options.groups[0])
    voltage_accuracy_v, current_accuracy_a = settings.voltage_accuracy_v, settings.current_accuracy_a
    if current_accuracy_a is None and not current_a:
        current_accuracy_a = UNRATED_ACCURACY_A
    return ChannelRange(
        voltage_v_min=0.0,
        voltage_v_max=voltage_v,
        charge_current_a_max=width * current_a,
        discharge_current_a_max=width * current_a,
        power_w_max=width * (voltage_v * current_a if settings.rated_power_w is None else settings.rated_power_w),
        voltage_accuracy_v=ACCURACY_RATIO * voltage_v if voltage_accuracy_v is None else voltage_accuracy_v,
        current_accuracy_a=width * (ACCURACY_RATIO * current_a if current_accuracy_a is None else current_accuracy_a),
        voltage_resolution_v=RESOLUTION,
        current_resolution_a=RESOLUTION,
    )


def capabilities_of(settings: DeviceSettings, options: Options) -> Capabilities:
    """It goes on without its host, and no command watchdog is known of it."""
    return Capabilities(
        channels=tuple(places_of(options)),
        range=range_of(settings, options),
        bipolar_sense=options.bipolar_sense,
        autonomous=True,
        phases_max=PHASES_MAX,
        order_time_s=7 * QUERY_S,
        start_delay_s=options.start_delay_s,
        sweep_time_s=4 * QUERY_S,
        idle_s_max=IDLE_S_MAX,
        rest="relay-open",
        regulation_reported=False,
        charge_counter=False,
        ends=frozenset({"time_s", "voltage_v", "current_a", "charge_ah"}),
        protections=frozenset({"over_voltage", "under_voltage", "over_current", "over_power", "over_charge", "time"}),
        limit_readback="no",
        limits_missing=(NOT_READ_BACK,),
        parallel_groups={
            ChannelId(str(group[0])): tuple(ChannelId(str(channel)) for channel in group)
            for group in options.groups
            if len(group) > 1
        },
    )
