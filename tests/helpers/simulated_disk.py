"""A disk under SQLite that loses power, fills up or fails: an apsw VFS that knows what has been synced and what not."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

SECTOR = 512

Operation = tuple[int, bytes | None]  # where, and what was written; None: cut off there


class SimulatedDisk(apsw.VFS):
    """The default VFS until `unregister`. `before` is called with each write, truncation and sync, and may raise."""

    def __init__(self) -> None:
        self.before: Callable[[str, str], None] = lambda operation, name: None
        self.synced: dict[str, bytearray] = {}  # by file name: what would be there after a power cut for certain
        self.unsynced: dict[str, list[Operation]] = {}
        super().__init__("simulated-disk", "unix", makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return _File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        self.synced.pop(Path(filename).name, None)
        self.unsynced.pop(Path(filename).name, None)
        super().xDelete(filename, syncdir)

    def after_power_cut(self, into: Path, chance: random.Random) -> None:
        """The files as they may be found: of what was not synced, any part has come, torn anywhere, in any order."""
        into.mkdir()
        for name, synced in self.synced.items():
            content = bytearray(synced)
            operations = [each for each in self.unsynced.get(name, []) if chance.random() < 0.5]
            chance.shuffle(operations)
            for where, data in operations:
                if data is None:
                    del content[where:]
                    continue
                content.extend(bytes(max(0, where + len(data) - len(content))))
                for begin in range(0, len(data), SECTOR):
                    if chance.random() < 0.8:
                        piece = data[begin : begin + SECTOR]
                        content[where + begin : where + begin + len(piece)] = piece
            (into / name).write_bytes(content)


class _File(apsw.VFSFile):
    def __init__(self, disk: SimulatedDisk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        path = Path((name.filename() if isinstance(name, apsw.URIFilename) else name) or "")
        self._disk, self._name = disk, path.name
        before = path.read_bytes() if path.is_file() else b""
        disk.synced.setdefault(self._name, bytearray(before))
        super().__init__("unix", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._disk.before("write", self._name)
        self._disk.unsynced.setdefault(self._name, []).append((offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self._disk.before("truncate", self._name)
        self._disk.unsynced.setdefault(self._name, []).append((newsize, None))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._disk.before("sync", self._name)
        super().xSync(flags)
        content = self._disk.synced[self._name]
        for where, data in self._disk.unsynced.pop(self._name, []):
            if data is None:
                del content[where:]
            else:
                content.extend(bytes(max(0, where + len(data) - len(content))))
                content[where : where + len(data)] = data


@contextmanager
def simulated_disk() -> Iterator[SimulatedDisk]:
    disk = SimulatedDisk()
    try:
        yield disk
    finally:
        disk.unregister()
