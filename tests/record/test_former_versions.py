"""Stores that former versions of the program have left: `former/` has one of each, as SQL text."""

from pathlib import Path

import apsw
import pytest
from formed_tray import A2, A10, BEGAN_UTC, CHARGE, RUN_ID, TRAY, happened

from cycler.record.journal import Batch, Journal
from cycler.record.reader import Reader
from cycler.record.schema import GROWTH, SCHEMA_VERSION, JournalUnusable, journal_path

FORMER = sorted((Path(__file__).parent / "former").glob("*.sql"))


@pytest.fixture(params=FORMER, ids=lambda path: path.stem)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    connection = apsw.Connection(str(journal_path(tmp_path)))
    connection.execute(request.param.read_text())
    connection.pragma("journal_mode", "wal")
    connection.close()
    return tmp_path


def test_there_is_a_store_of_every_former_version() -> None:
    assert {int(path.stem[0]) for path in FORMER} >= set(range(1, SCHEMA_VERSION))


def test_what_a_former_version_kept_is_read_and_added_to(store: Path) -> None:
    journal = Journal(store, rack="R1", opened_utc=BEGAN_UTC)
    assert journal.epoch == 2
    journal.commit(Batch(number=1, steps=[(4097, CHARGE)]))
    journal.close()
    with Reader(store) as reader:
        record, curves = reader.record(RUN_ID), reader.curves(RUN_ID)
        assert (reader.approvals(), reader.audit(), reader.signatures(), record.alarms) == ((), (), (), ())
    assert record.run == TRAY
    assert [step.step_count for step in record.steps[A10]] == [1, 2]
    assert record.steps[A2] == (CHARGE,)
    assert record.steps[A10][0].moved == CHARGE.moved
    assert record.outcomes[A10].ended == "completed"
    assert record.checkpoints == {A10: b"state"}
    assert record.events == (happened("step.ended", position=A10),)
    assert curves[A10].elapsed_s.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert (curves[A10].charged_ah * 3.6e12).round().tolist() == [second * 1e9 for second in range(5)]


def test_a_store_that_has_grown_is_the_same_as_a_new_one(store: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    new = tmp_path_factory.mktemp("new")
    for each in (store, new):
        Journal(each, rack="R1", opened_utc=BEGAN_UTC).close()
    assert shape(store) == shape(new)


def shape(store: Path) -> set[tuple[str, str]]:
    connection = apsw.Connection(str(journal_path(store)))
    found = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall()
    connection.close()
    return {(name, "".join(sql.split())) for name, sql in found}


def test_a_step_that_fails_leaves_the_store_as_it_was(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = shape(store)
    monkeypatch.setattr(
        "cycler.record.schema.GROWTH", (*GROWTH, "CREATE TABLE half (n INTEGER); CREATE TABLE runs (n)")
    )
    monkeypatch.setattr("cycler.record.schema.SCHEMA_VERSION", SCHEMA_VERSION + 1)
    with pytest.raises(JournalUnusable, match="runs already exists"):
        Journal(store, rack="R1", opened_utc=BEGAN_UTC)
    assert shape(store) == before


def test_a_reader_of_a_former_version_says_what_brings_it_up_to_date(tmp_path: Path) -> None:
    connection = apsw.Connection(str(journal_path(tmp_path)))
    connection.execute(FORMER[0].read_text())
    connection.close()
    with pytest.raises(JournalUnusable, match="next start of control"):
        Reader(tmp_path)
