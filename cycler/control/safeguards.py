"""What keeps a rack safe beyond its single cells: interlocks, what follows trips, the watch, the locks, the reset."""

from collections.abc import Callable, Mapping, Sequence

from cycler.control.chamber_loop import ChamberLoop
from cycler.control.channel_controller import ChannelController
from cycler.control.device_loop import DeviceLoop
from cycler.control.interlocks import Interlocks
from cycler.control.latches import Latches
from cycler.control.outbox import Command
from cycler.control.rack_log import RackLog
from cycler.control.reset_key import ResetKey
from cycler.control.resets import Resets
from cycler.control.trip_response import TripResponse
from cycler.control.trip_watch import TripWatches
from cycler.control.zero_current import current_possible
from cycler.model.alarm import AlarmCode
from cycler.model.rack import Bay, BayId, PositionId, Rack
from cycler.record.recorder import Recorder


class Safeguards:
    """Puts them together. All but `watches.run` are ordinary calls."""

    def __init__(
        self,
        rack: Rack,
        controllers: Mapping[PositionId, ChannelController],
        rack_log: RackLog,
        recorder: Recorder,
        *,
        loops: Mapping[str, DeviceLoop],
        chambers: Mapping[str, ChamberLoop],
        latches: Latches,
        post: Callable[[ChannelController, Sequence[Command]], None],
        cut_off: Callable[[Bay, str], None],
        check_again: Callable[[str], str | None],
        on_change: Callable[[], None],
    ) -> None:
        """`controllers`: the latest run on each position, `loops` and `chambers`: by their devices. `cut_off` opens a
        bay's contactor, `check_again` tries a latched device; `on_change` hears when nobody waits for a watch any more.
        """
        self._rack = rack
        self._controllers = controllers
        self._loops = loops
        self._chambers = chambers
        self._latches = latches
        self._on_change = on_change
        self._key = ResetKey(rack.reset)
        self.watches = TripWatches(
            rack, controllers, rack_log, recorder, loop_of=self._loop_of, on_over=self._watch_is_over
        )
        self._response = TripResponse(
            rack,
            controllers,
            rack_log,
            chambers=chambers,
            watches=self.watches,
            latches=latches,
            post=post,
            cut_off=cut_off,
        )
        self.interlocks = Interlocks(rack, controllers, rack_log, recorder, carry_out=self._response.carry_out)
        self._resets = Resets(
            rack,
            rack_log,
            interlocks=self.interlocks,
            latches=latches,
            watches=self.watches,
            key=self._key,
            chambers=chambers,
            unhealthy=self._unhealthy,
            check_again=check_again,
        )

    def on_trip(self, controller: ChannelController, code: AlarmCode, text: str) -> None:
        """A protection has ended this cell's run."""
        self._response.on_trip(controller, code, text)

    def chamber_fails(self, chamber: str, text: str) -> None:
        """It has reported a fault: its cells hold."""
        bay = next((bay for bay in self._rack.bays.values() if bay.chamber == chamber), None)
        if bay is not None:
            self._response.bay_fails(bay, AlarmCode.CHAMBER_FAULT, text)

    def on_inputs(self, device: str, taken_s: float, inputs: Mapping[str, bool] | None) -> bool:
        """A reading of an I/O device; None where it was lost. Whether the next one is wanted soon."""
        settling = self._key.heard(device, taken_s, inputs)
        return self.interlocks.heard(device, taken_s, inputs) or settling

    def refusal(self, position: PositionId) -> str | None:
        """Why no run may start there now."""
        asked = (self.interlocks.refusal, self._latches.refusal, self.watches.refusal)
        found = [text for ask in asked if (text := ask(position)) is not None]
        return "; ".join(found) or None

    def forbidden(self, position: PositionId) -> str | None:
        """An emergency stop, fire or another latch: what was interrupted there never goes on."""
        return self._latches.refusal(position) or self.interlocks.latched_at(position)

    def touched(self, position: PositionId) -> str | None:
        """Why a hand may have been in the bay; None where nothing shows that."""
        bay = next(bay for bay in self._rack.bays.values() if position in bay.positions)
        reading = None if bay.chamber is None else self._chambers[bay.chamber].reading
        if reading is not None and reading.door_open:
            return f"the door of {bay.chamber} is open"
        return self.interlocks.open_at(position)

    def press_stays_closed(self, bay: Bay) -> str | None:
        """Why the press of the bay must not open now."""
        return self.watches.obstacle(bay.bay) or current_possible(bay, self._loops)

    def is_waited_for(self, bay: BayId) -> bool:
        """The bay is being watched."""
        return self.watches.lasts(bay)

    def reset(self, what: str, *, person: str, reason: str) -> str | None:
        """As `RackController.reset`."""
        return self._resets.reset(what, person=person, reason=reason)

    def _watch_is_over(self, bay: Bay) -> None:
        self._resets.let_heat(bay)
        self._on_change()

    def _unhealthy(self, position: PositionId, code: AlarmCode) -> str | None:
        """Of a latched position: why it is as bad as it was."""
        bay = next(bay for bay in self._rack.bays.values() if position in bay.positions)
        controller = self._controllers.get(position)
        if code is not AlarmCode.OVER_VOLTAGE or controller is None:
            return current_possible(bay, self._loops)
        last = self._loop_of(position).last
        most_v = max(
            envelope.voltage_v_max + envelope.trip_margin_v
            for envelope in controller.machine.plan.cell_type.envelopes.values()
        )
        if last is not None and last.voltage_v[controller.row] <= most_v:
            return None
        return f"{position} is not read below {most_v:g} V"

    def _loop_of(self, position: PositionId) -> DeviceLoop:
        bay = next(bay for bay in self._rack.bays.values() if position in bay.positions)
        return self._loops[bay.positions[position].channels[0].device]
