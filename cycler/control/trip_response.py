"""What follows a trip, carried out in the sweep that tripped: offs and holds through the outboxes, the rest at once."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

from cycler.control.chamber_loop import ChamberLoop
from cycler.control.channel_controller import ChannelController
from cycler.control.latches import Latches
from cycler.control.outbox import Command
from cycler.control.rack_log import RackLog
from cycler.control.trip_watch import TripWatches
from cycler.model.alarm import AlarmCode
from cycler.model.rack import Bay, PositionId, Rack
from cycler.safety.catalogue import CATALOGUE
from cycler.safety.common_cause import TripCount
from cycler.safety.consequences import Consequences, after_trip


class TripResponse:
    """Of one rack. All calls are ordinary ones."""

    def __init__(
        self,
        rack: Rack,
        controllers: Mapping[PositionId, ChannelController],
        rack_log: RackLog,
        *,
        chambers: Mapping[str, ChamberLoop],
        watches: TripWatches,
        latches: Latches,
        post: Callable[[ChannelController, Sequence[Command]], None],
        cut_off: Callable[[Bay, str], None],
    ) -> None:
        """`controllers`: the latest run on each position. `cut_off` opens a bay's contactor for this reason."""
        self._rack = rack
        self._controllers = controllers
        self._chambers = chambers
        self._watches = watches
        self._latches = latches
        self._log = rack_log
        self._post = post
        self._cut_off = cut_off
        self._trips = TripCount(rack.common_cause)

    def on_trip(self, controller: ChannelController, code: AlarmCode, text: str) -> None:
        """A protection has ended this cell's run; its own relay is being opened."""
        position = controller.position
        bay = next(bay for bay in self._rack.bays.values() if position in bay.positions)
        row = CATALOGUE[code]
        follows = after_trip(code, position, self._rack)
        self._latches.latch(follows.latched, code, f"{row.name} ({text})")
        if follows.beyond_the_cell:
            self._follow("trip.followed", follows, code, f"{position}: {row.name}", bay, but=position)
        by_itself = row.tier == "sample"  # else who found it has judged the cells together
        if by_itself and self._trips.take(asyncio.get_running_loop().time(), bay.bay, code):
            rule, alike = self._rack.common_cause, AlarmCode.COMMON_CAUSE_HOLD
            cause = f"{rule.trips} trips for {row.name} within {rule.within_s:g} s"
            self._follow("trips.alike", after_trip(alike, position, self._rack), alike, cause, bay)

    def bay_fails(self, bay: Bay, code: AlarmCode, text: str) -> None:
        """What the catalogue says of this code, for a whole bay; nothing where no cell runs there."""
        running = [name for name in bay.positions if self._running([name])]
        if running:
            self._follow("trip.followed", after_trip(code, running[0], self._rack), code, text, bay)

    def carry_out(self, follows: Consequences, text: str) -> None:
        """Off before hold before the end of charging. Nothing happens to cells whose run is over."""
        for controller in self._running(follows.off):
            self._post(controller, controller.stop("interlock", text))
        for controller in self._running(follows.hold):
            self._post(controller, controller.stop("interlock", text, end="held"))
        for controller in self._running(follows.no_charge):
            self._post(controller, controller.forbid_charge(text))
        for bay in follows.watched:
            if any(name in self._controllers for name in self._rack.bays[bay].positions):
                self._watches.begin(self._rack.bays[bay], text)
        for chamber in follows.heaters:
            for bay in follows.watched:
                if self._rack.bays[bay].chamber == chamber:
                    self._chambers[chamber].make_safe(bay)
        for bay in follows.contactors:
            self._cut_off(self._rack.bays[bay], text)

    def _follow(
        self,
        event: str,
        follows: Consequences,
        code: AlarmCode,
        cause: str,
        bay: Bay,
        *,
        but: PositionId | None = None,
    ) -> None:
        """One record, with everybody whom it strikes."""
        running = {each.position for each in self._running([*follows.off, *follows.hold, *follows.no_charge])} - {but}
        self.carry_out(follows, cause)
        struck = {
            "off": [name for name in follows.off if name in running],
            "held": [name for name in follows.hold if name in running],
            "not charged": [name for name in follows.no_charge if name in running],
            "heater off": follows.heaters,
            "watched": follows.watched,
        }
        text = "; ".join(f"{what}: {', '.join(whom)}" for what, whom in struck.items() if whom)
        self._log.record(event, code=code, text=f"{cause}; {text}" if text else cause, bay=bay, severity="error")

    def _running(self, names: Iterable[PositionId]) -> list[ChannelController]:
        found = [self._controllers[name] for name in names if name in self._controllers]
        return [controller for controller in found if controller.machine.over is None]
