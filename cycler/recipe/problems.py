"""What is wrong with a file that people wrote: where, what, and how to mend it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path


class MistakeError(ValueError):
    """What is wrong with one piece of text. Whoever knows its place in a file makes a `Problem` of it."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One finding. `line` counts from 1, 0 means the whole file; `code` is a stable word for programs."""

    file: str
    line: int
    step: str | None = None  # a step's id, else its path `4.2.1`
    code: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        """`file:line: step X: message (hint)`; the step is not named twice where the message begins with it."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        named = self.step is None or self.message.startswith(f"step {self.step} ")
        step = "" if named else f"step {self.step}: "
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}: {step}{self.message}{hint}"

    def as_json(self) -> dict[str, str | int | None]:
        """The form in which `--json` gives errors."""
        return {
            "file": self.file,
            "line": self.line,
            "step": self.step,
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
        }


class InvalidFile(Exception):
    """Files that cannot be used, with everything that was found wrong with them: file by file, in order of lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        found = list(problems)
        files = {problem.file: place for place, problem in reversed(list(enumerate(found)))}
        self.problems = tuple(sorted(found, key=lambda problem: (files[problem.file], problem.line)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


PROBLEMS_MAX = 100


@dataclass(slots=True)
class Problems:
    """Findings as they come in. `step` is the step being read. Nobody reads more than `PROBLEMS_MAX` of them.

    `beside`: the folder where what the file names is looked up first.
    """

    file: str
    step: str | None = None
    beside: Path = Path()
    found: list[Problem] = field(default_factory=list)

    def add(self, line: int, code: str, message: str, hint: str = "") -> None:
        """Raises `InvalidFile` when there are too many to go on."""
        if len(self.found) >= PROBLEMS_MAX:
            more = Problem(file=self.file, line=line, code="too-many", message="more was found wrong from here on")
            raise InvalidFile([*self.found, more])
        self.found.append(Problem(file=self.file, line=line, step=self.step, code=code, message=message, hint=hint))

    def add_mistake(self, line: int, mistake: MistakeError, *, key: str) -> None:
        """A mistake in the value of a key."""
        self.add(line, mistake.code, f"{key}: {mistake.message}", mistake.hint)


WORDS_SHOWN_MAX = 30


def nearest(word: str, words: Iterable[str]) -> str:
    """A hint that names the word probably meant, else those there are."""
    known = sorted(words)
    close = get_close_matches(word[:64], known, n=1, cutoff=0.6)
    close = close or get_close_matches(word[:64].lower(), known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]}?"
    more = ", …" if len(known) > WORDS_SHOWN_MAX else ""
    return f"there are: {', '.join(known[:WORDS_SHOWN_MAX])}{more}"


def shown(text: str) -> str:
    """A piece of the file as a message quotes it: on one line, not longer than a line, and printable."""
    flat = "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
    return f"`{flat[:60]}…`" if len(flat) > 61 else f"`{flat}`"
