"""Voltage, current and regulation of one instant, from replies that were given at several."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass

from cycler.contract.errors import ProtocolError
from cycler.contract.sweep import Regulation
from drivers.keithley_2450 import commands as cmd
from drivers.links.queue import Priority
from drivers.links.scpi import ScpiLink


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """`taken_s` is the middle of request and reply. NaN where there is no reading: an open relay shows no voltage."""

    taken_s: float
    on: bool
    regulation: Regulation
    voltage_v: float
    current_a: float


class Measuring:
    """`switchings` counts how often the output or its function was switched, by anybody on this connection.

    What a reading means depends on both, and other messages slip in between the questions: a measurement during which
    the count has moved is made once more, and then given up.
    """

    def __init__(self, device: str, link: ScpiLink, switchings: Callable[[], int]) -> None:
        self._device = device
        self._link = link
        self._switchings = switchings

    async def measure(self, priority: Priority) -> Measured:
        """Raises `ProtocolError` for answers that make no sense."""
        for _ in range(2):
            before = self._switchings()
            measured = await self._measure(priority)
            if self._switchings() == before:
                return measured
        return Measured(
            taken_s=measured.taken_s,
            on=measured.on,
            regulation="unknown",
            voltage_v=math.nan,
            current_a=math.nan,
        )

    async def _measure(self, priority: Priority) -> Measured:
        device, link, clock = self._device, self._link, asyncio.get_running_loop().time
        on = cmd.flag(device, cmd.OUTPUT, await link.query(cmd.OUTPUT, priority))
        if not on:
            taken_s = (link.sent_s + clock()) / 2
            # The relay is open: no current, and no voltage that could be seen.
            return Measured(taken_s=taken_s, on=False, regulation="off", voltage_v=math.nan, current_a=0.0)
        function = await self._quantity(cmd.SOURCE_FUNCTION, priority)
        sensed = await self._quantity(cmd.SENSED, priority)
        reply = await link.query(cmd.READING, priority)
        taken_s = (link.sent_s + clock()) / 2
        source_value, sensed_value = cmd.numbers(device, cmd.READING, reply, count=2)
        values = {sensed: sensed_value, function: source_value}
        question = cmd.AT_LIMIT[function]
        limited = cmd.flag(device, question, await link.query(question, priority))
        return Measured(
            taken_s=taken_s,
            on=True,
            regulation="cc" if limited is (function == "VOLT") else "cv",
            # Whoever has set it up otherwise than this driver does may sense what it sources.
            voltage_v=values.get("VOLT", math.nan),
            current_a=values.get("CURR", math.nan),
        )

    async def _quantity(self, question: str, priority: Priority) -> str:
        reply = await self._link.query(question, priority)
        quantity = reply.strip('"').removesuffix(":DC")
        if quantity not in ("VOLT", "CURR") and question != cmd.SENSED:
            raise ProtocolError(self._device, f"answered {question!r} with {reply[:40]!r}, expected VOLT or CURR")
        return quantity
