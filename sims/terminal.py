"""Where a simulated instrument meets simulated physics: the two clamps of one channel.

An instrument is set-points and rules; a terminal is what its output is wired to. Instruments know no cells, cells know
no instruments.
"""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

TrueRegulation = Literal["off", "cc", "cv", "cp", "cr"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """What a bidirectional supply is told to do with its output. Magnitudes >= 0.

    With the output on: where `voltage_v` lies above the cell, it sources up to `source_current_a`, else it sinks up to
    `sink_current_a`; power limits and a resistance likewise; at the voltage itself it regulates CV in whichever
    direction is allowed.
    """

    on: bool = False
    voltage_v: float = 0.0
    source_current_a: float = 0.0
    sink_current_a: float = 0.0
    source_power_w: float = float("inf")
    sink_power_w: float = float("inf")
    sink_resistance_ohm: float = 0.0  # it sinks no more than flows through this; 0: whatever its other limits allow


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalReading:
    """The true electrical state now, before any instrument error. Positive current charges."""

    voltage_v: float  # at the sense wires
    output_v: float  # at the instrument's own clamps
    current_a: float
    regulation: TrueRegulation
    charged_ah: float  # what has really gone into the cell since the world began …
    discharged_ah: float  # … and come out of it


class Terminal(Protocol):
    """One channel's clamps. Both calls bring the physics up to the loop's present time first."""

    def drive(self, supply: Supply) -> None:
        """Set the supply; it takes effect now."""

    def measure(self) -> TerminalReading:
        """What a perfect instrument would see now."""


REGULATIONS: tuple[TrueRegulation, ...] = ("off", "cc", "cv", "cp", "cr")
"""What the codes of `BankReading.regulation` mean."""

Column = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class BankReading:
    """`TerminalReading` for many terminals: a column per quantity, a row per terminal. Nobody changes the columns."""

    voltage_v: Column
    output_v: Column
    current_a: Column
    regulation: NDArray[np.integer[Any]]  # indices into `REGULATIONS`
    charged_ah: Column
    discharged_ah: Column


class Bank(Protocol):
    """The terminals of one instrument side by side, so that hundreds of channels cost one look at the physics."""

    def drive(self, row: int, supply: Supply) -> None:
        """Set the supply of one terminal; it takes effect now."""

    def measure(self) -> BankReading:
        """What a perfect instrument would see now on all of them."""
