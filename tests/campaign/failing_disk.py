"""A disk that fails for good: from then on every write and sync that SQLite asks for is an I/O error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import apsw

NAME, BASE = "campaign", "unix"


class _File(apsw.VFSFile):
    def __init__(self, name: Any, flags: Any, has_failed: Callable[[], bool]) -> None:
        super().__init__(BASE, name, flags)
        self._has_failed = has_failed

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 (SQLite's word)
        self._check("write")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._check("fsync")
        super().xSync(flags)

    def _check(self, call: str) -> None:
        if self._has_failed():
            raise apsw.IOError(f"the disk has failed: {call}")


class _Disk(apsw.VFS):
    def __init__(self, has_failed: Callable[[], bool]) -> None:
        super().__init__(NAME, BASE, makedefault=True)
        self._has_failed = has_failed

    def xOpen(self, name: Any, flags: Any) -> _File:  # noqa: N802
        return _File(name, flags, self._has_failed)


@contextmanager
def failing_disk(has_failed: Callable[[], bool]) -> Iterator[None]:
    """Every store that is opened meanwhile lies on this disk."""
    disk = _Disk(has_failed)
    try:
        yield
    finally:
        disk.unregister()
