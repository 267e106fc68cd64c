"""What a device still has to be told. Two siblings deliver it while sweeps go on: offs at once, orders when durable."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from cycler.contract.devices import ApplyResult, CyclerDriver
from cycler.contract.errors import DeviceError
from cycler.contract.order import Order
from cycler.contract.sweep import ChannelId
from cycler.record.journal import JournalFailed
from cycler.record.recorder import Recorder


@dataclass(frozen=True, slots=True, kw_only=True)
class Off:
    """Open the relay of this channel."""

    channel: ChannelId


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Give this order to this channel."""

    channel: ChannelId
    order: Order


Command = Off | Step


class Outbox:
    """Gathers commands; each delivery takes all that has gathered, as one batch.

    An off drops what is still queued for its channel, and never waits: not for the journal, not for an apply under way.
    """

    def __init__(
        self,
        driver: CyclerDriver,
        recorder: Recorder,
        *,
        on_applied: Callable[[Mapping[ChannelId, ApplyResult]], None],
        on_off_failed: Callable[[frozenset[ChannelId], DeviceError], None],
    ) -> None:
        """`on_applied` gets every answer of a batch, `on_off_failed` the channels not confirmed open."""
        self._driver = driver
        self._recorder = recorder
        self._on_applied = on_applied
        self._on_off_failed = on_off_failed
        self._offs: set[ChannelId] = set()
        self._orders: dict[ChannelId, Order] = {}
        self._off_posted = asyncio.Event()
        self._order_posted = asyncio.Event()

    def post(self, commands: Iterable[Command]) -> None:
        """Never waits. Later commands for a channel replace earlier ones that have not gone out."""
        for command in commands:
            if isinstance(command, Off):
                self._orders.pop(command.channel, None)
                self._offs.add(command.channel)
                self._off_posted.set()
            else:
                self._orders[command.channel] = command.order
                self._order_posted.set()

    async def deliver_offs(self) -> None:
        """Until cancelled."""
        while True:
            await self._off_posted.wait()
            self._off_posted.clear()
            channels, self._offs = frozenset(self._offs), set()
            try:
                await self._driver.make_safe(channels)
            except DeviceError as error:
                self._on_off_failed(channels, error)

    async def deliver_orders(self) -> None:
        """Until cancelled. Orders that energise wait for their record to be durable; a rest goes out at once."""
        while True:
            await self._order_posted.wait()
            self._order_posted.clear()
            await self._apply({c: order for c, order in self._orders.items() if not order.energises})
            energising = {c: order for c, order in self._orders.items() if order.energises}
            if not energising:
                continue
            try:
                await self._recorder.durable()
            except JournalFailed:
                self._orders.clear()  # the recorder has told the rack, which stops everything in order
                continue
            # What an off has dropped, or a later order replaced, meanwhile is not sent.
            await self._apply({c: order for c, order in energising.items() if self._orders.get(c) is order})

    async def _apply(self, orders: Mapping[ChannelId, Order]) -> None:
        if not orders:
            return
        for channel in orders:
            del self._orders[channel]
        try:
            answers: Mapping[ChannelId, ApplyResult] = await self._driver.apply(orders)
        except DeviceError as error:
            answers = dict.fromkeys(orders, error)
        self._on_applied(answers)
