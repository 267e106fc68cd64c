"""Who has released a recipe for a rack's real cells: a second person for good, or anybody for a trial that expires."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cycler.model.approval import Approval, Decision
from cycler.recipe.canonical import canonical_text, content_hash
from cycler.recipe.model import Recipe
from cycler.record.journal import Batch, Journal
from cycler.record.reader import Reader
from cycler.record.schema import journal_path
from cycler.service.refusal import Refused

TRIAL_MAX: Final = timedelta(days=31)
"""A trial that lasts longer would be an approval by one person. It can be repeated, each time on record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A decision as somebody wants to have it. `trial` is how long a trial lasts, and None for other decisions."""

    decision: Decision
    recipe: Recipe
    by: str
    login: str
    reason: str
    author: str | None = None
    trial: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a recipe stands at an instant. `latest` is the decision that counts, None where there is none."""

    latest: Approval | None
    may_run: bool
    text: str


def standing(approvals: Iterable[Approval], recipe_hash: str, now_utc: datetime) -> Standing:
    """By the last decision about this very content; `approvals` in the order in which they were given."""
    latest = next((each for each in reversed(list(approvals)) if each.recipe_hash == recipe_hash), None)
    if latest is None:
        return Standing(latest=None, may_run=False, text="not approved, and not on trial")
    told = f"by {latest.by} on {latest.utc:%Y-%m-%d}: {latest.reason}"
    if latest.decision == "withdrawn":
        return Standing(latest=latest, may_run=False, text=f"withdrawn {told}")
    if latest.expires_utc is None:
        return Standing(latest=latest, may_run=True, text=f"approved {told}")
    if now_utc < latest.expires_utc:
        return Standing(latest=latest, may_run=True, text=f"on trial until {_minute(latest.expires_utc)}, {told}")
    return Standing(latest=latest, may_run=False, text=f"its trial ended on {_minute(latest.expires_utc)}, {told}")


def approvals_in(store: Path) -> tuple[Approval, ...]:
    """All decisions on record, in the order in which they were given. Raises `JournalUnusable`."""
    if not journal_path(store).exists():
        return ()
    with Reader(store) as reader:
        return reader.approvals()


def decide(store: Path, rack: str, wish: Wish, now_utc: datetime) -> Approval:
    """Put the decision on record; it is durable on return. Nobody else writes to the store meanwhile.

    Raises `Refused` with what speaks against it, `JournalUnusable` and `JournalFailed`.
    """
    decided(wish, approvals_in(store), now_utc)
    journal = Journal(store, rack=rack, opened_utc=now_utc)
    try:
        approval = decided(wish, approvals_in(store), now_utc)  # another may have decided until we had the store
        journal.commit(Batch(number=1, approvals=[approval]))
    finally:
        journal.close()
    return approval


def decided(wish: Wish, before: Sequence[Approval], now_utc: datetime) -> Approval:
    """What is to be put on record; `before` is all that is already. Raises `Refused` with what speaks against it."""
    _refuse(wish, before, now_utc)
    recipe, digest = wish.recipe, content_hash(wish.recipe)
    author = wish.author or next(each.author for each in reversed(before) if each.recipe_hash == digest)
    return Approval(
        decision=wish.decision,
        recipe_name=recipe.recipe,
        recipe_version=recipe.version,
        recipe_hash=digest,
        recipe_text=canonical_text(recipe),
        author=author,
        by=wish.by,
        login=wish.login,
        utc=now_utc,
        reason=wish.reason,
        expires_utc=None if wish.trial is None else now_utc + wish.trial,
    )


def _refuse(wish: Wish, before: Sequence[Approval], now_utc: datetime) -> None:
    recipe, digest = wish.recipe, content_hash(wish.recipe)
    named = f"{recipe.recipe} {recipe.version}"
    if recipe.purpose == "abuse":
        message = f"{named} is an abuse test: nobody lets it run for good"
        raise Refused("abuse-test", message, "two people release it for one cell with `cycler recipe release`")
    now = standing(before, digest, now_utc)
    latest = None if now.latest is None else now.latest.decision
    if wish.decision == "withdrawn":
        if latest is None or latest == "withdrawn":
            raise Refused("nothing-to-withdraw", f"{named} is {now.text}", "only what may run is withdrawn")
        return
    other = next((each for each in before if _same_version(each, recipe) and each.decision == "approved"), None)
    if other is not None and other.recipe_hash != digest:
        message = f"{named} was approved with another content, {other.recipe_hash[:12]}; this is {digest[:12]}"
        raise Refused("version-taken", message, "give it a new version")
    if wish.decision == "approved":
        if latest == "approved":
            raise Refused("approved-already", f"{named} is {now.text}")
        authors = [wish.author, *(each.author for each in before if each.recipe_hash == digest)]
        if any(author is not None and _is_same(author, wish.by) for author in authors):
            raise Refused("own-approval", f"{wish.by} is the author of {named}", "a second person approves a recipe")
        return
    if latest == "approved":
        raise Refused("approved-already", f"{named} is {now.text}", "it needs no trial")
    if latest == "withdrawn":
        raise Refused("withdrawn", f"{named} is {now.text}", "only an approval by a second person lets it run again")
    if wish.trial is not None and wish.trial > TRIAL_MAX:
        raise Refused(
            "trial-too-long", f"a trial lasts {TRIAL_MAX.days} d at most", "repeat it, or have the recipe approved"
        )


def _same_version(approval: Approval, recipe: Recipe) -> bool:
    return (approval.recipe_name, approval.recipe_version) == (recipe.recipe, recipe.version)


def _is_same(one: str, other: str) -> bool:
    return one.casefold().split() == other.casefold().split()


def _minute(utc: datetime) -> str:
    return f"{utc:%Y-%m-%d %H:%M} UTC"
