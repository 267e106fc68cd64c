"""Voltage, current and state of one instant, from replies that were given at several."""

import asyncio
import math
from dataclasses import dataclass

from drivers.ea_psb import registers as reg
from drivers.links.modbus import ModbusLink
from drivers.links.queue import Priority


@dataclass(frozen=True, slots=True)
class Measured:
    """`taken_s` is the middle of request and reply. The current is NaN where its direction could not be told."""

    taken_s: float
    voltage_v: float
    current_a: float
    state: int


class Measuring:
    """Voltage and current come unsigned in one reply, so without skew; the sign is a bit of the state, in the next."""

    def __init__(self, link: ModbusLink) -> None:
        self._link = link
        self._sinks: bool | None = None  # the direction at the last time

    async def measure(self, ratings: reg.Ratings, *, accuracy_a: float) -> Measured:
        """Currents below the accuracy have whatever sign comes with them."""
        measured = await self._measure(ratings)
        sinks = _sinks(measured)
        if sinks is not self._sinks and abs(measured.current_a) > accuracy_a:
            # The sign may have changed before or after the values were taken: take them again, between two states
            # that must agree.
            measured = await self._measure(ratings)
            if _sinks(measured) is not sinks and abs(measured.current_a) > accuracy_a:
                measured = Measured(measured.taken_s, measured.voltage_v, math.nan, measured.state)
        self._sinks = _sinks(measured)
        return measured

    async def _measure(self, ratings: reg.Ratings) -> Measured:
        voltage_raw, current_raw, _ = await self._link.read(reg.ACTUAL, Priority.SWEEP)
        taken_s = (self._link.sent_s + asyncio.get_running_loop().time()) / 2
        (state,) = await self._link.read(reg.STATE, Priority.SWEEP)
        current_a = reg.real(current_raw, ratings.current_a)
        if state & reg.STATE_SINK and current_raw:
            current_a = -current_a
        return Measured(taken_s, reg.real(voltage_raw, ratings.voltage_v), current_a, state)


def _sinks(measured: Measured) -> bool:
    return bool(measured.state & reg.STATE_SINK)
