"""Lets each device of a rack fail alone: it is tried again until it has failed too often, and then left to a person."""

import asyncio
import random
from collections.abc import Callable, Mapping

from cycler.contract.devices import Device
from cycler.contract.errors import DeviceError, LinkError
from cycler.contract.sweep import ChannelId
from cycler.control.attempts import RestartIntensity
from cycler.control.cancellation import cancellations, raise_if_cancelled
from cycler.control.chamber_loop import ChamberLoop
from cycler.control.device_loop import DeviceLoop
from cycler.control.io_loop import IoLoop
from cycler.control.latched_devices import Failure, LatchedDevices
from cycler.control.meter_loop import MeterLoop
from cycler.control.rack_log import RackLog
from cycler.control.temperature_loop import TemperatureLoop
from cycler.model.alarm import AlarmCode
from cycler.record.recorder import Recorder

AnyLoop = DeviceLoop | TemperatureLoop | IoLoop | ChamberLoop | MeterLoop
Patient = ChamberLoop | MeterLoop
"""Their silence endangers nobody, and much waits for their return."""


class Containment:
    """Of all devices of a rack."""

    def __init__(
        self,
        devices: Mapping[str, Device],
        recorder: Recorder,
        rack_log: RackLog,
        rng: random.Random,
        *,
        wired: Callable[[str], frozenset[ChannelId]],
        on_lost: Callable[[AnyLoop, DeviceError], None],
        on_opened: Callable[[str], None],
    ) -> None:
        """`wired`: the channels of a cycler that go to cells.

        `on_lost` hears of each loss, and `on_opened` when a device that was given up is open after all.
        """
        self.latched = LatchedDevices(devices, recorder)
        self.troubles: dict[str, str] = {}  # the devices that nobody hears at present, and why
        self.pending = set(devices)  # which have neither answered nor been latched
        self.all_ready = asyncio.Event()  # none is pending
        self.all_tried = asyncio.Event()  # every device has either answered, or not answered, at least once
        self._untried = set(devices)
        self._log = rack_log
        self._rng = rng
        self._wired = wired
        self._on_lost = on_lost
        self._on_opened = on_opened

    async def run(self, loop: AnyLoop) -> None:
        """For as long as the rack runs: what is latched is tried again once maintenance has checked it."""
        while True:
            intensity = RestartIntensity(self._rng)
            failure = self.latched.failure(loop.device) or await self._until_latched(loop, intensity)
            self._give_up(loop, failure)
            if isinstance(loop, DeviceLoop):
                await self._open_latched(loop, intensity)
            await self.latched.checked(loop.device)

    async def _until_latched(self, loop: AnyLoop, intensity: RestartIntensity) -> Failure:
        """What has never answered is tried for as long as it takes: it may not have been switched on yet."""
        clock = asyncio.get_running_loop().time
        is_known = False
        while True:
            try:
                await loop.prepare()
                is_known = True
                was_away = self.troubles.pop(loop.device, None) is not None
                if was_away and not isinstance(loop, Patient):
                    self._log.record("device.back", device=loop.device, text=f"{loop.device} answers again")
                self._is_tried(loop.device)
                self._is_ready(loop.device)
                await loop.run()
            except DeviceError as error:
                patiently = isinstance(loop, Patient)
                stopped_cells = isinstance(loop, DeviceLoop) and bool(loop.controllers)
                if is_known or patiently or loop.device not in self.troubles:
                    self._on_lost(loop, error)
                self.troubles[loop.device] = str(error)
                self._is_tried(loop.device)
                too_often = intensity.lost(clock(), stopped_cells=stopped_cells)
                if patiently or too_often:
                    self._is_ready(loop.device)
                # What is no matter of the wire does not go away by itself: a person has to come.
                if not isinstance(error, LinkError) or (too_often and is_known and not patiently):
                    failure = Failure(str(error), by_wire=isinstance(error, LinkError))
                    self.latched.latch(loop.device, failure)
                    return failure
                await intensity.back_off()

    def _give_up(self, loop: AnyLoop, failure: Failure) -> None:
        """Also of a device that an earlier process had given up: nobody asks it, and its outputs may be on."""
        self._log.record(
            "device.latched",
            device=loop.device,
            code=AlarmCode.CHAMBER_FAULT if isinstance(loop, ChamberLoop) else AlarmCode.STALE_DATA,
            text=f"{failure.text}; it is left alone until maintenance has checked and reset it",
            severity="error",
            by_wire=failure.by_wire,
        )
        if loop.device not in self.troubles:
            self.troubles[loop.device] = failure.text
            if isinstance(loop, DeviceLoop):
                loop.distrust(self._wired(loop.device))
        self._is_tried(loop.device)
        self._is_ready(loop.device)
        if isinstance(loop, MeterLoop):
            loop.give_up(failure.text)

    async def _open_latched(self, loop: DeviceLoop, intensity: RestartIntensity) -> None:
        """What may be on of a device that nobody runs cells on any more, and that no contactor cuts off."""
        known = cancellations()
        while loop.unopened and not self.latched.is_checked(loop.device):
            await intensity.back_off()
            try:
                await loop.open_at_last()
            except DeviceError:  # the alarm that it is not confirmed stands
                raise_if_cancelled(known=known)
            else:
                self._on_opened(loop.device)

    def _is_tried(self, device: str) -> None:
        self._untried.discard(device)
        if not self._untried:
            self.all_tried.set()

    def _is_ready(self, device: str) -> None:
        self.pending.discard(device)
        if not self.pending:
            self.all_ready.set()
