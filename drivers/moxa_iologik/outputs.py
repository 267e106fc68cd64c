"""The outputs as they are: what is in safe status is off, whatever the output register still holds."""

import asyncio
import math
from collections.abc import Collection, Mapping
from typing import Literal

from cycler.contract.errors import DeviceFault, ProtocolError
from drivers.links.modbus import ModbusLink
from drivers.links.queue import Priority
from drivers.moxa_iologik import registers as reg
from drivers.moxa_iologik.lines import Lines

SafeStatusTable = Literal["coils", "discrete"]

LOOKED_S_MAX = 5.0
"""Between two looks at safe status while nothing speaks for it: the rack file may be wrong about the watchdog."""


class Outputs:
    """Of one module, by the names of their lines. Raises `DeviceFault` where one is not as it was told to be."""

    def __init__(self, device: str, link: ModbusLink, lines: Lines, *, watchdog_s: float | None) -> None:
        self._device = device
        self._link = link
        self._channels = lines.outputs
        self._off = lines.all_off()
        self._safe_status: SafeStatusTable = "coils"
        self._silent_s_max = 0.0 if watchdog_s is None else watchdog_s / 2.0  # too short for the watchdog to act
        self._heard_s = self._looked_s = -math.inf  # when a sweep last had its answers, and last asked for safe status
        self._dropped: tuple[str, ...] = ()

    async def check(self) -> None:
        """Each is there, and safe status is in one of the two tables that the manuals name. Raises `ProtocolError`."""
        for line, channel in self._channels.items():
            try:
                await self._link.read_bits(reg.OUTPUT + channel, 1, Priority.ORDER)
            except ProtocolError as error:  # U whether a module says so
                detail = f"{line} is no output here ({error.detail}): is it a DIO set as input?"
                raise ProtocolError(self._device, detail) from None
        try:
            await self.dropped(Priority.ORDER)
        except ProtocolError:
            self._safe_status = "discrete"
            await self.dropped(Priority.ORDER)

    async def shown(self, priority: Priority) -> dict[str, bool]:
        """What they do."""
        if not self._channels:
            return {}
        (word,) = await self._link.read(reg.OUTPUTS, priority)
        return self._really(word, await self.dropped(priority))

    async def swept(self) -> dict[str, bool]:
        """What they do, as often as it is asked. It takes a silence to put outputs into safe status: it is looked at
        after each that could have, as long as it lasts, and now and then."""
        if not self._channels:
            return {}
        (word,) = await self._link.read(reg.OUTPUTS, Priority.SWEEP)
        now_s = asyncio.get_running_loop().time()
        if self._dropped or now_s - self._heard_s >= self._silent_s_max or now_s - self._looked_s >= LOOKED_S_MAX:
            self._dropped = await self.dropped(Priority.SWEEP)
            self._looked_s = now_s
        self._heard_s = now_s
        return self._really(word, self._dropped)

    async def dropped(self, priority: Priority) -> tuple[str, ...]:
        """Those that the module itself has put into safe status."""
        if not self._channels:
            return ()
        first, last = min(self._channels.values()), max(self._channels.values())
        address, count = reg.SAFE_STATUS + first, last - first + 1
        bits = await self._link.read_bits(address, count, priority, table=self._safe_status)
        return tuple(line for line, channel in self._channels.items() if bits[channel - first])

    async def confirm(self, ordered: Mapping[str, bool], priority: Priority) -> None:
        """Wait until they show it."""
        clock = asyncio.get_running_loop().time
        deadline_s = clock() + reg.CONFIRM_S
        while True:
            shown = await self.shown(priority)
            wrong = [line for line, on in ordered.items() if shown[line] is not on]
            if not wrong:
                return
            if clock() >= deadline_s:
                break
        if dropped := await self.dropped(priority):
            raise in_safe_status(self._device, dropped)
        was, shows = ("on", "off") if ordered[wrong[0]] else ("off", "on")
        raise DeviceFault(self._device, f"{wrong[0]} was switched {was} and is {shows} {reg.CONFIRM_S:g} s later")

    async def switch_off(self) -> None:
        """All of them in one write, ahead of anything queued."""
        if self._channels:
            await self._link.write_register(reg.OUTPUTS.address, 0, Priority.OFF)
            await self.confirm(self._off, Priority.OFF)

    async def leave_safe_status(self, dropped: tuple[str, ...]) -> None:
        """What was last written to them must not come back with it, so that is off first."""
        await self.switch_off()
        await self._link.write_coil(reg.CLEAR_WATCHDOG_ALARM, True, Priority.ORDER)
        for line in dropped:
            await self._link.write_coil(reg.LEAVE_SAFE_STATUS + self._channels[line], True, Priority.ORDER)
        await self.confirm(self._off, Priority.ORDER)
        if still := await self.dropped(Priority.ORDER):
            raise DeviceFault(self._device, f"safe status was cleared, {', '.join(still)} are still in it")

    def _really(self, word: int, dropped: Collection[str]) -> dict[str, bool]:
        return {line: bool(word >> channel & 1) and line not in dropped for line, channel in self._channels.items()}


async def all_off(device: str, link: ModbusLink) -> None:
    """Of a module of which nothing is known but its address: whatever outputs it has."""
    clock = asyncio.get_running_loop().time
    await link.write_register(reg.OUTPUTS.address, 0, Priority.OFF)
    deadline_s = clock() + reg.CONFIRM_S
    while True:
        (word,) = await link.read(reg.OUTPUTS, Priority.OFF)
        if word == 0:
            return
        if clock() >= deadline_s:
            text = f"outputs were switched off and register {reg.OUTPUTS.address} holds {word:#06x}"
            raise DeviceFault(device, f"{text} {reg.CONFIRM_S:g} s later")


def in_safe_status(device: str, dropped: tuple[str, ...]) -> DeviceFault:
    """Nobody but a person ends it, or the rack file in a person's name."""
    return DeviceFault(
        device,
        f"{', '.join(dropped)} in safe status: its watchdog heard no host. Find out why, then clear it on its web "
        "page, or write `safe_status: clear` in the rack file to have it cleared at each commissioning",
    )
