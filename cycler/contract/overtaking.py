"""How make_safe overtakes an order that is already on its way."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from cycler.contract.devices import ApplyResult
from cycler.contract.errors import DeviceError, DeviceFault, LinkError
from cycler.contract.order import Order, Overtaken
from cycler.contract.sweep import ChannelId

T = TypeVar("T")


class Withdrawn(Exception):
    """The message was no longer wanted when its turn came: nothing was sent."""


class OffGenerations:
    """Counts the offs of each channel. An order is valid only as long as no off has come since it began.

    A driver has one of these: `make_safe` raises it before its first await, `apply` takes a mark before its first
    write and asks before each further one. So an emergency stop is never undone by an order that was half sent.
    """

    def __init__(self, channels: Iterable[ChannelId]) -> None:
        self._generation = dict.fromkeys(channels, 0)

    def add(self, channels: Iterable[ChannelId]) -> None:
        """Those that are new; marks of the others stay good."""
        for channel in channels:
            self._generation.setdefault(channel, 0)

    def raise_for(self, channels: Collection[ChannelId]) -> None:
        """An off came: every order of these channels that has begun is void."""
        for channel in channels:
            self._generation[channel] += 1

    def mark(self, channel: ChannelId) -> int:
        """What `overtook` compares with later."""
        return self._generation[channel]

    def overtook(self, channel: ChannelId, mark: int) -> bool:
        """Whether an off came since `mark`."""
        return self._generation[channel] != mark

    @contextmanager
    def unless_overtaken(self, device: str, channel: ChannelId) -> Iterator[Callable[[], bool]]:
        """Around all writes of one call: gives what is to be asked before each of them.

        Raises `DeviceFault` where an off came meanwhile, at the latest at the end: what was set is not in force.
        """
        mark = self.mark(channel)

        def overtaken() -> bool:
            return self.overtook(channel, mark)

        fault = DeviceFault(device, "it was made safe while this was under way")
        try:
            yield overtaken
        except (Withdrawn, DeviceFault):
            if overtaken():
                raise fault from None
            raise
        if overtaken():
            raise fault

    async def give_each(
        self,
        orders: Mapping[ChannelId, Order],
        give: Callable[[ChannelId, Order, int], Awaitable[ApplyResult]],
        *,
        unknown: Callable[[ChannelId], DeviceError],
        busy: asyncio.Lock,
    ) -> Mapping[ChannelId, ApplyResult]:
        """`apply` of a device that takes one order after the other, each with the mark of before the first.

        `give` may raise `Withdrawn` and `DeviceError`; `busy` is held meanwhile, so that sequences of writes do not
        mix. An off never waits for it.
        """
        marks = {channel: self.mark(channel) for channel in orders if channel in self._generation}
        answers: dict[ChannelId, ApplyResult] = {}
        for channel, order in orders.items():
            if channel not in marks:
                answers[channel] = unknown(channel)
                continue
            try:
                async with busy:
                    answers[channel] = await give(channel, order, marks[channel])
            except Withdrawn:
                answers[channel] = Overtaken(order_id=order.order_id)
            except DeviceError as error:
                answers[channel] = error
        return answers


async def once_more(call: Callable[[], Awaitable[T]]) -> T:
    """What a lost connection has swallowed is said again over a new one: an off is worth it."""
    try:
        return await call()
    except LinkError:
        return await call()
