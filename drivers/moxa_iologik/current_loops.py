"""Gas detectors and the like on 4-20 mA: one bit each, high as long as the current is healthy."""

import math
import struct

from drivers.links.modbus import Block, ModbusLink
from drivers.links.queue import Priority
from drivers.moxa_iologik.lines import Lines
from drivers.moxa_iologik.options import Options
from drivers.moxa_iologik.registers import MODELS

BROKEN_MA = 3.6  # below, the loop is broken …
SHORT_MA = 21.0  # … and above shorted: both count as an alarm
BURN_OUT = 1  # of the loop's state, V; over (2) and under (3) the range, it is still its current that counts


class CurrentLoops:
    """The analogue inputs for which the rack file gives an alarm. Their scaled value has to be left in mA."""

    def __init__(self, link: ModbusLink, name: str, lines: Lines, options: Options) -> None:
        model = MODELS[name]
        self._link = link
        self._lines = lines.analogue
        self._alarms_ma = options.alarms_ma
        self._swapped = options.word_order == "low-first"
        # V: the manual's addresses of single floats contradict each other; all of them in one request are certain.
        self._currents = Block(model.current, struct.Struct(f">{2 * model.analogue}H"), table="input")
        self._states = Block(model.current_state, struct.Struct(f">{model.analogue}H"), table="input")

    async def read(self) -> dict[str, bool]:
        """High for each whose current is healthy."""
        words = await self._link.read(self._currents, Priority.SWEEP)
        states = await self._link.read(self._states, Priority.SWEEP)
        healthy = {}
        for line, channel in self._lines.items():
            current = current_ma(words[2 * channel : 2 * channel + 2], swapped=self._swapped)
            healthy[line] = states[channel] != BURN_OUT and is_healthy(current, self._alarms_ma[channel])
        return healthy


def current_ma(words: tuple[int, ...], *, swapped: bool) -> float:
    """Of the two registers of a float."""
    high, low = reversed(words) if swapped else words
    return float(struct.unpack(">f", struct.pack(">HH", high, low))[0])


def is_healthy(current: float, alarm_ma: float) -> bool:
    """NaN is not."""
    return math.isfinite(current) and BROKEN_MA <= current <= SHORT_MA and current < alarm_ma
