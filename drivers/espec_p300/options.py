"""What the rack file says of one chamber: `serial:///dev/...?baud=19200&address=1` or `ascii-tcp://host:10001`."""

import re
from dataclasses import dataclass

from cycler.contract.capabilities import ChamberRange
from cycler.contract.plugin import DeviceSettings

_KEYS = ("temperature_min", "temperature_max", "gap")
_QUERY_KEYS = {"serial": ("baud", "parity", "stopbits", "address"), "ascii-tcp": ("address",)}
_QUANTITY = re.compile(r"([+-]?\d{1,4}(?:\.\d{1,3})?)\s*([A-Za-z]+)", re.ASCII)
_ADDRESSES = range(1, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Of its range the controller tells the upper end only. Not said in the rack file: what most chambers reach."""

    address: int | None  # of a station on RS-485
    temperature_degc_min: float
    temperature_degc_max: float
    gap_s: float

    @property
    def range(self) -> ChamberRange:
        """As the rack file says; the chamber may know better."""
        return ChamberRange(
            temperature_degc_min=self.temperature_degc_min,
            temperature_degc_max=self.temperature_degc_max,
            rate_k_per_min_max=0.0,
        )


def parse_options(settings: DeviceSettings) -> Options:
    """Raises `ValueError` naming the device and the key."""
    resource, device = settings.resource, settings.device
    known = _QUERY_KEYS.get(resource.scheme)
    if known is None:
        raise ValueError(f"{device}: {resource.text!r} is neither serial:///dev/... nor ascii-tcp://host:port")
    if unknown := set(resource.query) - {*known}:
        raise ValueError(f"{device}: {resource.text!r}: {min(unknown)!r} is unknown; there are {', '.join(known)}")
    if unknown := set(settings.options) - {*_KEYS}:
        raise ValueError(f"{device}: option {min(unknown)!r} is unknown; there are {', '.join(_KEYS)}")
    low_degc = _quantity(settings, "temperature_min", "degC", "-20 degC")
    high_degc = _quantity(settings, "temperature_max", "degC", "80 degC")
    if high_degc <= low_degc:
        raise ValueError(f"{device}: temperature_max lies below temperature_min")
    gap_s = _quantity(settings, "gap", "s", "0.5 s")
    if not 0.0 <= gap_s <= 2.0:
        raise ValueError(f"{device}: gap: between two commands lie 0 s to 2 s")
    return Options(
        address=_address(settings), temperature_degc_min=low_degc, temperature_degc_max=high_degc, gap_s=gap_s
    )


def _address(settings: DeviceSettings) -> int | None:
    text = settings.resource.query.get("address")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 2 and int(text) in _ADDRESSES):
        raise ValueError(f"{settings.device}: address={text!r} is no whole number from 1 to 99")
    return int(text)


def _quantity(settings: DeviceSettings, key: str, unit: str, default: str) -> float:
    text = settings.options.get(key, default)
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match[2] != unit:
        raise ValueError(f"{settings.device}: {key}: {text!r} is no quantity in {unit}, like {default}")
    return float(match[1])
