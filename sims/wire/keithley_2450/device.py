"""The instrument itself: source, limits, output relay and events. It knows no wire and no cell.

Source of the rules: Keithley 2450-901-01 and 2461-901-01, reference manuals, where the comments say V; else programs in
use with the device. Not simulated: automatic ranging of the source, sweeps, the trigger model, the digital lines, and
what a two-wire connection makes of the regulation: the voltage is always held at the sense terminals.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np

from sims.faults import Faults
from sims.terminal import Supply, Terminal
from sims.wire.keithley_2450.settings import Function, OffState, Quantity, Settings, SmuModel

OVERFLOW = 9.9e37
OVER_RANGE = 1.05  # every range reaches this far beyond its name
OFF_CURRENT_SHARE = 0.1  # V: of the present current range, as limit of the 0 V that a normal output-off state sources
LIMIT_SHARE_MIN = 0.001  # V: of a fixed measurement range
INTERLOCK_V = 42.0
EVENTS_MAX = 1000
BUFFER_READINGS_MAX = 100_000
PROTECTIONS_V = (2, 5, 10, 20, 40, 60, 80, 100, 120, 140, 160, 180)
LINE_PERIOD_S = 0.02

UNDEFINED_HEADER = (-113, "Undefined header")
CONFLICT = (-221, "Settings conflict")
OUT_OF_RANGE = (-222, "Parameter data out of range")
ILLEGAL_VALUE = (-224, "Illegal parameter value")
TOO_HOT = (5066, "Over temperature condition detected")  # device events are 5xxx; the number is made up


class Refused(Exception):
    """A command that is not carried out, with the event that it queues."""

    def __init__(self, event: tuple[int, str]) -> None:
        super().__init__(event[1])
        self.event = event


@dataclass(frozen=True, slots=True, kw_only=True)
class SmuError:
    """What the instrument measures wrongly; it regulates to what it measures. Currents as shares of their range."""

    voltage_offset_v: float = 0.0
    voltage_noise_v: float = 0.0
    current_offset_ratio: float = 0.0
    current_noise_ratio: float = 0.0


@dataclass(frozen=True, slots=True)
class Taken:
    """One entry of a reading buffer."""

    taken_s: float
    source: float
    reading: float
    status: int = 0


@dataclass(slots=True)
class Buffer:
    """A reading buffer: full, it forgets the oldest."""

    readings: deque[Taken] = field(default_factory=lambda: deque(maxlen=BUFFER_READINGS_MAX))

    def resize(self, count: int) -> None:
        """Clears it."""
        self.readings = deque(maxlen=count)


class SmuDevice:
    """One instrument, from power-on."""

    def __init__(
        self,
        terminal: Terminal,
        *,
        utcnow: Callable[[], datetime],
        model: SmuModel | None = None,
        error: SmuError | None = None,
        faults: Faults | None = None,
        language: str = "SCPI",
        wired_to: Literal["FRON", "REAR"] = "REAR",
        interlock_closed: bool = False,
        seed: int = 1,
    ) -> None:
        self.model = model or SmuModel()
        self.error = error or SmuError()
        self.faults = faults or Faults()
        self.language = language  # which a power cycle puts into force …
        self.next_language = language  # … and this is the one that then follows
        self.interlock_closed = interlock_closed
        self.settings = Settings.of(self.model)
        self.output_on = False
        self.events: deque[tuple[int, str, datetime]] = deque()
        self.buffer = Buffer()
        self.too_hot = False
        self._relay_closed = False
        self._terminal = terminal
        self._wired_to = wired_to
        self._utcnow = utcnow
        self._loop = asyncio.get_running_loop()
        self._random = random.Random(seed)

    # what the port asks for

    def set_function(self, function: Function) -> None:
        """The output goes off where the function changes."""
        if function != self.settings.function:
            self.switch(on=False)
            self.settings.function = function
            self._drive()

    def set_level(self, function: Function, level: float) -> None:
        """Refused outside a fixed range, beyond what the model gives, and above the interlock's voltage without it."""
        source = self.settings.source[function]
        ranges = self._ranges(function)
        reach = OVER_RANGE * (ranges[-1] if source.auto_range else source.range)
        if not abs(level) <= reach:
            raise Refused(OUT_OF_RANGE)
        self._check_power(function, level, source.limit)
        source.level = level
        if source.auto_range:
            source.range = _range_for(level, ranges)
        self._drive()

    def set_limit(self, function: Function, limit: float) -> None:
        """V: an absolute value, above a thousandth of a fixed measurement range and within the protection."""
        limit, other = abs(limit), self._other(function)
        sense, ranges = self.settings.sense[other], self._ranges(other)
        if not ranges[0] * LIMIT_SHARE_MIN < limit <= OVER_RANGE * ranges[-1]:
            raise Refused(OUT_OF_RANGE)
        if not sense.auto_range and not LIMIT_SHARE_MIN * sense.range < limit <= OVER_RANGE * sense.range:
            raise Refused(CONFLICT)
        source = self.settings.source[function]
        self._check_power(function, source.level, limit)
        source.limit = limit
        self._drive()

    def set_source_range(self, function: Function, value: float) -> None:
        """The lowest range that holds the value; automatic ranging ends."""
        source, ranges = self.settings.source[function], self._ranges(function)
        if not abs(value) <= OVER_RANGE * ranges[-1]:
            raise Refused(OUT_OF_RANGE)
        chosen = _range_for(value, ranges)
        if abs(source.level) > OVER_RANGE * chosen:
            raise Refused(CONFLICT)
        source.range, source.auto_range = chosen, False
        self._drive()

    def set_sense_range(self, quantity: Quantity, value: float) -> None:
        """The lowest range that holds the value; automatic ranging ends. V: a limit too small for it is raised."""
        sense = self.settings.sense[quantity]
        ranges = tuple(2.0 * 10.0**power for power in range(1, 9)) if quantity == "RES" else self._ranges(quantity)
        if not abs(value) <= OVER_RANGE * ranges[-1]:
            raise Refused(OUT_OF_RANGE)
        sense.range, sense.auto_range = _range_for(value, ranges), False
        if quantity != "RES":
            source = self.settings.source[self._other(quantity)]
            least = LIMIT_SHARE_MIN * sense.range * OVER_RANGE
            source.limit = max(source.limit, least)
            self._drive()

    def set_off_state(self, function: Function, state: OffState) -> None:
        """Acts at once where the output is off."""
        self.settings.source[function].off_state = state
        if not self.output_on:
            self._relay_closed = self._relay_closed and self.off_state != "HIMP"
            self._drive()

    def set_protection(self, voltage_v: float | None) -> None:
        """The highest voltage that is ever sourced."""
        self.settings.protection_v = voltage_v
        self._drive()

    def set_terminals(self, terminals: Literal["FRON", "REAR"]) -> None:
        """The output goes off where they change."""
        if terminals != self.settings.terminals:
            self.switch(on=False)
            self.settings.terminals = terminals
            self._drive()

    def switch(self, *, on: bool) -> None:
        """The output. In the high-impedance off state its relay opens; in the others 0 V stays connected (V)."""
        if on and self.too_hot:
            raise Refused(TOO_HOT)
        if self.faults.active and self.faults.ignores("not-applied" if on else "off-ignored"):
            return
        self._relay_closed = on or (self._relay_closed and self.off_state != "HIMP")
        self.output_on = on
        self._drive()

    def measure(self) -> Taken:
        """The source's value and the sensed quantity; takes no time here. Without a connection there is no reading."""
        settings = self.settings
        source = settings.source[settings.function]
        values = self._look()
        if settings.sensed == "RES":
            reading = values["VOLT"] / values["CURR"] if values["CURR"] else OVERFLOW
        else:
            reading = values[settings.sensed]
        taken = Taken(self._loop.time(), values[settings.function] if source.read_back else source.level, reading)
        self.buffer.readings.append(taken)
        return taken

    @property
    def measuring_s(self) -> float:
        """How long a measurement takes: the quantity and, where it is read back, the source."""
        settings = self.settings
        sense = settings.sense[settings.sensed]
        count = sense.average_count if sense.averages and sense.average_mode == "REP" else 1
        quantities = 2 if settings.source[settings.function].read_back else 1
        return LINE_PERIOD_S * sense.nplc * count * quantities

    def at_limit(self, function: Function) -> bool:
        """Whether the source is held by its limit instead of its level."""
        if not self.output_on or function != self.settings.function:
            return False
        true, source = self._terminal.measure(), self.settings.source[function]
        if function == "VOLT":
            return true.regulation == "cc"
        if source.level:
            return true.regulation == "cv" or true.current_a * source.level < 0.0
        return abs(true.voltage_v) >= source.limit

    def protects(self) -> bool:
        """Whether the over-voltage protection holds the source down."""
        source, protection_v = self.settings.source[self.settings.function], self.settings.protection_v
        wanted_v = source.level if self.settings.function == "VOLT" else source.limit
        return self.output_on and protection_v is not None and abs(wanted_v) > protection_v

    def queue(self, event: tuple[int, str]) -> None:
        """Something happened."""
        if len(self.events) < EVENTS_MAX:
            self.events.append((*event, self._utcnow()))

    def reset(self) -> None:
        """`*RST`: the factory's settings, the output off. The off state is the normal one again; a relay that is open
        does not close with it, as far as anybody knows."""
        self.switch(on=False)
        self.settings = Settings.of(self.model)
        self._drive()

    # what happens to it

    def overheat(self) -> None:
        """The output goes off and cannot be switched on until it has cooled down."""
        self.too_hot = True
        self.output_on = self._relay_closed = False
        self._drive()
        self.queue(TOO_HOT)

    def cool_down(self) -> None:
        """The event stays in the queue."""
        self.too_hot = False

    def restart(self) -> None:
        """Power-cycle: all settings are the factory's, and the relay is open until the output is first switched on."""
        self.settings = Settings.of(self.model)
        self.language = self.next_language
        self.output_on = self._relay_closed = self.too_hot = False
        self.events.clear()
        self.buffer = Buffer()
        self._drive()

    @property
    def off_state(self) -> OffState:
        """What off means under the present function."""
        return self.settings.source[self.settings.function].off_state

    # the machinery

    def _look(self) -> dict[Function, float]:
        settings = self.settings
        if not self._relay_closed or settings.terminals != self._wired_to:
            return {"VOLT": OVERFLOW, "CURR": OVERFLOW}
        true, error, draw = self._terminal.measure(), self.error, self._random.gauss
        at_v = true.voltage_v if settings.sense[settings.sensed].four_wire else true.output_v
        scale_a = self._current_range_a()
        shown_v = at_v + draw(error.voltage_offset_v, error.voltage_noise_v)
        shown_a = true.current_a + scale_a * draw(error.current_offset_ratio, error.current_noise_ratio)
        shown = np.array([[shown_v], [shown_a]])
        if self.faults.active:
            self.faults.distort(shown, now_s=self._loop.time())
            np.nan_to_num(shown, copy=False, nan=OVERFLOW)
        return {"VOLT": float(shown[0, 0]), "CURR": float(shown[1, 0])}

    def _drive(self) -> None:
        self._terminal.drive(self._supply())

    def _supply(self) -> Supply:
        settings, error = self.settings, self.error
        if not self._relay_closed or settings.terminals != self._wired_to:
            return Supply()
        if not self.output_on:
            off_a = OFF_CURRENT_SHARE * self._current_range_a()
            return Supply(on=True, source_current_a=off_a, sink_current_a=off_a)
        source = settings.source[settings.function]
        offset_a = error.current_offset_ratio * self._current_range_a()
        if settings.function == "VOLT":
            return Supply(
                on=True,
                voltage_v=self._clamped_v(source.level) - error.voltage_offset_v,
                source_current_a=max(0.0, source.limit - offset_a),
                sink_current_a=max(0.0, source.limit + offset_a),
            )
        # A voltage limit is held both ways, with all that the current range has.
        limit_v = self._clamped_v(source.limit)
        reach_a = OVER_RANGE * source.range
        level_a = source.level - offset_a
        if source.level >= 0.0:
            return Supply(on=True, voltage_v=limit_v, source_current_a=max(0.0, level_a), sink_current_a=reach_a)
        return Supply(on=True, voltage_v=-limit_v, source_current_a=reach_a, sink_current_a=max(0.0, -level_a))

    def _clamped_v(self, voltage_v: float) -> float:
        protection_v = self.settings.protection_v
        return voltage_v if protection_v is None else max(-protection_v, min(voltage_v, protection_v))

    def _current_range_a(self) -> float:
        """Of the source in one function; of the measurement, or of the limit where that is automatic, in the other."""
        settings = self.settings
        if settings.function == "CURR":
            return settings.source["CURR"].range
        sense = settings.sense["CURR"]
        if sense.auto_range:
            return _range_for(settings.source["VOLT"].limit, self.model.current_ranges_a)
        return sense.range

    def _ranges(self, quantity: Quantity) -> tuple[float, ...]:
        return self.model.current_ranges_a if quantity == "CURR" else self.model.voltage_ranges_v

    @staticmethod
    def _other(function: Function) -> Function:
        return "VOLT" if function == "CURR" else "CURR"

    def _check_power(self, function: Function, level: float, limit: float) -> None:
        if abs(level * limit) > OVER_RANGE**2 * self.model.power_w_max * (1 + 1e-9):
            raise Refused(CONFLICT)
        if not self.interlock_closed and abs(level if function == "VOLT" else limit) > INTERLOCK_V:
            raise Refused(CONFLICT)


def _range_for(value: float, ranges: tuple[float, ...]) -> float:
    """The lowest one that holds the value."""
    return next((each for each in ranges if abs(value) <= OVER_RANGE * each), ranges[-1])
