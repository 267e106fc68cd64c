"""The temperature control function: its states, and the calls that move it from one to another."""

import asyncio
from collections.abc import Callable

from cycler.contract.errors import DeviceFault, ProtocolError
from drivers.lads_thermal.nodes import STATES
from drivers.lads_thermal.parts import Parts
from drivers.lads_thermal.unit_lock import UnitLock
from drivers.links.opcua import OpcUaLink
from drivers.links.opcua_errors import Refused
from drivers.links.opcua_nodes import Argument, NodeRef, Value
from drivers.links.queue import Priority

OFF = frozenset({"Stopped", "Aborted"})
PASSING = frozenset({"Stopping", "Aborting", "Clearing"})
CONFIRM_S = 5.0  # from a call to the state that it leads to
POLL_S = 0.1


class ControlFunction:
    """Raises `DeviceFault` for a state that is not reached within `CONFIRM_S`."""

    def __init__(self, device: str, link: OpcUaLink, parts: Parts, lock: UnitLock | None) -> None:
        self._device = device
        self._link = link
        self._parts = parts
        self._lock = lock
        self._names = dict(STATES)

    async def state(self, priority: Priority) -> str:
        """Its name by LADS."""
        (value,) = await self._link.read([self._parts.state], priority)
        return await self.name_of(value, priority)

    async def name_of(self, value: Value, priority: Priority) -> str:
        """Of any state that was read."""
        state = self._link.demand(value)
        if not isinstance(state, NodeRef):
            raise ProtocolError(self._device, f"{value.node} holds {state!r:.60}, not the node of a state")
        name = self._names.get(state)
        if name is None:
            name = self._names[state] = await self._link.browse_name(state, priority)
        return name

    async def settle(self, priority: Priority) -> str:
        """The state that it is in. A change that is under way is waited for, within `CONFIRM_S`."""
        clock = asyncio.get_running_loop().time
        deadline_s = clock() + CONFIRM_S
        while True:
            state = await self.state(priority)
            if state not in PASSING or clock() >= deadline_s:
                return state
            await asyncio.sleep(POLL_S)

    async def start(self, target: Argument, unless: Callable[[], bool]) -> None:
        """From Stopped; `target` has been written already. `unless` as with `OpcUaLink.call`."""
        parts, link = self._parts, self._link
        if parts.start is not None:
            await link.call(parts.start.owner, parts.start.node, (), Priority.ORDER, unless=unless)
        elif parts.start_with_target is not None:
            method = parts.start_with_target
            await link.call(method.owner, method.node, (target,), Priority.ORDER, unless=unless)
        else:
            raise DeviceFault(self._device, f"{parts.name} is Stopped and offers no Start: start it at the device")
        await self._reach("Running")

    async def clear(self) -> None:
        """From Aborted to Stopped."""
        method = self._parts.clear
        if method is None:
            raise DeviceFault(
                self._device, f"{self._parts.name} is Aborted and offers no Clear: clear it at the device"
            )
        await self._link.call(method.owner, method.node, (), Priority.ORDER)
        await self._reach("Stopped")

    async def stop(self) -> None:
        """Off, whoever holds the lock, and again and again until it is."""
        clock = asyncio.get_running_loop().time
        deadline_s = clock() + CONFIRM_S
        while True:
            refusal = await self._call_off()
            state = await self.settle(Priority.OFF)
            if state in OFF:
                return
            if clock() >= deadline_s:
                detail = f"{self._parts.name} is {state} {CONFIRM_S:g} s after it was stopped"
                raise refusal or DeviceFault(self._device, detail)
            await asyncio.sleep(POLL_S)

    async def _call_off(self) -> Refused | None:
        """What the device has against it: that it stands still already, or something worse."""
        method = self._parts.stop
        try:
            await self._link.call(method.owner, method.node, (), Priority.OFF)
        except Refused as error:
            if error.status != "BadUserAccessDenied" or self._lock is None:
                return error
            await self._lock.break_it()  # the next attempt will show whether that was the reason
            return error
        return None

    async def _reach(self, wanted: str) -> None:
        clock = asyncio.get_running_loop().time
        deadline_s = clock() + CONFIRM_S
        while (state := await self.state(Priority.ORDER)) != wanted:
            if clock() >= deadline_s:
                raise DeviceFault(self._device, f"{self._parts.name} is {state} after {CONFIRM_S:g} s, not {wanted}")
            await asyncio.sleep(POLL_S)
