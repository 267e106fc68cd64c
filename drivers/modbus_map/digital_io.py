"""A digital I/O module: every bit of its map is one line, an output where it can be switched."""

import asyncio
from collections.abc import Mapping

from cycler.contract.capabilities import Identity, IoRange, Watchdog
from cycler.contract.devices import IoReading
from cycler.contract.errors import DeviceFault, ProtocolError
from cycler.contract.overtaking import OffGenerations, once_more
from cycler.contract.sweep import ChannelId
from drivers.links.queue import Priority
from drivers.modbus_map.mapped import CONFIRM_S, Mapped
from drivers.modbus_map.needs import channels_of
from drivers.modbus_map.switches import can_be_switched

ALL = ChannelId("outputs")  # an off concerns all of them


class MappedIo:
    """A `DigitalIo`. Outputs are wired so that off is safe."""

    def __init__(self, mapped: Mapped) -> None:
        outputs = [bit for bit in mapped.map.bits if can_be_switched(bit)]
        inputs = [bit for bit in mapped.map.bits if not can_be_switched(bit)]
        self._mapped = mapped
        self._device = mapped.device
        self._keys = {str(bit.channel): bit.key for bit in mapped.map.bits}
        self._inputs, self._outputs = mapped.switches(inputs), mapped.switches(outputs)
        self._lines = channels_of(inputs), channels_of(outputs)
        self._offs = OffGenerations((ALL,))
        self._writing = asyncio.Lock()  # one sequence of writes at a time; an off never waits for it
        self._watchdog: Watchdog | None = None

    @property
    def capabilities(self) -> IoRange:
        """As the map says; its watchdog after `commission`."""
        inputs, outputs = self._lines
        return IoRange(
            inputs=inputs, outputs=outputs, outputs_safe=dict.fromkeys(outputs, False), watchdog=self._watchdog
        )

    async def connect(self) -> Identity:
        identity = await self._mapped.identify()
        await self.read()
        return identity

    async def commission(self) -> None:
        """Outputs off, watchdog set."""
        async with self._writing:
            shown = await self._shown(Priority.ORDER)
            if on := [line for line, is_on in shown.items() if is_on]:
                raise DeviceFault(self._device, f"{', '.join(on)} on: commissioning needs all outputs off")
            self._watchdog = await self._mapped.arm_watchdog()

    async def read(self) -> IoReading:
        clock = asyncio.get_running_loop().time
        begin_s = clock()
        states = await self._inputs.read(Priority.SWEEP)
        taken_s = (begin_s + clock()) / 2
        outputs = await self._shown(Priority.SWEEP)
        return IoReading(
            taken_s=taken_s,
            taken_utc=self._mapped.utc_at(taken_s),
            inputs={line: states[self._keys[line]] for line in self._lines[0]},
            outputs=outputs,
        )

    async def write(self, outputs: Mapping[str, bool]) -> None:
        """Line by line, what goes off first; then read back. Raises `DeviceFault` where an off came in between."""
        if unknown := sorted(outputs.keys() - set(self._lines[1])):
            raise ProtocolError(self._device, f"it has no output {unknown[0]!r}; there are {', '.join(self._lines[1])}")
        with self._offs.unless_overtaken(self._device, ALL) as overtaken:
            async with self._writing:
                for line, on in sorted(outputs.items(), key=lambda item: item[1]):
                    if on:
                        await self._mapped.check_watchdog(self._watchdog)
                    await self._outputs.write(self._keys[line], on, Priority.ORDER, unless=overtaken)
                await self._confirm(outputs, Priority.ORDER)

    async def make_safe(self) -> None:
        """Every output off, read back. A lost connection is opened once more for it."""
        self._offs.raise_for((ALL,))
        await once_more(self._switch_off)

    async def aclose(self) -> None:
        self._mapped.link.close()

    async def _switch_off(self) -> None:
        for line in self._lines[1]:
            await self._outputs.write(self._keys[line], False, Priority.OFF)
        await self._confirm(dict.fromkeys(self._lines[1], False), Priority.OFF)

    async def _confirm(self, ordered: Mapping[str, bool], priority: Priority) -> None:
        clock = asyncio.get_running_loop().time
        deadline_s = clock() + CONFIRM_S
        while True:
            shown = await self._shown(priority)
            wrong = [line for line, on in ordered.items() if shown[line] is not on]
            if not wrong:
                return
            if clock() >= deadline_s:
                was, shows = ("on", "off") if ordered[wrong[0]] else ("off", "on")
                detail = f"{wrong[0]} was switched {was} and is {shows} {CONFIRM_S:g} s later"
                raise DeviceFault(self._device, detail)

    async def _shown(self, priority: Priority) -> dict[str, bool]:
        states = await self._outputs.read(priority)
        return {line: states[self._keys[line]] for line in self._lines[1]}
