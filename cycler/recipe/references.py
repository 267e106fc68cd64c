"""What steps say of each other: ids, `goto`, tags."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cycler.recipe.condition import RecipeCondition
from cycler.recipe.expression import Name, leaves
from cycler.recipe.model import (
    ContactStep,
    DriveStep,
    ExecutedStep,
    LoopStep,
    Recipe,
    RestStep,
    SetStep,
    Step,
    StopStep,
    walk,
)
from cycler.recipe.one_way import both_ways_tags, only_direction
from cycler.recipe.problems import Problems, nearest


@dataclass(frozen=True, slots=True)
class _Place:
    """A step among all steps of the file, and the loops around it, outermost first."""

    index: int
    step: Step
    around: tuple[int, ...]  # their indices


def check_references(recipe: Recipe, problems: Problems) -> None:
    """Add what does not fit. The recipe must be whole: what could not be read would be missed here."""
    places = _places(recipe)
    ids = _ids(places, problems)
    first_charge = _first_charge(places) if "filled" in recipe.from_state else None
    contacts = [place.index for place in places if isinstance(place.step, ContactStep)]
    tags: dict[str, list[_Place]] = {}
    tags_of_moving: dict[str, list[_Place]] = {}
    both_ways = both_ways_tags(recipe)
    for place in places:
        if not isinstance(place.step, LoopStep) and place.step.tag is not None:
            tags.setdefault(place.step.tag, []).append(place)
            if only_direction(place.step) is not None:
                tags_of_moving.setdefault(place.step.tag, []).append(place)
    jumps = _jumps(places, ids)
    for place in places:
        if isinstance(place.step, LoopStep):
            continue
        problems.step = place.step.name
        if isinstance(place.step, SetStep):
            _check_expressions(place, place.step, tags, jumps, problems)
        for key, condition in _conditions(place.step):
            _check_tags(place, condition, tags_of_moving, jumps, problems, both_ways=both_ways)
            if condition.outcome is not None and condition.outcome.kind == "goto":
                word = condition.outcome.word or ""
                if word in ids:
                    _check_goto(places, place, ids[word], key, problems, first_charge=first_charge, contacts=contacts)
                else:
                    hint = nearest(word, ids) if ids else "no step has an id"
                    problems.add(place.step.line, "goto", f"goto {word}: no step has this id", hint)
    problems.step = None


def _places(recipe: Recipe) -> list[_Place]:
    indices: dict[str, int] = {}
    places = []
    for index, (step, around) in enumerate(walk(recipe.steps)):
        indices[step.path] = index
        places.append(_Place(index, step, tuple(indices[loop.path] for loop in around)))
    return places


def _first_charge(places: list[_Place]) -> int | None:
    return next((place.index for place in places if isinstance(place.step, DriveStep)), None)


def _ids(places: list[_Place], problems: Problems) -> dict[str, _Place]:
    ids: dict[str, _Place] = {}
    for place in places:
        step = place.step
        if step.id is None:
            continue
        if step.id in ids:
            problems.step = step.path
            first = ids[step.id].step.path
            around = [places[loop].step for loop in place.around]
            named = any(isinstance(loop, LoopStep) and loop.origin is not None for loop in around)
            hint = "give the `recipe` step an id: it is put in front of those inside" if named else "ids are unique"
            problems.add(step.line, "duplicate-id", f"step {step.path} has the id {step.id} of step {first}", hint)
        ids.setdefault(step.id, place)
    return ids


def _jumps(places: list[_Place], ids: Mapping[str, _Place]) -> list[tuple[int, int]]:
    """Of every `goto` that leads on: from where and to where."""
    return [
        (place.index, ids[condition.outcome.word or ""].index)
        for place in places
        if not isinstance(place.step, LoopStep)
        for _, condition in _conditions(place.step)
        if condition.outcome is not None and condition.outcome.kind == "goto" and condition.outcome.word in ids
    ]


def _conditions(step: ExecutedStep) -> Iterator[tuple[str, RecipeCondition]]:
    for key, turns in (("until", step.until), ("fail", step.fail)):
        for alternatives in turns:
            for condition in alternatives:
                yield key, condition


def _check_tags(
    place: _Place,
    condition: RecipeCondition,
    tags: Mapping[str, list[_Place]],
    jumps: Sequence[tuple[int, int]],
    problems: Problems,
    *,
    both_ways: Mapping[str, str],
) -> None:
    for test in condition.tests:
        if test.of in {None, "rated"}:
            continue
        tagged = tags.get(test.of or "")
        if test.of in both_ways:
            message = f"{test}: {test.of} is tagged at a {both_ways[test.of]} that charges and discharges"
            problems.add(place.step.line, "unknown-tag", message, "tag a step that goes one way")
        elif not tagged:
            hint = nearest(test.of or "", tags) if tags else "no step that charges or discharges has a tag"
            message = f"{test}: no step that charges or discharges is tagged {test.of}"
            problems.add(place.step.line, "unknown-tag", message, hint)
        elif not _is_before(place, tagged, jumps):
            problems.add(
                place.step.line,
                "unknown-tag",
                f"{test}: {test.of} is measured only later",
                "move the tagged step before this one",
            )


def _check_expressions(
    place: _Place,
    step: SetStep,
    tags: Mapping[str, list[_Place]],
    jumps: Sequence[tuple[int, int]],
    problems: Problems,
) -> None:
    """What is no tag at all is the matter of variables."""
    for name, expression in step.values:
        for leaf in leaves(expression):
            tag = leaf.name if isinstance(leaf, Name) else leaf.tag
            if tag in tags and not _is_before(place, tags[tag], jumps):
                message = f"{name}: {tag} is measured only later"
                problems.add(step.line, "unknown-tag", message, "move the tagged step before this one")


def _is_before(place: _Place, tagged: Sequence[_Place], jumps: Sequence[tuple[int, int]]) -> bool:
    """Whether one of them may have been executed by then: in an earlier turn only where a `goto` led past the place."""
    if any(other.index < place.index for other in tagged):
        return True
    shares_a_loop = any(set(other.around) & set(place.around) for other in tagged)
    return shares_a_loop and any(start < place.index < aim for start, aim in jumps)


def _check_goto(
    places: list[_Place],
    place: _Place,
    target: _Place,
    key: str,
    problems: Problems,
    *,
    first_charge: int | None,
    contacts: Sequence[int],
) -> None:
    line, goto = place.step.line, f"goto {target.step.id}"
    if not set(target.around) <= set(place.around):
        problems.add(line, "goto", f"{goto} leads into a loop from outside", "go to the loop itself")
    elif target.index <= place.index and not target.around:
        hint = "put both steps into a loop"
        problems.add(line, "goto", f"{goto} leads back outside of any loop: it would never end", hint)
    if bisect_right(contacts, place.index) < bisect_left(contacts, target.index):
        problems.add(line, "goto", f"{goto} leads past a contact check", "no current flows before it")
    if first_charge is not None and place.index < first_charge < target.index:
        problems.add(line, "goto", f"{goto} leads past the first charge of filled cells", "only that makes them formed")
    first = target
    while isinstance(first.step, LoopStep):
        first = places[first.index + 1]
    is_safe = isinstance(first.step, RestStep | SetStep | StopStep) or (
        isinstance(first.step, DriveStep) and first.step.direction == "discharge"
    )
    if key == "fail" and not is_safe:
        hint = "from a fail go to a rest, a discharge, a set or a stop"
        problems.add(line, "goto", f"{goto} leads from a fail to a step that is neither", hint)
