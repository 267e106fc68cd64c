"""What the mainframe answers, taken apart. All raise `ProtocolError` saying what came."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cycler.contract.capabilities import Identity
from cycler.contract.errors import ProtocolError
from drivers.keysight_bt2200.commands import CARDS

MAKER = "Keysight Technologies"
MODEL = re.compile(r"BT220\d\w?")
NO_NUMBER = 9.0e37  # SCPI writes infinity as 9.9E+37 and "not a number" as 9.91E+37

_DIGITS = re.compile(r"\d(?:,\d)*", re.ASCII)
_ERROR = re.compile(r'([+-]?\d{1,6})\s*,\s*"(.*)"', re.ASCII)
_WHOLE = re.compile(r"\d{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class LongState:
    """Of one cell. `why` says what ended its sequence, for people."""

    running: bool
    sequence: int
    step: int  # from 1
    result: str  # NONE, OK, FAIL, ABORTED, NEXT
    why: str


def identity(device: str, text: str) -> Identity:
    """Raises `ProtocolError` for any other instrument too."""
    fields = [field.strip() for field in text.split(",")]
    if len(fields) != 4 or not fields[0].startswith(MAKER) or not MODEL.fullmatch(fields[1]):
        raise ProtocolError(device, f"{text[:90]!r} answers *IDN?, expected {MAKER}, BT2202A or BT2203A")
    maker, model, serial, firmware = fields
    return Identity(maker=maker, model=model, serial=serial, firmware=firmware)


def fitted_cards(device: str, text: str) -> tuple[bool, ...]:
    """One value stands for all eight."""
    fields = [field.strip() for field in text.split(",")]
    if len(fields) not in (1, CARDS) or not set(fields) <= {"0", "1"}:
        raise ProtocolError(device, f"its cards came as {text[:60]!r}, not as one or {CARDS} values 0 or 1")
    return tuple(field == "1" for field in (fields * CARDS)[:CARDS])


def numbers(device: str, question: str, text: str, count: int, places: Sequence[int] | None = None) -> list[float]:
    """Of `count` values those at these places, or all of them. NaN where the instrument has none."""
    fields = text.split(",")
    if len(fields) != count:
        raise ProtocolError(device, f"{question} was answered by {len(fields)} values, expected {count}")
    picked = fields if places is None else [fields[place] for place in places]
    try:
        if "_" in text:  # float() takes it, no instrument writes it
            raise ValueError
        values = [float(field) for field in picked]
    except ValueError:
        raise ProtocolError(device, f"{question} was answered by {text[:60]!r} ..., expected numbers") from None
    return [value if abs(value) < NO_NUMBER else math.nan for value in values]


def digits(device: str, question: str, text: str, count: int) -> str:
    """A state digit for each cell."""
    found = text.replace(" ", "")
    if len(found) != 2 * count - 1 or not _DIGITS.fullmatch(found):
        raise ProtocolError(device, f"{question} was answered by {text[:60]!r}, expected {count} digits")
    return found[::2]


def long_state(device: str, text: str) -> LongState:
    """Ten fields."""
    fields = [field.strip().upper() for field in text.split(",")]
    if len(fields) != 10 or fields[0] not in ("IDLE", "RUNNING") or not all(map(_WHOLE.fullmatch, fields[1:3])):
        raise ProtocolError(device, f"a long state came as {text[:120]!r}, expected ten fields from IDLE or RUNNING on")
    state, sequence, step, _, _, result, test, kind, limit, measured = fields
    why = f"{result} in step {step}"
    if kind != "NONE":
        why = f"{result} in step {step}: test {test}, {kind} {limit}, measured {measured}"
    return LongState(running=state == "RUNNING", sequence=int(sequence), step=int(step), result=result, why=why)


def error(device: str, text: str) -> str | None:
    """None where the queue is empty."""
    match = _ERROR.fullmatch(text.strip())
    if match is None:
        raise ProtocolError(device, f"SYST:ERR? was answered by {text[:60]!r}, expected a number and a text")
    return None if int(match[1]) == 0 or "no error" in match[2].lower() else text.strip()


def catalog(device: str, text: str) -> frozenset[int]:
    """The sequences that are defined. No sequence may be an empty line or a 0."""
    fields = [field.strip() for field in text.split(",") if field.strip()]
    if not all(map(_WHOLE.fullmatch, fields)):
        raise ProtocolError(device, f"SEQ:CAT? was answered by {text[:60]!r}, expected numbers")
    return frozenset(map(int, fields)) - {0}


def step(device: str, text: str) -> tuple[str, Sequence[float]]:
    """The mode, and duration, current and voltage as far as they come."""
    mode, *rest = [field.strip().upper() for field in text.split(",")]
    if not 1 <= len(rest) <= 3:
        raise ProtocolError(device, f"SEQ:STEP:DEF? was answered by {text[:60]!r}, expected mode,time,current,voltage")
    return mode, numbers(device, "SEQ:STEP:DEF?", ",".join(rest), len(rest))
