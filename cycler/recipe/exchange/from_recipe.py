"""From a recipe to a protocol. What no stage can say is refused by name, what only guards or names it is handed on.

Guards are plain tests in `fail`: the writer keeps those that its format has a place for, and says which it leaves out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from cycler.recipe.condition import RecipeCondition, RecipeTest
from cycler.recipe.exchange.protocol import CYCLES_DEEP_MAX, STAGES_MAX, Cycle, Protocol, Stage, Stages, flat
from cycler.recipe.model import (
    Alternatives,
    DriveStep,
    ExecutedStep,
    LoopStep,
    PerTurn,
    Recipe,
    RestStep,
    Step,
    step_word,
)
from cycler.recipe.problems import InvalidFile, Problems
from cycler.recipe.units import Quantity

GUARDED = ("voltage", "current", "capacity", "energy", "time")
"""What a plain `fail` may guard without being refused: an excess that a healthy cell never shows."""


def protocol_of(recipe: Recipe, target: str, notes: list[str]) -> Protocol:
    """Raises `InvalidFile` with everything that cannot be said, of each step. `target`: where, in words."""
    problems = Problems(recipe.file)
    stages = tuple(_Taking(problems, target, notes).stages(recipe.steps, turn=None, depth=0))
    problems.step = None
    if sum(1 for _ in flat(stages)) > STAGES_MAX:
        problems.add(0, "too-long", f"has more than {STAGES_MAX} steps once loops whose turns differ are written out")
    if problems.found:
        raise InvalidFile(problems.found)
    return Protocol(record=recipe.record, stages=stages)


@dataclass(slots=True)
class _Ends:
    """What ends a stage, each at most once."""

    found: dict[str, Quantity] = field(default_factory=dict)
    guards: list[RecipeCondition] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Taking:
    problems: Problems
    target: str
    notes: list[str]

    def stages(self, steps: Sequence[Step], *, turn: int | None, depth: int) -> Iterator[Stage | Cycle]:
        """`turn`: of the innermost loop, where that is written out turn by turn."""
        for step in steps:
            self.problems.step = step.name
            if isinstance(step, LoopStep):
                yield from self._loop(step, depth)
            elif isinstance(step, DriveStep):
                yield from self._drive(step, turn)
            elif isinstance(step, RestStep):
                yield from self._rest(step, turn)
            else:
                self._refuse(step, "step", f"`{step_word(step)}` has no counterpart in {self.target}")

    def _loop(self, loop: LoopStep, depth: int) -> Iterator[Stage | Cycle]:
        if depth >= CYCLES_DEEP_MAX:
            self._refuse(loop, "too-deep", f"loops are nested more than {CYCLES_DEEP_MAX} deep")
            return
        if loop.until:
            self._refuse(loop, "loop", f"ends by a condition, which no loop in {self.target} does")
            return
        if loop.origin is not None:
            self._note(loop, f"the steps of {loop.origin.recipe} {loop.origin.version} are written in its place")
            yield from self.stages(loop.steps, turn=None, depth=depth)
            return
        if not any(isinstance(step, DriveStep | RestStep) and _differs(step) for step in loop.steps):
            inner = tuple(self.stages(loop.steps, turn=None, depth=depth + 1))
            yield Cycle(place=loop.name, times=loop.times, id=loop.id, stages=inner)
            return
        self._note(loop, f"its {loop.times} turns differ and are written out, without ids and tags")
        for turn in range(min(loop.times, STAGES_MAX)):
            yield from _unnamed(tuple(self.stages(loop.steps, turn=turn, depth=depth + 1)))
            if self.problems.found:
                return

    def _rest(self, step: RestStep, turn: int | None) -> Iterator[Stage]:
        if step.outputs is not None:
            self._refuse(step, "outputs", f"sets outputs of its bay, which {self.target} does not know")
            return
        ends = self._ends(step, turn, holds=False)
        time = _at(step.time, turn)
        if time is not None and ends.found:
            self._refuse(step, "end", "has `time` and `until`: which of them ends it cannot be said")
            return
        time = time or ends.found.get("time")
        if time is None:
            self._refuse(step, "end", "does not end by time")
            return
        yield self._stage(step, Stage(place=step.name, control="rest", time=time, guards=tuple(ends.guards)))

    def _drive(self, step: DriveStep, turn: int | None) -> Iterator[Stage]:
        holds, before = bool(step.voltage), len(self.problems.found)
        ends = self._ends(step, turn, holds=holds)
        current, voltage = _at(step.current, turn), _at(step.voltage, turn)
        power, resistance = _at(step.power, turn), _at(step.resistance, turn)
        plain = Stage(place=step.name, control="rest", direction=step.direction, guards=tuple(ends.guards))
        time, end_voltage, end_current = (ends.found.get(quantity) for quantity in ("time", "voltage", "current"))
        if not ends.found:
            if len(self.problems.found) == before:
                self._refuse(
                    step, "end", f"has no end that {self.target} can say: time, voltage, or the current of a CV"
                )
            return
        if holds and end_voltage is not None:
            self._refuse(step, "end", f"holds a voltage and ends at {end_voltage}, which cannot be said")
        elif current is not None and voltage is not None:
            if time is not None or end_current is None:
                self._refuse(step, "end", "is a CC-CV that does not end by its current alone, which cannot be said")
                return
            first = self._stage(step, replace(plain, control="current", value=current, voltage=voltage))
            yield first
            yield replace(first, control="voltage", value=voltage, voltage=None, current=end_current, id=None, tag=None)
        elif voltage is not None:
            yield self._stage(step, replace(plain, control="voltage", value=voltage, time=time, current=end_current))
        elif current is not None:
            yield self._stage(step, replace(plain, control="current", value=current, time=time, voltage=end_voltage))
        elif power is not None:
            yield self._stage(step, replace(plain, control="power", value=power, time=time, voltage=end_voltage))
        else:
            value = resistance
            yield self._stage(step, replace(plain, control="resistance", value=value, time=time, voltage=end_voltage))

    def _stage(self, step: ExecutedStep, stage: Stage) -> Stage:
        """With what all steps may have."""
        if step.limits is not None:
            self._refuse(step, "limits", f"has `limits`, which cannot be said in {self.target}")
        every = None
        if step.record is not None:
            every = step.record.every
            others = [key for key in ("voltage", "current", "temperature") if getattr(step.record, key) is not None]
            if others:
                self._note(step, f"`record` is written without {', '.join(others)}")
        return replace(stage, line=step.line, id=step.id, tag=step.tag, every=every)

    def _ends(self, step: DriveStep | RestStep, turn: int | None, *, holds: bool) -> _Ends:
        ends = _Ends()
        for condition in (*_of_turn(step.until, turn), *_of_turn(step.fail, turn)):
            outcome = condition.outcome
            plain = len(condition.tests) == 1 and condition.window is None
            if not plain or outcome is None or outcome.kind not in {"next", "fail"}:
                self._refuse(step, "condition", f"`{condition}` cannot be said in {self.target}")
            elif outcome.kind == "fail" and _is_guard(condition.tests[0]):
                ends.guards.append(condition)
            elif outcome.kind == "next" and condition.for_ is None and _is_end(condition.tests[0], step, holds=holds):
                test = condition.tests[0]
                if test.quantity in ends.found:
                    self._refuse(step, "condition", f"`{test}` is its second end by {test.quantity}")
                ends.found[test.quantity] = test.value
            else:
                self._refuse(step, "condition", f"`{condition}` cannot be said in {self.target}")
        return ends

    def _refuse(self, step: Step, code: str, message: str) -> None:
        self.problems.add(step.line, code, message)

    def _note(self, step: Step, message: str) -> None:
        """Once, however many turns are written out."""
        note = f"step {step.name}: {message}"
        if note not in self.notes:
            self.notes.append(note)


def _unnamed(stages: Stages) -> Stages:
    return tuple(
        replace(stage, id=None, stages=_unnamed(stage.stages))
        if isinstance(stage, Cycle)
        else replace(stage, id=None, tag=None)
        for stage in stages
    )


def _is_guard(test: RecipeTest) -> bool:
    return (
        test.quantity in GUARDED
        and test.of in {None, "rated"}
        and (test.relation[0] == ">" or test.quantity == "voltage")
    )


def _is_end(test: RecipeTest, step: DriveStep | RestStep, *, holds: bool) -> bool:
    rises = test.relation[0] == ">"
    if test.quantity == "time":
        return rises
    if not isinstance(step, DriveStep):
        return False
    if test.quantity == "voltage":
        return rises == (step.direction == "charge")
    return test.quantity == "current" and holds and not rises


def _differs(step: DriveStep | RestStep) -> bool:
    values: list[tuple[object, ...]] = [step.until, step.fail]
    if isinstance(step, RestStep):
        values.append(step.time)
    else:
        values += [step.current, step.voltage, step.power, step.resistance]
    return any(len(each) > 1 for each in values)


def _at(values: PerTurn, turn: int | None) -> Quantity | None:
    if not values:
        return None
    return values[turn] if turn is not None and len(values) > 1 else values[0]


def _of_turn(turns: tuple[Alternatives, ...], turn: int | None) -> Alternatives:
    return turns[turn] if turn is not None and len(turns) > 1 else turns[0]
