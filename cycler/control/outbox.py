"""What a device still has to be told. Siblings deliver it while sweeps go on: offs at once, orders when durable."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import inf

from cycler.contract.devices import ApplyResult, CyclerDriver
from cycler.contract.errors import DeviceError
from cycler.contract.order import Order
from cycler.contract.sweep import ChannelId
from cycler.control.cancellation import raise_if_cancelled
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


OFF_AGAIN_S = 1.0


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
        """`on_applied` gets every answer of a batch, `on_off_failed` once the channels that were not confirmed open."""
        self._driver = driver
        self._recorder = recorder
        self._on_applied = on_applied
        self._on_off_failed = on_off_failed
        self._offs: set[ChannelId] = set()
        self.unconfirmed: frozenset[ChannelId] = frozenset()  # told to open, and not seen to have
        self.confirmed_s: dict[ChannelId, float] = {}  # when the device said that the last off has opened this relay
        self._recorded: dict[ChannelId, Order] = {}  # waiting for their record to be durable
        self._orders: dict[ChannelId, Order] = {}  # ready to go
        self._energised_s: dict[ChannelId, float] = {}  # until when an order that energises may still have done so
        self._off_posted = asyncio.Event()
        self._record_posted = asyncio.Event()
        self._order_posted = asyncio.Event()

    def post(self, commands: Iterable[Command]) -> None:
        """Never waits. Later commands for a channel replace earlier ones that have not gone out."""
        for command in commands:
            channel = command.channel
            self._recorded.pop(channel, None)
            self._orders.pop(channel, None)
            self.confirmed_s.pop(channel, None)
            if isinstance(command, Off):
                self._offs.add(channel)
                self._off_posted.set()
            elif command.order.energises:
                self._recorded[channel] = command.order
                self._record_posted.set()
            else:
                self._orders[channel] = command.order
                self._order_posted.set()

    def clear(self) -> None:
        """What has not gone out is void: the device was lost, and all its outputs have been found or made open."""
        self._offs.clear()
        self.unconfirmed = frozenset()
        self.confirmed_s.clear()
        self._recorded.clear()
        self._orders.clear()

    def energised_since(self, channels: Collection[ChannelId], taken_s: float) -> bool:
        """Whether an order may have closed one of these relays later than this time of the loop's clock."""
        return any(self._energised_s.get(channel, -inf) >= taken_s for channel in channels)

    async def deliver_offs(self) -> None:
        """Until cancelled. An off that was not confirmed is repeated until it is."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(OFF_AGAIN_S if self.unconfirmed else None):
                    await self._off_posted.wait()
            self._off_posted.clear()
            channels, self._offs = self.unconfirmed | self._offs, set()
            try:
                await self._driver.make_safe(channels)
            except DeviceError as error:
                raise_if_cancelled()
                failed, self.unconfirmed = channels - self.unconfirmed, channels
                if failed:
                    self._on_off_failed(failed, error)
            else:
                self.unconfirmed = frozenset()
                self.confirmed_s.update(dict.fromkeys(channels, asyncio.get_running_loop().time()))

    async def release_durable(self) -> None:
        """Until cancelled. Orders that energise become ready once their record is durable."""
        while True:
            await self._record_posted.wait()
            self._record_posted.clear()
            waiting = dict(self._recorded)
            try:
                await self._recorder.durable()
            except JournalFailed:
                self._recorded.clear()  # the recorder has told the rack, which stops everything in order
                continue
            # What an off has dropped, or a later order replaced, meanwhile is not sent.
            for channel, order in waiting.items():
                if self._recorded.get(channel) is order:
                    self._orders[channel] = self._recorded.pop(channel)
            self._order_posted.set()

    async def deliver_orders(self) -> None:
        """Until cancelled."""
        while True:
            await self._order_posted.wait()
            self._order_posted.clear()
            orders, self._orders = self._orders, {}
            if orders:
                await self._apply(orders)

    async def _apply(self, orders: Mapping[ChannelId, Order]) -> None:
        energising = [channel for channel, order in orders.items() if order.energises]
        self._energised_s.update(dict.fromkeys(energising, inf))
        try:
            answers: Mapping[ChannelId, ApplyResult] = await self._driver.apply(orders)
        except DeviceError as error:
            raise_if_cancelled()
            answers = dict.fromkeys(orders, error)
        finally:
            self._energised_s.update(dict.fromkeys(energising, asyncio.get_running_loop().time()))
        self._on_applied(answers)
