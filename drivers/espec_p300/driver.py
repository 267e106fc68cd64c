"""ESPEC P-300 and SCP-220 chamber controllers in constant mode, over a serial line or its converter on TCP."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from cycler.contract.capabilities import ChamberRange, Identity
from cycler.contract.devices import ChamberReading
from cycler.contract.errors import DeviceFault, LinkError, ProtocolError
from cycler.contract.overtaking import OffGenerations, once_more
from cycler.contract.plugin import DeviceSettings, Driver, OfflineFacts, Surroundings
from cycler.contract.sweep import ChannelId
from drivers.espec_p300 import commands as cmd
from drivers.espec_p300.options import parse_options
from drivers.links.ascii import AsciiLink
from drivers.links.queue import Priority

T = TypeVar("T")

TCP_PORT = 10001
TIMEOUT_S = 3.0
CONFIRM_S = 2.0  # U: within which a setting that was answered must show
ROUNDING_K = 0.051  # the controller knows tenths
CHAMBER = ChannelId("chamber")


class EspecP300:
    """A `ChamberDriver`. README.md says what it relies on and what it does not."""

    def __init__(self, settings: DeviceSettings, surroundings: Surroundings) -> None:
        """Opens nothing. Raises `ValueError` for settings that cannot be."""
        self._device = settings.device
        self._utcnow = surroundings.utcnow
        self._options = parse_options(settings)
        self._link = AsciiLink.to(
            settings.device,
            settings.resource,
            default_port=TCP_PORT,
            gap_s=self._options.gap_s,
            timeout_s=TIMEOUT_S,
        )
        self._offs = OffGenerations((CHAMBER,))
        self._orders = asyncio.Lock()  # one sequence of settings at a time; an off never waits for it
        self._capabilities: ChamberRange | None = None

    @property
    def capabilities(self) -> ChamberRange:
        """Valid after `connect`."""
        if self._capabilities is None:
            raise LinkError(self._device, "not connected yet: what it can do is not known")
        return self._capabilities

    async def connect(self) -> Identity:
        """Which controller answers, and its range."""
        plate = await self._ask(cmd.TYPE, cmd.plate, Priority.ORDER)
        if not plate.controller.upper().startswith(cmd.CONTROLLERS):
            raise ProtocolError(self._device, f"a {plate.controller!r} answers, expected a P300 or SCP220")
        firmware = await self._exchange(cmd.ROM, Priority.ORDER)
        told = self._options.range
        reached_degc = min(told.temperature_degc_max, plate.temperature_degc_max)
        self._capabilities = replace(told, temperature_degc_max=reached_degc)
        return Identity(maker="ESPEC", model=plate.controller, serial="", firmware=firmware)

    async def commission(self) -> None:
        """Nothing to configure: it must answer, without an alarm."""
        await self.read()

    async def read(self) -> ChamberReading:
        """The air is NaN where its sensor is broken. Raises `DeviceFault` with the codes of alarms that stand."""
        shown = await self._ask(cmd.TEMPERATURES, cmd.temperatures, Priority.SWEEP)
        taken_s, taken_utc = asyncio.get_running_loop().time(), self._utcnow()
        if (await self._ask(cmd.MONITOR, cmd.monitor, Priority.SWEEP)).alarms:
            codes = await self._ask(cmd.ALARMS, cmd.alarms, Priority.SWEEP)
            raise DeviceFault(self._device, f"alarms stand: codes {', '.join(map(str, codes))} of this chamber")
        return ChamberReading(
            taken_s=taken_s,
            taken_utc=taken_utc,
            air_degc=shown.actual_degc,
            target_degc=shown.set_degc,
            door_open=None,
        )

    async def set_target(self, *, temperature_degc: float, rate_k_per_min: float | None) -> None:
        """In tenths of a degree. Switches constant mode on, but not a controller that somebody has switched off."""
        if rate_k_per_min is not None:
            raise DeviceFault(self._device, "it has no ramp in constant mode, only programs have: order it without")
        self._refuse_out_of_range(temperature_degc)
        with self._offs.unless_overtaken(self._device, CHAMBER) as unless:
            async with self._orders:
                mode = await self._ask(cmd.MODE, cmd.mode, Priority.ORDER)
                if mode == cmd.OFF:
                    raise DeviceFault(self._device, "it is switched off at its panel: a person has to switch it on")
                if cmd.is_program(mode):
                    raise DeviceFault(self._device, f"its mode is {mode}: a program is in control")
                shown = await self._ask(cmd.TEMPERATURES, cmd.temperatures, Priority.ORDER)
                set_degc = round(temperature_degc, 1)
                if not shown.low_degc <= set_degc <= shown.high_degc:
                    limits = f"its limits {shown.low_degc:g} ... {shown.high_degc:g} degC"
                    raise DeviceFault(self._device, f"{set_degc:g} degC lies outside {limits}")
                await self._exchange(cmd.set_point(set_degc), Priority.ORDER, unless=unless)
                await self._confirm_temperatures(f"set point {set_degc:g} degC", lambda now: (now.set_degc, set_degc))
                if mode != cmd.CONSTANT:
                    await self._exchange(cmd.HOLD_CONSTANT, Priority.ORDER, unless=unless)
                    await self._confirm_mode((cmd.CONSTANT,), Priority.ORDER)

    async def set_limits(self, *, temperature_degc_min: float, temperature_degc_max: float) -> None:
        """In tenths of a degree, rounded inwards."""
        low_degc, high_degc = math.nan, math.nan
        if math.isfinite(temperature_degc_min) and math.isfinite(temperature_degc_max):
            low_degc = math.ceil(10.0 * temperature_degc_min - 1e-6) / 10.0
            high_degc = math.floor(10.0 * temperature_degc_max + 1e-6) / 10.0
        if not low_degc < high_degc:
            ordered = f"{temperature_degc_min:g} and {temperature_degc_max:g} degC"
            raise DeviceFault(self._device, f"limits of {ordered} leave nothing between them")
        with self._offs.unless_overtaken(self._device, CHAMBER) as unless:
            async with self._orders:
                shown = await self._ask(cmd.TEMPERATURES, cmd.temperatures, Priority.ORDER)
                steps = [cmd.high_limit(high_degc), cmd.low_limit(low_degc)]
                if high_degc < shown.high_degc:
                    steps.reverse()  # so that the low limit never lies above the high one
                for step in steps:
                    await self._exchange(step, Priority.ORDER, unless=unless)
                await self._confirm_temperatures(
                    f"limits {low_degc:g} ... {high_degc:g} degC",
                    lambda now: (now.low_degc, low_degc),
                    lambda now: (now.high_degc, high_degc),
                )

    async def make_safe(self) -> None:
        """Stand-by, seen in its mode. A lost connection is opened once more for it."""
        self._offs.raise_for((CHAMBER,))
        await once_more(self._stand_by)

    async def aclose(self) -> None:
        """The chamber stays as it is."""
        self._link.close()

    async def _stand_by(self) -> None:
        reply = await self._exchange(cmd.STAND_BY, Priority.OFF, refusable=True)
        try:
            await self._confirm_mode((cmd.STANDBY, cmd.OFF), Priority.OFF)
        except DeviceFault as fault:
            raise DeviceFault(self._device, f"{cmd.STAND_BY!r} was answered by {reply!r}; {fault.detail}") from None

    async def _confirm_temperatures(self, what: str, *pairs: Callable[[cmd.Temperatures], tuple[float, float]]) -> None:
        def is_shown(now: cmd.Temperatures) -> bool:
            return all(abs(shown - wanted) < ROUNDING_K for shown, wanted in (pair(now) for pair in pairs))

        await self._confirm(cmd.TEMPERATURES, cmd.temperatures, is_shown, what, Priority.ORDER)

    async def _confirm_mode(self, wanted: tuple[str, ...], priority: Priority) -> None:
        await self._confirm(cmd.MODE, cmd.mode, lambda mode: mode in wanted, f"mode {' or '.join(wanted)}", priority)

    async def _confirm(
        self,
        query: str,
        parse: Callable[[str], T],
        is_shown: Callable[[T], bool],
        what: str,
        priority: Priority,
    ) -> None:
        """Ask until it is shown; the gap between two commands is the beat."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + CONFIRM_S
        while True:
            now = await self._ask(query, parse, priority)
            if is_shown(now):
                return
            if loop.time() >= until_s:
                raise DeviceFault(self._device, f"{query} says {now}, ordered was {what}")
            await asyncio.sleep(0.1)

    async def _ask(self, query: str, parse: Callable[[str], T], priority: Priority) -> T:
        reply = await self._exchange(query, priority)
        try:
            return parse(reply)
        except cmd.Unexpected as expected:
            raise ProtocolError(self._device, f"{query!r} was answered by {reply!r}, expected {expected}") from None

    async def _exchange(
        self,
        command: str,
        priority: Priority,
        *,
        unless: Callable[[], bool] | None = None,
        refusable: bool = False,
    ) -> str:
        address = self._options.address
        text = command if address is None else f"{address},{command}"
        reply = await self._link.exchange(text, priority, unless=unless)
        if reply.startswith(cmd.REFUSED) and not refusable:
            raise cmd.refusal(self._device, command, reply)
        return reply

    def _refuse_out_of_range(self, degc: float) -> None:
        able = self.capabilities
        if not able.temperature_degc_min <= degc <= able.temperature_degc_max:
            reach = f"{able.temperature_degc_min:g} ... {able.temperature_degc_max:g} degC"
            raise DeviceFault(self._device, f"{degc:g} degC lies outside what the chamber reaches, {reach}")


def _offline(settings: DeviceSettings) -> OfflineFacts:
    return OfflineFacts(chamber=parse_options(settings).range)


DRIVER = Driver(
    kind="chamber",
    summary="ESPEC P-300 and SCP-220 chamber controllers, over serial lines and TCP",
    schemes=("serial", "ascii-tcp"),
    opens=EspecP300,
    offline=_offline,
)
