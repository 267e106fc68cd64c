"""A LADS chamber as a `ChamberDriver`. README.md says what it relies on and what it does not."""

import asyncio
from collections.abc import Callable

from cycler.contract.capabilities import ChamberRange, Identity
from cycler.contract.devices import ChamberReading
from cycler.contract.errors import DeviceFault, LinkError, ProtocolError
from cycler.contract.overtaking import OffGenerations, once_more
from cycler.contract.plugin import DeviceSettings, Surroundings
from cycler.contract.sweep import ChannelId
from drivers.lads_thermal.finder import Finder
from drivers.lads_thermal.function import ControlFunction
from drivers.lads_thermal.measuring import Measuring
from drivers.lads_thermal.options import Options, parse_options
from drivers.lads_thermal.parts import Parts
from drivers.lads_thermal.unit_lock import UnitLock
from drivers.links.opcua import OpcUaLink
from drivers.links.opcua_nodes import Argument
from drivers.links.opcua_security import NO_SECURITY, Security, read_keys, read_login
from drivers.links.queue import Priority

HEATING = ChannelId("heating")  # what an off overtakes
FIND_S = 15.0  # for some fifty questions
READ_BACK_K = 0.05  # a device may round what is written


class LadsThermal:
    """One chamber of one server."""

    def __init__(self, settings: DeviceSettings, surroundings: Surroundings) -> None:
        """Reads the files of its keys, and opens nothing. Raises `ValueError` for settings that cannot be."""
        self._device = settings.device
        self._options = parse_options(settings)
        self._utcnow = surroundings.utcnow
        try:
            security = _security(self._options)
        except ValueError as error:
            raise ValueError(f"{settings.device}: {error}") from None
        self._link = OpcUaLink(settings.device, self._options.url, security)
        self._offs = OffGenerations((HEATING,))
        self._orders = asyncio.Lock()  # one sequence of writes at a time; an off never waits for it
        self._chamber: _Chamber | None = None

    @property
    def capabilities(self) -> ChamberRange:
        """By the range of its set value. LADS knows no rate of change."""
        low_degc, high_degc = self._known().parts.target.range_degc
        return ChamberRange(temperature_degc_min=low_degc, temperature_degc_max=high_degc, rate_k_per_min_max=0.0)

    async def connect(self) -> Identity:
        """Find the chamber in its server. The same serial number as before, if there was a before."""
        before = self._chamber
        options = self._options
        finder = Finder(self._device, self._link, function=options.function, sensor=options.sensor)
        try:
            async with asyncio.timeout(FIND_S):
                parts = await finder.find()
        except TimeoutError:
            raise LinkError(self._device, f"its server did not show its parts within {FIND_S:g} s") from None
        if before is not None and before.parts.identity.serial != parts.identity.serial:
            was, now = before.parts.identity.serial, parts.identity.serial
            raise ProtocolError(self._device, f"serial number {now} answers where {was} did before")
        self._chamber = _Chamber(self._device, self._link, parts, stale_s=options.stale_s)
        return parts.identity

    async def commission(self) -> None:
        """Take the lock, and clear an abort whose cause is gone. Starts nothing."""
        async with self._orders:
            chamber = self._known()
            parts = chamber.parts
            if parts.device_state is not None:
                (value,) = await self._link.read([parts.device_state], Priority.ORDER)
                state = await chamber.function.name_of(value, Priority.ORDER)
                if state != "Operate":
                    raise DeviceFault(self._device, f"its device state is {state}: it has to be Operate")
            if parts.enabled is not None:
                (value,) = await self._link.read([parts.enabled], Priority.ORDER)
                if self._link.demand(value) is not True:
                    raise DeviceFault(self._device, f"{parts.name} is not enabled")
            await self._hold(chamber)
            if await chamber.function.settle(Priority.ORDER) == "Aborted":
                await chamber.function.clear()

    async def read(self) -> ChamberReading:
        """One request. Raises `DeviceFault` where a run was aborted or the device reports a failure."""
        chamber = self._known()
        if self._options.locks and chamber.lock is not None:
            await chamber.lock.renew()
        return await chamber.measuring.measure(self._utcnow)

    async def set_target(self, *, temperature_degc: float, rate_k_per_min: float | None) -> None:
        """Written and read back, and the function started where it stood still."""
        with self._offs.unless_overtaken(self._device, HEATING) as is_off:
            async with self._orders:
                await self._set_target(temperature_degc, rate_k_per_min, is_off)

    async def set_limits(self, *, temperature_degc_min: float, temperature_degc_max: float) -> None:
        """Those of its sensor's alarm. What the device does beyond them no document says."""
        async with self._orders:
            chamber = self._known()
            limits = chamber.parts.limits
            if not temperature_degc_min < temperature_degc_max:
                low_degc, high_degc = temperature_degc_min, temperature_degc_max
                message = f"limits of {low_degc:g} and {high_degc:g} degC leave nothing between them"
                raise DeviceFault(self._device, message)
            if limits is None:
                message = "it has no limits of its own: there is no temperature sensor whose AlarmMonitor offers them"
                raise DeviceFault(self._device, message)
            await self._hold(chamber)
            wanted = {limits.low: temperature_degc_min, limits.high: temperature_degc_max}
            (low,) = await self._link.read([limits.low], Priority.ORDER)
            # Whichever comes first must not cross the other one as it still stands.
            order = [limits.high, limits.low]
            if temperature_degc_max <= limits.unit.to_degc(self._link.number(low)):
                order.reverse()
            await self._link.write(
                [(node, Argument(limits.unit.from_degc(wanted[node]), limits.kind)) for node in order], Priority.ORDER
            )
            for value in await self._link.read([limits.low, limits.high], Priority.ORDER):
                shown_degc = limits.unit.to_degc(self._link.number(value))
                if not abs(shown_degc - wanted[value.node]) <= READ_BACK_K:
                    message = f"{value.node} is {shown_degc:g} degC, {wanted[value.node]:g} degC was ordered"
                    raise DeviceFault(self._device, message)

    async def make_safe(self) -> None:
        """Stop, ahead of anything queued, over a new connection where the old one is lost; and see that it stands."""
        self._offs.raise_for((HEATING,))
        if self._chamber is None:
            await self.connect()
        function = self._known().function
        await once_more(function.stop)

    async def aclose(self) -> None:
        """The lock ends with the session; the chamber goes on as it is."""
        await self._link.aclose()

    async def _set_target(
        self, temperature_degc: float, rate_k_per_min: float | None, is_off: Callable[[], bool]
    ) -> None:
        chamber = self._known()
        target = chamber.parts.target
        low_degc, high_degc = target.range_degc
        if not low_degc <= temperature_degc <= high_degc:
            message = f"a target of {temperature_degc:g} degC is outside {low_degc:g} to {high_degc:g} degC"
            raise DeviceFault(self._device, message)
        if rate_k_per_min is not None:
            raise DeviceFault(self._device, f"a rate of {rate_k_per_min:g} K/min: LADS knows no rate of change")
        value = Argument(target.unit.from_degc(temperature_degc), target.kind)
        await self._hold(chamber)
        await self._link.write([(target.node, value)], Priority.ORDER, unless=is_off)
        (back,) = await self._link.read([target.node], Priority.ORDER)
        shown_degc = target.unit.to_degc(self._link.number(back))
        if not abs(shown_degc - temperature_degc) <= READ_BACK_K:
            message = f"its set value is {shown_degc:g} degC, {temperature_degc:g} degC was ordered"
            raise DeviceFault(self._device, message)
        state = await chamber.function.settle(Priority.ORDER)
        if state == "Stopped":
            await chamber.function.start(value, is_off)
        elif state != "Running":
            raise DeviceFault(self._device, f"{chamber.parts.name} is {state}: it cannot be started")

    async def _hold(self, chamber: "_Chamber") -> None:
        if self._options.locks and chamber.lock is not None:
            await chamber.lock.hold()

    def _known(self) -> "_Chamber":
        if self._chamber is None:
            raise LinkError(self._device, "not connected")
        return self._chamber


class _Chamber:
    """What is known once it has been found."""

    def __init__(self, device: str, link: OpcUaLink, parts: Parts, *, stale_s: float) -> None:
        self.parts = parts
        self.lock = None if parts.lock is None else UnitLock(device, link, parts.lock)
        self.function = ControlFunction(device, link, parts, self.lock)
        self.measuring = Measuring(device, link, parts, self.function, stale_s=stale_s)


def _security(options: Options) -> Security:
    if options.mode == "none":
        return NO_SECURITY
    certificate, key, server_certificate = options.files
    return Security(
        mode=options.mode,
        keys=read_keys(certificate=certificate, key=key, server_certificate=server_certificate),
        login=None if options.login_file is None else read_login(options.login_file),
    )
