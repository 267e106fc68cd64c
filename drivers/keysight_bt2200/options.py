"""What the rack file says of one mainframe, beyond its address and its rating."""

import re
from dataclasses import dataclass

from cycler.contract.plugin import DeviceSettings
from drivers.keysight_bt2200.commands import CARD_CHANNELS, CARDS

KEYS = (
    "channels", "parallel", "start_delay", "precharge_below", "time_max", "sequences", "probe_limit",
    "bipolar_sense",
)  # fmt: skip

_QUANTITY = re.compile(r"(\d{1,9}(?:\.\d{0,9})?)\s*([A-Za-z]+)", re.ASCII)
_SPAN = re.compile(r"([1-8]\d\d)(?:\.\.([1-8]\d\d))?", re.ASCII)
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_ALL = " ".join(f"{card}01..{card}{CARD_CHANNELS}" for card in range(1, CARDS + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`groups`: the card channels of each cell, in ascending order.

    `start_delay_s`: from the start of a CHARGE to its current. `precharge_below_v`: charges to at most this voltage are
    PRECHARGE. `time_s_max`: how long an order lasts that has no limit of its own. `sequences`: how many the instrument
    holds at most.
    """

    groups: tuple[tuple[int, ...], ...]
    start_delay_s: float
    precharge_below_v: float
    time_s_max: float
    sequences: int
    probe_limit_ohm: float | None
    bipolar_sense: bool


def parse_options(settings: DeviceSettings) -> Options:
    """Raises `ValueError` naming the device and the key."""
    device, given = settings.device, settings.options
    if settings.resource.scheme == "scpi-tcp" and settings.resource.query:
        raise ValueError(f"{device}: {settings.resource.text!r}: {min(settings.resource.query)!r} is unknown")
    if unknown := set(given) - {*KEYS}:
        raise ValueError(f"{device}: option {min(unknown)!r} is unknown; there are {', '.join(KEYS)}")
    probe_limit = given.get("probe_limit")
    sense = given.get("bipolar_sense", "false")
    if sense not in ("true", "false"):
        raise ValueError(f"{device}: bipolar_sense: {sense!r} is none of true, false")
    return Options(
        groups=_groups(device, given.get("channels", _ALL), _whole(device, "parallel", given.get("parallel", "1"))),
        start_delay_s=_time_s(device, "start_delay", given.get("start_delay", "15 s")),
        precharge_below_v=_quantity(device, "precharge_below", given.get("precharge_below", "2 V"), "V"),
        time_s_max=_time_s(device, "time_max", given.get("time_max", "24 h")),
        sequences=_whole(device, "sequences", given.get("sequences", "32")),
        probe_limit_ohm=None if probe_limit is None else _quantity(device, "probe_limit", probe_limit, "Ohm"),
        bipolar_sense=sense == "true",
    )


def _groups(device: str, text: str, width: int) -> tuple[tuple[int, ...], ...]:
    channels: list[int] = []
    for word in text.replace(",", " ").split():
        match = _SPAN.fullmatch(word)
        if match is None:
            raise ValueError(f"{device}: channels: {word!r} is no channel like 101 nor a span like 101..132")
        low, high = int(match[1]), int(match[2] or match[1])
        if not (1 <= low % 100 <= high % 100 <= CARD_CHANNELS and low // 100 == high // 100):
            raise ValueError(f"{device}: channels: {word!r}: a card has channels 01 to {CARD_CHANNELS}")
        channels += range(low, high + 1)
    if len(set(channels)) < len(channels) or not channels:
        raise ValueError(f"{device}: channels: {text!r} names none, or one of them twice")
    channels.sort()
    groups = tuple(tuple(channels[at : at + width]) for at in range(0, len(channels), width))
    for group in groups:
        if len(group) != width or group[-1] // 100 != group[0] // 100:
            raise ValueError(f"{device}: parallel: {width}: the channels from {group[0]} on make no group on one card")
    return groups


def _whole(device: str, key: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:4]) <= 255):
        raise ValueError(f"{device}: {key}: {text!r} is no whole number from 1 to 255")
    return int(text)


def _time_s(device: str, key: str, text: str) -> float:
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match[2] not in _SECONDS:
        raise ValueError(f"{device}: {key}: {text!r} is no time like 15 s, 30 min or 24 h")
    return float(match[1]) * _SECONDS[match[2]]


def _quantity(device: str, key: str, text: str, unit: str) -> float:
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match[2] != unit:
        raise ValueError(f"{device}: {key}: {text!r} is no quantity in {unit}, like 2 {unit}")
    return float(match[1])
