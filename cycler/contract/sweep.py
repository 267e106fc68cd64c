"""What a cycler said of all its channels at one instant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NewType

ChannelId = NewType("ChannelId", str)
"""A channel as its own device names it: `"1"`, `"101"`. The rack writes `psb-01/1`."""

Regulation = Literal["off", "starting", "cc", "cv", "cp", "cr", "limited", "unknown"]
"""What the output holds: `off` is relay open; `starting` is ordered, no current yet; `limited` is a device limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One device at one instant, a column per quantity, a row per channel. Positive current charges.

    A value that the device did not give is NaN in its row; a quantity that the device does not measure has no
    column (`None`). Nothing is invented and nothing is filled in from an earlier sweep.
    """

    taken_s: float  # loop clock, middle of request and reply, or the device's own time mapped to it
    taken_utc: datetime
    skew_s: float = 0.0  # between voltage and current of one row
    channels: tuple[ChannelId, ...]
    voltage_v: Sequence[float]  # at the cell (sense)
    current_a: Sequence[float]
    regulation: Sequence[Regulation]
    order_id: Sequence[int]  # the order that the device is executing, 0 for none
    phase: Sequence[int]  # within that order, from 0
    step_time_s: Sequence[float]  # since current first flowed in this order (in a rest: since the relay opened)
    temperature_degc: Sequence[float] | None = None  # of the cell, where the cycler itself measures it
    output_v: Sequence[float] | None = None  # at the terminals, before the contacts
    probe_v: Sequence[float] | None = None  # a second sense path
    charged_ah: Sequence[float] | None = None  # the device's own counters, both >= 0 and monotone;
    discharged_ah: Sequence[float] | None = None  # only differences mean anything
    opened: Mapping[ChannelId, str] | None = None  # why outputs were opened without an order, where that is known

    def __getitem__(self, channel: ChannelId) -> "Reading":
        """One row, for people and tests. Raises `KeyError` for a channel that the device does not have."""
        try:
            row = self.channels.index(channel)
        except ValueError:
            raise KeyError(channel) from None
        return Reading(
            taken_s=self.taken_s,
            voltage_v=self.voltage_v[row],
            current_a=self.current_a[row],
            regulation=self.regulation[row],
            order_id=self.order_id[row],
            phase=self.phase[row],
            step_time_s=self.step_time_s[row],
            temperature_degc=_at(self.temperature_degc, row),
            output_v=_at(self.output_v, row),
            probe_v=_at(self.probe_v, row),
            charged_ah=_at(self.charged_ah, row),
            discharged_ah=_at(self.discharged_ah, row),
        )


def _at(column: Sequence[float] | None, row: int) -> float | None:
    return None if column is None else column[row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One channel of one sweep. `None` where the device has no such quantity, NaN where it gave no value."""

    taken_s: float
    voltage_v: float
    current_a: float
    regulation: Regulation
    order_id: int
    phase: int
    step_time_s: float
    temperature_degc: float | None
    output_v: float | None
    probe_v: float | None
    charged_ah: float | None
    discharged_ah: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What a channel was found doing after a restart. `order_id` is 0 where the device cannot tell."""

    energised: bool
    regulation: Regulation
    order_id: int
    step_time_s: float | None
