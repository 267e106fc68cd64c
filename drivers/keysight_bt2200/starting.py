"""A batch of orders on its way to the instrument. Equal orders share a sequence and a list of cells."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from cycler.contract.devices import ApplyResult
from cycler.contract.errors import DeviceError, DeviceFault
from cycler.contract.order import Applied, Overtaken
from cycler.contract.overtaking import OffGenerations, Withdrawn
from cycler.contract.sweep import ChannelId
from drivers.keysight_bt2200 import commands as say
from drivers.keysight_bt2200.mainframe import Mainframe
from drivers.keysight_bt2200.programs import Accepted, Program
from drivers.keysight_bt2200.sequences import SequencePool
from drivers.links.queue import Priority

CONFIRM_S = 1.0  # within this what was ordered shows in the states
POLL_S = 0.02
LONG_STATES_MAX = 8  # of cells that did not start, in one batch: each costs a question of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Starts:
    """What a batch does to the rest of the driver."""

    ended: Callable[[ChannelId], None]  # what ran there runs no more
    begun: Callable[[ChannelId, Accepted], None]  # from this instant on it may run
    in_use: Callable[[], Collection[Program]]
    failed: Callable[[ChannelId, str], bool]  # a cell with this digit has failed by itself, as far as is known


@dataclass(slots=True, kw_only=True)
class Batch:
    """`waiting`: each with its off-generation. Who is overtaken, refused or lost drops out with its answer, the others
    go on."""

    mainframe: Mainframe
    pool: SequencePool
    offs: OffGenerations
    starts: Starts
    waiting: dict[ChannelId, tuple[Accepted, int]]
    answers: dict[ChannelId, ApplyResult] = field(default_factory=dict)

    async def run(self) -> Mapping[ChannelId, ApplyResult]:
        """An answer for each."""
        try:
            digits = await self.mainframe.digits(self.waiting, Priority.ORDER)
            if not digits:
                raise DeviceFault(self.mainframe.device, "its cells are not defined: commission it first")
            await self._refuse_failed(digits)
            await self._clear_the_way(digits)
            self._begin_rests()
            await self._start(await self._define())
            await self._confirm()
        except DeviceError as error:
            self.answers |= dict.fromkeys(self.waiting, error)
        return self.answers

    async def _refuse_failed(self, digits: Mapping[ChannelId, str]) -> None:
        """A cell that the instrument has stopped by itself waits for a person."""
        for channel, digit in digits.items():
            if self.starts.failed(channel, digit):
                state = await self.mainframe.long_state(channel, Priority.ORDER)
                if state.result == "FAIL":
                    why = f"cell {self.mainframe.places[channel].cell} ended with {state.why}: acknowledge it first"
                    self._drop(channel, DeviceFault(self.mainframe.device, why))

    async def _define(self) -> dict[int, list[ChannelId]]:
        """Who is to run which sequence."""
        wanted: dict[Program, list[ChannelId]] = {}
        for channel, (accepted, _) in self.waiting.items():
            if accepted.program is not None:
                wanted.setdefault(accepted.program, []).append(channel)
        if not wanted:
            return {}
        numbers: dict[int, Program] = {}
        defined = await self.mainframe.catalog()
        for program, channels in wanted.items():
            if not self._still(channels):
                continue
            try:
                number = await self.pool.number_of(
                    program,
                    defined | numbers.keys(),
                    in_use=[*self.starts.in_use(), *numbers.values()],
                    unless=lambda channels=channels: all(map(self._overtaken, channels)),  # type: ignore[misc]
                )
            except Withdrawn:
                self._still(channels)
            except DeviceFault as fault:
                for channel in self._still(channels):
                    self._drop(channel, fault)
            else:
                numbers[number] = program
        known = await self.mainframe.catalog()
        for number in [number for number in numbers if number not in known]:
            lost = DeviceFault(self.mainframe.device, f"sequence {number} is not in its catalog")
            for channel in self._still(wanted[numbers.pop(number)]):
                self._drop(channel, lost)
        return {number: wanted[program] for number, program in numbers.items()}

    async def _clear_the_way(self, digits: Mapping[ChannelId, str]) -> None:
        """What runs is stopped first: what a start does to a running cell is not known."""
        running = [channel for channel in self.waiting if digits[channel] == say.RUNNING]
        stopped = await self._write(say.abort, running)
        running_on = await self._until(stopped, running=False)
        for channel in stopped:
            if channel not in running_on:
                self.starts.ended(channel)
        for channel in running_on:
            cell = self.mainframe.places[channel].cell
            self._drop(
                channel, DeviceFault(self.mainframe.device, f"cell {cell} runs on {CONFIRM_S:g} s after an abort")
            )

    def _begin_rests(self) -> None:
        for channel in self._still(self.waiting):
            accepted, _ = self.waiting[channel]
            if accepted.program is None:
                self.starts.begun(channel, accepted)
                self._succeed(channel)

    async def _start(self, sequences: Mapping[int, list[ChannelId]]) -> None:
        for number, channels in sequences.items():
            enabled = await self._write(lambda cells, number=number: say.enable(cells, number), channels)  # type: ignore[misc]
            for channel in self._still(await self._write(say.initiate, enabled)):
                self.starts.begun(channel, self.waiting[channel][0])

    async def _confirm(self) -> None:
        missing = await self._until(self.waiting, running=True)
        for channel in self._still([channel for channel in self.waiting if channel not in missing]):
            self._succeed(channel)
        if not self._still(missing):
            return
        said = "; ".join(await self.mainframe.errors()) or "no error"
        for asked, channel in enumerate(self._still(missing)):
            why, tripped = "its state was not asked for", False
            if asked < LONG_STATES_MAX:
                state = await self.mainframe.long_state(channel, Priority.ORDER)
                why, tripped = state.why, state.result == "FAIL"
            self.starts.ended(channel)
            cell = self.mainframe.places[channel].cell
            detail = f"cell {cell} does not run after CELL:INIT: {why}; its error queue says {said}"
            self._drop(channel, DeviceFault(self.mainframe.device, detail, tripped=tripped))

    async def _until(self, channels: Iterable[ChannelId], *, running: bool) -> list[ChannelId]:
        """Those that do not show it in time, and have not been overtaken."""
        clock = asyncio.get_running_loop().time
        deadline_s = clock() + CONFIRM_S
        missing = self._still(channels)
        while missing:
            digits = await self.mainframe.digits(missing, Priority.ORDER)
            missing = self._still(channel for channel in missing if (digits.get(channel) == say.RUNNING) is not running)
            if not missing or clock() >= deadline_s:
                break
            await asyncio.sleep(POLL_S)
        return missing

    async def _write(self, text: Callable[[list[int]], str], channels: Iterable[ChannelId]) -> list[ChannelId]:
        """To all of them that are still wanted when it is sent; who they were."""
        while wanted := self._still(channels):
            try:
                await self.mainframe.link.write(
                    text(self.mainframe.cells(wanted)),
                    Priority.ORDER,
                    unless=lambda wanted=wanted: any(map(self._overtaken, wanted)),  # type: ignore[misc]
                )
            except Withdrawn:
                continue
            return wanted
        return []

    def _still(self, channels: Iterable[ChannelId]) -> list[ChannelId]:
        """Those of them that wait and have not been overtaken; who has, drops out."""
        present = [channel for channel in channels if channel in self.waiting]
        for channel in present:
            if self._overtaken(channel):
                accepted, _ = self.waiting.pop(channel)
                self.answers[channel] = Overtaken(order_id=accepted.order.order_id)
        return [channel for channel in present if channel in self.waiting]

    def _overtaken(self, channel: ChannelId) -> bool:
        waits = self.waiting.get(channel)
        return waits is None or self.offs.overtook(channel, waits[1])

    def _succeed(self, channel: ChannelId) -> None:
        accepted, _ = self.waiting.pop(channel)
        self.answers[channel] = Applied(
            order_id=accepted.order.order_id, phases=accepted.phases, limits=accepted.limits
        )

    def _drop(self, channel: ChannelId, error: DeviceError) -> None:
        del self.waiting[channel]
        self.answers[channel] = error
