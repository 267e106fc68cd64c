"""What a joined channel can do: its sub-channels' currents together, and of everything else the least good."""

from collections.abc import Mapping, Sequence
from typing import Literal

from cycler.contract.capabilities import Capabilities, ChannelRange, DeviceEndQuantity, Identity, Watchdog
from cycler.contract.sweep import ChannelId

_BY_TIME: frozenset[DeviceEndQuantity] = frozenset({"time_s"})
_REST = ("relay-open", "zero-current", "no-reading")  # the worse the later


def joined_range(ranges: Sequence[ChannelRange], parts: int) -> ChannelRange:
    """Of so many sub-channels, each with one of these ranges. Errors of current add up; voltages are one voltage."""
    return ChannelRange(
        voltage_v_min=max(each.voltage_v_min for each in ranges),
        voltage_v_max=min(each.voltage_v_max for each in ranges),
        charge_current_a_max=parts * min(each.charge_current_a_max for each in ranges),
        discharge_current_a_max=parts * min(each.discharge_current_a_max for each in ranges),
        power_w_max=parts * min(each.power_w_max for each in ranges),
        voltage_accuracy_v=max(each.voltage_accuracy_v for each in ranges),
        current_accuracy_a=parts * max(each.current_accuracy_a for each in ranges),
        voltage_noise_v=max(each.voltage_noise_v for each in ranges),
        voltage_resolution_v=max(each.voltage_resolution_v for each in ranges),
        current_resolution_a=parts * max(each.current_resolution_a for each in ranges),
        resistance_ohm_min=max(each.resistance_ohm_min for each in ranges) / parts,
        resistance_ohm_max=min(each.resistance_ohm_max for each in ranges) / parts,
        sub_channels=parts * max(each.sub_channels for each in ranges),
    )


def joined_capabilities(
    devices: Mapping[str, Capabilities], parallel_groups: Mapping[ChannelId, tuple[ChannelId, ...]], parts: int
) -> Capabilities:
    """Of all devices together. `parallel_groups` has every channel of theirs, `parts` of them in each that is joined.

    Phases go over by time only: by any other end each sub-channel would go over at a time of its own.
    """
    every = list(devices.values())
    return Capabilities(
        channels=tuple(parallel_groups),
        range=joined_range([each.range for each in every], parts),
        bipolar_sense=all(each.bipolar_sense for each in every),
        autonomous=any(each.autonomous for each in every),
        phases_max=min(each.phases_max for each in every),
        order_time_s=parts * max(each.order_time_s for each in every),
        start_delay_s=max(each.start_delay_s for each in every),
        sweep_time_s=max(each.sweep_time_s for each in every),
        idle_s_max=min(each.idle_s_max for each in every),
        rest=max((each.rest for each in every), key=_REST.index),
        regulation_reported=all(each.regulation_reported for each in every),
        charge_counter=all(each.charge_counter for each in every),
        order_id_kept=all(each.order_id_kept for each in every),
        pulse_exclusive=any(each.pulse_exclusive for each in every),
        ends=_BY_TIME.intersection(*(each.ends for each in every)),
        protections=frozenset.intersection(*(each.protections for each in every)) - {"over_charge"},
        watchdog=_slowest([each.watchdog for each in every]),
        limit_readback=_least_proven(every),
        limits_missing=tuple(f"{device}: {text}" for device, each in devices.items() for text in each.limits_missing),
        parallel_groups={name: group for name, group in parallel_groups.items() if len(group) > 1},
    )


def joined_identity(identities: Sequence[Identity]) -> Identity:
    """What they have in common once, the rest one after the other."""

    def together(values: Sequence[str]) -> str:
        return "+".join(dict.fromkeys(values))

    return Identity(
        maker=together([each.maker for each in identities]),
        model=together([each.model for each in identities]),
        serial="+".join(each.serial for each in identities),
        firmware=together([each.firmware for each in identities]),
    )


def _slowest(watchdogs: Sequence[Watchdog | None]) -> Watchdog | None:
    present = [watchdog for watchdog in watchdogs if watchdog is not None]
    if len(present) < len(watchdogs):
        return None
    return Watchdog(
        watches="host" if all(each.watches == "host" for each in present) else "device",
        timeout_s=max(each.timeout_s for each in present),
        proven=all(each.proven for each in present),
    )


def _least_proven(every: Sequence[Capabilities]) -> Literal["yes", "no", "proof-tested"]:
    found = {each.limit_readback for each in every}
    return "no" if "no" in found else "proof-tested" if "proof-tested" in found else "yes"
