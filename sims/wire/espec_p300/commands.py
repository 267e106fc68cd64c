"""The controller's commands. Each line is answered by one: data, `OK:` with the command, or `NA:` with a reason."""

import re
from collections.abc import Callable, Mapping

from sims.wire.espec_p300.device import Mode, P300Device, Refused, shown

LINE_BYTES_MAX = 256
RELAYS = 12
REFRIGERATIONS = (0, 1, 3, 6, 9)

_ADDRESSED = re.compile(r"(\d{1,2}),(.*)", re.DOTALL)
_TEMPERATURE = re.compile(r"([SHL])(-?\d{1,3}(?:\.\d)?)")
_MODES: Mapping[str, Mode] = {"OFF": "OFF", "STANDBY": "STANDBY", "CONSTANT": "CONSTANT"}
_ENDS: Mapping[str, Mode] = {"HOLD": "RUN", "CONST": "CONSTANT", "OFF": "OFF", "STANDBY": "STANDBY"}


def answer(device: P300Device, address: int | None, line: bytes) -> bytes | None:
    """The reply to one line without its end. None: it is meant for another station."""
    text = line.decode("latin-1").strip()
    if address is not None:
        match = _ADDRESSED.fullmatch(text)
        if match is not None and int(match[1]) != address:
            return None
        if match is None:
            return b"NA:ADDR ERR\r\n"
        text = match[2]
    try:
        if device.faults.strikes("exception"):
            raise Refused("CHB NOT READY")
        reply = _query(device, text) if "?" in text else _setting(device, text)
    except Refused as refused:
        reply = f"NA:{refused}"
    return reply.encode("latin-1", "replace") + b"\r\n"


def _query(device: P300Device, text: str) -> str:
    get = _QUERIES.get(text)
    if get is None:
        known = text.partition("?")[0] + "?" in {query.partition("?")[0] + "?" for query in _QUERIES}
        raise Refused("PARA ERR" if known else "CMD ERR")
    return get(device)


def _setting(device: P300Device, text: str) -> str:
    name, _, rest = text.partition(",")
    act = _SETTINGS.get(name.strip())
    if act is None:
        raise Refused("CMD ERR")
    act(device, rest.strip())
    return f"OK:{text}"


def _type(device: P300Device) -> str:
    return f"T,{device.model.name},{shown(device.model.temperature_degc_max)}"


def _monitor(device: P300Device, mode: str) -> str:
    return f"{shown(device.actual_degc())},,{mode},{len(device.alarms)}"


def _temperatures(device: P300Device) -> str:
    values = (device.actual_degc(), device.set_degc, device.high_degc, device.low_degc)
    return ",".join(map(shown, values))


def _constant(device: P300Device) -> str:
    return f"{shown(device.set_degc)},ON"


def _listed(numbers: list[int]) -> str:
    return ",".join(str(number) for number in (len(numbers), *numbers))


def _humidity(device: P300Device) -> str:
    raise Refused("CONT NOT READY-1")


def _program(device: P300Device) -> str:
    if device.mode != "RUN":
        raise Refused("CONT NOT READY-2")
    return f"1,{shown(device.set_degc)},1:00,0,0"


def _program_set(device: P300Device) -> str:
    if device.mode != "RUN":
        raise Refused("CONT NOT READY-2")
    return f"RAM:{device.program},PROGRAM,END(HOLD)"


def _detailed(get: Callable[[P300Device], str]) -> Callable[[P300Device], str]:
    """The older controller does not know it."""

    def query(device: P300Device) -> str:
        if device.model.name != "P300":
            raise Refused("CONT NOT READY-3")
        return get(device)

    return query


_QUERIES: Mapping[str, Callable[[P300Device], str]] = {
    "ROM?": lambda device: f"JF{device.model.name}-01 V2.04",
    "ROM?,DISP": lambda device: f"JD{device.model.name}-01 V1.10",
    "TYPE?": _type,
    "DATE?": lambda device: "26.01/01",
    "TIME?": lambda device: "00:00:00",
    "MODE?": lambda device: device.mode,
    "MODE?,DETAIL": _detailed(lambda device: device.mode),
    "MON?": lambda device: _monitor(device, device.mode),
    "MON?,DETAIL": _detailed(lambda device: _monitor(device, device.mode)),
    "TEMP?": _temperatures,
    "HUMI?": _humidity,
    "ALARM?": lambda device: _listed(device.alarms),
    "%?": lambda device: f"1,{device.heater_pct():.1f}",
    "SET?": lambda device: f"REF{device.refrigeration}",
    "REF?": lambda device: "1,ON1" if device.mode in ("CONSTANT", "RUN") else "0",
    "RELAY?": lambda device: _listed(sorted(device.relays)),
    "CONSTANT SET?,TEMP": _constant,
    "CONSTANT SET?,HUMI": _humidity,
    "CONSTANT SET?,REF": lambda device: f"REF{device.refrigeration}",
    "CONSTANT SET?,RELAY": lambda device: _listed(sorted(device.relays)),
    "MON PTC?": _humidity,
    "TEMP PTC?": _humidity,
    "SRQ?": lambda device: f"0{int(bool(device.alarms))}000000",
    "PRGM MON?": _program,
    "PRGM SET?": _program_set,
    "KEYPROTECT?": lambda device: "ON" if device.key_protect else "OFF",
}


def _set_mode(device: P300Device, rest: str) -> None:
    run = re.fullmatch(r"RUN(\d{1,3})", rest)
    if run is not None:
        device.run_program(int(run[1]))
    elif rest in _MODES:
        device.write_mode(_MODES[rest])
    else:
        raise Refused("PARA ERR")


def _set_power(device: P300Device, rest: str) -> None:
    device.switch_power(on=_on_off(rest))


def _set_temperatures(device: P300Device, rest: str) -> None:
    found: dict[str, float] = {}
    for word in rest.split():
        match = _TEMPERATURE.fullmatch(word)
        if match is None or match[1] in found:
            raise Refused("PARA ERR")
        found[match[1]] = float(match[2])
    if not found:
        raise Refused("PARA ERR")
    device.write_temperatures(set_degc=found.get("S"), high_degc=found.get("H"), low_degc=found.get("L"))


def _set_refrigeration(device: P300Device, rest: str) -> None:
    match = re.fullmatch(r"REF(\d)", rest)
    if match is None or int(match[1]) not in REFRIGERATIONS:
        raise Refused("PARA ERR")
    device.refrigeration = int(match[1])


def _set_relays(device: P300Device, rest: str) -> None:
    word, *numbers = rest.split(",")
    on = _on_off(word)
    chosen = {int(number) for number in numbers if re.fullmatch(r"[0-9]{1,2}", number)}
    if not numbers or len(chosen) != len(numbers) or not chosen <= set(range(1, RELAYS + 1)):
        raise Refused("PARA ERR")
    device.relays = device.relays | chosen if on else device.relays - chosen


def _set_key_protect(device: P300Device, rest: str) -> None:
    device.protect_keys(on=_on_off(rest))


def _program_command(device: P300Device, rest: str) -> None:
    run = re.fullmatch(r"RUN,RAM:(\d{1,3}),STEP(\d{1,3})", rest)
    if run is not None:
        device.run_program(int(run[1]))
        return
    word, _, end = rest.partition(",")
    if word == "END" and end in _ENDS:
        device.end_program(_ENDS[end])
    elif rest in ("PAUSE", "CONTINUE", "ADVANCE"):
        if device.mode != "RUN":
            raise Refused("CONT NOT READY-2")
    else:
        raise Refused("PARA ERR")


def _on_off(word: str) -> bool:
    if word not in ("ON", "OFF"):
        raise Refused("PARA ERR")
    return word == "ON"


_SETTINGS: Mapping[str, Callable[[P300Device, str], None]] = {
    "MODE": _set_mode,
    "POWER": _set_power,
    "TEMP": _set_temperatures,
    "SET": _set_refrigeration,
    "RELAY": _set_relays,
    "KEYPROTECT": _set_key_protect,
    "PRGM": _program_command,
}
