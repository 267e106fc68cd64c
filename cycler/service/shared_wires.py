"""Devices that meet on one wire: units and stations may share it, two devices cannot have one place on it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cycler.contract.plugin import Resource

STATIONS = ("unit", "address")
"""What tells devices apart that share a wire."""

SECOND_PORTS = {"scpi": "scpi-tcp", "modbus": "modbus-tcp"}
"""What in a resource names one more port of the same device."""

USUAL_PORTS = {"modbus-tcp": 502, "scpi-tcp": 5025, "opc.tcp": 4840}
WITHOUT_STATIONS = frozenset({"scpi-tcp"})
LINE_SETTINGS = ("baud", "parity", "stopbits")


@dataclass(frozen=True, slots=True)
class Clash:
    """Why a device cannot be beside another one."""

    message: str
    hint: str


def wires_of(resources: Mapping[str, Resource]) -> dict[str, str]:
    """The wire of each device that shares one with another, by device: `modbus-tcp://10.0.0.5:502`."""
    on_wire: defaultdict[str, list[str]] = defaultdict(list)
    for device, resource in resources.items():
        if not resource.in_process:
            port = resource.port or USUAL_PORTS.get(resource.scheme)
            at = f"{resource.host}:{port}" if port else resource.host
            on_wire[f"{resource.scheme}://{at}{resource.path}"].append(device)
    return {device: wire for wire, devices in on_wire.items() if len(devices) > 1 for device in devices}


def clash(device: str, resource: Resource, *, other: str, others: Resource) -> Clash | None:
    """Why the device cannot have its resource where the other one has its own."""
    if resource.in_process or others.in_process:
        return None
    if set(_places(resource)) & set(_places(others)):
        return Clash(f"{device}: {other} is at that address already", "one device cannot be two")
    if resource.host or not resource.path or resource.path != others.path:
        return None
    if resource.scheme != others.scheme:
        text = f"{device}: on {resource.path} it speaks {resource.scheme}, and {other} speaks {others.scheme}"
        return Clash(text, "one line has one language: give one of them a line of its own")
    for key in LINE_SETTINGS:
        here, there = (each.query.get(key, "").upper() for each in (resource, others))
        if here != there:
            text = f"{device}: on {resource.path} it says {_said(key, here)}, and {other} says {_said(key, there)}"
            return Clash(text, "all devices on one line talk alike: write the same in both resources")
    return None


def _places(resource: Resource) -> Iterator[tuple[object, ...]]:
    """Devices with the same are the same device. A port has one place, whatever is spoken there."""
    ports = {resource.scheme: resource.port or USUAL_PORTS.get(resource.scheme)}
    for key, scheme in SECOND_PORTS.items():
        second = resource.query.get(key, "")
        if second.isascii() and second.isdecimal():
            ports[scheme] = int(second)
    for scheme, port in ports.items():
        stations = () if scheme in WITHOUT_STATIONS else map(resource.query.get, STATIONS)
        yield resource.host, port or scheme, resource.path, *stations


def _said(key: str, value: str) -> str:
    return f"{key}={value}" if value else f"no {key}"
