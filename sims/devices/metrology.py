"""What stands between the truth and what an instrument says of it: offset, gain, noise, resolution.

Magnitudes for formation-grade hardware: offset and gain fixed per channel, 16 bit converters, voltage noise of 0.004 %
of range (0.2 mV on 5 V), current noise of 0.01 % of range.
"""

import math
from typing import Protocol

import numpy as np

from cycler.contract.capabilities import ChannelRange
from sims.terminal import Column

Columns = Column
"""A row per quantity, a column per channel."""

VOLTAGE_NOISE_RATIO = 0.00004
CURRENT_NOISE_RATIO = 0.0001
CONVERTER_COUNTS = 65536
NOISE_STOCK = 1 << 14
NOISE_STRIDE = 7919  # odd, so that a channel goes through the whole stock before anything comes again


class Metrology(Protocol):
    """One instrument's errors, a row per channel. It regulates to what it shows, so that `true_*` is what comes out."""

    def show(self, true: Columns) -> None:
        """Turn voltages and currents, one row each, into what the instrument shows of them, in place."""

    def count(self, true_ah: Columns) -> None:
        """Turn charges into what the instrument's counters show, in place."""

    def true_voltage_v(self, row: int, shown: float) -> float:
        """What is there when the instrument shows this."""

    def true_current_a(self, row: int, shown: float) -> float:
        """What flows when the instrument shows this."""


class PerfectMetrology:
    """Shows the truth."""

    def show(self, true: Columns) -> None:
        pass

    def count(self, true_ah: Columns) -> None:
        pass

    def true_voltage_v(self, row: int, shown: float) -> float:
        return shown

    def true_current_a(self, row: int, shown: float) -> float:
        return shown


class TypicalMetrology:
    """Errors drawn once per channel from within the declared accuracy, half of it offset, half of it gain.

    Shown = true * gain + offset + noise, to the next step of the converter.
    """

    def __init__(self, declared: ChannelRange, rows: int, rng: np.random.Generator) -> None:
        current_a_max = max(declared.charge_current_a_max, declared.discharge_current_a_max)
        full_scale = np.array([[declared.voltage_v_max], [current_a_max]])
        accuracy = np.array([[declared.voltage_accuracy_v], [declared.current_accuracy_a]])
        noise = np.array([[declared.voltage_noise_v], [current_a_max * CURRENT_NOISE_RATIO]])
        resolution = np.array([[declared.voltage_resolution_v], [declared.current_resolution_a]])
        drawn = rng.uniform(-0.5, 0.5, (2, 2, rows)) * accuracy
        self._gain, self._offset = 1.0 + drawn[0] / full_scale, drawn[1]
        # In steps of the converter, as wide as the readings: broadcasting would cost more than the sums.
        self._gain_steps, self._offset_steps = self._gain / resolution, self._offset / resolution
        self._resolution = np.repeat(resolution, rows, axis=1)
        self._counter_gain = np.repeat(self._gain[1:], 2, axis=0)
        self._rows = rows
        # Noise is a window into a stock of it, for drawing it afresh would cost more than all the rest.
        self._noise_steps = rng.standard_normal((2, NOISE_STOCK + rows)) * (noise / resolution)
        self._window = 0

    def show(self, true: Columns) -> None:
        self._window = (self._window + NOISE_STRIDE) % NOISE_STOCK
        true *= self._gain_steps
        true += self._offset_steps
        true += self._noise_steps[:, self._window : self._window + self._rows]
        np.rint(true, out=true)
        true *= self._resolution

    def count(self, true_ah: Columns) -> None:
        true_ah *= self._counter_gain

    def true_voltage_v(self, row: int, shown: float) -> float:
        return self._truth(0, row, shown)

    def true_current_a(self, row: int, shown: float) -> float:
        return self._truth(1, row, shown)

    def _truth(self, quantity: int, row: int, shown: float) -> float:
        return (shown - float(self._offset[quantity, row])) / float(self._gain[quantity, row])


def round_down(value: float, resolution: float) -> float:
    """To a whole step of the converter, never upwards."""
    return min(value, math.floor(value / resolution + 1e-9) * resolution)


def round_up(value: float, resolution: float) -> float:
    """To a whole step of the converter, never downwards."""
    return max(value, math.ceil(value / resolution - 1e-9) * resolution)
