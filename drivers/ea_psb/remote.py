"""Control over the supply: taken, released, alarms acknowledged, and each seen to have been so."""

import asyncio

from cycler.contract.errors import DeviceFault
from drivers.ea_psb.instrument import CONFIRM_S, POWER_FAIL, Instrument, Status, Switch
from drivers.ea_psb.set_values import Setting
from drivers.links.queue import Priority

AFTER_POWER_FAIL_S = 2.0  # V: between acknowledging a power failure and switching on
POWER_FAIL_HINT = ": a PSB 10000 lets it be acknowledged about 12 s after the power is back"  # V


class Remote:
    """Remote control over our wire. Raises `DeviceFault` where somebody else has it, or it is not given."""

    def __init__(self, device: str, instrument: Instrument) -> None:
        self._device = device
        self._instrument = instrument

    async def take(self) -> None:
        """Resistance mode is left and both currents are closed with it: nothing of another host's is left open."""
        await self._set(Switch.REMOTE, True)
        self.check_owner(await self._instrument.status(Priority.ORDER))
        for setting in (Setting.SOURCE_CURRENT, Setting.SINK_CURRENT):
            await self._instrument.write(setting, 0, Priority.ORDER)
        if await self._instrument.is_on(Switch.RESISTANCE_MODE):
            await self._set(Switch.RESISTANCE_MODE, False)

    async def release(self) -> None:
        """Else the other port cannot take control; whoever else has it, the device refuses this."""
        if await self._instrument.is_on(Switch.REMOTE):
            await self._set(Switch.REMOTE, False)

    async def acknowledge(self) -> None:
        """Ends when an output may be switched on again: after a power failure that is 2 s later."""
        instrument, clock = self._instrument, asyncio.get_running_loop().time
        before = await instrument.status(Priority.ORDER)
        await instrument.acknowledge_alarms()
        deadline_s = clock() + CONFIRM_S
        while standing := (await instrument.status(Priority.ORDER)).alarms:
            if clock() >= deadline_s:
                hint = POWER_FAIL_HINT if POWER_FAIL in standing else ""
                raise DeviceFault(self._device, f"{standing} was acknowledged and still stands{hint}")
        if POWER_FAIL in before.alarms:
            await asyncio.sleep(AFTER_POWER_FAIL_S)

    def check_owner(self, status: Status) -> None:
        """Raises where the status names another."""
        if status.other_owner is not None:
            raise DeviceFault(self._device, f"control lies with {status.other_owner}, not with this connection")

    async def _set(self, what: Switch, on: bool) -> None:
        clock = asyncio.get_running_loop().time
        await self._instrument.switch(what, on, Priority.ORDER)
        deadline_s = clock() + CONFIRM_S
        while await self._instrument.is_on(what) is not on:
            if clock() >= deadline_s:
                was, shows = ("on", "off") if on else ("off", "on")
                detail = f"{what.value} was switched {was} and is {shows} after {CONFIRM_S:g} s"
                raise DeviceFault(self._device, detail)
