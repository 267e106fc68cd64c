"""A protocol as PyBaMM's step strings in a JSON list; a loop is written out, each turn a list, which is a cycle.

In Python: `pybamm.Experiment([tuple(each) if isinstance(each, list) else each for each in json.load(file)])`.
"""

import json
from collections.abc import Iterator

from cycler.model.cell_type import CellType
from cycler.recipe.exchange.holds import check_holds
from cycler.recipe.exchange.protocol import (
    STAGES_MAX,
    Cycle,
    Protocol,
    Stage,
    Stages,
    executed,
    executed_count,
    flat,
    guards_by_place,
)
from cycler.recipe.problems import InvalidFile, Problems
from cycler.recipe.units import Quantity

_TIME_WORDS = {"h": "hour", "min": "minute", "s": "second"}


def write_pybamm(protocol: Protocol, cell_type: CellType, file: str, notes: list[str]) -> str:
    """Raises `InvalidFile` with what its strings cannot say."""
    problems = Problems(file)
    count = executed_count(protocol.stages)
    if count > STAGES_MAX:
        problems.add(0, "too-long", f"would be {count} strings with its loops written out; {STAGES_MAX} are the most")
    check_holds(protocol.stages, cell_type.envelopes["formed"], problems, says_direction=lambda _: False)
    if problems.found:
        raise InvalidFile(problems.found)
    notes.append("the recipe's `record` is not written: PyBaMM gives whole curves")
    _note(protocol.stages, notes)
    lines: list[str | list[str]] = []
    for stage in protocol.stages:
        if isinstance(stage, Cycle):
            turn = [_string(each) for each in executed(stage.stages)]
            lines += [turn] * stage.times
        else:
            lines.append(_string(stage))
    return json.dumps(lines, indent=2) + "\n"


def _note(stages: Stages, notes: list[str]) -> None:
    for stage in flat(stages):
        named = [key for key, value in (("id", stage.id), ("tag", stage.tag)) if value is not None]
        if named:
            notes.append(f"step {stage.place}: {' and '.join(named)} not written: a string has no name")
    for place, guards in guards_by_place(stages).items():
        left = ", ".join(str(guard) for guard in guards)
        notes.append(f"step {place}: not written, as a string guards nothing: {left}")


def _string(stage: Stage) -> str:
    return " ".join(_words(stage))


def _words(stage: Stage) -> Iterator[str]:
    if stage.control == "rest" or stage.value is None:
        yield "Rest"
    else:
        verb = "Hold" if stage.control == "voltage" else "Charge" if stage.direction == "charge" else "Discharge"
        yield f"{verb} at {_amount(stage.value)}"
    if stage.time is not None:
        yield f"for {_time(stage.time, plural=True)}"
    end = stage.voltage or stage.current
    if end is not None:
        yield f"{'' if stage.time is None else 'or '}until {_amount(end)}"
    if stage.every is not None:
        yield f"({_time(stage.every, plural=False)} period)"


def _amount(quantity: Quantity) -> str:
    text = str(quantity)
    return text if not text.endswith(" kW") else f"{quantity.number!r} W"


def _time(time: Quantity, *, plural: bool) -> str:
    number, unit = str(time).split()
    return f"{number} {_TIME_WORDS[unit]}{'s' if plural and number != '1' else ''}"
