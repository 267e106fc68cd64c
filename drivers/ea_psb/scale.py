"""Counts: every set and measured value is a share of the rating, and that is what set values are compared in.

Source: EA Elektro-Automatik, "Programming Guide ModBus & SCPI", revision 24.
"""

import math
from dataclasses import dataclass

FULL_SCALE = 0xCCCC  # V: 100 % of the rated value
STEPS = 26214  # V: the resolution over 0-100 %, every second count


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratings:
    """The base of every share. `real = rated × raw / 0xCCCC`."""

    voltage_v: float
    current_a: float
    power_w: float
    resistance_ohm_min: float = 0.0
    resistance_ohm_max: float = 0.0  # the base of its share; 0: no resistance is regulated


def real(raw: float, rated: float) -> float:
    """A count as a value."""
    return rated * raw / FULL_SCALE


def raw_nearest(value: float, rated: float) -> int:
    """The count that a value was shown for."""
    return round(FULL_SCALE * value / rated)


def raw_at_most(value: float, rated: float) -> int:
    """The highest count whose value the device can hold and that is not above `value`."""
    # Even counts only: odd ones the device would round, perhaps upwards. The tiny share is for values on a step.
    return 2 * math.floor(STEPS * value / rated + 1e-6)


def raw_at_least(value: float, rated: float) -> int:
    """The lowest count whose value the device can hold and that is not below `value`."""
    return 2 * math.ceil(STEPS * value / rated - 1e-6)
