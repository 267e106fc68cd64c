"""The alarms and limit modules that the rack file names: what they mean, each chamber's maker has decided."""

from collections.abc import Sequence

from cycler.contract.errors import DeviceFault
from drivers.links.queue import Priority
from drivers.watlow_f4t import registers as reg
from drivers.watlow_f4t.access import Access


class Alarms:
    """Both count from 1."""

    def __init__(self, device: str, access: Access, alarms: Sequence[int], limit_modules: Sequence[int]) -> None:
        self._device = device
        self._access = access
        self._alarms = alarms
        self._limit_modules = limit_modules

    async def refuse(self) -> None:
        """Raises `DeviceFault` for the first that stands, has tripped or has failed."""
        for alarm in self._alarms:
            state = await self._number(reg.ALARMS + reg.ALARM_STEP * (alarm - 1))
            if state not in reg.ALARM_QUIET:
                raise DeviceFault(self._device, f"its alarm {alarm} stands, state {state}")
        for module in self._limit_modules:
            step = reg.LIMIT_STEP * (module - 1)
            state = await self._number(reg.LIMIT_STATE + step)
            status = await self._number(reg.LIMIT_STATUS + step)
            broken = await self._number(reg.LIMIT_INPUT + step)
            if state == reg.LIMIT_ERROR or status == reg.LIMIT_FAIL or broken != reg.LIMIT_INPUT_GOOD:
                codes = f"state {state}, status {status}, input error {broken}"
                raise DeviceFault(self._device, f"its limit module {module} has tripped or failed: {codes}")

    async def _number(self, address: int) -> int:
        return await self._access.number(address, Priority.SWEEP)
