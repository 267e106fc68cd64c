"""The arguments of a request, judged: each call raises `MistakeError` for what it cannot use."""

from datetime import timedelta
from typing import Final

from cycler.recipe.problems import MistakeError, shown
from cycler.service.command_lines import Request

LINE_MAX: Final = 200


class Arguments:
    """Those of a request: the ones that are due, and no others."""

    def __init__(self, request: Request, *due: str, optional: tuple[str, ...] = ()) -> None:
        given = request.arguments
        missing = [name for name in due if not given.get(name, "").strip()]
        unknown = [name for name in given if name not in {*due, *optional}]
        if missing or unknown:
            wrong = f"needs {missing[0]}" if missing else f"takes no {unknown[0]}"
            raise MistakeError("arguments", f"{request.command} {wrong}")
        self._given = given

    def __getitem__(self, name: str) -> str:
        return self._given[name]

    def get(self, name: str) -> str | None:
        return self._given.get(name)


def as_number(number: str) -> int:
    """Of an alarm."""
    if not (number.isascii() and number.isdecimal() and len(number) <= 9):
        raise MistakeError("alarm", f"{shown(number)} is no number of an alarm")
    return int(number)


def as_time(lasts_s: str) -> timedelta:
    """Above 0, from a number of seconds."""
    try:
        lasting = timedelta(seconds=float(lasts_s))
    except (ValueError, OverflowError):
        raise MistakeError("time", f"{shown(lasts_s)} is no number of seconds") from None
    if lasting <= timedelta():
        raise MistakeError("time", f"{shown(lasts_s)} is not above 0")
    return lasting


def as_line(name: str, text: str) -> str:
    """What people say in a line."""
    told = " ".join(text.split())
    if not told or len(told) > LINE_MAX or not told.isprintable():
        raise MistakeError(name, f"{name} is one line of 1 to {LINE_MAX} characters")
    return told
