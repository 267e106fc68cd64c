"""What the rack file says of one battery tester."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cycler.contract.plugin import DeviceSettings

RESISTANCE_RANGES_OHM = (3e-3, 30e-3, 300e-3, 3.0, 30.0, 300.0, 3000.0)  # V
VOLTAGE_RANGES_V = (6.0, 60.0)  # V: those that all models have

Rate = Literal["EXFAST", "FAST", "MEDIUM", "SLOW"]
MEASURING_S: Mapping[Rate, float] = {"EXFAST": 0.008, "FAST": 0.024, "MEDIUM": 0.084, "SLOW": 0.259}  # U, at 50 Hz

_RATES: Mapping[str, Rate] = {"exfast": "EXFAST", "fast": "FAST", "medium": "MEDIUM", "slow": "SLOW"}
_QUANTITY = re.compile(r"(\d+(?:\.\d*)?)\s*(m?Ohm|V)")
_KEYS = ("resistance_range", "voltage_range", "rate", "trigger", "headers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`single`: it measures when asked to, else it runs freely. `new_headers`: which names two commands are given."""

    resistance_range_ohm: float
    voltage_range_v: float
    rate: Rate
    single: bool
    new_headers: bool


def parse_options(settings: DeviceSettings) -> Options:
    """Raises `ValueError` naming the device and the key."""
    device, options = settings.device, settings.options
    if unknown := set(options) - {*_KEYS}:
        raise ValueError(f"{device}: option {min(unknown)!r} is unknown; there are {', '.join(_KEYS)}")
    rate = _RATES.get(options.get("rate", "medium"))
    if rate is None:
        raise ValueError(f"{device}: rate: {options['rate']!r} is none of {', '.join(_RATES)}")
    return Options(
        resistance_range_ohm=_range(settings, "resistance_range", "300 mOhm", RESISTANCE_RANGES_OHM, "Ohm"),
        voltage_range_v=_range(settings, "voltage_range", "6 V", VOLTAGE_RANGES_V, "V"),
        rate=rate,
        single=_either(settings, "trigger", "single", "free-run"),
        new_headers=_either(settings, "headers", "new", "old", default="old"),
    )


def _either(settings: DeviceSettings, key: str, yes: str, no: str, *, default: str | None = None) -> bool:
    text = settings.options.get(key, default or yes)
    if text not in (yes, no):
        raise ValueError(f"{settings.device}: {key}: {text!r} is neither {yes} nor {no}")
    return text == yes


def _range(settings: DeviceSettings, key: str, default: str, ranges: tuple[float, ...], unit: str) -> float:
    text = settings.options.get(key, default)
    match = _QUANTITY.fullmatch(text.strip())
    if match is not None and match[2].endswith(unit):
        value = float(match[1]) * (1e-3 if match[2].startswith("m") else 1.0)
        found = next((each for each in ranges if abs(each - value) <= 1e-6 * each), None)
        if found is not None:
            return found
    names = ", ".join(f"{each:g} {unit}" for each in ranges)
    raise ValueError(f"{settings.device}: {key}: {text!r} is none of its ranges: {names}")
