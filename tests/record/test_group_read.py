"""Members of the store's group can read it, whatever the umask of control, also while control is down."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from formed_tray import A10, BEGAN_UTC, RUN_ID, TRAY

from cycler.record.frame import pack_row
from cycler.record.journal import Batch, Journal
from cycler.record.reader import Reader
from cycler.record.schema import SERIES_PER_RUN
from cycler.record.segment import write_segment

MEMBER, GROUP = 65534, 12345

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def store() -> Iterator[Path]:
    """With a group of its own, where others may come; pytest's own folders are for nobody else."""
    above = Path(tempfile.mkdtemp())
    above.chmod(0o755)
    store = above / "store"
    store.mkdir()
    os.chown(store, -1, GROUP)
    store.chmod(0o2750)
    before = os.umask(0o077)
    yield store
    os.umask(before)
    shutil.rmtree(above)


def samples_read_by(uid: int, gid: int, store: Path) -> int:
    """By a process of that account; 255 where it may not."""
    child = os.fork()
    if child == 0:
        count = 255
        try:
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
            with Reader(store) as reader:
                count = len(reader.curves(RUN_ID)[A10].elapsed_s)
        finally:
            os._exit(count)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_member_reads_frames_and_segments_while_control_is_up_and_down_and_others_do_not(store: Path) -> None:
    def commit(second: float) -> None:
        row = bytearray(pack_row(SERIES_PER_RUN, 1, 1, second, second, 3.7, 1.0, 25.0, 0, 0, 0, 0))
        journal.commit(Batch(number=1, rows=row))

    journal = Journal(store, rack="R1", opened_utc=BEGAN_UTC)
    journal.commit(Batch(number=1, runs=[(1, TRAY)]))
    commit(0.0)
    with Reader(store) as reader:
        segment = write_segment(store, [(frame, reader.frame(frame)) for frame, _ in reader.frame_ids()])
    journal.commit(Batch(number=1, segments=[segment]))
    commit(1.0)
    assert samples_read_by(MEMBER, GROUP, store) == 2
    journal.close()
    assert samples_read_by(MEMBER, GROUP, store) == 2
    assert samples_read_by(MEMBER, MEMBER, store) == 255
