"""The `bays:` of a rack file: their positions, and the channel, sensor and contactor of each."""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from cycler.contract.parallel.parts import IMBALANCE_RATIO
from cycler.contract.plugin import DeviceKind
from cycler.model.rack import Bay, BayId, ChannelRef, Position, PositionId
from cycler.recipe.fields import Fields, as_list, as_map, as_text, as_title
from cycler.recipe.problems import MistakeError, shown
from cycler.recipe.yaml_nodes import Node
from cycler.service.output_entries import read_outputs
from cycler.service.rack_reading import RackReading

POSITIONS_MAX = 1024

_RANGE = re.compile(r"([A-Za-z]*)(\d{1,9})\.\.\1(\d{1,9})", re.ASCII)
_CHANNEL_RANGE = re.compile(r"(.+/\D*)(\d{1,9})\.\.(\d{1,9})", re.ASCII)
_POSITION = re.compile(r"[A-Za-z0-9]{1,16}", re.ASCII)


class _Place(NamedTuple):
    """Which of how many positions of a range."""

    offset: int
    of: int


def read_bays(fields: Fields, reading: RackReading) -> dict[BayId, Bay]:
    """Those that could be read."""
    found: dict[BayId, Bay] = {}
    taken: dict[ChannelRef, PositionId] = {}
    lines: dict[PositionId, int] = {}
    for node in fields.take("bays", as_list, required=True) or []:
        entry = reading.entry(node, owner="a bay")
        bay = None if entry is None else _bay(entry, reading, taken, lines)
        if entry is None or bay is None:
            continue
        if bay.bay in found:
            entry.refuse("id", "twice", f"the bay {bay.bay} is there twice")
        found[bay.bay] = bay
    _refuse_mixtures(reading, found, lines)
    return found


def _bay(
    entry: Fields, reading: RackReading, taken: dict[ChannelRef, PositionId], lines: dict[PositionId, int]
) -> Bay | None:
    name = entry.take("id", as_title, required=True)
    contactor = entry.take("contactor", lambda node: reading.channel(as_text(node), "digital-io"))
    press = entry.take("press", lambda node: reading.channel(as_text(node), "digital-io"))
    if press is not None and press == contactor:
        entry.refuse("press", "channel", f"press: {press} is the bay's contactor", "give each an output of its own")
    outputs = read_outputs(entry, reading, contactor=contactor, press=press)
    chamber = entry.take("chamber", lambda node: reading.device(as_text(node), "chamber"))
    zone = entry.text("zone")
    power = entry.quantity("power_limit", "W")
    if power is not None:
        reading.defer(entry.line("power_limit"), f"bay {name}: power_limit", "take it out to run without")
    positions = _positions(entry, name or "?", reading, taken, lines)
    entry.close()
    if name is None:
        return None
    return Bay(
        bay=BayId(name),
        positions=positions,
        chamber=chamber,
        contactor=contactor,
        press=press,
        outputs=outputs,
        zone=zone,
        power_limit_w=None if power is None else power.number,
    )


def _positions(
    bay: Fields,
    name: str,
    reading: RackReading,
    taken: dict[ChannelRef, PositionId],
    lines: dict[PositionId, int],
) -> dict[PositionId, Position]:
    found: dict[PositionId, Position] = {}
    node = bay.take("positions", as_map, required=True)
    if node is None:
        return found
    outer = Fields(node, bay.problems, owner="the positions")
    if not node.entries:
        bay.refuse("positions", "empty", f"the bay {name} has no positions")
    for key, value in node.entries.items():
        try:
            labels = _expanded(key)
        except MistakeError as mistake:
            outer.refuse(key, mistake.code, mistake.message, mistake.hint)
            continue
        for offset, label in enumerate(labels):
            position = _position(value, PositionId(f"{name}/{label}"), _Place(offset, len(labels)), reading)
            if position is None:
                break  # the others of a range would say the same
            if position.position in found:
                outer.refuse(key, "twice", f"the position {position.position} is there twice")
                break
            if len(found) >= POSITIONS_MAX:
                outer.refuse(key, "too-many", f"a bay has at most {POSITIONS_MAX} positions")
                return found
            found[position.position] = position
            lines[position.position] = outer.line(key)
            own = position.channels if position.meter is None else (*position.channels, position.meter)
            if doubled := [channel for channel in own if channel in taken]:
                other = taken[doubled[0]]
                outer.refuse(key, "twice", f"the channel {doubled[0]} is at {other} and at {position.position}")
                break
            taken.update(dict.fromkeys(own, position.position))
    return found


def _position(node: Node, position: PositionId, place: _Place, reading: RackReading) -> Position | None:
    entry = reading.entry(node, owner="a position")
    if entry is None:
        return None
    before = len(entry.problems.found)

    def channel(kind: DeviceKind) -> Callable[[Node], ChannelRef]:
        """A range has a channel for each position, a single one serves them all."""
        return lambda node: reading.channel(_of_range(as_text(node), place), kind)

    channels = entry.take("channel", lambda node: _channels(node, place, reading), required=True)
    temperature = entry.take("temperature", channel("temperature"))
    meter = entry.take("meter", channel("meter"))
    empty = entry.word("empty", ("true", "false"))
    imbalance = entry.quantity("imbalance", "%")
    if imbalance is not None and not 0 < imbalance.number <= 100:
        entry.refuse("imbalance", "range", f"imbalance: {imbalance} is not above 0 and at most 100 %")
    if imbalance is not None and channels is not None and len(channels) == 1:
        entry.refuse(
            "imbalance", "parallel", f"imbalance: {position} has one channel", "join several, like bt-01/1+bt-01/2"
        )
    entry.close()
    if len(entry.problems.found) > before or channels is None:
        return None
    return Position(
        position=position,
        channels=channels,
        imbalance_ratio=IMBALANCE_RATIO if imbalance is None else imbalance.number / 100,
        temperature=temperature,
        meter=meter,
        empty=empty == "true",
    )


def _channels(node: Node, place: _Place, reading: RackReading) -> tuple[ChannelRef, ...]:
    parts = [part.strip() for part in as_text(node).split("+")]
    if place.of > 1 and not all(_CHANNEL_RANGE.fullmatch(part) for part in parts):
        raise MistakeError("range", f"{place.of} positions cannot share a channel", "write a range like bt-01/1..32")
    channels = tuple(reading.channel(_of_range(part, place), "cycler") for part in parts)
    if len(set(channels)) < len(channels):
        raise MistakeError("twice", "a channel is there twice", "remove one")
    drivers = {listed.driver: channel for channel in channels if (listed := reading.devices[channel.device])}
    if len(drivers) > 1:
        kinds = ", ".join(f"{channel} is {driver}" for driver, channel in drivers.items())
        message = f"channels of different kinds cannot be in parallel: {kinds}"
        raise MistakeError("parallel", message, "they do not regulate alike: join channels of one kind")
    return channels


def _refuse_mixtures(reading: RackReading, bays: Mapping[BayId, Bay], lines: Mapping[PositionId, int]) -> None:
    """Devices that share cells are one to control, with one range for all its channels."""
    positions = [position for bay in bays.values() for position in bay.positions.values()]
    widest: dict[str, Position] = {}
    for position in positions:
        for channel in position.channels:
            widest[channel.device] = max(widest.get(channel.device, position), position, key=_width)
    for position in positions:
        for channel in position.channels:
            other = widest[channel.device]
            if _width(other) > _width(position):
                reading.problems.add(
                    lines[position.position],
                    "parallel",
                    f"{position.position} has {_width(position)} of the channels of {channel.device},"
                    f" {other.position} has {_width(other)} in parallel",
                    "join equally many at all positions of a device",
                )
                return


def _width(position: Position) -> int:
    return len(position.channels)


def _expanded(key: str) -> list[str]:
    """`A2..A33` is 32 positions, `A1` one."""
    match = _RANGE.fullmatch(key)
    if match is None:
        if not _POSITION.fullmatch(key):
            raise MistakeError("name", f"{shown(key)} is no position", "like A1, or A2..A33 for a row of them")
        return [key]
    low, high = int(match[2]), int(match[3])
    if not low < high < low + POSITIONS_MAX:
        raise MistakeError("range", f"{shown(key)} is no range upwards of at most {POSITIONS_MAX} positions")
    return [f"{match[1]}{number}" for number in range(low, high + 1)]


def _of_range(text: str, place: _Place) -> str:
    match = _CHANNEL_RANGE.fullmatch(text)
    if match is None:
        return text
    low, high = int(match[2]), int(match[3])
    if high - low + 1 != place.of:
        named = max(high - low + 1, 0)
        raise MistakeError("range", f"{shown(text)} names {named} channels for {place.of} positions")
    return f"{match[1]}{low + place.offset}"
