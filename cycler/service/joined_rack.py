"""The rack as control sees it: every cell has one channel, and devices that share cells are one device."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from cycler.contract.capabilities import ChannelRange
from cycler.contract.devices import CyclerDriver
from cycler.contract.parallel.cycler import ParallelCycler
from cycler.contract.parallel.declaration import joined_range
from cycler.contract.parallel.parts import Joint, Part, device_name
from cycler.contract.sweep import ChannelId
from cycler.model.rack import Bay, ChannelRef, Position, Rack


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedDevice:
    """Devices with channels in parallel on common cells, which are swept, ordered and opened together."""

    devices: tuple[str, ...]
    joints: tuple[Joint, ...]

    @property
    def device(self) -> str:
        """What they go by: `psb-01+psb-02`."""
        return device_name(self.devices)

    def cycler(self, drivers: Mapping[str, CyclerDriver]) -> ParallelCycler:
        """Over their drivers. Raises `ValueError` where the cells do not have equally many channels."""
        return ParallelCycler({device: drivers[device] for device in self.devices}, self.joints)

    def range(self, ranges: Mapping[str, ChannelRange | None]) -> ChannelRange | None:
        """Of the joined channels; None where a device does not tell its own before it is connected."""
        known = [each for device in self.devices if (each := ranges[device]) is not None]
        return joined_range(known, len(self.joints[0].parts)) if len(known) == len(self.devices) else None


def joined_devices(rack: Rack) -> tuple[JoinedDevice, ...]:
    """None for a rack without channels in parallel."""
    found: list[JoinedDevice] = []
    for joint in _joints(rack):
        own = dict.fromkeys(part.device for part in joint.parts)
        linked = [each for each in found if own.keys() & set(each.devices)]
        found = [each for each in found if each not in linked]
        devices = [device for each in linked for device in each.devices]
        joints = [other for each in linked for other in each.joints]
        found.append(JoinedDevice(devices=tuple(dict.fromkeys([*devices, *own])), joints=(*joints, joint)))
    return tuple(found)


def joined_rack(rack: Rack) -> Rack:
    """The same one where nothing is in parallel."""
    named = {device: joined.device for joined in joined_devices(rack) for device in joined.devices}
    if not named:
        return rack
    overrides = dict(rack.overrides)
    for joined in joined_devices(rack):
        own = [overrides[device] for device in joined.devices if device in overrides]
        if len(own) == len(joined.devices):  # else one of them opens for nobody
            overrides[joined.device] = min(own, key=lambda override: override.expires)
    bays = {name: _joined_bay(bay, named) for name, bay in rack.bays.items()}
    return replace(rack, bays=bays, overrides=overrides)


def joined_cyclers(rack: Rack, cyclers: Mapping[str, CyclerDriver]) -> Mapping[str, CyclerDriver]:
    """The rack's, with those that are joined as one each. Raises `ValueError` for what cannot be joined."""
    joined = joined_devices(rack)
    taken = {device for each in joined for device in each.devices}
    alone = {device: cycler for device, cycler in cyclers.items() if device not in taken}
    return alone | {each.device: each.cycler(cyclers) for each in joined}


def joined_ranges(rack: Rack, ranges: Mapping[str, ChannelRange | None]) -> Mapping[str, ChannelRange | None]:
    """What each device gives to a cell, as far as the rack file tells it; those that are joined give it together."""
    joined = {device: each.range(ranges) for each in joined_devices(rack) for device in each.devices}
    return {device: joined.get(device, channel) for device, channel in ranges.items()}


def _joints(rack: Rack) -> Iterator[Joint]:
    for position in _positions(rack):
        if len(position.channels) > 1:
            yield Joint(parts=_parts(position.channels), imbalance_ratio=position.imbalance_ratio)


def _positions(rack: Rack) -> Iterable[Position]:
    return [position for bay in rack.bays.values() for position in bay.positions.values()]


def _parts(channels: Iterable[ChannelRef]) -> tuple[Part, ...]:
    return tuple(Part(channel.device, ChannelId(channel.channel)) for channel in channels)


def _joined_bay(bay: Bay, named: Mapping[str, str]) -> Bay:
    positions = {}
    for name, position in bay.positions.items():
        device = named.get(position.channels[0].device)
        if device is not None:
            channel = ChannelRef(device=device, channel=Joint(parts=_parts(position.channels)).name)
            position = replace(position, channels=(channel,))  # noqa: PLW2901 (the same place)
        positions[name] = position
    return replace(bay, positions=positions)
