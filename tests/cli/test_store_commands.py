"""`cycler seal`, `cycler backup` and `cycler doctor --store`."""

import shutil
from pathlib import Path

import apsw
import pytest
from command_line import cycler
from formed_tray import BEGAN_UTC, TRAY
from service_bench import RACK

from cycler.record.frame import pack_row
from cycler.record.journal import Batch, Journal
from cycler.record.schema import SERIES_PER_RUN, journal_path


@pytest.fixture
def rack(tmp_path: Path) -> Path:
    """A rack whose store has ten samples in as many frames."""
    config = tmp_path / "rack.yaml"
    config.write_text(RACK)
    journal = Journal(tmp_path / "store", rack="R1", opened_utc=BEGAN_UTC)
    journal.commit(Batch(number=1, runs=[(1, TRAY)]))
    for second in range(10):
        row = pack_row(SERIES_PER_RUN, 1, 1, float(second), 0.0, 3.7, 1.0, 25.0, 0, 0, 0, 0)
        journal.commit(Batch(number=2 + second, rows=bytearray(row)))
    journal.close()
    return config


def test_a_store_is_sealed_and_stays_whole(rack: Path) -> None:
    sealed = cycler("seal", "--config", rack, "--json")
    assert sealed.exit_code == 0
    assert [(segment["file"], segment["rows"]) for segment in sealed.document] == [("1-1_1-10.parquet", 10)]
    assert cycler("seal", "--config", rack).out == "0 segments were made\n"
    found = cycler("doctor", "--config", rack, "--store").out
    assert "as it was written: 1 runs, 10 samples in 0 frames and 1 segments" in found


def test_a_store_that_control_holds_is_not_sealed_by_anybody_else(rack: Path) -> None:
    journal = Journal(rack.parent / "store", rack="R1", opened_utc=BEGAN_UTC)
    refused = cycler("seal", "--config", rack)
    journal.close()
    assert refused.exit_code == 1
    assert "in use by another control process" in refused.err


def test_a_backup_is_a_store_of_its_own(rack: Path, tmp_path: Path) -> None:
    made = cycler("backup", "--config", rack, "--to", tmp_path / "copy")
    assert (made.exit_code, made.out) == (0, f"{tmp_path / 'copy'}: 1 runs, 10 samples in 10 frames and 0 segments\n")
    shutil.rmtree(tmp_path / "store")
    (tmp_path / "copy").rename(tmp_path / "store")
    assert "as it was written" in cycler("doctor", "--config", rack, "--store").out
    again = cycler("backup", "--config", rack, "--to", tmp_path / "store")
    assert again.exit_code == 1
    assert "File exists" in again.err


def test_damage_is_told_part_by_part_and_has_to_be_mended(rack: Path, tmp_path: Path) -> None:
    connection = apsw.Connection(str(journal_path(tmp_path / "store")))
    connection.execute("UPDATE frames SET frame = CAST(frame || x'00' AS BLOB) WHERE sequence = 3")
    connection.execute("DELETE FROM frames WHERE sequence = 5")
    connection.close()
    looked = cycler("doctor", "--config", rack, "--store", "--json")
    told = [check for check in looked.document["checks"] if check["about"] == "store" and check["verdict"] == "mend"]
    assert looked.exit_code == 1
    assert [check["text"].partition(":")[0] for check in told] == ["frame 1/5 is missing", "frame 1/3"]
    for command in (["seal"], ["backup", "--to", tmp_path / "copy"]):
        failed = cycler(*command, "--config", rack)
        assert failed.exit_code == 1
        assert "frame 1/3" in failed.err
