"""Control over the supply and its coils: taken, released, acknowledged, and each seen to have been so."""

import asyncio

from cycler.contract.errors import DeviceFault, ProtocolError
from drivers.ea_psb import registers as reg
from drivers.links.modbus import ModbusLink
from drivers.links.queue import Priority

AFTER_POWER_FAIL_S = 2.0  # V: between acknowledging a power failure and switching on
POWER_FAIL_HINT = ": a PSB 10000 lets it be acknowledged about 12 s after the power is back"  # V


class Remote:
    """Remote control over Modbus. Raises `DeviceFault` where somebody else has it, or it is not given."""

    def __init__(self, device: str, link: ModbusLink) -> None:
        self._device = device
        self._link = link

    async def refuse_restart(self) -> bool:
        """Raises `DeviceFault` where the output comes on with the power. False: the device cannot be asked."""
        try:
            (power_on,) = await self._link.read(reg.POWER_ON_OUTPUT, Priority.ORDER)
        except (ProtocolError, DeviceFault):
            return False  # no document of the maker confirms this address
        if power_on != reg.POWER_ON_OUTPUT_OFF:
            raise DeviceFault(
                self._device,
                f"register 408 holds 0x{power_on:04X}: the output comes on with the power. "
                'Write 0xFFFF there, or send "SYST:CONF:OUTP:REST OFF" to its SCPI port first',
            )
        return True

    async def take(self) -> None:
        """Resistance mode is left and both currents are closed with it: nothing of another host's is left open."""
        await self._set(reg.REMOTE, True, "remote control")
        (state,) = await self._link.read(reg.STATE, Priority.ORDER)
        self.check_owner(state)
        for address in (reg.SOURCE_CURRENT, reg.SINK_CURRENT):
            await self._link.write_register(address, 0, Priority.ORDER)
        if await self._link.read_coil(reg.RESISTANCE_MODE, Priority.ORDER):
            await self._set(reg.RESISTANCE_MODE, False, "resistance mode")

    async def release(self) -> None:
        """Else the other port cannot take control; whoever else has it, the device refuses this."""
        if await self._link.read_coil(reg.REMOTE, Priority.ORDER):
            await self._set(reg.REMOTE, False, "remote control")

    async def acknowledge(self) -> None:
        """Ends when an output may be switched on again: after a power failure that is 2 s later."""
        link, clock = self._link, asyncio.get_running_loop().time
        (before,) = await link.read(reg.STATE, Priority.ORDER)
        await link.write_coil(reg.ACKNOWLEDGE_ALARMS, True, Priority.ORDER)
        deadline_s = clock() + reg.CONFIRM_S
        while standing := reg.alarms((await link.read(reg.STATE, Priority.ORDER))[0]):
            if clock() >= deadline_s:
                hint = POWER_FAIL_HINT if reg.POWER_FAIL in standing else ""
                raise DeviceFault(self._device, f"{standing} was acknowledged and still stands{hint}")
        if reg.POWER_FAIL in reg.alarms(before):
            await asyncio.sleep(AFTER_POWER_FAIL_S)

    def check_owner(self, state: int) -> None:
        """By the state word, and not by its bit 11, "remote active": a frame recorded in remote control lacks it."""
        if other := reg.LOCATIONS_NOT_OURS.get(state & reg.STATE_LOCATION):
            raise DeviceFault(self._device, f"control lies with {other}, not with this connection")

    async def _set(self, coil: int, on: bool, what: str) -> None:
        link, clock = self._link, asyncio.get_running_loop().time
        await link.write_coil(coil, on, Priority.ORDER)
        deadline_s = clock() + reg.CONFIRM_S
        while await link.read_coil(coil, Priority.ORDER) is not on:
            if clock() >= deadline_s:
                was, shows = ("on", "off") if on else ("off", "on")
                detail = f"{what} was switched {was} and is {shows} after {reg.CONFIRM_S:g} s"
                raise DeviceFault(self._device, detail)
