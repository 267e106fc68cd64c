"""What the rack file says of one supply beside its resource."""

import re
from dataclasses import dataclass

from cycler.contract.plugin import DeviceSettings
from drivers.ea_psb.thresholds import THRESHOLDS, Thresholds

_QUANTITY = re.compile(r"(\d+(?:\.\d*)?)\s*([A-Za-z]+)")
_KEYS = tuple(threshold.key for threshold in THRESHOLDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The protection thresholds, which are the device's and not an order's."""

    thresholds: Thresholds


def parse_options(settings: DeviceSettings) -> Options:
    """Raises `ValueError` naming the device and the key."""
    device = settings.device
    if unknown := set(settings.options) - {*_KEYS}:
        raise ValueError(f"{device}: option {min(unknown)!r} is unknown; there are {', '.join(_KEYS)}")
    return Options(
        thresholds={
            threshold: _quantity(device, threshold.key, settings.options[threshold.key], threshold.unit)
            for threshold in THRESHOLDS
            if threshold.key in settings.options
        },
    )


def _quantity(device: str, key: str, text: str, unit: str) -> float:
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match[2] != unit or float(match[1]) <= 0.0:
        raise ValueError(f"{device}: {key}: {text!r} is no positive quantity in {unit}, like 4.5 {unit}")
    return float(match[1])
