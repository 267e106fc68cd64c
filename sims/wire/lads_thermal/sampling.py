"""Subscribers are told of changes: variables that are asked for their value do not tell by themselves."""

import asyncio

from asyncua import ua
from asyncua.server.address_space import AddressSpace

SAMPLE_S = 0.25


class Sampler:
    """Looks at those variables that somebody has subscribed to, as long as there are any."""

    def __init__(self, space: AddressSpace) -> None:
        self._space = space
        self._nodes: list[ua.NodeId] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, node: ua.NodeId) -> None:
        """A variable that is asked for its value."""
        self._nodes.append(node)

    def wake(self) -> None:
        """Somebody has subscribed."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="sampler")

    async def aclose(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            watched = [await self._look(node) for node in self._nodes]
            if not any(watched):
                return
            await asyncio.sleep(SAMPLE_S)

    async def _look(self, node: ua.NodeId) -> bool:
        """Whether anybody watches it. Whether it has changed is for each subscription to say."""
        watchers = self._space[node].attributes[ua.AttributeIds.Value].datachange_callbacks
        for handle, tell in tuple(watchers.items()):
            if handle in watchers:  # it may have left while another was told
                await tell(handle, self._space.read_attribute_value(node, ua.AttributeIds.Value))
        return bool(watchers)
