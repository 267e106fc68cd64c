"""Who may release what a trip has latched: at the rack with the key, maintenance by itself, and always by name."""

from collections.abc import Callable, Mapping

from cycler.control.chamber_loop import ChamberLoop
from cycler.control.interlocks import Interlocks
from cycler.control.latches import Latches, needs_the_key
from cycler.control.rack_log import RackLog
from cycler.control.reset_key import ResetKey
from cycler.control.trip_watch import TripWatches
from cycler.model.alarm import AlarmCode
from cycler.model.rack import Bay, PositionId, Rack


class Resets:
    """A reset starts nothing: a cell that has tripped never resumes in that run."""

    def __init__(
        self,
        rack: Rack,
        rack_log: RackLog,
        *,
        interlocks: Interlocks,
        latches: Latches,
        watches: TripWatches,
        key: ResetKey,
        chambers: Mapping[str, ChamberLoop],
        unhealthy: Callable[[PositionId, AlarmCode], str | None],
        check_again: Callable[[str], str | None],
    ) -> None:
        """`unhealthy`: why what this code stands for still is there. `check_again` tries a device that is latched; it
        answers why not."""
        self._rack = rack
        self._interlocks = interlocks
        self._latches = latches
        self._watches = watches
        self._key = key
        self._chambers = chambers
        self._log = rack_log
        self._unhealthy = unhealthy
        self._check_again = check_again

    def reset(self, what: str, *, person: str, reason: str) -> str | None:
        """As `RackController.reset`."""
        refusal = self._refusal(what, person, reason)
        bay = next((bay for bay in self._rack.bays.values() if what == bay.bay or what in bay.positions), None)
        said = f"{what} by {person or 'nobody'} ({reason or 'no reason'})"
        if refusal is None:
            self._log.record("reset.done", text=said, bay=bay)
        else:
            self._log.record("reset.refused", text=f"{said}: {refusal}", bay=bay)
        return refusal

    def _refusal(self, what: str, person: str, reason: str) -> str | None:
        if not person.strip() or not reason.strip():
            return "a reset needs the name of a person, and a reason"
        positions = self._positions(what)
        if positions is None:
            return self._check_again(what)
        return self._release(what, positions)

    def _positions(self, what: str) -> list[PositionId] | None:
        """None for what is no place."""
        if what == self._rack.rack:
            return [name for bay in self._rack.bays.values() for name in bay.positions]
        for bay in self._rack.bays.values():
            if what == bay.bay:
                return list(bay.positions)
            if what in bay.positions:
                return [PositionId(what)]
        places = self._interlocks.places(what)
        return None if places is None else list(places)

    def _release(self, what: str, positions: list[PositionId]) -> str | None:
        """All that is latched there, or nothing of it."""
        interlocks = self._interlocks.latched(positions)
        held = self._latches.held(positions)
        bays = [bay for bay in self._rack.bays.values() if set(bay.positions) <= set(positions)]
        watched = [bay for bay in bays if self._watches.is_on(bay.bay)]
        if not interlocks and not held:
            if not watched:
                return f"nothing is latched at {what}"
            return next((text for bay in watched if (text := self._watches.confirm_cold(bay.bay)) is not None), None)
        obstacles = [*(self._interlocks.unhealthy(name) for name in interlocks)]
        obstacles += [
            f"the interlock {name} concerns more than {what}: reset {name}"
            for name in interlocks
            if not set(self._interlocks.places(name) or ()) <= set(positions)
        ]
        obstacles += [self._unhealthy(position, code) for position, code in held]
        with_key = bool(interlocks) or any(needs_the_key(code) for _, code in held)
        if with_key:
            obstacles.append(self._key.obstacle)
        found = [text for text in obstacles if text is not None]
        if found:
            return "; ".join(dict.fromkeys(found))
        if with_key:
            self._key.use()
        self._interlocks.release(interlocks)
        self._latches.release(positions)
        for bay in bays:
            self.let_heat(bay)
        return None

    def let_heat(self, bay: Bay) -> None:
        """The chamber may go on for this bay, once it is neither watched nor latched."""
        locked = self._watches.is_on(bay.bay) or self._interlocks.latched(bay.positions)
        if bay.chamber is not None and not locked:
            self._chambers[bay.chamber].let_go_on(bay.bay)
