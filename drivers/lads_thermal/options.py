"""What the rack file says of one chamber: `opc.tcp://host:4840/path`, and the driver's own keys."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

from cycler.contract.plugin import DeviceSettings
from drivers.links.opcua_nodes import Mode

OPC_UA_PORT = 4840
STALE_S = 5.0

_KEYS = (
    "security", "certificate", "key", "server_certificate", "login_file", "function", "sensor", "lock", "stale_after",
)  # fmt: skip
_FILES = ("certificate", "key", "server_certificate")
_MODES: dict[str, Mode] = {"encrypt": "encrypt", "sign": "sign", "none": "none"}
_SECONDS = re.compile(r"(\d+(?:\.\d*)?)\s*s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`files` are certificate, key and the server's certificate, or none where nothing is secured.

    `function` and `sensor` are the names by which those are chosen, the end of their path (`Unit/Controller`); empty
    where there is only one. `stale_s` is infinite where the age of values is not watched.
    """

    url: str
    mode: Mode
    files: tuple[Path, ...]
    login_file: Path | None
    function: str
    sensor: str
    locks: bool
    stale_s: float


def parse_options(settings: DeviceSettings) -> Options:
    """Reads no file. Raises `ValueError` naming the device and the key, and never what may be a password."""
    device, resource, given = settings.device, settings.resource, settings.options
    if resource.scheme != "opc.tcp" or not resource.host:
        raise ValueError(f"{device}: its resource is no opc.tcp://host:port/path")
    if resource.query:
        raise ValueError(f"{device}: {resource.text!r}: an OPC UA address takes no options")
    if unknown := set(given) - {*_KEYS}:
        raise ValueError(f"{device}: option {min(unknown)!r} is unknown; there are {', '.join(_KEYS)}")
    mode = _MODES.get(given.get("security", "encrypt"))
    if mode is None:
        raise ValueError(f"{device}: security: {given['security']!r} is none of {', '.join(_MODES)}")
    missing = [key for key in _FILES if key not in given]
    if mode != "none" and missing:
        raise ValueError(
            f"{device}: security: {mode} takes the names of files; {missing[0]} is not given. "
            "Where nobody but the rack is on this network write security: none, "
            "or to probe it --driver lads_thermal --option security=none"
        )
    if mode == "none" and (useless := [key for key in (*_FILES, "login_file") if key in given]):
        raise ValueError(f"{device}: {useless[0]} is of no use with security: none")
    return Options(
        url=f"opc.tcp://{resource.host}:{resource.port or OPC_UA_PORT}{resource.path}",
        mode=mode,
        files=tuple(Path(given[key]) for key in _FILES) if mode != "none" else (),
        login_file=Path(given["login_file"]) if "login_file" in given else None,
        function=given.get("function", ""),
        sensor=given.get("sensor", ""),
        locks=_yes_or_no(device, "lock", given.get("lock", "yes")),
        stale_s=_stale_s(device, given.get("stale_after", f"{STALE_S:g} s")),
    )


def _yes_or_no(device: str, key: str, text: str) -> bool:
    known = {"yes": True, "true": True, "no": False, "false": False}
    if text not in known:
        raise ValueError(f"{device}: {key}: {text!r} is neither yes nor no")
    return known[text]


def _stale_s(device: str, text: str) -> float:
    if text == "never":
        return math.inf
    match = _SECONDS.fullmatch(text.strip())
    if match is None or float(match[1]) <= 0.0:
        raise ValueError(f"{device}: stale_after: {text!r} is no time in s, like 5 s, and not never")
    return float(match[1])
