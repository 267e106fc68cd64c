"""Positions at which nothing starts any more until a person has reset what has tripped there."""

from collections.abc import Collection, Iterable

from cycler.model.alarm import AlarmCode
from cycler.model.rack import PositionId
from cycler.record.memory import Memory
from cycler.record.recorder import Recorder
from cycler.safety.catalogue import CATALOGUE


class Latches:
    """Of all protections that latch a position. They outlive the process, and so does their release."""

    def __init__(self, recorder: Recorder) -> None:
        self._texts: Memory[dict[int, str]] = Memory(recorder, "latch", dict[int, str])

    def latch(self, positions: Iterable[PositionId], code: AlarmCode, text: str) -> None:
        """From now on."""
        for position in positions:
            known = self._texts.get(position, {})
            if code.value not in known:
                self._texts.keep(position, {**known, code.value: text})

    def refusal(self, position: PositionId) -> str | None:
        """Why no run may start there now."""
        texts = self._texts.get(position)
        return f"{position} is latched: {'; '.join(texts.values())}" if texts else None

    def held(self, positions: Collection[PositionId]) -> list[tuple[PositionId, AlarmCode]]:
        """Every latch at these positions."""
        return [(position, AlarmCode(code)) for position in positions for code in self._texts.get(position, {})]

    def release(self, positions: Collection[PositionId]) -> None:
        """Whoever calls this has seen to it that a person may do so."""
        for position in positions:
            self._texts.forget(position)


def needs_the_key(code: AlarmCode) -> bool:
    """It is released at the rack only, and not by maintenance alone."""
    return CATALOGUE[code].reset == "local"
