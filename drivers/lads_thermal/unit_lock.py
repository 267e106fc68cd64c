"""The lock of a functional unit: as long as it is ours, nobody else moves the chamber."""

import asyncio

from cycler.contract.errors import DeviceFault, ProtocolError
from drivers.lads_thermal.nodes import LOCK_GRANTED
from drivers.lads_thermal.parts import LockNodes, Method
from drivers.links.opcua import OpcUaLink
from drivers.links.opcua_nodes import Argument
from drivers.links.queue import Priority

CONTEXT = "formation-cycler"


class UnitLock:
    """It belongs to a session and ends with it, or by itself where it is not renewed."""

    def __init__(self, device: str, link: OpcUaLink, nodes: LockNodes) -> None:
        self._device = device
        self._link = link
        self._nodes = nodes
        self._session = 0  # in which it was taken
        self._renew_s = self._half_s = 0.0

    async def hold(self) -> None:
        """Take it, or keep it. Raises `DeviceFault` where somebody else has it."""
        if not await self.renew():
            await self._take()

    async def renew(self) -> bool:
        """Where half of its time is over. False: it is not ours, or not any more."""
        if self._session == 0 or self._session != self._link.session:
            return False
        if self._clock() < self._renew_s:
            return True
        is_ours = await self._ask(self._nodes.renew)
        if is_ours:
            self._renew_s = self._clock() + self._half_s
        return is_ours

    async def break_it(self) -> None:
        """Whoever has it: a chamber that must stop is nobody's."""
        if self._nodes.break_it is not None:
            await self._ask(self._nodes.break_it, priority=Priority.OFF)

    async def _take(self) -> None:
        context = Argument(CONTEXT, "String")
        is_ours = await self._ask(self._nodes.init, context)
        if not is_ours:
            (client,) = await self._link.read([self._nodes.client], Priority.ORDER)
            if client.content == self._link.application_uri:
                # An earlier session of this program, whose connection was lost: the server still waits for it.
                await self.break_it()
                is_ours = await self._ask(self._nodes.init, context)
            if not is_ours:
                raise DeviceFault(self._device, f"its unit is locked by {client.content!r:.80}")
        (remaining,) = await self._link.read([self._nodes.remaining], Priority.ORDER)
        left_ms = self._link.demand(remaining)
        if not isinstance(left_ms, float) or not left_ms > 0.0:
            raise ProtocolError(self._device, f"its lock is ours for {left_ms!r:.40} ms")
        self._session, self._half_s = self._link.session, left_ms / 2000.0
        self._renew_s = self._clock() + self._half_s

    async def _ask(self, method: Method, *arguments: Argument, priority: Priority = Priority.ORDER) -> bool:
        answer = await self._link.call(method.owner, method.node, arguments, priority)
        if not answer or not isinstance(answer[0], int):
            raise ProtocolError(self._device, f"{method.node} answered {answer!r:.60}, not a status")
        return answer[0] == LOCK_GRANTED

    @staticmethod
    def _clock() -> float:
        return asyncio.get_running_loop().time()
