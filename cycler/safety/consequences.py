"""What follows a trip: from its code and its place to all that goes off, holds, is watched or is locked. Pure.

Scopes and actions are the catalogue's; a rack file may give an interlock others, and fire and emergency stops reach at
least as far as the catalogue says.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cycler.model.alarm import AlarmCode
from cycler.model.interlock import concerned
from cycler.model.rack import Bay, BayId, Interlock, InterlockScope, PositionId, Rack
from cycler.safety.catalogue import CATALOGUE
from cycler.safety.declaration import Protection

CONTACTOR_OPENS: Final = frozenset({AlarmCode.CURRENT_WHILE_IDLE, AlarmCode.RELAY_WELDED, AlarmCode.OFF_NOT_CONFIRMED})
"""What the device does not open any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequences:
    """Positions are in one of `off`, `hold` and `no_charge` only: an off goes first, then a hold.

    `latched`: nothing starts there until a person has reset it. `heaters`: chambers that are made safe. `contactors`:
    bays whose contactor opens. `watched`: bays that are watched for a time before anybody may go near their cells.
    """

    off: tuple[PositionId, ...] = ()
    hold: tuple[PositionId, ...] = ()
    no_charge: tuple[PositionId, ...] = ()
    latched: tuple[PositionId, ...] = ()
    heaters: tuple[str, ...] = ()
    contactors: tuple[BayId, ...] = ()
    watched: tuple[BayId, ...] = ()

    @property
    def beyond_the_cell(self) -> bool:
        """Somebody else is concerned than the position that goes off."""
        return len(self.off) > 1 or bool(self.hold or self.no_charge or self.heaters or self.contactors or self.watched)


def after_trip(code: AlarmCode, position: PositionId, rack: Rack) -> Consequences:
    """Of a protection that has tripped at this position."""
    row, bay = CATALOGUE[code], _bay_of(position, rack)
    reached = _within(row.scope, position, bay, rack)
    if row.action not in ("off", "off-latched", "withhold-charge", "hold"):
        return Consequences()
    if code in CONTACTOR_OPENS:
        reached = tuple(bay.positions)
    holds = row.action == "hold"
    return _together(
        row,
        rack,
        off=() if holds else reached,
        hold=reached if holds else (),
        latched=reached if row.latches else (),
        contactors=(bay.bay,) if code in CONTACTOR_OPENS else (),
    )


def after_interlock(interlock: Interlock, rack: Rack) -> Consequences:
    """Of an interlock's input that has become active: what the rack file says, and what its alarm brings with it."""
    if interlock.action in ("no-start", "warn"):
        return Consequences()
    row = None if interlock.alarm is None else CATALOGUE[interlock.alarm]
    reached = interlock.positions
    if row is not None and row.action == "off-latched":
        touched = [(name, bay) for bay in rack.bays.values() for name in bay.positions if name in set(reached)]
        scopes = {name for position, bay in touched for name in _within(row.scope, position, bay, rack)}
        reached = tuple(name for bay in rack.bays.values() for name in bay.positions if name in scopes)
    holds = interlock.action == "hold"
    return _together(
        row,
        rack,
        off=() if holds else reached,
        hold=reached if holds else (),
        latched=reached if interlock.action == "off-latched" else (),
    )


def _together(
    row: Protection | None,
    rack: Rack,
    *,
    off: tuple[PositionId, ...],
    hold: tuple[PositionId, ...],
    latched: tuple[PositionId, ...],
    contactors: tuple[BayId, ...] = (),
) -> Consequences:
    """With what heat brings with it for the bays of these positions, their zones and their chambers."""
    is_thermal = row is not None and row.thermal
    is_watched = is_thermal or (row is not None and row.code is AlarmCode.EMERGENCY_STOP)
    struck = {*off, *hold}
    bays = [bay for bay in rack.bays.values() if struck.intersection(bay.positions)]
    charging: set[PositionId] = set()
    neighbours: set[PositionId] = set()
    if is_thermal:
        charging = {name for bay in bays for name in bay.positions} - struck
        zones = {bay.zone for bay in bays if bay.zone is not None}
        near = [bay for bay in rack.bays.values() if bay.zone in zones and bay not in bays]
        neighbours = {name for bay in near for name in bay.positions} - struck
    return Consequences(
        off=off,
        hold=(*hold, *_in_order(neighbours, rack)),
        no_charge=_in_order(charging, rack),
        latched=latched,
        heaters=tuple(dict.fromkeys(bay.chamber for bay in bays if bay.chamber)) if is_thermal else (),
        contactors=contactors,
        watched=tuple(bay.bay for bay in bays) if is_watched else (),
    )


def _bay_of(position: PositionId, rack: Rack) -> Bay:
    return next(bay for bay in rack.bays.values() if position in bay.positions)


def _within(scope: InterlockScope, position: PositionId, bay: Bay, rack: Rack) -> tuple[PositionId, ...]:
    """The positions in the scope, seen from one of them. Without a zone or chamber that is the bay alone."""
    match scope:
        case "channel":
            return (position,)
        case "device":
            return concerned(rack.bays, "device", bay.positions[position].channels[0].device)
        case "zone" if bay.zone is not None:
            return concerned(rack.bays, "zone", bay.zone)
        case "chamber" if bay.chamber is not None:
            return concerned(rack.bays, "chamber", bay.chamber)
        case "rack":
            return concerned(rack.bays, "rack", None)
        case _:
            return tuple(bay.positions)


def _in_order(names: Iterable[PositionId], rack: Rack) -> tuple[PositionId, ...]:
    wanted = set(names)
    return tuple(name for bay in rack.bays.values() for name in bay.positions if name in wanted)
