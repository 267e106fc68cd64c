"""aurora-unicycler's protocol JSON, as its version 0.4 defines it: https://github.com/EmpaEconversion/aurora-unicycler.

Its currents are positive in charge. A loop leads back to a tag or to a step's number, counted from 1, tags included;
its count is that of all turns. Numbers may be texts, an empty text is none, and a rate may be `C/5` or `D/2`.
"""

from collections.abc import Collection, Mapping
from typing import Any

from cycler.recipe.exchange.foreign_keys import ForeignKeys
from cycler.recipe.exchange.protocol import STAGES_MAX, Protocol, SafetyLimits
from cycler.recipe.exchange.unicycler_method import Method
from cycler.recipe.model import RecordKeys
from cycler.recipe.problems import InvalidFile, Problems
from cycler.recipe.units import Quantity

SECTIONS = ("unicycler", "sample", "record", "safety", "method")
PLACEHOLDER = "$NAME"
"""The sample's name where nobody has given one."""


def read_unicycler(document: Mapping[str, Any], file: str, notes: list[str]) -> Protocol:
    """Raises `InvalidFile` with all that has no counterpart in a recipe, by the number of its step."""
    problems = Problems(file)
    top = ForeignKeys(document, problems, owner="a unicycler protocol")
    top.close(SECTIONS)
    _section(top, "unicycler", ("version",))
    sample = _section(top, "sample", ("name", "capacity_mAh"))
    name = sample.text("name")
    capacity = sample.amount("capacity_mAh", "mAh", "Ah")
    record = _record(_section(top, "record", ("time_s", "voltage_V", "current_mA")))
    safety = _safety(_section(top, "safety", _SAFETY_KEYS))
    method = top.entries.get("method")
    if not isinstance(method, list) or not method:
        problems.add(0, "method", "method: a list of one step or more is due here")
        method = []
    if len(method) > STAGES_MAX:
        problems.add(0, "too-long", f"method: has {len(method)} steps; {STAGES_MAX} are read at most")
        method = []
    stages = Method(method, problems, notes).stages()
    if problems.found:
        raise InvalidFile(problems.found)
    return Protocol(
        sample=None if name == PLACEHOLDER else name, capacity=capacity, record=record, safety=safety, stages=stages
    )


def _section(top: ForeignKeys, name: str, known: Collection[str]) -> ForeignKeys:
    entries = top.entries.get(name, {})
    if not isinstance(entries, dict):
        top.refuse(name, "type", "an object is due here")
        entries = {}
    section = ForeignKeys(entries, top.problems, owner=name, prefix=f"{name}.")
    section.close(known)
    return section


def _record(keys: ForeignKeys) -> RecordKeys:
    before = len(keys.problems.found)
    every = keys.amount("time_s", "s", "s")
    if every is None and len(keys.problems.found) == before:
        keys.refuse("time_s", "missing", "is missing")
    return RecordKeys(
        every=every, voltage=keys.amount("voltage_V", "V", "V"), current=keys.amount("current_mA", "mA", "A")
    )


_SAFETY_KEYS = ("max_voltage_V", "min_voltage_V", "max_current_mA", "min_current_mA", "max_capacity_mAh", "delay_s")


def _safety(keys: ForeignKeys) -> SafetyLimits:
    discharging = keys.signed("min_current_mA", "mA", "A")
    if discharging is not None:
        if discharging.number >= 0:
            keys.refuse("min_current_mA", "safety", "a least current has no counterpart, only a most one in discharge")
        discharging = Quantity(-discharging.number, "A")
    return SafetyLimits(
        voltage_max=keys.signed("max_voltage_V", "V", "V"),
        voltage_min=keys.signed("min_voltage_V", "V", "V"),
        charge_current_max=keys.amount("max_current_mA", "mA", "A"),
        discharge_current_max=discharging,
        capacity_max=keys.amount("max_capacity_mAh", "mAh", "Ah"),
        delay=keys.amount("delay_s", "s", "s", zero=True),
    )
