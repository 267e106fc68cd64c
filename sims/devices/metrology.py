"""What stands between the truth and what an instrument says of it: offset, gain, noise, resolution.

Magnitudes for formation-grade hardware: offset and gain fixed per channel, 16 bit converters, voltage noise of 0.004 %
of range (0.2 mV on 5 V), current noise of 0.01 % of range.
"""

import math
from typing import Protocol

import numpy as np

from cycler.contract.capabilities import ChannelRange
from sims.terminal import Column

VOLTAGE_NOISE_RATIO = 0.00004
CURRENT_NOISE_RATIO = 0.0001
CONVERTER_COUNTS = 65536


class Metrology(Protocol):
    """One instrument's errors, a row per channel. It regulates to what it shows, so that `true_*` is what comes out."""

    def voltage_v(self, true: Column) -> Column:
        """As the instrument shows it."""

    def current_a(self, true: Column) -> Column:
        """As the instrument shows it."""

    def counted_ah(self, true: Column) -> Column:
        """As the instrument's charge counter shows it."""

    def true_voltage_v(self, row: int, shown: float) -> float:
        """What is there when the instrument shows this."""

    def true_current_a(self, row: int, shown: float) -> float:
        """What flows when the instrument shows this."""


class PerfectMetrology:
    """Shows the truth."""

    def voltage_v(self, true: Column) -> Column:
        return true

    def current_a(self, true: Column) -> Column:
        return true

    def counted_ah(self, true: Column) -> Column:
        return true

    def true_voltage_v(self, row: int, shown: float) -> float:
        return shown

    def true_current_a(self, row: int, shown: float) -> float:
        return shown


class TypicalMetrology:
    """Errors drawn once per channel from within the declared accuracy, half of it offset, half of it gain."""

    def __init__(self, declared: ChannelRange, rows: int, rng: np.random.Generator) -> None:
        current_a_max = max(declared.charge_current_a_max, declared.discharge_current_a_max)
        self._voltage = _Meter(
            full_scale=declared.voltage_v_max,
            accuracy=declared.voltage_accuracy_v,
            noise=declared.voltage_noise_v,
            resolution=declared.voltage_resolution_v,
            rows=rows,
            rng=rng,
        )
        self._current = _Meter(
            full_scale=current_a_max,
            accuracy=declared.current_accuracy_a,
            noise=current_a_max * CURRENT_NOISE_RATIO,
            resolution=declared.current_resolution_a,
            rows=rows,
            rng=rng,
        )

    def voltage_v(self, true: Column) -> Column:
        return self._voltage.shows(true)

    def current_a(self, true: Column) -> Column:
        return self._current.shows(true)

    def counted_ah(self, true: Column) -> Column:
        return true * self._current.gain

    def true_voltage_v(self, row: int, shown: float) -> float:
        return self._voltage.truth(row, shown)

    def true_current_a(self, row: int, shown: float) -> float:
        return self._current.truth(row, shown)


class _Meter:
    """One quantity: shown = true * gain + offset + noise, to the next step of the converter."""

    def __init__(
        self,
        *,
        full_scale: float,
        accuracy: float,
        noise: float,
        resolution: float,
        rows: int,
        rng: np.random.Generator,
    ) -> None:
        self.gain = 1.0 + rng.uniform(-accuracy, accuracy, rows) / (2.0 * full_scale)
        self._offset = rng.uniform(-accuracy, accuracy, rows) / 2.0
        self._noise = noise
        self._resolution = resolution
        self._rng = rng

    def shows(self, true: Column) -> Column:
        shown = self._rng.standard_normal(len(true))
        shown *= self._noise
        shown += self._offset
        shown += true * self.gain
        shown /= self._resolution
        np.rint(shown, out=shown)
        shown *= self._resolution
        return shown

    def truth(self, row: int, shown: float) -> float:
        return (shown - float(self._offset[row])) / float(self.gain[row])


def round_down(value: float, resolution: float) -> float:
    """To a whole step of the converter, never upwards."""
    return min(value, math.floor(value / resolution + 1e-9) * resolution)


def round_up(value: float, resolution: float) -> float:
    """To a whole step of the converter, never downwards."""
    return max(value, math.ceil(value / resolution - 1e-9) * resolution)
