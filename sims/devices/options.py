"""The options of in-process devices, as the rack file gives them: text in, typed values out."""

from collections.abc import Mapping

CHANNELS_MAX = 1024


class Options:
    """Reads options by name; `finish` then refuses what nobody asked for. All raise `ValueError`."""

    def __init__(self, device: str, options: Mapping[str, str]) -> None:
        self._device = device
        self._options = options
        self._known: list[str] = []

    def channels(self, default: int) -> tuple[str, ...]:
        """`channels: 16` gives the names `1` to `16`."""
        text = self._take("channels", str(default))
        if not (text.isascii() and text.isdecimal() and 1 <= int(text[:5]) <= CHANNELS_MAX):
            raise ValueError(f"{self._device}: channels: {text!r} is no whole number from 1 to {CHANNELS_MAX}")
        return tuple(str(number) for number in range(1, int(text) + 1))

    def names(self, name: str, default: str) -> tuple[str, ...]:
        """Names separated by blanks or commas."""
        names = tuple(self._take(name, default).replace(",", " ").split())
        if len(set(names)) != len(names):
            raise ValueError(f"{self._device}: {name}: a name is given twice")
        return names

    def flag(self, name: str, *, default: bool) -> bool:
        """`true` or `false`."""
        return self.choice(name, ("true", "false"), "true" if default else "false") == "true"

    def choice(self, name: str, words: tuple[str, ...], default: str) -> str:
        """One of the words."""
        text = self._take(name, default)
        if text not in words:
            raise ValueError(f"{self._device}: {name}: {text!r} is none of {', '.join(words)}")
        return text

    def is_perfect(self, *, ideal_world: bool) -> bool:
        """`errors: none` makes the instrument show the truth, `errors: typical` gives it a real one's errors."""
        return self.choice("errors", ("typical", "none"), "none" if ideal_world else "typical") == "none"

    def finish(self) -> None:
        """Every option has been asked for."""
        if unknown := sorted(set(self._options) - set(self._known)):
            known = f"known are {', '.join(self._known)}" if self._known else "it takes none"
            raise ValueError(f"{self._device}: unknown option {unknown[0]!r}; {known}")

    def _take(self, name: str, default: str) -> str:
        self._known.append(name)
        return self._options.get(name, default)
