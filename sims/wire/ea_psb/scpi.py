"""The device as SCPI text.

The programming guide gives short forms; long forms are those of the SCPI standard where it has the word. Not simulated:
resistance set values, supervision events, event and enable registers, life counters, the time limit between bytes.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from sims.wire.ea_psb.device import (
    FULL_SCALE,
    SET_RAW_MAX,
    Interface,
    Protection,
    PsbDevice,
    Refused,
    SetValue,
)

BUFFER_BYTES = 256
COMMANDS_MAX = 5
ERRORS_MAX = 5

COMMAND, SYNTAX, NOT_ALLOWED, EXECUTION, IS_LOCAL = -100, -102, -108, -200, -201
CONFLICT, OUT_OF_RANGE, TOO_MUCH_DATA, ILLEGAL_VALUE, OUT_OF_MEMORY = -221, -222, -223, -224, -225
_TEXTS = {
    COMMAND: "Command error",
    SYNTAX: "Syntax error",
    NOT_ALLOWED: "Parameter not allowed",
    EXECUTION: "Execution error",
    IS_LOCAL: "Invalid while in local",
    CONFLICT: "Settings conflict",
    OUT_OF_RANGE: "Data out of range",
    TOO_MUCH_DATA: "Too much data",
    ILLEGAL_VALUE: "Illegal parameter value",
    OUT_OF_MEMORY: "Out of memory",
}
_REASONS = {"local": IS_LOCAL, "not-in-control": CONFLICT, "range": OUT_OF_RANGE, "not-now": EXECUTION}

_SHORT = {
    "VOLTAGE": "VOLT", "CURRENT": "CURR", "POWER": "POW", "RESISTANCE": "RES", "PROTECTION": "PROT", "LIMIT": "LIM",
    "MEASURE": "MEAS", "ARRAY": "ARR", "OUTPUT": "OUTP", "SYSTEM": "SYST", "OWNER": "OWN", "NOMINAL": "NOM",
    "DEVICE": "DEV", "CLASS": "CLAS", "STAGE": "STAG", "AFTER": "AFT", "REMOTE": "REM", "CONFIG": "CONF",
    "RESTORE": "REST", "ALARM": "ALAR", "ACTION": "ACT", "COMMUNICATE": "COMM", "TIMEOUT": "TIM", "MONITOR": "MON",
    "ERROR": "ERR", "STATUS": "STAT", "QUESTIONABLE": "QUES", "OPERATION": "OPER", "CONDITION": "COND",
}  # fmt: skip
_QUANTITY = re.compile(r"([+-]?(?:\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})(?:E[+-]?\d{1,2})?)\s*([KM]?)([VAWS]?|OHM)", re.ASCII)
_SCALE = {"": 1.0, "K": 1e3, "M": 1e-3}


class Failed(Exception):
    """The command queues this error."""

    def __init__(self, code: int) -> None:
        super().__init__(_TEXTS[code])
        self.code = code


Set = Callable[[PsbDevice, Interface, str], None]
Get = Callable[[PsbDevice], str]


@dataclass(frozen=True, slots=True)
class Command:
    """What a header does with a parameter, and what it answers. None where there is no such form."""

    set: Set | None = None
    get: Get | None = None
    bare: Callable[[PsbDevice, Interface], None] | None = None  # without a parameter


def answer(device: PsbDevice, line: bytes, interface: Interface = Interface.ETHERNET) -> bytes | None:
    """The reply to one message without its LF, or None where there is none. Renews the device's watchdog."""
    device.heard()
    if len(line) > BUFFER_BYTES:
        _queue(device, TOO_MUCH_DATA)
        return None
    text = line.decode("latin-1").strip()
    if not text:
        return None
    parts = text.split(";")
    if len(parts) > COMMANDS_MAX:
        _queue(device, SYNTAX)
        return None
    replies = []
    for part in parts:
        try:
            reply = _execute(device, interface, part.strip().upper())
        except Failed as failed:
            _queue(device, failed.code)
        except Refused as refused:
            _queue(device, _REASONS[refused.reason])
        else:
            if reply is not None:
                replies.append(reply)
    joined = ";".join(replies).encode("latin-1", "replace")
    if len(joined) > BUFFER_BYTES:
        _queue(device, OUT_OF_MEMORY)
        return None
    return joined + b"\n" if replies else None


def _execute(device: PsbDevice, interface: Interface, text: str) -> str | None:
    if device.faults.strikes("exception"):
        raise Failed(EXECUTION)
    header, _, parameter = text.partition(" ")
    asks = header.endswith("?")
    words = header.removesuffix("?").removeprefix(":").split(":")
    command = _COMMANDS.get(":".join(_SHORT.get(word, word) for word in words))
    if command is None:
        raise Failed(COMMAND if header else SYNTAX)
    parameter = parameter.strip()
    if asks:
        if command.get is None:
            raise Failed(COMMAND)
        if parameter:
            raise Failed(NOT_ALLOWED)
        return command.get(device)
    if command.bare is not None and not parameter:
        command.bare(device, interface)
    elif command.set is None:
        raise Failed(NOT_ALLOWED if parameter else COMMAND)
    elif not parameter:
        raise Failed(SYNTAX)
    else:
        command.set(device, interface, parameter)
    return None


def _queue(device: PsbDevice, code: int) -> None:
    if len(device.errors) < ERRORS_MAX:
        device.errors.append((code, _TEXTS[code]))


def _next_error(device: PsbDevice) -> str:
    device.acknowledge()
    code, text = device.errors.popleft() if device.errors else (0, "No error")
    return f'{code},"{text}"'


def _all_errors(device: PsbDevice) -> str:
    texts = [_next_error(device)]
    while device.errors:
        texts.append(_next_error(device))
    return ",".join(texts)


def _number(text: str, *, unit: str, low: float, high: float) -> float:
    if text in ("MIN", "MINIMUM"):
        return low
    if text in ("MAX", "MAXIMUM"):
        return high
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise Failed(SYNTAX)
    if match[3] not in ("", unit):
        raise Failed(ILLEGAL_VALUE)
    value = float(match[1]) * _SCALE[match[2]]
    if not low <= value <= high:
        raise Failed(OUT_OF_RANGE)
    return value


def _choice(yes: str, no: str, *, numbers: bool = False) -> Callable[[str], bool]:
    """The parser of a parameter that is one of two words."""
    words = {yes: True, no: False} | ({"1": True, "0": False} if numbers else {})

    def parse(text: str) -> bool:
        if text not in words:
            raise Failed(ILLEGAL_VALUE)
        return words[text]

    return parse


_on_off = _choice("ON", "OFF", numbers=True)
_auto_off = _choice("AUTO", "OFF")


def _rated(device: PsbDevice, unit: str) -> float:
    model = device.model
    return {"V": model.rated_voltage_v, "A": model.rated_current_a, "W": model.rated_power_w}[unit]


def _raw(device: PsbDevice, text: str, unit: str, raw_max: int) -> int:
    rated = _rated(device, unit)
    # The tiny share takes up the rounding of the decimals in which the bound is written.
    value = _number(text, unit=unit, low=0.0, high=rated * raw_max / FULL_SCALE * (1 + 1e-4))
    return min(round(FULL_SCALE * value / rated), raw_max)


def _shown(device: PsbDevice, raw: float, unit: str) -> str:
    rated = _rated(device, unit)
    decimals = 3 if rated < 100 else 2 if rated < 1000 else 0
    return f"{rated * raw / FULL_SCALE:.{decimals}f}{unit}"


def _set_value(which: SetValue, unit: str) -> Command:
    def write(device: PsbDevice, interface: Interface, text: str) -> None:
        device.write_set_value(which, _raw(device, text, unit, SET_RAW_MAX), interface)

    return Command(write, lambda device: _shown(device, device.set_raw[which], unit))


def _limit(at: int, unit: str) -> Command:
    def write(device: PsbDevice, interface: Interface, text: str) -> None:
        device.write_limit(at, _raw(device, text, unit, SET_RAW_MAX), interface)

    return Command(write, lambda device: _shown(device, device.limit_raw[at], unit))


def _threshold(which: Protection, unit: str) -> Command:
    def write(device: PsbDevice, interface: Interface, text: str) -> None:
        device.write_threshold(which, _raw(device, text, unit, device.model.threshold_raw_max), interface)

    return Command(write, lambda device: _shown(device, device.thresholds[which], unit))


def _kept(parse: Callable[[str], object], name: str, show: Callable[[PsbDevice], str]) -> Command:
    """A setting that the device keeps without power."""

    def write(device: PsbDevice, interface: Interface, text: str) -> None:
        device.require_control(interface)
        setattr(device.setup, name, parse(text))
        device.restart_watchdog()

    return Command(write, show)


def _auto(name: str) -> Command:
    return _kept(_auto_off, name, lambda device: "AUTO" if getattr(device.setup, name) else "OFF")


def _measured(device: PsbDevice) -> tuple[str, str, str]:
    actual = device.measure()
    sign = -1 if actual.sinks else 1
    return (
        _shown(device, actual.voltage_raw, "V"),
        _shown(device, sign * actual.current_raw, "A"),
        _shown(device, sign * actual.power_raw, "W"),
    )


def _lock(device: PsbDevice, interface: Interface, text: str) -> None:
    if _on_off(text):
        device.take_control(interface)
    else:
        device.release_control(interface)


def _reset(device: PsbDevice, interface: Interface) -> None:
    device.take_control(interface)
    device.write_output(False, interface)
    device.acknowledge()
    device.errors.clear()


def _owner(device: PsbDevice) -> str:
    if device.local:
        return "LOCAL"
    return "NONE" if device.owner is None else "REMOTE"


def _questionable(device: PsbDevice) -> int:
    bits = {"OVP": 0, "OCP": 1, "OPP": 2, "OT": 3, "PF": 13}
    value = sum(1 << bits[alarm] for alarm in device.alarms)
    return value | device.local << 9 | (device.owner is not None) << 10 | device.energised << 11


def _operation(device: PsbDevice) -> int:
    value = device.shut_off << 4 | device.host_fell_silent << 7
    if device.energised:
        actual = device.measure()
        value |= 1 << {"cv": 8, "off": 8, "cc": 9, "cp": 10, "cr": 11}[actual.regulation] | actual.sinks << 12
    return value


def _status(device: PsbDevice) -> int:
    return bool(device.errors) << 2 | bool(device.alarms) << 3 | device.host_fell_silent << 7


def _output(device: PsbDevice, interface: Interface, text: str) -> None:
    device.write_output(_on_off(text), interface)


def _resistance_mode(device: PsbDevice, interface: Interface, text: str) -> None:
    device.write_resistance_mode(_choice("UIR", "UIP")(text), interface)


_COMMANDS: dict[str, Command] = {
    "*IDN": Command(
        get=lambda device: (
            f"EA Elektro-Automatik,{device.model.name},{device.model.serial},"
            f"V2.31 (simulated) V2.10 (simulated) V1.06 (simulated),{device.setup.user_text}"
        )
    ),
    "*RST": Command(bare=_reset),
    "*CLS": Command(bare=lambda device, _: device.errors.clear()),
    "*STB": Command(get=lambda device: str(_status(device))),
    "SYST:LOCK": Command(_lock),
    "SYST:LOCK:OWN": Command(get=_owner),
    "OUTP": Command(_output, lambda device: "ON" if device.energised else "OFF"),
    "VOLT": _set_value(SetValue.VOLTAGE, "V"),
    "CURR": _set_value(SetValue.SOURCE_CURRENT, "A"),
    "POW": _set_value(SetValue.SOURCE_POWER, "W"),
    "SINK:CURR": _set_value(SetValue.SINK_CURRENT, "A"),
    "SINK:POW": _set_value(SetValue.SINK_POWER, "W"),
    "MEAS:VOLT": Command(get=lambda device: _measured(device)[0]),
    "MEAS:CURR": Command(get=lambda device: _measured(device)[1]),
    "MEAS:POW": Command(get=lambda device: _measured(device)[2]),
    "MEAS:ARR": Command(get=lambda device: ", ".join(_measured(device))),
    "VOLT:PROT": _threshold("OVP", "V"),
    "CURR:PROT": _threshold("OCP", "A"),
    "POW:PROT": _threshold("OPP", "W"),
    "SINK:CURR:PROT": _threshold("sink OCP", "A"),
    "SINK:POW:PROT": _threshold("sink OPP", "W"),
    "VOLT:LIM:HIGH": _limit(0, "V"),
    "VOLT:LIM:LOW": _limit(1, "V"),
    "CURR:LIM:HIGH": _limit(2, "A"),
    "CURR:LIM:LOW": _limit(3, "A"),
    "POW:LIM:HIGH": _limit(4, "W"),
    "SINK:POW:LIM:HIGH": _limit(5, "W"),
    "SINK:CURR:LIM:HIGH": _limit(8, "A"),
    "SINK:CURR:LIM:LOW": _limit(9, "A"),
    "SYST:CONF:MODE": Command(_resistance_mode, lambda device: "UIR" if device.resistance_mode else "UIP"),
    "SYST:NOM:VOLT": Command(get=lambda device: _shown(device, FULL_SCALE, "V")),
    "SYST:NOM:CURR": Command(get=lambda device: _shown(device, FULL_SCALE, "A")),
    "SYST:NOM:POW": Command(get=lambda device: _shown(device, FULL_SCALE, "W")),
    "SYST:DEV:CLAS": Command(get=lambda device: "44"),
    "POW:STAG:AFT:REM": _auto("keep_after_remote"),
    "SYST:CONF:OUTP:REST": _auto("restore_output"),
    "SYST:ALAR:ACT:PFA": _auto("restart_after_power_fail"),
    "SYST:ALAR:ACT:OTEM": _auto("restart_after_over_temperature"),
    "SYST:COMM:MON:TIM": _kept(
        lambda text: _number(text, unit="S", low=1.0, high=36000.0),
        "watchdog_s",
        lambda device: f"{device.setup.watchdog_s:g}s",
    ),
    "SYST:COMM:MON:ACT": _kept(_on_off, "watchdog_on", lambda device: "ON" if device.setup.watchdog_on else "OFF"),
    "SYST:ERR": Command(get=_next_error),
    "SYST:ERR:NEXT": Command(get=_next_error),
    "SYST:ERR:ALL": Command(get=_all_errors),
    "STAT:QUES:COND": Command(get=lambda device: str(_questionable(device))),
    "STAT:OPER:COND": Command(get=lambda device: str(_operation(device))),
}
