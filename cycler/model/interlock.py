"""Whose cells an interlock concerns, and which alarm it stands for."""

from collections.abc import Iterator, Mapping

from cycler.model.alarm import AlarmCode
from cycler.model.rack import Bay, BayId, InterlockScope, PositionId

KINDS: Mapping[str, AlarmCode] = {
    "press": AlarmCode.PRESS_NOT_CLOSED,
    "vacuum": AlarmCode.VACUUM_WINDOW,
    "tray": AlarmCode.TRAY_NOT_SEATED,
    "door": AlarmCode.DOOR,
    "light-curtain": AlarmCode.LIGHT_CURTAIN,
    "limiter": AlarmCode.CHAMBER_LIMITER,
    "smoke": AlarmCode.SMOKE,
    "gas": AlarmCode.GAS,
    "aspirating": AlarmCode.ASPIRATING_DETECTOR,
    "heat": AlarmCode.HEAT_SENSOR,
    "suppression": AlarmCode.SUPPRESSION_RELEASED,
    "suppression-fault": AlarmCode.SUPPRESSION_FAULT,
    "estop": AlarmCode.EMERGENCY_STOP,
    "building-fire": AlarmCode.BUILDING_FIRE,
    "leak": AlarmCode.ELECTROLYTE_LEAK,
    "cooling-water": AlarmCode.COOLING_WATER,
    "compressed-air": AlarmCode.COMPRESSED_AIR,
}
"""What is wired to an input, by the words of rack files."""


def alarm_of(interlock: str) -> AlarmCode | None:
    """By the interlock's id, where that begins with a kind: `estop`, `door-B01`."""
    kinds = [kind for kind in KINDS if interlock == kind or interlock.startswith(f"{kind}-")]
    return KINDS[max(kinds, key=len)] if kinds else None


def concerned(bays: Mapping[BayId, Bay], scope: InterlockScope, at: str | None) -> tuple[PositionId, ...]:
    """The positions in the scope; `at` names its channel's position, bay, zone, chamber or cycler.

    Empty where there are none.
    """
    return tuple(_concerned(bays, scope, at))


def _concerned(bays: Mapping[BayId, Bay], scope: InterlockScope, at: str | None) -> Iterator[PositionId]:
    for bay in bays.values():
        own = {"rack": None, "bay": bay.bay, "zone": bay.zone, "chamber": bay.chamber}
        for name, position in bay.positions.items():
            devices = {channel.device for channel in position.channels}
            if scope == "channel":
                is_meant = name == at
            elif scope == "device":
                is_meant = at in devices
            else:
                is_meant = own[scope] == at
            if is_meant:
                yield name
