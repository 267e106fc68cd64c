"""The work of the commands that a running service executes, and what its answers mean here."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cycler.cli.errors import FAILED, REFUSED, UNREACHABLE, WRONG_USE, Failure
from cycler.recipe.canonical import canonical_text
from cycler.recipe.problems import InvalidFile, MistakeError, Problem
from cycler.recipe.units import parse_quantity
from cycler.recipe.yaml_nodes import load_text
from cycler.service.command_client import Unreachable, command
from cycler.service.command_lines import Answer
from cycler.service.configuration import Configuration
from cycler.service.rack_file import load_configuration
from cycler.service.recipes import recipe_named

WRONG = frozenset({"wrong-use", "protocol", "version"})


def load_tray(config: Path, bay: str, *, tray: str, recipe: str, cells: Path, reason: str) -> str:
    """What is loaded now. The recipe goes out as it would run, with all that it names; cell types are the service's."""
    loaded = recipe_named(recipe, beside=Path.cwd()).recipe
    arguments = {
        "bay": bay,
        "tray": tray,
        "recipe": canonical_text(loaded),
        "cells": load_text(cells),
        "cells_file": str(cells),
    }
    done = ask(config, "load", arguments, reason=reason)
    return f"bay {done['bay']}: tray {done['tray']}, {done['cells']} cells, {done['recipe']}: loaded"


def start_bay(config: Path, bay: str, *, reason: str) -> str:
    """Which run has begun. Raises `Failure` where none of its cells was started."""
    done = ask(config, "start", {"bay": bay}, reason=reason)
    refused = "".join(f"\n  {position} was refused: {reason}" for position, reason in done["refused"].items())
    told = f"bay {bay}: run {done['run']}, {done['started']} cells started{refused}"
    if not done["started"]:
        raise Failure(REFUSED, "none-started", told)
    return told


def resume_cells(config: Path, at: str, *, reason: str) -> str:
    """Which cells go on."""
    return f"resumed: {', '.join(ask(config, 'resume', {'at': at}, reason=reason)['resumed'])}"


def acknowledge(config: Path, number: int, *, reason: str) -> str:
    """The alarm's state now."""
    done = ask(config, "ack", {"alarm": str(number)}, reason=reason)
    return f"alarm {done['alarm']}: {done['state']}"


def shelve_alarm(config: Path, number: int, *, lasts: str, reason: str) -> str:
    """The alarm's state now. Raises `Failure` for what is no time."""
    try:
        lasts_s = parse_quantity(lasts, ("s",)).number
    except MistakeError as mistake:
        raise Failure(WRONG_USE, "for", f"--for: {mistake.message}", mistake.hint) from None
    done = ask(config, "shelve", {"alarm": str(number), "for_s": str(lasts_s)}, reason=reason)
    return f"alarm {done['alarm']}: {done['state']}"


def unshelve_alarm(config: Path, number: int) -> str:
    """The alarm's state now."""
    done = ask(config, "unshelve", {"alarm": str(number)})
    return f"alarm {done['alarm']}: {done['state']}"


def take_out_of_service(config: Path, number: int, *, reason: str) -> str:
    """The alarm's state now."""
    done = ask(config, "out-of-service", {"alarm": str(number)}, reason=reason)
    return f"alarm {done['alarm']}: {done['state']}"


def put_in_service(config: Path, number: int) -> str:
    """The alarm's state now."""
    done = ask(config, "in-service", {"alarm": str(number)})
    return f"alarm {done['alarm']}: {done['state']}"


def reset_what(config: Path, what: str, *, reason: str) -> str:
    """What was released."""
    return f"reset: {ask(config, 'reset', {'what': what}, reason=reason)['reset']}"


def stop(config: Path, name: str, arguments: Mapping[str, str], *, reason: str) -> str:
    """That all outputs asked for have been seen open. Raises `Failure` where one has not."""
    not_open = ask(config, name, arguments, reason=reason)["not_open"]
    if not_open:
        message = f"not seen open: {', '.join(not_open)}"
        raise Failure(FAILED, "not-open", message, "see `cycler status`; the emergency stop opens them all the same")
    return "stopped, and every output that was on is seen open"


def status_of(config: Path) -> Mapping[str, Any]:
    """As the service says it."""
    return ask(config, "status", {})


def ask(config: Path, name: str, arguments: Mapping[str, str], *, reason: str = "") -> Mapping[str, Any]:
    """What came of it. Raises `Failure`, and `InvalidFile` for files that the service cannot use."""
    try:
        return done_by_service(load_configuration(config, builds_devices=False), name, arguments, reason=reason)
    except Unreachable as error:
        hint = "is `cycler serve` running for this rack file?"
        raise Failure(UNREACHABLE, "unreachable", str(error), hint) from None


def done_by_service(
    configuration: Configuration, name: str, arguments: Mapping[str, str], *, reason: str
) -> Mapping[str, Any]:
    """As `ask`. Raises `Unreachable` where none runs."""
    answer = command(configuration.runtime, name, arguments, reason=reason)
    if answer.answer != "done":
        raise _refusal(answer)
    return answer.result


def _refusal(answer: Answer) -> Exception:
    if answer.problems:
        return InvalidFile([_problem(each) for each in answer.problems])
    exit_code = WRONG_USE if answer.code in WRONG else REFUSED
    return Failure(exit_code, answer.code, answer.message, answer.hint)


def _problem(found: Mapping[str, str | int | None]) -> Problem:
    return Problem(
        file=str(found["file"]),
        line=int(found["line"] or 0),
        step=None if found["step"] is None else str(found["step"]),
        code=str(found["code"]),
        message=str(found["message"]),
        hint=str(found["hint"] or ""),
    )
