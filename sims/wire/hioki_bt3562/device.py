"""The instrument itself: what it is set to, and what it measures. It knows no wire and no cell.

Not simulated: external triggers, which never come; panel memories; the delay of a trigger.
"""

import asyncio
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sims.faults import OVERFLOW, Faults
from sims.wire.hioki_bt3562.values import RESISTANCE_RANGES, VOLTAGE_RANGES, Range, Verdict, holding

Function = Literal["RV", "RESISTANCE", "VOLTAGE"]
Rate = Literal["EXFAST", "FAST", "MEDIUM", "SLOW"]

MEASURING_S: dict[Rate, float] = {"EXFAST": 0.008, "FAST": 0.024, "MEDIUM": 0.084, "SLOW": 0.259}
VOLTAGES_V: dict[str, tuple[float, ...]] = {
    "BT3561A": (6.0, 60.0),
    "BT3562": (6.0, 60.0),
    "BT3562A": (6.0, 60.0, 100.0),
    "BT3563": (6.0, 60.0, 300.0),
    "BT3563A": (6.0, 60.0, 300.0),
}
ADJUST_COUNTS_MAX = 1000
PON, COMMAND_ERROR, EXECUTION_ERROR, QUERY_ERROR = 1 << 7, 1 << 5, 1 << 4, 1 << 2

Tips = Callable[[], tuple[float, float]]
"""Voltage and 1 kHz resistance between the four tips; NaN where they touch nothing."""


class Refused(Exception):
    """An execution error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HiokiError:
    """What the instrument measures wrongly."""

    voltage_offset_v: float = 0.0
    resistance_gain: float = 1.0
    voltage_noise_v: float = 0.0
    resistance_noise_ratio: float = 0.0  # of the range


@dataclass(slots=True, kw_only=True)
class Settings:
    """All that `*RST` brings back."""

    function: Function = "RV"
    headers: bool = False
    resistance_range: Range = RESISTANCE_RANGES[-1]
    voltage_range: Range = VOLTAGE_RANGES[60.0]
    auto_range: bool = True
    rate: Rate = "SLOW"
    averages: bool = False
    average_count: int = 2
    trigger: Literal["IMMEDIATE", "EXTERNAL"] = "IMMEDIATE"
    continuous: bool = True
    comparator: bool = False
    resistance_zero_ohm: float = 0.0
    voltage_zero_v: float = 0.0
    line_frequency: Literal["AUTO", "50", "60"] = "AUTO"
    io_locked: bool = False
    keys_locked: bool = False


@dataclass(frozen=True, slots=True)
class Value:
    """One measured quantity, in the range in which it was taken."""

    value: float
    verdict: Verdict
    range: Range

    def __str__(self) -> str:
        return self.range.format(self.value, self.verdict)


class HiokiDevice:
    """One instrument, from power-on."""

    def __init__(
        self,
        tips: Tips,
        *,
        model: str = "BT3562A",
        version: str = "V1.00",
        error: HiokiError | None = None,
        faults: Faults | None = None,
        seed: int = 1,
    ) -> None:
        self.model = model
        self.version = version
        self.error = error or HiokiError()
        self.faults = faults or Faults()
        self.settings = Settings()
        self.events = PON
        self._tips = tips
        self._random = random.Random(seed)
        self._newest: tuple[Value, Value] | None = None

    @property
    def measuring_s(self) -> float:
        """How long one measurement takes."""
        settings = self.settings
        return MEASURING_S[settings.rate] * (settings.average_count if settings.averages else 1)

    def read(self) -> tuple[Value, ...]:
        """A single measurement. Refused in free run; without an end where a trigger from outside is waited for."""
        if self.settings.continuous:
            raise Refused
        self._newest = self._measure()
        return self._chosen(self._newest)

    def fetch(self) -> tuple[Value, ...]:
        """The newest values: in free run those of now, else those of the last measurement."""
        if self.settings.continuous or self._newest is None:
            self._newest = self._measure()
        return self._chosen(self._newest)

    def set_resistance_range(self, value: float) -> None:
        """Up to the next range; automatic ranging ends."""
        self.settings.resistance_range = self._range(RESISTANCE_RANGES, value)
        self.settings.auto_range = False

    def set_voltage_range(self, value: float) -> None:
        """Up to the next range of this model; automatic ranging ends."""
        ranges = tuple(VOLTAGE_RANGES[name] for name in VOLTAGES_V[self.model])
        self.settings.voltage_range = self._range(ranges, value)
        self.settings.auto_range = False

    def set_auto_range(self, on: bool) -> None:
        """Refused while the comparator is on."""
        if self.settings.comparator:
            raise Refused
        self.settings.auto_range = on

    def set_comparator(self, on: bool) -> None:
        """It ends automatic ranging."""
        self.settings.comparator = on
        if on:
            self.settings.auto_range = False

    def adjust_zero(self) -> bool:
        """With the tips shorted. False: what is measured is no zero."""
        resistance, voltage = self._measure(adjusted=False)
        if any(
            each.verdict != "ok"
            or abs(each.value) > ADJUST_COUNTS_MAX * 10.0 ** (each.range.exponent - each.range.decimals)
            for each in (resistance, voltage)
        ):
            return False
        self.settings.resistance_zero_ohm, self.settings.voltage_zero_v = resistance.value, voltage.value
        return True

    def clear_zero(self) -> None:
        """The adjustment is dropped."""
        self.settings.resistance_zero_ohm = self.settings.voltage_zero_v = 0.0

    def reset(self) -> None:
        """`*RST`: factory settings; the zero adjustment goes too."""
        self.settings = Settings()
        self._newest = None

    def restart(self) -> None:
        """Power-cycle: it comes back with its settings, but without headers."""
        self.settings.headers = False
        self.events = PON
        self._newest = None

    @property
    def measures_now(self) -> bool:
        """Whether its measuring current flows without being asked for."""
        return self.settings.continuous

    def _measure(self, *, adjusted: bool = True) -> tuple[Value, Value]:
        settings, error, draw = self.settings, self.error, self._random.gauss
        voltage_v, resistance_ohm = self._tips()
        shown = np.array(
            [
                [voltage_v + error.voltage_offset_v + draw(0.0, error.voltage_noise_v)],
                [resistance_ohm * error.resistance_gain],
            ]
        )
        if self.faults.active:
            self.faults.distort(shown, now_s=asyncio.get_running_loop().time())
        voltage_v, resistance_ohm = float(shown[0, 0]), float(shown[1, 0])
        resistance_ohm += draw(0.0, error.resistance_noise_ratio * settings.resistance_range.name)
        if adjusted:
            voltage_v -= settings.voltage_zero_v
            resistance_ohm -= settings.resistance_zero_ohm
        resistance_range, voltage_range = settings.resistance_range, settings.voltage_range
        if settings.auto_range:
            ranges = tuple(VOLTAGE_RANGES[name] for name in VOLTAGES_V[self.model])
            resistance_range = holding(RESISTANCE_RANGES, resistance_ohm) or RESISTANCE_RANGES[-1]
            voltage_range = holding(ranges, voltage_v) or ranges[-1]
        return _judged(resistance_ohm, resistance_range), _judged(voltage_v, voltage_range)

    def _chosen(self, newest: tuple[Value, Value]) -> tuple[Value, ...]:
        resistance, voltage = newest
        match self.settings.function:
            case "RV":
                return resistance, voltage
            case "RESISTANCE":
                return (resistance,)
            case _:
                return (voltage,)

    @staticmethod
    def _range(ranges: tuple[Range, ...], value: float) -> Range:
        found = holding(ranges, value) if value >= 0.0 else None
        if found is None:
            raise Refused
        return found


def _judged(value: float, measured_in: Range) -> Value:
    if math.isnan(value):
        return Value(value, "fault", measured_in)
    if abs(value) > measured_in.full_scale or abs(value) >= OVERFLOW:
        return Value(value, "over", measured_in)
    return Value(value, "ok", measured_in)
