"""The work of `cycler recipe approve · trial · withdraw · approvals · release`."""

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from cycler.cli.errors import WRONG_USE, Failure
from cycler.cli.recipe_check import check_recipe
from cycler.cli.service_commands import done_by_service
from cycler.model.approval import Approval, Decision
from cycler.model.cell import CellId
from cycler.recipe.canonical import canonical_text, content_hash
from cycler.recipe.problems import InvalidFile, MistakeError
from cycler.recipe.units import parse_quantity
from cycler.service.abuse import refuse_abuse
from cycler.service.abuse_release import Signing, release_in, sign
from cycler.service.approvals import Wish, approvals_in, decide, standing
from cycler.service.clock import utcnow
from cycler.service.command_client import Unreachable
from cycler.service.configuration import Configuration
from cycler.service.peers import login_of
from cycler.service.rack_file import load_configuration
from cycler.service.recipes import recipe_named

TEXT_MAX = 200


def give(
    decision: Decision,
    recipe: str,
    config: Path,
    *,
    by: str,
    reason: str,
    author: str | None = None,
    lasts: str | None = None,
) -> str:
    """What stands on record now. Only what the rack can run is released; anything may be withdrawn.

    Where a service runs the rack, it is the one that writes the record.
    Raises `Refused`, `InvalidFile`, `Failure`, `JournalUnusable` and `JournalFailed`.
    """
    configuration = load_configuration(config)
    if decision == "withdrawn":
        loaded = recipe_named(recipe, beside=Path.cwd())
    else:
        checked = check_recipe(recipe, config, None)
        if checked.problems:
            raise InvalidFile(checked.problems)
        loaded = checked.recipe
    wish = Wish(
        decision=decision,
        recipe=loaded.recipe,
        by=_line("by", by),
        login=login_of(os.getuid()),
        reason=_line("reason", reason),
        author=None if author is None else _line("author", author),
        trial=None if lasts is None else _time(lasts),
    )
    try:
        done = done_by_service(configuration, "decide", _arguments(wish), reason=wish.reason)
    except Unreachable:
        return _decide(configuration, wish)
    return f"{done['recipe']} ({str(done['hash'])[:12]}) on rack {configuration.rack.rack}: {done['standing']}"


def _arguments(wish: Wish) -> Mapping[str, str]:
    arguments = {"decision": wish.decision, "recipe": canonical_text(wish.recipe), "by": wish.by}
    if wish.author is not None:
        arguments["author"] = wish.author
    if wish.trial is not None:
        arguments["lasts_s"] = str(wish.trial.total_seconds())
    return arguments


def _decide(configuration: Configuration, wish: Wish) -> str:
    """With no service there."""
    approval = decide(_store(configuration), configuration.rack.rack, wish, utcnow())
    told = standing([approval], approval.recipe_hash, approval.utc).text
    return f"{_named(approval)} on rack {configuration.rack.rack}: {told}"


def put_name_to(recipe: str, config: Path, *, cell: str, by: str, reason: str, lasts: str) -> str:
    """Where the release of an abuse test stands with this signature, written by whom `give` says. Raises as it does."""
    configuration = load_configuration(config)
    checked = check_recipe(recipe, config, None)
    if checked.problems:
        raise InvalidFile(checked.problems)
    tested = checked.recipe.recipe
    refuse_abuse(configuration.rack, tested)
    signing = Signing(
        recipe=tested,
        cell_id=CellId(_line("cell", cell)),
        by=_line("by", by),
        login=login_of(os.getuid()),
        reason=_line("reason", reason),
        lasts=_time(lasts),
    )
    arguments = {
        "recipe": canonical_text(tested),
        "cell": signing.cell_id,
        "by": signing.by,
        "lasts_s": str(signing.lasts.total_seconds()),
    }
    try:
        told = done_by_service(configuration, "sign", arguments, reason=signing.reason)["standing"]
    except Unreachable:
        store = _store(configuration)
        signature = sign(store, configuration.rack.rack, signing, utcnow())
        told = release_in(store, tested, signing.cell_id, signature.utc).text
    return f"{tested.recipe} {tested.version} ({content_hash(tested)[:12]}) on cell {signing.cell_id}: {told}"


def on_record(config: Path) -> tuple[Approval, ...]:
    """In the order in which they were given. Raises `InvalidFile`, `Failure`, `JournalUnusable`."""
    return approvals_in(_store(load_configuration(config)))


def lines(approvals: Sequence[Approval]) -> Iterator[str]:
    """For people."""
    for each in approvals:
        expires = "" if each.expires_utc is None else f" until {each.expires_utc:%Y-%m-%d %H:%M}"
        people = f"by {each.by} ({each.login}), written by {each.author}"
        yield f"{each.utc:%Y-%m-%d %H:%M} UTC  {_named(each)}  {each.decision}{expires} {people}: {each.reason}"


def documents(approvals: Sequence[Approval]) -> list[Mapping[str, str | None]]:
    """For programs; with the recipe as it was decided on."""
    return [
        {
            "decision": each.decision,
            "recipe": each.recipe_name,
            "version": each.recipe_version,
            "hash": each.recipe_hash,
            "author": each.author,
            "by": each.by,
            "login": each.login,
            "utc": each.utc.isoformat(),
            "expires_utc": None if each.expires_utc is None else each.expires_utc.isoformat(),
            "reason": each.reason,
            "canonical": each.recipe_text,
        }
        for each in approvals
    ]


def _named(approval: Approval) -> str:
    return f"{approval.recipe_name} {approval.recipe_version} ({approval.recipe_hash[:12]})"


def _store(configuration: Configuration) -> Path:
    if configuration.store is None:
        message = f"{configuration.file}: rack {configuration.rack.rack} has no store to keep approvals in"
        raise Failure(WRONG_USE, "no-store", message, "give `store: {path: …}`")
    return configuration.store


def _line(option: str, text: str) -> str:
    told = " ".join(text.split())
    if not told or len(told) > TEXT_MAX or not told.isprintable():
        raise Failure(WRONG_USE, option, f"--{option} is one line of 1 to {TEXT_MAX} characters")
    return told


def _time(text: str) -> timedelta:
    try:
        lasts_s = parse_quantity(text, ("s",)).number
    except MistakeError as mistake:
        raise Failure(WRONG_USE, "lasts", f"--lasts: {mistake.message}", mistake.hint) from None
    if lasts_s <= 0:
        raise Failure(WRONG_USE, "lasts", f"--lasts {text} is not above 0")
    return timedelta(seconds=min(lasts_s, timedelta.max.total_seconds() / 2))
