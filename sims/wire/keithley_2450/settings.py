"""What models differ in, and all that an instrument can be set to.

Source: Keithley 2450-901-01 and 2461-901-01, reference manuals, for the defaults of a limit; the ranges are known from
the data sheets.
"""

from dataclasses import dataclass, replace
from typing import Literal

Function = Literal["CURR", "VOLT"]
Quantity = Literal["CURR", "VOLT", "RES"]
OffState = Literal["NORM", "HIMP", "ZERO", "GUAR"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SmuModel:
    """What the type plate says. Source and limit together stay within `power_w_max`, 5 % over-range both ways."""

    name: str = "2450"
    serial: str = "04000001"
    firmware: str = "1.7.12b"
    voltage_ranges_v: tuple[float, ...] = (0.02, 0.2, 2.0, 20.0, 200.0)
    current_ranges_a: tuple[float, ...] = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    power_w_max: float = 20.0
    voltage_limit_v: float = 21.0  # of the current source, from the factory


_246X = SmuModel(
    voltage_ranges_v=(0.2, 2.0, 7.0, 10.0, 20.0, 100.0),
    current_ranges_a=(1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 4.0, 5.0, 7.0),
    power_w_max=100.0,
    voltage_limit_v=7.35,
)
MODELS = {"2450": SmuModel(), "2460": replace(_246X, name="2460"), "2461": replace(_246X, name="2461")}


@dataclass(slots=True, kw_only=True)
class SourceSetting:
    """What each source function keeps for itself."""

    level: float
    limit: float
    range: float
    auto_range: bool = True
    off_state: OffState = "NORM"
    read_back: bool = True
    delay_s: float = 0.0
    auto_delay: bool = True


@dataclass(slots=True, kw_only=True)
class SenseSetting:
    """What each measured quantity keeps for itself."""

    range: float
    auto_range: bool = True
    nplc: float = 1.0
    four_wire: bool = False
    averages: bool = False
    average_count: int = 10
    average_mode: Literal["REP", "MOV"] = "REP"


@dataclass(slots=True, kw_only=True)
class Settings:
    """All that `*RST` and a power cycle bring back."""

    function: Function = "VOLT"
    source: dict[Function, SourceSetting]
    sensed: Quantity = "CURR"
    sense: dict[Quantity, SenseSetting]
    protection_v: float | None = None
    terminals: Literal["FRON", "REAR"] = "FRON"

    @classmethod
    def of(cls, model: SmuModel) -> "Settings":
        """The factory's."""
        return cls(
            source={
                "CURR": SourceSetting(level=0.0, limit=model.voltage_limit_v, range=1e-4),
                "VOLT": SourceSetting(level=0.0, limit=1.05e-4, range=model.voltage_ranges_v[0]),
            },
            sense={
                "CURR": SenseSetting(range=1e-4),
                "VOLT": SenseSetting(range=20.0),
                "RES": SenseSetting(range=2e6),
            },
        )
