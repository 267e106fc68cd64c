"""Keithley 2450, 2460 and 2461 SourceMeters: one instrument, one channel."""

import asyncio
import contextlib
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from cycler.contract.capabilities import Capabilities, Identity
from cycler.contract.devices import ApplyResult
from cycler.contract.errors import DeviceFault, LinkError, ProtocolError
from cycler.contract.order import Applied, DeviceLimits, Order, Overtaken, Phase
from cycler.contract.overtaking import OffGenerations, Withdrawn, once_more
from cycler.contract.plugin import DeviceSettings, Driver, Surroundings
from cycler.contract.sweep import ChannelId, Running, Sweep
from drivers.keithley_2450 import commands as cmd
from drivers.keithley_2450.declaration import CHANNEL, Scale, capabilities_of, offline_facts, scale_of
from drivers.keithley_2450.in_force import InForce
from drivers.keithley_2450.options import parse_options
from drivers.keithley_2450.order_check import acceptable_phase
from drivers.keithley_2450.output import Output
from drivers.keithley_2450.settings import open_circuit
from drivers.links.endpoint import refuse_unknown_keys
from drivers.links.queue import Priority
from drivers.links.scpi import ScpiLink

EVENTS_SHOWN_MAX = 8
_MAKER, _MODEL = "KEITHLEY", "MODEL "


@dataclass(frozen=True, kw_only=True)
class Connected:
    """What is known only once it has answered."""

    identity: Identity
    scale: Scale
    capabilities: Capabilities


class Keithley2450:
    """A `CyclerDriver`. README.md says what it relies on and what it does not."""

    def __init__(self, settings: DeviceSettings, surroundings: Surroundings) -> None:
        """Opens nothing. Raises `ValueError` for settings that cannot be."""
        device = settings.device
        self._device = device
        self._settings = settings
        self._options = parse_options(settings)
        self._utcnow = surroundings.utcnow
        if settings.resource.scheme != "visa":
            refuse_unknown_keys(settings.resource)
        self._link = ScpiLink.to(device, settings.resource)
        self._offs = OffGenerations((CHANNEL,))
        self._orders = asyncio.Lock()  # one sequence of messages at a time; an off never waits for it
        self._output = Output(device, self._link, self._offs)
        self._connected: Connected | None = None
        self._in_force: InForce | None = None

    async def connect(self) -> Identity:
        """Who answers, in which language. The same serial number as before, if there was a before."""
        device, before = self._device, self._connected
        identity = await self._link.query(cmd.IDENTITY, Priority.ORDER)
        fields = [field.strip() for field in identity.split(",")]
        model = fields[1].removeprefix(_MODEL) if len(fields) == 4 else ""
        if not fields[0].startswith(_MAKER) or model not in cmd.MODELS:
            raise ProtocolError(device, f"{identity[:60]!r} answers, expected a Keithley {', '.join(cmd.MODELS)}")
        language = await self._link.query(cmd.LANGUAGE, Priority.ORDER)
        if language != "SCPI":
            mend = 'send "*LANG SCPI" and switch it off and on'
            raise ProtocolError(device, f"its command set is {language[:20]!r}, expected SCPI: {mend}")
        found = Identity(maker=fields[0], model=model, serial=fields[2], firmware=fields[3])
        if before is not None and found.serial != before.identity.serial:
            raise ProtocolError(
                device, f"serial number {found.serial} answers where {before.identity.serial} did before"
            )
        scale = scale_of(device, model, self._options)
        self._connected = Connected(identity=found, scale=scale, capabilities=capabilities_of(scale, self._settings))
        return found

    @property
    def capabilities(self) -> Capabilities:
        """Valid after `connect`."""
        return self._known().capabilities

    async def adopt(self) -> Mapping[ChannelId, Running]:
        """An output found on keeps running. Its order is known only to the driver object that gave it."""
        self._known()
        measured, order = await self._output.measuring.measure(Priority.SWEEP), self._in_force
        if order is not None and not measured.on:
            self._in_force = order = None
        step_time_s = None
        if order is not None and order.started_s is not None:
            step_time_s = order.step_time_s(asyncio.get_running_loop().time())
        running = Running(
            energised=measured.on,
            regulation=measured.regulation,
            order_id=order.order_id if order else 0,
            step_time_s=step_time_s,
        )
        return {CHANNEL: running}

    async def commission(self) -> None:
        """Everything as the factory has it, but for what an open-circuit measurement needs. The event queue is empty
        afterwards."""
        async with self._orders:
            scale, link, mark = self._known().scale, self._link, self._offs.mark(CHANNEL)
            if await self._output.is_on(Priority.ORDER):
                raise DeviceFault(self._device, "its output is on: commissioning needs it off")
            self._in_force = None
            await link.write(cmd.RESET, Priority.ORDER)
            await link.query(cmd.FINISHED, Priority.ORDER, timeout_s=cmd.RESET_S_MAX)
            step_v = next(step_v for step_v in cmd.PROTECTIONS_V if step_v > scale.voltage_v_max)
            await link.write(f":SOUR:VOLT:PROT PROT{step_v}", Priority.ORDER)  # K
            try:
                await self._output.configure(open_circuit(scale), mark)
            except Withdrawn:
                raise DeviceFault(self._device, "it was switched off while it was commissioned") from None
            if events := await self._events():
                raise DeviceFault(self._device, f"commissioning queued {'; '.join(events)}")

    async def read(self) -> Sequence[Sweep]:
        """One sweep. With the output off there is no voltage to be seen: it is NaN."""
        loop = asyncio.get_running_loop()
        self._known()
        order, quiet = self._in_force, not self._orders.locked()
        seen = await self._output.measuring.measure(Priority.SWEEP)
        if self._in_force is not order:
            order = None  # an off or another order came meanwhile
        elif quiet and order is not None and not seen.on and not self._orders.locked():
            # Opened by over-temperature, or a hand at its front panel.
            self._in_force = order = None
        regulation, order_id, step_time_s = seen.regulation, 0, math.nan
        if order is not None:
            regulation = order.regulation(seen)
            order_id, step_time_s = order.order_id, order.step_time_s(seen.taken_s)
        return (
            Sweep(
                taken_s=seen.taken_s,
                taken_utc=self._utcnow() - timedelta(seconds=loop.time() - seen.taken_s),
                skew_s=cmd.READING_SKEW_S,
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
        """Output off and its relay open, by its own word. A lost connection is opened once more for it."""
        if CHANNEL in channels:
            self._offs.raise_for((CHANNEL,))
            self._in_force = None
            await once_more(self._output.switch_off)
        self._refuse_unknown(channels)

    async def acknowledge(self, channels: Collection[ChannelId]) -> None:
        """The event queue is emptied. Raises `DeviceFault` for an event that comes again at once."""
        self._refuse_unknown(channels)
        if CHANNEL in channels:
            await self._link.write(cmd.CLEAR_EVENTS, Priority.ORDER)
            if events := await self._events():
                raise DeviceFault(self._device, f"its event queue was emptied and holds {'; '.join(events)}")

    async def aclose(self) -> None:
        """The device stays as it is. It has no watchdog: an output that was left on stays on."""
        self._link.close()

    async def _apply(self, _channel: ChannelId, order: Order, mark: int) -> Applied | Overtaken:
        scale = self._known().scale
        phase = acceptable_phase(self._device, order, scale)
        with self._order_lost_on_failure():
            if phase.direction == "rest":
                await self._output.rest(scale, mark)
            else:
                phase = await self._output.drive(phase, scale, mark)
        return self._now_in_force(order, phase, mark)

    @contextlib.contextmanager
    def _order_lost_on_failure(self) -> Iterator[None]:
        """Once settings have been touched and that fails half-way, what the output does is no order any more."""
        try:
            yield
        except BaseException:
            self._in_force = None
            raise

    def _now_in_force(self, order: Order, phase: Phase, mark: int) -> Applied | Overtaken:
        if self._offs.overtook(CHANNEL, mark):
            return Overtaken(order_id=order.order_id)
        accuracy_a = self.capabilities.range.current_accuracy_a
        self._in_force = InForce(
            order_id=order.order_id,
            phase=phase,
            since_s=asyncio.get_running_loop().time(),
            flow_a=min(accuracy_a, phase.current_a / 2),
        )
        # Its voltage and current are the order's own set values: it has no limits beside them.
        return Applied(order_id=order.order_id, phases=(phase,), limits=DeviceLimits())

    async def _events(self) -> list[str]:
        """Taken out of the queue."""
        events: list[str] = []
        while len(events) < EVENTS_SHOWN_MAX:
            found = cmd.event(self._device, await self._link.query(cmd.NEXT_EVENT, Priority.ORDER))
            if found is None:
                break
            events.append(found)
        return events

    def _known(self) -> Connected:
        if self._connected is None:
            raise LinkError(self._device, "not connected yet: it is not known which model it is")
        return self._connected

    def _nowhere(self, channel: ChannelId) -> ProtocolError:
        return ProtocolError(self._device, f"it has one channel, {CHANNEL}; {channel!r} is none")

    def _refuse_unknown(self, channels: Collection[ChannelId]) -> None:
        for channel in channels:
            if channel != CHANNEL:
                raise self._nowhere(channel)


DRIVER = Driver(
    kind="cycler",
    summary="Keithley 2450, 2460 and 2461 SourceMeters, one channel for small cells, over SCPI",
    schemes=("scpi-tcp", "visa"),
    opens=Keithley2450,
    offline=offline_facts,
)
