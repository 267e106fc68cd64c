"""EA PSB and PSBE bidirectional supplies: one instrument, one channel. Orders and sweeps go over Modbus TCP."""

import asyncio
import contextlib
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from cycler.contract.capabilities import Capabilities, Identity
from cycler.contract.devices import ApplyResult
from cycler.contract.errors import DeviceError, DeviceFault, LinkError, ProtocolError
from cycler.contract.order import Applied, Order, Overtaken, Phase
from cycler.contract.overtaking import OffGenerations
from cycler.contract.plugin import DeviceSettings, Driver, OfflineFacts, Surroundings
from cycler.contract.sweep import ChannelId, Regulation, Running, Sweep
from drivers.ea_psb import registers as reg
from drivers.ea_psb.commissioning import Commissioning, Kept
from drivers.ea_psb.declaration import CHANNEL, Accuracy, accuracy_of, capabilities_of, check_ratings, offline_facts
from drivers.ea_psb.options import parse_options
from drivers.ea_psb.order_check import acceptable_phase, limits_kept
from drivers.ea_psb.set_values import SWITCH_ON, SetValues, Write, achieved, after, set_values_for, stages
from drivers.links.modbus import ModbusLink, Withdrawn
from drivers.links.queue import Priority
from drivers.links.scpi import ScpiLink

MODBUS_PORT, SCPI_PORT = 502, 5025

GAP_S = 0.010  # between two messages, as the maker recommends on Ethernet; 5 ms is the least
CONFIRM_S = 0.5  # set values take effect "a short, undefined time" after their echo


@dataclass(slots=True, kw_only=True)
class _InForce:
    """The order whose set values have been read back, or whose output has been seen open."""

    order_id: int
    phase: Phase  # as achieved
    since_s: float
    flow_a: float  # from here on current counts as flowing
    started_s: float | None = None  # the first reading with current; in a rest the first that shows the relay open

    @property
    def energises(self) -> bool:
        return self.phase.direction != "rest"


class EaPsb:
    """A `CyclerDriver`. README.md says what it relies on and what it does not."""

    def __init__(self, settings: DeviceSettings, surroundings: Surroundings) -> None:
        """Opens nothing. Raises `ValueError` for settings that cannot be."""
        resource, device = settings.resource, settings.device
        options = parse_options(settings, modbus_port=MODBUS_PORT, scpi_port=SCPI_PORT)
        self._device = device
        self._settings = settings
        self._utcnow = surroundings.utcnow
        self._options = options
        self._link = ModbusLink(
            device, resource.host, options.modbus_port, unit=options.unit, gap_s=GAP_S, exceptions=reg.EXCEPTIONS
        )
        self._scpi = ScpiLink(device, resource.host, options.scpi_port, gap_s=GAP_S)
        self._offs = OffGenerations((CHANNEL,))
        self._orders = asyncio.Lock()  # one sequence of writes at a time; an off never waits for it
        self._identity: Identity | None = None
        self._ratings = reg.Ratings(voltage_v=0.0, current_a=0.0, power_w=0.0)
        self._accuracy = Accuracy(voltage_v=0.0, current_a=0.0)
        self._kept = Kept()
        self._capabilities: Capabilities | None = None
        self._in_force: _InForce | None = None
        self._sinks: bool | None = None  # the direction in the last sweep

    async def connect(self) -> Identity:
        """Who answers, and its ratings. The same serial number as before, if there was a before."""
        link = self._link
        (device_type,) = await link.read(reg.DEVICE_TYPE, Priority.ORDER)
        model = reg.text(device_type)
        if not model.upper().startswith("PSB"):
            raise ProtocolError(self._device, f"register 1 says {model!r}, expected a PSB or PSBE")
        (maker,) = await link.read(reg.MAKER, Priority.ORDER)
        (serial,) = await link.read(reg.SERIAL, Priority.ORDER)
        (firmware,) = await link.read(reg.FIRMWARE, Priority.ORDER)
        identity = Identity(maker=reg.text(maker), model=model, serial=reg.text(serial), firmware=reg.text(firmware))
        if self._identity is not None and identity.serial != self._identity.serial:
            raise ProtocolError(
                self._device, f"serial number {identity.serial} answers where {self._identity.serial} did before"
            )
        voltage_v, current_a, power_w = await link.read(reg.RATINGS, Priority.ORDER)
        ratings = reg.Ratings(voltage_v=voltage_v, current_a=current_a, power_w=power_w)
        check_ratings(self._settings, ratings)
        self._ratings = ratings
        self._accuracy = accuracy_of(self._settings, ratings)
        self._identity = identity
        self._declare()
        return identity

    @property
    def capabilities(self) -> Capabilities:
        """Valid after `connect`; watchdog, protections and limit read-back after `commission`."""
        if self._capabilities is None:
            raise LinkError(self._device, "not connected yet: what it can do is not known")
        return self._capabilities

    async def adopt(self) -> Mapping[ChannelId, Running]:
        """An output found on keeps running. Its order is known only to the driver object that gave it."""
        (state,) = await self._link.read(reg.STATE, Priority.SWEEP)
        on, order = bool(state & reg.STATE_OUTPUT), self._in_force
        if order is not None and order.energises is not on:
            self._in_force = order = None
        step_time_s = None
        if order is not None and order.started_s is not None:
            step_time_s = asyncio.get_running_loop().time() - order.started_s
        return {
            CHANNEL: Running(
                energised=on,
                regulation=reg.regulation(state),
                order_id=order.order_id if order else 0,
                step_time_s=step_time_s,
            )
        }

    async def commission(self) -> None:
        """Thresholds and watchdog over SCPI, then remote control over Modbus with both currents at 0."""
        async with self._orders:
            ratings = self._connected_ratings()
            link, identity = self._link, self._identity
            (state,) = await link.read(reg.STATE, Priority.ORDER)
            if state & reg.STATE_OUTPUT:
                raise DeviceFault(self._device, "its output is on: commissioning needs it off")
            power_on = await self._power_on_output()
            if power_on not in (reg.POWER_ON_OUTPUT_OFF, None):
                raise DeviceFault(
                    self._device,
                    f"register 408 holds 0x{power_on:04X}: the output comes on with the power. "
                    'Write 0xFFFF there, or send "SYST:CONF:OUTP:REST OFF" to its SCPI port first',
                )
            self._in_force = None
            if await link.read_coil(reg.REMOTE, Priority.ORDER):
                # Else the other port cannot take control; whoever else has it, the device refuses this.
                await link.write_coil(reg.REMOTE, False, Priority.ORDER)
            self._kept = Kept()
            exchange = Commissioning(
                self._device, self._scpi, serial=identity.serial if identity else "", ratings=ratings
            )
            self._kept = await exchange.run(self._options.thresholds)
            if power_on is None:
                self._kept = replace(self._kept, complete=False)
            await self._take_control()
            for address in (reg.SOURCE_CURRENT, reg.SINK_CURRENT):
                await link.write_register(address, 0, Priority.ORDER)
            if await link.read_coil(reg.RESISTANCE_MODE, Priority.ORDER):
                await link.write_coil(reg.RESISTANCE_MODE, False, Priority.ORDER)
            self._declare()

    async def _power_on_output(self) -> int | None:
        """Register 408; None where the device does not know it, for no maker's document confirms its address."""
        try:
            (power_on,) = await self._link.read(reg.POWER_ON_OUTPUT, Priority.ORDER)
        except (ProtocolError, DeviceFault):
            return None
        return int(power_on)

    async def read(self) -> Sequence[Sweep]:
        """One sweep: voltage and current in one reply, so without skew, then the state that gives them their sign.

        An alarm does not raise: it shows as `off`, or as `limited` where the output is still on, and the next order
        answers with its name.
        """
        loop, link, ratings = asyncio.get_running_loop(), self._link, self._connected_ratings()
        order, quiet = self._in_force, not self._orders.locked()
        voltage_raw, current_raw, _ = await link.read(reg.ACTUAL, Priority.SWEEP)
        taken_s = (link.sent_s + loop.time()) / 2
        (state,) = await link.read(reg.STATE, Priority.SWEEP)
        sinks = bool(state & reg.STATE_SINK)
        current_a = reg.real(current_raw, ratings.current_a)
        if sinks is not self._sinks and current_a > self._accuracy.current_a:
            # Values and their sign come in two replies. Where the sign is not the last sweep's, it may have changed
            # before or after the values were taken: take them again, between two states that must agree.
            voltage_raw, current_raw, _ = await link.read(reg.ACTUAL, Priority.SWEEP)
            taken_s = (link.sent_s + loop.time()) / 2
            (state,) = await link.read(reg.STATE, Priority.SWEEP)
            agree, sinks = bool(state & reg.STATE_SINK) is sinks, bool(state & reg.STATE_SINK)
            current_a = reg.real(current_raw, ratings.current_a)
            if not agree and current_a > self._accuracy.current_a:
                current_a = math.nan
        self._sinks = sinks
        if sinks and current_raw:
            current_a = -current_a
        voltage_v = reg.real(voltage_raw, ratings.voltage_v)
        on = bool(state & reg.STATE_OUTPUT)
        if self._in_force is None:
            order = None  # an off came meanwhile
        elif quiet and order is self._in_force and order.energises is not on and not self._orders.locked():
            # Opened by its watchdog, an alarm or a hand at its front panel; or closed by somebody else.
            self._in_force = order = None
        regulation = reg.regulation(state)
        if order is not None and order.started_s is None:
            if on:
                regulation = self._starting(order, regulation, taken_s, voltage_v, current_a)
            elif not order.energises:
                order.started_s = taken_s  # a rest begins with the first reading that shows the relay open
        return (
            Sweep(
                taken_s=taken_s,
                taken_utc=self._utcnow() - timedelta(seconds=loop.time() - taken_s),
                channels=(CHANNEL,),
                voltage_v=(voltage_v,),
                current_a=(current_a,),
                regulation=(regulation,),
                order_id=(order.order_id if order else 0,),
                phase=(0,),
                step_time_s=(_step_time_s(order, taken_s),),
            ),
        )

    async def apply(self, orders: Mapping[ChannelId, Order]) -> Mapping[ChannelId, ApplyResult]:
        """At most one order, for the one channel."""
        answers: dict[ChannelId, ApplyResult] = {}
        for channel, order in orders.items():
            if channel != CHANNEL:
                answers[channel] = self._nowhere(channel)
                continue
            mark = self._offs.mark(CHANNEL)
            try:
                async with self._orders:
                    answers[channel] = await self._apply(order, mark)
            except Withdrawn:
                answers[channel] = Overtaken(order_id=order.order_id)
            except DeviceError as error:
                answers[channel] = error
        return answers

    async def make_safe(self, channels: Collection[ChannelId]) -> None:
        """Output off, seen in the state word. A lost connection is opened once more for it."""
        if CHANNEL in channels:
            self._offs.raise_for((CHANNEL,))
            self._in_force = None
            try:
                await self._switch_off()
            except LinkError:
                await self._switch_off()
        self._refuse_unknown(channels)

    async def acknowledge(self, channels: Collection[ChannelId]) -> None:
        """Alarms whose cause is gone go out. Raises `DeviceFault` for those that stay."""
        self._refuse_unknown(channels)
        if CHANNEL not in channels:
            return
        await self._link.write_coil(reg.ACKNOWLEDGE_ALARMS, True, Priority.ORDER)
        (state,) = await self._link.read(reg.STATE, Priority.ORDER)
        if standing := reg.alarms(state):
            raise DeviceFault(self._device, f"{standing} was acknowledged and still stands")

    async def aclose(self) -> None:
        """The device stays as it is; it opens by its own watchdog if it was left on."""
        self._link.close()
        self._scpi.close()

    async def _apply(self, order: Order, mark: int) -> Applied | Overtaken:
        phase = acceptable_phase(self._device, order, self._connected_ratings(), self._kept)
        if phase.direction == "rest":
            with self._order_lost_on_failure():
                await self._write(Write(reg.OUTPUT, 0), mark)
                await self._confirm(None, on=False, mark=mark)
            return self._now_in_force(order, phase, mark)
        (state,) = await self._link.read(reg.STATE, Priority.ORDER)
        if standing := reg.alarms(state):
            raise DeviceFault(self._device, f"{standing} stands: find its cause and acknowledge it first")
        self._check_owner(state)
        held = await self._lead_to(
            set_values_for(phase, self._ratings, power_w_max=order.limits.power_w_max),
            output_on=bool(state & reg.STATE_OUTPUT),
            mark=mark,
        )
        return self._now_in_force(order, achieved(phase, held, self._ratings), mark)

    async def _lead_to(self, target: SetValues, *, output_on: bool, mark: int) -> SetValues:
        """Write what leads there, read back after each stage; the set values held in the end."""
        present = SetValues(*await self._link.read(reg.SET_VALUES, Priority.ORDER))
        cell_raw, _, _ = await self._link.read(reg.ACTUAL, Priority.ORDER)
        on, held = output_on, present
        with self._order_lost_on_failure():
            for stage in stages(present, target, output_on=output_on, cell_raw=cell_raw):
                for write in stage:
                    await self._write(write, mark)
                present, on = after(present, stage), on or SWITCH_ON in stage
                held = await self._confirm(present, on=on, mark=mark)
        return held

    @contextlib.contextmanager
    def _order_lost_on_failure(self) -> Iterator[None]:
        """Once writing has begun and fails half-way, what the output does is no order any more."""
        try:
            yield
        except BaseException:
            self._in_force = None
            raise

    def _now_in_force(self, order: Order, phase: Phase, mark: int) -> Applied | Overtaken:
        if self._offs.overtook(CHANNEL, mark):
            return Overtaken(order_id=order.order_id)
        self._in_force = _InForce(
            order_id=order.order_id,
            phase=phase,
            since_s=asyncio.get_running_loop().time(),
            flow_a=min(self._accuracy.current_a, phase.current_a / 2),
        )
        return Applied(
            order_id=order.order_id, phases=(phase,), limits=limits_kept(order.limits, self._kept.thresholds)
        )

    async def _write(self, write: Write, mark: int) -> None:
        def overtaken() -> bool:
            return self._offs.overtook(CHANNEL, mark)

        if write.address == reg.OUTPUT:
            await self._link.write_coil(write.address, bool(write.value), Priority.ORDER, unless=overtaken)
        else:
            await self._link.write_register(write.address, write.value, Priority.ORDER, unless=overtaken)

    async def _confirm(self, expected: SetValues | None, *, on: bool, mark: int) -> SetValues:
        """Wait until the device shows these set values (None: whatever they are) and this output; what it shows."""
        clock = asyncio.get_running_loop().time
        deadline_s = clock() + CONFIRM_S
        while True:
            held = SetValues(*await self._link.read(reg.SET_VALUES, Priority.ORDER))
            (state,) = await self._link.read(reg.STATE, Priority.ORDER)
            shows_output = bool(state & reg.STATE_OUTPUT) is on
            if shows_output and (expected is None or held.confirms(expected)):
                return held
            if self._offs.overtook(CHANNEL, mark):
                raise Withdrawn
            if clock() >= deadline_s:
                standing = f", {reg.alarms(state)} stands" if reg.alarms(state) else ""
                detail = (
                    f"registers 498-502 hold {held}, written were {expected}"
                    if shows_output
                    else f"its output is {'off' if on else 'on'}, ordered was {'on' if on else 'off'}{standing}"
                )
                raise DeviceFault(self._device, f"{CONFIRM_S:g} s after an order {detail}")

    async def _switch_off(self) -> None:
        link, clock = self._link, asyncio.get_running_loop().time
        deadline_s = clock() + CONFIRM_S
        while True:
            refusal: DeviceFault | None = None
            try:
                await link.write_coil(reg.OUTPUT, False, Priority.OFF)
            except DeviceFault as fault:
                refusal = fault
            (state,) = await link.read(reg.STATE, Priority.OFF)
            if not state & reg.STATE_OUTPUT:
                return
            if clock() >= deadline_s:
                raise refusal or DeviceFault(
                    self._device, f"its output is on {CONFIRM_S:g} s after it was switched off"
                )
            if refusal is not None:
                await link.write_coil(reg.REMOTE, True, Priority.OFF)

    async def _take_control(self) -> None:
        await self._link.write_coil(reg.REMOTE, True, Priority.ORDER)
        if not await self._link.read_coil(reg.REMOTE, Priority.ORDER):
            raise DeviceFault(self._device, "it accepted remote control and is not in it")
        (state,) = await self._link.read(reg.STATE, Priority.ORDER)
        self._check_owner(state)

    def _nowhere(self, channel: ChannelId) -> ProtocolError:
        return ProtocolError(self._device, f"it has one channel, {CHANNEL}; {channel!r} is none")

    def _refuse_unknown(self, channels: Collection[ChannelId]) -> None:
        for channel in channels:
            if channel != CHANNEL:
                raise self._nowhere(channel)

    def _check_owner(self, state: int) -> None:
        # Not by bit 11, "remote active": a frame recorded from a device in remote control does not have it.
        if other := reg.LOCATIONS_NOT_OURS.get(state & reg.STATE_LOCATION):
            raise DeviceFault(self._device, f"control lies with {other}, not with this connection")

    def _starting(
        self, order: _InForce, regulation: Regulation, taken_s: float, voltage_v: float, current_a: float
    ) -> Regulation:
        """What the output holds, or `starting` as long as nothing of the order is to be seen at it.

        An output that stands at its voltage from the start lets no current flow: then the order has begun as soon as
        the set values must have taken effect.
        """
        target_v = order.phase.voltage_v
        distance_v = target_v - voltage_v if order.phase.direction == "charge" else voltage_v - target_v
        at_voltage = distance_v <= self._accuracy.voltage_v and taken_s - order.since_s >= CONFIRM_S
        if regulation != "limited" and not abs(current_a) >= order.flow_a and not at_voltage:
            return "starting"
        order.started_s = taken_s
        return regulation

    def _declare(self) -> None:
        self._capabilities = capabilities_of(
            self._ratings, self._accuracy, self._kept, watchdog_proof=self._options.watchdog_proof
        )

    def _connected_ratings(self) -> reg.Ratings:
        if self._capabilities is None:
            raise LinkError(self._device, "not connected yet: its ratings are not known")
        return self._ratings


def _step_time_s(order: _InForce | None, taken_s: float) -> float:
    """NaN without an order, 0 as long as it is starting."""
    if order is None:
        return math.nan
    return 0.0 if order.started_s is None else max(0.0, taken_s - order.started_s)


def _offline(settings: DeviceSettings) -> OfflineFacts:
    parse_options(settings, modbus_port=MODBUS_PORT, scpi_port=SCPI_PORT)
    return offline_facts(settings)


DRIVER = Driver(
    kind="cycler",
    summary="EA Elektro-Automatik PSB and PSBE 9000/10000 bidirectional supplies, one channel, over Modbus TCP",
    schemes=("modbus-tcp",),
    opens=EaPsb,
    offline=_offline,
)
