"""What a device can do, declared by its driver after connect, so that recipes are checked against it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cycler.contract.sweep import ChannelId


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who answered. Empty text where the device does not say."""

    maker: str
    model: str
    serial: str
    firmware: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRange:
    """What one channel can set and measure, and how well. Accuracies are absolute, at full scale."""

    voltage_v_min: float
    voltage_v_max: float
    charge_current_a_max: float
    discharge_current_a_max: float
    power_w_max: float
    voltage_accuracy_v: float
    current_accuracy_a: float
    voltage_noise_v: float = 0.0
    voltage_resolution_v: float
    current_resolution_a: float
    resistance_ohm_min: float = 0.0  # of a CR …
    resistance_ohm_max: float = 0.0  # … 0: it regulates none
    sub_channels: int = 1  # in parallel on the cell: each has contacts of its own, and carries its share


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchdog:
    """What opens the outputs when somebody falls silent."""

    watches: Literal["host", "device"]  # one that guards the device's own CPU is no answer to the loss of the host
    timeout_s: float
    proven: bool  # read back from the device, and its action confirmed by a document or a proof test


DeviceEndQuantity = Literal["voltage_v", "current_a", "charge_ah", "time_s"]
DeviceProtection = Literal["over_voltage", "under_voltage", "over_current", "over_power", "over_charge", "time"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """A cycler's own declaration. Valid after `connect`; `watchdog` and `limit_readback` after `commission`."""

    channels: tuple[ChannelId, ...]
    range: ChannelRange
    bipolar_sense: bool  # reads a negative voltage as negative
    autonomous: bool  # goes on with its order when the host falls silent
    phases_max: int
    order_time_s: float  # wire time of one order, for planning
    start_delay_s: float  # from order to current
    sweep_time_s: float  # wire time of one sweep: no beat may be shorter
    idle_s_max: float  # a sweep must come at least this often to keep the link and the watchdog alive
    rest: Literal["relay-open", "zero-current", "no-reading"]
    regulation_reported: bool
    charge_counter: bool
    order_id_kept: bool = False  # the device itself holds the order's id, so that a new host is told which one runs
    pulse_exclusive: bool = False  # other channels rest while one pulses
    ends: frozenset[DeviceEndQuantity] = frozenset()
    protections: frozenset[DeviceProtection] = frozenset()
    watchdog: Watchdog | None = None
    limit_readback: Literal["yes", "no", "proof-tested"] = "no"  # an unproven limit counts as absent
    limits_missing: tuple[str, ...] = ()  # why `limit_readback` is "no", for people
    parallel_groups: Mapping[ChannelId, tuple[ChannelId, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeps:
    """What a cycler will keep by itself, by its rack file alone: true once its commissioning has found it so."""

    phases_max: int = 1
    ends: frozenset[DeviceEndQuantity] = frozenset()
    protections: frozenset[DeviceProtection] = frozenset()
    watchdog: Watchdog | None = None
    limit_readback: Literal["yes", "no", "proof-tested"] = "no"

    @classmethod
    def of(cls, capabilities: Capabilities) -> "Keeps":
        """Of a device whose declaration needs no connection."""
        return cls(
            phases_max=capabilities.phases_max,
            ends=capabilities.ends,
            protections=capabilities.protections,
            watchdog=capabilities.watchdog,
            limit_readback=capabilities.limit_readback,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRange:
    """What a temperature input declares: its channels, and how well it measures."""

    channels: tuple[ChannelId, ...]
    accuracy_k: float
    sweep_time_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChamberRange:
    """What a chamber declares."""

    temperature_degc_min: float
    temperature_degc_max: float
    rate_k_per_min_max: float  # 0 where it has no ramp: it refuses every rate


@dataclass(frozen=True, slots=True, kw_only=True)
class IoRange:
    """What a digital I/O device declares. `outputs_safe` is the state that the device itself falls back to."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    outputs_safe: Mapping[str, bool]
    watchdog: Watchdog | None


MeterKind = Literal["ocv", "acir"]
"""Open-circuit voltage, and resistance with an alternating current."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterRange:
    """What a meter declares: which kinds it can measure on which channels."""

    channels: tuple[ChannelId, ...]
    kinds: frozenset[MeterKind]
    frequency_hz: float  # of the current with which it measures `acir`
    voltage_accuracy_v: float
    resistance_accuracy_ohm: float
