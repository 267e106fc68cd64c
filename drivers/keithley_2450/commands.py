"""What the instrument understands and says, each with how far it can be trusted.

Sources: V the maker's reference manuals 2450-901-01 and 2461-901-01 and the user's manual 2450-900-01 (chapter
"Rechargeable battery measurements"), FF two unrelated programs in use with the device, K the maker's data sheets by
general knowledge.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cycler.contract.errors import ProtocolError

IDENTITY = "*IDN?"  # FF
LANGUAGE = "*LANG?"  # FF
OUTPUT_ON, OUTPUT_OFF, OUTPUT = ":OUTP ON", ":OUTP OFF", ":OUTP?"  # FF
SOURCE_FUNCTION, SENSED = ":SOUR:FUNC?", ":SENS:FUNC?"  # FF: CURR or VOLT, and like "VOLT:DC" with its quotes
READING = ':READ? "defbuffer1",SOUR,READ'  # FF: the source as read back, then the sensed quantity
AT_LIMIT = {"CURR": ":SOUR:CURR:VLIM:TRIP?", "VOLT": ":SOUR:VOLT:ILIM:TRIP?"}  # FF
NEXT_EVENT = ":SYST:ERR?"  # FF: takes it out of the queue
CLEAR_EVENTS = "*CLS"  # FF
OFF_STATES = (":OUTP:CURR:SMOD", ":OUTP:VOLT:SMOD")  # FF: kept for each source function (V)
HIGH_IMPEDANCE = "HIMP"  # V: the output relay opens. In the others 0 V stay connected, at a tenth of the current range

# *RST (FF) makes the off state the normal one again, so both are set in the same message.
RESET = f"*RST;*CLS;{';'.join(f'{header} {HIGH_IMPEDANCE}' for header in OFF_STATES)}"
FINISHED = "*OPC?"  # FF
RESET_S_MAX = 3.0  # K

OVERFLOW = 9.0e37  # K: what is not a reading is 9.9E37
OVER_RANGE = 1.05  # K: every range reaches this far beyond its name
LIMIT_SHARE_MIN = 0.001  # V: a limit lies above this share of a fixed measurement range
OPEN_CIRCUIT_RANGE_A = 1e-6  # K: the lowest that all models have; at 0 A its error is some nanoamperes
STEPS_PER_RANGE = 20_000  # K: 50 µA on 1 A
VOLTAGE_STEP_V = 5e-4  # K: on the 20 V range
VOLTAGE_V_MAX = 20.0  # of that range; no step of any recipe for a cell lies above, and no interlock is asked for
PROTECTIONS_V = (2, 5, 10, 20, 40)  # K: of the over-voltage clamp
READING_SKEW_S = 0.02  # K: source and sensed quantity are measured one after the other, a line period each


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What the type plate says. K."""

    current_ranges_a: tuple[float, ...]
    power_w_max: float


_LOW_RANGES_A = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
MODELS: Mapping[str, Model] = {
    "2450": Model(current_ranges_a=_LOW_RANGES_A, power_w_max=20.0),
    "2460": Model(current_ranges_a=(*_LOW_RANGES_A, 4.0, 5.0, 7.0), power_w_max=100.0),
    "2461": Model(current_ranges_a=(*_LOW_RANGES_A, 4.0, 5.0, 7.0), power_w_max=100.0),
}

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_EVENT = re.compile(r'([+-]?\d+),"(.*)"', re.ASCII)


def number(device: str, question: str, text: str) -> float:
    """NaN for what is not a reading. Raises `ProtocolError` for what is no number."""
    if _NUMBER.fullmatch(text) is None:
        raise ProtocolError(device, f"answered {question!r} with {text[:40]!r}, expected a number")
    value = float(text)
    return value if abs(value) < OVERFLOW else math.nan


def numbers(device: str, question: str, text: str, *, count: int) -> list[float]:
    """So many, as `number`."""
    parts = text.split(",")
    if len(parts) != count:
        raise ProtocolError(device, f"answered {question!r} with {text[:40]!r}, expected {count} numbers")
    return [number(device, question, part.strip()) for part in parts]


def flag(device: str, question: str, text: str) -> bool:
    """Raises `ProtocolError` for anything but 0 and 1."""
    if text not in ("0", "1"):
        raise ProtocolError(device, f"answered {question!r} with {text[:40]!r}, expected 0 or 1")
    return text == "1"


def event(device: str, text: str) -> str | None:
    """An event of the queue for people, like `-222 Parameter data out of range`; None where there is none."""
    match = _EVENT.fullmatch(text)
    if match is None:
        raise ProtocolError(device, f'answered {NEXT_EVENT!r} with {text[:40]!r}, expected a number and a "text"')
    return None if int(match[1]) == 0 else f"{match[1]} {match[2].split(';')[0]}"
