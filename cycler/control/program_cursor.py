"""A place in a plan's program: which step, in which turn of which loops. Pure; costs no memory per turn."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from cycler.recipe.plan import LoopEnd, LoopStart, Outcome, PlanStep, StepVariant

Program = Sequence[PlanStep | LoopStart | LoopEnd]


@dataclass(frozen=True, slots=True)
class Turn:
    """A loop that encloses the place: where it starts, and which turn this is (from 0)."""

    start: int
    turn: int
    began_s: float = 0.0  # its first turn, in the time of the run


LoopAnswer = Literal["goes on", "is over", "ends the recipe"]
"""Of a loop at the end of a turn; one that goes on still is over after its last turn."""

Ask = Callable[[LoopStart, Turn], LoopAnswer]


def _goes_on(_: LoopStart, __: Turn) -> LoopAnswer:
    return "goes on"


@dataclass(frozen=True, slots=True)
class Cursor:
    """Index of a `PlanStep` and the loops around it, outermost first."""

    index: int
    turns: tuple[Turn, ...] = ()


def first(program: Program) -> Cursor:
    """The first step. A compiled program has at least one, and no loop without a step."""
    cursor = _settle(program, 0, (), _goes_on, 0.0)
    assert cursor is not None  # noqa: S101 (compiled programs are never empty)
    return cursor


def following(program: Program, cursor: Cursor, ask: Ask = _goes_on, elapsed_s: float = 0.0) -> Cursor | None:
    """The step after this one, or None at the end of the recipe.

    `ask`: every loop whose turn ends on the way; `elapsed_s`: since the run began.
    """
    return _settle(program, cursor.index + 1, cursor.turns, ask, elapsed_s)


def destination(
    program: Program, cursor: Cursor, outcome: Outcome, ask: Ask = _goes_on, elapsed_s: float = 0.0
) -> Cursor | None:
    """Where this outcome of the step there leads, or None at the end of the recipe."""
    if outcome.kind == "end":
        return None
    if outcome.kind == "goto" and outcome.goto is not None:
        return jump(program, cursor, outcome.goto, ask, elapsed_s)
    return following(program, cursor, ask, elapsed_s)


def jump(program: Program, cursor: Cursor, target: int, ask: Ask = _goes_on, elapsed_s: float = 0.0) -> Cursor | None:
    """The step at `target`: loops that enclose both places keep their turn, others begin anew.

    Going back uses up a turn of the innermost loop around both, and without one left that loop is over: so every
    recipe ends. None where nothing follows then. The turn that is cut short asks no loop.
    """
    turns = {turn.start: turn for turn in cursor.turns}
    around = [turns.get(start, Turn(start, 0, elapsed_s)) for start in _enclosing(program, target)]
    if target <= cursor.index and around:
        start, turn = around[-1].start, around[-1].turn + 1
        loop = program[start]
        assert isinstance(loop, LoopStart)  # noqa: S101 (a turn is a loop's)
        if turn >= loop.times:
            return _settle(program, loop.end + 1, tuple(around[:-1]), ask, elapsed_s)
        around[-1] = Turn(start, turn, around[-1].began_s)
    return Cursor(target, tuple(around))


def ahead(program: Program, cursor: Cursor) -> Iterator[PlanStep]:
    """The step there, and all that may still be executed after it."""
    first_index = cursor.index
    for turn in cursor.turns:
        loop = program[turn.start]
        if isinstance(loop, LoopStart) and turn.turn + 1 < loop.times:
            first_index = turn.start
            break
    yield from (step for step in program[first_index:] if isinstance(step, PlanStep))


def rest_before(program: Program, cursor: Cursor) -> Cursor | None:
    """Where the step there begins with a rest: right before it, in the same turn of the same loops, or in it."""
    before = program[cursor.index - 1] if cursor.index else None
    if (
        isinstance(before, PlanStep)
        and all(phase.direction == "rest" for phase in before.variants[0].different)
        and before.meter is None
        and before.contact is None
    ):
        return Cursor(cursor.index - 1, cursor.turns)
    first_phase = variant_at(program, cursor).phases[0]
    return cursor if first_phase.direction == "rest" and not first_phase.held else None


def step_at(program: Program, cursor: Cursor) -> PlanStep:
    """The step under the cursor."""
    step = program[cursor.index]
    assert isinstance(step, PlanStep)  # noqa: S101 (a cursor is only ever made by this module)
    return step


def variant_at(program: Program, cursor: Cursor) -> StepVariant:
    """What the step does in this turn of its innermost loop."""
    variants = step_at(program, cursor).variants
    return variants[cursor.turns[-1].turn % len(variants)] if cursor.turns else variants[0]


def _settle(program: Program, index: int, turns: tuple[Turn, ...], ask: Ask, elapsed_s: float) -> Cursor | None:
    while index < len(program):
        instruction = program[index]
        if isinstance(instruction, LoopStart):
            turns = (*turns, Turn(index, 0, elapsed_s))
        elif isinstance(instruction, LoopEnd):
            loop = program[instruction.start]
            assert isinstance(loop, LoopStart)  # noqa: S101 (the compiler pairs them)
            turn, turns = turns[-1], turns[:-1]
            answer = ask(loop, turn)
            if answer == "ends the recipe":
                return None
            if answer == "goes on" and turn.turn + 1 < loop.times:
                turns = (*turns, Turn(instruction.start, turn.turn + 1, turn.began_s))
                index = instruction.start
        else:
            return Cursor(index, turns)
        index += 1
    return None


def _enclosing(program: Program, index: int) -> list[int]:
    open_loops: list[int] = []
    for place in range(index):
        instruction = program[place]
        if isinstance(instruction, LoopStart):
            open_loops.append(place)
        elif isinstance(instruction, LoopEnd):
            open_loops.pop()
    return open_loops
