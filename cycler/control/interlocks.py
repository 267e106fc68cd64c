"""Interlock inputs act: what their readings stop, hold, refuse or report, in the sweep that confirms them."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from cycler.control.channel_controller import ChannelController
from cycler.control.rack_log import RackLog
from cycler.model.alarm import AlarmCode
from cycler.model.rack import Bay, Interlock, PositionId, Rack
from cycler.record.memory import Memory
from cycler.record.recorder import Recorder
from cycler.safety.consequences import Consequences, after_interlock
from cycler.safety.interlocks import InputWatch

ACCESS: Final = frozenset(
    {AlarmCode.DOOR, AlarmCode.LIGHT_CURTAIN, AlarmCode.PRESS_NOT_CLOSED, AlarmCode.TRAY_NOT_SEATED}
)
"""Who opens these can reach the cells."""


@dataclass(slots=True, eq=False)
class _Watched:
    interlock: Interlock
    bay: Bay | None  # the only one that it concerns
    follows: Consequences
    places: frozenset[PositionId]  # where nothing may start while it is active, or latched
    watch: InputWatch
    latched: bool = False
    lost: str | None = "it has not been read yet"  # why it cannot be read

    @property
    def obstacle(self) -> str | None:
        """Why nothing may start where it acts; None where it says nothing against that."""
        interlock = self.interlock
        if interlock.action == "warn":
            return None
        if self.lost is not None:
            return f"the interlock {interlock.interlock} cannot be read: {self.lost}"
        if not self.watch.is_healthy or self.watch.is_tripped:
            return _active(interlock)
        if self.latched:
            return f"the interlock {interlock.interlock} has been active and is latched until it is reset at the rack"
        return None


class Interlocks:
    """All of a rack's. That one is latched outlives the process, and so does its release."""

    def __init__(
        self,
        rack: Rack,
        controllers: Mapping[PositionId, ChannelController],
        rack_log: RackLog,
        recorder: Recorder,
        *,
        carry_out: Callable[[Consequences, str], None],
    ) -> None:
        """`controllers`: the latest run on each position. `carry_out` does what follows, for this reason."""
        self._controllers = controllers
        self._log = rack_log
        self._carry_out = carry_out
        self._latched: Memory[str] = Memory(recorder, "interlock", str)
        self._by_name: dict[str, _Watched] = {}
        self._by_device: defaultdict[str, list[_Watched]] = defaultdict(list)
        self._by_position: defaultdict[PositionId, list[_Watched]] = defaultdict(list)
        for interlock in rack.interlocks:
            follows = after_interlock(interlock, rack)
            places = frozenset((*interlock.positions, *follows.latched))
            bays = [bay for bay in rack.bays.values() if places.intersection(bay.positions)]
            own = bays[0] if len(bays) == 1 else None
            watched = _Watched(interlock, own, follows, places, InputWatch(interlock.debounce_s))
            watched.latched = interlock.interlock in self._latched
            self._by_name[interlock.interlock] = watched
            self._by_device[interlock.input.device].append(watched)
            for position in places:
                self._by_position[position].append(watched)

    def heard(self, device: str, taken_s: float, inputs: Mapping[str, bool] | None) -> bool:
        """A reading of an I/O device; None where it was lost. Whether the next one is wanted soon."""
        for watched in self._by_device[device]:
            interlock = watched.interlock
            active: bool | None = None
            if inputs is not None:
                watched.lost = None
                active = inputs.get(interlock.input.channel) is not (interlock.active == "low")
            if watched.watch.take(taken_s, active=active):
                self._changed(watched)
        return any(watched.watch.is_settling for watched in self._by_device[device])

    def lost(self, device: str, reason: str) -> None:
        """The device does not answer: its inputs count as active, but latch nothing."""
        for watched in self._by_device[device]:
            watched.watch.lose()
            watched.lost = reason
            if watched.obstacle is not None:
                unread = Consequences(off=watched.follows.off, hold=watched.follows.hold)
                self._carry_out(unread, watched.obstacle)

    def refusal(self, position: PositionId) -> str | None:
        """Why no run may start there now."""
        found = [text for watched in self._by_position[position] if (text := watched.obstacle) is not None]
        return "; ".join(found) or None

    def latched_at(self, position: PositionId) -> str | None:
        """Of those that latch: one has been active here, and nobody has reset it."""
        found = [w for w in self._by_position[position] if w.latched]
        return next((watched.obstacle for watched in found), None)

    def open_at(self, position: PositionId) -> str | None:
        """A door, a curtain, a press or a tray that is not where it belongs."""
        found = [w for w in self._by_position[position] if w.interlock.alarm in ACCESS and w.lost is None]
        return next((_active(w.interlock) for w in found if not w.watch.is_healthy or w.watch.is_tripped), None)

    # The reset.

    def places(self, name: str) -> Collection[PositionId] | None:
        """Whom the one with this id concerns; None where there is none."""
        return self._by_name[name].places if name in self._by_name else None

    def latched(self, positions: Collection[PositionId]) -> list[str]:
        """Those that are latched and concern any of these positions."""
        return [
            name
            for name, watched in self._by_name.items()
            if watched.latched and watched.places.intersection(positions)
        ]

    def unhealthy(self, name: str) -> str | None:
        """Why its cause still is there; None where its input is read and healthy."""
        watched = self._by_name[name]
        if watched.lost is not None:
            return f"the interlock {name} cannot be read: {watched.lost}"
        return None if watched.watch.is_healthy and not watched.watch.is_tripped else _active(watched.interlock)

    def release(self, names: Collection[str]) -> None:
        """Whoever calls this has seen to it that a person may do so."""
        for name in names:
            self._by_name[name].latched = False
            self._latched.forget(name)

    def _changed(self, watched: _Watched) -> None:
        interlock = watched.interlock
        if not watched.watch.is_tripped:
            stays = ", and stays latched until it is reset at the rack" if watched.latched else ""
            text = f"the interlock {interlock.interlock} is healthy again{stays}"
            self._record("interlock.cleared", watched, text)
            return
        text = _active(interlock)
        if interlock.action == "off-latched":
            watched.latched = True
            self._latched.keep(interlock.interlock, text)
        struck = [controller.position for controller in self._struck(watched.follows)]
        # First the alarm: when the runs are over, nothing that concerns more than one bay is recorded with them.
        self._record("interlock.tripped", watched, f"{text}: {interlock.action}, {', '.join(struck) or 'no cell'}")
        self._carry_out(watched.follows, text)

    def _struck(self, follows: Consequences) -> list[ChannelController]:
        """The cells whose runs it ends."""
        found = [self._controllers[name] for name in (*follows.off, *follows.hold) if name in self._controllers]
        return [controller for controller in found if controller.machine.over is None]

    def _record(self, event: str, watched: _Watched, text: str) -> None:
        interlock = watched.interlock
        grave = event == "interlock.tripped" and interlock.action not in ("no-start", "warn")
        self._log.record(
            event,
            device=interlock.input.device,
            code=interlock.alarm,
            text=text,
            bay=watched.bay,
            cause=interlock.interlock,
            positions=[*watched.places],
            severity="error" if grave else "warning",
        )


def _active(interlock: Interlock) -> str:
    return f"the interlock {interlock.interlock} is active ({interlock.input} is {interlock.active})"
