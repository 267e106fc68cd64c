"""Whether readings stand still because nobody takes them any more: the same values under fresh time stamps.

A counter of charge that stands still under a current is proof. Without one, the noise of the instrument is missing:
that takes the longer, the less of it is seen. Where none is to be seen, only the charge that has passed tells: the
voltage of a cell on its plateau may stay within one step of a coarse converter for hours, and is healthy. So may a
temperature: it is told by its neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, erf, inf, log, sqrt
from statistics import median

from cycler.contract.capabilities import ChannelRange

STILL_S = 30.0
CHANCE = 1e-12
"""That noise alone leaves readings alone for so long: once in some thousand years of a large rack."""
NOISE_STEPS_MIN = 0.5
"""Less noise than this, in steps of the converter, may show nothing of itself for as long as the voltage stays."""

COUNTS = 2.0
"""A counter has moved for certain by this many of what the smallest step of the current moves in an hour."""

FINE_V = 0.001
PASSED_RATIO = 0.2
"""Of rated. The voltage of LFP stays within 1 mV over 9 % of it at most, between C/20 and C/3: docs/simulation.md."""

NEIGHBOURS_MIN = 3
NEIGHBOURS_MOVED_K = 2.0
"""Where its neighbours in the same step warm by this, or by two accuracies of a sensor, a cell does not stand still."""

MODULE_MIN = 8
MODULE_C_RATE = 1 / 3
MODULE_STILL_S = 3600.0
"""Under such a current one of so many sensors moves by 0.1 K within 33 min, in all steps: docs/simulation.md."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenRule:
    """How long the readings of a channel under current may stand still. Infinite: that says nothing here."""

    samples: float
    charge_ah: float  # what must have passed in the meantime
    in_cv: bool  # whether it says something while the device holds the voltage

    @property
    def is_applied(self) -> bool:
        """Whether anything can be found at all."""
        return self.samples < inf

    def is_broken(self, *, samples: int, still_s: float, charge_ah: float, held: bool) -> bool:
        """`charge_ah` by the current shown; `held`: in CV."""
        return (
            samples >= self.samples and still_s >= STILL_S and charge_ah >= self.charge_ah and (self.in_cv or not held)
        )


def frozen_rule(channel: ChannelRange, rated_capacity_ah: float, *, counts: bool) -> FrozenRule:
    """`counts`: the device's own counter of charge is among its readings."""
    if counts:
        return FrozenRule(samples=2, charge_ah=COUNTS * channel.current_resolution_a, in_cv=True)
    noise_steps = channel.voltage_noise_v / channel.voltage_resolution_v
    if noise_steps >= NOISE_STEPS_MIN:
        same = erf(1 / (2 * sqrt(2) * noise_steps))  # at most: the voltage lies in the middle of a step
        return FrozenRule(samples=ceil(log(CHANCE) / log(same)), charge_ah=0.0, in_cv=True)
    if channel.voltage_resolution_v <= FINE_V:
        return FrozenRule(samples=2, charge_ah=PASSED_RATIO * rated_capacity_ah, in_cv=False)
    return FrozenRule(samples=inf, charge_ah=inf, in_cv=False)


def sensor_is_frozen(neighbours_moved_k: Sequence[float], *, accuracy_k: float) -> bool:
    """Of a sensor that has shown one value all the time in which its neighbours, in the same step, have moved so."""
    if len(neighbours_moved_k) < NEIGHBOURS_MIN:
        return False
    return abs(median(neighbours_moved_k)) >= moved_k_min(accuracy_k)


def moved_k_min(accuracy_k: float) -> float:
    """As far as its neighbours have to move before a sensor that stands still is frozen."""
    return max(NEIGHBOURS_MOVED_K, 2 * accuracy_k)


def module_is_frozen(shown_degc: Sequence[float], *, still_s: float) -> bool:
    """Of the sensors on cells under at least `MODULE_C_RATE`. One that shows whole degrees is too coarse to tell."""
    is_coarse = all(degc == round(degc) for degc in shown_degc)
    return len(shown_degc) >= MODULE_MIN and still_s >= MODULE_STILL_S and not is_coarse
