"""Frames become Parquet segments, and nothing gets lost or counted twice on the way."""

import subprocess
from pathlib import Path

import apsw
import numpy as np
import pyarrow.parquet as pq
import pytest
from formed_tray import A2, A10, BEGAN_UTC, RUN_ID, TRAY
from hypothesis import given, settings
from hypothesis import strategies as st

from cycler.record.backup import back_up
from cycler.record.frame import COLUMNS, NO_VALUE, FrameDamaged, FrameId, pack_row
from cycler.record.journal import Batch, Journal
from cycler.record.reader import Reader
from cycler.record.schema import SERIES_PER_RUN, JournalUnusable, journal_path
from cycler.record.sealing import SealFailed, command, outcome
from cycler.record.segment import Segment, read_segment, segments_folder, write_segment
from cycler.record.verify import verify_store

A10_SERIES, A2_SERIES = SERIES_PER_RUN, SERIES_PER_RUN + 1
SECONDS = 12


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Two epochs of six commits, a row a second for each of two cells; A2 has no thermometer."""
    store = tmp_path / "store"
    for epoch in range(2):
        journal = open_journal(store)
        if epoch == 0:
            journal.commit(Batch(number=1, runs=[(1, TRAY)]))
        for second in range(6 * epoch, 6 * epoch + 6):
            journal.commit(Batch(number=2 + second, rows=rows(float(second))))
        journal.close()
    return store


def open_journal(store: Path) -> Journal:
    return Journal(store, rack="R1", opened_utc=BEGAN_UTC)


def rows(second: float) -> bytearray:
    return bytearray(
        b"".join(
            pack_row(series, 1, 1, second, second, 3.7, 1.0, degc, int(second) * 10**9, 0, 0, 0)
            for series, degc in ((A10_SERIES, 25.0), (A2_SERIES, float("nan")))
        )
    )


def made(store: Path, rows_min: int = 1) -> Segment | None:
    done = subprocess.run(command(store, rows_min=rows_min), capture_output=True, check=False)
    return outcome(store, done.returncode, done.stdout, done.stderr)


def sealed(store: Path) -> Segment:
    """And taken in by the journal's writer."""
    journal = open_journal(store)
    segment = made(store)
    assert segment is not None
    journal.commit(Batch(number=1, segments=[segment]))
    journal.close()
    return segment


def seconds_of(store: Path) -> dict[str, list[float]]:
    with Reader(store) as reader:
        return {position: curve.elapsed_s.tolist() for position, curve in reader.curves(RUN_ID).items()}


EVERY_SECOND = {A10: [float(second) for second in range(SECONDS)], A2: [float(second) for second in range(SECONDS)]}


def test_a_sealed_store_reads_as_it_did_before(store: Path) -> None:
    with Reader(store) as reader:
        before = reader.curves(RUN_ID)
    segment = sealed(store)
    assert (segment.rows, segment.first, segment.last) == (2 * SECONDS, (1, 1), (2, 6))
    with Reader(store) as reader:
        assert reader.frame_ids() == []
        after = reader.curves(RUN_ID)
    for position in (A10, A2):
        for name in ("elapsed_s", "voltage_v", "temperature_degc", "charged_ah", "step_count"):
            np.testing.assert_array_equal(getattr(after[position], name), getattr(before[position], name))


def test_what_comes_after_a_seal_is_read_behind_it(store: Path) -> None:
    sealed(store)
    journal = open_journal(store)
    journal.commit(Batch(number=1, rows=rows(float(SECONDS))))
    journal.close()
    assert seconds_of(store) == {position: [*seconds, float(SECONDS)] for position, seconds in EVERY_SECOND.items()}
    sealed(store)
    assert len(seconds_of(store)[A10]) == SECONDS + 1
    assert verify_store(store).damages == ()


def test_one_cell_can_be_read_alone(store: Path) -> None:
    sealed(store)
    with Reader(store) as reader:
        assert list(reader.curves(RUN_ID, [A2])) == [A2]


def test_other_programs_can_open_a_segment(store: Path) -> None:
    segment = sealed(store)
    file = pq.ParquetFile(segments_folder(store) / segment.file)
    assert file.schema_arrow.names == list(COLUMNS)
    assert file.num_row_groups == 2
    assert file.read_row_group(1).column("temperature_mdegc").null_count == SECONDS


def test_few_samples_are_left_as_they_are(store: Path) -> None:
    assert made(store, rows_min=2 * SECONDS + 1) is None


def test_a_seal_that_was_never_taken_in_leaves_nothing_behind_and_loses_nothing(store: Path) -> None:
    assert made(store) is not None
    (segments_folder(store) / ".half.parquet.77").write_bytes(b"half")
    assert seconds_of(store) == EVERY_SECOND
    open_journal(store).close()
    assert list(segments_folder(store).iterdir()) == []
    assert sealed(store).rows == 2 * SECONDS


def test_frames_that_are_sealed_while_a_curve_is_read_are_taken_once(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cycler.record.reader._FRAMES_AT_ONCE", 5)
    journal = open_journal(store)
    segment = made(store)
    assert segment is not None
    with Reader(store) as reader:
        frames_of = reader._frames

        def interrupted(*arguments: object) -> object:
            for count, frame in enumerate(frames_of(*arguments)):  # type: ignore[arg-type]
                if count == 3:
                    journal.commit(Batch(number=1, segments=[segment]))
                yield frame

        monkeypatch.setattr(reader, "_frames", interrupted)
        curves = reader.curves(RUN_ID)
    journal.close()
    assert {position: curve.elapsed_s.tolist() for position, curve in curves.items()} == EVERY_SECOND


def test_a_damaged_frame_is_not_sealed_away(store: Path) -> None:
    connection = apsw.Connection(str(journal_path(store)))
    connection.execute("UPDATE frames SET frame = zeroblob(100) WHERE sequence = 4 AND epoch = 1")
    connection.close()
    with pytest.raises(SealFailed, match="frame 1/4"):
        made(store)


def test_a_flipped_byte_anywhere_in_a_segment_is_found(store: Path) -> None:
    segment = sealed(store)
    path = segments_folder(store) / segment.file
    content = path.read_bytes()
    for place in range(0, len(content), 40):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        (damage,) = verify_store(store).damages
        assert segment.file in damage
    path.unlink()
    (damage,) = verify_store(store).damages
    assert "No such file" in damage
    with Reader(store) as reader:
        found: list[FrameDamaged] = []
        assert reader.curves(RUN_ID, on_damage=found.append) == {}
    assert segment.file in str(found[0])


def test_a_missing_frame_is_found(store: Path) -> None:
    connection = apsw.Connection(str(journal_path(store)))
    connection.execute("DELETE FROM frames WHERE sequence IN (2, 3) AND epoch = 2")
    connection.close()
    assert verify_store(store).damages == ("frame 2/2 is missing, up to 2/3",)


def test_a_backup_is_made_while_the_writer_goes_on(store: Path, tmp_path: Path) -> None:
    sealed(store)
    journal = open_journal(store)
    journal.commit(Batch(number=1, rows=rows(float(SECONDS))))
    copy = tmp_path / "copies" / "monday"
    back_up(store, copy)
    journal.commit(Batch(number=2, rows=rows(SECONDS + 1.0)))
    journal.close()
    assert len(seconds_of(copy)[A10]) == SECONDS + 1
    report = verify_store(copy)
    assert (report.runs, report.frames, report.segments, report.samples) == (1, 1, 1, 2 * SECONDS + 2)
    assert report.damages == ()
    with pytest.raises(FileExistsError):
        back_up(store, copy)
    open_journal(copy).close()


def test_there_is_nothing_to_copy_where_there_is_no_journal(tmp_path: Path) -> None:
    with pytest.raises(JournalUnusable, match="does not exist"):
        back_up(tmp_path / "none", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@settings(max_examples=25)
@given(values=st.lists(st.lists(st.integers(-(2**62), 2**62), min_size=12, max_size=12), min_size=1, max_size=20))
def test_integers_come_back_from_a_segment_to_the_last_digit(
    tmp_path_factory: pytest.TempPathFactory, values: list[list[int]]
) -> None:
    store = tmp_path_factory.mktemp("segment")
    columns = np.array(values, np.int64).T.copy()
    columns[0] = 7
    columns[5, ::3] = NO_VALUE
    segment = write_segment(store, [(FrameId(rack="R1", epoch=1, sequence=1), columns)])
    (found,) = read_segment(store, segment.file, [7])
    np.testing.assert_array_equal(found, columns)
