"""What the rack file says of one supply: `modbus-tcp://host:502?unit=0&scpi=5025`, and the driver's own keys."""

import re
from dataclasses import dataclass

from cycler.contract.plugin import DeviceSettings
from drivers.ea_psb.commissioning import Thresholds

_QUANTITY = re.compile(r"(\d+(?:\.\d*)?)\s*([A-Za-z]+)")
_THRESHOLDS = {
    "over_voltage": ("over_voltage_v", "V"),
    "over_current": ("source_current_a", "A"),
    "over_power": ("source_power_w", "W"),
    "sink_over_current": ("sink_current_a", "A"),
    "sink_over_power": ("sink_power_w", "W"),
}


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
    if unknown := set(settings.options) - {*_THRESHOLDS, "watchdog_proof"}:
        known = ", ".join([*_THRESHOLDS, "watchdog_proof"])
        raise ValueError(f"{device}: option {min(unknown)!r} is unknown; there are {known}")
    return Options(
        modbus_port=modbus_port if resource.port is None else resource.port,
        scpi_port=_whole(device, "scpi", resource.query.get("scpi", str(scpi_port)), 1, 65535),
        # The guide gives unit 0 for Modbus TCP; 1 is accepted in full compliance mode.
        unit=_whole(device, "unit", resource.query.get("unit", "0"), 0, 1),
        thresholds=Thresholds(
            **{
                name: _quantity(device, key, settings.options[key], unit)
                for key, (name, unit) in _THRESHOLDS.items()
                if key in settings.options
            }
        ),
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
