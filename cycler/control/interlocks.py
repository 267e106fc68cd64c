"""Interlock inputs act: what their readings stop, hold, refuse or report, in the sweep that confirms them."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cycler.control.channel_controller import ChannelController
from cycler.control.machine_events import RunEnd
from cycler.control.outbox import Command
from cycler.control.rack_log import RackLog
from cycler.model.rack import Bay, Interlock, PositionId, Rack
from cycler.safety.interlocks import InputWatch

Post = Callable[[ChannelController, Sequence[Command]], None]


@dataclass(slots=True, eq=False)
class _Watched:
    interlock: Interlock
    bay: Bay | None  # the only one that it concerns
    watch: InputWatch = field(default_factory=InputWatch)
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
            return f"the interlock {interlock.interlock} has been active and is latched until the session ends"
        return None


class Interlocks:
    """All of a rack's."""

    def __init__(
        self, rack: Rack, controllers: Mapping[PositionId, ChannelController], rack_log: RackLog, *, post: Post
    ) -> None:
        """`controllers`: the latest run on each position. `post` sends what a device must be told."""
        self._controllers = controllers
        self._log = rack_log
        self._post = post
        self._by_device: defaultdict[str, list[_Watched]] = defaultdict(list)
        self._by_position: defaultdict[PositionId, list[_Watched]] = defaultdict(list)
        for interlock in rack.interlocks:
            bays = [bay for bay in rack.bays.values() if bay.positions.keys() & set(interlock.positions)]
            watched = _Watched(interlock, bays[0] if len(bays) == 1 else None)
            self._by_device[interlock.input.device].append(watched)
            for position in interlock.positions:
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
                self._end(watched.interlock, watched.obstacle)

    def refusal(self, position: PositionId) -> str | None:
        """Why no run may start there now."""
        found = [text for watched in self._by_position[position] if (text := watched.obstacle) is not None]
        return "; ".join(found) or None

    def _changed(self, watched: _Watched) -> None:
        interlock = watched.interlock
        if not watched.watch.is_tripped:
            stays = ", and stays latched until the session ends" if watched.latched else ""
            text = f"the interlock {interlock.interlock} is healthy again{stays}"
            self._record("interlock.cleared", watched, text)
            return
        watched.latched = watched.latched or interlock.action == "off-latched"
        text = _active(interlock)
        struck = [controller.position for controller in self._struck(interlock)]
        # First the alarm: when the runs are over, nothing that concerns more than one bay is recorded with them.
        self._record("interlock.tripped", watched, f"{text}: {interlock.action}, {', '.join(struck) or 'no cell'}")
        self._end(interlock, text)

    def _struck(self, interlock: Interlock) -> list[ChannelController]:
        """The cells whose runs it ends."""
        if interlock.action in ("no-start", "warn"):
            return []
        found = [self._controllers[name] for name in interlock.positions if name in self._controllers]
        return [controller for controller in found if controller.machine.over is None]

    def _end(self, interlock: Interlock, text: str) -> None:
        end: RunEnd = "held" if interlock.action == "hold" else "stopped"
        for controller in self._struck(interlock):
            self._post(controller, controller.stop("interlock", text, end=end))

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
            positions=interlock.positions,
            severity="error" if grave else "warning",
        )


def _active(interlock: Interlock) -> str:
    return f"the interlock {interlock.interlock} is active ({interlock.input} is {interlock.active})"
