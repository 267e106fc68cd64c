"""A protocol as aurora-unicycler's JSON. A guard that all steps share becomes one of its safety limits.

The sample is named after the cell type, so that a reader knows what the C-rates and limits are of.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from cycler.model.cell_type import CellType
from cycler.recipe.condition import RecipeCondition
from cycler.recipe.exchange.holds import check_holds
from cycler.recipe.exchange.protocol import Cycle, Protocol, Stage, Stages, flat, guards_by_place
from cycler.recipe.problems import InvalidFile, Problems
from cycler.recipe.units import Quantity

FORMAT_VERSION = "0.4.6"
"""Of aurora-unicycler, whose keys are written."""

Guard = tuple[str, str, Quantity, Quantity | None]
"""Quantity, `>` or `<`, value, and how long it must hold."""


def write_unicycler(protocol: Protocol, cell_type: CellType, file: str, notes: list[str]) -> str:
    """Raises `InvalidFile` with what its steps cannot say."""
    problems = Problems(file)
    for stage in flat(protocol.stages):
        problems.step = stage.place
        if stage.control in {"power", "resistance"}:
            problems.add(stage.line, stage.control, f"holds a {stage.control}, for which unicycler has no step")
        if stage.every is not None:
            notes.append(f"step {stage.place}: its own `record` is not written: unicycler has one for all steps")
    problems.step = None
    check_holds(
        protocol.stages, cell_type.envelopes["formed"], problems,
        says_direction=lambda stage: stage.current is not None,
    )  # fmt: skip
    record = protocol.record
    if record is None or record.every is None:
        problems.add(0, "record", "record: unicycler asks for the time between samples", "add `every`")
    if problems.found:
        raise InvalidFile(problems.found)
    assert record is not None  # noqa: S101 (refused above)
    if record.temperature is not None:
        notes.append("`record` is written without temperature: unicycler measures none")
    numbers = _Numbers(cell_type)
    keys = {"current_mA": record.current, "voltage_V": record.voltage, "time_s": record.every}
    document = {
        "unicycler": {"version": FORMAT_VERSION},
        "sample": {"name": cell_type.name, "capacity_mAh": numbers.of(Quantity(cell_type.rated_capacity_ah, "Ah"))},
        "record": {key: numbers.of(value) for key, value in keys.items() if value is not None},
        "safety": _safety(protocol.stages, numbers, notes),
        "method": list(_Method(protocol.stages, numbers, notes).steps()),
    }
    return json.dumps(document, indent=4, allow_nan=False) + "\n"


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Quantities in the format's units: V, mA, mAh and s; a current may be a rate."""

    cell_type: CellType

    def of(self, quantity: Quantity) -> int | float:
        """What is relative is of the rated capacity. Exact in decimals."""
        rated = Decimal(repr(self.cell_type.rated_capacity_ah)) * 1000
        scale = {"A": Decimal(1000), "Ah": Decimal(1000), "C": rated, "%": rated / 100}
        return _plain(Decimal(repr(quantity.number)) * scale.get(quantity.unit, Decimal(1)))

    def current(self, quantity: Quantity, rate_key: str, current_key: str, *, charging: bool) -> dict[str, Any]:
        """Signed; a rate stays one."""
        value = _plain(Decimal(repr(quantity.number))) if quantity.unit == "C" else self.of(quantity)
        return {rate_key if quantity.unit == "C" else current_key: value if charging else -value}


def _plain(number: Decimal) -> int | float:
    return int(number) if number == number.to_integral_value() and abs(number) < 10**15 else float(number)


def _safety(stages: Stages, numbers: _Numbers, notes: list[str]) -> dict[str, Any]:
    """The guards that every step has which they could concern; notes the others."""
    every = list(flat(stages))
    drives = [stage for stage in every if stage.control != "rest"]
    concerned: Mapping[str, tuple[str, str, list[Stage]]] = {
        "max_voltage_V": ("voltage", ">", every),
        "min_voltage_V": ("voltage", "<", every),
        "max_current_mA": ("current", ">", [stage for stage in drives if stage.direction == "charge"]),
        "min_current_mA": ("current", ">", [stage for stage in drives if stage.direction == "discharge"]),
        "max_capacity_mAh": ("capacity", ">", drives),
    }
    safety: dict[str, Any] = {}
    written: set[tuple[str, Guard]] = set()
    delays: list[Quantity | None] = []
    for key, (quantity, relation, of) in concerned.items():
        shared = [guard for guard in _guards(of[0]) if guard[:2] == (quantity, relation)] if of else []
        shared = [guard for guard in shared if all(guard in _guards(stage) for stage in of)]
        if not shared or (delays and shared[0][3] != delays[0]):
            continue
        value, delay = shared[0][2:]
        delays.append(delay)
        number = numbers.of(value)
        safety[key] = -number if key == "min_current_mA" else number
        written |= {(stage.place, shared[0]) for stage in of}
        if value.unit in {"C", "%"}:
            notes.append(f"safety.{key} is {number}: {value} of the rated capacity")
    if delays and delays[0] is not None:
        safety["delay_s"] = numbers.of(delays[0])
    for place, guards in guards_by_place(stages).items():
        left = [str(each) for each in guards if (place, _guard(each)) not in written]
        if left:
            notes.append(f"step {place}: not written, as unicycler has limits for all steps only: {', '.join(left)}")
    return safety


def _guards(stage: Stage) -> list[Guard]:
    return [_guard(each) for each in stage.guards]


def _guard(condition: RecipeCondition) -> Guard:
    test = condition.tests[0]
    return test.quantity, test.relation[0], test.value, condition.for_


@dataclass(slots=True)
class _Method:
    stages: Stages
    numbers: _Numbers
    notes: list[str]
    tags: set[str] = field(default_factory=set)
    loops: int = 0

    def steps(self) -> Iterator[dict[str, Any]]:
        self.tags |= {cycle.id for cycle in _cycles(self.stages) if cycle.id is not None}
        return self._steps(self.stages)

    def _steps(self, stages: Stages) -> Iterator[dict[str, Any]]:
        for stage in stages:
            if isinstance(stage, Cycle):
                label = stage.id or self._label(stage)
                yield {"step": "tag", "tag": label}
                yield from self._steps(stage.stages)
                yield {"step": "loop", "loop_to": label, "cycle_count": stage.times}
                continue
            if stage.tag is not None and stage.tag in self.tags:
                self.notes.append(f"step {stage.place}: its tag {stage.tag} is not written: a tag stands once")
            elif stage.tag is not None:
                self.tags.add(stage.tag)
                yield {"step": "tag", "tag": stage.tag}
            yield self._step(stage) | ({} if stage.id is None else {"id": stage.id})

    def _step(self, stage: Stage) -> dict[str, Any]:
        charging = stage.direction == "charge"
        ends: dict[str, Any] = {} if stage.time is None else {"until_time_s": self.numbers.of(stage.time)}
        if stage.control == "rest" or stage.value is None:
            return {"step": "open_circuit_voltage", **ends}
        if stage.control == "current":
            if stage.voltage is not None:
                ends["until_voltage_V"] = self.numbers.of(stage.voltage)
            held = self.numbers.current(stage.value, "rate_C", "current_mA", charging=charging)
            return {"step": "constant_current", **held, **ends}
        if stage.current is not None:
            ends |= self.numbers.current(stage.current, "until_rate_C", "until_current_mA", charging=charging)
        return {"step": "constant_voltage", "voltage_V": self.numbers.of(stage.value), **ends}

    def _label(self, cycle: Cycle) -> str:
        label = ""
        while not label or label in self.tags:
            self.loops += 1
            label = f"loop-{self.loops}"
        self.tags.add(label)
        self.notes.append(f"step {cycle.place}: its loop has no id, its tag is {label}")
        return label


def _cycles(stages: Stages) -> Iterator[Cycle]:
    for stage in stages:
        if isinstance(stage, Cycle):
            yield stage
            yield from _cycles(stage.stages)
