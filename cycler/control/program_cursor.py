"""A place in a plan's program: which step, in which turn of which loops. Pure; costs no memory per turn."""

from collections.abc import Sequence
from dataclasses import dataclass

from cycler.recipe.plan import LoopEnd, LoopStart, Outcome, PlanStep, StepVariant

Program = Sequence[PlanStep | LoopStart | LoopEnd]


@dataclass(frozen=True, slots=True)
class Turn:
    """A loop that encloses the place: where it starts, and which turn this is (from 0)."""

    start: int
    turn: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """Index of a `PlanStep` and the loops around it, outermost first."""

    index: int
    turns: tuple[Turn, ...] = ()


def first(program: Program) -> Cursor:
    """The first step. A compiled program has at least one, and no loop without a step."""
    cursor = _settle(program, 0, ())
    assert cursor is not None  # noqa: S101 (compiled programs are never empty)
    return cursor


def following(program: Program, cursor: Cursor) -> Cursor | None:
    """The step after this one, or None at the end of the recipe."""
    return _settle(program, cursor.index + 1, cursor.turns)


def destination(program: Program, cursor: Cursor, outcome: Outcome) -> Cursor | None:
    """Where this outcome of the step there leads, or None at the end of the recipe."""
    if outcome.kind == "end":
        return None
    if outcome.kind == "goto" and outcome.goto is not None:
        return jump(program, cursor, outcome.goto)
    return following(program, cursor)


def jump(program: Program, cursor: Cursor, target: int) -> Cursor | None:
    """The step at `target`: loops that enclose both places keep their turn, others begin anew.

    Going back uses up a turn of the innermost loop around both, and without one left that loop is over: so every
    recipe ends. None where nothing follows then.
    """
    turns = {turn.start: turn for turn in cursor.turns}
    around = [turns.get(start, Turn(start, 0)) for start in _enclosing(program, target)]
    if target <= cursor.index and around:
        start, turn = around[-1].start, around[-1].turn + 1
        loop = program[start]
        assert isinstance(loop, LoopStart)  # noqa: S101 (a turn is a loop's)
        if turn >= loop.times:
            return _settle(program, loop.end + 1, tuple(around[:-1]))
        around[-1] = Turn(start, turn)
    return Cursor(target, tuple(around))


def step_at(program: Program, cursor: Cursor) -> PlanStep:
    """The step under the cursor."""
    step = program[cursor.index]
    assert isinstance(step, PlanStep)  # noqa: S101 (a cursor is only ever made by this module)
    return step


def variant_at(program: Program, cursor: Cursor) -> StepVariant:
    """What the step does in this turn of its innermost loop."""
    variants = step_at(program, cursor).variants
    return variants[cursor.turns[-1].turn % len(variants)] if cursor.turns else variants[0]


def _settle(program: Program, index: int, turns: tuple[Turn, ...]) -> Cursor | None:
    while index < len(program):
        instruction = program[index]
        if isinstance(instruction, LoopStart):
            turns = (*turns, Turn(index, 0))
        elif isinstance(instruction, LoopEnd):
            loop = program[instruction.start]
            assert isinstance(loop, LoopStart)  # noqa: S101 (the compiler pairs them)
            done = turns[-1].turn + 1
            turns = turns[:-1]
            if done < loop.times:
                turns = (*turns, Turn(instruction.start, done))
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
