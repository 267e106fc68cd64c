"""What of this computer a rack rests on, as far as it can be seen without being root: ports, clock, folders, disk."""

import ctypes
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from cycler.service.configuration import Configuration, DeviceConfiguration

FREE_RATIO_MIN: Final = 0.05
FREE_BYTES_MIN: Final = 2_000_000_000
"""Of the disk of the store: below either it is low."""

Verdict = Literal["fine", "look", "mend"]

_TIME_ERROR = 5  # of adjtimex(2): the clock is not synchronised
_TIMEX_BYTES = 1024  # more than any system's `struct timex`; all zero asks and sets nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at. `remedy` says what to do about it; empty where it is fine."""

    about: str
    verdict: Verdict
    text: str
    remedy: str = ""


def host_checks(configuration: Configuration) -> Iterator[Check]:
    """In the order of what stops a run first."""
    for device in configuration.devices:
        yield from _line(device)
    if configuration.store is not None:
        yield from _folder("store", configuration.store)
        yield disk_check(configuration.store)
    yield from _folder("runtime", configuration.runtime)
    yield clock_check()


def disk_check(store: Path) -> Check:
    """Whether the disk of a store, that may be made yet, has room enough."""
    place = store
    while not place.exists():
        place = place.parent
    usage = shutil.disk_usage(place)
    text = f"{usage.free / 1e9:.1f} GB of {usage.total / 1e9:.1f} GB are free"
    if usage.free < max(FREE_BYTES_MIN, FREE_RATIO_MIN * usage.total):
        return Check(about="disk", verdict="mend", text=text, remedy="make room: without a journal no cell is charged")
    return Check(about="disk", verdict="fine", text=text)


def clock_check() -> Check:
    """Whether the kernel counts its clock as synchronised."""
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    if state < 0:
        return Check(about="clock", verdict="look", text="this system does not tell whether it is synchronised")
    if state == _TIME_ERROR:
        remedy = "start a time service (chrony, systemd-timesyncd): records of racks are joined by time"
        return Check(about="clock", verdict="mend", text="not synchronised", remedy=remedy)
    return Check(about="clock", verdict="fine", text="synchronised")


def _line(device: DeviceConfiguration) -> Iterator[Check]:
    resource, about = device.settings.resource, f"port of {device.settings.device}"
    if resource.host or not resource.path.startswith("/dev/"):
        return
    path = Path(resource.path)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        text = f"{path}: {error.strerror}"
        yield Check(about=about, verdict="mend", text=text, remedy="plug it in, or mend the resource")
        return
    if not stat.S_ISCHR(mode):
        yield Check(about=about, verdict="mend", text=f"{path} is no serial port", remedy="mend the resource")
    elif not os.access(path, os.R_OK | os.W_OK):
        remedy = f"add this account to the group that owns it ({_group(path)}), and log in again"
        yield Check(about=about, verdict="mend", text=f"{path} may not be opened by this account", remedy=remedy)
    elif path.name.startswith(("ttyUSB", "ttyACM")):
        remedy = f"name it by its lasting name: {_by_id(path) or 'ls -l /dev/serial/by-id'}"
        yield Check(about=about, verdict="look", text=f"{path} may be another device after a restart", remedy=remedy)
    else:
        yield Check(about=about, verdict="fine", text=str(path))


def _group(path: Path) -> str:
    try:
        return path.group()
    except KeyError:
        return str(path.stat().st_gid)


def _by_id(path: Path) -> Path | None:
    names = Path("/dev/serial/by-id")
    return next((name for name in names.glob("*") if name.resolve() == path), None)


def _folder(about: str, path: Path) -> Iterator[Check]:
    """It is there and may be written, or can be made."""
    place = path
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        remedy = f"create {path} for the service's account (systemd: StateDirectory, RuntimeDirectory)"
        yield Check(about=about, verdict="mend", text=f"{place} may not be written by this account", remedy=remedy)
    else:
        text = str(path) if place == path else f"{path} is made at the start"
        yield Check(about=about, verdict="fine", text=text)
