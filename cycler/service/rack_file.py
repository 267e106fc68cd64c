"""The rack file, read and judged as a whole: what it names must be there, and nothing may be named twice."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from cycler.contract.plugin import DeviceSettings, Resource
from cycler.model.rack import Bay, BayId, ChannelRef, Interlock, Position, PositionId, Rack
from cycler.recipe.fields import Fields, as_list, as_map, as_text, as_title, as_word
from cycler.recipe.problems import InvalidFile, MistakeError, Problems, nearest, shown
from cycler.recipe.yaml_nodes import ListNode, MapNode, Node, ScalarNode, load_file
from cycler.service.configuration import Configuration, DeviceConfiguration
from cycler.service.wiring import installed_drivers

ELSEWHERE = ("scada", "hmi", "users", "calibration", "runtime", "resume")
"""Keys of other processes, or of none yet; whoever needs one reads it."""

SCOPES = ("channel", "bay", "zone", "chamber", "device", "rack")
ACTIONS = ("off", "off-latched", "hold", "no-start", "warn")

_RANGE = re.compile(r"([A-Za-z]*)(\d+)\.\.\1(\d+)", re.ASCII)
_CHANNEL_RANGE = re.compile(r"(.+/\D*)(\d+)\.\.(\d+)", re.ASCII)
_REFERENCE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)/([A-Za-z0-9._-]+)", re.ASCII)
_POSITION = re.compile(r"[A-Za-z0-9]{1,16}", re.ASCII)
POSITIONS_MAX = 1024


def load_configuration(path: Path) -> Configuration:
    """Raises `InvalidFile` with everything that is wrong."""
    root = load_file(path)
    problems = Problems(str(path))
    fields = Fields(root, problems, owner="a rack file")
    head = fields.mapping("rack", owner="`rack`", required=True)
    rack_id = head.take("id", as_title, required=True) if head else None
    purpose = (head.word("purpose", ("production", "abuse")) if head else None) or "production"
    if head:
        head.close()
    devices = _devices(fields)
    bays = _bays(fields, {device.settings.device for device in devices})
    interlocks = tuple(_interlocks(fields))
    store = fields.mapping("store", owner="`store`")
    store_path = store.text("path", required=True) if store else None
    if store:
        store.close()
    power = fields.quantity("power_limit", "W")
    for key in ELSEWHERE:
        fields.know(key)
    fields.close()
    if problems.found:
        raise InvalidFile(problems.found)
    assert rack_id is not None  # noqa: S101 (required)
    return Configuration(
        rack=Rack(
            rack=rack_id,
            purpose=cast(Literal["production", "abuse"], purpose),
            bays=bays,
            interlocks=interlocks,
            power_limit_w=None if power is None else power.number,
        ),
        devices=devices,
        store=None if store_path is None else path.parent / store_path,
        file=path,
        content_hash=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


# Devices.


def _devices(fields: Fields) -> tuple[DeviceConfiguration, ...]:
    found: dict[str, DeviceConfiguration] = {}
    known = installed_drivers()
    for node in fields.take("devices", as_list, required=True) or []:
        entry = _entry(node, fields.problems, owner="a device")
        if entry is None:
            continue
        device = _device(entry, known)
        if device is None:
            continue
        name = device.settings.device
        if name in found:
            entry.refuse("id", "twice", f"the device {name} is there twice")
        found[name] = device
    return tuple(found.values())


def _device(entry: Fields, known: Mapping[str, object]) -> DeviceConfiguration | None:
    name = entry.take("id", as_title, required=True)
    driver = entry.take("driver", lambda node: as_word(node, tuple(known)), required=True)
    resource = entry.take("resource", _resource, required=True)
    loss = entry.word("on_controller_loss", ("stop", "finish-step")) or "stop"
    rated = _rated(entry)
    voltage_accuracy_v, current_accuracy_a = _accuracy(entry, rated)
    options = {
        key: node.text
        for key, node in entry.node.entries.items()
        if key not in _DEVICE_KEYS and isinstance(node, ScalarNode)
    }
    for key in options:
        entry.know(key)  # a key that is not the rack's is the driver's, which knows its own
    entry.close()
    if name is None or driver is None or resource is None:
        return None
    settings = DeviceSettings(
        device=name,
        resource=resource,
        voltage_accuracy_v=voltage_accuracy_v,
        current_accuracy_a=current_accuracy_a,
        rated_voltage_v=rated.get("voltage"),
        rated_current_a=rated.get("current"),
        rated_power_w=rated.get("power"),
        options=options,
    )
    return DeviceConfiguration(
        settings=settings, driver=driver, on_controller_loss=cast(Literal["stop", "finish-step"], loss)
    )


_DEVICE_KEYS = frozenset({"id", "driver", "resource", "on_controller_loss", "rated", "accuracy"})


def _resource(node: Node) -> Resource:
    try:
        return Resource.parse(as_text(node))
    except ValueError as error:
        raise MistakeError("resource", str(error)) from None


def _rated(entry: Fields) -> dict[str, float]:
    inner = entry.mapping("rated", owner="`rated`")
    if inner is None:
        return {}
    units = {"voltage": "V", "current": "A", "power": "W"}
    found = {}
    for key, unit in units.items():
        quantity = inner.quantity(key, unit)
        if quantity is None:
            continue
        if quantity.number <= 0:
            inner.refuse(key, "not-positive", f"{key}: {quantity} is not above 0")
        found[key] = quantity.number
    inner.close()
    return found


def _accuracy(entry: Fields, rated: Mapping[str, float]) -> tuple[float | None, float | None]:
    """`accuracy: {voltage: 5 mV, current: 0.2 %}`; a percentage is of the rating in the same entry."""
    inner = entry.mapping("accuracy", owner="`accuracy`")
    if inner is None:
        return None, None
    found: list[float | None] = []
    for key, unit in (("voltage", "V"), ("current", "A")):
        quantity = inner.quantity(key, unit, "%")
        if quantity is None:
            found.append(None)
        elif quantity.number <= 0:
            inner.refuse(key, "not-positive", f"{key}: {quantity} is not above 0")
            found.append(None)
        elif quantity.unit != "%":
            found.append(quantity.number)
        elif key in rated:
            found.append(quantity.number / 100 * rated[key])
        else:
            inner.refuse(key, "no-base", f"{key}: {quantity} of what?", f"give `rated: {{{key}: …}}` beside it")
            found.append(None)
    inner.close()
    return found[0], found[1]


# Bays.


class _Place(NamedTuple):
    """Which of how many positions of a range."""

    offset: int
    of: int


def _bays(fields: Fields, devices: set[str]) -> dict[BayId, Bay]:
    found: dict[BayId, Bay] = {}
    taken: dict[ChannelRef, PositionId] = {}
    for node in fields.take("bays", as_list, required=True) or []:
        entry = _entry(node, fields.problems, owner="a bay")
        if entry is None:
            continue
        name = entry.take("id", as_title, required=True)
        references = {key: entry.take(key, lambda n: _reference(n, devices)) for key in ("contactor", "press")}
        chamber = entry.take("chamber", lambda n: as_word(n, devices))
        zone = entry.text("zone")
        power = entry.quantity("power_limit", "W")
        positions = _positions(entry, name or "?", devices, taken)
        entry.close()
        if name is None:
            continue
        if name in found:
            entry.refuse("id", "twice", f"the bay {name} is there twice")
        found[BayId(name)] = Bay(
            bay=BayId(name),
            positions=positions,
            chamber=chamber,
            contactor=references["contactor"],
            press=references["press"],
            zone=zone,
            power_limit_w=None if power is None else power.number,
        )
    return found


def _positions(
    bay: Fields, name: str, devices: set[str], taken: dict[ChannelRef, PositionId]
) -> dict[PositionId, Position]:
    found: dict[PositionId, Position] = {}
    node = bay.take("positions", as_map, required=True)
    if node is None:
        return found
    outer = Fields(node, bay.problems, owner="the positions")
    for key, value in node.entries.items():
        outer.know(key)
        try:
            places = _expanded(key)
        except MistakeError as mistake:
            outer.refuse(key, mistake.code, mistake.message, mistake.hint)
            continue
        for offset, label in enumerate(places):
            place = _Place(offset, len(places))
            position = _position(value, PositionId(f"{name}/{label}"), place, outer.problems, devices)
            if position is None:
                break
            if position.position in found:
                outer.refuse(key, "twice", f"the position {position.position} is there twice")
            if len(found) >= POSITIONS_MAX:
                outer.refuse(key, "too-many", f"a bay has at most {POSITIONS_MAX} positions")
                return found
            for channel in position.channels:
                other = taken.setdefault(channel, position.position)
                if other != position.position:
                    outer.refuse(key, "twice", f"the channel {channel} is at {other} and at {position.position}")
            found[position.position] = position
    return found


def _position(
    node: Node, position: PositionId, place: _Place, problems: Problems, devices: set[str]
) -> Position | None:
    entry = _entry(node, problems, owner="a position")
    if entry is None:
        return None
    before = len(problems.found)
    channels = entry.take("channel", lambda n: _channels(n, place, devices), required=True)
    temperature = entry.take("temperature", lambda n: _shifted(n, place, devices))
    meter = entry.take("meter", lambda n: _shifted(n, place, devices))
    empty = entry.word("empty", ("true", "false"))
    entry.close()
    if len(problems.found) > before:
        return None
    return Position(
        position=position,
        channels=channels or (),
        temperature=temperature,
        meter=meter,
        empty=empty == "true",
    )


def _expanded(key: str) -> list[str]:
    """`A2..A33` is 32 positions, `A1` one."""
    match = _RANGE.fullmatch(key)
    if match is None:
        if not _POSITION.fullmatch(key):
            raise MistakeError("name", f"{shown(key)} is no position", "like A1, or A2..A33 for a row of them")
        return [key]
    low, high = int(match[2][:5]), int(match[3][:5])
    if not low < high <= low + POSITIONS_MAX:
        raise MistakeError("range", f"{shown(key)} is no range upwards of at most {POSITIONS_MAX} positions")
    return [f"{match[1]}{number}" for number in range(low, high + 1)]


def _channels(node: Node, place: _Place, devices: set[str]) -> tuple[ChannelRef, ...]:
    parts = as_text(node).split("+")
    return tuple(_resolved(part.strip(), place, devices) for part in parts)


def _shifted(node: Node, place: _Place, devices: set[str]) -> ChannelRef:
    """A temperature input or meter: a range has one for each position, a single one serves them all."""
    return _resolved(as_text(node), place, devices)


def _resolved(text: str, place: _Place, devices: set[str]) -> ChannelRef:
    match = _CHANNEL_RANGE.fullmatch(text)
    if match is not None:
        low, high = int(match[2][:9]), int(match[3][:9])
        if high - low + 1 != place.of:
            raise MistakeError("range", f"{shown(text)} names {high - low + 1} channels for {place.of} positions")
        text = f"{match[1]}{low + place.offset}"
    return _parsed(text, devices)


def _reference(node: Node, devices: set[str]) -> ChannelRef:
    return _parsed(as_text(node), devices)


def _parsed(text: str, devices: set[str]) -> ChannelRef:
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise MistakeError("reference", f"{shown(text)} is no channel of a device", "write it like psb-01/1")
    if match[1] not in devices:
        raise MistakeError("unknown-device", f"there is no device {match[1]}", nearest(match[1], devices))
    return ChannelRef(device=match[1], channel=match[2])


# Interlocks.


def _interlocks(fields: Fields) -> Iterator[Interlock]:
    for node in fields.take("interlocks", as_list) or []:
        entry = _entry(node, fields.problems, owner="an interlock")
        if entry is None:
            continue
        name = entry.take("id", as_title, required=True)
        reference = entry.take("input", _any_reference, required=True)
        active = entry.word("active", ("low", "high"), required=True)
        scope = entry.word("scope", SCOPES, required=True)
        action = entry.word("action", ACTIONS, required=True)
        entry.close()
        if name and reference and active and scope and action:
            words: dict[str, Any] = {"active": active, "scope": scope, "action": action}
            yield Interlock(interlock=name, input=reference, **words)


def _any_reference(node: Node) -> ChannelRef:
    text = as_text(node)
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise MistakeError("reference", f"{shown(text)} is no channel of a device", "write it like io-01/DI0")
    return ChannelRef(device=match[1], channel=match[2])


def _entry(node: Node, problems: Problems, *, owner: str) -> Fields | None:
    if not isinstance(node, MapNode):
        kind = "a list" if isinstance(node, ListNode) else "one value"
        problems.add(node.line, "type", f"{owner} is `key: value` entries, not {kind}")
        return None
    return Fields(node, problems, owner=owner)
