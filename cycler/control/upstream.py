"""The next path where a cycler does not switch off: the contactor between a bay and its cells."""

import asyncio
from collections.abc import Callable, Collection, Mapping

from cycler.contract.errors import DeviceError, DeviceFault, LinkError
from cycler.contract.sweep import ChannelId
from cycler.control.cancellation import raise_if_cancelled
from cycler.control.device_loop import DeviceLoop
from cycler.control.io_loop import IoLoop
from cycler.control.latches import Latches
from cycler.control.rack_log import RackLog
from cycler.model.alarm import AlarmCode
from cycler.model.rack import Bay, BayId, ChannelRef, Rack

OFF_GIVEN_UP_S = 60.0  # after that a cell's record is closed, though its relay was never seen open
SHOWN_S_MAX = 3.0  # from a contactor that has opened to readings that show it


class Upstream:
    """Opens contactors, from a task of its own, and hears of those that have opened by themselves."""

    def __init__(
        self,
        rack: Rack,
        loops: Mapping[str, DeviceLoop],
        ios: Mapping[str, IoLoop],
        rack_log: RackLog,
        latches: Latches,
        *,
        stop_bay: Callable[[Bay, str], None],
    ) -> None:
        """`stop_bay` ends all that runs on a bay, and says why."""
        self._rack = rack
        self._loops = loops
        self._ios = ios
        self._log = rack_log
        self._latches = latches
        self._stop_bay = stop_bay
        self._to_open: dict[tuple[BayId, str], str] = {}  # contactors, each with the device behind it, and why
        self._open_posted = asyncio.Event()
        self._timers: list[asyncio.TimerHandle] = []

    def off_not_confirmed(self, device: str, channels: Collection[ChannelId], error: DeviceError) -> None:
        """An output that was on may still be on: the bay's contactor opens it."""
        if not self._loops[device].may_be_energised(channels):
            return
        for bay in self._rack.bays.values():
            if not set(channels).intersection(_channels_of(bay, device)):
                continue
            denied = self._loops[device].denies_a_current(channels)
            code = AlarmCode.CURRENT_WHILE_IDLE if denied else AlarmCode.OFF_NOT_CONFIRMED
            self._log.record(
                "off.not_confirmed",
                device=device,
                code=code,
                text=str(error),
                bay=bay,
                severity="error",
                by_wire=isinstance(error, LinkError),
            )
            if isinstance(error, DeviceFault):  # else only its wire may have failed
                self._latches.latch(bay.positions, code, str(error))
            self._cut_off(bay, device, f"{device} did not confirm that its output is open")

    def cut_off(self, bay: Bay, why: str) -> None:
        """Open the bay's contactor, as soon as the I/O device can, for all devices of the bay. Never waits."""
        for device in dict.fromkeys(ref.device for position in bay.positions.values() for ref in position.channels):
            self._cut_off(bay, device, why)

    def _cut_off(self, bay: Bay, device: str, why: str) -> None:
        if bay.contactor is None:
            self._no_way_left(bay, device)
        else:
            self._to_open[bay.bay, device] = why
            self._open_posted.set()

    async def run(self) -> None:
        """Open the contactors of bays whose devices do not switch off; whatever else runs there is over too."""
        try:
            while True:
                await self._open_posted.wait()
                self._open_posted.clear()
                waiting, self._to_open = self._to_open, {}
                for (name, device), why in waiting.items():
                    await self._open(self._rack.bays[name], device, why)
                raise_if_cancelled()
        finally:
            for timer in self._timers:
                timer.cancel()

    async def _open(self, bay: Bay, device: str, text: str) -> None:
        is_open = await self.open_contactor(bay)
        self._stop_bay(bay, f"bay {bay.bay} is over: {text}")
        if is_open:
            code = AlarmCode.OFF_NOT_CONFIRMED
            self._log.record("contactor.opened", code=code, text=f"bay {bay.bay}: {text}", bay=bay)
            self._loops[device].cut_off(_channels_of(bay, device))
            clock = asyncio.get_running_loop()
            self._timers.append(clock.call_later(SHOWN_S_MAX, self._see_it_open, bay, device, clock.time()))
        else:
            self._no_way_left(bay, device)

    def _see_it_open(self, bay: Bay, device: str, opened_s: float) -> None:
        """A contactor says that it is open; welded, it still carries the current."""
        if self._loops[device].carries_a_current(_channels_of(bay, device), since_s=opened_s):
            self._latches.latch(
                bay.positions, AlarmCode.RELAY_WELDED, f"a current flows through its open {bay.contactor}"
            )
            self._no_way_left(bay, device)

    def _no_way_left(self, bay: Bay, device: str) -> None:
        """Nothing else that we command opens the output. The off is repeated, but the record waits no longer."""
        text = f"bay {bay.bay}: nothing but {device} itself opens its output; if it does not, cut its supply by hand"
        code = AlarmCode.RELAY_WELDED
        self._log.record("off.no_way_left", device=device, code=code, text=text, bay=bay, severity="error")
        clock = asyncio.get_running_loop()
        self._timers.append(clock.call_later(OFF_GIVEN_UP_S, self._loops[device].close, _channels_of(bay, device)))

    def contactor_moved(self, device: str, output: str, closed: bool) -> None:
        """This output of an I/O device is not where it was put."""
        moved = ChannelRef(device=device, channel=output)
        for bay in self.bays_behind(device):
            switches = any(each.needs_open for each in bay.outputs.values())  # what must never be there with a current
            for name, ref in (("contactor", bay.contactor), ("press", bay.press)):
                if ref == moved:
                    text = f"the {name} of bay {bay.bay} {'closed' if closed else 'opened'} by itself"
                    self._log.record(f"{name}.moved", device=device, text=text, bay=bay)
                    if not closed or switches:
                        self._stop_bay(bay, text)
            for name, each in bay.outputs.items():
                if each.output == moved:
                    text = f"the output {name} of bay {bay.bay} {'closed' if closed else 'opened'} by itself"
                    self._log.record("output.moved", device=device, text=text, bay=bay)
                    self._stop_bay(bay, text)

    def bays_behind(self, device: str) -> list[Bay]:
        """The bays whose contactor, press or other output is one of this device."""
        refs = [
            (bay, ref)
            for bay in self._rack.bays.values()
            for ref in (bay.contactor, bay.press, *(each.output for each in bay.outputs.values()))
        ]
        return list({bay.bay: bay for bay, ref in refs if ref is not None and ref.device == device}.values())

    async def open_contactor(self, bay: Bay) -> bool:
        """Whether nothing can flow there any more."""
        if bay.contactor is None:
            return False
        try:
            await self._ios[bay.contactor.device].write({bay.contactor.channel: False})
        except DeviceError as error:
            code, text = AlarmCode.RELAY_WELDED, f"bay {bay.bay}: {error}"
            self._log.record("contactor.failed", code=code, text=text, bay=bay, severity="error")
            return False
        return True


def _channels_of(bay: Bay, device: str) -> list[ChannelId]:
    """Those of the device that positions of the bay are wired to."""
    refs = [ref for position in bay.positions.values() for ref in position.channels]
    return [ChannelId(ref.channel) for ref in refs if ref.device == device]
