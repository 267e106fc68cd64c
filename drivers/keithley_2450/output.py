"""The output: led into one of its two states, and switched off ahead of all that."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace

from cycler.contract.errors import DeviceFault
from cycler.contract.order import Phase
from cycler.contract.overtaking import OffGenerations, Withdrawn
from drivers.keithley_2450 import commands as cmd
from drivers.keithley_2450.declaration import CHANNEL, Scale
from drivers.keithley_2450.measuring import Measuring
from drivers.keithley_2450.settings import Number, Setting, driving, level_and_limit, open_circuit
from drivers.links.queue import Priority
from drivers.links.scpi import ScpiLink

CONFIRM_S = 0.5
SWITCH_RELAY_S = 0.02  # V: the output relay takes about 15 ms


class Output:
    """`mark` is the off-generation that a sequence of messages began in: once an off has come, nothing more of it is
    sent and `Withdrawn` is raised. Raises `DeviceFault` where the device does not show what it was told."""

    def __init__(self, device: str, link: ScpiLink, offs: OffGenerations) -> None:
        self.switchings = 0
        self.measuring = Measuring(device, link, lambda: self.switchings)
        self._device = device
        self._link = link
        self._offs = offs

    async def is_on(self, priority: Priority) -> bool:
        """By its own word."""
        return cmd.flag(self._device, cmd.OUTPUT, await self._link.query(cmd.OUTPUT, priority))

    async def rest(self, scale: Scale, mark: int) -> None:
        """0 A with the relay closed, for without that there is no voltage to be seen."""
        settings, on = open_circuit(scale), await self.is_on(Priority.ORDER)
        if not (on and await self._holds(settings)):
            await self._enter(settings, mark, on=on)

    async def drive(self, phase: Phase, scale: Scale, mark: int) -> Phase:
        """The phase as achieved. Refused where the cell stands beyond its voltage already: the current limit holds both
        ways, so the cell would be driven the other way."""
        charges = phase.direction == "charge"
        level, limit = level_and_limit(
            scale, scale.voltage(phase.voltage_v, upwards=not charges), scale.current(phase.current_a)
        )
        if not await self._adjust(level, limit, scale, mark, charges=charges):
            await self.rest(scale, mark)
            await self._check_cell(phase, mark)
            await self._enter(driving(scale, limit, level), mark, on=True)
        return replace(
            phase,
            # On a step of the device the product may differ from the order in its last binary digit.
            voltage_v=min(level.number, phase.voltage_v) if charges else max(level.number, phase.voltage_v),
            current_a=min(limit.number, phase.current_a),
        )

    async def switch_off(self) -> None:
        """Ahead of anything queued, again and again until the device says so, and the relay really opens with it."""
        link, clock = self._link, asyncio.get_running_loop().time
        deadline_s = clock() + CONFIRM_S
        await self._switch(cmd.OUTPUT_OFF, Priority.OFF)
        while await self.is_on(Priority.OFF):
            if clock() >= deadline_s:
                raise DeviceFault(self._device, f"its output is on {CONFIRM_S:g} s after it was switched off")
            await self._switch(cmd.OUTPUT_OFF, Priority.OFF)
        for header in cmd.OFF_STATES:
            while (state := await link.query(f"{header}?", Priority.OFF)) != cmd.HIGH_IMPEDANCE:
                if clock() >= deadline_s:
                    detail = f"{header} is {state} and not {cmd.HIGH_IMPEDANCE}: off, it is still connected to the cell"
                    raise DeviceFault(self._device, detail)
                await link.write(f"{header} {cmd.HIGH_IMPEDANCE}", Priority.OFF)

    async def configure(self, settings: Sequence[Setting], mark: int) -> None:
        """Written in one message, for the output is off; then read back one by one."""
        await self._switch(
            ";".join(f"{setting.header} {setting.value}" for setting in settings), Priority.ORDER, mark=mark
        )
        await self._confirm(settings, mark)

    async def _enter(self, settings: Sequence[Setting], mark: int, *, on: bool) -> None:
        """Off, other settings, on."""
        if on:
            await self._turn(cmd.OUTPUT_OFF, mark, on=False)
        await self.configure(settings, mark)
        await self._turn(cmd.OUTPUT_ON, mark, on=True)
        await asyncio.sleep(SWITCH_RELAY_S)

    async def _holds(self, settings: Sequence[Setting]) -> bool:
        for setting in settings:
            if not setting.confirms(await self._link.query(f"{setting.header}?", Priority.ORDER)):
                return False
        return True

    async def _adjust(self, level: Number, limit: Number, scale: Scale, mark: int, *, charges: bool) -> bool:
        """Without an interruption, where current flows in this direction already; False: it does not.

        First all that tightens, then all that loosens, each read back: so the output is always inside the old envelope
        or the new one.
        """
        measured = await self.measuring.measure(Priority.ORDER)
        sign = 1.0 if charges else -1.0
        if not (measured.on and sign * measured.current_a > scale.current_step_a and await self._holds(driving(scale))):
            return False
        present_v, present_a = await self._number(level), await self._number(limit)
        tightens = sign * (level.number - present_v) < -level.tolerance
        if tightens and not sign * (level.number - measured.voltage_v) > 0.0:
            return False  # the cell may stand beyond the new voltage
        lowers = limit.number < present_a
        stages: tuple[list[Number], list[Number]] = ([], [])
        stages[not tightens].append(level)
        stages[not lowers].append(limit)
        for stage in stages:
            for setting in stage:
                await self._write(f"{setting.header} {setting.value}", mark)
            await self._confirm(stage, mark)
        await self._confirm_output(mark, on=True)
        return True

    async def _check_cell(self, phase: Phase, mark: int) -> None:
        """By its voltage at 0 A."""
        measured = await self.measuring.measure(Priority.ORDER)
        cell_v, clamp_v, charges = measured.voltage_v, phase.voltage_v, phase.direction == "charge"
        if measured.on and (cell_v < clamp_v if charges else cell_v > clamp_v):
            return
        if self._offs.overtook(CHANNEL, mark):
            raise Withdrawn
        await self._turn(cmd.OUTPUT_OFF, mark, on=False)
        if math.isnan(cell_v):
            raise DeviceFault(self._device, "no valid voltage is read at 0 A: nothing is ordered blindly")
        side, way = ("above", "charged") if charges else ("below", "discharged")
        raise DeviceFault(
            self._device, f"{cell_v:.4f} V at 0 A is {side} the {clamp_v:g} V that the cell is to be {way} to"
        )

    async def _turn(self, command: str, mark: int, *, on: bool) -> None:
        await self._switch(command, Priority.ORDER, mark=mark)
        await self._confirm_output(mark, on=on)

    async def _confirm_output(self, mark: int, *, on: bool) -> None:
        if await self.is_on(Priority.ORDER) is on:
            return
        if self._offs.overtook(CHANNEL, mark):
            raise Withdrawn
        should, is_, hint = ("on", "off", "; its event log says why") if on else ("off", "on", "")
        raise DeviceFault(self._device, f"its output is to be {should} and is {is_}{hint}")

    async def _confirm(self, settings: Sequence[Setting], mark: int) -> None:
        for setting in settings:
            reply = await self._link.query(f"{setting.header}?", Priority.ORDER)
            if setting.confirms(reply):
                continue
            if self._offs.overtook(CHANNEL, mark):
                raise Withdrawn
            raise DeviceFault(
                self._device, f"{setting.header} was set to {setting.value} and reads back {reply[:40]!r}"
            )

    async def _number(self, setting: Number) -> float:
        question = f"{setting.header}?"
        return cmd.number(self._device, question, await self._link.query(question, Priority.ORDER))

    async def _switch(self, message: str, priority: Priority, *, mark: int | None = None) -> None:
        """A message after which a reading means something else."""
        self.switchings += 1
        try:
            await self._write(message, mark, priority)
        finally:
            self.switchings += 1

    async def _write(self, message: str, mark: int | None, priority: Priority = Priority.ORDER) -> None:
        def overtaken() -> bool:
            return mark is not None and self._offs.overtook(CHANNEL, mark)

        await self._link.write(message, priority, unless=overtaken)
