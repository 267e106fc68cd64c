"""EA PSB and PSBE bidirectional supplies: one instrument, one channel."""

import asyncio
import contextlib
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from cycler.contract.capabilities import Capabilities, Identity
from cycler.contract.devices import ApplyResult
from cycler.contract.errors import DeviceFault, LinkError, ProtocolError
from cycler.contract.order import Applied, Order, Overtaken, Phase
from cycler.contract.overtaking import OffGenerations, once_more
from cycler.contract.plugin import DeviceSettings, Driver, OfflineFacts, Surroundings
from cycler.contract.sweep import ChannelId, Running, Sweep
from drivers.ea_psb.commissioning import Commissioning, Kept
from drivers.ea_psb.connected import Connected, read_connected
from drivers.ea_psb.declaration import CHANNEL, offline_facts
from drivers.ea_psb.in_force import InForce
from drivers.ea_psb.options import parse_options
from drivers.ea_psb.order_check import acceptable_phase, limits_kept
from drivers.ea_psb.output import Output
from drivers.ea_psb.ports import SCHEMES, commissioning_link_of, instrument_of
from drivers.ea_psb.remote import Remote
from drivers.ea_psb.set_values import achieved, set_values_for, stages
from drivers.links.queue import Priority


class EaPsb:
    """A `CyclerDriver`. README.md says what it relies on and what it does not."""

    def __init__(self, settings: DeviceSettings, surroundings: Surroundings) -> None:
        """Opens nothing. Raises `ValueError` for settings that cannot be."""
        device = settings.device
        self._options = parse_options(settings)
        self._device = device
        self._settings = settings
        self._utcnow = surroundings.utcnow
        self._instrument = instrument_of(settings)
        self._commissioning = commissioning_link_of(settings)
        self._offs = OffGenerations((CHANNEL,))
        self._orders = asyncio.Lock()  # one sequence of writes at a time; an off never waits for it
        self._output = Output(device, self._instrument, self._offs)
        self._remote = Remote(device, self._instrument)
        self._connected: Connected | None = None
        self._in_force: InForce | None = None

    async def connect(self) -> Identity:
        """Who answers, its ratings and adjustment limits. The same serial number as before, if there was a before."""
        before, now = self._connected, await read_connected(self._instrument, self._settings)
        if before is not None:
            if now.identity.serial != before.identity.serial:
                raise ProtocolError(
                    self._device,
                    f"serial number {now.identity.serial} answers where {before.identity.serial} did before",
                )
            now = replace(now, kept=before.kept)
        self._connected = now
        return now.identity

    @property
    def capabilities(self) -> Capabilities:
        """Valid after `connect`; watchdog, protections and limit read-back after `commission`."""
        return self._known().capabilities

    async def adopt(self) -> Mapping[ChannelId, Running]:
        """An output found on keeps running. Its order is known only to the driver object that gave it."""
        status = await self._instrument.status(Priority.SWEEP)
        on, order = status.output_on, self._in_force
        if order is not None and order.energises is not on:
            self._in_force = order = None
        step_time_s = None
        if order is not None and order.started_s is not None:
            step_time_s = order.step_time_s(asyncio.get_running_loop().time())
        return {
            CHANNEL: Running(
                energised=on,
                regulation=status.regulation,
                order_id=order.order_id if order else 0,
                step_time_s=step_time_s,
            )
        }

    async def commission(self) -> None:
        """Thresholds and watchdog over SCPI, then remote control over our own wire with both currents at 0."""
        async with self._orders:
            connected, instrument = self._known(), self._instrument
            if (await instrument.status(Priority.ORDER)).output_on:
                raise DeviceFault(self._device, "its output is on: commissioning needs it off")
            restart_known = await instrument.refuse_restart()
            connected = replace(connected, reach=await instrument.reach(), kept=Kept())
            connected.reach.check_closable(self._device, connected.ratings)
            self._connected, self._in_force = connected, None
            await self._remote.release()
            exchange = Commissioning(
                self._device, self._commissioning, serial=connected.identity.serial, ratings=connected.ratings
            )
            kept = await exchange.run(self._options)
            if not restart_known:
                kept = replace(kept, unanswered=(*kept.unanswered, "register 408"))
            await self._remote.take()
            self._connected = replace(connected, kept=kept)

    async def read(self) -> Sequence[Sweep]:
        """One sweep. An alarm does not raise: it shows as `off`, or as `limited` where the output is still on, and the
        next order answers with its name."""
        loop, connected = asyncio.get_running_loop(), self._known()
        order, quiet = self._in_force, not self._orders.locked()
        seen = await self._instrument.measure(accuracy_a=connected.accuracy.current_a)
        on = seen.status.output_on
        if self._in_force is None:
            order = None  # an off came meanwhile
        elif quiet and order is self._in_force and order.energises is not on and not self._orders.locked():
            # Opened by its watchdog, an alarm or a hand at its front panel; or closed by somebody else.
            self._in_force = order = None
        if order is None:
            regulation, order_id, step_time_s = seen.status.regulation, 0, math.nan
        else:
            regulation = order.regulation(seen, accuracy_v=connected.accuracy.voltage_v)
            order_id, step_time_s = order.order_id, order.step_time_s(seen.taken_s)
        return (
            Sweep(
                taken_s=seen.taken_s,
                taken_utc=self._utcnow() - timedelta(seconds=loop.time() - seen.taken_s),
                channels=(CHANNEL,),
                voltage_v=(seen.voltage_v,),
                current_a=(seen.current_a,),
                regulation=(regulation,),
                order_id=(order_id,),
                phase=(0,),
                step_time_s=(step_time_s,),
            ),
        )

    async def apply(self, orders: Mapping[ChannelId, Order]) -> Mapping[ChannelId, ApplyResult]:
        """At most one order, for the one channel."""
        return await self._offs.give_each(orders, self._apply, unknown=self._nowhere, busy=self._orders)

    async def make_safe(self, channels: Collection[ChannelId]) -> None:
        """Output off, seen in the state word. A lost connection is opened once more for it."""
        if CHANNEL in channels:
            self._offs.raise_for((CHANNEL,))
            self._in_force = None
            await once_more(self._output.switch_off)
        self._refuse_unknown(channels)

    async def acknowledge(self, channels: Collection[ChannelId]) -> None:
        """Alarms whose cause is gone go out. Raises `DeviceFault` for those that stay."""
        self._refuse_unknown(channels)
        if CHANNEL in channels:
            await self._remote.acknowledge()

    async def aclose(self) -> None:
        """The device stays as it is; it opens by its own watchdog if it was left on."""
        self._instrument.close()
        self._commissioning.close()

    async def _apply(self, _channel: ChannelId, order: Order, mark: int) -> Applied | Overtaken:
        connected, output = self._known(), self._output
        phase = acceptable_phase(self._device, order, connected)
        if phase.direction == "rest":
            with self._order_lost_on_failure():
                await output.open(mark)
            return self._now_in_force(order, phase, connected, mark)
        status = await self._instrument.status(Priority.ORDER)
        if status.alarms:
            raise DeviceFault(self._device, f"{status.alarms} stands: find its cause and acknowledge it first")
        self._remote.check_owner(status)
        ratings, reach = connected.ratings, connected.reach
        target = set_values_for(phase, ratings, reach, power_w_max=order.limits.power_w_max)
        present, voltage_raw = await output.present()
        route = stages(present, target, output_on=status.output_on, cell_raw=reach.nearest_voltage(voltage_raw))
        with self._order_lost_on_failure():
            held = await output.follow(present, route, on=status.output_on, mark=mark)
        return self._now_in_force(order, achieved(phase, held, ratings), connected, mark)

    @contextlib.contextmanager
    def _order_lost_on_failure(self) -> Iterator[None]:
        """Once writing has begun and fails half-way, what the output does is no order any more."""
        try:
            yield
        except BaseException:
            self._in_force = None
            raise

    def _now_in_force(self, order: Order, phase: Phase, connected: Connected, mark: int) -> Applied | Overtaken:
        if self._offs.overtook(CHANNEL, mark):
            return Overtaken(order_id=order.order_id)
        self._in_force = InForce(
            order_id=order.order_id,
            phase=phase,
            since_s=asyncio.get_running_loop().time(),
            flow_a=min(connected.accuracy.current_a, phase.current_a / 2),
        )
        limits = limits_kept(order.limits, connected.kept.standing)
        return Applied(order_id=order.order_id, phases=(phase,), limits=limits)

    def _known(self) -> Connected:
        if self._connected is None:
            raise LinkError(self._device, "not connected yet: neither its ratings nor what it can do are known")
        return self._connected

    def _nowhere(self, channel: ChannelId) -> ProtocolError:
        return ProtocolError(self._device, f"it has one channel, {CHANNEL}; {channel!r} is none")

    def _refuse_unknown(self, channels: Collection[ChannelId]) -> None:
        for channel in channels:
            if channel != CHANNEL:
                raise self._nowhere(channel)


def _offline(settings: DeviceSettings) -> OfflineFacts:
    parse_options(settings)
    instrument_of(settings)
    return offline_facts(settings)


DRIVER = Driver(
    kind="cycler",
    summary="EA Elektro-Automatik PSB and PSBE 9000/10000 bidirectional supplies, one channel, over Modbus or SCPI",
    schemes=SCHEMES,
    opens=EaPsb,
    offline=_offline,
)
