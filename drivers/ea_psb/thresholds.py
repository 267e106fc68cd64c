"""The thresholds at which the supply opens its output by itself, as the rack file and as SCPI name them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from drivers.ea_psb.scale import Ratings


@dataclass(frozen=True, slots=True)
class Threshold:
    """`key`: in the rack file. `command`: over SCPI, V; the registers 550, 553 and 556 are U and not used."""

    key: str
    command: str
    unit: Literal["V", "A", "W"]

    def rated(self, ratings: Ratings) -> float:
        """What its greatest value is a share of: 110 %, on some models 103 %."""
        return {"V": ratings.voltage_v, "A": ratings.current_a, "W": ratings.power_w}[self.unit]


Thresholds = Mapping[Threshold, float]
"""In volts, amperes and watts. What is not in it is not known."""

OVER_VOLTAGE = Threshold("over_voltage", "VOLT:PROT", "V")
OVER_CURRENT = Threshold("over_current", "CURR:PROT", "A")
OVER_POWER = Threshold("over_power", "POW:PROT", "W")
SINK_OVER_CURRENT = Threshold("sink_over_current", "SINK:CURR:PROT", "A")
SINK_OVER_POWER = Threshold("sink_over_power", "SINK:POW:PROT", "W")

THRESHOLDS = (OVER_VOLTAGE, OVER_CURRENT, OVER_POWER, SINK_OVER_CURRENT, SINK_OVER_POWER)
