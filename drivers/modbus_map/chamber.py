"""A thermal chamber: set value, rate and limits are registers, running is a switch."""

import asyncio
from collections.abc import Mapping

from cycler.contract.capabilities import ChamberRange, Identity
from cycler.contract.devices import ChamberReading
from cycler.contract.errors import DeviceFault
from cycler.contract.overtaking import OffGenerations, once_more
from cycler.contract.register_map import EntryKey, RegisterMap
from cycler.contract.sweep import ChannelId
from drivers.links.queue import Priority
from drivers.modbus_map.mapped import CONFIRM_S, Mapped

AIR, TARGET, RATE, LIMIT_LOW, LIMIT_HIGH, RUN, DOOR = (
    ("air", None), ("target", None), ("rate", None), ("limit-low", None), ("limit-high", None),
    ("run", None), ("door", None),
)  # fmt: skip
ALL = ChannelId("chamber")


def chamber_range_of(register_map: RegisterMap) -> ChamberRange:
    """Without a register for it there is no rate."""
    low_degc, high_degc = register_map.ranges["temperature"]
    has_rate = any(register.key == RATE for register in register_map.registers)
    return ChamberRange(
        temperature_degc_min=low_degc,
        temperature_degc_max=high_degc,
        rate_k_per_min_max=60.0 * register_map.ranges["rate"][1] if has_rate else 0.0,
    )


class MappedChamber:
    """A `ChamberDriver`."""

    def __init__(self, mapped: Mapped) -> None:
        registers, bits = list(mapped.map.registers), list(mapped.map.bits)
        self._mapped = mapped
        self._device = mapped.device
        self._measured = mapped.numbers([register for register in registers if register.key in (AIR, TARGET)])
        self._settings = mapped.numbers([register for register in registers if register.key != AIR])
        self._run = mapped.switches([bit for bit in bits if bit.key == RUN])
        self._door = mapped.switches([bit for bit in bits if bit.key == DOOR])
        self._offs = OffGenerations((ALL,))
        self._writing = asyncio.Lock()
        self._capabilities = chamber_range_of(mapped.map)

    @property
    def capabilities(self) -> ChamberRange:
        """As the map says."""
        return self._capabilities

    async def connect(self) -> Identity:
        identity = await self._mapped.identify()
        await self.read()
        return identity

    async def commission(self) -> None:
        """There is nothing to set: what it does, it goes on doing."""
        await self.read()

    async def read(self) -> ChamberReading:
        clock = asyncio.get_running_loop().time
        begin_s = clock()
        values = await self._measured.read(Priority.SWEEP)
        taken_s = (begin_s + clock()) / 2
        return ChamberReading(
            taken_s=taken_s,
            taken_utc=self._mapped.utc_at(taken_s),
            air_degc=values[AIR],
            target_degc=values[TARGET],
            door_open=(await self._door.read(Priority.SWEEP)).get(DOOR),
        )

    async def set_target(self, *, temperature_degc: float, rate_k_per_min: float | None) -> None:
        """The rate first, then the set value, then run; all read back."""
        able = self._capabilities
        if not able.temperature_degc_min <= temperature_degc <= able.temperature_degc_max:
            span = f"{able.temperature_degc_min:g} to {able.temperature_degc_max:g} degC"
            raise DeviceFault(self._device, f"a target of {temperature_degc:g} degC is outside its range of {span}")
        await self._set({**self._rate(rate_k_per_min), TARGET: temperature_degc}, run=True)

    async def set_limits(self, *, temperature_degc_min: float, temperature_degc_max: float) -> None:
        """Its own, where the map names them."""
        if LIMIT_LOW not in self._settings:
            raise DeviceFault(self._device, "its map names no registers for its limits (limit-low, limit-high)")
        if not temperature_degc_min < temperature_degc_max:
            detail = f"limits of {temperature_degc_min:g} and {temperature_degc_max:g} degC leave nothing between them"
            raise DeviceFault(self._device, detail)
        await self._set({LIMIT_LOW: temperature_degc_min, LIMIT_HIGH: temperature_degc_max}, run=False)

    async def make_safe(self) -> None:
        """Run off, seen to be so. A lost connection is opened once more for it."""
        self._offs.raise_for((ALL,))
        await once_more(self._switch_off)

    async def aclose(self) -> None:
        self._mapped.link.close()

    def _rate(self, rate_k_per_min: float | None) -> Mapping[EntryKey, float]:
        """What to write; without a rate it may go as fast as it can."""
        most = self._capabilities.rate_k_per_min_max
        if rate_k_per_min is None:
            return {RATE: most / 60.0} if RATE in self._settings else {}
        if RATE not in self._settings:
            raise DeviceFault(self._device, f"its map names no register for a rate; {rate_k_per_min:g} K/min was asked")
        if not 0.0 < rate_k_per_min <= most:
            raise DeviceFault(self._device, f"a rate of {rate_k_per_min:g} K/min is not above 0 and at most {most:g}")
        if self._settings.held(RATE, rate_k_per_min / 60.0) <= 0.0:  # what 0 means to it, nobody knows
            raise DeviceFault(self._device, f"a rate of {rate_k_per_min:g} K/min is less than its register can hold")
        return {RATE: rate_k_per_min / 60.0}

    async def _set(self, values: Mapping[EntryKey, float], *, run: bool) -> None:
        with self._offs.unless_overtaken(self._device, ALL) as overtaken:
            async with self._writing:
                for key, value in values.items():
                    await self._settings.write(key, value, Priority.ORDER, unless=overtaken)
                if run:
                    await self._run.write(RUN, True, Priority.ORDER, unless=overtaken)
                await self._confirm(values)
                if run:
                    await self._confirm_run(True, Priority.ORDER)

    async def _confirm(self, values: Mapping[EntryKey, float]) -> None:
        clock = asyncio.get_running_loop().time
        deadline_s = clock() + CONFIRM_S
        while True:
            shown = await self._settings.read(Priority.ORDER)
            try:
                for key, value in values.items():
                    self._settings.check(key, shown[key], value)
            except DeviceFault:
                if clock() >= deadline_s:
                    raise
            else:
                return

    async def _switch_off(self) -> None:
        await self._run.write(RUN, False, Priority.OFF)
        await self._confirm_run(False, Priority.OFF)

    async def _confirm_run(self, run: bool, priority: Priority) -> None:
        clock = asyncio.get_running_loop().time
        deadline_s = clock() + CONFIRM_S
        while (await self._run.read(priority))[RUN] is not run:
            if clock() >= deadline_s:
                was, shows = ("on", "off") if run else ("off", "on")
                raise DeviceFault(self._device, f"it was switched {was} and is {shows} {CONFIRM_S:g} s later")
