"""One step of a unicycler method: its keys, and the stage that it is."""

import re
from collections.abc import Mapping
from typing import Any

from cycler.recipe.exchange.foreign_keys import ForeignKeys
from cycler.recipe.exchange.protocol import Direction, Stage
from cycler.recipe.problems import Problems, nearest, shown
from cycler.recipe.units import NUMBER, Quantity

KEYS: Mapping[str, tuple[str, ...]] = {
    "open_circuit_voltage": ("until_time_s",),
    "constant_current": ("rate_C", "current_mA", "until_time_s", "until_voltage_V"),
    "constant_voltage": ("voltage_V", "until_time_s", "until_rate_C", "until_current_mA"),
    "loop": ("loop_to", "cycle_count"),
    "tag": ("tag",),
}
NO_COUNTERPART = ("impedance_spectroscopy", "voltage_scan")

_RATE = re.compile(rf"(?P<letter>[CD]?)(?P<number>{NUMBER})?(?P<late>[CD]?)/(?P<divisor>{NUMBER})", re.ASCII)


def step_keys(step: Any, problems: Problems) -> ForeignKeys | None:
    """None for what is no step of those that can be read, which is added to the problems."""
    if not isinstance(step, dict) or not isinstance(step.get("step"), str):
        problems.add(0, "step", "is no object with a `step`")
        return None
    word = str(step["step"])
    keys = ForeignKeys(step, problems, owner=f"`{word}`", word=word)
    if word in NO_COUNTERPART:
        keys.refuse("step", "not-available", f"`{word}` has no counterpart in a recipe")
        return None
    if word not in KEYS:
        keys.refuse("step", "step", f"{shown(word)} is no step", nearest(word, KEYS))
        return None
    keys.close(("step", *(() if word == "tag" else ("id",)), *KEYS[word]))
    return keys


def read_stage(keys: ForeignKeys, place: str, notes: list[str], *, id_: str | None, tag: str | None) -> Stage | None:
    """None where something of it is wrong."""
    before = len(keys.problems.found)
    time = keys.amount("until_time_s", "s", "s")
    if keys.word == "open_circuit_voltage":
        if time is None and len(keys.problems.found) == before:
            keys.refuse("until_time_s", "missing", "is missing")
        return Stage(place=place, control="rest", time=time, id=id_, tag=tag)
    if keys.word == "constant_current":
        current = _current(keys, notes, "rate_C", "current_mA")
        voltage = keys.signed("until_voltage_V", "V", "V", zero=False)
        ends = (time, voltage)
    else:
        voltage = keys.signed("voltage_V", "V", "V")
        current = _current(keys, notes, "until_rate_C", "until_current_mA")
        ends = (time, current)
    if len(keys.problems.found) > before:
        return None
    held = voltage if keys.word == "constant_voltage" else current
    if held is None:
        keys.refuse("voltage_V" if keys.word == "constant_voltage" else "rate_C", "missing", "is missing")
    elif ends == (None, None):
        keys.refuse("until_time_s", "missing", "is missing, and nothing else ends the step")
    direction = None if current is None else _direction(current)
    current = None if current is None else Quantity(abs(current.number), current.unit)
    if keys.word == "constant_current":
        return Stage(
            place=place, control="current", direction=direction, value=current,
            time=time, voltage=voltage, id=id_, tag=tag,
        )  # fmt: skip
    return Stage(
        place=place, control="voltage", direction=direction, value=voltage,
        time=time, current=current, id=id_, tag=tag,
    )  # fmt: skip


def _current(keys: ForeignKeys, notes: list[str], rate_key: str, current_key: str) -> Quantity | None:
    """Signed. A rate goes before a current."""
    current = keys.signed(current_key, "mA", "A", zero=False)
    text = keys.number(rate_key, pattern=_RATE)
    if text is None:
        return current
    if current is not None:
        notes.append(f"step {keys.problems.step}: {current_key} is not written: {rate_key} goes before it")
    match = _RATE.fullmatch(text)
    if match is None:
        return keys.signed(rate_key, "C", "C", zero=False)
    letter = match["letter"] or match["late"]
    if (match["letter"] and match["late"]) or not (letter or match["number"]):
        keys.refuse(rate_key, "quantity", f"{shown(text)} is no rate", "write it like C/5")
        return None
    return keys.rate(rate_key, match["number"] or "1", match["divisor"], negative=letter == "D")


def _direction(current: Quantity) -> Direction:
    return "charge" if current.number > 0 else "discharge"
