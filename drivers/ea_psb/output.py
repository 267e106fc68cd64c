"""The output and its set values over Modbus: led on in stages, each read back, and switched off ahead of all that."""

import asyncio

from cycler.contract.errors import DeviceFault
from cycler.contract.overtaking import OffGenerations
from drivers.ea_psb import registers as reg
from drivers.ea_psb.declaration import CHANNEL
from drivers.ea_psb.set_values import SWITCH_ON, SetValues, Write, after
from drivers.links.modbus import ModbusLink, Withdrawn
from drivers.links.queue import Priority

SWITCH_OFF = Write(reg.OUTPUT, 0)


class Output:
    """`mark` is the off-generation that a sequence of writes began in: once an off has come, `Withdrawn` is raised and
    nothing more of it is written. Raises `DeviceFault` where the device does not show what it was told."""

    def __init__(self, device: str, link: ModbusLink, offs: OffGenerations) -> None:
        self._device = device
        self._link = link
        self._offs = offs

    async def present(self) -> tuple[SetValues, int]:
        """The set values, and the voltage at the output as a count."""
        values = SetValues(*await self._link.read(reg.SET_VALUES, Priority.ORDER))
        voltage_raw, _, _ = await self._link.read(reg.ACTUAL, Priority.ORDER)
        return values, voltage_raw

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
        """Ahead of anything queued, again and again until the state word shows it."""
        link, clock = self._link, asyncio.get_running_loop().time
        deadline_s = clock() + reg.CONFIRM_S
        while True:
            refusal: DeviceFault | None = None
            try:
                await link.write_coil(reg.OUTPUT, False, Priority.OFF)
            except DeviceFault as fault:
                refusal = fault
            (state,) = await link.read(reg.STATE, Priority.OFF)
            if not state & reg.STATE_OUTPUT:
                return
            if clock() >= deadline_s:
                raise refusal or DeviceFault(
                    self._device, f"its output is on {reg.CONFIRM_S:g} s after it was switched off"
                )
            if refusal is not None:
                await link.write_coil(reg.REMOTE, True, Priority.OFF)

    async def _write(self, write: Write, mark: int) -> None:
        def overtaken() -> bool:
            return self._offs.overtook(CHANNEL, mark)

        if write.address == reg.OUTPUT:
            await self._link.write_coil(write.address, bool(write.value), Priority.ORDER, unless=overtaken)
        else:
            await self._link.write_register(write.address, write.value, Priority.ORDER, unless=overtaken)

    async def _confirm(self, expected: SetValues | None, *, on: bool, mark: int) -> SetValues:
        """Wait until the device shows these set values (None: whatever they are) and this output; what it shows."""
        clock = asyncio.get_running_loop().time
        deadline_s = clock() + reg.CONFIRM_S
        while True:
            held = SetValues(*await self._link.read(reg.SET_VALUES, Priority.ORDER))
            (state,) = await self._link.read(reg.STATE, Priority.ORDER)
            shows_output = bool(state & reg.STATE_OUTPUT) is on
            if shows_output and (expected is None or held.confirms(expected)):
                return held
            if self._offs.overtook(CHANNEL, mark):
                raise Withdrawn
            if clock() >= deadline_s:
                stand = f", {reg.events(state)} stands" if reg.events(state) else ""
                detail = (
                    f"registers 498-502 hold {held}, written were {expected}"
                    if shows_output
                    else f"its output is {'off' if on else 'on'}, ordered was {'on' if on else 'off'}{stand}"
                )
                raise DeviceFault(self._device, f"{reg.CONFIRM_S:g} s after an order {detail}")
