"""Recipes that name others: the steps of the named one take the place of the step that names it.

They become a loop of one turn, with the id of the `recipe` step. A recipe that is named is a recipe of its own: it is
read and checked by itself first, so that what is wrong in its file is said of its file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cycler.model.cell import LedgerState
from cycler.recipe.ledger_phase import UNARMED, drives
from cycler.recipe.lookup import find_subrecipe
from cycler.recipe.model import Alternatives, LoopStep, Origin, Recipe, RecordKeys, Step, walk
from cycler.recipe.problems import InvalidFile, Problem, Problems

NESTED_MAX = 6


@dataclass(slots=True, kw_only=True)
class SubRecipes:
    """Finds and reads the recipes that one file names, each file once."""

    beside: Path
    above: tuple[Path, ...]  # the files that are being read, outermost first, this one last
    load: Callable[[Path], Recipe]  # raises `InvalidFile`
    known: dict[Path, Recipe | None] = field(default_factory=dict)  # None: it cannot be used
    others: list[Problem] = field(default_factory=list)  # of their files

    def find(self, name: str, version: str, line: int, problems: Problems) -> Recipe | None:
        """None where there is a problem, which has been added. `line`: where it is named."""
        try:
            path = find_subrecipe(name, beside=self.beside)
        except LookupError as error:
            problems.add(line, "recipe", f"no recipe is named {name}", str(error.args[0]))
            return None
        recipe = self._read(path, name, line, problems)
        if recipe is None:
            return None
        if (recipe.recipe, recipe.version) != (name, version):
            there = f"{recipe.recipe} {recipe.version}"
            problems.add(line, "recipe", f"{path} holds {there}, not {name} {version}", "name what is there")
            return None
        return recipe

    def _read(self, path: Path, name: str, line: int, problems: Problems) -> Recipe | None:
        file = path.resolve()
        if file in self.above:
            way = " -> ".join(each.stem for each in (*self.above[self.above.index(file) :], file))
            problems.add(line, "recursion", f"{name} would hold itself: {way}", "leave one of them out")
            return None
        if len(self.above) > NESTED_MAX:
            problems.add(line, "recursion", f"{name} lies more than {NESTED_MAX} recipes deep", "write it flatter")
            return None
        if file not in self.known:
            self.known[file] = None
            try:
                self.known[file] = self.load(path)
            except InvalidFile as error:
                self.others.extend(error.problems)
        if self.known[file] is None:
            problems.add(line, "recipe", f"the recipe {name} cannot be used: its file has problems")
        return self.known[file]


def expanded(recipe: Recipe, *, path: str, line: int, id_: str | None, record: RecordKeys) -> LoopStep:
    """The steps of this recipe at this place of one that records by `record`.

    Their ids get the id of the place in front. Their own recipe's `record` becomes theirs, where that is another one.
    """
    own = None if recipe.record == record else recipe.record
    return LoopStep(
        path=path,
        line=line,
        id=id_,
        times=1,
        steps=_moved(recipe.steps, path=path, line=line, prefix=f"{id_}-" if id_ else "", record=own),
        origin=Origin(
            recipe=recipe.recipe,
            version=recipe.version,
            from_state=recipe.from_state,
            to_state=recipe.to_state,
            purpose=recipe.purpose,
        ),
    )


def check_states(recipe: Recipe, problems: Problems) -> None:
    """Add every recipe that is named where cells may come in a state that it does not take.

    A `to_state` of it is what those after it can count on; the ledger knows only that of the recipe that is run.
    """
    _States(problems).after(recipe.steps, frozenset(recipe.from_state))
    for step, _ in walk(recipe.steps):
        origin = step.origin if isinstance(step, LoopStep) else None
        if origin is not None and origin.purpose == "abuse" != recipe.purpose:
            problems.step = step.name
            message = f"{origin.recipe} is an abuse test, {recipe.recipe} is not"
            problems.add(step.line, "abuse", message, "only a recipe with `purpose: abuse` holds one")
    problems.step = None


@dataclass(slots=True)
class _States:
    problems: Problems
    refused: set[str] = field(default_factory=set)

    def after(self, steps: tuple[Step, ...], states: frozenset[LedgerState]) -> frozenset[LedgerState]:
        """In which states cells may be behind these steps."""
        for step in steps:
            if not isinstance(step, LoopStep):
                if drives(step):
                    states = frozenset("formed" if state in UNARMED else state for state in states)
                continue
            for _ in range(min(step.times, 2)):  # a second turn meets cells as the first has left them
                if step.origin is not None:
                    self._check(step, step.origin, states)
                states = self.after(step.steps, states)
                if step.origin is not None and step.origin.to_state is not None:
                    states = frozenset({step.origin.to_state})
        return states

    def _check(self, step: LoopStep, origin: Origin, states: frozenset[LedgerState]) -> None:
        missing = sorted(states.difference(origin.from_state))
        if missing and step.path not in self.refused:
            self.refused.add(step.path)
            self.problems.step = step.name
            taken = " or ".join(origin.from_state)
            self.problems.add(
                step.line,
                "from-state",
                f"{origin.recipe} takes cells that are {taken}: here they may be {' or '.join(missing)}",
                "give the outer recipe a `from_state` that fits, or name it elsewhere",
            )


def _moved(
    steps: tuple[Step, ...], *, path: str, line: int, prefix: str, record: RecordKeys | None
) -> tuple[Step, ...]:
    found: list[Step] = []
    for number, step in enumerate(steps, start=1):
        place: Mapping[str, object] = {
            "path": f"{path}.{number}",
            "line": line,
            "id": None if step.id is None else f"{prefix}{step.id}",
        }
        if isinstance(step, LoopStep):
            inner = _moved(step.steps, path=f"{path}.{number}", line=line, prefix=prefix, record=record)
            found.append(replace(step, **place, steps=inner))  # type: ignore[arg-type]
        else:
            ways = {key: tuple(_led(each, prefix) for each in getattr(step, key)) for key in ("until", "fail")}
            found.append(replace(step, **place, **ways, record=step.record or record))  # type: ignore[arg-type]
    return tuple(found)


def _led(alternatives: Alternatives, prefix: str) -> Alternatives:
    """With every `goto` to where its step is called now."""
    return tuple(
        condition.with_outcome(replace(outcome, word=f"{prefix}{outcome.word}"))
        if (outcome := condition.outcome) is not None and outcome.kind == "goto"
        else condition
        for condition in alternatives
    )
