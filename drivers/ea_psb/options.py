"""What the rack file says of one supply: `modbus-tcp://host:502?unit=0&scpi=5025`, and the driver's own keys."""

import re
from dataclasses import dataclass

from cycler.contract.plugin import DeviceSettings
from drivers.ea_psb.thresholds import THRESHOLDS, Thresholds

_QUANTITY = re.compile(r"(\d+(?:\.\d*)?)\s*([A-Za-z]+)")
_KEYS = (*(threshold.key for threshold in THRESHOLDS), "watchdog_proof")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`watchdog_proof`: where it is recorded that this very device was seen to open its output when its host fell
    silent. The maker's documents describe the watchdog's timer, not what it does; so without this it is unproven."""

    modbus_port: int
    scpi_port: int
    unit: int
    thresholds: Thresholds
    watchdog_proof: str


def parse_options(settings: DeviceSettings, *, modbus_port: int, scpi_port: int) -> Options:
    """Ports are the defaults. Raises `ValueError` naming the device and the key."""
    resource, device = settings.resource, settings.device
    if resource.scheme != "modbus-tcp" or not resource.host:
        raise ValueError(f"{device}: {resource.text!r} is no modbus-tcp://host:port")
    if unknown := set(resource.query) - {"unit", "scpi"}:
        raise ValueError(f"{device}: {resource.text!r}: {min(unknown)!r} is unknown; there are unit and scpi")
    if unknown := set(settings.options) - {*_KEYS}:
        raise ValueError(f"{device}: option {min(unknown)!r} is unknown; there are {', '.join(_KEYS)}")
    return Options(
        modbus_port=modbus_port if resource.port is None else resource.port,
        scpi_port=_whole(device, "scpi", resource.query.get("scpi", str(scpi_port)), 1, 65535),
        # The guide gives unit 0 for Modbus TCP; 1 is accepted in full compliance mode.
        unit=_whole(device, "unit", resource.query.get("unit", "0"), 0, 1),
        thresholds={
            threshold: _quantity(device, threshold.key, settings.options[threshold.key], threshold.unit)
            for threshold in THRESHOLDS
            if threshold.key in settings.options
        },
        watchdog_proof=settings.options.get("watchdog_proof", ""),
    )


def _whole(device: str, key: str, text: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdecimal() and low <= int(text[:6]) <= high):
        raise ValueError(f"{device}: {key}={text!r} is no whole number from {low} to {high}")
    return int(text)


def _quantity(device: str, key: str, text: str, unit: str) -> float:
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match[2] != unit or float(match[1]) <= 0.0:
        raise ValueError(f"{device}: {key}: {text!r} is no positive quantity in {unit}, like 4.5 {unit}")
    return float(match[1])
