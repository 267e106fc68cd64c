"""Questions to the mainframe, each one transaction, in the units of the contract and by the rack's channels."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from cycler.contract.errors import LinkError
from cycler.contract.sweep import ChannelId
from drivers.keysight_bt2200 import commands as say
from drivers.keysight_bt2200 import replies
from drivers.keysight_bt2200.declaration import Place
from drivers.links.queue import Priority
from drivers.links.scpi import ScpiLink

ERRORS_MAX = 32  # in its queue
OFF_TIMEOUT_S = 0.5  # its answers are short, and whoever can open a contactor instead waits for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A value for each channel of the rack. `taken_s` is the middle of request and reply."""

    taken_s: float
    values: list[float]


class Mainframe:
    """Raises as `ScpiLink` does, and `ProtocolError` for answers that make no sense.

    `cells_defined`: without cells, as after a restart, there are measurements, but no states.
    """

    def __init__(self, device: str, link: ScpiLink, places: Mapping[ChannelId, Place]) -> None:
        self.device = device
        self.link = link
        self.places = places
        self.cells_defined = False
        self._all = tuple(places)
        self._ask_all = say.states(self.cells(self._all))
        self._firsts = [place.places[0] for place in places.values()]
        self._members = [at for place in places.values() for at in place.places]
        self._was_silent = False  # the last time that it was asked for states

    async def voltages(self, priority: Priority) -> Measured:
        """V. Of channels in parallel, which share a cell, that of the first."""
        return await self._measure(say.ALL_VOLTAGES, priority, self._firsts)

    async def currents(self, priority: Priority) -> Measured:
        """A, as the instrument gives the sign. Channels in parallel add up."""
        measured = await self._measure(say.ALL_CURRENTS, priority, self._members)
        return Measured(taken_s=measured.taken_s, values=self._summed(measured.values))

    async def all_currents(self, priority: Priority) -> list[float]:
        """Of all 256 card channels, whether the rack uses them or not."""
        return (await self._measure(say.ALL_CURRENTS, priority, None)).values

    def voltages_of(self, all_v: Sequence[float]) -> list[float]:
        """Picked from the 256."""
        return [all_v[at] for at in self._firsts]

    def currents_of(self, all_a: Sequence[float]) -> list[float]:
        """Picked from the 256."""
        return self._summed([all_a[at] for at in self._members])

    async def digits(self, channels: Collection[ChannelId], priority: Priority) -> Mapping[ChannelId, str]:
        """The short state of each; empty where the cells are not defined.

        That is answered by an error in the queue and silence (U), or an empty line. It takes two silences to tell it
        from a lost answer: `LinkError` the first time.
        """
        if not self.cells_defined:
            return {}
        ordered, question = self._all, self._ask_all
        if len(channels) < len(ordered):
            ordered = self._ordered(channels)
            question = say.states(self.cells(ordered))
        try:
            text = await self._ask(question, priority)
        except LinkError:
            errors = await self.errors(priority)
            if not (self._was_silent and errors):
                self._was_silent = True
                raise
            text = ""
        else:
            if not text:
                await self.errors(priority)
        self._was_silent = False
        if not text:
            self.cells_defined = False
            return {}
        found = replies.digits(self.device, question, text, len(ordered))
        return dict(zip(ordered, found, strict=True))

    async def step_times_s(self, channels: Collection[ChannelId], priority: Priority) -> dict[ChannelId, float]:
        """How long each has been in its present step."""
        ordered = self._ordered(channels)
        question = say.step_times(self.cells(ordered))
        found = replies.numbers(self.device, question, await self._ask(question, priority), len(ordered))
        return dict(zip(ordered, found, strict=True))

    async def long_state(self, channel: ChannelId, priority: Priority) -> replies.LongState:
        """Of one cell."""
        question = say.long_state(self.places[channel].cell)
        return replies.long_state(self.device, await self._ask(question, priority))

    async def catalog(self) -> frozenset[int]:
        """The sequences that are defined."""
        return replies.catalog(self.device, await self.link.query(say.SEQUENCES, Priority.ORDER))

    async def errors(self, priority: Priority = Priority.ORDER) -> list[str]:
        """Empties its queue."""
        found: list[str] = []
        while len(found) < ERRORS_MAX:
            error = replies.error(self.device, await self._ask(say.NEXT_ERROR, priority))
            if error is None:
                break
            found.append(error)
        return found

    def cells(self, channels: Collection[ChannelId]) -> list[int]:
        """Their numbers on the instrument."""
        return [self.places[channel].cell for channel in channels]

    async def _ask(self, question: str, priority: Priority) -> str:
        return await self.link.query(question, priority, timeout_s=OFF_TIMEOUT_S if priority is Priority.OFF else None)

    def _ordered(self, channels: Collection[ChannelId]) -> tuple[ChannelId, ...]:
        return tuple(sorted(channels, key=lambda channel: self.places[channel].cell))

    def _summed(self, members_a: list[float]) -> list[float]:
        width = len(self._members) // len(self._firsts)
        return members_a if width == 1 else [sum(members_a[at : at + width]) for at in range(0, len(members_a), width)]

    async def _measure(self, question: str, priority: Priority, places: Sequence[int] | None) -> Measured:
        text = await self._ask(question, priority)
        taken_s = (self.link.sent_s + asyncio.get_running_loop().time()) / 2
        return Measured(taken_s=taken_s, values=replies.numbers(self.device, question, text, say.CHANNELS, places))
