"""Where cells stand. A bay stays in the rack, a tray moves; a placement says which tray was where, and when."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, NewType

from cycler.contract.parallel.parts import IMBALANCE_RATIO
from cycler.model.alarm import AlarmCode

BayId = NewType("BayId", str)
TrayId = NewType("TrayId", str)
PositionId = NewType("PositionId", str)
"""`B01/A1`: the bay, then the place in it."""

InterlockScope = Literal["channel", "bay", "zone", "chamber", "device", "rack"]
InterlockAction = Literal["off", "off-latched", "hold", "no-start", "warn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRef:
    """A channel of a device, as the rack file writes it: `psb-01/1`."""

    device: str
    channel: str

    def __str__(self) -> str:
        return f"{self.device}/{self.channel}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place for one cell. More than one channel means that they are wired in parallel and appear as one.

    `imbalance_ratio`: how far apart their currents may be, of the largest.
    """

    position: PositionId
    channels: tuple[ChannelRef, ...]
    imbalance_ratio: float = IMBALANCE_RATIO
    temperature: ChannelRef | None = None
    meter: ChannelRef | None = None
    empty: bool = False  # left empty on purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class BayOutput:
    """A digital output that steps may set. `needs_open`: only while nothing else can drive a current there."""

    output: ChannelRef
    needs_open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bay:
    """A fixture in the rack; what safety rests on is configured per bay."""

    bay: BayId
    positions: Mapping[PositionId, Position]
    chamber: str | None = None
    contactor: ChannelRef | None = None
    press: ChannelRef | None = None
    outputs: Mapping[str, BayOutput] = field(default_factory=dict)  # by the names that recipes know them by
    zone: str | None = None
    power_limit_w: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """One tray in one bay. `until_utc` is None as long as it stands there."""

    tray: TrayId
    bay: BayId
    from_utc: datetime
    until_utc: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interlock:
    """A hard-wired input and what it does. `positions` are those in its scope, `alarm` what it stands for.

    `proof_tested`: the day on which somebody last made it act.
    `debounce_s`: how long a change must last; None where the rack file says nothing.
    """

    interlock: str
    input: ChannelRef
    active: Literal["low", "high"]
    positions: tuple[PositionId, ...]
    action: InterlockAction
    alarm: AlarmCode | None = None
    proof_tested: date | None = None
    debounce_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetInput:
    """The key switch at the rack, without which nothing that is latched for safety is released."""

    input: ChannelRef
    active: Literal["low", "high"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonCause:
    """So many trips of one kind in a bay, so close together, have one cause: the bay holds."""

    trips: int = 3
    within_s: float = 60.0


WATCH_S_MIN = 3600.0
"""How long a bay is watched after a thermal trip, a fire or an emergency stop; a rack may ask for more, never less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Who answers for a device whose loss of its controller nothing else bounds, why, and to the end of which day."""

    by: str
    reason: str
    expires: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Rack:
    """The rack as the controller knows it; devices are known by their ids only."""

    rack: str
    purpose: Literal["production", "abuse"]
    bays: Mapping[BayId, Bay]
    interlocks: tuple[Interlock, ...] = ()
    power_limit_w: float | None = None
    overrides: Mapping[str, Override] = field(default_factory=dict)  # by device
    reset: ResetInput | None = None
    watch_s: float = WATCH_S_MIN
    common_cause: CommonCause = CommonCause()

    def override(self, device: str, *, today: date) -> Override | None:
        """The one that is valid."""
        found = self.overrides.get(device)
        return found if found is not None and today <= found.expires else None
