"""Who may let a recipe run on real cells, and for how long: by the decisions that a store holds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
import pytest
from recipe_texts import load

from cycler.model.approval import Approval, Decision
from cycler.recipe.canonical import canonical_text, content_hash
from cycler.recipe.model import Recipe
from cycler.record.journal import Journal
from cycler.record.reader import Reader
from cycler.record.schema import JournalUnusable, journal_path
from cycler.service.approvals import TRIAL_MAX, Wish, approvals_in, decide, standing
from cycler.service.refusal import Refused

NOW_UTC = datetime(2026, 3, 1, 12, tzinfo=UTC)
RECIPE = load("rest: {time: 10 min}").recipe
OTHER_CONTENT = load("rest: {time: 11 min}").recipe
TWO_DAYS = timedelta(days=2)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def wish(
    decision: Decision, by: str, *, recipe: Recipe = RECIPE, author: str | None = "Ada", trial: timedelta | None = None
) -> Wish:
    return Wish(decision=decision, recipe=recipe, by=by, login="lab", reason="for the test", author=author, trial=trial)


def approve(store: Path, by: str = "Bob", *, recipe: Recipe = RECIPE, author: str = "Ada") -> Approval:
    return decide(store, "R1", wish("approved", by, recipe=recipe, author=author), NOW_UTC)


def put_on_trial(store: Path, by: str = "Ada", *, lasts: timedelta = TWO_DAYS, recipe: Recipe = RECIPE) -> Approval:
    return decide(store, "R1", wish("trial", by, recipe=recipe, trial=lasts), NOW_UTC)


def withdraw(store: Path, by: str = "Eve") -> Approval:
    return decide(store, "R1", wish("withdrawn", by, author=None), NOW_UTC)


def may_run(store: Path, recipe: Recipe = RECIPE, *, after: timedelta = timedelta()) -> bool:
    return standing(approvals_in(store), content_hash(recipe), NOW_UTC + after).may_run


def refused(code: str) -> "pytest.RaisesExc[Refused]":
    return pytest.raises(Refused, check=lambda error: error.code == code)


def test_what_nobody_has_approved_may_not_run(store: Path) -> None:
    assert not may_run(store)


def test_what_a_second_person_approved_runs_for_good(store: Path) -> None:
    approve(store)
    assert may_run(store, after=timedelta(days=3650))
    assert not may_run(store, OTHER_CONTENT)


@pytest.mark.parametrize("by", ["Ada", "ada", " ADA "])
def test_no_author_approves_a_recipe_of_his_own(store: Path, by: str) -> None:
    with refused("own-approval"):
        approve(store, by)
    assert not may_run(store)


def test_another_author_named_later_does_not_let_the_first_one_approve(store: Path) -> None:
    put_on_trial(store)
    with refused("own-approval"):
        approve(store, "Ada", author="Zoe")


def test_a_trial_runs_until_it_expires_and_can_be_repeated(store: Path) -> None:
    put_on_trial(store)
    assert may_run(store, after=TWO_DAYS - timedelta(seconds=1))
    assert not may_run(store, after=TWO_DAYS)
    decide(store, "R1", wish("trial", "Ada", trial=TWO_DAYS), NOW_UTC + TWO_DAYS)
    assert may_run(store, after=TWO_DAYS)


def test_a_trial_that_lasts_for_ever_is_refused(store: Path) -> None:
    put_on_trial(store, lasts=TRIAL_MAX)
    with refused("trial-too-long"):
        put_on_trial(store, lasts=TRIAL_MAX + timedelta(seconds=1))


def test_what_was_withdrawn_runs_again_only_by_an_approval(store: Path) -> None:
    approve(store)
    withdraw(store)
    assert not may_run(store)
    with refused("withdrawn"):
        put_on_trial(store)
    approve(store, "Eve")
    assert may_run(store)


def test_there_is_nothing_to_withdraw_of_what_never_might_run(store: Path) -> None:
    with refused("nothing-to-withdraw"):
        withdraw(store)


def test_a_version_that_was_approved_never_means_something_else(store: Path) -> None:
    approve(store)
    for decision in (approve, put_on_trial):
        with refused("version-taken"):
            decision(store, recipe=OTHER_CONTENT)
    withdraw(store)
    with refused("version-taken"):
        approve(store, recipe=OTHER_CONTENT)
    approve(store, recipe=replace(OTHER_CONTENT, version="2.0.0"))


def test_an_approved_recipe_needs_no_trial_and_no_second_approval(store: Path) -> None:
    approve(store)
    for decision in (approve, put_on_trial):
        with refused("approved-already"):
            decision(store)


def test_every_decision_is_kept_with_what_it_was_about(store: Path) -> None:
    given = [put_on_trial(store), approve(store), withdraw(store)]
    kept = approvals_in(store)
    assert list(kept) == given
    assert [each.decision for each in kept] == ["trial", "approved", "withdrawn"]
    assert {each.author for each in kept} == {"Ada"}
    assert kept[0].expires_utc == NOW_UTC + TWO_DAYS
    assert kept[1].recipe_text == canonical_text(RECIPE)


def test_a_refused_decision_leaves_nothing(store: Path) -> None:
    with refused("own-approval"):
        approve(store, "Ada")
    assert not store.exists()


@pytest.mark.parametrize("change", ["UPDATE approvals SET document = x'00'", "DELETE FROM approvals"])
def test_the_store_itself_keeps_decisions_from_being_changed(store: Path, change: str) -> None:
    given = approve(store)
    connection = apsw.Connection(str(journal_path(store)))
    with pytest.raises(apsw.ConstraintError, match="only added"):
        connection.execute(change)
    connection.close()
    assert approvals_in(store) == (given,)


def test_nobody_decides_while_another_writes_to_the_store(store: Path) -> None:
    journal = Journal(store, rack="R1", opened_utc=NOW_UTC)
    with pytest.raises(JournalUnusable, match="in use"):
        approve(store)
    journal.close()
    with Reader(store) as reader:
        assert reader.approvals() == ()


def test_another_racks_store_holds_no_decisions_of_ours(store: Path) -> None:
    approve(store)
    with pytest.raises(JournalUnusable, match="belongs to rack R1"):
        decide(store, "R2", wish("withdrawn", "Eve"), NOW_UTC)
