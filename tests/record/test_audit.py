"""What was commanded stays on record, and runs that control lost are found again."""

from datetime import timedelta
from pathlib import Path

import apsw
import pytest
from formed_tray import A2, A10, BEGAN_UTC, RUN_ID, TRAY, ended, happened, record_of, recording

from cycler.model.audit import AuditEntry
from cycler.record.reader import Reader
from cycler.record.schema import journal_path
from sims.loop import run_virtual

STARTED = AuditEntry(
    utc=BEGAN_UTC + timedelta(minutes=1),
    uid=1000,
    user="ada",
    role="operator",
    request="a-1",
    command="start",
    reason="shift plan",
    answer="accepted",
    details={"bay": "B01"},
)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def test_the_audit_trail_is_only_ever_added_to(store: Path) -> None:
    async def main() -> None:
        async with recording(store) as recorder:
            recorder.audit(STARTED)

    run_virtual(main())
    with Reader(store) as reader:
        assert reader.audit() == (STARTED,)
    connection = apsw.Connection(str(journal_path(store)))
    for tampering in ("DELETE FROM audit", "UPDATE audit SET document = x''"):
        with pytest.raises(apsw.ConstraintError, match="only added to"):
            connection.execute(tampering)
    connection.close()


def test_a_run_is_unended_until_each_of_its_cells_has_an_outcome(store: Path) -> None:
    def unended() -> tuple[str, ...]:
        with Reader(store) as reader:
            return tuple(run.run_id for run in reader.unended_runs())

    async def begin() -> None:
        async with recording(store) as recorder:
            recorder.start_run(TRAY)
            recorder.outcome(ended(A10))

    async def go_on() -> None:
        async with recording(store) as recorder:
            recorder.take_up(TRAY, [A2])
            recorder.event(happened("cell.ended", position=A2))
            recorder.outcome(ended(A2))

    run_virtual(begin())
    assert unended() == (RUN_ID,)
    run_virtual(go_on())
    assert unended() == ()
    record = record_of(store)
    assert set(record.outcomes) == {A2, A10}
    assert record.events == (happened("cell.ended", position=A2),)
