"""Two people release one abuse test of one cell, once."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cycler.model.cell import CellId
from cycler.model.release import Signature
from cycler.model.run import Run
from cycler.recipe.canonical import content_hash
from cycler.recipe.model import Recipe
from cycler.record.journal import Batch, Journal
from cycler.record.reader import Reader
from cycler.record.schema import journal_path
from cycler.service.refusal import Refused

TOGETHER_MAX: Final = timedelta(minutes=10)
"""Two who stand at the console together have signed within this time; whoever comes later has not seen what the first
one did."""

RELEASE_MAX: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """A signature as somebody wants to give it. `lasts`: for how long the test may begin."""

    recipe: Recipe
    cell_id: CellId
    by: str
    login: str
    reason: str
    lasts: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Where the test of a cell stands at an instant."""

    may_run: bool
    text: str


def release(
    signatures: Iterable[Signature], runs: Iterable[Run], recipe_hash: str, cell_id: CellId, now_utc: datetime
) -> Release:
    """By what is on record, both in the order in which it came to be."""
    own = [each for each in signatures if (each.recipe_hash, each.cell_id) == (recipe_hash, cell_id)]
    used_utc = max(
        (
            run.started_utc
            for run in runs
            if run.recipe_hash == recipe_hash and cell_id in (cell.cell_id for cell in run.cells.values())
        ),
        default=None,
    )
    own = [each for each in own if used_utc is None or each.utc > used_utc]
    for later in reversed(own):
        for earlier in own[: own.index(later)]:
            if later.utc - earlier.utc <= TOGETHER_MAX and not _is_same(earlier, later):
                until_utc = min(earlier.expires_utc, later.expires_utc)
                people = f"by {earlier.by} and {later.by} until {_minute(until_utc)}"
                if now_utc < until_utc:
                    return Release(may_run=True, text=f"released {people}")
                return Release(may_run=False, text=f"it was released {people}, and was not begun")
    if own and now_utc - own[-1].utc <= TOGETHER_MAX:
        until = _minute(own[-1].utc + TOGETHER_MAX)
        return Release(may_run=False, text=f"signed by {own[-1].by}; a second person, with an account of their own, "
                       f"has until {until}")  # fmt: skip
    if used_utc is not None:
        return Release(may_run=False, text=f"its release was used on {_minute(used_utc)}; each holds for one run")
    return Release(may_run=False, text="not released: two people have to sign")


def release_in(store: Path, recipe: Recipe, cell_id: CellId, now_utc: datetime) -> Release:
    """By what the store holds. Raises `JournalUnusable`."""
    if not journal_path(store).exists():
        return release((), (), content_hash(recipe), cell_id, now_utc)
    with Reader(store) as reader:
        return release(reader.signatures(), reader.runs(), content_hash(recipe), cell_id, now_utc)


def refuse_unreleased(store: Path, recipe: Recipe, cell_id: CellId, now_utc: datetime) -> None:
    """Raises `Refused` for an abuse test of this cell that two people have not released. Raises `JournalUnusable`."""
    found = release_in(store, recipe, cell_id, now_utc)
    if recipe.purpose == "abuse" and not found.may_run:
        message = f"{recipe.recipe} {recipe.version} on cell {cell_id}: {found.text}"
        raise Refused("abuse-release", message, "two people sign with `cycler recipe release`, at the rack's console")


def sign(store: Path, rack: str, signing: Signing, now_utc: datetime) -> Signature:
    """Put the signature on record; it is durable on return. Nobody else writes to the store meanwhile.

    Raises `Refused` with what speaks against it, `JournalUnusable` and `JournalFailed`.
    """
    signature = signed(signing, now_utc)
    journal = Journal(store, rack=rack, opened_utc=now_utc)
    try:
        journal.commit(Batch(number=1, signatures=[signature]))
    finally:
        journal.close()
    return signature


def signed(signing: Signing, now_utc: datetime) -> Signature:
    """What is to be put on record. Raises `Refused` with what speaks against it."""
    recipe = signing.recipe
    if recipe.purpose != "abuse":
        message = f"{recipe.recipe} {recipe.version} is no abuse test"
        raise Refused("no-abuse-test", message, "`cycler recipe approve` lets it run")
    if signing.lasts > RELEASE_MAX:
        raise Refused("release-too-long", f"a release lasts {RELEASE_MAX.total_seconds() / 3600:g} h at most")
    return Signature(
        recipe_name=recipe.recipe,
        recipe_version=recipe.version,
        recipe_hash=content_hash(recipe),
        cell_id=signing.cell_id,
        by=signing.by,
        login=signing.login,
        utc=now_utc,
        reason=signing.reason,
        expires_utc=now_utc + signing.lasts,
    )


def _is_same(one: Signature, other: Signature) -> bool:
    """A name can be typed by anybody, an account may be shared by two: both have to differ."""
    return one.login == other.login or one.by.casefold().split() == other.by.casefold().split()


def _minute(utc: datetime) -> str:
    return f"{utc:%Y-%m-%d %H:%M} UTC"
