"""What control leaves running when it is gone: the channels that may finish their step, for whoever opens the rest.

Control writes the list anew whenever it changes. A list that is missing, of another rack file, from the future or
out of date names nobody, and then everything is opened.
"""

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from cycler.contract.sweep import Running

FILE: Final = "handover.json"
CLOCK_S: Final = 5.0
"""By how much step times and clocks of one order may differ."""


class NoHandover(Exception):
    """There is no list to go by, and why."""


class Finishing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One channel that may run on. `step_time_s` is that of its present phase when the list was written; `until_utc`
    when its device has ended the step at the latest."""

    device: str
    channel: str
    order_id: int
    step_time_s: float
    until_utc: datetime


class Handover(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`config_hash` is that of the rack file that control ran by."""

    config_hash: str
    written_utc: datetime
    channels: tuple[Finishing, ...]


def write_handover(folder: Path, handover: Handover) -> None:
    """Durable on return; a reader finds the old list or the new one. Raises `OSError`."""
    fresh = folder / f"{FILE}.new"
    with fresh.open("wb") as file:
        file.write(msgspec.json.encode(handover))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / FILE)


def read_handover(folder: Path, *, config_hash: str, now_utc: datetime) -> Handover:
    """With the channels whose time is not over. Raises `NoHandover`."""
    path = folder / FILE
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Handover)
    except FileNotFoundError:
        raise NoHandover(f"{path} is not there") from None
    except (OSError, msgspec.DecodeError) as error:
        raise NoHandover(f"{path} cannot be read: {error}") from None
    if found.config_hash != config_hash:
        raise NoHandover(f"{path} was written under another rack file")
    stamps = (found.written_utc, *(each.until_utc for each in found.channels))
    if any(stamp.tzinfo is None for stamp in stamps):
        raise NoHandover(f"{path} gives a time without its zone")
    if found.written_utc > now_utc + timedelta(seconds=CLOCK_S):
        raise NoHandover(f"{path} was written at {found.written_utc:%Y-%m-%d %H:%M:%S}, which is to come")
    still = tuple(each for each in found.channels if now_utc < each.until_utc)
    return msgspec.structs.replace(found, channels=still)


def confirms(running: Running, listed: Finishing, *, passed_s: float) -> bool:
    """Whether the device is at the order that control committed, so long after the list was written.

    A device that keeps no numbers of orders shows by the time in its step that it is still the same one.
    """
    if not running.energised:
        return False
    if running.order_id:
        return running.order_id == listed.order_id
    return running.step_time_s is not None and abs(running.step_time_s - listed.step_time_s - passed_s) <= CLOCK_S
