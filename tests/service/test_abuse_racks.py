"""A rack for abuse tests: what watches it, and the two people who release each test."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from shutil import copytree

import apsw
import pytest
from abuse_rack import INTERLOCKS, PROOF
from hypothesis import given
from hypothesis import strategies as st
from recipe_texts import load
from service_bench import ROOT, ServiceBench, audit, in_service, peer

from cycler.model.cell import Cell, CellId
from cycler.model.rack import BayId, Placement, PositionId, TrayId
from cycler.model.release import Signature
from cycler.model.run import Run
from cycler.recipe.canonical import canonical_text, content_hash
from cycler.recipe.compile import load_recipe
from cycler.recipe.problems import InvalidFile
from cycler.record.reader import Reader
from cycler.record.schema import journal_path
from cycler.service.abuse import PROOF_TEST_MAX, refuse_unproven
from cycler.service.abuse_release import (
    RELEASE_MAX,
    TOGETHER_MAX,
    Signing,
    refuse_unreleased,
    release,
    release_in,
    sign,
)
from cycler.service.command_lines import Answer
from cycler.service.configuration import Configuration
from cycler.service.rack_file import load_configuration
from cycler.service.refusal import Refused

OVERCHARGE = load_recipe(Path("recipes/abuse/nmc811-21700-overcharge.yaml")).recipe
PRODUCTION = load("rest: {time: 10 min}").recipe
CELL = CellId("C-17")
NOW_UTC = datetime(2026, 6, 1, 12, tzinfo=UTC)
RACK = f"""\
rack: {{id: R1, purpose: abuse}}
devices:
  - {{id: c-01, driver: sim_cycler, resource: "sim:c-01"}}
  - {{id: io-01, driver: sim_io, resource: "sim:io-01"}}
bays:
  - id: B01
    contactor: io-01/DO0
    positions:
      A1: {{channel: c-01/1}}
      A2: {{channel: c-01/2}}
{INTERLOCKS}store: {{path: store}}
"""


def configured(folder: Path, text: str = RACK) -> Configuration:
    (folder / "rack.yaml").write_text(text)
    return load_configuration(folder / "rack.yaml")


def missing(folder: Path, old: str, new: str) -> Sequence[str]:
    assert old in RACK
    with pytest.raises(InvalidFile) as refused:
        configured(folder, RACK.replace(old, new, 1))
    return [problem.message for problem in refused.value.problems]


def signing(by: str, login: str, *, lasts: timedelta = timedelta(hours=2)) -> Signing:
    return Signing(recipe=OVERCHARGE, cell_id=CELL, by=by, login=login, reason="type test", lasts=lasts)


def signed(by: str, login: str, after: timedelta = timedelta(), *, lasts: timedelta = timedelta(hours=2)) -> Signature:
    utc = NOW_UTC + after
    return Signature(
        recipe_name=OVERCHARGE.recipe,
        recipe_version=OVERCHARGE.version,
        recipe_hash=content_hash(OVERCHARGE),
        cell_id=CELL,
        by=by,
        login=login,
        utc=utc,
        reason="type test",
        expires_utc=utc + lasts,
    )


def run_at(utc: datetime, cell_id: CellId = CELL) -> Run:
    return Run(
        run_id="20260601-001",
        started_utc=utc,
        placement=Placement(tray=TrayId("T1"), bay=BayId("B01"), from_utc=utc),
        recipe_name=OVERCHARGE.recipe,
        recipe_version=OVERCHARGE.version,
        recipe_hash=content_hash(OVERCHARGE),
        recipe_text="",
        released_as="abuse",
        cells={PositionId("B01/A1"): Cell(cell_id=cell_id, cell_type="nmc811-21700-abuse", state="formed")},
    )


def may_run(*signatures: Signature, runs: Sequence[Run] = (), after: timedelta = timedelta(minutes=5)) -> bool:
    return release(signatures, runs, content_hash(OVERCHARGE), CELL, NOW_UTC + after).may_run


ENGINEER = peer("ada", "engineer")
MINUTES_3 = timedelta(minutes=3)
ADA = signed("Ada", "ada")
BOB = signed("Bob", "bob", MINUTES_3)


def test_a_rack_with_its_four_proof_tested_interlocks_is_one_for_abuse_tests(tmp_path: Path) -> None:
    configuration = configured(tmp_path)
    assert configuration.not_yet == ()
    assert {each.proof_tested for each in configuration.rack.interlocks} == {date(2026, 5, 17)}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("id: gas", "id: door-gas", "bay B01 has no gas interlock that switches off"),
        ("action: off-latched", "action: warn", "bay B01 has no gas interlock that switches off"),
        ("scope: bay, at: B01", "scope: channel, at: B01/A1", "bay B01 has no door interlock that switches off"),
        (f", {PROOF}", "", "the door interlock of bay B01, door, has no `proof_test`"),
    ],
)
def test_a_bay_without_one_of_them_is_no_place_for_abuse(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert missing(tmp_path, old, new) == [message]


def test_a_proof_test_states_a_day(tmp_path: Path) -> None:
    assert any("is no date" in message for message in missing(tmp_path, "2026-05-17", "last May"))


@pytest.mark.parametrize("age", [timedelta(days=-1), PROOF_TEST_MAX + timedelta(days=1)])
def test_a_proof_test_that_is_too_old_or_still_to_come_does_not_count(tmp_path: Path, age: timedelta) -> None:
    rack = configured(tmp_path).rack
    bay = rack.bays[BayId("B01")]
    tested = date(2026, 5, 17)
    refuse_unproven(rack, bay, OVERCHARGE, tested)
    refuse_unproven(rack, bay, OVERCHARGE, tested + PROOF_TEST_MAX)
    refuse_unproven(rack, bay, PRODUCTION, tested + age)
    with pytest.raises(Refused, match="the door interlock of bay B01 was last proof-tested 2026-05-17"):
        refuse_unproven(rack, bay, OVERCHARGE, tested + age)


def test_two_people_release_a_test() -> None:
    assert may_run(ADA, BOB)
    assert not may_run(ADA)
    assert not may_run()


@pytest.mark.parametrize(
    "second",
    [
        signed("Ada", "ada", MINUTES_3),
        signed("Bob", "ada", MINUTES_3),
        signed(" aDa ", "bob", MINUTES_3),
        signed("Bob", "bob", TOGETHER_MAX + timedelta(seconds=1)),
    ],
    ids=["the same again", "another name, one account", "one name, another account", "too late"],
)
def test_one_person_cannot_be_two(second: Signature) -> None:
    assert not may_run(ADA, second, after=timedelta(minutes=11))


def test_a_release_ends_with_the_sooner_of_its_signatures() -> None:
    hasty = signed("Bob", "bob", MINUTES_3, lasts=timedelta(minutes=20))
    assert may_run(ADA, hasty, after=timedelta(minutes=22))
    assert not may_run(ADA, hasty, after=timedelta(minutes=23))


def test_a_release_is_for_one_cell_and_one_content() -> None:
    for recipe_hash, cell in ((content_hash(OVERCHARGE), CellId("C-18")), (content_hash(PRODUCTION), CELL)):
        assert not release((ADA, BOB), (), recipe_hash, cell, NOW_UTC + MINUTES_3).may_run


def test_a_release_holds_for_one_run() -> None:
    begun_utc = NOW_UTC + timedelta(minutes=6)
    other = run_at(begun_utc, CellId("C-18"))
    assert may_run(ADA, BOB, runs=[other], after=timedelta(minutes=7))
    assert not may_run(ADA, BOB, runs=[run_at(begun_utc)], after=timedelta(minutes=7))
    again = (signed("Ada", "ada", timedelta(minutes=8)), signed("Bob", "bob", timedelta(minutes=9)))
    assert may_run(ADA, BOB, *again, runs=[run_at(begun_utc)], after=timedelta(minutes=10))


PEOPLE = st.sampled_from([("Ada", "ada"), ("Bob", "bob"), ("Ada", "lab"), ("Bob", "lab")])


@given(st.lists(st.tuples(PEOPLE, st.integers(0, 3000)), max_size=6), st.integers(0, 3000))
def test_whoever_signs_whenever_two_accounts_and_two_names_are_needed(
    given_: list[tuple[tuple[str, str], int]], now_s: int
) -> None:
    known = [(who, at_s) for who, at_s in sorted(given_, key=lambda each: each[1]) if at_s <= now_s]
    signatures = [signed(*who, timedelta(seconds=at_s)) for who, at_s in known]
    two = any(
        one[0] != other[0] and one[1] != other[1] and abs(at_s - later_s) <= TOGETHER_MAX.total_seconds()
        for one, at_s in known
        for other, later_s in known
    )
    assert may_run(*signatures, after=timedelta(seconds=now_s)) == two  # none expires within these 50 minutes


def test_signatures_are_kept_and_cannot_be_changed(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with pytest.raises(Refused, match="two people have to sign"):
        refuse_unreleased(store, OVERCHARGE, CELL, NOW_UTC)
    sign(store, "R1", signing("Ada", "ada"), NOW_UTC)
    assert "signed by Ada; a second person" in release_in(store, OVERCHARGE, CELL, NOW_UTC).text
    sign(store, "R1", signing("Bob", "bob"), NOW_UTC + MINUTES_3)
    refuse_unreleased(store, OVERCHARGE, CELL, NOW_UTC + MINUTES_3)
    refuse_unreleased(store, PRODUCTION, CELL, NOW_UTC)
    with Reader(store) as reader:
        assert [each.by for each in reader.signatures()] == ["Ada", "Bob"]
    connection = apsw.Connection(str(journal_path(store)))
    for statement in ("DELETE FROM signatures", "UPDATE signatures SET document = x''"):
        with pytest.raises(apsw.ConstraintError, match="only added"):
            connection.execute(statement)
    connection.close()


def test_what_cannot_be_signed_is_refused_before_the_store_is_touched(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with pytest.raises(Refused, match="24 h at most"):
        sign(store, "R1", signing("Ada", "ada", lasts=RELEASE_MAX + MINUTES_3), NOW_UTC)
    plain = Signing(recipe=PRODUCTION, cell_id=CELL, by="Ada", login="ada", reason="-", lasts=MINUTES_3)
    with pytest.raises(Refused, match="no abuse test"):
        sign(store, "R1", plain, NOW_UTC)
    assert not store.exists()


def test_a_running_service_takes_the_signatures_of_two_accounts_itself(tmp_path: Path) -> None:
    copytree("recipes/abuse/cell-types", tmp_path / "cell-types")

    async def scenario(bench: ServiceBench) -> list[str]:
        told = []
        for by, name in ((ENGINEER, "Ada"), (ENGINEER, "Grace"), (ROOT, "Grace")):
            asked = {"recipe": canonical_text(OVERCHARGE), "cell": CELL, "by": name, "lasts_s": "3600"}
            answer = await bench.ask("sign", asked, by=by, reason="type test")
            told.append(str(answer.result["standing"]))
        return told

    first, same_account, both = in_service(tmp_path, scenario, rack=RACK)
    assert first.startswith("signed by Ada; a second person")
    assert same_account.startswith("signed by Grace; a second person")
    assert both.startswith("released by Ada and Grace until")
    with Reader(tmp_path / "store") as reader:
        assert [(each.by, each.login) for each in reader.signatures()] == [
            ("Ada", "ada"), ("Grace", "ada"), ("Grace", "root"),
        ]  # fmt: skip
    assert [(each.command, each.user) for each in audit(tmp_path)] == [("sign", "ada")] * 2 + [("sign", "root")]


def test_a_service_of_a_production_rack_takes_no_signature(tmp_path: Path) -> None:
    copytree("recipes/abuse/cell-types", tmp_path / "cell-types")

    async def scenario(bench: ServiceBench) -> Answer:
        asked = {"recipe": canonical_text(OVERCHARGE), "cell": CELL, "by": "Ada", "lasts_s": "3600"}
        return await bench.ask("sign", asked, by=ENGINEER, reason="type test")

    assert in_service(tmp_path, scenario).code == "abuse-rack"
