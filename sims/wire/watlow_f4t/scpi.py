"""The controller as SCPI text, firmware 4.07. It has no error queue: what it does not understand is not answered.

Source: the commands of "TestEquity F4T Controller" for firmware 4.05 and later; long and short forms as printed there.
Not simulated: names, timers, steps and soft keys, which no command here needs.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from sims.wire.watlow_f4t.device import F4tDevice, Profile, RampAction, Refused, Unit

LINE_BYTES_MAX = 256
EVENTS = 7

_FORMS = (
    "SOURce", "CLOop", "CAScade", "PVALue", "SPOint", "ERRor", "IDLE", "RACTion", "RSCAle", "RRATe", "RTIMe", "OUTer",
    "INNer", "UNIT", "TEMPerature", "DISPlay", "OUTPut", "STATe", "PROGram", "SELected", "NUMBer", "STEP",
)  # fmt: skip
_LONG = {short: form.upper() for form in _FORMS for short in (form.upper(), re.sub("[a-z]", "", form))}
_WORD = re.compile(r"([A-Z]+)(\d{0,2})")
_NUMBER = re.compile(r"[+-]?\d{1,9}(\.\d{0,9})?")
_RAMP_ACTIONS = {
    "OFF": RampAction.OFF, "STARTUP": RampAction.STARTUP, "STA": RampAction.STARTUP,
    "SETPOINT": RampAction.SET_POINT, "SETP": RampAction.SET_POINT, "BOTH": RampAction.BOTH,
}  # fmt: skip
_SCALES = {"MINUTES": False, "MIN": False, "HOURS": True}
_ON_OFF = {"ON": True, "OFF": False}


@dataclass(frozen=True, slots=True)
class Command:
    """None where there is no such form."""

    get: Callable[[F4tDevice, int], str] | None = None
    set: Callable[[F4tDevice, int, str], None] | None = None


def answer(device: F4tDevice, line: bytes) -> bytes | None:
    """The reply to one line without its end, or None where there is none."""
    if len(line) > LINE_BYTES_MAX:
        return None
    header, _, parameter = line.decode("latin-1").strip().upper().partition(" ")
    asks = header.endswith("?")
    name, number = _canonical(header.removesuffix("?"))
    command = _commands(device).get(name)
    if command is None or not _exists(device, name, number):
        return None
    if asks:
        return None if command.get is None or parameter else command.get(device, number).encode("ascii") + b"\n"
    if command.set is not None:
        try:
            command.set(device, number, parameter.strip())
        except (Refused, KeyError):
            return None
    return None


def _canonical(header: str) -> tuple[str, int]:
    """The header in long words with `#` for its number, and the number: `SOURCE:CLOOP#:PVALUE`, 1."""
    if header.startswith("*"):
        return header, 0
    words, number = [], 0
    for word in header.removeprefix(":").split(":"):
        match = _WORD.fullmatch(word)
        if match is None:
            return "", 0
        words.append(_LONG.get(match[1], "") + ("#" if match[2] else ""))
        number = int(match[2] or number)
    return ":".join(words), number


def _exists(device: F4tDevice, name: str, number: int) -> bool:
    if name.startswith("OUTPUT"):
        return 1 <= number <= EVENTS
    return not name.startswith("SOURCE") or number == device.setup.number


def _commands(device: F4tDevice) -> dict[str, Command]:
    return _CASCADE if device.setup.is_cascade else _LOOP


def _number(text: str) -> float:
    if _NUMBER.fullmatch(text) is None:
        raise Refused
    return float(text)


def _shown(device: F4tDevice, degc: float) -> str:
    """A temperature in the network's unit, rounded as everywhere."""
    return f"{degc * 1.8 + 32.0 if device.setup.unit_tcp == 'F' else degc:.1f}"


def _degc(device: F4tDevice, text: str) -> float:
    value = _number(text)
    return (value - 32.0) / 1.8 if device.setup.unit_tcp == "F" else value


def _degrees(device: F4tDevice) -> float:
    return 1.8 if device.setup.unit_tcp == "F" else 1.0


def _process(device: F4tDevice, number: int) -> str:
    """With a broken sensor a number all the same, which means nothing."""
    degc = device.process_degc()
    return _shown(device, 0.0 if math.isnan(degc) else degc)


def _input_error(device: F4tDevice, number: int) -> str:
    return "ERROR" if math.isnan(device.process_degc()) else "NONE"


def _active(device: F4tDevice, number: int) -> str:
    return _shown(device, device.active_degc())


def _set_point(device: F4tDevice, number: int, text: str) -> None:
    device.write_set_point(_degc(device, text))


def _set_idle(device: F4tDevice, number: int, text: str) -> None:
    device.idle_degc = _degc(device, text)


def _set_scale(device: F4tDevice, number: int, text: str) -> None:
    device.ramp_in_hours = _SCALES[text]


def _set_rate(device: F4tDevice, number: int, text: str) -> None:
    device.write_ramp_rate(_number(text) / _degrees(device))


def _set_unit(device: F4tDevice, number: int, text: str) -> None:
    units: dict[str, Unit] = {"C": "C", "F": "F"}
    device.setup.unit_tcp = units[text]


def _set_profile(device: F4tDevice, number: int, text: str) -> None:
    match text:
        case "START" | "STA":
            device.command_profile("start")
        case "STOP":
            device.command_profile("terminate")
        case "PAUSE" | "PAUS":
            device.command_profile("pause")
        case "RESUME" | "RES":
            device.command_profile("resume")


def _profile(device: F4tDevice, number: int) -> str:
    return {Profile.RUNNING: "RUNNING", Profile.PAUSED: "PAUSED"}.get(device.profile, "OFF")


def _identity(device: F4tDevice, number: int) -> str:
    return f"Watlow Electric,F4T Controller,4711,{device.setup.firmware}"


_COMMON = {
    "*IDN": Command(_identity),
    "UNIT:TEMPERATURE": Command(lambda device, number: device.setup.unit_tcp, _set_unit),
    "OUTPUT#:STATE": Command(
        lambda device, number: "ON" if device.events[number - 1] else "OFF",
        lambda device, number, text: device.write_event(number, _ON_OFF[text]),
    ),
    "PROGRAM:SELECTED:STATE": Command(_profile, _set_profile),
    "PROGRAM:STATE": Command(_profile, _set_profile),
}
_LOOP = {
    **_COMMON,
    "SOURCE:CLOOP#:PVALUE": Command(_process),
    "SOURCE:CLOOP#:ERROR": Command(_input_error),
    "SOURCE:CLOOP#:SPOINT": Command(_active, _set_point),
    "SOURCE:CLOOP#:IDLE": Command(lambda device, number: _shown(device, device.idle_degc), _set_idle),
    "SOURCE:CLOOP#:RACTION": Command(set=lambda device, _, text: device.write_ramp_action(_RAMP_ACTIONS[text])),
    "SOURCE:CLOOP#:RSCALE": Command(set=_set_scale),
    "SOURCE:CLOOP#:RRATE": Command(lambda device, number: f"{device.ramp_k * _degrees(device):.1f}", _set_rate),
}
_CASCADE = {
    **_COMMON,
    "SOURCE:CASCADE#:SPOINT": Command(_active, _set_point),
    **{
        f"SOURCE:CASCADE#:{place}:{name}": Command(get)
        for place in ("OUTER", "INNER")
        for name, get in {"PVALUE": _process, "SPOINT": _active, "ERROR": _input_error}.items()
    },
}
