"""The commands that the driver uses, what answers them, and what each refusal means.

Source: the control library that the chamber maker's US branch publishes for these controllers; all of it is in use with
real ones. What is not confirmed by it is marked U.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cycler.contract.errors import DeviceError, DeviceFault, ProtocolError

TYPE, ROM, MODE, MONITOR, TEMPERATURES, ALARMS = "TYPE?", "ROM?", "MODE?", "MON?", "TEMP?", "ALARM?"
STAND_BY, HOLD_CONSTANT = "MODE,STANDBY", "MODE,CONSTANT"

REFUSED = "NA:"  # everything else answers a setting that was taken
REFUSALS: Mapping[str, tuple[type[DeviceError], str]] = {
    "CMD ERR": (ProtocolError, "it does not know this command"),
    "ADDR ERR": (ProtocolError, "it expects another address before the command"),
    "PARA ERR": (ProtocolError, "a parameter is missing or wrong"),
    "INVALID REQ": (ProtocolError, "it does not have this function"),
    "CONT NOT READY-1": (DeviceFault, "this chamber has no humidity or product temperature control"),
    "CONT NOT READY-2": (DeviceFault, "no program is running"),
    "CONT NOT READY-3": (ProtocolError, "this controller does not have the command"),
    "DATA OUT OF RANGE": (DeviceFault, "the value is not allowed"),
    "PROTECT ON": (DeviceFault, "data protection is switched on at its panel"),
    "CHB NOT READY": (DeviceFault, "it cannot do that now"),
}

CONTROLLERS = ("P300", "P-300", "SCP220", "SCP-220")  # the first as recorded, the others U
OFF, STANDBY, CONSTANT = "OFF", "STANDBY", "CONSTANT"
RUNS = ("RUN", "RMT RUN")  # a program does, stored or sent; paused or holding its end counts too

SENSIBLE_DEGC = (-100.0, 400.0)  # outside, it is no temperature of a chamber
_NUMBER = re.compile(r"[+-]?\d{1,4}(?:\.\d{1,3})?", re.ASCII)


class Unexpected(Exception):
    """A reply that is none to the query; the text says what one looks like."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plate:
    """What the controller says that it is."""

    controller: str
    temperature_degc_max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Temperatures:
    """`actual_degc` is NaN where the controller shows no number, or none of this world."""

    actual_degc: float
    set_degc: float
    high_degc: float
    low_degc: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """`alarms` is how many stand."""

    mode: str
    alarms: int


def refusal(device: str, command: str, reply: str) -> DeviceError:
    """The error that a reply beginning with `NA:` is."""
    reason = reply.removeprefix(REFUSED).strip()
    error, meaning = REFUSALS.get(reason, (DeviceFault, "it gives no reason that is known"))
    return error(device, f"{command!r} was answered by {reply!r}: {meaning}")


def set_point(degc: float) -> str:
    """The command that sets it: one decimal."""
    return f"TEMP, S{_shown(degc)}"


def high_limit(degc: float) -> str:
    """The command that sets it: one decimal."""
    return f"TEMP, H{_shown(degc)}"


def low_limit(degc: float) -> str:
    """The command that sets it: one decimal."""
    return f"TEMP, L{_shown(degc)}"


def plate(reply: str) -> Plate:
    """Of `TYPE?`: with or without a wet bulb in second place. Raises `Unexpected`."""
    fields = reply.split(",")
    if len(fields) not in (3, 4):
        raise Unexpected("sensors, controller and highest temperature, like 'T,P300,180.0'")
    return Plate(controller=fields[-2].strip(), temperature_degc_max=_number(fields[-1]))


def temperatures(reply: str) -> Temperatures:
    """Of `TEMP?`. Raises `Unexpected`."""
    fields = reply.split(",")
    if len(fields) != 4:
        raise Unexpected("actual value, set point, high and low limit, like '23.5,25.0,180.0,-75.0'")
    return Temperatures(
        actual_degc=_measured(fields[0]),
        set_degc=_number(fields[1]),
        high_degc=_number(fields[2]),
        low_degc=_number(fields[3]),
    )


def monitor(reply: str) -> Monitor:
    """Of `MON?`. Raises `Unexpected`."""
    fields = reply.split(",")
    if len(fields) != 4 or not re.fullmatch(r"\d{1,3}", fields[3].strip(), re.ASCII):
        raise Unexpected("temperature, humidity, mode and number of alarms, like '23.5,,CONSTANT,0'")
    return Monitor(mode=mode(fields[2]), alarms=int(fields[3]))


def mode(reply: str) -> str:
    """Of `MODE?`; programs may come with details. Raises `Unexpected`."""
    word = reply.strip()
    if word not in (OFF, STANDBY, CONSTANT) and not is_program(word):
        raise Unexpected("OFF, STANDBY, CONSTANT or RUN")
    return word


def is_program(mode: str) -> bool:
    """Whether a program is in control."""
    return mode.startswith(RUNS)


def alarms(reply: str) -> tuple[int, ...]:
    """Of `ALARM?`: the chamber's own codes. Raises `Unexpected`."""
    fields = [field.strip() for field in reply.split(",")]
    if not all(re.fullmatch(r"\d{1,3}", field, re.ASCII) for field in fields) or int(fields[0]) != len(fields) - 1:
        raise Unexpected("a number of alarms and so many codes, like '2,0,7'")
    return tuple(int(field) for field in fields[1:])


def _shown(degc: float) -> str:
    return f"{round(degc, 1) + 0.0:.1f}"


def _number(field: str) -> float:
    if _NUMBER.fullmatch(field.strip()) is None:
        raise Unexpected(f"a number where {field!r} stands")
    return float(field)


def _measured(field: str) -> float:
    if _NUMBER.fullmatch(field.strip()) is None:
        return math.nan
    low_degc, high_degc = SENSIBLE_DEGC
    return float(field) if low_degc <= float(field) <= high_degc else math.nan
