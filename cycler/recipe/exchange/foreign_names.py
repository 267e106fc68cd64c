"""Ids and tags of other formats as names of ours, which are short, small and unique."""

import re
from dataclasses import dataclass, field

from cycler.recipe.condition import NAME, RESERVED
from cycler.recipe.problems import Problems, shown

_NAME_CHARACTERS_MAX = 64


@dataclass(slots=True)
class ForeignNames:
    """Hands out names, says where one had to be changed, and refuses what would stand twice."""

    problems: Problems
    notes: list[str]
    ids: set[str] = field(default_factory=set)

    def id(self, text: str | None) -> str | None:
        """A step's or loop's own."""
        if text is None or not text.strip():
            return None
        name = self._name(text, "id")
        if name in self.ids:
            self.problems.add(0, "duplicate-id", f"id: {shown(text)} is the id of another step as well")
        self.ids.add(name)
        return name

    def tag(self, text: str) -> str:
        """The mark of a step for its results."""
        return self._name(text, "tag")

    def _name(self, text: str, kind: str) -> str:
        if NAME.fullmatch(text) and text not in RESERVED and len(text) <= _NAME_CHARACTERS_MAX:
            return text
        name = re.sub(r"[^a-z0-9_-]+", "-", text.lower())[:_NAME_CHARACTERS_MAX].strip("-_")
        if name and (name in RESERVED or not name[0].isalpha()):
            name = f"{kind}-{name}"
        if not name:
            self.problems.add(0, "name", f"{kind}: {shown(text)} has no letter or digit to make a name of")
            return kind
        self.notes.append(f"step {self.problems.step}: the {kind} {shown(text)} is written {name}")
        return name
