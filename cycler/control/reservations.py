"""Who has a chamber's temperature. Bays that want the same one share it, others wait their turn. Pure.

A bay keeps the temperature that it has until it gets its next one: cells at rest in between do not stand in the heat of
another tray. So two bays with one temperature wait for each other for ever if each goes on to another one; their
recipes tell, and such bays are not started together (`conflicts`).
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from cycler.control.program_cursor import Program
from cycler.model.rack import BayId
from cycler.recipe.plan import ChamberRule, LoopEnd, LoopStart, PlanStep

TOLERANCE_K = 2.0  # of a step that sets the chamber and says nothing of its cells


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """What a bay wants of its chamber, from the step with this id to the next that sets it or to the recipe's end.

    It is bounded in time, because each of its steps is.
    """

    step_id: str
    rule: ChamberRule
    tolerance_k: float

    @property
    def target_degc(self) -> float:
        """The set value. Segments with equal ones can share a chamber."""
        return self.rule.target_degc


def segment_of(step: PlanStep) -> Segment | None:
    """The one that begins with this step."""
    if step.chamber is None:
        return None
    tolerance_k = TOLERANCE_K if step.soak is None else step.soak.within_k
    return Segment(step_id=step.step_id, rule=step.chamber, tolerance_k=tolerance_k)


class Reservations:
    """Of one chamber. No bay waits for ever, as long as every segment ends."""

    def __init__(self) -> None:
        self._held: dict[BayId, Segment] = {}
        self._waiting: dict[BayId, Segment] = {}  # in the order in which they came

    def ask(self, bay: BayId, segment: Segment) -> None:
        """The bay wants this next; it has it once `held_by` says so."""
        self._waiting[bay] = segment
        self._grant()

    def leave(self, bay: BayId) -> None:
        """The bay wants nothing any more. Idempotent."""
        self._held.pop(bay, None)
        self._waiting.pop(bay, None)
        self._grant()

    def held_by(self, bay: BayId) -> Segment | None:
        """What the bay has."""
        return self._held.get(bay)

    def is_waiting(self, bay: BayId) -> bool:
        """It has not got what it asked for."""
        return bay in self._waiting

    @property
    def held(self) -> Mapping[BayId, Segment]:
        """Of all bays that have one. They are equal in temperature, but for those that move on together."""
        return self._held

    def _grant(self) -> None:
        while (bay := self._next()) is not None:
            self._held[bay] = self._waiting.pop(bay)
        if self._held and all(bay in self._waiting for bay in self._held):
            # Each waits for another to give up what they share. That was refused at the start, unless a `goto` has led
            # cells of one bay apart: the bay that has waited longest moves on, and the others lose what they have.
            moves_on = next(bay for bay in self._waiting if bay in self._held)
            self._held = {moves_on: self._waiting.pop(moves_on)}
            self._grant()

    def _next(self) -> BayId | None:
        """A waiting bay that can have what it wants now. Who has nothing yet overtakes nobody who came before."""
        ahead: Segment | None = None
        for bay, wanted in self._waiting.items():
            has_its_turn = bay in self._held or ahead is None or ahead.target_degc == wanted.target_degc
            if has_its_turn and all(self._would_share(other, wanted) for other in self._held if other != bay):
                return bay
            ahead = ahead or wanted
        return None

    def _would_share(self, bay: BayId, wanted: Segment) -> bool:
        """The bay has this temperature, or is waiting for it."""
        return wanted.target_degc in {self._held[bay].target_degc, self._next_of(bay).target_degc}

    def _next_of(self, bay: BayId) -> Segment:
        return self._waiting.get(bay, self._held[bay])


def conflicts(programs: Mapping[BayId, Collection[Program]]) -> Iterator[str]:
    """Why bays of one chamber must not run at the same time, a sentence for each two that must not.

    They would wait for each other where both have one temperature and go on to different ones. And of two that take
    the same temperatures in opposite order, one always stands in what only the other still needs.
    """
    courses = {bay: _Course.of(of_bay) for bay, of_bay in programs.items()}
    for (one, first), (other, second) in combinations(courses.items(), 2):
        for common, mine in sorted(first.moves):
            for theirs in sorted(to for at, to in second.moves if at == common and to != mine):
                yield (
                    f"{one} and {other} would wait for each other: from {common:g} degC {one} goes on to {mine:g} degC"
                    f" and {other} to {theirs:g} degC"
                )
        for early, late in sorted(first.order):
            if (late, early) in second.order:
                yield (
                    f"{one} and {other} would wait for each other: {one} takes {early:g} degC before {late:g} degC,"
                    f" {other} after it"
                )


@dataclass(frozen=True, slots=True)
class _Course:
    """Which temperatures follow on which, and which come first before others, as pairs."""

    moves: frozenset[tuple[float, float]]
    order: frozenset[tuple[float, float]]

    @classmethod
    def of(cls, programs: Collection[Program]) -> "_Course":
        moves: set[tuple[float, float]] = set()
        order: set[tuple[float, float]] = set()
        for program in programs:
            targets_degc = {index: rule.target_degc for index, rule in _rules(program)}
            for index, at_degc in targets_degc.items():
                moves.update((at_degc, targets_degc[to]) for to in _following(program, index))
            order.update(combinations(dict.fromkeys(targets_degc.values()), 2))
        return cls(frozenset(move for move in moves if move[0] != move[1]), frozenset(order))


def _rules(program: Program) -> Iterator[tuple[int, ChamberRule]]:
    for index, step in enumerate(program):
        if isinstance(step, PlanStep) and step.chamber is not None:
            yield index, step.chamber


def _following(program: Program, index: int) -> Iterator[int]:
    """The steps that set the chamber and can be the next to do so after the one at `index`."""
    to_visit, seen = list(_next_after(program, index)), set[int]()
    while to_visit:
        place = to_visit.pop()
        if place in seen or place == len(program):
            continue
        seen.add(place)
        step = program[place]
        if isinstance(step, PlanStep) and step.chamber is not None:
            yield place
        else:
            to_visit.extend(_next_after(program, place))


def _next_after(program: Program, index: int) -> Iterator[int]:
    instruction = program[index]
    yield index + 1
    if isinstance(instruction, LoopEnd):
        yield instruction.start + 1
    elif not isinstance(instruction, LoopStart):
        for variant in instruction.variants:
            for condition in (*variant.fail, *variant.until):
                if condition.outcome.goto is not None:
                    yield condition.outcome.goto
