"""What a disk can do to the journal: lose power, fill up, fail at any write or sync, flip bits."""

import random
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from formed_tray import A10, BEGAN_UTC, RUN_ID, TRAY, record_of
from simulated_disk import SimulatedDisk, simulated_disk

from cycler.record.frame import FrameDamaged, pack_row
from cycler.record.journal import Batch, Journal, JournalDelayed, JournalFailed
from cycler.record.reader import Reader
from cycler.record.schema import SERIES_PER_RUN, JournalUnusable, journal_path

COMMITS = 6
SERIES = SERIES_PER_RUN


@pytest.fixture
def disk() -> Iterator[SimulatedDisk]:
    with simulated_disk() as disk:
        yield disk


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def open_journal(store: Path) -> Journal:
    return Journal(store, rack="R1", opened_utc=BEGAN_UTC)


def second(number: int) -> Batch:
    """A row, and a checkpoint that names it. One is large, so that the WAL is moved into the database."""
    row = pack_row(SERIES, 1, 1, float(number), float(number), 3.7, 1.0, 25.0, number * 10**9, 0, 0, 0)
    size = 4_200_000 if number == 3 else 10
    return Batch(number=2 + number, rows=bytearray(row), checkpoints={SERIES: b"%d" % number, SERIES + 1: bytes(size)})


def record_all(store: Path, acknowledged: list[int]) -> None:
    journal = open_journal(store)
    try:
        journal.commit(Batch(number=1, runs=[(1, TRAY)]))
        acknowledged.append(0)
        for number in range(COMMITS):
            journal.commit(second(number))
            acknowledged.append(number + 1)
    finally:
        journal.close()


def seconds_kept(store: Path) -> int:
    """How many are there; they are the first ones, each with its checkpoint. -1: the run is not there."""
    journal = open_journal(store)
    journal.close()
    if RUN_ID not in journal.runs:
        return -1
    with Reader(store) as reader:
        curves = reader.curves(RUN_ID)
    kept = curves[A10].elapsed_s.tolist() if A10 in curves else []
    assert kept == [float(number) for number in range(len(kept))]
    assert record_of(store).checkpoints.get(A10) == (b"%d" % (len(kept) - 1) if kept else None)
    assert apsw.Connection(str(journal_path(store))).pragma("integrity_check") == "ok"
    return len(kept)


def test_a_power_cut_at_any_instant_takes_nothing_that_was_acknowledged(
    store: Path, tmp_path: Path, disk: SimulatedDisk
) -> None:
    chance = random.Random(3)
    acknowledged: list[int] = []
    found: list[tuple[Path, int]] = []

    def cut_now(operation: str, name: str) -> None:
        # Nobody waits for the file to be there before it is first opened: a cut then leaves a store to be made anew.
        if journal_path(store).exists() and (operation == "sync" or chance.random() < 0.005):
            image = tmp_path / f"cut-{len(found)}"
            disk.after_power_cut(image, chance)
            found.append((image, acknowledged[-1] if acknowledged else -1))

    disk.before = cut_now
    record_all(store, acknowledged)
    disk.before = lambda operation, name: None
    assert len(found) > 20
    assert acknowledged[-1] == COMMITS
    for image, promised in found:
        assert promised <= seconds_kept(image) <= promised + 1


@pytest.mark.parametrize(
    ("operation", "error"), [("write", apsw.IOError), ("write", apsw.FullError), ("sync", apsw.IOError)]
)
def test_a_disk_that_fails_from_any_operation_on_is_never_said_to_have_kept_more_than_it_has(
    tmp_path: Path, disk: SimulatedDisk, operation: str, error: type[apsw.Error]
) -> None:
    chance, nth, failed = random.Random(7), 0, 0
    while True:
        nth += 1 if nth < 20 else chance.randint(1, 600)
        count, acknowledged, store = 0, list[int](), tmp_path / f"store-{nth}"

        def fail_from_the_nth(which: str, name: str, nth: int = nth) -> None:
            nonlocal count
            count += which == operation
            if count >= nth:
                raise error("no more")

        disk.before = fail_from_the_nth
        try:
            record_all(store, acknowledged)
        except (JournalFailed, JournalUnusable, error):  # of a real disk, SQLite keeps to itself what closing met
            failed += 1
        disk.before = lambda operation, name: None
        promised = acknowledged[-1] if acknowledged else -1
        assert promised <= seconds_kept(store) <= promised + 1
        if promised == COMMITS:
            break
    assert failed > 5


def test_a_full_disk_delays_a_commit_that_is_then_stored_once(store: Path, disk: SimulatedDisk) -> None:
    def full(operation: str, name: str) -> None:
        if operation == "write":
            raise apsw.FullError("no room")

    journal = open_journal(store)
    journal.commit(Batch(number=1, runs=[(1, TRAY)]))
    journal.commit(second(0))
    for _ in range(3):
        disk.before = full
        with pytest.raises(JournalDelayed, match="full"):
            journal.commit(second(1))
    disk.before = lambda operation, name: None
    journal.commit(second(1))
    journal.commit(second(2))
    journal.close()
    assert seconds_kept(store) == 3


@pytest.mark.parametrize("file", ["journal.sqlite", "journal.sqlite-wal"])
def test_a_failed_sync_fails_the_journal_for_good(store: Path, disk: SimulatedDisk, file: str) -> None:
    def fails(operation: str, name: str) -> None:
        if (operation, name) == ("sync", file):
            raise apsw.IOError("the disk is gone")

    journal = open_journal(store)
    journal.commit(Batch(number=1, runs=[(1, TRAY)]))
    journal.commit(second(0))
    disk.before = fails
    with pytest.raises(JournalFailed, match=r"journal\.sqlite: ") as failure:
        journal.commit(second(3))
    assert not isinstance(failure.value, JournalDelayed)
    journal.close()
    disk.before = lambda operation, name: None
    with Reader(store) as reader:
        assert reader.curves(RUN_ID)[A10].elapsed_s.tolist()[0] == 0.0


def test_a_reader_that_stays_delays_nothing_and_the_wal_starts_over_when_it_has_gone(store: Path) -> None:
    journal = open_journal(store)
    journal.commit(Batch(number=1, runs=[(1, TRAY)]))
    reader = apsw.Connection(str(journal_path(store)), flags=apsw.SQLITE_OPEN_READONLY)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM runs").get == 1
    for number in range(COMMITS):
        journal.commit(second(number))
    longest = journal.wal_bytes
    assert longest > 4_000_000
    reader.close()
    journal.commit(second(COMMITS))
    journal.commit(second(COMMITS + 1))
    assert journal.wal_bytes < 100_000
    journal.close()
    assert seconds_kept(store) == COMMITS + 2


def test_readers_that_come_and_go_do_not_keep_the_wal_from_starting_over(store: Path) -> None:
    journal = open_journal(store)
    journal.commit(Batch(number=1, runs=[(1, TRAY)]))
    readers = []
    for number in range(20):  # at each instant one of them reads
        reader = apsw.Connection(str(journal_path(store)), flags=apsw.SQLITE_OPEN_READONLY)
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM runs").get == 1
        readers.append(reader)
        if len(readers) > 1:
            readers.pop(0).close()
        journal.commit(second(number))
    readers.pop().close()
    journal.close()
    assert seconds_kept(store) == 20


def test_every_flipped_byte_of_a_frame_is_found_and_costs_that_frame_alone(store: Path) -> None:
    record_all(store, [])
    connection = apsw.Connection(str(journal_path(store)))
    frame = connection.execute("SELECT frame FROM frames WHERE sequence = 3").get
    for place in range(len(frame)):
        damaged = bytearray(frame)
        damaged[place] ^= 0x10
        connection.execute("UPDATE frames SET frame = ? WHERE sequence = 3", (bytes(damaged),))
        found: list[FrameDamaged] = []
        with Reader(store) as reader:
            curve = reader.curves(RUN_ID, on_damage=found.append)[A10]
        assert [str(each).partition(":")[0] for each in found] == ["frame 1/3"]
        assert curve.elapsed_s.tolist() == [0.0, 1.0, 3.0, 4.0, 5.0]
    connection.close()
