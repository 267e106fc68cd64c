"""Measured values as the instrument writes them. Source: maker's instruction manual BT3562A981, chapter 8. V."""

import re

VALUE_BELOW = 5e8  # over range is 1E9 in every range, a measurement fault (an open probe, a bad contact) 1E10

_NUMBER = re.compile(r"[+-]?\d{1,9}\.?\d{0,9}E[+-]?\d{1,2}", re.ASCII)


def parse_value(text: str) -> float | None:
    """In Ω or V; None where it is over range or a fault. Raises `ValueError` for what is no value.

    A positive sign and leading zeros are blanks, behind a minus too: `-   7.51E+0`.
    """
    packed = text.replace(" ", "")
    if _NUMBER.fullmatch(packed) is None:
        raise ValueError(f"{text[:40]!r} is no measured value")
    value = float(packed)
    return value if abs(value) < VALUE_BELOW else None


def parse_pair(text: str) -> tuple[float | None, float | None]:
    """Resistance and voltage, as in the function ΩV. Raises `ValueError`."""
    parts = text.split(",")
    if len(parts) != 2:
        raise ValueError(f"{text[:40]!r} is not a resistance and a voltage")
    return parse_value(parts[0]), parse_value(parts[1])
