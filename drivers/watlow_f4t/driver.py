"""Watlow F4T chamber controllers in constant mode: over Modbus TCP, Modbus RTU, or SCPI with Modbus TCP beside it."""

import asyncio
import math

from cycler.contract.capabilities import ChamberRange, Identity
from cycler.contract.devices import ChamberReading
from cycler.contract.errors import DeviceFault, ProtocolError
from cycler.contract.overtaking import OffGenerations, once_more
from cycler.contract.plugin import DeviceSettings, Driver, OfflineFacts, Surroundings
from cycler.contract.sweep import ChannelId
from drivers.links.modbus import ModbusLink
from drivers.links.queue import Priority
from drivers.links.scpi import ScpiLink
from drivers.watlow_f4t import registers as reg
from drivers.watlow_f4t.access import Access
from drivers.watlow_f4t.alarms import Alarms
from drivers.watlow_f4t.language import Language, ModbusLanguage, ScpiLanguage
from drivers.watlow_f4t.options import parse_options
from drivers.watlow_f4t.run_switch import RunSwitch
from drivers.watlow_f4t.waiting import wait_until

CHAMBER = ChannelId("chamber")
ROUNDING_K = 0.06  # how far what is read back may lie from what was ordered: it is shown and said in tenths
ROUNDING_RATIO = 0.02  # the same of a rate
SCPI_GAP_S = 0.1  # U: ten messages a second


class WatlowF4t:
    """A `ChamberDriver`. README.md says what it relies on and what it does not."""

    def __init__(self, settings: DeviceSettings, surroundings: Surroundings) -> None:
        """Opens nothing. Raises `ValueError` for settings that cannot be."""
        options = parse_options(settings)
        serial = options.modbus.scheme != "modbus-tcp"
        self._device = settings.device
        self._silence_s = reg.SILENCE_S if serial else 0.0
        self._utcnow = surroundings.utcnow
        self._options = options
        self._link = ModbusLink.to(
            settings.device,
            options.modbus,
            gap_s=self._silence_s,
            timeout_s=reg.TIMEOUT_RTU_S if serial else reg.TIMEOUT_TCP_S,
            exceptions=reg.EXCEPTIONS,
        )
        self._scpi: ScpiLink | None = None
        self._access = Access(
            settings.device,
            self._link,
            unit_register=reg.UNIT_RTU if serial else reg.UNIT_TCP,
            low_word_first=options.low_word_first,
        )
        self._language: Language = ModbusLanguage(self._access, options.control)
        if options.scpi is not None:
            self._scpi = ScpiLink.to(settings.device, options.scpi, gap_s=SCPI_GAP_S, timeout_s=reg.TIMEOUT_TCP_S)
            part = f"CLOOP{options.loop}" if options.cascade is None else f"CASCADE{options.cascade}"
            self._language = ScpiLanguage(settings.device, self._scpi, part)
        self._switch = RunSwitch(settings.device, self._access, options.control, options.run)
        self._alarms = Alarms(settings.device, self._access, options.alarms, options.limit_modules)
        self._offs = OffGenerations((CHAMBER,))
        self._orders = asyncio.Lock()  # one sequence of writes at a time; an off never waits for it

    @property
    def capabilities(self) -> ChamberRange:
        """As the rack file says: the controller does not know what its chamber reaches."""
        return self._options.range

    async def connect(self) -> Identity:
        """Who answers, whether it has the loop, and whether its numbers make sense in this word order."""
        await asyncio.sleep(self._silence_s)  # another host may have spoken just now
        part_number = await self._access.part_number()
        if not part_number.upper().startswith(reg.PART_BEGINS):
            raise ProtocolError(self._device, f"registers 16-30 say {part_number!r}, expected a Watlow F4T")
        self._check_loop(part_number)
        firmware = await self._language.identify()
        await self._limits(Priority.ORDER)
        return Identity(maker="Watlow", model=part_number, serial="", firmware=firmware)

    async def commission(self) -> None:
        """Nothing to configure: it must answer, without a fault, and show whether it runs."""
        await self._switch.check()
        await self.read()

    async def read(self) -> ChamberReading:
        """The air is NaN where its sensor is broken. Raises `DeviceFault` for the alarms that the rack file names."""
        air_degc = await self._language.air_degc()
        taken_s, taken_utc = asyncio.get_running_loop().time(), self._utcnow()
        await self._alarms.refuse()
        control = self._options.control
        state = await self._access.number(reg.PROFILE_STATE, Priority.SWEEP)
        target = control.active_set_point if state in reg.PROFILES_IN_CONTROL else control.set_point
        return ChamberReading(
            taken_s=taken_s,
            taken_utc=taken_utc,
            air_degc=air_degc,
            target_degc=await self._access.temperature_degc(target, Priority.SWEEP),
            door_open=None,
        )

    async def set_target(self, *, temperature_degc: float, rate_k_per_min: float | None) -> None:
        """Set point and ramp, read back; then the chamber is started, if it does not run."""
        control = self._options.control
        with self._offs.unless_overtaken(self._device, CHAMBER) as unless:
            self._refuse_out_of_range(temperature_degc, rate_k_per_min)
            async with self._orders:
                await self._switch.refuse_profile()
                low_degc, high_degc = await self._limits(Priority.ORDER)
                if not low_degc - ROUNDING_K <= temperature_degc <= high_degc + ROUNDING_K:
                    limits = f"its set point limits {low_degc:.1f} ... {high_degc:.1f} degC"
                    raise DeviceFault(self._device, f"{temperature_degc:g} degC lies outside {limits}")
                await self._language.hold(temperature_degc, rate_k_per_min=rate_k_per_min, unless=unless)
                await self._confirm("set point", control.set_point, temperature_degc)
                if control.ramp is not None:
                    await self._confirm_ramp(control.ramp, rate_k_per_min)
                await self._switch.start(unless)

    async def set_limits(self, *, temperature_degc_min: float, temperature_degc_max: float) -> None:
        """Of its set point: it takes none outside. Limit modules are what protects against heat, and not touched."""
        with self._offs.unless_overtaken(self._device, CHAMBER) as unless:
            if not (math.isfinite(temperature_degc_min) and temperature_degc_min < temperature_degc_max < math.inf):
                ordered = f"{temperature_degc_min:g} and {temperature_degc_max:g} degC"
                raise DeviceFault(self._device, f"limits of {ordered} leave nothing between them")
            control = self._options.control
            steps = [(control.limit_high, temperature_degc_max), (control.limit_low, temperature_degc_min)]
            async with self._orders:
                if temperature_degc_max < (await self._limits(Priority.ORDER))[1]:
                    steps.reverse()  # so that the low limit never lies above the high one
                for address, degc in steps:
                    await self._access.write_temperature(address, degc, unless=unless)
                for address, degc in steps:
                    await self._confirm("limit", address, degc)

    async def make_safe(self) -> None:
        """The control stops, seen in its active mode; then whatever else runs the chamber. A lost connection is opened
        once more for it."""
        self._offs.raise_for((CHAMBER,))
        await once_more(self._switch.stop)

    async def aclose(self) -> None:
        """The chamber stays as it is."""
        self._link.close()
        if self._scpi is not None:
            self._scpi.close()

    async def _limits(self, priority: Priority) -> tuple[float, float]:
        control = self._options.control
        low_degc = await self._access.temperature_degc(control.limit_low, priority)
        high_degc = await self._access.temperature_degc(control.limit_high, priority)
        if low_degc >= high_degc:
            limits = f"{low_degc:g} and {high_degc:g} degC"
            raise ProtocolError(self._device, f"its set point limits are {limits}: registers or word order are others")
        return low_degc, high_degc

    async def _confirm(self, what: str, address: int, degc: float) -> None:
        async def look() -> str | None:
            now_degc = await self._access.temperature_degc(address, Priority.ORDER)
            if abs(now_degc - degc) <= ROUNDING_K:
                return None
            return f"its {what} is {now_degc:.2f} degC, {degc:g} degC was ordered"

        await wait_until(self._device, look, within_s=reg.CONFIRM_S)

    async def _confirm_ramp(self, ramp: int, rate_k_per_min: float | None) -> None:
        action = reg.OFF if rate_k_per_min is None else reg.RAMP_SET_POINT

        async def look() -> str | None:
            now = await self._access.number(ramp, Priority.ORDER)
            if now != action or rate_k_per_min is None:
                return None if now == action else f"its ramp action is {now}, {action} was ordered"
            scale = await self._access.number(ramp + 2, Priority.ORDER)
            now_k_per_min = await self._access.rate_k_per_min(ramp + 4, Priority.ORDER)
            if scale == reg.PER_MINUTE and math.isclose(now_k_per_min, rate_k_per_min, rel_tol=ROUNDING_RATIO):
                return None
            return f"its ramp is {now_k_per_min:.3g} K in scale {scale}, {rate_k_per_min:g} K/min was ordered"

        await wait_until(self._device, look, within_s=reg.CONFIRM_S)

    def _check_loop(self, part_number: str) -> None:
        loops, cascades = reg.LOOPS.get(part_number[reg.LOOPS_AT : reg.LOOPS_AT + 1].upper(), (4, 2))
        has = f"a {part_number} has {loops} loops and {cascades} cascades"
        if (self._options.loop or 0) > loops or (self._options.cascade or 0) > cascades:
            raise ProtocolError(self._device, f"{has}; the rack file names one that it does not have")

    def _refuse_out_of_range(self, degc: float, rate_k_per_min: float | None) -> None:
        able = self.capabilities
        if not able.temperature_degc_min <= degc <= able.temperature_degc_max:
            reach = f"{able.temperature_degc_min:g} ... {able.temperature_degc_max:g} degC"
            raise DeviceFault(self._device, f"{degc:g} degC lies outside what the chamber reaches, {reach}")
        if rate_k_per_min is not None and not 0.0 < rate_k_per_min <= able.rate_k_per_min_max:
            most = (
                f"at most {able.rate_k_per_min_max:g} K/min" if able.rate_k_per_min_max else "no ramp: order it without"
            )
            raise DeviceFault(self._device, f"a rate of {rate_k_per_min:g} K/min; it has {most}")


def _offline(settings: DeviceSettings) -> OfflineFacts:
    return OfflineFacts(chamber=parse_options(settings).range)


DRIVER = Driver(
    kind="chamber",
    summary="Watlow F4T chamber controllers, over Modbus TCP, Modbus RTU and SCPI",
    schemes=("modbus-tcp", "modbus-rtu-tcp", "modbus-rtu", "scpi-tcp"),
    opens=WatlowF4t,
    offline=_offline,
)
