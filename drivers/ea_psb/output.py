"""The output and its set values: led on in stages, each read back, and switched off ahead of all that."""

import asyncio

from cycler.contract.errors import DeviceFault
from cycler.contract.overtaking import OffGenerations, Withdrawn
from drivers.ea_psb.declaration import CHANNEL
from drivers.ea_psb.instrument import CONFIRM_S, Instrument, Switch
from drivers.ea_psb.set_values import SWITCH_OFF, SWITCH_ON, Setting, SetValues, Write, after
from drivers.links.queue import Priority


class Output:
    """`mark` is the off-generation that a sequence of writes began in: once an off has come, `Withdrawn` is raised and
    nothing more of it is written. Raises `DeviceFault` where the device does not show what it was told."""

    def __init__(self, device: str, instrument: Instrument, offs: OffGenerations) -> None:
        self._device = device
        self._instrument = instrument
        self._offs = offs

    async def present(self) -> tuple[SetValues, int]:
        """The set values, and the voltage at the output as a count."""
        held = await self._instrument.held()
        return held.values, await self._instrument.voltage_raw()

    async def follow(self, present: SetValues, route: list[list[Write]], *, on: bool, mark: int) -> SetValues:
        """Write stage by stage; the set values that are held in the end."""
        held = present
        for stage in route:
            for write in stage:
                await self._write(write, mark)
            present, on = after(present, stage), on or SWITCH_ON in stage
            held = await self._confirm(present, on=on, mark=mark)
        return held

    async def open(self, mark: int) -> None:
        """As an order: not ahead of anything."""
        await self._write(SWITCH_OFF, mark)
        await self._confirm(None, on=False, mark=mark)

    async def switch_off(self) -> None:
        """Ahead of anything queued, again and again until the device shows it."""
        instrument, clock = self._instrument, asyncio.get_running_loop().time
        deadline_s = clock() + CONFIRM_S
        while True:
            refusal: DeviceFault | None = None
            try:
                await instrument.write(Setting.OUTPUT, 0, Priority.OFF)
            except DeviceFault as fault:
                refusal = fault
            status = await instrument.status(Priority.OFF)
            if not status.output_on:
                return
            if clock() >= deadline_s:
                raise refusal or DeviceFault(
                    self._device, f"its output is on {CONFIRM_S:g} s after it was switched off"
                )
            if refusal is not None or status.other_owner is not None:
                await instrument.switch(Switch.REMOTE, True, Priority.OFF)

    async def _write(self, write: Write, mark: int) -> None:
        def overtaken() -> bool:
            return self._offs.overtook(CHANNEL, mark)

        await self._instrument.write(write.setting, write.raw, Priority.ORDER, unless=overtaken)

    async def _confirm(self, expected: SetValues | None, *, on: bool, mark: int) -> SetValues:
        """Wait until the device shows these set values (None: whatever they are) and this output; what it shows."""
        clock = asyncio.get_running_loop().time
        deadline_s = clock() + CONFIRM_S
        while True:
            held = await self._instrument.held()
            status = await self._instrument.status(Priority.ORDER)
            shows_output = status.output_on is on
            if shows_output and (expected is None or held.confirms(expected)):
                return held.values
            if self._offs.overtook(CHANNEL, mark):
                raise Withdrawn
            if clock() >= deadline_s:
                stand = f", {status.events} stands" if status.events else ""
                detail = (
                    f"its set values are {held.values}, written were {expected}"
                    if shows_output
                    else f"its output is {'off' if on else 'on'}, ordered was {'on' if on else 'off'}{stand}"
                )
                raise DeviceFault(self._device, f"{CONFIRM_S:g} s after an order {detail}")
