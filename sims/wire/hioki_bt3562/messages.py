"""The device as lines of text.

Source: maker's instruction manual BT3562A981, chapter 8: message format, and its table of commands as far as the sheet
of the device knows them. An error in a message ends it; an error in a query leaves it without a reply.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from sims.wire.hioki_bt3562.device import (
    COMMAND_ERROR,
    EXECUTION_ERROR,
    QUERY_ERROR,
    Function,
    HiokiDevice,
    Rate,
    Refused,
)
from sims.wire.lines import Late

LINE_BYTES_MAX = 256  # U
END = b"\r\n"


class WrongData(Exception):
    """A parameter that cannot be understood."""


@dataclass(frozen=True, slots=True)
class Slow:
    """A reply that has to be measured first."""

    text: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a header does with its data, and what it answers; None where there is no such form.

    `named`: its answers carry the header where headers are on.
    """

    set: Callable[[HiokiDevice, str], None] | None = None
    get: Callable[[HiokiDevice], str | Slow] | None = None
    bare: bool = False  # it is set without data
    named: bool = True


def answer(device: HiokiDevice, line: bytes) -> bytes | Late | None:
    """The reply to one message without its CR, or None where there is none."""
    if len(line) > LINE_BYTES_MAX:
        device.events |= COMMAND_ERROR
        return None
    text = line.decode("latin-1").strip("\r\n ").upper()
    units = text.split(";")
    for number, unit in enumerate(units, 1):
        if not unit.strip():
            continue
        header, _, data = unit.strip().partition(" ")
        if header.endswith("?") and number < len(units):
            device.events |= QUERY_ERROR
            return None
        try:
            reply = _execute(device, header, data.strip())
        except WrongData:
            device.events |= COMMAND_ERROR
            return None
        except Refused:
            device.events |= EXECUTION_ERROR
            return None
        if isinstance(reply, Slow):
            return Late(reply.seconds, reply.text.encode("latin-1") + END)
        if reply is not None:
            return reply.encode("latin-1") + END
    return None


def _execute(device: HiokiDevice, header: str, data: str) -> str | Slow | None:
    found = _find(header.removesuffix("?"))
    if found is None:
        raise WrongData
    name, command = found
    if header.endswith("?"):
        if command.get is None or data:
            raise WrongData
        reply = command.get(device)
        if isinstance(reply, str) and command.named and device.settings.headers:
            return f"{name} {reply}"
        return reply
    if command.set is None or command.bare == bool(data):
        raise WrongData
    command.set(device, data)
    return None


def _word(data: str, *words: str) -> str:
    """One of the words, in its short or long form; the long form in upper case."""
    for word in words:
        short = word.rstrip("abcdefghijklmnopqrstuvwxyz")
        if data in (short, word.upper()):
            return word.upper()
    raise WrongData


def _number(data: str) -> float:
    if re.fullmatch(r"[+-]?(\d{1,9}\.?\d{0,9}|\.\d{1,9})(E[+-]?\d{1,2})?", data) is None:
        raise WrongData
    return float(data)


def _byte(data: str) -> None:
    if not 0 <= _number(data) <= 255:
        raise Refused


def _switch(name: str) -> Command:
    def write(device: HiokiDevice, data: str) -> None:
        setattr(device.settings, name, _on(data))

    return Command(set=write, get=lambda device: _on_off(getattr(device.settings, name)))


def _choice(name: str, *words: str) -> Command:
    def write(device: HiokiDevice, data: str) -> None:
        setattr(device.settings, name, cast(Any, _word(data, *words)))

    return Command(set=write, get=lambda device: str(getattr(device.settings, name)))


def _on(data: str) -> bool:
    if data in ("ON", "1"):
        return True
    if data in ("OFF", "0"):
        return False
    raise WrongData


def _on_off(on: bool) -> str:
    return "ON" if on else "OFF"


def _set_function(device: HiokiDevice, data: str) -> None:
    device.settings.function = cast(Function, _word(data, "RV", "RESistance", "VOLTage"))


def _set_mode(device: HiokiDevice, data: str) -> None:
    device.settings.function = "RV" if _word(data, "R", "RV") == "RV" else "RESISTANCE"


def _set_rate(device: HiokiDevice, data: str) -> None:
    device.settings.rate = cast(Rate, _word(data, "EXFast", "FAST", "MEDium", "SLOW"))


def _set_average(device: HiokiDevice, data: str) -> None:
    count = _number(data)
    if not 2 <= count <= 16:
        raise Refused
    device.settings.average_count = int(count)


def _read(device: HiokiDevice) -> Slow:
    values = device.read()
    return Slow(",".join(str(value) for value in values), device.measuring_s)


def _take_events(device: HiokiDevice) -> str:
    events, device.events = device.events, 0
    return str(events)


def _clear_events(device: HiokiDevice, data: str) -> None:
    device.events = 0


def _nothing(device: HiokiDevice, data: str) -> None:
    """Answered or obeyed, without a meaning here."""


_RESISTANCE = Command(
    set=lambda device, data: device.set_resistance_range(_number(data)),
    get=lambda device: device.settings.resistance_range.shown_name,
)
_VOLTAGE = Command(
    set=lambda device, data: device.set_voltage_range(_number(data)),
    get=lambda device: device.settings.voltage_range.shown_name,
)

COMMANDS: Mapping[str, Command] = {
    "*IDN": Command(get=lambda device: f"HIOKI,{device.model},0,{device.version}", named=False),
    "*RST": Command(set=lambda device, data: device.reset(), bare=True),
    "*TST": Command(get=lambda device: "0", named=False),
    "*OPC": Command(get=lambda device: "1", set=_nothing, bare=True, named=False),
    "*WAI": Command(set=_nothing, bare=True),
    "*TRG": Command(set=_nothing, bare=True),
    "*ESR": Command(get=_take_events, named=False),
    "*ESE": Command(set=lambda device, data: _byte(data)),
    "*SRE": Command(set=lambda device, data: _byte(data)),
    "*STB": Command(get=lambda device: "32" if device.events else "0", named=False),
    "*CLS": Command(set=_clear_events, bare=True),
    ":FUNCtion": Command(set=_set_function, get=lambda device: device.settings.function),
    ":MODe": Command(set=_set_mode, get=lambda device: "RV" if device.settings.function == "RV" else "R"),
    ":RESistance:RANGe": _RESISTANCE,
    ":VOLTage:RANGe": _VOLTAGE,
    ":VRANge": _VOLTAGE,
    ":AUTorange": Command(
        set=lambda device, data: device.set_auto_range(_on(data)),
        get=lambda device: _on_off(device.settings.auto_range),
    ),
    ":SAMPle:RATE": Command(set=_set_rate, get=lambda device: device.settings.rate),
    ":CALCulate:AVERage:STATe": _switch("averages"),
    ":CALCulate:AVERage": Command(set=_set_average, get=lambda device: str(device.settings.average_count)),
    ":CALCulate:LIMit:STATe": Command(
        set=lambda device, data: device.set_comparator(_on(data)),
        get=lambda device: _on_off(device.settings.comparator),
    ),
    ":ADJust": Command(get=lambda device: "0" if device.adjust_zero() else "1", named=False),
    ":ADJust:CLEAr": Command(set=lambda device, data: device.clear_zero(), bare=True),
    ":TRIGger:SOURce": _choice("trigger", "IMMediate", "EXTernal"),
    ":INITiate:CONTinuous": _switch("continuous"),
    ":FETCh": Command(get=lambda device: ",".join(str(value) for value in device.fetch()), named=False),
    ":READ": Command(get=_read, named=False),
    ":SYSTem:HEADer": _switch("headers"),
    ":SYSTem:LFRequency": _choice("line_frequency", "AUTO", "50", "60"),
    ":SYSTem:ELOCk": _switch("io_locked"),
    ":SYSTem:KLOCk": _switch("keys_locked"),
    ":SYSTem:RESet": Command(set=lambda device, data: device.reset(), bare=True),
}


def _forms(header: str) -> re.Pattern[str]:
    """The short and the long form of each word, and nothing between."""
    words = []
    for word in header.removeprefix(":").split(":"):
        short = word.rstrip("abcdefghijklmnopqrstuvwxyz")
        words.append(re.escape(short) + (f"(?:{word[len(short) :].upper()})?" if short != word else ""))
    return re.compile((":?" if header.startswith(":") else "") + ":".join(words))


_PATTERNS = [(_forms(header), header.upper(), command) for header, command in COMMANDS.items()]


def _find(header: str) -> tuple[str, Command] | None:
    """Its long form and the command."""
    return next(((name, command) for pattern, name, command in _PATTERNS if pattern.fullmatch(header)), None)
