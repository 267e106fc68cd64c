"""What starts and stops the chamber: always the mode of its loop, and with some an event or a key as well.

The mode is what makes it safe: one write, the same from every state. A key that acts each time it is pressed is only
pressed by somebody who has just seen that it must be, and never by two at once.
"""

import asyncio

from cycler.contract.errors import DeviceFault
from drivers.links.queue import Priority
from drivers.watlow_f4t import registers as reg
from drivers.watlow_f4t.access import Access, Unless
from drivers.watlow_f4t.options import EventRun, KeyRun, Run
from drivers.watlow_f4t.waiting import wait_until


class RunSwitch:
    """`run` is `None` where the mode is all there is."""

    def __init__(self, device: str, access: Access, control: reg.ControlMap, run: Run | None) -> None:
        self._device = device
        self._access = access
        self._control = control
        self._run = run
        self._key = asyncio.Lock()
        self._pressed_s = float("-inf")

    async def check(self) -> None:
        """Whether it runs can be read. Raises `DeviceError` where the event or output is not there."""
        if self._run is not None:
            await self._is_running(Priority.ORDER)

    async def refuse_profile(self) -> None:
        """Raises `DeviceFault` where a profile is in control, or will be."""
        state = await self._access.number(reg.PROFILE_STATE, Priority.ORDER)
        if state in reg.PROFILES_IN_CONTROL:
            raise DeviceFault(self._device, f"a profile {reg.PROFILES_IN_CONTROL[state]}: end it at its panel first")

    async def start(self, unless: Unless) -> None:
        """Raises `Withdrawn` where an off came, `DeviceFault` where it does not start."""
        access, control = self._access, self._control
        if await access.number(control.mode, Priority.ORDER) != reg.AUTO:
            await access.write_number(control.mode, reg.AUTO, Priority.ORDER, unless=unless)
        match self._run:
            case EventRun(register=register):
                await access.write_number(register, reg.ON, Priority.ORDER, unless=unless)
                await self._await_run(True, Priority.ORDER, unless)
            case KeyRun() as key:
                await self._press(key, wanted=True, priority=Priority.ORDER, unless=unless)
        await self._await_mode(reg.AUTO, Priority.ORDER, unless)

    async def stop(self) -> None:
        """Ahead of anything queued. Raises `DeviceFault` where it does not stop."""
        access, control = self._access, self._control
        await access.write_number(control.mode, reg.OFF, Priority.OFF)
        if await access.number(reg.PROFILE_STATE, Priority.OFF) in reg.PROFILES_IN_CONTROL:
            await access.write_number(reg.PROFILE_END, reg.PROFILE_TERMINATE, Priority.OFF)
            await access.write_number(control.mode, reg.OFF, Priority.OFF)  # its last step may have set another
        match self._run:
            case EventRun(register=register):
                await access.write_number(register, reg.OFF, Priority.OFF)
                await self._await_run(False, Priority.OFF, never)
            case KeyRun() as key:
                await self._press(key, wanted=False, priority=Priority.OFF, unless=never)
        await self._await_mode(reg.OFF, Priority.OFF, never)

    async def _press(self, key: KeyRun, *, wanted: bool, priority: Priority, unless: Unless) -> None:
        """Once at most, and only where it does not run as wanted."""
        clock = asyncio.get_running_loop().time
        async with self._key:
            if (wait_s := self._pressed_s + reg.KEY_GAP_S - clock()) > 0.0:
                await asyncio.sleep(wait_s)
            if await self._is_running(priority) is wanted:
                return
            act = reg.KEY_RELEASE if key.toggle and not wanted else reg.KEY_PRESS
            try:
                await self._access.write_number(key.register, act, priority, unless=unless)
            finally:
                self._pressed_s = clock()
            await self._await_run(wanted, priority, unless)

    async def _await_run(self, wanted: bool, priority: Priority, unless: Unless) -> None:
        async def look() -> str | None:
            if unless():
                return None  # what it comes to is for the off to see
            now = await self._is_running(priority)
            return None if now is wanted else f"it {'runs' if now else 'does not run'}, though it was told otherwise"

        await wait_until(self._device, look, within_s=reg.KEY_CONFIRM_S)

    async def _await_mode(self, mode: int, priority: Priority, unless: Unless) -> None:
        async def look() -> str | None:
            if unless():
                return None
            now = await self._access.number(self._control.active_mode, priority)
            return None if now == mode else f"its control mode is {now}, {mode} was ordered"

        await wait_until(self._device, look, within_s=reg.CONFIRM_S)

    async def _is_running(self, priority: Priority) -> bool:
        match self._run:
            case EventRun(register=register):
                return await self._access.number(register, priority) == reg.ON
            case KeyRun(running=running):
                return await self._access.number(running, priority) == reg.ON
        return True


def never() -> bool:
    """Nothing overtakes an off."""
    return False
