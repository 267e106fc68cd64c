"""The device as SCPI text.

Source: Keithley 2450-901-01, section 6, as far as the commands are known from programs in use with the device.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

from sims.wire.keithley_2450.device import (
    ILLEGAL_VALUE,
    OUT_OF_RANGE,
    PROTECTIONS_V,
    UNDEFINED_HEADER,
    Refused,
    SmuDevice,
    Taken,
)
from sims.wire.keithley_2450.headers import Headers
from sims.wire.keithley_2450.settings import Function, OffState, Quantity
from sims.wire.lines import Late

LINE_BYTES_MAX = 4096
COMMAND_ERROR = (-100, "Command error")
DATA_TYPE = (-104, "Data type error")
NOT_ALLOWED = (-108, "Parameter not allowed")
MISSING = (-109, "Missing parameter")
TOO_LONG = (-363, "Input buffer overrun")
NO_EVENT = '0,"No error;0;0 0"'
EVENT_KIND = 1  # an error; the log has warnings and informations too
DEFAULT_BUFFER = "defbuffer1"


@dataclass(frozen=True, slots=True)
class Slow:
    """A reply that has to be measured first."""

    text: str
    seconds: float


Reply = str | Slow


@dataclass(frozen=True, slots=True)
class Call:
    """A command as it came: the function in its header, and its parameters, quoted ones without their quotes."""

    device: SmuDevice
    function: str
    parameters: list[str]

    @property
    def source(self) -> Function:
        """The function, where only a source will do."""
        if self.function not in ("CURR", "VOLT"):
            raise Refused(UNDEFINED_HEADER)
        return cast(Function, self.function)

    @property
    def quantity(self) -> Quantity:
        """The function, where any that is measured will do."""
        return cast(Quantity, self.function)

    @property
    def only(self) -> str:
        """The one parameter there is, in upper case."""
        if len(self.parameters) > 1:
            raise Refused(NOT_ALLOWED)
        return self.parameters[0].upper()

    @property
    def number(self) -> float:
        """The one parameter there is."""
        try:
            value = float(self.only)
        except ValueError:
            raise Refused(DATA_TYPE) from None
        if not abs(value) < 9.9e37:
            raise Refused(OUT_OF_RANGE)
        return value

    @property
    def flag(self) -> bool:
        """The one parameter there is."""
        words = {"ON": True, "1": True, "OFF": False, "0": False}
        if self.only not in words:
            raise Refused(ILLEGAL_VALUE)
        return words[self.only]

    def word(self, *words: str) -> str:
        """The one parameter there is, as the first four letters of one of the words."""
        found = next((word for word in words if self.only in (word.upper(), word.upper()[: _short(word)])), None)
        if found is None:
            raise Refused(ILLEGAL_VALUE)
        return found.upper()[: _short(found)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a header does with parameters, and what it answers. None where there is no such form."""

    set: Callable[[Call], None] | None = None
    get: Callable[[Call], Reply] | None = None
    bare: bool = False  # it is set without a parameter


def answer(device: SmuDevice, line: bytes) -> bytes | Late | None:
    """The reply to one message without its LF, or None where there is none."""
    if len(line) > LINE_BYTES_MAX:
        device.queue(TOO_LONG)
        return None
    replies, seconds, path = [], 0.0, ""
    for text in _split(line.decode("latin-1").strip(), ";"):
        header, _, rest = text.strip().partition(" ")
        if not header:
            continue
        if not header.startswith((":", "*")) and path:
            header = f"{path}:{header}"  # the next command of the same subsystem
        if not header.startswith("*"):
            path = header.rpartition(":")[0]
        try:
            reply = _execute(device, header, rest.strip())
        except Refused as refused:
            device.queue(refused.event)
            continue
        if isinstance(reply, Slow):
            seconds += reply.seconds
            reply = reply.text
        if reply is not None:
            replies.append(reply)
    if not replies:
        return None
    data = ";".join(replies).encode("latin-1") + b"\n"
    return Late(seconds, data) if seconds else data


def _execute(device: SmuDevice, header: str, rest: str) -> Reply | None:
    asks = header.endswith("?")
    found = HEADERS.find(header.removesuffix("?").upper())
    if device.language == "TSP" and header.upper() not in ("*IDN?", "*LANG?", "*LANG"):
        raise Refused(COMMAND_ERROR)
    if found is None:
        raise Refused(UNDEFINED_HEADER)
    command, function = found
    call = Call(device, function, [_unquoted(text) for text in _split(rest, ",")] if rest else [])
    if asks:
        if command.get is None:
            raise Refused(UNDEFINED_HEADER)
        return command.get(call)
    if command.set is None:
        raise Refused(UNDEFINED_HEADER)
    if command.bare and call.parameters:
        raise Refused(NOT_ALLOWED)
    if not command.bare and not call.parameters:
        raise Refused(MISSING)
    command.set(call)
    return None


def _split(text: str, separator: str) -> list[str]:
    """At separators outside quotes."""
    parts, quote = [""], ""
    for character in text:
        if character == separator and not quote:
            parts.append("")
            continue
        if character in "'\"" and quote in ("", character):
            quote = "" if quote else character
        parts[-1] += character
    return parts


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) >= 2 and text[0] in "'\"" and text[-1] == text[0] else text


def _short(word: str) -> int:
    return sum(letter.isupper() or letter.isdigit() for letter in word)


def _real(value: float) -> str:
    return f"{value:+.6E}"


def _flag(on: bool) -> str:
    return "1" if on else "0"


def _identity(device: SmuDevice) -> str:
    model = device.model
    return f"KEITHLEY INSTRUMENTS,MODEL {model.name},{model.serial},{model.firmware}"


def _next_event(device: SmuDevice) -> str:
    if not device.events:
        return NO_EVENT
    number, text, at_utc = device.events.popleft()
    return f'{number},"{text};{EVENT_KIND};{at_utc:%Y/%m/%d %H:%M:%S}.{at_utc.microsecond // 1000:03d}"'


def _set_language(call: Call) -> None:
    device = call.device
    device.next_language = call.word("SCPI", "TSP", "SCPI2400")


def _number_or(call: Call, get: Callable[[], float]) -> str:
    if call.parameters:
        raise Refused(NOT_ALLOWED)  # MIN, MAX and DEF are not simulated
    return _real(get())


def _setting(
    get: Callable[[Call], float], put: Callable[[Call, float], None], *, low: float = -9.9e37, high: float = 9.9e37
) -> Command:
    """A plain number."""

    def write(call: Call) -> None:
        value = call.number
        if not low <= value <= high:
            raise Refused(OUT_OF_RANGE)
        put(call, value)

    return Command(set=write, get=lambda call: _number_or(call, lambda: get(call)))


def _switch(get: Callable[[Call], bool], put: Callable[[Call, bool], None]) -> Command:
    """On or off."""
    return Command(set=lambda call: put(call, call.flag), get=lambda call: _flag(get(call)))


def _source_flag(name: str) -> Command:
    return _switch(
        lambda call: getattr(call.device.settings.source[call.source], name),
        lambda call, on: setattr(call.device.settings.source[call.source], name, on),
    )


def _sense_flag(name: str) -> Command:
    return _switch(
        lambda call: getattr(call.device.settings.sense[call.quantity], name),
        lambda call, on: setattr(call.device.settings.sense[call.quantity], name, on),
    )


def _limit(function: Function) -> Command:
    return _setting(
        lambda call: call.device.settings.source[function].limit,
        lambda call, value: call.device.set_limit(function, value),
    )


def _set_sensed(call: Call) -> None:
    words = {"CURR": "CURR", "CURRENT": "CURR", "VOLT": "VOLT", "VOLTAGE": "VOLT", "RES": "RES", "RESISTANCE": "RES"}
    sensed = words.get(call.only.removesuffix(":DC"))
    if sensed is None:
        raise Refused(ILLEGAL_VALUE)
    call.device.settings.sensed = cast(Quantity, sensed)


def _sensed(call: Call) -> str:
    sensed = call.device.settings.sensed
    return '"RES"' if sensed == "RES" else f'"{sensed}:DC"'


def _set_off_state(call: Call) -> None:
    state = cast(OffState, call.word("NORMal", "HIMPedance", "ZERO", "GUARd"))
    for function in cast(tuple[Function, ...], (call.source,) if call.function else ("CURR", "VOLT")):
        call.device.set_off_state(function, state)


def _set_protection(call: Call) -> None:
    steps = {f"PROT{volts}": float(volts) for volts in PROTECTIONS_V}
    if call.only not in steps and call.only != "NONE":
        raise Refused(ILLEGAL_VALUE)
    call.device.set_protection(steps.get(call.only))


def _protection(call: Call) -> str:
    protection_v = call.device.settings.protection_v
    return "NONE" if protection_v is None else f"PROT{protection_v:.0f}"


def _set_average_mode(call: Call) -> None:
    mode = call.word("REPeat", "MOVing")
    call.device.settings.sense[call.quantity].average_mode = cast(Literal["REP", "MOV"], mode)


def _set_average_count(call: Call, value: float) -> None:
    call.device.settings.sense[call.quantity].average_count = int(value)


def _set_delay(call: Call, value: float) -> None:
    source = call.device.settings.source[call.source]
    source.delay_s, source.auto_delay = value, False


def _set_nplc(call: Call, value: float) -> None:
    call.device.settings.sense[call.quantity].nplc = value


def _read(call: Call) -> Reply:
    """`:READ?` and `:MEASure…?`: a buffer may be named, and then the elements."""
    device, parameters = call.device, call.parameters
    if parameters and parameters[0].lower() != DEFAULT_BUFFER:
        raise Refused(ILLEGAL_VALUE)
    elements = parameters[1:] or ["READ"]
    _check_elements(elements)
    if call.function:
        device.settings.sensed = call.quantity
    taken = device.measure()
    return Slow(",".join(_element(device, taken, element) for element in elements), device.measuring_s)


def _data(call: Call) -> Reply:
    """`:TRACe:DATA? first,last,buffer,elements…`, counted from 1."""
    try:
        first, last = (int(text) for text in call.parameters[:2])
    except ValueError:
        raise Refused(DATA_TYPE) from None
    named, elements = call.parameters[2:3], call.parameters[3:] or ["READ"]
    _check_elements(elements)
    readings = list(call.device.buffer.readings)
    if named and named[0].lower() != DEFAULT_BUFFER:
        raise Refused(ILLEGAL_VALUE)
    if not 1 <= first <= last <= len(readings):
        raise Refused(OUT_OF_RANGE)
    chosen = readings[first - 1 : last]
    return ",".join(_element(call.device, taken, element) for taken in chosen for element in elements)


_ELEMENTS = {"SOUR": "SOUR", "SOURCE": "SOUR", "READ": "READ", "READING": "READ", "REL": "REL", "RELATIVE": "REL"} | {
    "STAT": "STAT", "STATUS": "STAT",
}  # fmt: skip


def _check_elements(elements: list[str]) -> None:
    if not all(element.upper() in _ELEMENTS for element in elements):
        raise Refused(ILLEGAL_VALUE)


def _element(device: SmuDevice, taken: Taken, element: str) -> str:
    match _ELEMENTS[element.upper()]:
        case "SOUR":
            return _real(taken.source)
        case "READ":
            return _real(taken.reading)
        case "REL":
            return _real(taken.taken_s - device.buffer.readings[0].taken_s)
        case _:
            return str(taken.status)


def _resize(call: Call, value: float) -> None:
    call.device.buffer.resize(int(value))


HEADERS = Headers(
    {
        "*IDN": Command(get=lambda call: _identity(call.device)),
        "*LANG": Command(get=lambda call: call.device.language, set=_set_language),
        "*OPC": Command(get=lambda call: "1", set=lambda call: None, bare=True),
        "*RST": Command(set=lambda call: call.device.reset(), bare=True),
        "*CLS": Command(set=lambda call: call.device.events.clear(), bare=True),
        ":SYSTem:ERRor[:NEXT]": Command(get=lambda call: _next_event(call.device)),
        ":OUTPut[1][:STATe]": _switch(lambda call: call.device.output_on, lambda call, on: call.device.switch(on=on)),
        ":OUTPut[1][:<f>]:SMODe": Command(
            set=_set_off_state,
            get=lambda call: (
                call.device.settings.source[call.source].off_state if call.function else call.device.off_state
            ),
        ),
        ":OUTPut[1]:INTerlock:TRIPped": Command(get=lambda call: _flag(call.device.interlock_closed)),
        ":ROUTe:TERMinals": Command(
            set=lambda call: call.device.set_terminals(cast(Literal["FRON", "REAR"], call.word("FRONt", "REAR"))),
            get=lambda call: call.device.settings.terminals,
        ),
        ":STATus:PRESet": Command(set=lambda call: None, bare=True),
        ":ABORt": Command(set=lambda call: None, bare=True),
        ":SOURce[1]:FUNCtion[:MODE]": Command(
            set=lambda call: call.device.set_function(cast(Function, call.word("CURRent", "VOLTage"))),
            get=lambda call: call.device.settings.function,
        ),
        ":SOURce[1]:VOLTage:PROTection[:LEVel]": Command(set=_set_protection, get=_protection),
        ":SOURce[1]:VOLTage:PROTection[:LEVel]:TRIPped": Command(get=lambda call: _flag(call.device.protects())),
        ":SOURce[1]:CURRent:VLIMit[:LEVel]": _limit("CURR"),
        ":SOURce[1]:CURRent:VLIMit[:LEVel]:TRIPped": Command(get=lambda call: _flag(call.device.at_limit("CURR"))),
        ":SOURce[1]:VOLTage:ILIMit[:LEVel]": _limit("VOLT"),
        ":SOURce[1]:VOLTage:ILIMit[:LEVel]:TRIPped": Command(get=lambda call: _flag(call.device.at_limit("VOLT"))),
        ":SOURce[1]:<f>[:LEVel][:IMMediate][:AMPLitude]": _setting(
            lambda call: call.device.settings.source[call.source].level,
            lambda call, value: call.device.set_level(call.source, value),
        ),
        ":SOURce[1]:<f>:RANGe": _setting(
            lambda call: call.device.settings.source[call.source].range,
            lambda call, value: call.device.set_source_range(call.source, value),
        ),
        ":SOURce[1]:<f>:RANGe:AUTO": _source_flag("auto_range"),
        ":SOURce[1]:<f>:DELay": _setting(
            lambda call: call.device.settings.source[call.source].delay_s, _set_delay, low=0.0, high=10e3
        ),
        ":SOURce[1]:<f>:DELay:AUTO": _source_flag("auto_delay"),
        ":SOURce[1]:<f>:READ:BACK": _source_flag("read_back"),
        "[:SENSe[1]]:FUNCtion[:ON]": Command(set=_set_sensed, get=_sensed),
        "[:SENSe[1]]:<f>:RANGe[:UPPer]": _setting(
            lambda call: call.device.settings.sense[call.quantity].range,
            lambda call, value: call.device.set_sense_range(call.quantity, value),
        ),
        "[:SENSe[1]]:<f>:RANGe:AUTO": _sense_flag("auto_range"),
        "[:SENSe[1]]:<f>:NPLCycles": _setting(
            lambda call: call.device.settings.sense[call.quantity].nplc, _set_nplc, low=0.01, high=10.0
        ),
        "[:SENSe[1]]:<f>:RSENse": _sense_flag("four_wire"),
        "[:SENSe[1]]:<f>:AVERage[:STATe]": _sense_flag("averages"),
        "[:SENSe[1]]:<f>:AVERage:COUNt": _setting(
            lambda call: call.device.settings.sense[call.quantity].average_count, _set_average_count, low=1, high=100
        ),
        "[:SENSe[1]]:<f>:AVERage:TCONtrol": Command(
            set=_set_average_mode, get=lambda call: call.device.settings.sense[call.quantity].average_mode
        ),
        ":READ": Command(get=_read),
        ":MEASure[:<f>]": Command(get=_read),
        ":TRACe:CLEar": Command(set=lambda call: call.device.buffer.readings.clear()),
        ":TRACe:POINts": _setting(lambda call: call.device.buffer.readings.maxlen or 0, _resize, low=10, high=1e6),
        ":TRACe:DATA": Command(get=_data),
    }
)
