"""PyBaMM's step strings, as `pybamm.step.string` takes them: https://github.com/pybamm-team/PyBaMM.

```
Charge|Discharge at AMOUNT [for TIME] [[or] until VOLTAGE] [(TIME period)]
Hold at VOLTAGE [for TIME] [[or] until CURRENT] [(TIME period)]
Rest for TIME [(TIME period)]
```
In JSON, a list within the list is a cycle; equal ones in a row are a loop. PyBaMM writes a cycle as a tuple.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import groupby
from typing import Any

from cycler.recipe.exchange.protocol import STAGES_MAX, Control, Cycle, Direction, Protocol, Stage
from cycler.recipe.problems import InvalidFile, MistakeError, Problems, nearest, shown
from cycler.recipe.units import NUMBER, Quantity, parse_quantity

VERBS = ("Charge", "Discharge", "Hold", "Rest")
EXAMPLE = "write it like `Discharge at C/10 for 10 hours or until 3.3 V`"

_LINE_MAX = 200
_TIME = re.compile(rf"({NUMBER})\s*([A-Za-z]+)", re.ASCII)
_TIME_UNITS = {
    **dict.fromkeys(("second", "seconds", "s", "sec"), "s"),
    **dict.fromkeys(("minute", "minutes", "m", "min"), "min"),
    **dict.fromkeys(("hour", "hours", "h", "hr"), "h"),
}
_AMOUNT = re.compile(rf"C\s*/\s*({NUMBER})|({NUMBER})\s*(m?(?:A|V|W|Ohm)|C)", re.ASCII)
_CONTROLS: dict[str, Control] = {"A": "current", "C": "current", "V": "voltage", "W": "power", "Ohm": "resistance"}


def read_pybamm_lines(text: str, file: str) -> Protocol:
    """One step a line; empty lines and those that begin with # say nothing. Raises `InvalidFile`."""
    problems = Problems(file)
    stages: list[Stage] = []
    for line, written in enumerate(text.splitlines(), start=1):
        if not written.strip() or written.lstrip().startswith("#"):
            continue
        if len(stages) == STAGES_MAX:
            problems.add(line, "too-long", f"has more than {STAGES_MAX} steps")
            break
        stage = _stage(written, place=str(len(stages) + 1), line=line, problems=problems)
        if stage is not None:
            stages.append(stage)
    return _protocol(tuple(stages), problems)


def read_pybamm_list(document: Sequence[Any], file: str) -> Protocol:
    """A list of steps and of cycles of steps. Raises `InvalidFile`."""
    problems = Problems(file)
    if sum(len(entry) if isinstance(entry, list) else 1 for entry in document) > STAGES_MAX:
        problems.add(0, "too-long", f"has more than {STAGES_MAX} steps")
        return _protocol((), problems)
    stages: list[Stage | Cycle] = []
    place = 0
    for entry, equal in groupby(document):
        times = len(list(equal))
        first, place = place + 1, place + times
        if not isinstance(entry, list):
            for number in range(first, place + 1):
                stage = _entry(entry, str(number), problems)
                stages += [] if stage is None else [stage]
            continue
        inner = [_entry(step, f"{first}.{number}", problems) for number, step in enumerate(entry, start=1)]
        cycle = tuple(stage for stage in inner if stage is not None)
        if not entry:
            problems.step = str(first)
            problems.add(0, "cycle", "is a cycle without steps")
        elif times == 1:
            stages += cycle
        else:
            stages.append(Cycle(place=str(first), times=times, stages=cycle))
    return _protocol(tuple(stages), problems)


def _protocol(stages: tuple[Stage | Cycle, ...], problems: Problems) -> Protocol:
    problems.step = None
    if not stages and not problems.found:
        problems.add(0, "empty", "has no steps", EXAMPLE)
    if problems.found:
        raise InvalidFile(problems.found)
    return Protocol(stages=stages)


def _entry(entry: Any, place: str, problems: Problems) -> Stage | None:
    if type(entry) is str:
        return _stage(entry, place=place, line=0, problems=problems)
    problems.step = place
    what = "a step with keyword arguments" if isinstance(entry, dict) else "something"
    problems.add(0, "step", f"{what} stands where a step's string is due: only strings are read", EXAMPLE)
    return None


def _stage(written: str, *, place: str, line: int, problems: Problems) -> Stage | None:
    problems.step = place
    try:
        if len(written) > _LINE_MAX:
            raise MistakeError("too-long", f"{shown(written)} is no step: it is longer than {_LINE_MAX} characters")
        return replace(_parsed(" ".join(written.split()), place), line=line)
    except MistakeError as mistake:
        problems.add(line, mistake.code, mistake.message, mistake.hint)
        return None


def _parsed(text: str, place: str) -> Stage:
    rest, every = text, None
    if text.endswith(" period)"):
        rest, _, period = text.removesuffix(" period)").rpartition(" (")
        every = _time(period)
    rest, _, end = rest.partition(" until ")
    rest, _, time_text = rest.removesuffix(" or").partition(" for ")
    verb, _, held = rest.partition(" at ")
    time = _time(time_text) if time_text else None
    if verb not in VERBS:
        hint = nearest(verb, VERBS) if verb else EXAMPLE
        raise MistakeError("step", f"{shown(verb or text)} is no step", hint)
    if time is None and not end:
        raise MistakeError("end", f"{shown(text)} does not say `for` how long or `until` what", EXAMPLE)
    if verb == "Rest":
        if held or end or time is None:
            raise MistakeError("end", f"{shown(text)}: a rest ends by time alone", "write it like `Rest for 1 hour`")
        return Stage(place=place, control="rest", time=time, every=every)
    if not held:
        raise MistakeError("mode", f"{shown(text)} does not say `at` what", EXAMPLE)
    value = _amount(held)
    control = _CONTROLS[value.unit]
    if (verb == "Hold") != (control == "voltage"):
        hint = "hold a voltage; charge or discharge at a current, a power or a resistance"
        raise MistakeError("mode", f"{shown(text)}: {verb} at {value} is not read", hint)
    if (verb, control) == ("Charge", "resistance"):
        raise MistakeError("mode", f"{shown(text)}: a recipe charges at no resistance")
    directions: dict[str, Direction] = {"Charge": "charge", "Discharge": "discharge"}
    stage = Stage(place=place, control=control, direction=directions.get(verb), value=value, time=time, every=every)
    return _ending(stage, end, text) if end else stage


def _ending(stage: Stage, end: str, text: str) -> Stage:
    ahead = ">" if stage.direction == "charge" else "<"
    if end[0] in "<>":
        if stage.control == "voltage" or end[0] != ahead:
            raise MistakeError("end", f"{shown(text)}: a recipe has no such end as {shown(end)}")
        end = end[1:].strip()
    value = _amount(end)
    if stage.control == "voltage":
        if _CONTROLS[value.unit] != "current":
            raise MistakeError("end", f"{shown(text)}: what holds a voltage ends by a current, not at {value}")
        return replace(stage, current=value)
    if value.unit != "V":
        hint = "hold the voltage behind it until that current"
        raise MistakeError("end", f"{shown(text)}: it ends at a voltage, not at {value}", hint)
    return replace(stage, voltage=value)


def _time(text: str) -> Quantity:
    match = _TIME.fullmatch(text.strip())
    if match is None or match[2] not in _TIME_UNITS:
        raise MistakeError("quantity", f"{shown(text)} is no time", "write it like 10 hours, 45 minutes or 30 seconds")
    time = parse_quantity(f"{match[1]} {_TIME_UNITS[match[2]]}", ("s",))
    if time.number <= 0:
        raise MistakeError("not-positive", f"{shown(text)} is not above 0")
    return time


def _amount(text: str) -> Quantity:
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        raise MistakeError("quantity", f"{shown(text)} is no amount", "units: A, mA, V, mV, W, mW, Ohm, mOhm, C")
    if match[1]:
        amount = parse_quantity(f"C/{match[1]}", ("C",))
    elif match[3] == "mW":
        amount = parse_quantity(f"{Decimal(match[2]) / 1000:f} W", ("W",))
    else:
        amount = parse_quantity(f"{match[2]} {match[3]}", tuple(_CONTROLS))
    if amount.number <= 0:
        raise MistakeError("not-positive", f"{shown(text)} is not above 0")
    return amount
