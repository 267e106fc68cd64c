"""Which step of one version of a recipe is which of the other: by its id, by being equal, else by being alike.

Steps are numbered in the order of the file, loops and what is in them one after the other.
"""

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from difflib import SequenceMatcher

from cycler.recipe.model import LoopStep, Recipe, Step, step_word, walk

ALIKE_MIN = 0.4
"""Of the keys that one of two steps has, those that are equal, for the steps to be the same one in two versions."""
EDITS_MAX = 250
"""Beyond so many steps that were added or removed, a best match would cost too much."""
PAIRS_MAX = 40_000
"""So many pairs of steps are held against each other; among more, those are taken that stand in the same order."""

_NOT_COMPARED = frozenset({"id", "steps"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """`pairs` has an entry for each step of the new version that was there, in the new order."""

    old: tuple[Step, ...]
    new: tuple[Step, ...]
    pairs: tuple[tuple[int, int], ...]  # (old, new)
    moved: frozenset[int]  # of the new ones those that stand in another order, or in another loop

    @property
    def removed(self) -> tuple[Step, ...]:
        """In the old order."""
        kept = {old for old, _ in self.pairs}
        return tuple(step for place, step in enumerate(self.old) if place not in kept)

    @property
    def added(self) -> tuple[Step, ...]:
        """In the new order."""
        kept = {new for _, new in self.pairs}
        return tuple(step for place, step in enumerate(self.new) if place not in kept)


def match_steps(old: Recipe, new: Recipe) -> Matching:
    """Fast for long recipes of which little has changed."""
    before, after = list(walk(old.steps)), list(walk(new.steps))
    old_steps, new_steps = [step for step, _ in before], [step for step, _ in after]
    pairs = _by_id(old_steps, new_steps)
    old_keys = [(len(around), _shell(step)) for step, around in before]
    new_keys = [(len(around), _shell(step)) for step, around in after]
    _by_order(pairs, old_keys, new_keys)
    _by_meaning(pairs, old_steps, new_steps)
    _by_likeness(pairs, old_steps, new_steps)
    ordered = tuple(sorted(pairs.items(), key=lambda pair: pair[1]))
    return Matching(
        old=tuple(old_steps),
        new=tuple(new_steps),
        pairs=ordered,
        moved=frozenset(_moved(ordered, before, after)),
    )


def _shell(step: Step) -> Step:
    """A loop without its steps: they are compared by themselves."""
    return replace(step, steps=()) if isinstance(step, LoopStep) else step


def _by_id(old: Sequence[Step], new: Sequence[Step]) -> dict[int, int]:
    places = {(step.id, step_word(step)): place for place, step in enumerate(new)}
    found = {}
    for place, step in enumerate(old):
        other = places.get((step.id, step_word(step)))
        if step.id is not None and other is not None:
            found[place] = other
    return found


def _by_order(pairs: dict[int, int], old: Sequence[object], new: Sequence[object]) -> None:
    """Equal steps in the same order, as many as there are; of versions that differ much, the longest runs of them."""
    taken = set(pairs.values())
    left_old = [place for place in range(len(old)) if place not in pairs]
    left_new = [place for place in range(len(new)) if place not in taken]
    numbers: dict[object, int] = {}
    a = [numbers.setdefault(old[place], len(numbers)) for place in left_old]
    b = [numbers.setdefault(new[place], len(numbers)) for place in left_new]
    common = _common(a, b)
    if common is None:
        blocks = SequenceMatcher(None, a, b).get_matching_blocks()
        common = [(block.a + count, block.b + count) for block in blocks for count in range(block.size)]
    pairs.update((left_old[one], left_new[other]) for one, other in common)


def _common(a: Sequence[int], b: Sequence[int]) -> list[tuple[int, int]] | None:
    """A longest common subsequence, as places in both; None where more than `EDITS_MAX` edits lie between them.

    Source: E. W. Myers, An O(ND) difference algorithm and its variations, Algorithmica 1 (1986). `reached` is how far
    each diagonal has come; what it was before each further edit leads back.
    """
    reached, history = {1: 0}, []
    for edits in range(EDITS_MAX + 1):
        history.append(dict(reached))
        for diagonal in range(-edits, edits + 1, 2):
            x = _entered(reached, diagonal, edits)
            while x < len(a) and x - diagonal < len(b) and a[x] == b[x - diagonal]:
                x += 1
            reached[diagonal] = x
            if x >= len(a) and x - diagonal >= len(b):
                return _led_back(history, len(a), len(b))
    return None


def _led_back(history: Sequence[dict[int, int]], x: int, y: int) -> list[tuple[int, int]]:
    found = []
    for edits in range(len(history) - 1, -1, -1):
        start = _entered(history[edits], x - y, edits)
        while x > start:
            x, y = x - 1, y - 1
            found.append((x, y))
        if edits:  # by one edit from a neighbouring diagonal
            x, y = (x, y - 1) if _is_down(history[edits], x - y, edits) else (x - 1, y)
    return found[::-1]


def _entered(reached: dict[int, int], diagonal: int, edits: int) -> int:
    """Where a path of so many edits comes to this diagonal."""
    return reached[diagonal + 1] if _is_down(reached, diagonal, edits) else reached[diagonal - 1] + 1


def _is_down(reached: dict[int, int], diagonal: int, edits: int) -> bool:
    """The last edit was an addition, not a removal."""
    return diagonal == -edits or (diagonal != edits and reached[diagonal - 1] < reached[diagonal + 1])


def _by_meaning(pairs: dict[int, int], old: Sequence[Step], new: Sequence[Step]) -> None:
    """Equal steps that stand elsewhere."""
    taken = set(pairs.values())
    places: dict[Step, deque[int]] = defaultdict(deque)
    for place, step in enumerate(new):
        if place not in taken and not isinstance(step, LoopStep):
            places[step].append(place)
    for place, step in enumerate(old):
        if place not in pairs and not isinstance(step, LoopStep) and places.get(step):
            pairs[place] = places[step].popleft()


def _by_likeness(pairs: dict[int, int], old: Sequence[Step], new: Sequence[Step]) -> None:
    """What is left, the most alike first. Steps between the same two neighbours are one step that has changed."""
    taken = set(pairs.values())
    left_old = [place for place in range(len(old)) if place not in pairs]
    left_new = [place for place in range(len(new)) if place not in taken]
    before_old = _neighbours(len(old), pairs)
    before_new = _neighbours(len(new), {place: place for place in taken})
    candidates = []
    for one, other in _candidates([old[place] for place in left_old], [new[place] for place in left_new]):
        a, b = left_old[one], left_new[other]
        same_gap = before_old[a] == before_new[b]
        likeness = _likeness(old[a], new[b])
        if same_gap or likeness >= ALIKE_MIN:
            candidates.append((same_gap + likeness, -abs(one - other), a, b))
    for _, _, a, b in sorted(candidates, reverse=True):
        if a not in pairs and b not in taken:
            pairs[a] = b
            taken.add(b)


def _candidates(old: Sequence[Step], new: Sequence[Step]) -> Iterator[tuple[int, int]]:
    by_word: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for side, steps in enumerate((old, new)):
        for place, step in enumerate(steps):
            by_word[step_word(step)][side].append(place)
    for olds, news in by_word.values():
        if len(olds) * len(news) > PAIRS_MAX:
            yield from zip(olds, news, strict=False)
        else:
            yield from ((a, b) for a in olds for b in news)


def _neighbours(count: int, pairs: dict[int, int]) -> list[int]:
    """For each place, where the last paired step before it stands in the new version; -1 for none."""
    found, last = [], -1
    for place in range(count):
        found.append(last)
        last = pairs.get(place, last)
    return found


def _likeness(one: Step, other: Step) -> float:
    """The share of equal keys, among those that either has. Other ids make other steps."""
    if one.id is not None and other.id is not None and one.id != other.id:
        return -1.0
    names = [
        field.name
        for field in fields(one)
        if field.compare
        and field.name not in _NOT_COMPARED
        and (_given(getattr(one, field.name)) or _given(getattr(other, field.name)))
    ]
    equal = sum(getattr(one, name) == getattr(other, name) for name in names)
    return equal / len(names) if names else 1.0


def _given(value: object) -> bool:
    return value is not None and value not in ((), ((),))


def _moved(
    pairs: Sequence[tuple[int, int]],
    before: Sequence[tuple[Step, tuple[LoopStep, ...]]],
    after: Sequence[tuple[Step, tuple[LoopStep, ...]]],
) -> Iterator[int]:
    """What is not in the longest stretch that kept its order, and what went into another loop or out of one."""
    became = {before[old][0].path: after[new][0].path for old, new in pairs}
    stayed = []  # in their loop
    for old, new in pairs:
        if [became.get(loop.path) for loop in before[old][1][-1:]] == [loop.path for loop in after[new][1][-1:]]:
            stayed.append((old, new))
        else:
            yield new
    kept = _longest_rising([old for old, _ in stayed])
    yield from (new for place, (_, new) in enumerate(stayed) if place not in kept)


def _longest_rising(numbers: Sequence[int]) -> set[int]:
    """The places of a longest rising subsequence."""
    ends: list[int] = []  # the smallest number that a rising run of each length ends with
    places: list[int] = []
    before: list[int] = []
    for place, number in enumerate(numbers):
        length = bisect_left(ends, number)
        before.append(places[length - 1] if length else -1)
        if length == len(ends):
            ends.append(number)
            places.append(place)
        else:
            ends[length], places[length] = number, place
    found, place = set(), places[-1] if places else -1
    while place >= 0:
        found.add(place)
        place = before[place]
    return found
