"""What control remembers across restarts: values of one kind by their keys, each as durable as the events around it."""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

import msgspec

from cycler.record.recorder import Recorder
from cycler.record.schema import JournalUnusable

T = TypeVar("T")


class Memory(Generic[T], Mapping[str, T]):
    """Begins with what an earlier process has left. A value is replaced as a whole, never changed in place."""

    def __init__(self, recorder: Recorder, kind: str, of: type[T]) -> None:
        """Raises `JournalUnusable` for what this version of the program cannot read."""
        self._recorder = recorder
        self._kind = kind
        try:
            self._values = {
                key: msgspec.msgpack.decode(document, type=of)
                for (its_kind, key), document in recorder.kept.items()
                if its_kind == kind
            }
        except msgspec.DecodeError as error:
            raise JournalUnusable(f"the journal keeps a {kind} that this version cannot read: {error}") from error

    def __getitem__(self, key: str) -> T:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def keep(self, key: str, value: T) -> None:
        """From now on."""
        self._values[key] = value
        self._recorder.keep(self._kind, key, msgspec.msgpack.encode(value))

    def forget(self, key: str) -> None:
        """Nothing happens where nothing is kept."""
        if self._values.pop(key, None) is not None:
            self._recorder.keep(self._kind, key, None)
