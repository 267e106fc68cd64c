"""From a protocol to a recipe: what our language demands and the source lacks is written out, and said.

A `current` that ends at a voltage alone, and that voltage held until a current alone, are one CC-CV step.
"""

from dataclasses import dataclass
from math import ceil

from cycler.model.cell_type import CellType
from cycler.recipe.bounds import BOUND_FOR_S_MAX
from cycler.recipe.condition import Consequence, RecipeCondition, RecipeTest
from cycler.recipe.exchange.holds import directed
from cycler.recipe.exchange.protocol import Cycle, Protocol, SafetyLimits, Stage, Stages
from cycler.recipe.model import DriveStep, LoopStep, PerTurn, Recipe, RecordKeys, RestStep, Step
from cycler.recipe.plan import Relation
from cycler.recipe.problems import InvalidFile, Problems
from cycler.recipe.read import DEFAULT_FROM_STATE, DEFAULT_RECORD
from cycler.recipe.units import Quantity

CAPACITY_MAX = Quantity(120.0, "%")
"""What a step may move where the source sets no limit: more than any cell holds, not much more."""
TURNS_OF_RATED = 2.0
HELD_S_MAX = 86_400.0
"""Where the source sets no limit in time: a current has twice the time in which it moves the rated capacity, all else
a day. PyBaMM gives up after as long."""

NEXT, FAIL = Consequence("next"), Consequence("fail")


def recipe_of(protocol: Protocol, cell_type: CellType, *, name: str, file: str, notes: list[str]) -> Recipe:
    """Adds to `notes` what was written without the source having said it. Raises `InvalidFile`."""
    problems = Problems(file)
    stages = directed(protocol.stages, cell_type.envelopes["formed"], problems)
    if problems.found:
        raise InvalidFile(problems.found)
    notes.append(
        f"the source has no name, version or states of cells: the recipe is {name} 1.0.0 and takes"
        f" {', '.join(DEFAULT_FROM_STATE[:-1])} and {DEFAULT_FROM_STATE[-1]} cells; it has no soak and no contact check"
    )
    if protocol.record is None:
        notes.append("the source does not say when a sample is kept: `record` is the usual one")
    if protocol.capacity is not None and protocol.capacity.number != cell_type.rated_capacity_ah:
        notes.append(
            f"C-rates are of {Quantity(cell_type.rated_capacity_ah, 'Ah')}, what {cell_type.name} is rated,"
            f" not of the sample's {protocol.capacity}"
        )
    building = _Building(_applied(protocol.safety, cell_type, notes), cell_type, notes)
    return Recipe(
        file=file,
        recipe=name,
        version="1.0.0",
        cell_type=cell_type.name,
        from_state=DEFAULT_FROM_STATE,
        record=protocol.record or DEFAULT_RECORD,
        steps=building.steps(stages, ""),
    )


def _applied(safety: SafetyLimits, cell_type: CellType, notes: list[str]) -> SafetyLimits:
    """Without the voltages at which the cell type's protections have tripped before."""
    envelope = cell_type.envelopes["formed"]
    low_v, high_v = envelope.voltage_v_min - envelope.trip_margin_v, envelope.voltage_v_max + envelope.trip_margin_v
    upper, lower = safety.voltage_max, safety.voltage_min
    if upper is not None and upper.number >= high_v:
        notes.append(f"voltage above {upper}: not written, since {cell_type.name} trips at {high_v:.6g} V")
        upper = None
    if lower is not None and lower.number <= low_v:
        notes.append(f"voltage below {lower}: not written, since {cell_type.name} trips at {low_v:.6g} V")
        lower = None
    return SafetyLimits(
        voltage_max=upper,
        voltage_min=lower,
        charge_current_max=safety.charge_current_max,
        discharge_current_max=safety.discharge_current_max,
        capacity_max=safety.capacity_max,
        delay=safety.delay,
    )


@dataclass(frozen=True, slots=True)
class _Building:
    safety: SafetyLimits
    cell_type: CellType
    notes: list[str]

    def steps(self, stages: Stages, above: str) -> tuple[Step, ...]:
        """`above` is the path of the loop around them."""
        found: list[Step] = []
        left = list(reversed(stages))
        while left:
            stage = left.pop()
            path = f"{above}{len(found) + 1}"
            if isinstance(stage, Cycle):
                inner = self.steps(stage.stages, f"{path}.")
                found.append(LoopStep(path=path, line=0, id=stage.id, times=stage.times, steps=inner))
            elif stage.control == "rest":
                found.append(self._rest(stage, path))
            elif left and _is_cc_cv(stage, left[-1]):
                held = left.pop()
                assert isinstance(held, Stage)  # noqa: S101 (`_is_cc_cv` says so)
                self.notes.append(f"step {path}: steps {stage.place} and {held.place} are one CC-CV {stage.direction}")
                found.append(self._drive(stage, path, held))
            else:
                found.append(self._drive(stage, path, None))
        return tuple(found)

    def _rest(self, stage: Stage, path: str) -> RestStep:
        fail = tuple(self._safe_voltages())
        return RestStep(
            path=path,
            line=0,
            id=stage.id,
            tag=stage.tag,
            time=_one(stage.time),
            fail=(fail,),
            record=_record(stage),
        )

    def _drive(self, stage: Stage, path: str, held: Stage | None) -> DriveStep:
        """`held`: the voltage that a CC-CV goes on to hold."""
        assert stage.direction is not None  # noqa: S101 (`directed` has seen to it)
        last = held or stage
        until = []
        if last.voltage is not None:
            until.append(_test("voltage", _ahead(stage), last.voltage))
        if last.current is not None:
            until.append(_test("current", "<=", last.current))
        if last.time is not None:
            until.append(_test("time", ">=", last.time))
        fail = self._safeguards(stage)
        added = self._missing(stage, held, [*until, *fail])
        if added:
            self.notes.append(f"step {path}: `fail` has {', '.join(_bare(each) for each in added)}")
        return DriveStep(
            path=path,
            line=0,
            id=stage.id,
            tag=stage.tag,
            direction=stage.direction,
            current=_one(stage.value if stage.control == "current" else None),
            voltage=_one(last.value if last.control == "voltage" else None),
            power=_one(stage.value if stage.control == "power" else None),
            resistance=_one(stage.value if stage.control == "resistance" else None),
            until=(tuple(until),),
            fail=((*fail, *added),),
            record=_record(stage),
        )

    def _safe_voltages(self) -> list[RecipeCondition]:
        safety = self.safety
        found = []
        if safety.voltage_max is not None:
            found.append(_test("voltage", ">", safety.voltage_max, FAIL, safety.delay))
        if safety.voltage_min is not None:
            found.append(_test("voltage", "<", safety.voltage_min, FAIL, safety.delay))
        return found

    def _safeguards(self, stage: Stage) -> list[RecipeCondition]:
        """The source's own safety limits, which concern every one of its steps."""
        safety = self.safety
        found = self._safe_voltages()
        current = safety.charge_current_max if stage.direction == "charge" else safety.discharge_current_max
        if current is not None:
            found.append(_test("current", ">", current, FAIL, safety.delay))
        if safety.capacity_max is not None:
            found.append(_test("capacity", ">", safety.capacity_max, FAIL, safety.delay))
        return found

    def _missing(self, stage: Stage, held: Stage | None, given: list[RecipeCondition]) -> list[RecipeCondition]:
        """The bounds without which no recipe loads."""
        bound = {
            (each.tests[0].quantity, each.tests[0].relation[0])
            for each in given
            if each.for_ is None or each.for_.number <= BOUND_FOR_S_MAX
        }
        found = []
        ahead: Relation = ">" if stage.direction == "charge" else "<"
        if held is None and stage.control != "voltage" and ("voltage", ahead) not in bound:
            envelope = self.cell_type.envelopes["formed"]
            edge_v = envelope.voltage_v_max if stage.direction == "charge" else envelope.voltage_v_min
            found.append(_test("voltage", ahead, Quantity(edge_v, "V"), FAIL))
        if ("capacity", ">") not in bound:
            found.append(_test("capacity", ">", CAPACITY_MAX, FAIL))
        if ("time", ">") not in bound:
            time_s = self._time_s_max(stage) + (HELD_S_MAX if held else 0.0)
            found.append(_test("time", ">", Quantity(time_s, "s"), FAIL))
        return found

    def _time_s_max(self, stage: Stage) -> float:
        if stage.control != "current" or stage.value is None:
            return HELD_S_MAX
        rate = stage.value.number / (1.0 if stage.value.unit == "C" else self.cell_type.rated_capacity_ah)
        return 60.0 * ceil(round(60 * TURNS_OF_RATED / rate, 6))


def _is_cc_cv(stage: Stage, following: Stage | Cycle) -> bool:
    return (
        isinstance(following, Stage)
        and (stage.control, following.control) == ("current", "voltage")
        and stage.direction == following.direction
        and stage.voltage == following.value
        and stage.time is following.time is None
        and stage.every == following.every
        and following.id is following.tag is None
    )


def _ahead(stage: Stage) -> Relation:
    return ">=" if stage.direction == "charge" else "<="


def _test(
    quantity: str,
    relation: Relation,
    value: Quantity,
    outcome: Consequence = NEXT,
    delay: Quantity | None = None,
) -> RecipeCondition:
    of = "rated" if value.unit == "%" else None
    for_ = delay if delay is not None and delay.number > 0 else None
    return RecipeCondition((RecipeTest(quantity, relation, value, of),), for_=for_, outcome=outcome)


def _bare(condition: RecipeCondition) -> str:
    return " and ".join(str(test) for test in condition.tests)


def _one(value: Quantity | None) -> PerTurn:
    return () if value is None else (value,)


def _record(stage: Stage) -> RecordKeys | None:
    return None if stage.every is None else RecordKeys(every=stage.every)
