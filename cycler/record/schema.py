"""The journal's file: where it lies, what it holds, and what may open it. Documents are msgpack of the model's values.

`series` is one cell of one run: SERIES_PER_RUN times the run's number, plus the place of the cell in `Run.cells`. The
last one of a run is the air around its cells.
"""

from pathlib import Path
from typing import Any, Final, TypeVar

import apsw
import msgspec
import numpy as np
from numpy.typing import NDArray

APPLICATION_ID: Final = 0x46434A31
SERIES_PER_RUN: Final = 4096

GROWTH: Final = (
    """
CREATE TABLE epochs (epoch INTEGER PRIMARY KEY, rack TEXT NOT NULL, opened_utc TEXT NOT NULL) STRICT;
CREATE TABLE runs (run INTEGER PRIMARY KEY, run_id TEXT NOT NULL UNIQUE, document BLOB NOT NULL) STRICT;
CREATE TABLE frames (epoch INTEGER NOT NULL, sequence INTEGER NOT NULL, frame BLOB NOT NULL,
                     PRIMARY KEY (epoch, sequence)) STRICT;
CREATE TABLE frame_runs (run INTEGER NOT NULL, epoch INTEGER NOT NULL, sequence INTEGER NOT NULL,
                         PRIMARY KEY (run, epoch, sequence)) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoints (series INTEGER PRIMARY KEY, state BLOB NOT NULL) STRICT;
CREATE TABLE steps (series INTEGER NOT NULL, step_count INTEGER NOT NULL, document BLOB NOT NULL,
                    PRIMARY KEY (series, step_count)) STRICT, WITHOUT ROWID;
CREATE TABLE outcomes (series INTEGER PRIMARY KEY, document BLOB NOT NULL) STRICT;
CREATE TABLE events (event INTEGER PRIMARY KEY, document BLOB NOT NULL) STRICT;
CREATE TABLE event_runs (run INTEGER NOT NULL, event INTEGER NOT NULL, PRIMARY KEY (run, event)) STRICT, WITHOUT ROWID;
""",
    # Before there were approvals, control ran nothing but simulations.
    """
UPDATE runs SET document = with_default(document, 'released_as', 'simulated');
CREATE TABLE approvals (approval INTEGER PRIMARY KEY, document BLOB NOT NULL) STRICT;
CREATE TRIGGER approvals_stay BEFORE UPDATE ON approvals BEGIN SELECT RAISE(ABORT, 'approvals are only added'); END;
CREATE TRIGGER approvals_last BEFORE DELETE ON approvals BEGIN SELECT RAISE(ABORT, 'approvals are only added'); END;
""",
    """
CREATE TABLE audit (entry INTEGER PRIMARY KEY, document BLOB NOT NULL) STRICT;
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;
CREATE TRIGGER audit_lasts BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is only added to'); END;
""",
    # Some journals of version 3 have a part of these already.
    """
CREATE TABLE IF NOT EXISTS alarms (alarm INTEGER PRIMARY KEY, is_over INTEGER NOT NULL, document BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS alarm_runs (run INTEGER NOT NULL, alarm INTEGER NOT NULL,
                         PRIMARY KEY (run, alarm)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alarm_samples (alarm INTEGER NOT NULL, position TEXT NOT NULL, document BLOB NOT NULL,
                            PRIMARY KEY (alarm, position)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alarm_changes (change INTEGER PRIMARY KEY, alarm INTEGER NOT NULL,
                                          document BLOB NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS changes_of_alarm ON alarm_changes (alarm);
CREATE TRIGGER IF NOT EXISTS changes_stay BEFORE UPDATE ON alarm_changes
    BEGIN SELECT RAISE(ABORT, 'changes are only added'); END;
CREATE TRIGGER IF NOT EXISTS changes_last BEFORE DELETE ON alarm_changes
    BEGIN SELECT RAISE(ABORT, 'changes are only added'); END;
CREATE TABLE IF NOT EXISTS signatures (signature INTEGER PRIMARY KEY, document BLOB NOT NULL) STRICT;
CREATE TRIGGER IF NOT EXISTS signatures_stay BEFORE UPDATE ON signatures
    BEGIN SELECT RAISE(ABORT, 'signatures are only added'); END;
CREATE TRIGGER IF NOT EXISTS signatures_last BEFORE DELETE ON signatures
    BEGIN SELECT RAISE(ABORT, 'signatures are only added'); END;
CREATE TABLE kept (kind TEXT NOT NULL, key TEXT NOT NULL, document BLOB NOT NULL, PRIMARY KEY (kind, key))
                   STRICT, WITHOUT ROWID;
""",
    """
CREATE TABLE segments (file TEXT PRIMARY KEY, sha256 TEXT NOT NULL, rows INTEGER NOT NULL,
                       first_epoch INTEGER NOT NULL, first_sequence INTEGER NOT NULL,
                       last_epoch INTEGER NOT NULL, last_sequence INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE segment_runs (run INTEGER NOT NULL, file TEXT NOT NULL, PRIMARY KEY (run, file)) STRICT, WITHOUT ROWID;
""",
)
"""What brings a journal from each version to the next; all of it makes a new one.

`with_default(document, key, value)` is the document, with that where it had no such key.
"""

SCHEMA_VERSION: Final = len(GROWTH)

_OLDEST_SQLITE = (3, 51, 3)

_Series = TypeVar("_Series", int, NDArray[np.int64])


def series_of(run: int, cells: int) -> range:
    """The series of a run's cells, in the order of `Run.cells`. Raises `ValueError` where there are too many."""
    if cells >= SERIES_PER_RUN:
        raise ValueError(f"a run of {cells} cells is more than the journal takes: {SERIES_PER_RUN - 1}")
    return range(run * SERIES_PER_RUN, run * SERIES_PER_RUN + cells)


def air_series_of(run: int) -> int:
    """The series of the air around a run's cells."""
    return (run + 1) * SERIES_PER_RUN - 1


def run_of(series: _Series) -> _Series:
    """The number of the run that a series belongs to."""
    return series // SERIES_PER_RUN


class JournalUnusable(Exception):
    """The journal can't be opened: it is another rack's, another version's, somebody else's, or damaged."""


def journal_path(store: Path) -> Path:
    """The journal in the directory of a store."""
    return store / "journal.sqlite"


def check_library() -> None:
    """Raises `JournalUnusable` for a SQLite that can lose data.

    3.7.0 to 3.51.2 have a race in resetting the WAL with two connections; apsw brings its own library.
    """
    found = apsw.sqlite_lib_version()
    if tuple(int(part) for part in found.split(".")[:3]) < _OLDEST_SQLITE:
        raise JournalUnusable(f"SQLite {found} can corrupt a WAL that has readers; install apsw >= 3.51.3")


def check_schema(connection: apsw.Connection, path: Path) -> None:
    """Raises `JournalUnusable` for a file that is not a journal of this version."""
    if (found := _version(connection, path)) < SCHEMA_VERSION:
        raise JournalUnusable(
            f"{path} has schema version {found}, this program reads {SCHEMA_VERSION}: "
            "the next start of control on this store brings it up to date"
        )


def bring_up_to_date(connection: apsw.Connection, path: Path) -> None:
    """Makes the tables, or adds those of later versions: all of it, or nothing. Raises `JournalUnusable`."""
    is_new = not connection.execute("SELECT count(*) FROM sqlite_schema").get
    version = 0 if is_new else _version(connection, path)
    if version < SCHEMA_VERSION:
        connection.create_scalar_function("with_default", _with_default, 3)
        with connection:
            for growth in GROWTH[version:]:
                connection.execute(growth)
            connection.pragma("application_id", APPLICATION_ID)
            connection.pragma("user_version", SCHEMA_VERSION)


def _with_default(*of_sql: Any) -> bytes:
    document, key, value = of_sql
    return msgspec.msgpack.encode({key: value} | msgspec.msgpack.decode(document))


def _version(connection: apsw.Connection, path: Path) -> int:
    if connection.pragma("application_id") != APPLICATION_ID:
        raise JournalUnusable(f"{path} is not a journal of this program")
    found = int(connection.pragma("user_version"))
    if found > SCHEMA_VERSION:
        raise JournalUnusable(
            f"{path} has schema version {found}, this program reads {SCHEMA_VERSION}: a newer version wrote it"
        )
    return found
