"""The journal's file: who may open it, what survives, and what a failing disk does."""

import shutil
import stat
from pathlib import Path

import apsw
import pytest
from formed_tray import A2, A10, BEGAN_UTC, CHARGE, RUN_ID, TRAY, record_of

from cycler.record.frame import FrameDamaged, FrameId, encode, pack_row, scaled
from cycler.record.journal import Batch, Journal, JournalFailed
from cycler.record.reader import Reader
from cycler.record.schema import SERIES_PER_RUN, JournalUnusable, journal_path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def open_journal(store: Path, rack: str = "R1") -> Journal:
    return Journal(store, rack=rack, opened_utc=BEGAN_UTC)


def row(elapsed_s: float, *, run: int = 1, place: int = 0) -> bytearray:
    return bytearray(pack_row(run * SERIES_PER_RUN + place, 1, 1, elapsed_s, elapsed_s, 3.7, 1.0, 25.0, 0, 0, 0, 0))


def seconds_kept(store: Path) -> list[float]:
    with Reader(store) as reader:
        curves = reader.curves(RUN_ID)
    return curves[A10].elapsed_s.tolist() if A10 in curves else []


def test_every_opening_is_a_new_epoch(store: Path) -> None:
    epochs = []
    for _ in range(3):
        journal = open_journal(store)
        epochs.append(journal.epoch)
        journal.close()
    assert epochs == [1, 2, 3]


def test_a_group_can_read_the_directory_and_others_can_not(store: Path) -> None:
    open_journal(store).close()
    assert stat.S_IMODE(store.stat().st_mode) == 0o2750


def test_the_wal_stays_when_control_is_down(store: Path) -> None:
    open_journal(store).close()
    assert journal_path(store).with_name("journal.sqlite-wal").exists()


def test_a_second_writer_is_refused(store: Path) -> None:
    first = open_journal(store)
    with pytest.raises(JournalUnusable, match="in use by another control process"):
        open_journal(store)
    first.close()
    open_journal(store).close()


def test_another_racks_journal_is_refused(store: Path) -> None:
    open_journal(store).close()
    with pytest.raises(JournalUnusable, match="belongs to rack R1, not to R2"):
        open_journal(store, rack="R2")
    open_journal(store).close()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("PRAGMA user_version = 99", "schema version 99"),
        ("PRAGMA application_id = 7", "not a journal of this program"),
    ],
)
def test_a_file_of_another_program_or_version_is_refused(store: Path, damage: str, message: str) -> None:
    open_journal(store).close()
    connection = apsw.Connection(str(journal_path(store)))
    connection.execute(damage)
    connection.close()
    with pytest.raises(JournalUnusable, match=message):
        open_journal(store)
    with pytest.raises(JournalUnusable, match=message):
        Reader(store)


def test_a_file_that_is_no_database_is_refused(store: Path) -> None:
    store.mkdir()
    journal_path(store).write_bytes(b"cells, please\n" * 100)
    with pytest.raises(JournalUnusable, match="not a database"):
        open_journal(store)


def test_a_store_without_a_journal_can_not_be_read(store: Path) -> None:
    with pytest.raises(JournalUnusable, match="does not exist"):
        Reader(store)


def test_whatever_part_of_the_wal_survives_holds_the_oldest_commits_whole(store: Path, tmp_path: Path) -> None:
    journal = open_journal(store)
    journal.commit(Batch(number=1, runs=[(1, TRAY)]))
    for second in range(6):
        journal.commit(Batch(number=2 + second, rows=row(second)))
    wal = journal_path(store).with_name("journal.sqlite-wal")
    kept = set()
    for cut in range(0, wal.stat().st_size, 1500):
        copy = tmp_path / f"cut-{cut}"
        copy.mkdir()
        shutil.copy(journal_path(store), copy)
        (copy / wal.name).write_bytes(wal.read_bytes()[: wal.stat().st_size - cut])
        try:
            reopened = open_journal(copy)
        except JournalUnusable:
            continue
        try:
            if RUN_ID in reopened.runs:
                seconds = seconds_kept(copy)
                assert seconds == [float(second) for second in range(len(seconds))]
                kept.add(len(seconds))
        finally:
            reopened.close()
    journal.close()
    assert {0, 3, 6} <= kept


def test_a_frame_of_one_identity_is_stored_once(store: Path) -> None:
    journal = open_journal(store)
    journal.commit(Batch(number=1, runs=[(1, TRAY)], rows=row(1.0)))
    journal.close()
    connection = apsw.Connection(str(journal_path(store)))
    with pytest.raises(apsw.ConstraintError):
        connection.execute("INSERT INTO frames SELECT epoch, sequence, frame FROM frames")
    connection.close()


def test_a_frame_that_stands_in_anothers_place_is_found_out(store: Path) -> None:
    journal = open_journal(store)
    journal.commit(Batch(number=1, runs=[(1, TRAY)], rows=row(1.0)))
    journal.close()
    connection = apsw.Connection(str(journal_path(store)))
    stranger = encode(FrameId(rack="R1", epoch=1, sequence=2), scaled(row(1.0)))
    connection.execute("UPDATE frames SET frame = ?", (stranger,))
    connection.close()
    with pytest.raises(FrameDamaged, match="frame 1/1"):
        seconds_kept(store)


def test_bit_rot_in_a_frame_is_reported_with_its_name(store: Path) -> None:
    journal = open_journal(store)
    journal.commit(Batch(number=1, runs=[(1, TRAY)], rows=row(1.0)))
    journal.close()
    connection = apsw.Connection(str(journal_path(store)))
    frame = bytearray(connection.execute("SELECT frame FROM frames").get)
    frame[40] ^= 1
    connection.execute("UPDATE frames SET frame = ?", (bytes(frame),))
    connection.close()
    with pytest.raises(FrameDamaged, match="frame 1/1"):
        seconds_kept(store)


def test_a_commit_stores_all_or_nothing(store: Path) -> None:
    journal = open_journal(store)
    journal.commit(Batch(number=1, runs=[(1, TRAY)], steps=[(SERIES_PER_RUN, CHARGE)]))
    twice = Batch(number=2, rows=row(1.0), steps=[(SERIES_PER_RUN, CHARGE)], checkpoints={SERIES_PER_RUN + 1: b"x"})
    with pytest.raises(JournalFailed):
        journal.commit(twice)
    journal.close()
    assert seconds_kept(store) == []
    assert record_of(store).checkpoints == {}


def test_readers_see_commits_while_the_writer_goes_on(store: Path) -> None:
    journal = open_journal(store)
    journal.commit(Batch(number=1, runs=[(1, TRAY)], rows=row(1.0)))
    assert seconds_kept(store) == [1.0]
    journal.commit(Batch(number=2, rows=row(2.0), checkpoints={SERIES_PER_RUN + 1: b"state"}))
    assert seconds_kept(store) == [1.0, 2.0]
    assert record_of(store).checkpoints == {A2: b"state"}
    journal.close()


def test_the_wal_is_moved_into_the_database_as_it_grows(store: Path) -> None:
    journal = open_journal(store)
    journal.commit(Batch(number=1, runs=[(1, TRAY)]))
    wal = journal_path(store).with_name("journal.sqlite-wal")
    for number in range(2, 7):
        journal.commit(Batch(number=number, checkpoints={SERIES_PER_RUN: bytes(2_000_000)}))
    assert wal.stat().st_size < 8_000_000
    journal.close()
