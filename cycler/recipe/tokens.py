"""The words of a text one after the other, for the parsers of conditions and of expressions."""

import re


class TokenReader:
    """A place among the tokens of a text; behind the last one it reads `end` for ever."""

    def __init__(self, token: re.Pattern[str], text: str) -> None:
        """`token` matches one at a time, what is no token too; the name of the group that matched is its kind."""
        self._tokens = [(match.lastgroup or "", match[0].strip()) for match in token.finditer(text)]
        self._place = 0

    @property
    def kind(self) -> str:
        """Of the present token."""
        return self._present[0]

    @property
    def word(self) -> str:
        """The present token as written; empty at the end."""
        return self._present[1]

    def take(self) -> str:
        """The present token as written, and on to the next one."""
        word = self.word
        self._place += 1
        return word

    def accept(self, *words: str) -> str | None:
        """Take the present token if it is one of these words."""
        return self.take() if self.word in words else None

    @property
    def _present(self) -> tuple[str, str]:
        return self._tokens[self._place] if self._place < len(self._tokens) else ("end", "")
