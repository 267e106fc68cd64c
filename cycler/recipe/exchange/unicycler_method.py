"""A unicycler method, which is flat, as nested cycles.

A loop leads back to a tag or to a step's number, counted from 1, tags included. A tag that no loop leads to marks the
next step.
"""

from dataclasses import dataclass, field
from typing import Any

from cycler.recipe.exchange.foreign_keys import ForeignKeys
from cycler.recipe.exchange.foreign_names import ForeignNames
from cycler.recipe.exchange.protocol import CYCLES_DEEP_MAX, STAGES_MAX, Cycle, Stage, Stages
from cycler.recipe.exchange.unicycler_steps import read_stage, step_keys
from cycler.recipe.problems import Problems, nearest, shown
from cycler.recipe.read import LOOP_TURNS_MAX


@dataclass(frozen=True, slots=True)
class _Begun:
    """A stage or a folded loop, and at which step of the method it begins."""

    start: int
    node: Stage | Cycle


@dataclass(slots=True)
class Method:
    """What is wrong with its steps is added to `problems`."""

    method: list[Any]
    problems: Problems
    notes: list[str]
    _found: list[_Begun] = field(default_factory=list)
    _tags: dict[str, int] = field(default_factory=dict)  # at which step
    _outermost: dict[str, int] = field(default_factory=dict)  # of the loops that lead to a tag: it has its name

    def stages(self) -> Stages:
        """All of them, in order."""
        steps = [self._keys(number, step) for number, step in enumerate(self.method, start=1)]
        names = ForeignNames(self.problems, self.notes)
        pending: str | None = None  # a tag for the next step
        for number, keys in enumerate(steps, start=1):
            if keys is None:
                continue
            self.problems.step = str(number)
            if keys.word == "tag":
                tag = keys.text("tag") or ""
                if tag in self._outermost:
                    continue
                if pending is not None:
                    keys.refuse("tag", "tag", "a second tag before one step: a step of a recipe has one")
                pending = names.tag(tag)
            elif keys.word == "loop":
                if pending is not None:
                    keys.refuse("step", "tag", f"the tag {pending} names no step: a loop ends behind it")
                    pending = None
                self._loop(keys, number, names)
            else:
                id_ = names.id(keys.text("id"))
                stage = read_stage(keys, str(number), self.notes, id_=id_, tag=pending)
                pending = None
                if stage is not None:
                    self._found.append(_Begun(number, stage))
        self.problems.step = None
        if pending is not None:
            self.problems.add(0, "tag", f"the tag {pending} names no step: nothing comes behind it")
        return tuple(begun.node for begun in self._found)

    def _keys(self, number: int, step: Any) -> ForeignKeys | None:
        self.problems.step = str(number)
        keys = step_keys(step, self.problems)
        if keys is not None and keys.word == "tag":
            tag = keys.text("tag")
            if tag is None or not tag.strip() or tag in self._tags:
                keys.refuse("tag", "tag", f"{shown(tag)} stands twice" if tag in self._tags and tag else "is empty")
                return None
            self._tags[tag] = number
        elif keys is not None and keys.word == "loop":
            target = keys.entries.get("loop_to")
            if type(target) is str:
                self._outermost[target] = number
        return keys

    def _loop(self, keys: ForeignKeys, number: int, names: ForeignNames) -> None:
        """Fold what it repeats."""
        times = keys.count("cycle_count", low=1, high=LOOP_TURNS_MAX)
        start = self._start(keys)
        if times is None or start is None:
            return
        if start >= number:
            keys.refuse("loop_to", "loop", "leads forward: a loop repeats what comes before it")
            return
        while start < number and self._word(start) == "tag":
            start += 1
        first = next((place for place, begun in enumerate(self._found) if begun.start >= start), len(self._found))
        if first == len(self._found) or (self._found[first].start != start and not self.problems.found):
            if not self.problems.found:
                keys.refuse("loop_to", "loop", "leads into the middle of another loop, or to no step")
            return
        body = tuple(begun.node for begun in self._found[first:])
        if _depth(body) >= CYCLES_DEEP_MAX:
            keys.refuse("step", "too-deep", f"loops are nested more than {CYCLES_DEEP_MAX} deep")
            return
        target = keys.entries.get("loop_to")
        label = target if type(target) is str and self._outermost[target] == number else None
        id_ = names.id(keys.text("id") or label)
        del self._found[first:]
        self._found.append(_Begun(start, Cycle(place=str(number), times=times, id=id_, stages=body)))

    def _start(self, keys: ForeignKeys) -> int | None:
        """The step that it leads back to."""
        if "loop_to" not in keys.entries:
            return 1
        target = keys.entries["loop_to"]
        if type(target) is not str:
            return keys.count("loop_to", low=1, high=STAGES_MAX)
        if target not in self._tags:
            known = [shown(tag).strip("`") for tag in self._tags]
            keys.refuse("loop_to", "loop", f"no tag is named {shown(target)}", nearest(target, known))
        return self._tags.get(target)

    def _word(self, number: int) -> object:
        step = self.method[number - 1]
        return step.get("step") if isinstance(step, dict) else None


def _depth(stages: tuple[Stage | Cycle, ...]) -> int:
    return max((1 + _depth(stage.stages) for stage in stages if isinstance(stage, Cycle)), default=0)
