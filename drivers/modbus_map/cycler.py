"""A cycler of set values: voltage, two currents and an output per channel, limits and a watchdog of its own."""

import asyncio
import contextlib
import math
from collections.abc import Collection, Iterator, Mapping, Sequence

from cycler.contract.capabilities import Capabilities, Identity, Watchdog
from cycler.contract.devices import ApplyResult
from cycler.contract.errors import DeviceError, DeviceFault, LinkError, ProtocolError
from cycler.contract.order import Applied, Order, Overtaken
from cycler.contract.overtaking import OffGenerations, once_more
from cycler.contract.sweep import ChannelId, Regulation, Running, Sweep
from drivers.links.queue import Priority
from drivers.modbus_map.channel import Channel
from drivers.modbus_map.in_force import InForce
from drivers.modbus_map.mapped import CONFIRM_S, Mapped
from drivers.modbus_map.orders import capabilities_of, refusal

OFF_S_MAX = 2.0  # then one more channel at most is tried over it


class MappedCycler:
    """A `CyclerDriver`. As long as its map is not commissioned, it reads and switches off, and energises nothing."""

    def __init__(self, mapped: Mapped) -> None:
        registers = [register for register in mapped.map.registers if register.name in ("voltage", "current")]
        self._mapped = mapped
        self._device = mapped.device
        self._measured = mapped.numbers(registers)
        self._outputs = mapped.switches([bit for bit in mapped.map.bits if bit.name == "output"])
        self._orders = asyncio.Lock()  # one sequence of writes at a time; an off never waits for it
        self._watchdog: Watchdog | None = None
        self._capabilities = self._declared()
        self._channels = {channel: Channel(mapped, channel) for channel in self._capabilities.channels}
        self._offs = OffGenerations(self._channels)
        self._in_force: dict[ChannelId, InForce] = {}

    @property
    def capabilities(self) -> Capabilities:
        """As the map says; watchdog, protections and limit read-back after `commission`."""
        return self._capabilities

    async def connect(self) -> Identity:
        identity = await self._mapped.identify()
        await self._measured.read(Priority.ORDER)
        await self._outputs.read(Priority.ORDER)
        return identity

    async def adopt(self) -> Mapping[ChannelId, Running]:
        """An output found on keeps running. Its order is known only to the driver object that gave it."""
        states = await self._outputs.read(Priority.SWEEP)
        return {channel: self._running(channel, states["output", channel]) for channel in self._channels}

    async def commission(self) -> None:
        """Currents to 0, limits to the ends of the range, the watchdog set; all read back.

        Over a map that is not commissioned nothing is written: who knows where it would go.
        """
        async with self._orders:
            states = await self._outputs.read(Priority.ORDER)
            if on := [str(channel) for (_, channel), is_on in states.items() if is_on]:
                raise DeviceFault(self._device, f"output {', '.join(on)} on: commissioning needs all of them off")
            self._in_force.clear()
            if self._mapped.map.commissioned is None:
                return
            for channel in self._channels.values():
                await channel.close_currents()
            self._watchdog = await self._mapped.arm_watchdog()
            self._capabilities = self._declared()

    async def read(self) -> Sequence[Sweep]:
        clock = asyncio.get_running_loop().time
        orders, quiet, begin_s = dict(self._in_force), not self._orders.locked(), clock()
        values = await self._measured.read(Priority.SWEEP)
        taken_s = (begin_s + clock()) / 2
        states = await self._outputs.read(Priority.SWEEP)
        quiet = quiet and not self._orders.locked()
        rows: list[tuple[Regulation, int, float]] = []
        for channel in self._channels:
            on = states["output", channel]
            order = self._still(channel, orders.get(channel), quiet, on)
            step_time_s = math.nan
            if order is not None:
                step_time_s = order.step_time_s(taken_s, on=on, current_a=values["current", channel])
            rows.append(("unknown" if on else "off", order.order_id if order else 0, step_time_s))
        return (
            Sweep(
                taken_s=taken_s,
                taken_utc=self._mapped.utc_at(taken_s),
                channels=tuple(self._channels),
                voltage_v=[values["voltage", channel] for channel in self._channels],
                current_a=[values["current", channel] for channel in self._channels],
                regulation=[regulation for regulation, _, _ in rows],
                order_id=[order_id for _, order_id, _ in rows],
                phase=[0] * len(rows),
                step_time_s=[step_time_s for _, _, step_time_s in rows],
            ),
        )

    async def apply(self, orders: Mapping[ChannelId, Order]) -> Mapping[ChannelId, ApplyResult]:
        """One channel after the other."""
        return await self._offs.give_each(orders, self._apply, unknown=self._nowhere, busy=self._orders)

    async def make_safe(self, channels: Collection[ChannelId]) -> None:
        """Outputs off, all of them told before any is looked at, and again those that are not seen to be off. A wire
        that stays dead is given up after `OFF_S_MAX`: whoever can open a contactor instead waits for it."""
        clock = asyncio.get_running_loop().time
        on = [channel for channel in self._channels if channel in channels]
        self._offs.raise_for(on)
        for channel in on:
            self._in_force.pop(channel, None)
        give_up_s, deadline_s = clock() + OFF_S_MAX, math.inf
        while on:
            failed = await self._tell_off(on, give_up_s)
            deadline_s = min(deadline_s, clock() + CONFIRM_S)
            states = await once_more(lambda: self._outputs.read(Priority.OFF))
            on = [channel for channel in on if states["output", channel]]
            if on and clock() >= deadline_s:
                detail = f"channel {', '.join(on)}: output on {CONFIRM_S:g} s after it was switched off"
                raise failed or DeviceFault(self._device, detail)
        self._refuse_unknown(channels)

    async def acknowledge(self, channels: Collection[ChannelId]) -> None:
        self._refuse_unknown(channels)
        for channel in channels:
            await self._channels[channel].acknowledge()

    async def aclose(self) -> None:
        """Its outputs stay as they are, until its watchdog opens them."""
        self._mapped.link.close()

    async def _apply(self, channel: ChannelId, order: Order, mark: int) -> Applied | Overtaken:
        why = refusal(order, self._capabilities) or self._uncommissioned(order)
        if why is not None:
            raise DeviceFault(self._device, f"order {order.order_id} refused: {why}")

        def overtaken() -> bool:
            return self._offs.overtook(channel, mark)

        (phase,), limits = order.phases, order.limits
        if order.energises:
            await self._mapped.check_watchdog(self._watchdog)
        with self._order_lost_on_failure(channel):
            if order.energises:
                phase, limits = await self._channels[channel].lead(order, overtaken)
            else:
                await self._channels[channel].open(overtaken)
        if overtaken():
            return Overtaken(order_id=order.order_id)
        accuracy_a = self._capabilities.range.current_accuracy_a
        self._in_force[channel] = InForce(
            order_id=order.order_id,
            phase=phase,
            flow_a=min(accuracy_a, phase.current_a / 2),
            since_s=asyncio.get_running_loop().time(),
        )
        return Applied(order_id=order.order_id, phases=(phase,), limits=limits)

    def _uncommissioned(self, order: Order) -> str | None:
        if not order.energises:
            return None
        if self._mapped.map.commissioned is None:
            return (
                f"its register map {self._mapped.map.file} is not commissioned: prove scales, signs, limits and "
                "watchdog on a dummy load, and write `commissioned: {by, date, evidence}` into it"
            )
        return None if self._watchdog is not None else "it was not commissioned since it was connected"

    @contextlib.contextmanager
    def _order_lost_on_failure(self, channel: ChannelId) -> Iterator[None]:
        """Once writing has begun and fails half-way, what the output does is no order any more."""
        try:
            yield
        except BaseException:
            self._in_force.pop(channel, None)
            raise

    async def _tell_off(self, channels: Collection[ChannelId], give_up_s: float) -> DeviceError | None:
        """The first error, once all have been told; raises it where the wire stays dead."""
        failed: DeviceError | None = None
        for channel in channels:
            try:
                await once_more(self._channels[channel].switch_off)
            except DeviceError as error:
                failed = failed or error
                if isinstance(error, LinkError) and asyncio.get_running_loop().time() >= give_up_s:
                    raise failed from None
        return failed

    def _still(self, channel: ChannelId, order: InForce | None, quiet: bool, on: bool) -> InForce | None:
        """The order of before this sweep, if it is still the one that the output shows."""
        present = self._in_force.get(channel)
        if present is None:
            return None  # an off came meanwhile
        if quiet and order is present and order.energises is not on:
            # Opened by its watchdog, an alarm or a hand at its front panel; or closed by somebody else.
            del self._in_force[channel]
            return None
        return order

    def _running(self, channel: ChannelId, on: bool) -> Running:
        order = self._in_force.get(channel)
        if order is not None and order.energises is not on:
            del self._in_force[channel]
            order = None
        step_time_s = None
        if order is not None and order.started_s is not None:
            step_time_s = asyncio.get_running_loop().time() - order.started_s
        return Running(
            energised=on,
            regulation="unknown" if on else "off",
            order_id=order.order_id if order else 0,
            step_time_s=step_time_s,
        )

    def _declared(self) -> Capabilities:
        transactions = self._measured.transactions + self._outputs.transactions
        return capabilities_of(self._mapped.map, sweep_transactions=transactions, watchdog=self._watchdog)

    def _nowhere(self, channel: ChannelId) -> ProtocolError:
        return ProtocolError(self._device, f"it has no channel {channel!r}; there are {', '.join(self._channels)}")

    def _refuse_unknown(self, channels: Collection[ChannelId]) -> None:
        for channel in channels:
            if channel not in self._channels:
                raise self._nowhere(channel)
